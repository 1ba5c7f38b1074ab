"""Every model against an oracle in plain fractions that shares no code with it.

A short run by default; `ROADBED_ORACLE_CASES=100000` runs so many random cases of each.
"""

import os
import random
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction
from typing import Any

import pytest

from api.formulas.expression import parse, weighted_mean
from api.formulas.kano import survey
from api.formulas.moscow import CATEGORIES
from api.formulas.scoring import FRAMEWORKS, kano_value, moscow_value

CASES = int(os.environ.get("ROADBED_ORACLE_CASES", "300"))
F = Fraction

ORACLES: Mapping[tuple[str, str], Callable[..., Fraction]] = {
    ("rice", ""): lambda reach, impact, confidence, effort: reach * impact * confidence / effort,
    ("ice", "mean"): lambda impact, confidence, ease: (impact + confidence + ease) / 3,
    ("ice", "product"): lambda impact, confidence, ease: impact * confidence * ease,
    ("wsjf", "safe"): lambda value, time_criticality, risk_opportunity, size: (
        (value + time_criticality + risk_opportunity) / size
    ),
    ("wsjf", "arnold"): lambda value, time_criticality, risk_opportunity, size: (
        time_criticality * (value + risk_opportunity) / size
    ),
    ("cost_of_delay", "cd3"): lambda cost_per_week, duration_weeks: cost_per_week / duration_weeks,
    ("cost_of_delay", "cost"): lambda cost_per_week, duration_weeks: cost_per_week,
    ("value_effort", ""): lambda value, effort: value / effort,
    ("opportunity", ""): lambda importance, satisfaction: (
        importance + (importance - satisfaction if importance > satisfaction else 0)
    ),
}


def half_even(value: Fraction) -> Decimal:
    """To six decimals, by the decimal module's own rounding."""
    with localcontext() as context:
        context.prec = 200
        digits = Decimal(value.numerator) / Decimal(value.denominator)
        return digits.quantize(Decimal("0.000001"), ROUND_HALF_EVEN)


def drawn(dice: random.Random, low: Any, high: Any, above_low: bool) -> Decimal:
    """A decimal of few or many digits within the bounds, the bounds themselves now and then."""
    if dice.random() < 0.05:
        return Decimal(high)
    places = dice.choice((0, 1, 2, 6))
    ceiling = min(int(high), 10 ** dice.randint(0, 12))
    least = int(low) * 10**places + (1 if above_low else 0)
    return Decimal(dice.randint(least, max(least, ceiling * 10**places))).scaleb(-places)


def test_every_built_in_framework_has_an_oracle() -> None:
    assert {(key, variant) for key, known in FRAMEWORKS.items() for variant in known.formulas} == set(ORACLES)


@pytest.mark.parametrize(("key", "variant"), list(ORACLES))
def test_a_built_in_score_is_the_oracles(key: str, variant: str) -> None:
    known, dice = FRAMEWORKS[key], random.Random(f"{key}/{variant}")
    expression = known.expression(variant)
    for _ in range(CASES):
        inputs = {i.name: drawn(dice, i.low, i.high, i.above_low) for i in known.inputs if i.required}
        exactly = ORACLES[key, variant](**{name: F(value) for name, value in inputs.items()})
        told = known.outcome(inputs, variant)
        assert told.value == half_even(exactly)
        assert expression.value(inputs) == told.value
        divisor = known.divisors.get(variant)
        assert told.worth == half_even(exactly * F(inputs[divisor]) if divisor else exactly)


def test_a_weighted_mean_is_the_oracles() -> None:
    dice = random.Random(5)
    for _ in range(CASES):
        names = [f"c{number}" for number in range(dice.randint(1, 8))]
        weights = {name: F(dice.randint(0, 100), dice.choice((1, 10, 3))) for name in names}
        weights[names[0]] += 1
        ratings = {name: Decimal(dice.randint(0, 1000)) / 100 for name in names}
        costs = {name for name in names if dice.random() < 0.3}
        parts = [weights[n] * (10 - F(ratings[n]) if n in costs else F(ratings[n])) for n in names]
        told = weighted_mean([(n, weights[n], F(10) if n in costs else None) for n in names])
        assert told.value(ratings) == half_even(sum(parts, F(0)) / sum(weights.values()))


def test_an_own_formula_is_the_oracles() -> None:
    dice = random.Random(6)
    formula = parse("(a + 2 * b - min(a, c)) / (1 + abs(c - b)) + max(-a, 0.25)")
    for _ in range(CASES):
        a, b, c = (F(dice.randint(-1000, 1000), dice.choice((1, 2, 5, 8))) for _ in range(3))
        oracle = (a + 2 * b - (a if a < c else c)) / (1 + (c - b if c > b else b - c))
        oracle += -a if -a > F(1, 4) else F(1, 4)
        assert formula.value({"a": a, "b": b, "c": c}) == half_even(oracle)


def test_kano_and_moscow_are_the_oracles() -> None:
    dice = random.Random(7)
    words = ("like", "must_be", "neutral", "live_with", "dislike")
    for _ in range(max(20, CASES // 10)):
        answers = [(dice.choice(words), dice.choice(words)) for _ in range(dice.randint(1, 40))]
        letters = [letter(*answer) for answer in answers]
        useful = sum(one in "AOMI" for one in letters)
        told = survey(answers)
        better = half_even(F(sum(one in "AO" for one in letters), useful)) if useful else None
        worse = half_even(F(-sum(one in "OM" for one in letters), useful)) if useful else None
        assert (told.better, told.worse) == (better, worse)
        assert kano_value(told.better, told.worse) == (
            better - worse if better is not None and worse is not None else 0
        )
    assert [moscow_value(category) for category in CATEGORIES] == [3, 2, 1, 0]


def letter(functional: str, dysfunctional: str) -> str:
    """Kano's table, told as rules instead of cells."""
    if functional == dysfunctional and functional in ("like", "dislike"):
        return "Q"
    if functional == "dislike" or dysfunctional == "like":
        return "R"
    if functional == "like":
        return "O" if dysfunctional == "dislike" else "A"
    return "M" if dysfunctional == "dislike" else "I"
