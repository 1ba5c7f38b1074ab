"""Trade-offs: what a breakdown sums to, what a month of work costs, who is beaten on every count, what people add.

Sources: Pareto dominance as in V. Pareto, "Manuale di economia politica", 1906; the cost of adding people after
F. Brooks, "The Mythical Man-Month", 1975, chapter 2; the examples from The Technical Product Manager, section 8.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from api.formulas.exact import FormulaError, Number, exact, rounded, within

Unit = Literal["days", "weeks", "months"]

DAYS_PER_WEEK = 5
WEEKS_PER_MONTH = Fraction(52, 12)
TOLERANCE = Fraction(1, 20)
RATE_TOLERANCE = Fraction(1, 4)
_IN_MONTHS: Mapping[str, Fraction] = {
    "days": 1 / (DAYS_PER_WEEK * WEEKS_PER_MONTH),
    "weeks": 1 / WEEKS_PER_MONTH,
    "months": Fraction(1),
}


@dataclass(frozen=True, slots=True)
class Breakdown:
    """What the parts of an estimate sum to, in months. `agrees` is None without a stated total, else within 5 %."""

    months: Decimal
    stated_months: Decimal | None
    agrees: bool | None


def breakdown(parts: Sequence[tuple[Number, Unit]], stated: tuple[Number, Unit] | None = None) -> Breakdown:
    """Sum phases given in working days (5 a week), weeks (52 a year) or months, against the total that was stated.

    >>> told = breakdown([(2, "weeks"), (4, "months"), (6, "weeks")], (6, "months"))
    >>> round(told.months, 2), told.agrees
    (Decimal('5.85'), True)
    """
    total = sum((_months(amount, unit, f"parts.{index}") for index, (amount, unit) in enumerate(parts)), Fraction(0))
    if stated is None:
        return Breakdown(rounded(total), None, None)
    said = _months(*stated, "stated")
    return Breakdown(rounded(total), rounded(said), abs(total - said) <= TOLERANCE * said)


def monthly_rate(cost: Number, people: Number, duration: Number, unit: Unit = "months") -> Decimal:
    """What one person-month costs, when so many people for so long cost so much.

    >>> monthly_rate(450_000, 3, 6), round(monthly_rate(20_000, 1, 2, "weeks"))
    (Decimal('25000'), 43333)
    """
    count = within(people, "people", 0, 10**6, above_low=True)
    months = _months(duration, unit, "duration")
    if months == 0:
        raise FormulaError("duration", "duration must be more than 0.")
    return rounded(within(cost, "cost", 0, 10**15) / (count * months))


def odd_rates(rates: Mapping[str, Number]) -> dict[str, Decimal]:
    """Of several rates, those further than a quarter from their median, and the median that they were held against.

    >>> odd_rates({"A": 25_000, "B": 25_000, "C": 43_333})
    {'C': Decimal('25000')}
    """
    exacts = {name: exact(rate, name) for name, rate in rates.items()}
    if len(exacts) < 2:
        return {}
    ordered = sorted(exacts.values())
    middle = ordered[(len(ordered) - 1) // 2]
    return {name: rounded(middle) for name, rate in exacts.items() if abs(rate - middle) > RATE_TOLERANCE * middle}


def beaten(items: Mapping[str, Mapping[str, Number]]) -> dict[str, str]:
    """Each item that another beats: no worse on any measure (lower is better) and better on one. Gives by whom.

    Only items that have the same measures are compared.

    >>> beaten({"A": {"months": 6, "cost": 450}, "B": {"months": 2, "cost": 100}, "C": {"months": 1, "cost": 200}})
    {'A': 'B'}
    """
    read = {name: {key: exact(value, key) for key, value in row.items()} for name, row in items.items()}
    found: dict[str, str] = {}
    for name, row in read.items():
        for other, rival in read.items():
            if row and rival.keys() == row.keys() and rival != row and all(rival[key] <= row[key] for key in row):
                found.setdefault(name, other)
    return found


def with_more_people(
    people: Number, months: Number, added: Number, ramp_months: Number = 1, overhead: Number = "0.05"
) -> Decimal:
    """How many months the same work takes with `added` people, who learn for `ramp_months` and help nobody meanwhile.

    Each pair of people costs a share of one person's time, `overhead` / 1 pair over those that were there before, so
    that doubling a team never halves the time. Months, 0 to 1200.

    >>> with_more_people(3, 6, 2, ramp_months=1, overhead="0"), with_more_people(3, 6, 0)
    (Decimal('4'), Decimal('6'))
    """
    first = within(people, "people", 0, 1000, above_low=True)
    more = within(added, "added", 0, 1000)
    time = within(months, "months", 0, 1200, above_low=True, unit="months")
    ramp = within(ramp_months, "ramp_months", 0, 1200, unit="months")
    cost = within(overhead, "overhead", 0, 1)
    pairs = (first + more) * (first + more - 1) / 2 - first * (first - 1) / 2
    pace = first + more - cost * pairs
    if pace <= first or ramp >= time:
        # So many that talking eats what they add, or done before they have learned: the old team's time.
        return rounded(time)
    return rounded(min(time, ramp + first * (time - ramp) / pace))


def _months(amount: Number, unit: Unit, field: str) -> Fraction:
    if unit not in _IN_MONTHS:
        raise FormulaError(field, f"{unit!r} is no unit of time here. Use days, weeks or months.")
    return within(amount, field, 0, 10**6, unit=unit) * _IN_MONTHS[unit]
