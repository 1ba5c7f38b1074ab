"""Simulation against closed forms and against a million draws of another generator."""

from fractions import Fraction
from math import erf, exp, log, log1p, sqrt

import numpy as np
import pytest

from api.formulas.exact import FormulaError
from api.formulas.expression import parse
from api.formulas.simulation import Uncertain, confidence_as_spread, simulate, variation_of
from api.formulas.spread import Spread, spread

RICE = parse("reach * impact * confidence / effort")
GUIDE = {
    "collab": ("10000", "3", "0.8", "2"),
    "dark": ("5000", "1", "1", "0.5"),
    "api": ("500", "3", "0.6", "6"),
    "fast": ("15000", "2", "0.7", "4"),
}


def guide() -> list[Uncertain]:
    names = ("reach", "impact", "confidence", "effort")
    return [Uncertain(id, dict(zip(names, map(Fraction, inputs), strict=True))) for id, inputs in GUIDE.items()]


def normal_below(value: float) -> float:
    return (1 + erf(value / sqrt(2))) / 2


def test_log_normal_scores_have_the_quantiles_of_the_closed_form() -> None:
    reach, effort = (spread(name, {"p10": 50, "p50": 100, "p90": 200}) for name in ("reach", "effort"))
    item = Uncertain("one", {"reach": reach, "effort": effort})
    [told] = simulate([item], parse("reach / effort"), {}, draws=100_000, seed=3)
    sigma = sqrt(2) * log(2) / 1.2815515655446004
    for share, found in ((-1.6448536, told.p5), (0, told.p50), (1.6448536, told.p95)):
        assert found == pytest.approx(exp(share * sigma), rel=0.02)
    assert told.mean == pytest.approx(exp(sigma**2 / 2), rel=0.02)


@pytest.mark.parametrize(("shape", "mean"), [("pert", (1 + 4 * 2 + 9) / 6), ("triangular", (1 + 2 + 9) / 3)])
def test_a_range_has_the_mean_of_its_distribution(shape: str, mean: float) -> None:
    item = Uncertain("one", {"effort": spread("effort", {"low": 1, "likely": 2, "high": 9, "dist": shape})})
    [told] = simulate([item], parse("effort"), {}, draws=100_000, seed=4)
    assert told.mean == pytest.approx(mean, rel=0.01)
    assert told.value == 2


def test_a_pert_estimate_has_the_quantiles_of_a_million_draws_of_the_beta_distribution() -> None:
    low, likely, high = 1.0, 2.0, 6.0
    mode = (likely - low) / (high - low)
    oracle = low + (high - low) * np.random.default_rng(8).beta(1 + 4 * mode, 5 - 4 * mode, 1_000_000)
    item = Uncertain("one", {"effort": spread("effort", {"low": 1, "likely": 2, "high": 6})})
    [told] = simulate([item], parse("effort"), {}, draws=100_000, seed=5)
    assert [told.p5, told.p50, told.p95] == pytest.approx(np.percentile(oracle, (5, 50, 95)), rel=0.01)


def test_the_rank_probabilities_are_those_of_a_million_draws_within_one_per_cent() -> None:
    names = ("a", "b", "c", "d")
    medians = (100.0, 90.0, 80.0, 30.0)
    items = [
        Uncertain(name, {"value": spread("value", {"p10": m / 1.5, "p50": m, "p90": m * 1.5})})
        for name, m in zip(names, medians, strict=True)
    ]
    told = simulate(items, parse("value"), {}, draws=100_000, seed=6, ranks=4, line=2)
    sigma = log(1.5) / 1.2815515655446004
    drawn = np.log(medians) + sigma * np.random.default_rng(9).standard_normal((1_000_000, 4))
    order = np.argsort(-drawn, axis=1)
    for number, one in enumerate(told):
        assert one.id == names[number]
        oracle = [float(np.mean(order[:, rank] == number)) for rank in range(4)]
        assert one.rank_shares == pytest.approx(oracle, abs=0.01)
        assert one.above_line == pytest.approx(oracle[0] + oracle[1], abs=0.01)
    assert told[0].above_next == pytest.approx(normal_below(log(100 / 90) / (sigma * sqrt(2))), abs=0.01)
    assert told[3].above_next is None


def test_the_guides_table_with_confidence_as_spread_is_as_domain_md_has_it() -> None:
    items = [Uncertain(item.id, confidence_as_spread(item.inputs)) for item in guide()]
    told = {one.id: one for one in simulate(items, RICE, {}, draws=100_000, seed=7, ranks=1)}
    first = {id: one.rank_shares[0] for id, one in told.items()}
    assert first == pytest.approx({"collab": 0.72, "dark": 0.15, "fast": 0.13, "api": 0}, abs=0.015)
    # P(dark mode > performance), in closed form: 0.71.
    sigmas = {id: sqrt(3 * log1p(variation_of(float(GUIDE[id][2])) ** 2)) for id in ("dark", "fast")}
    means = {"dark": log(10_000) - sigmas["dark"] ** 2 / 6, "fast": log(7_500) - sigmas["fast"] ** 2 / 6}
    apart = sqrt(sigmas["dark"] ** 2 + sigmas["fast"] ** 2)
    assert normal_below((means["dark"] - means["fast"]) / apart) == pytest.approx(0.71, abs=0.005)
    assert told["dark"].above_next == pytest.approx(0.71, abs=0.01)


def test_the_same_seed_gives_the_same_answer_whatever_the_order_of_the_items() -> None:
    items = [
        Uncertain(f"item {number}", {"value": Spread("pert", Fraction(1), Fraction(number + 2), Fraction(40))})
        for number in range(30)
    ]
    given = simulate(items, parse("value"), {}, draws=5_000, seed=1, line=5)
    assert simulate(items[::-1], parse("value"), {}, draws=5_000, seed=1, line=5) == given
    assert simulate(items, parse("value"), {}, draws=5_000, seed=2, line=5) != given


def test_what_is_sure_stays_as_it_is() -> None:
    told = simulate(guide(), RICE, {}, draws=100, seed=1, ranks=4, line=2)
    assert [one.id for one in told] == ["collab", "dark", "fast", "api"]
    for rank, one in enumerate(told):
        assert (one.p5, one.p50, one.p95) == (pytest.approx(one.value),) * 3
        assert one.rank_shares == [float(place == rank) for place in range(4)]
        assert (one.flip, one.information, one.swings) == (0, 0, [])
        assert one.above_line == (1 if rank < 2 else 0)


def test_the_input_whose_doubt_moves_the_rank_most_comes_first() -> None:
    doubtful = Uncertain(
        "doubtful",
        {
            "reach": spread("reach", {"p10": 9, "p50": 10, "p90": 11}),
            "effort": spread("effort", {"low": 1, "likely": 2, "high": 12}),
        },
    )
    sure = [Uncertain(f"sure {value}", {"reach": Fraction(value), "effort": Fraction(1)}) for value in range(1, 10)]
    told = {
        one.id: one for one in simulate([doubtful, *sure], parse("reach / effort"), {}, draws=10_000, seed=1, line=5)
    }
    swings = told["doubtful"].swings
    assert [swing.input for swing in swings] == ["effort", "reach"]
    assert swings[0].rank_high > swings[0].rank_low
    assert 0 < (told["doubtful"].flip or 0) < 1
    assert (told["doubtful"].information or 0) > 0


def test_draws_are_cut_to_the_bounds_of_their_input() -> None:
    item = Uncertain("one", {"confidence": spread("confidence", {"p10": 0.7, "p50": 0.9, "p90": 1, "dist": "normal"})})
    [told] = simulate([item], parse("confidence"), {"confidence": (0.0, 1.0)}, draws=10_000, seed=1)
    assert told.p95 == 1


def test_too_much_at_once_is_refused() -> None:
    items = [Uncertain(str(number), {"value": Fraction(number)}) for number in range(2_001)]
    with pytest.raises(FormulaError, match="take 9,995 draws or fewer"):
        simulate(items, parse("value"), {}, draws=10_000, seed=1)
    with pytest.raises(FormulaError):
        simulate([], parse("value"), {}, draws=10_000, seed=1)
