"""Cost of delay: what waiting costs, in which order that is least, and what any order costs.

Sources: Donald Reinertsen, "The Principles of Product Development Flow", 2009 (CD3: cost of delay divided by duration);
W. E. Smith, "Various optimizers for single-stage production", Naval Research Logistics Quarterly 3, 1956 (the rule that
sorting by it is optimal); Joshua Arnold, Black Swan Farming (urgency profiles).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from api.formulas.exact import FormulaError, Number, rounded, within

MAX_MONEY = 10**15
MAX_WEEKS = 10**5


@dataclass(frozen=True, slots=True)
class Linear:
    """Every week of delay loses `per_week`, in money."""

    per_week: Number


@dataclass(frozen=True, slots=True)
class Step:
    """Nothing is lost until `deadline_week`; whatever finishes after it loses `loss` at once, and no more."""

    deadline_week: Number
    loss: Number


@dataclass(frozen=True, slots=True)
class Decaying:
    """A short life: a week of delay loses `peak_per_week` at first, falling in a straight line to 0 at `life_weeks`."""

    peak_per_week: Number
    life_weeks: Number


Profile = Linear | Step | Decaying


@dataclass(frozen=True, slots=True)
class Job:
    """Work that one team does without a break: `duration_weeks` above 0, and what its delay costs."""

    id: str
    duration_weeks: Number
    profile: Profile


@dataclass(frozen=True, slots=True)
class Priced:
    """What a job costs by finishing when it does. Weeks count from the start of the first job."""

    id: str
    start_week: Decimal
    finish_week: Decimal
    cost: Decimal


@dataclass(frozen=True, slots=True)
class Price:
    """The delay cost of an order, in the money of the profiles, and of each job in it."""

    total: Decimal
    jobs: list[Priced]


@dataclass(frozen=True, slots=True)
class Order:
    """An order by CD3. `optimal` when it is proven the cheapest: all profiles linear, one team, no dependencies."""

    ids: list[str]
    optimal: bool


def cd3(cost_per_week: Number, duration_weeks: Number) -> Decimal:
    """Cost of delay divided by duration, money per week². Higher goes first.

    >>> cd3(10000, 4)
    Decimal('2500')
    """
    return rounded(_money(cost_per_week, "cost_per_week") / _weeks(duration_weeks, "duration_weeks", above_low=True))


def lost(profile: Profile, weeks: Number) -> Decimal:
    """What is lost in total by finishing `weeks` from now instead of now.

    >>> lost(Linear(1000), 3), lost(Step(2, 5000), 3), lost(Decaying(1000, 10), 5)
    (Decimal('3000'), Decimal('5000'), Decimal('3750'))
    """
    return rounded(_lost(profile, _weeks(weeks, "weeks")))


def smith_order(jobs: Sequence[Job]) -> Order:
    """The jobs by CD3, highest first, equal ones in the order given. A step has no weekly cost until it is due, so a
    profile that is not linear counts by its average loss a week over its own deadline or life.

    >>> smith_order([Job("slow", 8, Linear(400)), Job("quick", 2, Linear(200))])
    Order(ids=['quick', 'slow'], optimal=True)
    """
    _check(jobs)
    ratios = {job.id: _average(job.profile) / _weeks(job.duration_weeks, "duration_weeks") for job in jobs}
    ids = sorted(ratios, key=lambda id: -ratios[id])
    return Order(ids, all(isinstance(job.profile, Linear) for job in jobs))


def price(jobs: Sequence[Job]) -> Price:
    """What this order costs: one team takes the jobs one after the other, and each loses until it is finished.

    The cost of a change of order is the price of the new one less the price of the old.

    >>> price([Job("quick", 2, Linear(200)), Job("slow", 8, Linear(400))]).total
    Decimal('4400')
    >>> price([Job("slow", 8, Linear(400)), Job("quick", 2, Linear(200))]).total
    Decimal('5200')
    """
    _check(jobs)
    told, total, clock = [], Fraction(0), Fraction(0)
    for job in jobs:
        start, clock = clock, clock + _weeks(job.duration_weeks, "duration_weeks")
        cost = _lost(job.profile, clock)
        total += cost
        told.append(Priced(job.id, rounded(start), rounded(clock), rounded(cost)))
    return Price(rounded(total), told)


def _check(jobs: Sequence[Job]) -> None:
    if len({job.id for job in jobs}) != len(jobs):
        raise FormulaError("jobs", "A job stands twice in the order. An order holds each job once.")
    for job in jobs:
        _weeks(job.duration_weeks, f"jobs.{job.id}.duration_weeks", above_low=True)


def _lost(profile: Profile, weeks: Fraction) -> Fraction:
    if isinstance(profile, Linear):
        return _money(profile.per_week, "per_week") * weeks
    if isinstance(profile, Step):
        late = weeks > _weeks(profile.deadline_week, "deadline_week")
        return _money(profile.loss, "loss") if late else Fraction(0)
    life = _weeks(profile.life_weeks, "life_weeks", above_low=True)
    lived = min(weeks, life)
    return _money(profile.peak_per_week, "peak_per_week") * (lived - lived * lived / (2 * life))


def _average(profile: Profile) -> Fraction:
    if isinstance(profile, Linear):
        return _money(profile.per_week, "per_week")
    if isinstance(profile, Step):
        return _money(profile.loss, "loss") / max(_weeks(profile.deadline_week, "deadline_week"), Fraction(1))
    return _money(profile.peak_per_week, "peak_per_week") / 2


def _money(value: Number, field: str) -> Fraction:
    return within(value, field, 0, MAX_MONEY)


def _weeks(value: Number, field: str, *, above_low: bool = False) -> Fraction:
    return within(value, field, 0, MAX_WEEKS, above_low=above_low, unit="weeks")
