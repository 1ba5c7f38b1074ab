from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.formulas.exact import FormulaError
from api.formulas.ice import Disagreement, disagreements, ice
from api.formulas.wsjf import FIBONACCI, Job, findings, wsjf

ratings = st.decimals(1, 10, places=1)
points = st.integers(0, 100)
sizes = st.decimals("0.1", 100, places=1)


def close(told: Decimal, oracle: Fraction) -> bool:
    return abs(Fraction(told) - oracle) <= Fraction(1, 2 * 10**6)


@given(ratings, ratings, ratings)
def test_ice_is_the_mean_or_the_product(impact, confidence, ease) -> None:
    tenths = [int(one * 10) for one in (impact, confidence, ease)]
    assert close(ice(impact, confidence, ease, "mean"), Fraction(sum(tenths), 30))
    assert ice(impact, confidence, ease, "product") == Fraction(tenths[0] * tenths[1] * tenths[2], 1000)


def test_ice_has_no_default_convention() -> None:
    with pytest.raises(TypeError):
        ice(1, 1, 1)
    with pytest.raises(FormulaError, match="'mean' or 'product'"):
        ice(1, 1, 1, "sum")


@pytest.mark.parametrize(
    ("inputs", "field"), [((0, 5, 5), "impact"), ((5, 11, 5), "confidence"), ((5, 5, 0.9), "ease")]
)
def test_ice_rates_from_one_to_ten(inputs, field) -> None:
    with pytest.raises(FormulaError) as refused:
        ice(*inputs, "mean")
    assert refused.value.field == field


def test_where_the_conventions_disagree_both_ranks_are_told() -> None:
    told = disagreements({"steady": (5, 5, 5), "lopsided": (10, 9, 1), "best": (10, 10, 10)})
    assert told == [Disagreement("steady", 3, 2), Disagreement("lopsided", 2, 3)]
    assert disagreements({"best": (10, 10, 10), "worst": (1, 1, 1)}) == []


def test_ice_takes_three_ratings() -> None:
    with pytest.raises(FormulaError):
        disagreements({"short": (5, 5)})


@given(points, points, points, sizes)
def test_wsjf_adds_urgency_or_multiplies_by_it(value, urgency, risk, size) -> None:
    tenths = int(size * 10)
    assert close(wsjf(value, urgency, risk, size), Fraction(10 * (value + urgency + risk), tenths))
    assert close(wsjf(value, urgency, risk, size, "arnold"), Fraction(10 * (value * urgency + risk * urgency), tenths))


def test_urgency_alone_ranks_by_the_safe_formula_and_not_by_arnolds() -> None:
    assert wsjf(0, 21, 0, 1) == 21
    assert wsjf(0, 21, 0, 1, "arnold") == 0


def test_a_job_without_size_is_refused() -> None:
    with pytest.raises(FormulaError) as refused:
        wsjf(1, 1, 1, 0)
    assert refused.value.field == "size"
    with pytest.raises(FormulaError):
        wsjf(1, 1, 1, 1, "other")


def test_a_column_without_a_one_is_told() -> None:
    told = findings({"a": Job(2, 1, 1, 1), "b": Job(3, 2, 1, 5)})
    assert told == ["No job has 1 for value. Estimates are relative: the smallest in each column is the 1."]


def test_points_off_the_scale_are_told() -> None:
    assert findings({"a": Job(1, 1, 1, 1), "b": Job(4, 1, 1, 1)}) == [
        "'b' has 4 for value, which is not one of 1, 2, 3, 5, 8, 13, 20."
    ]
    assert findings({}) == []


@given(st.lists(st.tuples(*[st.sampled_from(FIBONACCI)] * 4), max_size=5))
def test_points_on_the_scale_are_never_called_off_it(rows) -> None:
    jobs = {str(i): Job(*row) for i, row in enumerate(rows)} | {"one": Job(1, 1, 1, 1)}
    assert all("ranks by urgency" in finding for finding in findings(jobs))
