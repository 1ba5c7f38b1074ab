"""MoSCoW: must, should, could, won't this time, held to shares of the effort, not of the number of items.

Source: DSDM Agile Project Framework, "MoSCoW Prioritisation", handbook chapter 10, https://www.agilebusiness.org.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from api.formulas.exact import FormulaError, Number, rounded, within

Category = Literal["must", "should", "could", "wont"]

CATEGORIES: tuple[Category, ...] = ("must", "should", "could", "wont")
MAX_MUST = Fraction(60, 100)
USUAL_COULD = Fraction(20, 100)


@dataclass(frozen=True, slots=True)
class Shares:
    """Effort by class, and its share of what is planned. What won't be done this time counts for nothing.

    `findings` are sentences: musts above 60 % leave no room when an estimate slips, coulds below 20 % no contingency.
    """

    effort: dict[Category, Decimal]
    share: dict[Category, Decimal]
    planned: Decimal
    findings: list[str]


def effort_shares(items: Sequence[tuple[Category, Number]]) -> Shares:
    """Sum the effort of one timebox by class, in any one unit, each at least 0.

    >>> told = effort_shares([("must", 7), ("should", 2), ("could", 1), ("wont", 9)])
    >>> told.share["must"], told.findings[0]
    (Decimal('0.7'), 'Musts take 70 % of the effort. Above 60 % the plan is at risk: 1 of 10 must become a should.')
    """
    sums: dict[Category, Fraction] = {category: Fraction(0) for category in CATEGORIES}
    for category, effort in items:
        if category not in sums:
            raise FormulaError("category", f"category must be must, should, could or wont, and {category!r} is not.")
        sums[category] += within(effort, "effort", 0, 10**6)
    planned = sums["must"] + sums["should"] + sums["could"]
    shares = {category: sums[category] / planned if planned else Fraction(0) for category in CATEGORIES[:3]}
    return Shares(
        effort={category: rounded(effort) for category, effort in sums.items()},
        share={category: rounded(share) for category, share in shares.items()},
        planned=rounded(planned),
        findings=_findings(sums, planned) if planned else [],
    )


def _findings(sums: dict[Category, Fraction], planned: Fraction) -> list[str]:
    found = []
    if sums["must"] > MAX_MUST * planned:
        excess = f"{rounded(sums['must'] - MAX_MUST * planned, 2)} of {rounded(planned, 2)} must become a should."
        share = f"Musts take {rounded(sums['must'] / planned * 100, 1)} % of the effort."
        found.append(f"{share} Above 60 % the plan is at risk: {excess}")
    if sums["could"] < USUAL_COULD * planned:
        share = f"Coulds are {rounded(sums['could'] / planned * 100, 1)} % of the effort."
        found.append(f"{share} About 20 % is usual, since they are the contingency.")
    return found
