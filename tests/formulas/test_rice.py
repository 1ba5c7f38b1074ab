from decimal import ROUND_HALF_EVEN, Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.formulas.exact import FormulaError
from api.formulas.rice import SCALES, confidence_of, custom_scale, displayed, impact_of, off_scale, rice

GUIDE = [
    # reach, impact, confidence, effort, the score, as the guide would print it
    ("Real-time collab", 10000, 3, "0.8", 2, "12000", "120"),
    ("Dark mode", 5000, 1, "1.0", "0.5", "10000", "100"),
    ("API v2", 500, 3, "0.6", 6, "150", "1.5"),
    ("Performance", 15000, 2, "0.7", 4, "5250", "52.5"),
]

reaches = st.decimals(0, 10**12, places=2)
impacts = st.decimals("0.01", 1000, places=2)
confidences = st.decimals(0, 1, places=3)
efforts = st.decimals("0.01", 10**6, places=2)


@pytest.mark.parametrize(("name", "reach", "impact", "confidence", "effort", "score", "shown"), GUIDE)
def test_the_guides_table_is_recomputed(name, reach, impact, confidence, effort, score, shown) -> None:
    assert rice(reach, impact, confidence, effort) == Decimal(score)
    assert displayed(rice(reach, impact, confidence, effort), 100) == Decimal(shown)


def test_a_whole_score_is_written_without_zeros_or_an_exponent() -> None:
    assert str(rice(10000, 3, 0.8, 2)) == "12000"
    assert str(rice(10**12, 1000, 1, "0.5")) == "2000000000000000"
    assert str(rice(0, 3, 1, 2)) == "0"


def test_a_score_is_rounded_once_and_half_to_even() -> None:
    assert rice(1, 1, 1, 3) == Decimal("0.333333")
    assert rice("0.0000005", 1, 1, 1) == Decimal("0")
    assert rice("0.0000015", 1, 1, 1) == Decimal("0.000002")


@given(reaches, impacts, confidences, efforts)
def test_the_score_agrees_with_long_division(reach, impact, confidence, effort) -> None:
    with localcontext() as context:
        context.prec = 200
        oracle = (reach * impact * confidence / effort).quantize(Decimal("0.000001"), ROUND_HALF_EVEN)
    assert rice(reach, impact, confidence, effort) == oracle


@given(reaches, impacts, confidences, efforts)
def test_the_same_number_scores_the_same_in_every_type(reach, impact, confidence, effort) -> None:
    as_text = rice(str(reach), str(impact), str(confidence), str(effort))
    as_float = rice(float(reach), float(impact), float(confidence), float(effort))
    assert rice(reach, impact, confidence, effort) == as_text == as_float


@pytest.mark.parametrize(
    ("inputs", "field"),
    [
        ((-1, 3, 1, 2), "reach"),
        ((10**13, 3, 1, 2), "reach"),
        ((1, 0, 1, 2), "impact"),
        ((1, 1001, 1, 2), "impact"),
        ((1, 3, 1.01, 2), "confidence"),
        ((1, 3, -0.1, 2), "confidence"),
        ((1, 3, 1, 0), "effort"),
        ((1, 3, 1, -2), "effort"),
        ((1, 3, 1, 10**7), "effort"),
        (("many", 3, 1, 2), "reach"),
        ((float("nan"), 3, 1, 2), "reach"),
        ((1, float("inf"), 1, 2), "impact"),
        ((1, 3, Decimal("sNaN"), 2), "confidence"),
        ((1, 3, 1, True), "effort"),
        ((1, 3, 1, None), "effort"),
        (("1e999999999", 3, 1, 2), "reach"),
        (("1e-999999999", 3, 1, 2), "reach"),
        ((10**5000, 3, 1, 2), "reach"),
        (("1" * 5000, 3, 1, 2), "reach"),
    ],
)
def test_an_input_out_of_range_is_refused_by_name(inputs, field) -> None:
    with pytest.raises(FormulaError) as refused:
        rice(*inputs)
    assert refused.value.field == field
    assert len(str(refused.value)) < 300


def test_a_percentage_for_confidence_is_answered_with_the_share_to_write() -> None:
    with pytest.raises(FormulaError, match=r"For 80 % write 0\.8\."):
        rice(10000, 3, 80, 2)


def test_a_thousands_separator_is_answered_with_the_way_out() -> None:
    with pytest.raises(FormulaError, match="Leave out the thousands separator"):
        rice("10,000", 3, 1, 2)


def test_the_same_word_means_another_number_on_another_scale() -> None:
    assert impact_of(SCALES["intercom-2016"], "medium") == 1
    assert impact_of(SCALES["guide-1-3"], "medium") == 2
    assert confidence_of(SCALES["intercom-2016"], "Low") == Decimal("0.5")


def test_an_unknown_word_is_answered_with_the_known_ones() -> None:
    with pytest.raises(FormulaError, match="massive, medium, small"):
        impact_of(SCALES["guide-1-3"], "tiny")


def test_inputs_off_the_scale_are_told_and_still_score() -> None:
    assert len(off_scale(SCALES["intercom-2016"], "0.75", "0.7")) == 2
    assert off_scale(SCALES["intercom-2016"], "0.25", "0.8") == []
    assert off_scale(SCALES["guide-1-3"], "2.5", "0.7") == []
    assert off_scale(SCALES["guide-1-3"], "0.5", "0.7") == ["impact 0.5 is not on guide-1-3, which has 1 to 3."]


def test_a_custom_scale_is_held_to_the_ranges_of_the_formula() -> None:
    assert off_scale(custom_scale("ours", {"big": 8}, {"sure": "0.9"}), 8, "0.9") == []
    with pytest.raises(FormulaError):
        custom_scale("ours", {"big": 0}, {})
