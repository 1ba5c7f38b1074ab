"""Scores and the ways to score over HTTP."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import bindparam, select

from api.accounts.auth import CallerOf, WorkspaceRoute
from api.accounts.tenancy import one, owned
from api.db import wire_id
from api.features.schemas import FeatureId
from api.formulas.rice import SCALES
from api.formulas.scoring import FRAMEWORKS, Framework
from api.http.etags import fresh
from api.http.pagination import Listing
from api.http.reply import Reply, computed, created
from api.http.route import Tx, operation
from api.scores.frameworks import BY_HAND
from api.scores.models import Score, ScoringModel
from api.scores.publish import MODEL, publish
from api.scores.schemas import (
    FrameworkShown,
    ModelCreate,
    ModelId,
    ModelQuery,
    ModelShown,
    NoQuery,
    ScoreCreate,
    ScoreId,
    ScoreQuery,
    ScoreShown,
)
from api.scores.score import SCORE, score
from api.stores import Prepared

_BY_ID = Prepared(select(SCORE.text()).where(owned(Score), Score.id == bindparam("id")))
_MODEL_BY_ID = Prepared(
    select(MODEL.text(), ScoringModel.version).where(owned(ScoringModel), ScoringModel.id == bindparam("id"))
)
_SCORES = Listing(
    SCORE,
    filters=(
        "feature_id",
        "framework",
        "variant",
        "model_version",
        "author",
        "author_kind",
        "value_gte",
        "value_lte",
        "created_at_gte",
        "created_at_lte",
    ),
    sorts=("value", "created_at"),
)
_MODELS = Listing(MODEL, filters=("key", "kind"))

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


# The fixed words stand before `/scores/{id}`, which would take them for ids.
@router.get(
    "/scores/frameworks", **operation("list_frameworks", scope="scores:read", returns=FrameworkShown, many=True)
)
async def list_frameworks(query: Annotated[NoQuery, Query()]) -> Reply:
    """The built-in ways to score: inputs with their bounds, variants and formulas. One page holds them all."""
    shown = [_shown(framework) for framework in FRAMEWORKS.values()] + [_by_hand(key) for key in BY_HAND]
    return computed({"object": "list", "data": shown, "has_more": False, "next_cursor": None})


@router.post(
    "/scores/models", **operation("create_scoring_model", scope="scores:write", returns=ModelShown, status=201)
)
async def create_scoring_model(tx: Tx, caller: CallerOf, given: ModelCreate) -> Reply:
    """Publish a way to score of your own, or its next version. Versions never change."""
    model_id, version, text = await publish(tx, caller, given)
    return created(text, f"/v1/scores/models/{wire_id('model', model_id)}", version)


@router.get("/scores/models", **operation("list_scoring_models", scope="scores:read", returns=ModelShown, many=True))
async def list_scoring_models(tx: Tx, request: Request, query: Annotated[ModelQuery, Query()]) -> Reply:
    """Your own ways to score, each version, newest first."""
    return await _MODELS.page(tx, request, query)


@router.get("/scores/models/{id}", **operation("get_scoring_model", scope="scores:read", returns=ModelShown))
async def get_scoring_model(tx: Tx, request: Request, id: ModelId) -> Response:
    """One version of a model."""
    return fresh(request, await one(tx, _MODEL_BY_ID, id, "scoring model", "model"))


@router.get("/scores/{id}", **operation("get_score", scope="scores:read", returns=ScoreShown))
async def get_score(tx: Tx, id: ScoreId) -> Reply:
    """One score."""
    return Reply((await one(tx, _BY_ID, id, "score", "score"))["json"])


def _shown(framework: Framework) -> dict[str, Any]:
    return {
        "object": "framework",
        "key": framework.key,
        "title": framework.title,
        "source": framework.source,
        "variants": list(framework.variants),
        "default_variant": framework.default or None,
        "formulas": dict(framework.formulas),
        "inputs": [
            {
                "name": known.name,
                "description": known.description,
                "minimum": known.low,
                "maximum": known.high,
                "exclusive_minimum": known.above_low,
                "required": known.required,
            }
            for known in framework.inputs
        ],
        "scales": [name for name in SCALES if name != "custom"] if framework.key == "rice" else [],
    }


def _by_hand(key: str) -> dict[str, Any]:
    title, source, inputs = _NOT_NUMBERS[key]
    return {
        "object": "framework",
        "key": key,
        "title": title,
        "source": source,
        "variants": [],
        "default_variant": None,
        "formulas": {},
        "inputs": [
            {
                "name": name,
                "description": description,
                "minimum": None,
                "maximum": None,
                "exclusive_minimum": False,
                "required": required,
            }
            for name, description, required in inputs
        ],
        "scales": [],
    }


_NOT_NUMBERS = {
    "weighted": (
        "Weighted scoring",
        "C. W. Churchman and R. L. Ackoff, 1954",
        [("criteria", "1 to 50 of {key, weight, rating from 0 to 10, direction: benefit or cost}.", True)],
    ),
    "kano": (
        "Kano",
        "Noriaki Kano, 1984; Mike Timko, 1993",
        [("answers", "1 to 1,000 of {functional, dysfunctional}: like, must_be, neutral, live_with, dislike.", True)],
    ),
    "moscow": (
        "MoSCoW",
        "DSDM, handbook, chapter 10",
        [("category", "must, should, could or wont.", True), ("effort", "Person-months.", False)],
    ),
}
