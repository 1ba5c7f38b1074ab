"""What doubt does to a ranking: scores and ranks drawn many times, from a seed, so that the answer is always the same.

Sources: D. W. Hubbard, "How to Measure Anything", 2007 (the value of information); the distributions are those of
`spread`. Confidence as a spread: log-normal reach, impact and effort around their estimates, with a coefficient of
variation of 10 % at full confidence, 25 % at 80 %, 35 % at 70 % and 45 % at 60 %.

An array holds a row for each item and a column for each draw. Items are worked on in blocks, and ranks in blocks of
draws, so that the memory is that of one array of 4-byte floats, whatever the formula.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from api.formulas.exact import FormulaError
from api.formulas.expression import EXACT, Expression, Operators, evaluate
from api.formulas.spread import Spread

MAX_DRAWS = 100_000
MIN_DRAWS = 100
# Scores at once, 80 MB: two thousand items of ten thousand draws.
MAX_CELLS = 20_000_000
_BLOCK_CELLS = 1_000_000
_DEVIATIONS_P90 = 1.2815515655446004
_PERT_POINTS = 2049
_STEPS = 2048
_THREADS = 2
_AT_PERCENT = (5, 50, 95)
_SHARES = np.array([0.6, 0.7, 0.8, 1.0])
_VARIATIONS = np.array([0.45, 0.35, 0.25, 0.10])

Draws = NDArray[np.float32]
_ARRAYS: Operators = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "neg": np.negative,
    "min": np.minimum,
    "max": np.maximum,
    "abs": np.abs,
}


@dataclass(frozen=True, slots=True)
class Uncertain:
    """An item whose inputs are numbers or ranges."""

    id: str
    inputs: Mapping[str, Fraction | Spread]


@dataclass(frozen=True, slots=True)
class Swing:
    """Which rank one input alone would give, at its P10 and at its P90, all others at their points."""

    input: str
    rank_low: int
    rank_high: int


@dataclass(frozen=True, slots=True)
class Simulated:
    """One item. `value` and `rank` are those of the points. `rank_shares[r]` is the probability of rank r + 1.

    `above_line` and the three after it are None without a line. `flip` is the probability that the item belongs on the
    other side of the line than its points say; `information` is what knowing for sure would be worth, in value at the
    margin as a share of the value at the line.
    """

    id: str
    rank: int
    value: float
    mean: float
    p5: float
    p50: float
    p95: float
    rank_shares: list[float]
    above_next: float | None
    above_line: float | None
    flip: float | None
    information: float | None
    swings: list[Swing]


def simulate(
    items: Sequence[Uncertain],
    expression: Expression,
    bounds: Mapping[str, tuple[float, float]],
    *,
    draws: int,
    seed: int,
    ranks: int = 10,
    line: int | None = None,
) -> list[Simulated]:
    """Draw every input of every item, score by the formula, rank each draw. In the order of the points' scores.

    Equal scores rank by `id`. A draw of an input is cut to its `bounds`, where it has them. `ranks` is how many ranks
    get a probability, `line` the last rank above the cut line. Raises FormulaError for nothing, and for too much at
    once. A thousand items of ten thousand draws take about a second on two cores.

    >>> sure = Uncertain("sure", {"value": Fraction(2)})
    >>> wide = Uncertain("wide", {"value": Spread("triangular", Fraction(0), Fraction(1), Fraction(2))})
    >>> from api.formulas.expression import parse
    >>> told = simulate([wide, sure], parse("value"), {}, draws=1000, seed=1, ranks=1)
    >>> told[0].id, told[0].rank_shares, told[1].rank_shares
    ('sure', [1.0], [0.0])
    """
    _check(len(items), draws)
    # By id first, so that the order in which items are handed in changes nothing.
    ordered = sorted(items, key=lambda item: item.id)
    points = np.array([_point(item, expression) for item in ordered])
    order = np.argsort(-points, kind="stable")
    ranked = [ordered[place] for place in order]
    points = points[order]
    scores = np.empty((len(ranked), draws), np.float32)
    _fill(scores, ranked, expression, bounds, seed)
    top = min(ranks, len(ranked))
    shares, above = _rank_shares(scores, top, line if line is not None and line < len(ranked) else None)
    if line is not None and line >= len(ranked):
        above = np.ones(len(ranked))
    threshold = float(points[min(line, len(ranked)) - 1]) if line and ranked else None
    told = []
    for place, item in enumerate(ranked):
        row = scores[place]
        p5, p50, p95 = np.percentile(row, _AT_PERCENT)
        following = scores[place + 1] if place + 1 < len(ranked) else None
        inside = above is not None and line is not None and place < line
        told.append(
            Simulated(
                id=item.id,
                rank=place + 1,
                value=float(points[place]),
                mean=float(row.mean(dtype=np.float64)),
                p5=float(p5),
                p50=float(p50),
                p95=float(p95),
                rank_shares=[float(share) for share in shares[place]],
                above_next=None if following is None else _beats(row, following),
                above_line=None if above is None else float(above[place]),
                flip=None if above is None else float(1 - above[place] if inside else above[place]),
                information=None if threshold is None else _information(row, threshold, inside),
                swings=_swings(item, expression, points, place),
            )
        )
    return told


def confidence_as_spread(inputs: Mapping[str, Fraction | Spread]) -> dict[str, Fraction | Spread]:
    """RICE inputs with confidence told by the spread of the others instead of by a factor: never by both.

    Reach, impact and effort that are single numbers become log-normal with that number as their mean.

    >>> spread = confidence_as_spread({"reach": Fraction(100), "confidence": Fraction(1), "effort": Fraction(2)})
    >>> spread["confidence"], round(float(spread["reach"].point), 2)
    (Fraction(1, 1), 99.5)
    """
    share = inputs["confidence"]
    variation = variation_of(float(share.point if isinstance(share, Spread) else share))
    sigma = float(np.sqrt(np.log1p(variation**2)))
    changed = dict(inputs) | {"confidence": Fraction(1)}
    for name in ("reach", "impact", "effort"):
        value = inputs.get(name)
        if isinstance(value, Fraction) and value > 0:
            median = float(value) * float(np.exp(-(sigma**2) / 2))
            away = float(np.exp(sigma * _DEVIATIONS_P90))
            changed[name] = Spread("lognormal", Fraction(median / away), Fraction(median), Fraction(median * away))
    return changed


def variation_of(confidence: float) -> float:
    """The coefficient of variation that a confidence stands for, in a straight line between the four that are given.

    >>> variation_of(0.8), round(variation_of(0.5), 2)
    (0.25, 0.55)
    """
    if confidence < _SHARES[0]:
        return float(_VARIATIONS[0] + (_SHARES[0] - confidence))
    return float(np.interp(confidence, _SHARES, _VARIATIONS))


def quantile(found: Spread, share: float) -> float:
    """The value that a share of the distribution lies below.

    >>> quantile(Spread("triangular", Fraction(0), Fraction(1), Fraction(2)), 0.5)
    1.0
    """
    return float(_at(found, np.array([share]))[0])


def _check(items: int, draws: int) -> None:
    if not items:
        raise FormulaError("items", "There is nothing to simulate.")
    if not MIN_DRAWS <= draws <= MAX_DRAWS:
        raise FormulaError("draws", f"draws must be {MIN_DRAWS:,} to {MAX_DRAWS:,}.")
    if items * draws > MAX_CELLS:
        fitting = MAX_CELLS // max(items, 1)
        message = f"{items:,} features × {draws:,} draws is too much: take {fitting:,} draws or fewer."
        raise FormulaError("draws", message)


def _fill(
    scores: Draws,
    items: Sequence[Uncertain],
    expression: Expression,
    bounds: Mapping[str, tuple[float, float]],
    seed: int,
) -> None:
    """Block by block in two threads: numpy works without Python's lock. Each block has its own stream of the seed."""
    draws = scores.shape[1]
    size = max(1, _BLOCK_CELLS // draws)

    def fill(start: int) -> None:
        block = items[start : start + size]
        rng = np.random.Generator(np.random.SFC64(np.random.SeedSequence([seed, start])))
        values = {name: _column(name, block, draws, bounds.get(name), rng) for name in expression.names}
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            result = evaluate(expression.root, values, _ARRAYS, lambda number: np.float32(float(number)))
        # What a formula leaves undefined (0 ÷ 0) counts as worst, and never above anything.
        np.nan_to_num(result, copy=False, nan=-3e38, posinf=3e38, neginf=-3e38)
        scores[start : start + len(block)] = result

    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(fill, range(0, len(items), size)))


def _column(
    name: str,
    block: Sequence[Uncertain],
    draws: int,
    bound: tuple[float, float] | None,
    rng: np.random.Generator,
) -> Draws:
    """An input of a block of items: one number where it is sure, a row of draws where it is not."""
    given = [item.inputs[name] for item in block]
    if not any(isinstance(value, Spread) for value in given):
        return np.array([[float(value)] for value in given], np.float32)  # type: ignore[arg-type]
    column = np.empty((len(block), draws), np.float32)
    for row, value in zip(column, given, strict=True):
        if isinstance(value, Spread):
            _draw(row, value, rng)
            if bound is not None:
                np.clip(row, bound[0], bound[1], out=row)
        else:
            row.fill(float(value))
    return column


def _draw(row: Draws, found: Spread, rng: np.random.Generator) -> None:
    if found.shape in ("lognormal", "normal"):
        rng.standard_normal(out=row, dtype=np.float32)
        mean, deviation = _moments(found)
        row *= np.float32(deviation)
        row += np.float32(mean)
        if found.shape == "lognormal":
            np.exp(row, out=row)
        return
    rng.random(out=row, dtype=np.float32)
    if found.shape == "triangular":
        row[:] = _at(found, row)
        return
    # A table of quantiles at even steps is read at once, where a search in it takes ten times as long.
    table = _at(found, np.linspace(0, 1, _STEPS + 1)).astype(np.float32)
    row *= _STEPS
    place = row.astype(np.int32)
    np.minimum(place, _STEPS - 1, out=place)
    row -= place
    row *= np.diff(table)[place]
    row += table[place]


def _at(found: Spread, shares: NDArray[Any]) -> NDArray[Any]:
    """Quantiles of the distribution at these shares of it."""
    low, middle, high = float(found.low), float(found.middle), float(found.high)
    if found.shape == "triangular":
        split = (middle - low) / (high - low)
        rising = low + np.sqrt(shares * (high - low) * (middle - low))
        falling = high - np.sqrt((1 - shares) * (high - low) * (high - middle))
        return np.where(shares < split, rising, falling)
    if found.shape == "pert":
        at, cumulated = _pert((middle - low) / (high - low))
        spread_out: NDArray[Any] = low + (high - low) * np.interp(shares, cumulated, at)
        return spread_out
    mean, deviation = _moments(found)
    normal = np.array([NormalDist(mean, deviation).inv_cdf(float(share)) for share in shares])
    return np.exp(normal) if found.shape == "lognormal" else normal


def _pert(mode: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Points of the beta distribution on 0 to 1 whose mode this is, with what lies below each."""
    at = np.linspace(0, 1, _PERT_POINTS)
    middle = (at[1:] + at[:-1]) / 2
    density = middle ** (4 * mode) * (1 - middle) ** (4 * (1 - mode))
    cumulated = np.concatenate([[0.0], np.cumsum(density)])
    return at, cumulated / cumulated[-1]


def _moments(found: Spread) -> tuple[float, float]:
    """Mean and standard deviation of the normal, or of the logarithm of the log-normal."""
    if found.shape == "normal":
        return float(found.middle), float(found.high - found.low) / (2 * _DEVIATIONS_P90)
    ratio = np.log(float(found.high)) - np.log(float(found.low))
    return float(np.log(float(found.middle))), float(ratio / (2 * _DEVIATIONS_P90))


def _rank_shares(scores: Draws, top: int, line: int | None) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """How often each item had each of the first ranks, and how often it was above the line."""
    items, draws = scores.shape
    counts = np.zeros((items, top), np.int64)
    above = None if line is None else np.zeros(items, np.int64)
    size = max(1, _BLOCK_CELLS // max(items, 1))
    for start in range(0, draws, size):
        block = np.ascontiguousarray(-scores[:, start : start + size].T)
        best = np.argpartition(block, top - 1, axis=1)[:, :top]
        best.sort(axis=1)
        order = np.argsort(np.take_along_axis(block, best, 1), axis=1, kind="stable")
        best = np.take_along_axis(best, order, 1)
        for rank in range(top):
            counts[:, rank] += np.bincount(best[:, rank], minlength=items)
        if above is not None and line:
            chosen = np.argpartition(block, line - 1, axis=1)[:, :line]
            above += np.bincount(chosen.ravel(), minlength=items)
    return counts / draws, None if above is None else above / draws


def _beats(row: Draws, other: Draws) -> float:
    return float(np.count_nonzero(row > other) + np.count_nonzero(row == other) / 2) / len(row)


def _information(row: Draws, threshold: float, inside: bool) -> float:
    """Expected loss of deciding by the points: what those draws would gain that belong on the other side."""
    gap = np.maximum(threshold - row, 0) if inside else np.maximum(row - threshold, 0)
    return float(gap.mean(dtype=np.float64)) / abs(threshold) if threshold else 0.0


def _swings(item: Uncertain, expression: Expression, points: NDArray[Any], place: int) -> list[Swing]:
    """The swing of each range, widest first."""
    others = -np.delete(points, place)
    points_of = _points_of(item)
    found = []
    for name in expression.names:
        value = item.inputs[name]
        if not isinstance(value, Spread):
            continue
        at = [_value({**points_of, name: quantile(value, share)}, expression) for share in (0.1, 0.9)]
        low, high = (int(np.searchsorted(others, -score)) + 1 for score in at)
        found.append(Swing(name, low, high))
    return sorted(found, key=lambda swing: (-abs(swing.rank_low - swing.rank_high), swing.input))


def _point(item: Uncertain, expression: Expression) -> float:
    return _value(_points_of(item), expression)


def _points_of(item: Uncertain) -> dict[str, float]:
    return {name: float(value.point if isinstance(value, Spread) else value) for name, value in item.inputs.items()}


def _value(values: Mapping[str, float], expression: Expression) -> float:
    try:
        return float(evaluate(expression.root, values, EXACT, float))
    except ZeroDivisionError:
        return -3e38
