"""Payback and total cost of ownership, with the guide's own figures recomputed."""

from decimal import Decimal
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.formulas.exact import FormulaError
from api.formulas.payback import (
    ceiling_gain,
    implied_benefit,
    implied_team,
    payback,
    periods_to_recoup,
    phased,
    sprints_to_break_even,
)
from api.formulas.tco import Option, break_even_month, compare, crossover_volume

EMAIL_BUILD = Option("build", 150_000)
EMAIL_BUY = Option("buy", unit_price="0.001", units_per_month=100_000)
DASHBOARD = [
    Option("A", 450_000),
    Option("B", 100_000),
    Option("C", 20_000, monthly=Fraction(20_000, 12)),
]


def test_the_guides_payback_of_three_months_is_five_from_the_start() -> None:
    told = payback(150_000, 50_000, 2)
    assert (told.months_from_completion, told.months_from_start) == (3, 5)
    assert told.within_rule_from_completion
    assert told.within_rule_from_start


def test_the_rule_can_hold_by_one_clock_and_fail_by_the_other() -> None:
    told = payback(150_000, 50_000, 3)
    assert told.within_rule_from_completion
    assert not told.within_rule_from_start


def test_a_benefit_that_its_own_cost_eats_never_pays_back() -> None:
    told = payback(150_000, 5_000, 2, monthly_cost=5_000)
    assert told.months_from_completion is told.months_from_start is None
    assert told.roi == -1


def test_what_costs_nothing_is_paid_back_at_once() -> None:
    told = payback(0, 1, 0)
    assert (told.months_from_start, told.roi) == (0, None)


@given(st.integers(1, 10**6), st.integers(1, 10**5), st.integers(0, 24), st.integers(0, 10**5))
def test_payback_agrees_with_counting_the_money(investment, benefit, build, cost) -> None:
    told = payback(investment, benefit, build, monthly_cost=cost)
    if benefit <= cost:
        assert told.months_from_completion is None
        return
    whole = Fraction(told.months_from_completion)
    assert abs(whole * (benefit - cost) - investment) <= Fraction(benefit, 10**6)
    assert told.months_from_start - told.months_from_completion == build


def test_a_claimed_payback_of_three_months_asserts_50_000_a_month() -> None:
    assert implied_benefit(150_000, 3) == 50_000


def test_thirty_percent_for_two_months_assumes_a_team_of_ten() -> None:
    assert implied_team(6, "0.3", 2) == 10


def test_the_guides_phased_plan_is_less_than_half_the_work() -> None:
    told = phased("0.2", 10, 2, 2)
    assert round(told.team_months, 2) == Decimal("0.92")
    assert round(told.equal_sprints, 1) == Decimal("21.7")
    assert round(told.covered, 2) == Decimal("0.46")
    assert not told.equal
    assert round(phased("0.2", 6, 2, 2).team_months, 2) == Decimal("0.55")


@given(st.integers(1, 100), st.integers(1, 50), st.integers(1, 8), st.integers(1, 24))
def test_as_many_sprints_as_told_are_equal_work(percent, sprints, weeks, months) -> None:
    told = phased(Fraction(percent, 100), sprints, weeks, months)
    # In weeks of the whole team: a month has 52/12 of them.
    oracle = Fraction(months * 52 * 100, 12 * percent * weeks)
    assert abs(Fraction(told.equal_sprints) - oracle) <= Fraction(1, 10**6)
    assert told.equal == (sprints == oracle)


def test_losing_20_percent_to_gain_30_breaks_even_after_two_thirds_as_many_sprints() -> None:
    assert sprints_to_break_even("0.2", 6, "0.3") == 4
    assert round(sprints_to_break_even("0.2", 10, "0.3"), 1) == Decimal("6.7")


def test_30_percent_of_workarounds_leaves_43_percent_to_gain_at_most() -> None:
    assert round(ceiling_gain("0.3"), 3) == Decimal("0.429")
    with pytest.raises(FormulaError):
        ceiling_gain(1)


def test_a_prevented_drop_is_worth_its_probability() -> None:
    assert round(periods_to_recoup("0.2", "0.3", 1), 2) == Decimal("0.67")
    assert round(periods_to_recoup("0.2", "0.3", "0.5"), 2) == Decimal("1.33")


@pytest.mark.parametrize(
    "refused",
    [
        lambda: payback(-1, 1, 1),
        lambda: implied_benefit(1, 0),
        lambda: implied_team(1, 0, 1),
        lambda: phased(20, 10, 2, 2),
        lambda: sprints_to_break_even("0.2", 6, 0),
        lambda: compare([EMAIL_BUY], 0),
        lambda: compare([EMAIL_BUY], 601),
        lambda: compare([EMAIL_BUY], 1.5),
        lambda: compare([EMAIL_BUY], 12, 5),
        lambda: compare([EMAIL_BUY], 12, "0.05001"),
        lambda: crossover_volume(EMAIL_BUILD, Option("x", monthly_growth="0.1"), 12),
    ],
)
def test_inputs_without_sense_are_refused(refused) -> None:
    with pytest.raises(FormulaError):
        refused()


def test_the_guides_email_costs_1200_a_year_and_not_10_000() -> None:
    (cost,) = compare([EMAIL_BUY], 12)
    assert cost.total == 1200
    printed = Option("buy", unit_price="0.001", units_per_month=Fraction(10_000, 12) * 1000)
    assert compare([printed], 12)[0].total == 10_000
    assert round(10_000 / cost.total, 1) == Decimal("8.3")


def test_building_email_breaks_even_after_125_years_or_15_or_never() -> None:
    assert break_even_month(EMAIL_BUILD, EMAIL_BUY) == 125 * 12
    yearly = Option("buy", monthly=Fraction(10_000, 12))
    assert break_even_month(EMAIL_BUILD, yearly) == 15 * 12
    assert break_even_month(Option("build", 150_000, monthly=Fraction(10_001, 12)), yearly) is None


def test_the_guides_dashboard_costs_60_450_and_100_thousand_over_two_years() -> None:
    told = {cost.id: cost.total for cost in compare(DASHBOARD, 24)}
    assert told == {"C": 60_000, "B": 100_000, "A": 450_000}
    assert list(told) == ["C", "B", "A"]


def test_buying_the_dashboard_is_the_cheapest_until_year_four() -> None:
    assert break_even_month(DASHBOARD[1], DASHBOARD[2]) == 48


def test_yjs_pays_back_against_firebase_in_ten_months_and_building_in_fifty() -> None:
    firebase = Option("Firebase", monthly=10_000)
    assert break_even_month(Option("Yjs", 100_000), firebase) == 10
    assert break_even_month(Option("Build", 500_000), firebase) == 50


def test_an_option_that_starts_no_dearer_has_broken_even_at_once() -> None:
    assert break_even_month(EMAIL_BUY, EMAIL_BUILD) == 0


def test_with_growing_volume_the_first_whole_month_is_told() -> None:
    # The growing option has cost 10, 21, 33.1, 46.4, 61.1, 77.2, 94.9 and then 114.4.
    growing = Option("buy", unit_price=1, units_per_month=10, monthly_growth="0.1")
    assert break_even_month(Option("build", 100), growing) == 8
    assert break_even_month(Option("build", 10**15), Option("buy", 1, unit_price=1, monthly_growth="0.1")) is None


def test_the_crossover_volume_costs_the_same_either_way() -> None:
    volume = crossover_volume(EMAIL_BUILD, EMAIL_BUY, 24)
    assert compare([Option("buy", unit_price="0.001", units_per_month=volume)], 24)[0].total == 150_000
    assert crossover_volume(EMAIL_BUILD, Option("free"), 24) is None
    assert crossover_volume(Option("a", unit_price=1), Option("b", 5, unit_price=2), 24) is None


money = st.integers(0, 10**6)
options = st.builds(
    Option,
    id=st.just("x"),
    one_off=money,
    monthly=money,
    unit_price=st.integers(0, 9).map(lambda cents: Decimal(cents) / 100),
    units_per_month=st.integers(0, 10**4),
    monthly_growth=st.sampled_from(["0", "0.01", "0.1"]),
)


def month_by_month(option: Option, months: int, yearly: Decimal) -> tuple[Fraction, Fraction]:
    """Total and present value by walking through the months, as the oracle of the closed forms."""
    total = value = Fraction(option.one_off)
    units, factor = Fraction(option.units_per_month), Fraction(1)
    for _ in range(months):
        factor /= 1 + Fraction(yearly) / 12
        cost = option.monthly + Fraction(option.unit_price) * units
        total, value = total + cost, value + cost * factor
        units *= 1 + Fraction(option.monthly_growth)
    return total, value


@given(options, st.integers(1, 36), st.sampled_from([Decimal(0), Decimal("0.08"), Decimal("0.12")]))
def test_totals_and_present_values_agree_with_walking_the_months(option, months, yearly) -> None:
    (cost,) = compare([option], months, yearly)
    total, value = month_by_month(option, months, yearly)
    assert abs(Fraction(cost.total) - total) <= Fraction(1, 10**6)
    assert abs(Fraction(cost.present_value) - value) <= Fraction(1, 10**6)


@given(options, options)
def test_from_its_break_even_month_on_the_dear_option_has_cost_no_more(first, second) -> None:
    month = break_even_month(first, second)
    if month is None or not 1 <= month <= 36:
        return
    # The month is rounded to six decimals, which at a million a month is half a unit of money.
    assert difference(first, second, ceil(month)) <= 1
    if month > 1:
        assert difference(first, second, ceil(month) - 1) > -1


def difference(first: Option, second: Option, months: int) -> Fraction:
    return month_by_month(first, months, Decimal(0))[0] - month_by_month(second, months, Decimal(0))[0]
