"""Score a feature: compute exactly, append to its series, tell of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Table, Text, bindparam, cast, column, func, insert, select
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.sql.selectable import TableValuedAlias

from api import json
from api.accounts.auth import Caller
from api.accounts.tenancy import insert_owned, one, owned
from api.db import uuid7
from api.features.models import Feature
from api.formulas.rice import SCALES
from api.formulas.scoring import Outcome
from api.http.representation import Representation
from api.problems import invalid_field
from api.scores import events
from api.scores.frameworks import Method, method
from api.scores.inputs import outcome
from api.scores.models import LatestScore, Score
from api.scores.schemas import ScoreCreate, ScoreShown
from api.stores import Prepared, Transaction, binds
from api.webhooks.outbox import emit, emit_many, written_once

SCORE = Representation(ScoreShown, Score.__table__, "score")
_COLUMNS = (
    "id",
    "feature_id",
    "framework",
    "variant",
    "model_version",
    "formula",
    "scale",
    "inputs",
    "value",
    "outcome",
    "author",
    "author_kind",
    "evidence",
    "note",
)
# The lock keeps a DELETE of the feature from coming between this and the INSERT, whose foreign key would then fail.
_FEATURE_EXISTS = Prepared(
    select(Feature.id).where(owned(Feature), Feature.id == bindparam("id")).with_for_update(read=True, key_share=True)
)
_LATEST = ("framework", "feature_id", "score_id", "value", "worth", "effort_months")
MOST_AT_ONCE = 2_000


def _mark_latest(latest: Any) -> Prepared:
    return Prepared(
        latest.on_conflict_do_update(
            index_elements=["workspace_id", "livemode", "framework", "feature_id"],
            set_={name: latest.excluded[name] for name in _LATEST[2:]},
            # Two at once: the younger one stays, whoever commits last.
            where=LatestScore.score_id < latest.excluded.score_id,
        )
    )


def _given(table: Any, names: Sequence[str]) -> tuple[list[str], Any]:
    """The columns of a tenant's table, and rows for them from the JSON array `rows`."""
    rows = func.json_to_recordset(cast(bindparam("rows", type_=Text), JSON))
    given: TableValuedAlias = rows.table_valued(*(column(name, table.c[name].type) for name in names)).render_derived(
        name="given", with_types=True
    )
    tenant = [bindparam(name, type_=table.c[name].type) for name in ("workspace_id", "livemode")]
    return ["workspace_id", "livemode", *names], select(*tenant, *(given.c[name] for name in names))


_scores: Table = SCORE.table
_INSERT = Prepared(insert_owned(_scores, *_COLUMNS).returning(SCORE.text()))
_INSERT_MANY = Prepared(insert(_scores).from_select(*_given(_scores, _COLUMNS)).returning(Score.id, SCORE.text()))
_MARK_LATEST = _mark_latest(postgres_insert(LatestScore).values(binds("workspace_id", "livemode", *_LATEST)))
_MARK_MANY = _mark_latest(postgres_insert(LatestScore).from_select(*_given(LatestScore.__table__, _LATEST)))


@dataclass(frozen=True, slots=True)
class Computed:
    """A score that can be written: of which feature, what was asked, and what came out."""

    feature_id: UUID
    given: ScoreCreate
    way: Method
    result: Outcome


async def score(tx: Transaction, caller: Caller, feature_id: UUID, given: ScoreCreate) -> tuple[UUID, str]:
    """Append a score. Gives its id and its JSON text. Raises NotFound, or Invalid that points at the input."""
    way = await method_of(tx, given)
    computed = Computed(feature_id, given, way, outcome(way, given.inputs))
    await one(tx, _FEATURE_EXISTS, feature_id, "feature", "feat")
    return await append(tx, caller, computed)


async def method_of(tx: Transaction, given: ScoreCreate) -> Method:
    """The way to score that is asked for. Raises Invalid for one that is not known, or a scale that it cannot have."""
    way = await method(tx, given.framework, given.variant, given.model_version)
    if given.scale is None:
        return way
    if way.framework != "rice":
        raise invalid_field("/scale", "a scale is for rice; an own model has its own in it", "extra_forbidden")
    return Method(**{**vars(way), "scale": SCALES[given.scale]})


async def append(tx: Transaction, caller: Caller, computed: Computed) -> tuple[UUID, str]:
    """Write a score that was computed already, of a feature that exists, and tell of it."""
    score_id = uuid7()
    row = _row(score_id, computed, caller)
    text_: str = await tx.value(
        _INSERT, **row | {name: json.dump(row[name]) for name in ("inputs", "outcome", "evidence")}
    )
    await tx.run(_MARK_LATEST, **_latest(score_id, computed))
    await emit(tx, events.SCORED, written_once(text_))
    return score_id, text_


async def append_many(tx: Transaction, caller: Caller, computed: Sequence[Computed]) -> list[str]:
    """What `append` does for one score, for all of these: three statements for each 2,000. Gives their JSON texts."""
    told = []
    for start in range(0, len(computed), MOST_AT_ONCE):
        told += await _append_part(tx, caller, {uuid7(): one for one in computed[start : start + MOST_AT_ONCE]})
    return told


async def _append_part(tx: Transaction, caller: Caller, computed: Mapping[UUID, Computed]) -> list[str]:
    rows = [_row(score_id, one, caller) for score_id, one in computed.items()]
    written = await tx.all(_INSERT_MANY, rows=_as_rows(rows))
    texts = {row["id"]: row["json"] for row in written}
    # Of a feature that is scored twice here the younger score is the latest, as it would be one by one.
    latest = {(one.way.series, one.feature_id): _latest(score_id, one) for score_id, one in computed.items()}
    await tx.run(_MARK_MANY, rows=_as_rows(list(latest.values())))
    told = [texts[score_id] for score_id in computed]
    await emit_many(tx, events.SCORED, [written_once(text_) for text_ in told])
    return told


def _row(score_id: UUID, one: Computed, caller: Caller) -> dict[str, Any]:
    given, way = one.given, one.way
    return {
        "id": score_id,
        "feature_id": one.feature_id,
        "framework": way.framework,
        "variant": way.variant,
        "model_version": way.version,
        "formula": way.formula,
        "scale": way.scale.id if way.scale else None,
        "inputs": given.inputs,
        "value": one.result.value,
        "outcome": dict(one.result.details),
        "author": given.author or caller.key_name,
        "author_kind": given.author_kind or ("person" if given.author else "key"),
        "evidence": [_evidence(row.model_dump()) for row in given.evidence],
        "note": given.note,
    }


def _latest(score_id: UUID, one: Computed) -> dict[str, Any]:
    return {
        "framework": one.way.series,
        "feature_id": one.feature_id,
        "score_id": score_id,
        "value": one.result.value,
        "worth": one.result.worth,
        "effort_months": one.result.effort_months,
    }


def _as_rows(rows: Sequence[Mapping[str, Any]]) -> str:
    """A JSON array of them, ids as text."""
    return json.dump([{k: str(v) if isinstance(v, UUID) else v for k, v in row.items()} for row in rows])


def _evidence(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"observed_on": row["observed_on"] and row["observed_on"].isoformat()}
