"""Total cost of ownership: what each option costs over a horizon, now and discounted, and when one overtakes another.

Sources: L. Ellram, "Total cost of ownership", 1995; the net present value as in R. Brealey, S. Myers and F. Allen,
"Principles of Corporate Finance", chapter 2; the examples from The Technical Product Manager, sections 3 and 8.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from api.formulas.exact import FormulaError, Number, rounded, within

MAX_MONEY = 10**15
MAX_MONTHS = 600


@dataclass(frozen=True, slots=True)
class Option:
    """What an option costs: once at the start, then each month a fixed part and a part by volume.

    Money in one currency. `unit_price` is for one unit, `units_per_month` the volume of the first month, which grows by
    `monthly_growth` (a share, 0 to 1, of at most four decimals) each month.
    """

    id: str
    one_off: Number = 0
    monthly: Number = 0
    unit_price: Number = 0
    units_per_month: Number = 0
    monthly_growth: Number = 0


@dataclass(frozen=True, slots=True)
class Cost:
    """The undiscounted cost over the horizon, and its value at the start."""

    id: str
    total: Decimal
    present_value: Decimal


def compare(options: Sequence[Option], horizon_months: int, annual_discount: Number = 0) -> list[Cost]:
    """The options, cheapest in present value first; equal ones in the order given.

    The one-off falls at the start, a month's cost at its end. `annual_discount` is a nominal yearly rate, 0 to 1 and of
    at most four decimals, compounded monthly: 0.12 is one percent a month. The horizon is 1 to 600 months.

    >>> told = compare([Option("build", 100_000), Option("buy", 20_000, monthly=Fraction(20_000, 12))], 24)
    >>> [(cost.id, cost.total) for cost in told]
    [('buy', Decimal('60000')), ('build', Decimal('100000'))]
    """
    months, rate = _horizon(horizon_months), _rate(annual_discount, "annual_discount") / 12
    read = [_Option.read(option) for option in options]
    costs = [(option.present_value(months, rate), option) for option in read]
    costs.sort(key=lambda cost: cost[0])
    return [Cost(one.id, rounded(one.total(months)), rounded(value)) for value, one in costs]


def break_even_month(dear: Option, cheap: Option) -> Decimal | None:
    """The month after which `dear`, the costlier to start with, has cost no more than `cheap`. None when it never does.

    Exact when no volume grows, then it may be any number of months. With growth it is the first whole month, looked for
    in the first 600. 0 when `dear` costs no more from the start.

    >>> build, buy = Option("build", 150_000), Option("buy", unit_price="0.001", units_per_month=100_000)
    >>> break_even_month(build, buy), break_even_month(Option("build", 150_000, monthly=900), buy)
    (Decimal('1500'), None)
    """
    first, second = _Option.read(dear), _Option.read(cheap)
    gap = first.one_off - second.one_off
    if gap <= 0:
        return Decimal(0)
    if first.growth or second.growth:
        return _month_by_month(first, second)
    saved = second.month(1) - first.month(1)
    return rounded(gap / saved) if saved > 0 else None


def crossover_volume(first: Option, second: Option, horizon_months: int) -> Decimal | None:
    """The units per month, in the first month, at which both cost the same over the horizon. None when none does.

    Both options' `units_per_month` are set aside; their growth must be the same.

    >>> crossover_volume(Option("build", 150_000), Option("buy", unit_price="0.001"), 24)
    Decimal('6250000')
    """
    months = _horizon(horizon_months)
    one, other = _Option.read(first), _Option.read(second)
    if one.growth != other.growth:
        raise FormulaError(
            "monthly_growth", "Both options must grow alike to meet at one volume. Give the same growth."
        )
    volume = other.growth_sum(months) * (other.unit_price - one.unit_price)
    gap = one.one_off - other.one_off + months * (one.monthly - other.monthly)
    return rounded(gap / volume) if volume and gap / volume >= 0 else None


@dataclass(frozen=True, slots=True)
class _Option:
    id: str
    one_off: Fraction
    monthly: Fraction
    unit_price: Fraction
    units: Fraction
    growth: Fraction

    @classmethod
    def read(cls, option: Option) -> "_Option":
        return cls(
            id=option.id,
            one_off=within(option.one_off, f"{option.id}.one_off", 0, MAX_MONEY),
            monthly=within(option.monthly, f"{option.id}.monthly", 0, MAX_MONEY),
            unit_price=within(option.unit_price, f"{option.id}.unit_price", 0, MAX_MONEY),
            units=within(option.units_per_month, f"{option.id}.units_per_month", 0, MAX_MONEY),
            growth=_rate(option.monthly_growth, f"{option.id}.monthly_growth"),
        )

    def month(self, number: int) -> Fraction:
        return self.monthly + self.unit_price * self.units * (1 + self.growth) ** (number - 1)

    def total(self, months: int) -> Fraction:
        return self.one_off + self.monthly * months + self.unit_price * self.units * self.growth_sum(months)

    def present_value(self, months: int, rate: Fraction) -> Fraction:
        discount = 1 / (1 + rate)
        flat = discount * _geometric(discount, months)
        grown = discount * _geometric(discount * (1 + self.growth), months)
        return self.one_off + self.monthly * flat + self.unit_price * self.units * grown

    def growth_sum(self, months: int) -> Fraction:
        return _geometric(1 + self.growth, months)


def _month_by_month(dear: _Option, cheap: _Option) -> Decimal | None:
    gap = dear.one_off - cheap.one_off
    for number in range(1, MAX_MONTHS + 1):
        gap += dear.month(number) - cheap.month(number)
        if gap <= 0:
            return Decimal(number)
    return None


def _geometric(ratio: Fraction, terms: int) -> Fraction:
    """1 + ratio + ratio² + …, in closed form, since adding 600 long fractions would take a second."""
    return Fraction(terms) if ratio == 1 else (1 - ratio**terms) / (1 - ratio)


def _horizon(months: int) -> int:
    number = within(months, "horizon_months", 1, MAX_MONTHS, unit="months")
    if number.denominator != 1:
        raise FormulaError("horizon_months", f"horizon_months must be whole, and {rounded(number)} is not.")
    return number.numerator


def _rate(value: Number, field: str) -> Fraction:
    rate = within(value, field, 0, 1, hint="It is a share: for 5 % write 0.05.")
    if (rate * 10**4).denominator != 1:
        raise FormulaError(field, f"{field} has more than four decimals. Round it, such as 0.0525 for 5.25 %.")
    return rate
