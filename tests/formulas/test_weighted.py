from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from api.formulas.exact import FormulaError
from api.formulas.weighted import Criterion, Dominated, Flip, RatingScale, Threshold, evaluate, sensitivity

GUIDE = [
    Criterion("core differentiator", 40),
    Criterion("time to market", 20),
    Criterion("cost", 20),
    Criterion("customization", 10),
    Criterion("maintenance", 10),
]
NAMES = [criterion.id for criterion in GUIDE]
RATINGS = {
    "build": dict(zip(NAMES, [10, 2, 5, 10, 3], strict=True)),
    "buy": dict(zip(NAMES, [2, 10, 7, 4, 9], strict=True)),
}


def test_the_guides_matrix_totals_6_7_against_5_5() -> None:
    told = evaluate(GUIDE, ["build", "buy"], RATINGS)
    assert told.totals == {"build": Decimal("6.7"), "buy": Decimal("5.5")}
    assert (told.leader, told.runner_up, told.leaders) == ("build", "buy", ["build"])
    assert told.margin == Decimal("1.2")
    assert round(told.margin_share * 100, 1) == Decimal("17.9")
    assert told.contributions["build"]["core differentiator"] == 4


def test_weights_that_do_not_sum_to_one_are_normalised_and_reported() -> None:
    told = evaluate(GUIDE, ["build", "buy"], RATINGS)
    assert (told.normalised, told.weight_sum) == (True, Decimal(100))
    assert told.weights["core differentiator"] == Decimal("0.4")
    exact = [Criterion(one.id, Decimal(one.weight) / 100) for one in GUIDE]
    assert not evaluate(exact, ["build", "buy"], RATINGS).normalised


def test_the_guides_weights_cross_over_where_another_option_wins() -> None:
    told = {one.criterion: one for one in sensitivity(GUIDE, ["build", "buy"], RATINGS).crossovers}
    assert round(told["core differentiator"].below.weight, 3) == Decimal("0.294")
    assert round(told["time to market"].above.weight, 3) == Decimal("0.304")
    assert told["cost"].above == Threshold(Decimal("0.5"), "buy")
    assert told["maintenance"].above == Threshold(Decimal("0.25"), "buy")
    assert (told["customization"].below, told["customization"].above) == (None, None)
    assert told["core differentiator"].above is None


def test_the_guides_smallest_flip_is_three_points_of_the_core_differentiator() -> None:
    told = sensitivity(GUIDE, ["build", "buy"], RATINGS)
    assert told.smallest_flip == Flip("build", "core differentiator", Decimal(10), Decimal(-3), "buy")
    assert {(flip.option, flip.criterion) for flip in told.flips} == {
        ("build", "core differentiator"),
        ("buy", "core differentiator"),
    }


def test_of_a_cost_the_low_rating_is_the_better_one() -> None:
    criteria = [Criterion("value", 1), Criterion("price", 1, "cost")]
    told = evaluate(criteria, ["a", "b"], {"a": {"value": 5, "price": 9}, "b": {"value": 5, "price": 2}})
    assert told.totals == {"b": Decimal("6.5"), "a": Decimal(3)}
    assert told.dominated == [Dominated("a", "b")]
    scale = RatingScale(1, 10)
    told = evaluate(criteria, ["a", "b"], {"a": {"value": 5, "price": 9}, "b": {"value": 5, "price": 2}}, scale)
    assert told.contributions["b"]["price"] == Decimal("4.5")


def test_a_cost_flips_in_its_own_direction() -> None:
    criteria = [Criterion("price", 1, "cost")]
    told = sensitivity(criteria, ["a", "b"], {"a": {"price": 3}, "b": {"price": 5}})
    assert told.flips == [
        Flip("a", "price", Decimal(3), Decimal(2), "b"),
        Flip("b", "price", Decimal(5), Decimal(-2), "b"),
    ]


def test_a_rating_that_only_ties_at_the_end_of_the_scale_is_no_flip() -> None:
    told = sensitivity([Criterion("x", 1)], ["a", "b"], {"a": {"x": 4}, "b": {"x": 0}})
    assert told.flips == [Flip("b", "x", Decimal(0), Decimal(4), "b")]


def test_a_tie_has_no_leader_and_nothing_to_flip() -> None:
    ratings = {"a": {"x": 4}, "b": {"x": 4}, "c": {"x": 1}}
    told = evaluate([Criterion("x", 1)], ["a", "b", "c"], ratings)
    assert (told.leader, told.runner_up, told.leaders, told.margin) == (None, None, ["a", "b"], 0)
    assert sensitivity([Criterion("x", 1)], ["a", "b", "c"], ratings).crossovers == []


def test_a_shared_second_place_has_no_runner_up() -> None:
    told = evaluate([Criterion("x", 1)], ["a", "b", "c"], {"a": {"x": 4}, "b": {"x": 1}, "c": {"x": 1}})
    assert (told.leader, told.runner_up, told.margin) == ("a", None, 3)


def test_one_option_leads_alone_without_a_margin() -> None:
    told = evaluate([Criterion("x", 1)], ["a"], {"a": {"x": 4}})
    assert (told.leader, told.runner_up, told.margin, told.margin_share) == ("a", None, None, None)


def test_identical_options_do_not_dominate_each_other() -> None:
    assert evaluate([Criterion("x", 1)], ["a", "b"], {"a": {"x": 4}, "b": {"x": 4}}).dominated == []


@pytest.mark.parametrize(
    ("criteria", "options", "ratings", "field"),
    [
        ([], ["a"], {"a": {}}, "criteria"),
        ([Criterion("x", 1)], [], {}, "options"),
        ([Criterion("x", 1), Criterion("x", 1)], ["a"], {"a": {"x": 1}}, "criteria"),
        ([Criterion("x", 1)], ["a", "a"], {"a": {"x": 1}}, "options"),
        ([Criterion("x", 0)], ["a"], {"a": {"x": 1}}, "criteria"),
        ([Criterion("x", -1)], ["a"], {"a": {"x": 1}}, "criteria.x.weight"),
        ([Criterion("x", 1)], ["a", "b"], {"a": {"x": 1}}, "ratings.b.x"),
        ([Criterion("x", 1), Criterion("y", 1)], ["a"], {"a": {"x": 1}}, "ratings.a.y"),
        ([Criterion("x", 1)], ["a"], {"a": {"x": 11}}, "ratings.a.x"),
        ([Criterion("x", 1)], ["a"], {"a": {"x": "high"}}, "ratings.a.x"),
    ],
)
def test_a_matrix_that_cannot_be_totalled_names_the_cell(criteria, options, ratings, field) -> None:
    with pytest.raises(FormulaError) as refused:
        evaluate(criteria, options, ratings)
    assert refused.value.field == field


def test_a_scale_stands_the_right_way_up() -> None:
    with pytest.raises(FormulaError):
        evaluate([Criterion("x", 1)], ["a"], {"a": {"x": 1}}, RatingScale(10, 0))


@st.composite
def matrices(draw):
    names = [f"c{i}" for i in range(draw(st.integers(1, 4)))]
    options = [f"o{i}" for i in range(draw(st.integers(2, 4)))]
    criteria = [Criterion(n, draw(st.integers(0, 9)), draw(st.sampled_from(["benefit", "cost"]))) for n in names]
    assume(any(criterion.weight for criterion in criteria))
    ratings = {option: {name: draw(st.integers(0, 10)) for name in names} for option in options}
    return criteria, options, ratings


def oracle(criteria, options, ratings):
    """Totals over one common denominator, so written differently from the formula."""
    whole = sum(criterion.weight for criterion in criteria)
    return {
        option: Fraction(
            sum(
                one.weight * (ratings[option][one.id] if one.direction == "benefit" else 10 - ratings[option][one.id])
                for one in criteria
            ),
            whole,
        )
        for option in options
    }


@given(matrices())
def test_totals_agree_with_an_independent_sum(matrix) -> None:
    told, totals = evaluate(*matrix), oracle(*matrix)
    assert all(abs(Fraction(told.totals[option]) - total) <= Fraction(1, 2 * 10**6) for option, total in totals.items())
    best = max(totals.values())
    assert set(told.leaders) == {option for option, total in totals.items() if total == best}


@given(matrices())
def test_beyond_a_crossover_the_named_option_wins_and_before_it_the_leader_does(matrix) -> None:
    criteria, options, ratings = matrix
    leader = evaluate(*matrix).leader
    for crossover in sensitivity(*matrix).crossovers:
        for threshold, sign in ((crossover.below, -1), (crossover.above, 1)):
            if threshold is None:
                continue
            step = Fraction(1, 10**5)
            beyond = Fraction(threshold.weight) + sign * step
            before = Fraction(threshold.weight) - sign * step
            if 0 <= beyond <= 1:
                assert oracle_winner(criteria, options, ratings, crossover.criterion, beyond) != leader
            if sign * (before - Fraction(crossover.weight)) > 0:
                assert oracle_winner(criteria, options, ratings, crossover.criterion, before) == leader


@given(matrices())
def test_where_no_crossover_is_told_the_leader_wins_at_every_weight(matrix) -> None:
    criteria, options, ratings = matrix
    leader = evaluate(*matrix).leader
    for crossover in sensitivity(*matrix).crossovers:
        if crossover.below is crossover.above is None and crossover.weight < 1:
            for tenth in range(1, 10):
                winner = oracle_winner(criteria, options, ratings, crossover.criterion, Fraction(tenth, 10))
                assert winner == leader


def oracle_winner(criteria, options, ratings, name, weight):
    others = sum(criterion.weight for criterion in criteria if criterion.id != name)
    moved = [
        Criterion(one.id, weight if one.id == name else (1 - weight) * Fraction(one.weight, others), one.direction)
        for one in criteria
    ]
    return evaluate(moved, options, ratings).leader


@given(matrices())
def test_a_flip_ties_at_its_change_and_wins_just_beyond_it(matrix) -> None:
    criteria, options, ratings = matrix
    for flip in sensitivity(*matrix).flips:
        beyond = Fraction(ratings[flip.option][flip.criterion]) + Fraction(flip.change)
        beyond += Fraction(1, 10**5) * (1 if flip.change > 0 else -1)
        if 0 <= beyond <= 10:
            moved = {option: dict(cells) for option, cells in ratings.items()}
            moved[flip.option][flip.criterion] = beyond
            assert flip.winner in evaluate(criteria, options, moved).leaders


@given(matrices())
def test_no_smaller_whole_step_of_one_rating_changes_the_winner(matrix) -> None:
    criteria, options, ratings = matrix
    leader, smallest = evaluate(*matrix).leader, sensitivity(*matrix).smallest_flip
    assume(leader is not None)
    for option in options:
        for criterion in criteria:
            for rating in range(11):
                step = abs(rating - ratings[option][criterion.id])
                if smallest is None or step < abs(smallest.change):
                    moved = {one: dict(cells) for one, cells in ratings.items()}
                    moved[option][criterion.id] = rating
                    assert leader in evaluate(criteria, options, moved).leaders
