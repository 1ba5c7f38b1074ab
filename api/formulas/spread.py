"""An estimate that is a range: which distribution it stands for, and the one number that a score is computed with.

Sources: D. G. Malcolm and others, "Application of a Technique for Research and Development Program Evaluation",
Operations Research 7, 1959 (PERT: a beta distribution with mean (low + 4·likely + high) ÷ 6); a log-normal or normal
distribution is fixed by its 10 % and 90 % quantiles, 1.2816 standard deviations from the median.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from api.formulas.exact import FormulaError, Number, exact

Shape = Literal["pert", "triangular", "lognormal", "normal"]

BY_RANGE = ("pert", "triangular")
BY_QUANTILES = ("lognormal", "normal")


@dataclass(frozen=True, slots=True)
class Spread:
    """Three points of a distribution: low, likely and high for `pert` and `triangular`, else P10, P50 and P90."""

    shape: Shape
    low: Fraction
    middle: Fraction
    high: Fraction

    @property
    def point(self) -> Fraction:
        """The number that stands for the range in a score: the likely value, or the median."""
        return self.middle


def spread(name: str, given: Mapping[str, Any]) -> Spread:
    """Read `{low, likely, high, dist?}` (PERT unless told) or `{p10, p50, p90, dist?}` (log-normal unless told).

    The three ascend, and are not all one number. Raises FormulaError whose field is the part that is wrong.

    >>> spread("effort", {"low": 1, "likely": 2, "high": 6}).shape
    'pert'
    >>> spread("reach", {"p10": 100, "p50": 400, "p90": 900, "dist": "normal"}).point
    Fraction(400, 1)
    """
    by_range = "likely" in given
    keys = ("low", "likely", "high") if by_range else ("p10", "p50", "p90")
    shapes = BY_RANGE if by_range else BY_QUANTILES
    for key in keys:
        if key not in given:
            hint = "A range is low, likely and high, or p10, p50 and p90."
            raise FormulaError(f"{name}/{key}", f"{name} has no {key}. {hint}")
    for key in given:
        if key not in (*keys, "dist"):
            raise FormulaError(f"{name}/{key}", f"{key[:40]!r} is no part of a range of {', '.join(keys)}.")
    shape = given.get("dist", shapes[0])
    if shape not in shapes:
        raise FormulaError(f"{name}/dist", f"dist of {', '.join(keys)} must be {' or '.join(shapes)}.")
    low, middle, high = (_number(given[key], f"{name}/{key}") for key in keys)
    if not low <= middle <= high or low == high:
        raise FormulaError(f"{name}/{keys[1]}", f"{name} must ascend: {keys[0]}, then {keys[1]}, then {keys[2]}.")
    if shape == "lognormal" and low <= 0:
        raise FormulaError(f"{name}/p10", f"p10 of a log-normal {name} must be more than 0. Use dist normal.")
    return Spread(shape, low, middle, high)


def _number(value: Number, field: str) -> Fraction:
    if isinstance(value, bool | str | dict | list) or value is None:
        raise FormulaError(field, f"{field} must be a number.")
    return exact(value, field)
