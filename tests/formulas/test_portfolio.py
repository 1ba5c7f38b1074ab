"""MoSCoW, opportunity, value against effort, and allocation: where the effort goes."""

from decimal import Decimal
from fractions import Fraction
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.formulas.allocation import allocation
from api.formulas.exact import FormulaError
from api.formulas.moscow import CATEGORIES, effort_shares
from api.formulas.opportunity import band, from_top_two_box, opportunity
from api.formulas.value_effort import Thresholds, median_thresholds, placements

classed = st.lists(st.tuples(st.sampled_from(CATEGORIES), st.integers(0, 50)), max_size=20)
plans = st.fixed_dictionaries({name: st.integers(0, 200) for name in ("product", "technical", "innovation")})


def test_musts_of_sixty_percent_are_within_the_rule_and_above_it_are_told() -> None:
    assert effort_shares([("must", 6), ("should", 2), ("could", 2)]).findings == []
    (told,) = effort_shares([("must", 61), ("should", 19), ("could", 20)]).findings
    assert told.startswith("Musts take 61 % of the effort.")
    (told,) = effort_shares([("must", 6), ("should", 3), ("could", 1)]).findings
    assert told.startswith("Coulds are 10 % of the effort.")


@given(classed)
def test_what_wont_be_done_counts_for_nothing(items) -> None:
    told = effort_shares(items)
    planned = sum(effort for category, effort in items if category != "wont")
    assert told.planned == planned
    must = sum(effort for category, effort in items if category == "must")
    assert any("Musts" in finding for finding in told.findings) == (must * 100 > 60 * planned)


def test_an_unknown_class_is_refused() -> None:
    with pytest.raises(FormulaError) as refused:
        effort_shares([("maybe", 1)])
    assert refused.value.field == "category"


@given(st.integers(0, 100), st.integers(0, 100))
def test_opportunity_is_the_larger_of_importance_and_twice_it_less_satisfaction(importance, satisfaction) -> None:
    told = opportunity(Decimal(importance) / 10, Decimal(satisfaction) / 10)
    assert told == Fraction(max(importance, 2 * importance - satisfaction), 10)
    assert 0 <= told <= 20


def test_opportunity_inputs_are_ten_at_most() -> None:
    with pytest.raises(FormulaError):
        opportunity(11, 1)
    with pytest.raises(FormulaError):
        from_top_two_box(72)


@pytest.mark.parametrize(("score", "name"), [(20, "extreme"), (15, "solid"), (11, "worth a look"), (0, "served")])
def test_bands_of_opportunity(score, name) -> None:
    assert band(score) == name


@given(st.dictionaries(st.text(max_size=3), st.tuples(st.integers(0, 99), st.integers(0, 99)), min_size=1, max_size=9))
def test_every_item_falls_into_the_quadrant_of_its_distances(items) -> None:
    lines = median_thresholds(items)
    assert lines == Thresholds(
        Decimal(str(median(value for value, _ in items.values()))),
        Decimal(str(median(effort for _, effort in items.values()))),
    )
    for told in placements(items, lines):
        high, cheap = told.value_distance >= 0, told.effort_distance <= 0
        assert (
            told.quadrant
            == {
                (True, True): "quick win",
                (True, False): "big bet",
                (False, True): "fill-in",
                (False, False): "money pit",
            }[(high, cheap)]
        )


def test_an_item_on_the_threshold_is_of_high_value_and_low_effort_and_at_distance_nothing() -> None:
    (told,) = placements({"a": (5, 4)}, Thresholds(5, 4))
    assert (told.quadrant, told.nearest) == ("quick win", 0)
    (told,) = placements({"a": (5, 4)}, Thresholds(0, 4))
    assert told.nearest is None


def test_medians_need_an_item() -> None:
    with pytest.raises(FormulaError):
        median_thresholds({})


def test_the_guides_list_holds_no_innovation_and_32_percent_technical_work() -> None:
    told = allocation({"product": Decimal("8.5"), "technical": 4})
    assert told.total_months == Decimal("12.5")
    assert {name: bucket.share for name, bucket in told.buckets.items()} == {
        "product": Decimal("0.68"),
        "technical": Decimal("0.32"),
        "innovation": 0,
    }
    assert told.drifted
    assert [name for name, bucket in told.buckets.items() if bucket.drifted] == ["technical", "innovation"]


def test_with_api_v2_as_technical_it_is_80_percent() -> None:
    assert allocation({"product": "2.5", "technical": 10}).buckets["technical"].share == Decimal("0.8")


@given(plans)
def test_what_is_to_add_reaches_the_targets_and_takes_nothing_out(plan) -> None:
    told = allocation(plan)
    grown = {name: plan[name] + Fraction(bucket.to_add) for name, bucket in told.buckets.items()}
    total = sum(grown.values())
    for name, share in (("product", 7), ("technical", 2), ("innovation", 1)):
        assert told.buckets[name].to_add >= 0
        assert abs(grown[name] - total * share / 10) < Fraction(1, 10**5)
    assert any(bucket.to_add == 0 for bucket in told.buckets.values())


@given(plans)
def test_drifts_sum_to_nothing(plan) -> None:
    told = allocation(plan)
    assert abs(sum(bucket.drift for bucket in told.buckets.values())) <= Decimal("0.000003")
    assert abs(sum(bucket.drift_months for bucket in told.buckets.values())) <= Decimal("0.000003")


def test_effort_in_a_bucket_with_no_share_cannot_be_added_away() -> None:
    told = allocation({"a": 1, "b": 1}, {"a": 1, "b": 0})
    assert told.buckets["a"].to_add is None


@pytest.mark.parametrize(
    ("efforts", "targets", "field"),
    [
        ({"other": 1}, {"product": 1}, "effort_months.other"),
        ({"product": 1}, {"product": "0.9"}, "targets"),
        ({"product": 1}, {"product": 70}, "targets.product"),
        ({"product": -1}, {"product": 1}, "effort_months.product"),
        ({}, {}, "targets"),
    ],
)
def test_an_allocation_without_sense_is_refused(efforts, targets, field) -> None:
    with pytest.raises(FormulaError) as refused:
        allocation(efforts, targets)
    assert refused.value.field == field
