"""WSJF: weighted shortest job first, relative estimates of the cost of delay over the size of the job.

Sources: SAFe, "Weighted Shortest Job First", https://framework.scaledagile.com/wsjf (variant `safe`); Joshua Arnold's
proposal, in which urgency multiplies value instead of adding to it, as the OpenXprocess blog tells it in "A Qualitative
Formula for WSJF?" (variant `arnold`); Donald Reinertsen, "The Principles of Product Development Flow", 2009.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from api.formulas.exact import FormulaError, Number, exact, rounded, within

Variant = Literal["safe", "arnold"]

FIBONACCI = (1, 2, 3, 5, 8, 13, 20)
MAX_POINTS = 1000
URGENT = 8


@dataclass(frozen=True, slots=True)
class Job:
    """Relative points: 0 to 1000 each, `size` above 0. SAFe takes them from 1, 2, 3, 5, 8, 13, 20."""

    value: Number
    time_criticality: Number
    risk_opportunity: Number
    size: Number


def wsjf(
    value: Number, time_criticality: Number, risk_opportunity: Number, size: Number, variant: Variant = "safe"
) -> Decimal:
    """`safe`: (value + urgency + risk or opportunity) ÷ size. `arnold`: urgency × (value + risk or opportunity) ÷ size.

    >>> wsjf(8, 5, 3, 2), wsjf(8, 5, 3, 2, "arnold")
    (Decimal('8'), Decimal('27.5'))
    """
    worth, urgency = _points(value, "value"), _points(time_criticality, "time_criticality")
    risk = _points(risk_opportunity, "risk_opportunity")
    points = within(size, "size", 0, MAX_POINTS, above_low=True, unit="points")
    if variant == "safe":
        return rounded((worth + urgency + risk) / points)
    if variant == "arnold":
        return rounded(urgency * (worth + risk) / points)
    raise FormulaError("variant", "variant must be 'safe' or 'arnold'.")


def findings(jobs: Mapping[str, Job]) -> list[str]:
    """What makes a table of relative estimates doubtful: a column without a 1, points off the scale, urgency alone.

    >>> findings({"banner": Job(1, 20, 1, 2), "search": Job(8, 1, 5, 1)})[0]
    "'banner' ranks by urgency alone: nothing about it is worth more than 1. Variant 'arnold' would not let it."
    """
    found = [
        f"{name!r} ranks by urgency alone: nothing about it is worth more than 1. Variant 'arnold' would not let it."
        for name, job in jobs.items()
        if exact(job.value, "value") <= 1 >= exact(job.risk_opportunity, "risk_opportunity")
        and exact(job.time_criticality, "time_criticality") >= URGENT
    ]
    for column in ("value", "time_criticality", "risk_opportunity", "size"):
        points = {name: exact(getattr(job, column), column) for name, job in jobs.items()}
        if jobs and 1 not in points.values():
            found.append(f"No job has 1 for {column}. Estimates are relative: the smallest in each column is the 1.")
        found += [
            f"{name!r} has {rounded(one)} for {column}, which is not one of 1, 2, 3, 5, 8, 13, 20."
            for name, one in points.items()
            if one not in FIBONACCI
        ]
    return found


def _points(value: Number, field: str) -> Fraction:
    return within(value, field, 0, MAX_POINTS, unit="points")
