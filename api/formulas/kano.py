"""Kano: two questions about a feature, five answers to each, and the kind of feature that they make it.

Sources: N. Kano and others, "Attractive quality and must-be quality", 1984; "Kano's Methods for Understanding
Customer-defined Quality", Center for Quality of Management Journal 2 (4), 1993 (the table, the rule M > O > A > I for
ties, and Mike Timko's better and worse).
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from api.formulas.exact import FormulaError, rounded

ANSWERS = ("like", "must_be", "neutral", "live_with", "dislike")
NAMES = {
    "M": "must-be",
    "O": "one-dimensional",
    "A": "attractive",
    "I": "indifferent",
    "R": "reverse",
    "Q": "questionable",
}

# Rows: how they feel with the feature. Columns: how they feel without it, in the order of ANSWERS.
_TABLE = {
    "like": "QAAAO",
    "must_be": "RIIIM",
    "neutral": "RIIIM",
    "live_with": "RIIIM",
    "dislike": "RRRRQ",
}
_SYNONYMS = {"expect": "must_be", "tolerate": "live_with"}


@dataclass(frozen=True, slots=True)
class Kano:
    """What a survey says of one feature.

    `category` is the most frequent letter; where several share the top, `tied` holds them, weightiest first, and
    `category` is the first. `better` (0 to 1) is how much having it pleases, `worse` (−1 to 0) how much lacking it
    displeases; both are None when nobody answered M, O, A or I. `questionable` is the share of contradictory answers.
    """

    category: str
    tied: list[str]
    counts: dict[str, int]
    answers: int
    better: Decimal | None
    worse: Decimal | None
    questionable: Decimal


def classify(functional: str, dysfunctional: str) -> str:
    """The letter for one person: M, O, A, I, R or Q. `expect` is read as `must_be`, `tolerate` as `live_with`.

    >>> classify("like", "dislike"), classify("Live with", "dislike"), classify("like", "like")
    ('O', 'M', 'Q')
    """
    row, column = _answer(functional, "functional"), _answer(dysfunctional, "dysfunctional")
    return _TABLE[row][ANSWERS.index(column)]


def survey(answers: Iterable[tuple[str, str]]) -> Kano:
    """Classify every pair of answers (with the feature, without it) and sum them up. Raises FormulaError without any.

    >>> told = survey([("like", "dislike"), ("like", "neutral"), ("neutral", "dislike"), ("like", "dislike")])
    >>> told.category, told.better, told.worse
    ('O', Decimal('0.75'), Decimal('-0.75'))
    """
    found = Counter(classify(functional, dysfunctional) for functional, dysfunctional in answers)
    counts = {letter: found[letter] for letter in NAMES}
    total = found.total()
    if not total:
        raise FormulaError("answers", "A survey needs at least one pair of answers.")
    # NAMES stands in the order of the tie rule: missing a must-be hurts more than missing a delight.
    tied = [letter for letter, times in counts.items() if times == max(counts.values())]
    useful = sum(counts[letter] for letter in "MOAI")
    return Kano(
        category=tied[0],
        tied=tied if len(tied) > 1 else [],
        counts=counts,
        answers=total,
        better=rounded(Fraction(counts["A"] + counts["O"], useful)) if useful else None,
        worse=rounded(-Fraction(counts["O"] + counts["M"], useful)) if useful else None,
        questionable=rounded(Fraction(counts["Q"], total)),
    )


def _answer(word: str, field: str) -> str:
    plain = word.strip().lower().replace("-", "_").replace(" ", "_")
    plain = _SYNONYMS.get(plain, plain)
    if plain not in ANSWERS:
        raise FormulaError(field, f"{field} must be one of {', '.join(ANSWERS)}, and {word[:40]!r} is not.")
    return plain
