"""What people type into a search box, as two queries: one for titles, one for everything.

Words are all wanted, `"quoted words"` stand together, `-word` is unwanted, `a or b` is either. The last word may be the
beginning of one. A word that the workspace does not have also stands for the words that it has and that are spelt
nearly so.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field, StringConstraints
from rapidfuzz import process
from rapidfuzz.distance import OSA
from sqlalchemy import Integer, Numeric, Uuid, bindparam, cast, column, func, literal_column, select
from sqlalchemy.dialects.postgresql import ARRAY, TSQUERY

from api.accounts.tenancy import owned
from api.http.pagination import Source
from api.problems import Invalid, Pointer
from api.search.folding import ACCENTED, IDEOGRAPHS, PLAIN, PUNCTUATION
from api.search.models import SearchWord
from api.stores import Prepared, Transaction

MOST_CANDIDATES = 2_000
MOST_WORDS = 12
MOST_VOCABULARY = 50_000
MOST_CORRECTIONS = 3
LONGEST_QUERY = 200

SearchText = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST_QUERY),
    Field(
        description='Full text: all words, `"a phrase"`, `-without`, `one or other`. Typos are forgiven; the last word '
        "may be the beginning of one. Other filters select among the 2,000 best matches.",
        examples=["dark mode"],
    ),
]

_FOLDING = str.maketrans(PUNCTUATION + ACCENTED, " " * len(PUNCTUATION) + PLAIN)
_TERM = re.compile(r'(-?)"([^"]*)"?|(-?)(\S+)')
_KNOWN = Prepared(
    select(func.array_agg(SearchWord.word.distinct())).where(
        owned(SearchWord), SearchWord.word == func.any(bindparam("words", type_=ARRAY(SearchWord.word.type)))
    )
)
_near = (
    select(SearchWord.word)
    .where(owned(SearchWord), func.length(SearchWord.word).between(bindparam("shortest"), bindparam("longest")))
    .limit(MOST_VOCABULARY)
    .subquery()
)
_VOCABULARY = Prepared(select(func.string_agg(_near.c.word, literal_column("' '"))))


@dataclass(frozen=True, slots=True)
class Term:
    """Words that stand together, or one word with its corrections."""

    words: tuple[str, ...]
    unwanted: bool = False
    begins: bool = False
    either: bool = False
    corrections: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Understood:
    """The two queries as Postgres takes them, and what was corrected."""

    titled: str
    whole: str
    corrected: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, Any]:
        """The bind values of a statement over `matches`."""
        return {"titled": self.titled, "whole": self.whole, "most": MOST_CANDIDATES}


async def understand(tx: Transaction, q: str) -> Understood:
    """Raises Invalid when nothing is wanted: only punctuation, or only unwanted words."""
    terms = parse(q)
    if not any(not term.unwanted for term in terms):
        message = "q has no word to look for. Write at least one word, such as q=dark mode."
        raise Invalid(message, errors=(Pointer("no_words", message, "parameter", "q"),))
    terms = await _corrected(tx, terms)
    corrected = {term.words[0]: term.corrections for term in terms if term.corrections}
    return Understood(_query(terms, "="), _query(terms, ""), corrected)


def matches(table: Any) -> Source:
    """The rows of `table` that match, with their relevance: what a list joins for `q`."""
    query = (cast(bindparam("titled"), TSQUERY), cast(bindparam("whole"), TSQUERY), cast(bindparam("most"), Integer))
    found = getattr(func, f"roadbed_search_{table.name}")(*query)
    rows = found.table_valued(column("id", Uuid), column("relevance", Numeric)).render_derived(name="found")
    return Source(rows, rows.c.id == table.c.id, frozenset({"q"}), {"relevance": rows.c.relevance}, "-relevance")


def parse(q: str) -> list[Term]:
    """
    >>> [term.words for term in parse('Dark "real-time editing" -draft')]
    [('dark',), ('real', 'time', 'editing'), ('draft',)]
    """
    terms: list[Term] = []
    either = False
    for match in _TERM.finditer(q[:LONGEST_QUERY]):
        quoted = match[2] is not None
        if not quoted and match[4].lower() == "or" and terms:
            either = True
            continue
        words = fold(match[2] if quoted else match[4])
        if words:
            unwanted = bool(match[1] or match[3])
            begins = not quoted and match.end() == len(q) and len(words[-1]) >= 3
            terms.append(Term(words, unwanted, begins, either and not unwanted))
            either = False
    return terms[:MOST_WORDS]


def fold(text: str) -> tuple[str, ...]:
    """The words of a text, as roadbed_fold and the parser of Postgres make them.

    >>> fold("Café-Menü 需求")
    ('cafe', 'menu', '需', '求')
    """
    spaced = re.sub(f"({IDEOGRAPHS})", r" \1 ", text)
    return tuple(re.findall(r"\w+", spaced.lower().translate(_FOLDING)))[:MOST_WORDS]


async def _corrected(tx: Transaction, terms: list[Term]) -> list[Term]:
    """Each wanted single word that is not known here, with the known words that are spelt nearly so."""
    doubtful = {
        term.words[0]
        for term in terms
        if len(term.words) == 1 and not term.unwanted and 4 <= len(term.words[0]) <= 30 and term.words[0].isalpha()
    }
    if not doubtful:
        return terms
    doubtful -= set(await tx.value(_KNOWN, words=list(doubtful)) or ())
    if not doubtful:
        return terms
    shortest, longest = min(map(len, doubtful)) - 2, max(map(len, doubtful)) + 2
    text = await tx.value(_VOCABULARY, shortest=shortest, longest=longest)
    vocabulary = list(set(text.split(" "))) if text else []
    near = {word: _nearest(word, vocabulary) for word in doubtful}
    return [
        Term(term.words, term.unwanted, term.begins, term.either, near.get(term.words[0], ()))
        if len(term.words) == 1
        else term
        for term in terms
    ]


def _nearest(word: str, vocabulary: Sequence[str]) -> tuple[str, ...]:
    """One slip in a short word, two in a long one; two letters swapped are one slip."""
    slips = 1 if len(word) < 6 else 2
    found = process.extract(word, vocabulary, scorer=OSA.distance, score_cutoff=slips, limit=MOST_CORRECTIONS * 5)
    best = sorted((distance, known) for known, distance, _ in found)
    return tuple(known for _, known in best[:MOST_CORRECTIONS])


def _query(terms: Sequence[Term], mark: str) -> str:
    """A tsquery. `mark` is in front of each wanted lexeme: `=` asks for words of titles."""
    groups: list[list[str]] = []
    unwanted = []
    for term in terms:
        if term.unwanted:
            unwanted.append(f"!({_together(term.words, '')})")
        elif term.either and groups:
            groups[-1].append(_term(term, mark))
        else:
            groups.append([_term(term, mark)])
    return " & ".join([f"({' | '.join(group)})" for group in groups] + unwanted)


def _term(term: Term, mark: str) -> str:
    if len(term.words) > 1:
        return f"({_together(term.words, mark)})"
    [word] = term.words
    exact = f"'{mark}{word}'" + (":*" if term.begins else "")
    return " | ".join([exact, *(f"'{mark}{known}'" for known in term.corrections)])


def _together(words: Sequence[str], mark: str) -> str:
    """Title lexemes have no places, so words that stand together in a title are found as words of one title."""
    return (" & " if mark else " <-> ").join(f"'{mark}{word}'" for word in words)
