"""Score a feature: compute exactly, append to its series, tell of it."""

from decimal import Decimal
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert as postgres_insert

from api import json
from api.accounts.auth import Caller
from api.accounts.tenancy import insert_owned, one, owned
from api.db import uuid7
from api.features.models import Feature
from api.formulas.exact import FormulaError
from api.formulas.rice import rice
from api.http.representation import Representation
from api.problems import invalid_field
from api.scores import events
from api.scores.models import LatestScore, Score
from api.scores.schemas import RiceInputs, ScoreCreate, ScoreShown
from api.stores import Prepared, Transaction, binds
from api.webhooks.outbox import emit

SCORE = Representation(ScoreShown, Score.__table__, "score")
# The lock keeps a DELETE of the feature from coming between this and the INSERT, whose foreign key would then fail.
_FEATURE_EXISTS = Prepared(
    select(Feature.id).where(owned(Feature), Feature.id == bindparam("id")).with_for_update(read=True, key_share=True)
)
_INSERT = Prepared(
    insert_owned(Score.__table__, "id", "feature_id", "framework", "formula", "inputs", "value", "author").returning(
        SCORE.text()
    )
)
_latest = postgres_insert(LatestScore).values(
    binds("workspace_id", "livemode", "framework", "feature_id", "score_id", "value")
)
_MARK_LATEST = Prepared(
    _latest.on_conflict_do_update(
        index_elements=["workspace_id", "livemode", "framework", "feature_id"],
        set_={"score_id": _latest.excluded.score_id, "value": _latest.excluded.value},
        # Two at once: the younger one stays, whoever commits last.
        where=LatestScore.score_id < _latest.excluded.score_id,
    )
)


async def score(tx: Transaction, caller: Caller, feature_id: UUID, given: ScoreCreate) -> tuple[UUID, str]:
    """Append a score. Gives its id and its JSON text. Raises NotFound, or Invalid that points at the input."""
    value, formula = _computed(given.inputs)
    await one(tx, _FEATURE_EXISTS, feature_id, "feature", "feat")
    score_id = uuid7()
    text: str = await tx.value(
        _INSERT,
        id=score_id,
        feature_id=feature_id,
        framework=given.framework,
        formula=formula,
        inputs=json.dump(given.inputs.model_dump()),
        value=value,
        author=caller.key_name,
    )
    await tx.run(_MARK_LATEST, framework=given.framework, feature_id=feature_id, score_id=score_id, value=value)
    await emit(tx, events.SCORED, text)
    return score_id, text


def _computed(inputs: RiceInputs) -> tuple[Decimal, str]:
    try:
        return rice(inputs.reach, inputs.impact, inputs.confidence, inputs.effort), "rice@1"
    except FormulaError as error:
        raise invalid_field(f"/inputs/{error.field}", str(error)) from None
