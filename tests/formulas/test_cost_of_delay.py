from decimal import Decimal
from fractions import Fraction
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.formulas.cost_of_delay import Decaying, Job, Linear, Step, cd3, lost, price, smith_order
from api.formulas.exact import FormulaError

linear_jobs = st.lists(st.tuples(st.integers(1, 20), st.integers(0, 1000)), min_size=1, max_size=5).map(
    lambda rows: [Job(str(i), weeks, Linear(rate)) for i, (weeks, rate) in enumerate(rows)]
)
any_profile = st.one_of(
    st.builds(Linear, st.integers(0, 1000)),
    st.builds(Step, st.integers(0, 30), st.integers(0, 5000)),
    st.builds(Decaying, st.integers(0, 1000), st.integers(1, 30)),
)


def test_cd3_is_money_per_week_by_weeks() -> None:
    assert cd3(10000, 4) == 2500
    with pytest.raises(FormulaError) as refused:
        cd3(10000, 0)
    assert refused.value.field == "duration_weeks"


@given(linear_jobs)
def test_no_order_costs_less_than_smiths_when_all_profiles_are_linear(jobs) -> None:
    told = smith_order(jobs)
    by_id = {job.id: job for job in jobs}
    cheapest = min(price(list(order)).total for order in permutations(jobs))
    assert told.optimal
    assert price([by_id[id] for id in told.ids]).total == cheapest


@given(st.lists(st.tuples(st.integers(1, 10), any_profile), max_size=6))
def test_the_price_of_an_order_is_what_each_job_loses_until_it_is_finished(rows) -> None:
    jobs = [Job(str(i), weeks, profile) for i, (weeks, profile) in enumerate(rows)]
    told = price(jobs)
    finishes = [sum(weeks for weeks, _ in rows[: i + 1]) for i in range(len(rows))]
    oracle = sum((slow_loss(profile, week) for (_, profile), week in zip(rows, finishes, strict=True)), Fraction(0))
    assert abs(Fraction(told.total) - oracle) <= Fraction(1, 10**6)
    assert [job.finish_week for job in told.jobs] == finishes


def slow_loss(profile, weeks: int) -> Fraction:
    """Loss by adding up the trapezium of every week, as the oracle of the closed forms."""
    if isinstance(profile, Linear):
        return sum((Fraction(profile.per_week) for _ in range(weeks)), Fraction(0))
    if isinstance(profile, Step):
        return Fraction(profile.loss if weeks > profile.deadline_week else 0)
    rate = [
        max(Fraction(0), profile.peak_per_week * (1 - Fraction(week, profile.life_weeks))) for week in range(weeks + 1)
    ]
    return sum(((rate[week] + rate[week + 1]) / 2 for week in range(weeks)), Fraction(0))


def test_a_step_loses_only_after_its_date() -> None:
    assert lost(Step(4, 9000), 4) == 0
    assert lost(Step(4, 9000), "4.01") == 9000


def test_a_short_life_loses_no_more_once_it_is_over() -> None:
    assert lost(Decaying(1000, 10), 10) == lost(Decaying(1000, 10), 500) == 5000


def test_an_order_with_other_profiles_is_not_called_optimal() -> None:
    assert not smith_order([Job("a", 1, Linear(1)), Job("b", 1, Step(3, 10))]).optimal


def test_the_cost_of_a_new_order_is_the_difference_of_two_prices() -> None:
    quick, slow = Job("quick", 2, Linear(200)), Job("slow", 8, Linear(400))
    assert price([slow, quick]).total - price([quick, slow]).total == Decimal(800)


def test_an_order_holds_each_job_once_and_takes_some_time() -> None:
    with pytest.raises(FormulaError):
        price([Job("a", 1, Linear(1)), Job("a", 1, Linear(1))])
    with pytest.raises(FormulaError):
        smith_order([Job("a", 0, Linear(1))])
    assert price([]).total == 0
