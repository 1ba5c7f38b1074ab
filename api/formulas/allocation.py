"""Allocation: how the effort is shared out, against how it should be.

Source: the rule of 70 % product, 20 % technical, 10 % innovation, in The Technical Product Manager, section 4. The
shares go back to Google's, told by B. Iyer and T. H. Davenport, Harvard Business Review, 2008.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from api.formulas.exact import FormulaError, Number, rounded, within

RULE_70_20_10: Mapping[str, Decimal] = {
    "product": Decimal("0.7"),
    "technical": Decimal("0.2"),
    "innovation": Decimal("0.1"),
}


@dataclass(frozen=True, slots=True)
class Bucket:
    """One kind of work. `drift` is share less target, from −1 to 1; `drift_months` is what to take out (or, below 0, to
    put in) at the same total. `to_add` is what to add when nothing is taken out, None where that reaches no target.
    """

    effort_months: Decimal
    share: Decimal
    target: Decimal
    drift: Decimal
    drift_months: Decimal
    drifted: bool
    to_add: Decimal | None


@dataclass(frozen=True, slots=True)
class Allocation:
    """All buckets by name, the total effort in person-months, and whether any bucket is beyond the tolerance."""

    total_months: Decimal
    buckets: dict[str, Bucket]
    drifted: bool


def allocation(
    effort_months: Mapping[str, Number], targets: Mapping[str, Number] = RULE_70_20_10, tolerance: Number = "0.05"
) -> Allocation:
    """Compare shares of effort with their targets. Targets are shares that sum to 1; an absent bucket has no effort.

    A bucket drifted when its share is further than `tolerance` (a share, 0 to 1) from its target. Raises FormulaError
    for a bucket without a target, and for targets that do not sum to 1.

    >>> told = allocation({"product": "8.5", "technical": 4})
    >>> told.buckets["technical"].share, told.buckets["technical"].drift, told.buckets["innovation"].to_add
    (Decimal('0.32'), Decimal('0.12'), Decimal('2'))
    """
    aims = _targets(targets)
    efforts = {name: within(effort_months.get(name, 0), f"effort_months.{name}", 0, 10**6) for name in aims}
    for name in effort_months:
        if name not in aims:
            raise FormulaError(f"effort_months.{name}", f"{name!r} has no target. Known buckets are {', '.join(aims)}.")
    slack = within(tolerance, "tolerance", 0, 1)
    total = sum(efforts.values(), Fraction(0))
    grown = _least_total(efforts, aims)
    buckets = {name: _bucket(efforts[name], aims[name], total, grown, slack) for name in aims}
    return Allocation(rounded(total), buckets, any(bucket.drifted for bucket in buckets.values()))


def _targets(targets: Mapping[str, Number]) -> dict[str, Fraction]:
    aims = {name: within(share, f"targets.{name}", 0, 1, hint="Write 0.7 for 70 %.") for name, share in targets.items()}
    if sum(aims.values()) != 1:
        raise FormulaError(
            "targets", f"The targets sum to {rounded(Fraction(sum(aims.values())))}. They must sum to 1."
        )
    return aims


def _least_total(efforts: dict[str, Fraction], aims: dict[str, Fraction]) -> Fraction | None:
    """The least total at which no bucket is above its target, when effort is only added."""
    if any(efforts[name] and not aims[name] for name in aims):
        return None
    return max(efforts[name] / aims[name] for name in aims if aims[name])


def _bucket(effort: Fraction, target: Fraction, total: Fraction, grown: Fraction | None, tolerance: Fraction) -> Bucket:
    # An empty plan has no shares, so it has not drifted either.
    share = effort / total if total else Fraction(0)
    drift = share - target if total else Fraction(0)
    return Bucket(
        effort_months=rounded(effort),
        share=rounded(share),
        target=rounded(target),
        drift=rounded(drift),
        drift_months=rounded(drift * total),
        drifted=abs(drift) > tolerance,
        to_add=None if grown is None else rounded(grown * target - effort),
    )
