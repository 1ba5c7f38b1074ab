"""Value against effort: four quadrants, with the thresholds said out loud and the distance to them told.

Source: the impact and effort matrix of quality management, as in ASQ, "Impact effort matrix", https://asq.org; the
names of the quadrants are common usage.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from api.formulas.exact import FormulaError, Number, exact, rounded, within

Quadrant = Literal["quick win", "big bet", "fill-in", "money pit"]


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From `value` up an item is of high value; up to `effort` it is of low effort."""

    value: Number
    effort: Number


@dataclass(frozen=True, slots=True)
class Placement:
    """Where an item falls. Distances are signed, in the units of the input: item less threshold.

    `nearest` is the smaller of the two as a share of its threshold: near 0, a small change of an estimate moves the
    item to another quadrant. None where a threshold of 0 leaves no share.
    """

    id: str
    quadrant: Quadrant
    value_distance: Decimal
    effort_distance: Decimal
    nearest: Decimal | None


def median_thresholds(items: Mapping[str, tuple[Number, Number]]) -> Thresholds:
    """The medians of value and effort. They move with the items, so fix them where placements must stay comparable.

    >>> median_thresholds({"a": (1, 10), "b": (5, 2), "c": (9, 6)})
    Thresholds(value=Decimal('5'), effort=Decimal('6'))
    """
    if not items:
        raise FormulaError("items", "Medians need at least one item.")
    values = sorted(exact(value, "value") for value, _ in items.values())
    efforts = sorted(exact(effort, "effort") for _, effort in items.values())
    return Thresholds(rounded(_median(values)), rounded(_median(efforts)))


def placements(items: Mapping[str, tuple[Number, Number]], thresholds: Thresholds) -> list[Placement]:
    """Place every (value, effort), both at least 0, in the order given.

    >>> told = placements({"dark mode": (8, 1)}, Thresholds(5, 4))[0]
    >>> told.quadrant, told.value_distance, told.effort_distance, told.nearest
    ('quick win', Decimal('3'), Decimal('-3'), Decimal('0.6'))
    """
    value_line, effort_line = exact(thresholds.value, "thresholds.value"), exact(thresholds.effort, "thresholds.effort")
    return [_placement(id, value, effort, value_line, effort_line) for id, (value, effort) in items.items()]


def _placement(id: str, value: Number, effort: Number, value_line: Fraction, effort_line: Fraction) -> Placement:
    worth = within(value, f"items.{id}.value", 0, 10**15) - value_line
    cost = within(effort, f"items.{id}.effort", 0, 10**15) - effort_line
    nearest = min(abs(worth / value_line), abs(cost / effort_line)) if value_line and effort_line else None
    return Placement(
        id, _quadrant(worth, cost), rounded(worth), rounded(cost), None if nearest is None else rounded(nearest)
    )


def _quadrant(worth: Fraction, cost: Fraction) -> Quadrant:
    if worth >= 0:
        return "quick win" if cost <= 0 else "big bet"
    return "fill-in" if cost <= 0 else "money pit"


def _median(ordered: Sequence[Fraction]) -> Fraction:
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
