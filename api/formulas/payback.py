"""Payback: when paying down a debt has earned its cost back, and whether a phased plan is the same work.

Sources: the payback period and return on investment as in R. Brealey, S. Myers and F. Allen, "Principles of Corporate
Finance", chapter 5; the rule of six months and both examples from The Technical Product Manager, sections 4 and 8.
"""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from api.formulas.exact import FormulaError, Number, rounded, within

WEEKS_PER_MONTH = Fraction(52, 12)
MAX_MONEY = 10**15
MAX_MONTHS = 1200


@dataclass(frozen=True, slots=True)
class Payback:
    """Months until the investment is earned back, from completion and from the start of the work, None when never.

    `roi` is (net benefit over the horizon − investment) ÷ investment, the horizon counted from completion, None for an
    investment of 0. The rule holds only when it holds by both clocks.
    """

    net_monthly_benefit: Decimal
    months_from_completion: Decimal | None
    months_from_start: Decimal | None
    roi: Decimal | None
    within_rule_from_completion: bool
    within_rule_from_start: bool


@dataclass(frozen=True, slots=True)
class Phased:
    """A share of each sprint against the same work all at once, in months of the whole team (a month is 52/12 weeks).

    `covered` is the part of the big-bang work that the phased plan delivers; `equal_sprints` is how many would deliver
    all of it.
    """

    team_months: Decimal
    big_bang_months: Decimal
    covered: Decimal
    equal_sprints: Decimal
    equal: bool


def payback(
    investment: Number,
    monthly_benefit: Number,
    build_months: Number,
    *,
    monthly_cost: Number = 0,
    horizon_months: Number = 12,
    rule_months: Number = 6,
) -> Payback:
    """The investment over the benefit less the running cost. Money in one currency, months 0 to 1200.

    >>> told = payback(150_000, 50_000, 2)
    >>> told.months_from_completion, told.months_from_start, told.roi
    (Decimal('3'), Decimal('5'), Decimal('3'))
    """
    cost, build = _money(investment, "investment"), _months(build_months, "build_months")
    net = _money(monthly_benefit, "monthly_benefit") - _money(monthly_cost, "monthly_cost")
    horizon, rule = _months(horizon_months, "horizon_months"), _months(rule_months, "rule_months")
    months = cost / net if net > 0 else None
    return Payback(
        net_monthly_benefit=rounded(net),
        months_from_completion=None if months is None else rounded(months),
        months_from_start=None if months is None else rounded(build + months),
        roi=rounded((net * horizon - cost) / cost) if cost else None,
        within_rule_from_completion=months is not None and months < rule,
        within_rule_from_start=months is not None and build + months < rule,
    )


def implied_benefit(investment: Number, payback_months: Number) -> Decimal:
    """The monthly benefit that a claimed payback asserts without saying so, in the money of the investment.

    >>> implied_benefit(150_000, 3)
    Decimal('50000')
    """
    months = within(payback_months, "payback_months", 0, MAX_MONTHS, above_low=True, unit="months")
    return rounded(_money(investment, "investment") / months)


def implied_team(effort_months: Number, capacity_share: Number, months: Number) -> Decimal:
    """How many people a plan assumes, when that share of capacity for so many months is to make up the effort.

    >>> implied_team(6, "0.3", 2)
    Decimal('10')
    """
    effort = within(effort_months, "effort_months", 0, 10**6, unit="person-months")
    share = _share(capacity_share, "capacity_share")
    return rounded(effort / (share * within(months, "months", 0, MAX_MONTHS, above_low=True, unit="months")))


def phased(share: Number, sprints: Number, sprint_weeks: Number, big_bang_months: Number) -> Phased:
    """Is a share of each sprint the same work as stopping for `big_bang_months`?

    >>> told = phased("0.2", 10, 2, 2)
    >>> round(told.team_months, 2), round(told.equal_sprints, 1), told.equal
    (Decimal('0.92'), Decimal('21.7'), False)
    """
    part = _share(share, "share")
    count = within(sprints, "sprints", 0, 10**4)
    weeks = within(sprint_weeks, "sprint_weeks", 0, 52, above_low=True, unit="weeks")
    stop = within(big_bang_months, "big_bang_months", 0, MAX_MONTHS, above_low=True, unit="months")
    per_sprint = part * weeks / WEEKS_PER_MONTH
    work = per_sprint * count
    return Phased(rounded(work), rounded(stop), rounded(work / stop), rounded(stop / per_sprint), work == stop)


def sprints_to_break_even(share: Number, sprints: Number, gain: Number) -> Decimal:
    """After `sprints` that each gave up a share of capacity, how many more at `gain` (both 0 to 1) make up for it.

    >>> sprints_to_break_even("0.2", 6, "0.3"), round(sprints_to_break_even("0.2", 10, "0.3"), 1)
    (Decimal('4'), Decimal('6.7'))
    """
    given_up = _share(share, "share") * within(sprints, "sprints", 0, 10**4)
    return rounded(given_up / within(gain, "gain", 0, 10, above_low=True, hint="It is a share, such as 0.3."))


def ceiling_gain(wasted_share: Number) -> Decimal:
    """The most that output can grow when a share of the time now goes into workarounds and none does afterwards.

    >>> round(ceiling_gain("0.3"), 3)
    Decimal('0.429')
    """
    wasted = within(wasted_share, "wasted_share", 0, 1, hint="It is a share, such as 0.3.")
    if wasted == 1:
        raise FormulaError("wasted_share", "With all time wasted there is no output to grow. Give a share below 1.")
    return rounded(1 / (1 - wasted) - 1)


def periods_to_recoup(invested_share: Number, prevented_drop: Number, probability: Number) -> Decimal:
    """How many periods a prevented drop must last to repay one period in which a share of capacity went into it.

    "20 % now prevents losing 30 %" breaks even after 0.67 of a period if the drop is certain, later if it is not.

    >>> round(periods_to_recoup("0.2", "0.3", 1), 2), round(periods_to_recoup("0.2", "0.3", "0.5"), 2)
    (Decimal('0.67'), Decimal('1.33'))
    """
    invested = _share(invested_share, "invested_share")
    return rounded(invested / (_share(prevented_drop, "prevented_drop") * _share(probability, "probability")))


def _money(value: Number, field: str) -> Fraction:
    return within(value, field, 0, MAX_MONEY)


def _months(value: Number, field: str) -> Fraction:
    return within(value, field, 0, MAX_MONTHS, unit="months")


def _share(value: Number, field: str) -> Fraction:
    return within(value, field, 0, 1, above_low=True, hint="It is a share, such as 0.2.")
