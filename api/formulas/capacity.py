"""Capacity: a system takes what its weakest part takes. What it takes after each phase, and when growth breaches it.

Sources: the bottleneck law of operational analysis, in P. Denning and J. Buzen, "The Operational Analysis of Queueing
Network Models", ACM Computing Surveys 10, 1978; the example from The Technical Product Manager, section 8, scenario 3.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from api.formulas.exact import FormulaError, Number, rounded, within

MAX_RATE = 10**12
MAX_PARTS = 200


@dataclass(frozen=True, slots=True)
class Stage:
    """What the whole system takes at one point of a plan, and the parts that hold it there.

    `gain` is against the stage before. `supports_growth` is how many times the demand of now it takes.
    """

    capacity: Decimal
    held_by: list[str]
    limits: dict[str, Decimal]
    gain: Decimal | None
    supports_growth: Decimal | None


@dataclass(frozen=True, slots=True)
class Headroom:
    """Of one part: how much of its limit is in use, what is left, and at how many times the demand it is breached."""

    utilisation: Decimal
    headroom: Decimal
    breached: bool
    breach_at_growth: Decimal | None


def stages(limits: Mapping[str, Number], phases: Sequence[Mapping[str, Number]], demand: Number = 0) -> list[Stage]:
    """The capacity now and after each phase: the least of the parts' limits, each times the phases' multipliers.

    Limits and demand in one unit, such as requests a second. A phase names the parts that it multiplies.

    >>> told = stages({"api": 100, "database": 400}, [{"database": 2}, {"api": 3}], demand=50)
    >>> [(str(stage.capacity), stage.held_by, str(stage.supports_growth)) for stage in told]
    [('100', ['api'], '2'), ('100', ['api'], '2'), ('300', ['api'], '6')]
    """
    if not 1 <= len(limits) <= MAX_PARTS:
        raise FormulaError("limits", f"A plan has 1 to {MAX_PARTS} parts with a limit.")
    now = {name: within(limit, f"limits.{name}", 0, MAX_RATE, above_low=True) for name, limit in limits.items()}
    load = within(demand, "demand", 0, MAX_RATE)
    found = [_stage(now, load, None)]
    before = min(now.values())
    for number, phase in enumerate(phases):
        for name, multiplier in phase.items():
            if name not in now:
                raise FormulaError(f"phases.{number}.{name}", f"{name!r} has no limit that could be multiplied.")
            now[name] *= within(multiplier, f"phases.{number}.{name}", 0, 10**6, above_low=True)
        found.append(_stage(now, load, before))
        before = min(now.values())
    return found


def headroom(limit: Number, current: Number) -> Headroom:
    """
    >>> told = headroom(100, 50)
    >>> told.utilisation, told.headroom, told.breached, told.breach_at_growth
    (Decimal('0.5'), Decimal('50'), False, Decimal('2'))
    """
    most = within(limit, "limit", 0, MAX_RATE, above_low=True)
    load = within(current, "current", 0, MAX_RATE)
    return Headroom(rounded(load / most), rounded(most - load), load > most, rounded(most / load) if load else None)


def needed(current_demand: Number, current_users: Number, users: Number) -> Decimal:
    """The demand of so many users, when each makes as much of it as now.

    >>> needed(50, 1000, 3000), needed(50, 1000, 10_000)
    (Decimal('150'), Decimal('500'))
    """
    load = within(current_demand, "demand", 0, MAX_RATE)
    now = within(current_users, "users", 0, MAX_RATE, above_low=True)
    return rounded(load * within(users, "users", 0, MAX_RATE) / now)


def change(before: Number, after: Number) -> tuple[Decimal, Decimal]:
    """How many times better a lower measure is, and the share that went away.

    >>> change(500, 100)
    (Decimal('5'), Decimal('0.8'))
    """
    old = within(before, "before", 0, MAX_RATE, above_low=True)
    new = within(after, "after", 0, MAX_RATE, above_low=True)
    return rounded(old / new), rounded(1 - new / old)


def _stage(limits: Mapping[str, Fraction], demand: Fraction, before: Fraction | None) -> Stage:
    least = min(limits.values())
    return Stage(
        capacity=rounded(least),
        held_by=[name for name, limit in limits.items() if limit == least],
        limits={name: rounded(limit) for name, limit in limits.items()},
        gain=None if before is None else rounded(least / before),
        supports_growth=rounded(least / demand) if demand else None,
    )
