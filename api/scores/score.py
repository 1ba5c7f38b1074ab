"""Score a feature: compute exactly, append to its series, tell of it."""

from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert as postgres_insert

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
from api.webhooks.outbox import emit

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
_INSERT = Prepared(insert_owned(Score.__table__, *_COLUMNS).returning(SCORE.text()))
_latest = postgres_insert(LatestScore).values(
    binds("workspace_id", "livemode", "framework", "feature_id", "score_id", "value", "worth", "effort_months")
)
_MARK_LATEST = Prepared(
    _latest.on_conflict_do_update(
        index_elements=["workspace_id", "livemode", "framework", "feature_id"],
        set_={name: _latest.excluded[name] for name in ("score_id", "value", "worth", "effort_months")},
        # Two at once: the younger one stays, whoever commits last.
        where=LatestScore.score_id < _latest.excluded.score_id,
    )
)


async def score(tx: Transaction, caller: Caller, feature_id: UUID, given: ScoreCreate) -> tuple[UUID, str]:
    """Append a score. Gives its id and its JSON text. Raises NotFound, or Invalid that points at the input."""
    way = await method_of(tx, given)
    result = outcome(way, given.inputs)
    await one(tx, _FEATURE_EXISTS, feature_id, "feature", "feat")
    return await append(tx, caller, feature_id, given, way, result)


async def method_of(tx: Transaction, given: ScoreCreate) -> Method:
    """The way to score that is asked for. Raises Invalid for one that is not known, or a scale that it cannot have."""
    way = await method(tx, given.framework, given.variant, given.model_version)
    if given.scale is None:
        return way
    if way.framework != "rice":
        raise invalid_field("/scale", "a scale is for rice; an own model has its own in it", "extra_forbidden")
    return Method(**{**vars(way), "scale": SCALES[given.scale]})


async def append(
    tx: Transaction, caller: Caller, feature_id: UUID, given: ScoreCreate, way: Method, result: Outcome
) -> tuple[UUID, str]:
    """Write a score that was computed already, of a feature that exists, and tell of it."""
    score_id = uuid7()
    text_: str = await tx.value(
        _INSERT,
        id=score_id,
        feature_id=feature_id,
        framework=way.framework,
        variant=way.variant,
        model_version=way.version,
        formula=way.formula,
        scale=way.scale.id if way.scale else None,
        inputs=json.dump(given.inputs),
        value=result.value,
        outcome=json.dump(dict(result.details)),
        author=given.author or caller.key_name,
        author_kind=given.author_kind or ("person" if given.author else "key"),
        evidence=json.dump([_evidence(row.model_dump()) for row in given.evidence]),
        note=given.note,
    )
    await tx.run(
        _MARK_LATEST,
        framework=way.series,
        feature_id=feature_id,
        score_id=score_id,
        value=result.value,
        worth=result.worth,
        effort_months=result.effort_months,
    )
    await emit(tx, events.SCORED, text_)
    return score_id, text_


def _evidence(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"observed_on": row["observed_on"] and row["observed_on"].isoformat()}
