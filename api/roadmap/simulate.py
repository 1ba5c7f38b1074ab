"""Simulate: what the doubt in the inputs does to scores and ranks. Seeded by the inputs: the same answer every time."""

import asyncio
import hashlib
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from api import json
from api.db import wire_id
from api.formulas.exact import FormulaError, exact, rounded
from api.formulas.rice import SCALES
from api.formulas.scoring import FRAMEWORKS
from api.formulas.spread import Spread
from api.problems import Invalid, Pointer, Problem, invalid_field
from api.roadmap.candidates import candidates
from api.roadmap.policy import policy
from api.roadmap.schemas import Simulate
from api.scores.frameworks import Method, method
from api.scores.inputs import numbers
from api.stores import Transaction

if TYPE_CHECKING:
    from api.formulas.simulation import Simulated, Uncertain

MOST_FEATURES = 2000
# One at a time in a process: each takes two cores and 80 MB. The others are told to come back, rather than wait with a
# connection in hand.
_busy = asyncio.Semaphore(1)


class SimulationTooLarge(Invalid):
    """Features times draws is more than one request may ask for."""

    code, title = "simulation_too_large", "The simulation is too large"


class SimulatorBusy(Problem):
    """Another simulation runs in this process."""

    status, code, title = 503, "simulator_busy", "The simulator is busy"

    def __init__(self) -> None:
        super().__init__("Another simulation is running. Send the request again.", headers={"Retry-After": "2"})


async def simulated(tx: Transaction, wanted: Simulate) -> dict[str, Any]:
    """P5, P50 and P95 of each score, the probability of each rank, and where a spike pays.

    Raises Invalid, NothingScored, SimulationTooLarge, SimulatorBusy.
    """
    # Here and not above: numpy takes a third of a second to import, and most processes never simulate.
    from api.formulas.simulation import MAX_CELLS, Uncertain, simulate  # noqa: PLC0415

    way = await method(tx, wanted.framework, wanted.variant, wanted.model_version)
    if way.inputs is None or way.expression is None:
        raise invalid_field("/framework", f"{way.framework} is not made of numbers alone", "not_numeric")
    if wanted.confidence == "spread" and _base_of(way) != "rice":
        raise invalid_field("/confidence", "only RICE has a confidence that can be a spread", "not_rice")
    rows = await candidates(tx, way, MOST_FEATURES)
    if len(rows) > MOST_FEATURES or len(rows) * wanted.draws > MAX_CELLS:
        message = (
            f"{len(rows):,} features × {wanted.draws:,} draws is more than {MAX_CELLS:,} scores, or than "
            f"{MOST_FEATURES:,} features. Take fewer draws."
        )
        raise SimulationTooLarge(message, errors=(Pointer("too_large", message, "field", "/draws"),))
    items = [Uncertain(wire_id("feat", row["id"]), _inputs(way, row, wanted.confidence)) for row in rows]
    rules = await policy(tx)
    capacity = wanted.capacity_months if wanted.capacity_months is not None else rules.capacity_months
    line = wanted.cut_line if wanted.cut_line is not None else _line(rows, capacity)
    bounds = {known.name: (float(known.low), float(known.high)) for known in way.inputs}
    bounds |= {known.name: (1e-6, float(known.high)) for known in way.inputs if known.above_low and not known.low}
    seed = _seed(way, wanted, items, line)
    if _busy.locked():
        raise SimulatorBusy
    async with _busy:
        told = await asyncio.to_thread(
            simulate, items, way.expression, bounds, draws=wanted.draws, seed=seed, ranks=wanted.ranks, line=line
        )
    known = {wire_id("feat", row["id"]): row for row in rows}
    return {
        "object": "simulation",
        "livemode": tx.scope.livemode,
        "framework": way.framework,
        "series": way.series,
        "draws": wanted.draws,
        "seed": f"{seed:016x}",
        "confidence": wanted.confidence,
        "cut_line": line,
        "features_total": len(told),
        "features": [_shown(one, known[one.id], wanted) for one in told[: wanted.most]],
    }


def _inputs(way: Method, row: Any, confidence: str) -> dict[str, Fraction | Spread]:
    scaled = way if not row["scale"] or way.scale else Method(**{**vars(way), "scale": SCALES.get(row["scale"])})
    try:
        given = numbers(scaled, row["inputs"])
    except Problem as problem:
        raise Invalid(f"The latest score of {wire_id('feat', row['id'])} cannot be read: {problem.message}") from None
    points: dict[str, Fraction | Spread] = {name: exact(value, name) for name, value in given.points.items()}
    points |= given.spreads
    if confidence != "spread":
        return points
    from api.formulas.simulation import confidence_as_spread  # noqa: PLC0415 - as above

    return confidence_as_spread(points)


def _line(rows: list[Any], capacity: Any) -> int | None:
    """Down to which rank the capacity reaches. Features whose effort nobody told count as none."""
    if capacity is None:
        return None
    reached, line = 0, 0
    for rank, row in enumerate(rows, 1):
        reached += row["effort_months"] or 0
        if reached > capacity:
            break
        line = rank
    return line


def _seed(way: Method, wanted: Simulate, items: "list[Uncertain]", line: int | None) -> int:
    """From all that goes into the answer, whatever the order of the rows."""
    parts = sorted(f"{item.id}:{sorted((name, repr(value)) for name, value in item.inputs.items())}" for item in items)
    text = json.dump([way.series, way.formula, wanted.draws, wanted.confidence, line, parts])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


def _shown(told: "Simulated", row: Any, wanted: Simulate) -> dict[str, Any]:
    widest = next((swing for swing in told.swings if swing.rank_low != swing.rank_high), None)
    return {
        "feature_id": told.id,
        "title": row["title"],
        "rank": told.rank,
        "value": row["value"] if wanted.confidence == "factor" else _number(told.value),
        "mean": _number(told.mean),
        "p5": _number(told.p5),
        "p50": _number(told.p50),
        "p95": _number(told.p95),
        "rank_probabilities": [
            {"rank": rank, "probability": _number(share)} for rank, share in enumerate(told.rank_shares, 1)
        ],
        "above_next": _number(told.above_next),
        "above_cut_line": _number(told.above_line),
        "swings": [
            {"input": swing.input, "rank_at_p10": swing.rank_low, "rank_at_p90": swing.rank_high}
            for swing in told.swings
        ],
        "spike": _spike(told, row, wanted, widest.input if widest else None),
    }


def _spike(told: "Simulated", row: Any, wanted: Simulate, input_: str | None) -> dict[str, Any] | None:
    """A spike pays when what one expects to lose by deciding now is more than what the spike's time would earn.

    Both are months of work at the line: the loss is the doubt's share of the value at the line, times the effort.
    """
    if told.information is None or told.flip is None or input_ is None:
        return None
    months = float(row["effort_months"] or 1)
    loss = told.information * months
    return {
        "input": input_,
        "wrong_side": _number(told.flip),
        "expected_loss_months": _number(loss),
        "cost_months": wanted.spike_months,
        "pays": loss > float(wanted.spike_months),
    }


def _number(value: float | None) -> Any:
    """Six digits: more would be noise, of the draws and of their four bytes."""
    if value is None:
        return None
    try:
        return rounded(exact(float(f"{value:.6g}"), "result"))
    except FormulaError:
        return None


def _base_of(way: Method) -> str:
    """The built-in framework whose inputs these are."""
    return next((key for key, known in FRAMEWORKS.items() if known.inputs == way.inputs), way.framework)
