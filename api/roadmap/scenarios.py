"""What if: keep changed inputs, weights or capacity beside the roadmap, show what they would do, and promote them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Text, Uuid, and_, bindparam, func, literal_column, or_, select
from sqlalchemy.dialects.postgresql import ARRAY

from api import json
from api.accounts.auth import Caller
from api.accounts.tenancy import Resource, one, owned
from api.db import parse_id, uuid7, wire_id
from api.features.models import OPEN_STATUSES, Feature
from api.formulas.exact import FormulaError
from api.formulas.rice import SCALES
from api.formulas.scoring import Outcome
from api.http.etags import ANY, Precondition
from api.http.representation import Representation
from api.problems import Conflict, Invalid, Pointer, Problem, invalid_field
from api.roadmap import events
from api.roadmap.models import RoadmapScenario
from api.roadmap.policy import policy, write_policy
from api.roadmap.rank import Substitutes, lock
from api.roadmap.reprioritize import reprioritize
from api.roadmap.schemas import (
    Freeze,
    PolicyWrite,
    Promote,
    Reprioritize,
    ScenarioChanges,
    ScenarioCreate,
    ScenarioShown,
)
from api.scores.frameworks import Method, method, own
from api.scores.inputs import outcome
from api.scores.models import LatestScore, Score, ScoringModel
from api.scores.publish import publish
from api.scores.schemas import ModelCreate, ScoreCreate
from api.scores.score import Computed, append_many
from api.stores import Prepared, Transaction
from api.webhooks.outbox import emit

MOST_RESCORED = 1000

SCENARIO = Resource(Representation(ScenarioShown, RoadmapScenario.__table__, "roadmap_scenario"))
_INSERT = SCENARIO.insert("id", "title", "framework", "series", "changes", "author")
_LOCKED = SCENARIO.lock("title", "framework", "series", "changes", "status")
_PROMOTED = SCENARIO.update("status", "revision_id")
_ids = bindparam("ids", type_=ARRAY(Uuid))
_series = bindparam("series", type_=Text)
_scored = (
    select(Feature.id, Score.inputs, Score.scale, LatestScore.effort_months)
    .outerjoin(
        LatestScore, and_(owned(LatestScore), LatestScore.feature_id == Feature.id, LatestScore.framework == _series)
    )
    .outerjoin(Score, and_(owned(Score), Score.id == LatestScore.score_id))
    .where(owned(Feature))
)
_CHANGED = Prepared(_scored.where(Feature.id == func.any(_ids)))
_ALL = Prepared(
    _scored.where(
        LatestScore.score_id.is_not(None),
        or_(*(Feature.status == literal_column(f"'{status}'") for status in OPEN_STATUSES)),
    ).limit(MOST_RESCORED + 1)
)
_DEFINITION = Prepared(
    select(ScoringModel.title, ScoringModel.description, ScoringModel.kind, ScoringModel.definition).where(
        owned(ScoringModel), ScoringModel.key == bindparam("key"), ScoringModel.version == bindparam("version")
    )
)


class ScenarioPromoted(Conflict):
    """It is the roadmap already."""

    code, title = "scenario_promoted", "The scenario was promoted already"


class ScenarioStale(Conflict):
    """The base has changed since the diff that the caller saw."""

    code, title = "scenario_stale", "The scenario gives another result by now"


@dataclass(frozen=True)
class Rescored:
    """A feature with the inputs of the scenario, and what they score."""

    feature_id: UUID
    inputs: dict[str, Any]
    result: Outcome


@dataclass(frozen=True)
class Worked:
    """A scenario worked out on the base as it is now. `definition` is the model's with the weights of the scenario."""

    way: Method
    rescored: list[Rescored]
    definition: dict[str, Any] | None

    @property
    def substitutes(self) -> Substitutes:
        return Substitutes(
            [one.feature_id for one in self.rescored],
            [one.result.value for one in self.rescored],
            [one.result.effort_months for one in self.rescored],
        )


async def draft(tx: Transaction, caller: Caller, given: ScenarioCreate) -> tuple[UUID, str]:
    """Keep a scenario. Gives its id and its JSON text. Raises Invalid that points at what cannot be worked out."""
    way = await method(tx, given.framework, given.variant, given.model_version)
    changes = given.changes.model_dump()
    for change in changes["inputs"]:
        change["feature_id"] = wire_id("feat", change["feature_id"])
    await _work(tx, way, given.changes)
    scenario_id = uuid7()
    row = await tx.first(
        _INSERT,
        id=scenario_id,
        title=given.title,
        framework=given.framework,
        series=way.series,
        changes=json.dump(changes),
        author=caller.key_name,
    )
    assert row is not None
    return scenario_id, row["json"]


async def scenario_diff(tx: Transaction, caller: Caller, scenario_id: UUID) -> dict[str, Any]:
    """The roadmap as the scenario would have it, against the newest revision. Nothing is kept. Raises NotFound."""
    row = await one(tx, _LOCKED, scenario_id, "scenario", "scen")
    changes = ScenarioChanges.model_validate(row["changes"])
    worked = await _work(tx, await _way(tx, row), changes)
    revision = await _dry(tx, caller, worked)
    capacity = (await policy(tx)).capacity_months
    wanted = changes.capacity_months if changes.capacity_months is not None else capacity
    base = await _dry(tx, caller, Worked(worked.way, [], None))
    return {
        "object": "scenario_diff",
        "livemode": tx.scope.livemode,
        "scenario_id": wire_id("scen", scenario_id),
        "digest": _digest(revision),
        "revision": revision,
        "cut_line": await _cut_line(tx, worked, revision, wanted),
        "base_cut_line": await _cut_line(tx, Worked(worked.way, [], None), base, capacity),
    }


async def promote(
    tx: Transaction, caller: Caller, scenario_id: UUID, given: Promote, precondition: Precondition
) -> str:
    """Make the scenario the roadmap: its scores are appended, its weights published, its capacity set, and the ranking
    is the one that its diff showed. Gives the revision's JSON text.

    Raises NotFound, PreconditionFailed, ScenarioPromoted, RoadmapFrozen, and ScenarioStale when `digest` is of another
    result.
    """
    await lock(tx)
    row = await one(tx, _LOCKED, scenario_id, "scenario", "scen")
    precondition.check(row["version"])
    if row["status"] == "promoted":
        raise ScenarioPromoted("It was promoted before. Make another scenario for another change.")
    changes = ScenarioChanges.model_validate(row["changes"])
    worked = await _work(tx, await _way(tx, row), changes)
    if given.digest is not None and _digest(await _dry(tx, caller, worked)) != given.digest:
        raise ScenarioStale("Scores, overrides or the roadmap changed since. GET the diff again and promote that.")
    way = worked.way
    if worked.definition is not None:
        way = await _publish(tx, caller, worked)
    note = f"Scenario: {row['title']}"[:5000]
    scores = [
        Computed(
            rescored.feature_id,
            ScoreCreate(framework=way.framework, inputs=rescored.inputs, note=note),
            way,
            rescored.result,
        )
        for rescored in worked.rescored
    ]
    await append_many(tx, caller, scores)
    if changes.capacity_months is not None:
        await _set_capacity(tx, changes.capacity_months)
    wanted = Reprioritize(
        framework=way.framework,
        variant=way.variant,
        model_version=way.version,
        reason=given.reason or f"Scenario: {row['title']}",
    )
    text = await reprioritize(tx, caller, wanted, scenario_id=scenario_id, carry=False)
    revision_id = parse_id("rev", json.load(text)["id"])
    shown = await one(tx, _PROMOTED, scenario_id, "scenario", "scen", status="promoted", revision_id=revision_id)
    await emit(tx, events.PROMOTED, shown["json"])
    return text


async def drop(tx: Transaction, scenario_id: UUID, precondition: Precondition) -> None:
    """Delete a scenario. What it promoted stays. Raises NotFound, PreconditionFailed."""
    row = await SCENARIO.remove(tx, scenario_id)
    precondition.check(row["version"])


async def _work(tx: Transaction, way: Method, changes: ScenarioChanges) -> Worked:
    """Score every feature whose inputs or weights differ. Raises Invalid that points into `/changes`."""
    definition = None
    given: dict[UUID, Mapping[str, Any]] = {change.feature_id: change.inputs for change in changes.inputs}
    rows = {row["id"]: row for row in await tx.all(_CHANGED, ids=list(given), series=way.series)} if given else {}
    scoring = way
    if changes.weights:
        scoring, definition = await _with_weights(tx, way, changes.weights)
        every = await tx.all(_ALL, series=way.series)
        if len(every) > MOST_RESCORED:
            message = f"weights change at most {MOST_RESCORED:,} features at once"
            raise invalid_field("/changes/weights", message, "too_large")
        rows |= {row["id"]: row for row in every}
    places = {change.feature_id: number for number, change in enumerate(changes.inputs)}
    for id, number in places.items():
        if id not in rows:
            raise invalid_field(f"/changes/inputs/{number}/feature_id", "is not here", "unknown_feature")
    rescored = []
    for id, row in sorted(rows.items()):
        inputs = dict(row["inputs"] or {}) | dict(given.get(id, {}))
        scaled = scoring if scoring.scale or not row["scale"] else _scaled(scoring, row["scale"])
        try:
            rescored.append(Rescored(id, inputs, outcome(scaled, inputs)))
        except Invalid as problem:
            raise _moved(problem, f"/changes/inputs/{places[id]}" if id in places else "/changes/weights") from None
    return Worked(way, rescored, definition)


async def _way(tx: Transaction, row: Any) -> Method:
    """The way to score that the scenario was made with: the version of then, not the newest."""
    series, framework = row["series"], row["framework"]
    if "@" in series:
        return await method(tx, framework, None, int(series.rpartition("@")[2]))
    variant = series.removeprefix(framework).removeprefix("_") or None
    return await method(tx, framework, variant)


async def _with_weights(tx: Transaction, way: Method, weights: Mapping[str, Decimal]) -> tuple[Method, dict[str, Any]]:
    row = await tx.first(_DEFINITION, key=way.framework, version=way.version or 0)
    if row is None or row["kind"] != "weighted":
        raise invalid_field("/changes/weights", "only an own weighted model has weights", "not_weighted")
    criteria = row["definition"]["criteria"]
    unknown = set(weights) - {criterion["name"] for criterion in criteria}
    if unknown:
        message = f"the model has no criterion {sorted(unknown)[0]}"
        raise invalid_field(f"/changes/weights/{sorted(unknown)[0]}", message, "unknown_criterion")
    definition = row["definition"] | {
        "criteria": [
            criterion | {"weight": weights.get(criterion["name"], criterion["weight"])} for criterion in criteria
        ]
    }
    try:
        return own(way.framework, way.version or 0, "weighted", definition), definition
    except FormulaError as error:
        raise invalid_field("/changes/weights", error.message) from None


async def _publish(tx: Transaction, caller: Caller, worked: Worked) -> Method:
    """The next version of the model, with the weights of the scenario."""
    row = await tx.first(_DEFINITION, key=worked.way.framework, version=worked.way.version or 0)
    assert row is not None
    assert worked.definition is not None
    body = {"key": worked.way.framework, "title": row["title"], "description": row["description"], "kind": "weighted"}
    _, version, _ = await publish(tx, caller, ModelCreate.model_validate(body | worked.definition))
    return await method(tx, worked.way.framework, None, version)


async def _set_capacity(tx: Transaction, months: Decimal) -> None:
    rules = (await policy(tx)).shown(tx.scope.livemode)
    freeze = rules["freeze"] and Freeze.model_validate(rules["freeze"])
    kept = {name: rules[name] for name in ("targets", "tolerance", "churn_limit")}
    wanted = PolicyWrite.model_validate(kept | {"capacity_months": months})
    await write_policy(tx, wanted.model_copy(update={"freeze": freeze}), ANY)


async def _dry(tx: Transaction, caller: Caller, worked: Worked) -> dict[str, Any]:
    way = worked.way
    wanted = Reprioritize(framework=way.framework, variant=way.variant, model_version=way.version, dry_run=True)
    substitutes = worked.substitutes if worked.rescored else None
    revision: dict[str, Any] = json.load(await reprioritize(tx, caller, wanted, substitutes, carry=False))
    return revision


async def _cut_line(tx: Transaction, worked: Worked, revision: dict[str, Any], capacity: Decimal | None) -> Any:
    """Down to which of the shown ranks the capacity reaches."""
    if capacity is None:
        return None
    ids = [parse_id("feat", entry["feature_id"]) for entry in revision["ranking"]]
    rows = await tx.all(_CHANGED, ids=ids, series=worked.way.series)
    efforts = {row["id"]: row["effort_months"] for row in rows}
    efforts |= {one.feature_id: one.result.effort_months for one in worked.rescored}
    reached, line, unknown = Decimal(0), 0, 0
    for rank, id in enumerate(ids, 1):
        months = efforts.get(id)
        if reached + (months or 0) > capacity:
            break
        reached, line, unknown = reached + (months or 0), rank, unknown + (months is None)
    return {"capacity_months": capacity, "rank": line, "effort_months": reached, "without_effort": unknown}


def _digest(revision: Mapping[str, Any]) -> str:
    shown = {name: revision[name] for name in ("ranking", "ranking_total", "moves", "moves_total")}
    return hashlib.sha256(json.dump(shown).encode()).hexdigest()


def _scaled(way: Method, scale: str) -> Method:
    return Method(**{**vars(way), "scale": SCALES.get(scale)})


def _moved(problem: Problem, under: str) -> Invalid:
    """The same refusal, pointing to where the input stands in the scenario."""
    errors = tuple(Pointer(error.code, error.message, error.type, under + error.name) for error in problem.errors)
    return Invalid(problem.message, errors=errors)
