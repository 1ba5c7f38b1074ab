"""What people type into a search box, as queries of three tiers: the very title, titles, everything.

Words are all wanted, `"quoted words"` stand together, `-word` is unwanted, `a or b` is either. The last word may be the
beginning of one: it also stands for words of the workspace that begin so. A word that the workspace does not have
stands for those that it has and that are spelt nearly so. Both are looked up in the vocabulary, since a beginning costs
an inverted index the rows of every word that begins so (docs/decisions/0015-search.md).
"""

import re
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

from pydantic import Field, StringConstraints
from rapidfuzz import process
from rapidfuzz.distance import OSA
from sqlalchemy import (
    Integer,
    Numeric,
    Text,
    Uuid,
    bindparam,
    cast,
    column,
    func,
    literal_column,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY, TSQUERY

from api.accounts.tenancy import owned
from api.http.pagination import Source
from api.problems import Invalid, Pointer
from api.search.folding import ACCENTED, IDEOGRAPHS, PLAIN, PUNCTUATION
from api.search.models import SearchWord
from api.stores import Prepared, Transaction

MOST_CANDIDATES = 1_000
# Whether words stand together is seen in the row alone, so that many are read for each that counts.
MOST_EXAMINED = 2_000
MOST_WORDS = 12
MOST_VOCABULARY = 20_000
MOST_CORRECTIONS = 3
MOST_BEGUN = 2_000
MOST_COMPLETIONS = 16
LONGEST_QUERY = 200
_SHARES = "0123456789abcdef"

SearchText = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST_QUERY),
    Field(
        description='Full text: all words, `"a phrase"`, `-without`, `one or other`. Typos are forgiven; the last word '
        "may be the beginning of one. Other filters select among the 1,000 best matches.",
        examples=["dark mode"],
    ),
]

_FOLDING = str.maketrans(PUNCTUATION + ACCENTED, " " * len(PUNCTUATION) + PLAIN)
_TERM = re.compile(r'(-?)"([^"]*)"?|(-?)(\S+)')
_LAST = "\U0010ffff"  # above every letter: the end of the words that begin in some way


def _texts(name: str) -> Any:
    return bindparam(name, type_=ARRAY(Text))


def _known() -> Prepared:
    """Which of `words` are known, and the shortest words that go on from `start`."""
    begun = (
        select(SearchWord.word)
        .where(owned(SearchWord), SearchWord.word > bindparam("start"), SearchWord.word < bindparam("stop"))
        .order_by(SearchWord.word)
        .limit(MOST_BEGUN)
        .subquery("begun")
    )
    shortest = (
        select(begun.c.word)
        .group_by(begun.c.word)
        .order_by(func.length(begun.c.word), begun.c.word)
        .limit(MOST_COMPLETIONS)
        .subquery("shortest")
    )
    known = select(func.array_agg(SearchWord.word.distinct())).where(
        owned(SearchWord), SearchWord.word == func.any(_texts("words"))
    )
    return Prepared(
        select(
            known.scalar_subquery().label("known"),
            select(func.array_agg(shortest.c.word)).scalar_subquery().label("completions"),
        )
    )


def _vocabulary() -> Prepared:
    """Words of about this length that begin or end like a doubtful one. Each range is one of an index."""

    def between(column_: Any, names: str) -> Any:
        arrays = (_texts(f"{names}_from"), _texts(f"{names}_to"))
        ranges = func.unnest(*arrays).table_valued("low", "high").render_derived(name=names)
        # The limit keeps each range a look-up of its own, however few words Postgres guesses that a length leaves. The
        # order leaves it the one index that has it, also where the table was small when the plan was made.
        found = (
            select(SearchWord.word)
            .where(owned(SearchWord), column_ >= ranges.c.low, column_ < ranges.c.high)
            .order_by(column_)
            .limit(MOST_VOCABULARY)
            .lateral(f"{names}s")
        )
        alike = func.length(found.c.word).between(bindparam("shortest"), bindparam("longest"))
        return select(found.c.word).join_from(ranges, found, alike)

    near = union_all(between(SearchWord.word, "start"), between(SearchWord.ending, "end")).subquery("near")
    return Prepared(select(func.string_agg(near.c.word, literal_column("' '"))))


_KNOWN = _known()
_VOCABULARY = _vocabulary()


@dataclass(frozen=True, slots=True)
class Term:
    """Words that stand together, or one word with what else it may stand for."""

    words: tuple[str, ...]
    unwanted: bool = False
    begins: bool = False
    either: bool = False
    corrections: tuple[str, ...] = ()
    completions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Understood:
    """The tiers as Postgres takes them, and what was corrected.

    `exact` is the title made of these words and no others, None where there is none. `loose` is what the index alone
    can tell of `whole`: that words are there, not that they stand together. `share` is the sixteenth of the workspace
    that is searched first: where it has enough, the others are not looked at.
    """

    exact: str | None
    titled: str
    loose: str
    whole: str
    share: str
    corrected: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, Any]:
        """The bind values of a statement over `matches`."""
        return {
            "exact": self.exact,
            "titled": self.titled,
            "loose": self.loose,
            "whole": self.whole,
            "share": self.share,
            "most": MOST_CANDIDATES,
            "examined": MOST_CANDIDATES if self.loose == self.whole else MOST_EXAMINED,
        }


async def understand(tx: Transaction, q: str) -> Understood:
    """Raises Invalid when nothing is wanted: only punctuation, or only unwanted words."""
    terms = parse(q)
    if not any(not term.unwanted for term in terms):
        message = "q has no word to look for. Write at least one word, such as q=dark mode."
        raise Invalid(message, errors=(Pointer("no_words", message, "parameter", "q"),))
    terms = await _widened(tx, terms)
    whole = _query(terms, _in_order)
    return Understood(
        exact=_exact(terms),
        titled=_query(terms, _in_title),
        loose=_query([term for term in terms if not (term.unwanted and len(term.words) > 1)], _anywhere),
        whole=whole,
        # By the query, so that all its pages look at the same one, and no document is never looked at.
        share=_SHARES[zlib.crc32(whole.encode()) % len(_SHARES)],
        corrected={term.words[0]: term.corrections for term in terms if term.corrections},
    )


def matches(table: Any) -> Source:
    """The rows of `table` that match, with their relevance: what a list joins for `q`."""
    tiers = (cast(bindparam(name), TSQUERY) for name in ("exact", "titled", "loose", "whole"))
    bounds = (cast(bindparam(name), Integer) for name in ("most", "examined"))
    found = getattr(func, f"roadbed_search_{table.name}")(*tiers, cast(bindparam("share"), Text), *bounds)
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


async def _widened(tx: Transaction, terms: list[Term]) -> list[Term]:
    """Each wanted single word with the words that it begins; one that is not known, with those spelt nearly so."""
    alone = [term for term in terms if len(term.words) == 1 and not term.unwanted]
    doubtful = {word for term in alone if 4 <= len(word := term.words[0]) <= 30 and word.isalpha()}
    start = next((term.words[0] for term in alone if term.begins and term.words[0][0].isalpha()), "")
    if not doubtful and not start:
        return terms
    row = await tx.first(_KNOWN, words=list(doubtful), start=start, stop=start + _LAST if start else "")
    assert row is not None
    completions = tuple(row["completions"] or ())
    doubtful -= {*(row["known"] or ()), *([start] if completions else [])}
    near = await _near(tx, doubtful) if doubtful else {}
    return [
        replace(
            term,
            corrections=near.get(term.words[0], ()),
            completions=completions if term.begins and term.words[0] == start else (),
        )
        if term in alone
        else term
        for term in terms
    ]


async def _near(tx: Transaction, words: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """For each word the known ones that are spelt nearly so.

    Whoever slips keeps the first two letters, or swaps the second with the third, or keeps the second half: these
    ranges of the vocabulary are compared, and not all of it.
    """
    words = list(words)
    starts = {start for word in words for start in (word[:2], word[0] + word[2])}
    endings = {word[::-1][: max(2, len(word) // 2)] for word in words}
    text = await tx.value(
        _VOCABULARY,
        start_from=list(starts),
        start_to=[start + _LAST for start in starts],
        end_from=list(endings),
        end_to=[ending + _LAST for ending in endings],
        shortest=min(map(len, words)) - 2,
        longest=max(map(len, words)) + 2,
    )
    vocabulary = list(set(text.split(" "))) if text else []
    return {word: _nearest(word, vocabulary) for word in words}


def _nearest(word: str, vocabulary: Sequence[str]) -> tuple[str, ...]:
    """One slip in a short word, two in a long one; two letters swapped are one slip."""
    slips = 1 if len(word) < 6 else 2
    found = process.extract(word, vocabulary, scorer=OSA.distance, score_cutoff=slips, limit=MOST_CORRECTIONS * 5)
    best = sorted((distance, known) for known, distance, _ in found)
    return tuple(known for _, known in best[:MOST_CORRECTIONS])


def _exact(terms: Sequence[Term]) -> str | None:
    """The lexeme of a title that is made of these words and no others, whatever their order."""
    if any(term.unwanted or term.either for term in terms):
        return None
    words = sorted({word for term in terms for word in term.words}, key=str.encode)
    return f"'=={' '.join(words)}'"


def _query(terms: Sequence[Term], shown: Callable[[Sequence[str]], str]) -> str:
    """A tsquery; `shown` is how words of one term are asked for."""
    groups: list[list[str]] = []
    unwanted = []
    for term in terms:
        if term.unwanted:
            unwanted.append(f"!({_in_order(term.words)})")
        elif term.either and groups:
            groups[-1].append(_term(term, shown))
        else:
            groups.append([_term(term, shown)])
    return " & ".join([f"({' | '.join(group)})" for group in groups] + unwanted)


def _term(term: Term, shown: Callable[[Sequence[str]], str]) -> str:
    if len(term.words) > 1:
        return f"({shown(term.words)})"
    [word] = term.words
    # Words that begin with a figure are not in the vocabulary, and few rows have them: the index finds them.
    exact = shown([word]) + (":*" if term.begins and not word[0].isalpha() else "")
    return " | ".join([exact, *(shown([other]) for other in (*term.corrections, *term.completions))])


def _in_order(words: Sequence[str]) -> str:
    return " <-> ".join(f"'{word}'" for word in words)


def _anywhere(words: Sequence[str]) -> str:
    return " & ".join(f"'{word}'" for word in words)


def _in_title(words: Sequence[str]) -> str:
    """Words of titles stand in the index once more, behind `=`."""
    return " & ".join(f"'={word}'" for word in words)
