"""Trade-offs, robustness, capacity and the rules of technical debt, against the guide's figures and exact fractions."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.formulas import capacity, debt, robustness, tradeoff
from api.formulas.exact import FormulaError

GUIDE_WEIGHTS = {"core": "0.4", "speed": "0.2", "cost": "0.2", "custom": "0.1", "care": "0.1"}
GUIDE_WORTH = {
    "build": {"core": 10, "speed": 2, "cost": 5, "custom": 10, "care": 3},
    "buy": {"core": 2, "speed": 10, "cost": 7, "custom": 4, "care": 9},
}
positive = st.decimals(min_value="0.01", max_value=10**6, places=2)


def test_the_guides_matrix_is_won_by_build_under_four_of_five_drawn_weights() -> None:
    told = robustness.win_probabilities(GUIDE_WEIGHTS, GUIDE_WORTH, seed=7)
    assert round(told["build"], 2) == Decimal("0.79")
    assert sum(told.values()) == 1
    assert robustness.robustness("build", told) == "moderately_robust"
    assert told == robustness.win_probabilities(GUIDE_WEIGHTS, GUIDE_WORTH, seed=7)


def test_options_that_are_alike_share_every_draw() -> None:
    worth = {"a": {"x": 5, "y": 3}, "b": {"x": 5, "y": 3}}
    assert robustness.win_probabilities({"x": "0.5", "y": "0.5"}, worth, seed=1) == {
        "a": Decimal("0.5"),
        "b": Decimal("0.5"),
    }


def test_an_option_that_is_better_on_every_criterion_always_wins() -> None:
    worth = {"a": {"x": 6, "y": 4}, "b": {"x": 5, "y": 3}}
    told = robustness.win_probabilities({"x": "0.5", "y": "0.5"}, worth, seed=1)
    assert told == {"a": Decimal(1), "b": Decimal(0)}
    assert robustness.robustness("a", told) == "robust"


def test_the_guides_breakdown_of_six_months_sums_to_5_85() -> None:
    told = tradeoff.breakdown([(2, "weeks"), (4, "months"), (6, "weeks")], (6, "months"))
    assert (round(told.months, 2), told.agrees) == (Decimal("5.85"), True)
    assert tradeoff.breakdown([(2, "weeks"), (2, "months")], (6, "months")).agrees is False


@given(st.lists(st.tuples(positive, st.sampled_from(["days", "weeks", "months"])), max_size=8))
def test_a_breakdown_sums_exactly(parts: list[tuple[Decimal, tradeoff.Unit]]) -> None:
    share = {"days": Fraction(12, 260), "weeks": Fraction(12, 52), "months": Fraction(1)}
    expected = sum((Fraction(amount) * share[unit] for amount, unit in parts), Fraction(0))
    assert abs(Fraction(tradeoff.breakdown(parts).months) - expected) <= Fraction(1, 2 * 10**6)


def test_the_guides_option_c_is_priced_at_another_rate_than_a_and_b() -> None:
    rates = {
        "A": tradeoff.monthly_rate(450_000, 3, 6),
        "B": tradeoff.monthly_rate(100_000, 2, 2),
        "C": tradeoff.monthly_rate(20_000, 1, 2, "weeks"),
    }
    assert (rates["A"], rates["B"], round(rates["C"], -3)) == (25_000, 25_000, 43_000)
    assert tradeoff.odd_rates(rates) == {"C": Decimal(25_000)}


@given(
    st.dictionaries(
        st.text("abcdef", min_size=1, max_size=2),
        st.fixed_dictionaries({"cost": st.integers(0, 5), "months": st.integers(0, 5)}),
        max_size=8,
    )
)
def test_what_is_beaten_is_beaten_by_something_no_worse_anywhere(items: dict[str, dict[str, int]]) -> None:
    for name, by in tradeoff.beaten(items).items():
        assert all(items[by][key] <= items[name][key] for key in items[name])
        assert items[by] != items[name]
    best = min(items, key=lambda name: (items[name]["cost"], items[name]["months"]), default=None)
    assert best not in tradeoff.beaten(items)


@given(st.integers(1, 20), st.integers(1, 24), st.integers(0, 40), st.integers(0, 6))
def test_more_people_never_make_it_later_nor_faster_than_their_share(
    people: int, months: int, added: int, ramp: int
) -> None:
    told = Fraction(tradeoff.with_more_people(people, months, added, ramp))
    assert told <= months
    assert told + Fraction(1, 10**6) >= Fraction(people * months, people + added)


def test_the_guides_plan_reaches_300_requests_a_second_and_not_500() -> None:
    told = capacity.stages({"api": 100, "database": 400}, [{"database": 2}, {"api": 3}], demand=50)
    assert [stage.capacity for stage in told] == [100, 100, 300]
    assert told[-1].gain == 3
    assert capacity.needed(50, 1000, 3000) == 150
    assert capacity.needed(50, 1000, 10_000) == 500
    assert capacity.change(500, 100) == (Decimal(5), Decimal("0.8"))


@given(
    st.lists(st.integers(1, 1000), min_size=1, max_size=5),
    st.lists(st.dictionaries(st.integers(0, 4), st.integers(1, 9), max_size=3), max_size=4),
)
def test_capacity_is_the_least_of_the_parts_after_each_phase(limits: list[int], phases: list[dict[int, int]]) -> None:
    names = {f"p{index}": limit for index, limit in enumerate(limits)}
    steps = [{f"p{index}": by for index, by in phase.items() if index < len(limits)} for phase in phases]
    now = dict(names)
    expected = [min(now.values())]
    for step in steps:
        now = {name: limit * step.get(name, 1) for name, limit in now.items()}
        expected.append(min(now.values()))
    assert [stage.capacity for stage in capacity.stages(names, steps)] == expected


def test_a_part_in_use_by_half_is_breached_at_twice_the_demand() -> None:
    assert capacity.headroom(100, 50) == capacity.Headroom(Decimal("0.5"), Decimal(50), False, Decimal(2))
    assert capacity.headroom(100, 0).breach_at_growth is None
    assert capacity.headroom(100, 101).breached
    with pytest.raises(FormulaError):
        capacity.stages({}, [])


def test_the_guides_monolith_is_80_percent_slower_and_its_target_below_what_it_was() -> None:
    assert debt.drop(10, 2, 8) == debt.Drop(Decimal("0.8"), Decimal(4), False)
    assert debt.drop(100, 500, 100, lower_is_better=True) == debt.Drop(Decimal("0.8"), Decimal(5), True)


def test_the_guides_30_percent_for_two_months_needs_a_team_of_ten() -> None:
    assert debt.delivered(10, "0.3", 2) == 6
    assert debt.delivered(3, "0.3", 2) == Decimal("1.8")


@pytest.mark.parametrize(
    ("impact", "risks", "payback", "verdict"),
    [
        ("0.21", [], None, "pay_down"),
        ("0.2", [], None, "defer"),
        (None, ["outage"], None, "pay_down"),
        (None, [], (3, 5), "pay_down"),
        (None, [], (5, 7), "defer"),
        (None, [], (6, 6), "defer"),
        (None, [], None, "defer"),
    ],
)
def test_the_framework_pays_down_above_20_percent_for_a_risk_or_within_6_months_by_both_clocks(
    impact: str | None, risks: list[str], payback: tuple[int, int] | None, verdict: str
) -> None:
    told = debt.verdict(impact, risks, *(payback or (None, None)), quantified=payback is not None)
    assert told.verdict == verdict
    assert len(told.reasons) == 3


def test_higher_priorities_are_a_reason_to_defer_and_outweigh_no_rule() -> None:
    told = debt.verdict("0.5", [], None, None, quantified=False, higher_priorities="the launch")
    assert told.verdict == "pay_down"
    assert "the launch" in told.reasons[-1].sentence


@given(st.lists(st.integers(-1000, 1000), min_size=2, max_size=12))
def test_the_trend_is_the_least_squares_slope(values: list[int]) -> None:
    count = len(values)
    xs = [Fraction(index) for index in range(count)]
    top = count * sum(x * y for x, y in zip(xs, values, strict=True)) - sum(xs) * sum(values)
    expected = top / (count * sum(x * x for x in xs) - sum(xs) ** 2)
    told = debt.trend(values)
    assert told is not None
    assert abs(Fraction(told) - expected) <= Fraction(1, 2 * 10**6)
