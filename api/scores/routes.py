"""Scores over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from sqlalchemy import bindparam, select

from api.accounts.auth import CallerOf, WorkspaceRoute
from api.accounts.tenancy import one, owned
from api.db import wire_id
from api.features.schemas import FeatureId
from api.http.pagination import Listing
from api.http.reply import Reply, created
from api.http.route import Tx, operation
from api.scores.models import Score
from api.scores.schemas import ScoreCreate, ScoreId, ScoreQuery, ScoreShown
from api.scores.score import SCORE, score
from api.stores import Prepared

_BY_ID = Prepared(select(SCORE.text()).where(owned(Score), Score.id == bindparam("id")))
_SCORES = Listing(SCORE, filters=("feature_id", "framework"))

router = APIRouter(route_class=WorkspaceRoute, tags=["scores"])


@router.post("/features/{id}/scores", **operation("create_score", scope="scores:write", returns=ScoreShown, status=201))
async def create_score(tx: Tx, caller: CallerOf, id: FeatureId, given: ScoreCreate) -> Reply:
    """Score a feature. The value is computed exactly; the scores before it stay in the history."""
    score_id, text = await score(tx, caller, id, given)
    return created(text, f"/v1/scores/{wire_id('score', score_id)}")


@router.get("/scores", **operation("list_scores", scope="scores:read", returns=ScoreShown, many=True))
async def list_scores(tx: Tx, request: Request, query: Annotated[ScoreQuery, Query()]) -> Reply:
    """The history of scores, newest first."""
    return await _SCORES.page(tx, request, query)


@router.get("/scores/{id}", **operation("get_score", scope="scores:read", returns=ScoreShown))
async def get_score(tx: Tx, id: ScoreId) -> Reply:
    """One score."""
    return Reply((await one(tx, _BY_ID, id, "score", "score"))["json"])
