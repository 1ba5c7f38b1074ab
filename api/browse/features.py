"""Lists of features and single ones, each one statement whatever is expanded."""

from typing import Any
from uuid import UUID

from fastapi import Request, Response
from sqlalchemy import ARRAY, BindParameter, ColumnElement, Numeric, Text, any_, bindparam, func, select

from api.accounts.tenancy import one, owned
from api.browse.schemas import FeatureSearch, FeatureView
from api.features.models import Feature
from api.features.write import FEATURE
from api.http.etags import fresh, fresh_as_seen
from api.http.pagination import Listing, Source
from api.http.reply import Reply
from api.prds.models import Prd
from api.prds.write import PRD
from api.scores.models import LatestScore, Score
from api.scores.score import SCORE
from api.search.query import matches, understand
from api.stores import Prepared, Transaction

_framework = bindparam("framework_name", type_=Text)


def _latest_score() -> ColumnElement[Any]:
    """The latest score in the framework, as JSON."""
    scored = select(SCORE.json()).where(
        owned(LatestScore),
        LatestScore.framework == _framework,
        LatestScore.feature_id == Feature.id,
        owned(Score),
        Score.id == LatestScore.score_id,
    )
    return scored.correlate(Feature).scalar_subquery()


def _prd() -> ColumnElement[Any]:
    """The newest PRD of the feature, as JSON."""
    named = select(PRD.shape.json()).where(owned(Prd), Feature.id == any_(Prd.feature_ids))
    return named.order_by(Prd.id.desc()).limit(1).correlate(Feature).scalar_subquery()


def _updated_since(given: BindParameter[Any]) -> ColumnElement[bool]:
    return Feature.updated_at >= any_(bindparam(given.key, type_=ARRAY(Feature.updated_at.type)))


def _scores() -> Source:
    """The latest scores in the framework, for filters and the sort by score. Features without one are left out."""
    scores = (
        select(LatestScore.feature_id, LatestScore.place, LatestScore.value)
        .where(owned(LatestScore), LatestScore.framework == _framework)
        .where(
            LatestScore.value >= func.coalesce(bindparam("score_from", type_=Numeric), LatestScore.value),
            LatestScore.value <= func.coalesce(bindparam("score_to", type_=Numeric), LatestScore.value),
        )
        .subquery("scores")
    )
    asked = frozenset({"framework", "score_gte", "score_lte"})
    return Source(scores, scores.c.feature_id == Feature.id, asked, {"score": (scores.c.place, scores.c.value)})


_EXPANSIONS: dict[str, ColumnElement[Any]] = {"latest_score": _latest_score(), "prd": _prd()}
_FEATURES = Listing(
    FEATURE.shape,
    filters=(
        "status",
        "bucket",
        "source",
        "created_at_gte",
        "created_at_lte",
        "updated_at_gte",
        "updated_at_lte",
    ),
    conditions={"updated_since": _updated_since},
    sorts=("created_at", "updated_at", "title", "score"),
    sources=(_scores(), matches(FEATURE.table)),
    expand=_EXPANSIONS,
)
_EXPANDED: dict[tuple[str, ...], Prepared] = {
    wanted: Prepared(
        select(FEATURE.shape.text(plus={name: _EXPANSIONS[name] for name in wanted}), Feature.version).where(
            owned(Feature), Feature.id == bindparam("id")
        )
    )
    for wanted in (("latest_score",), ("prd",), ("latest_score", "prd"))
}


async def browse(tx: Transaction, request: Request, query: FeatureSearch) -> Reply:
    """A page of features. Raises Invalid for a `q` without words."""
    given: dict[str, Any] = {
        "framework_name": query.framework or "rice",
        "score_from": query.score_gte,
        "score_to": query.score_lte,
    }
    if query.q is not None:
        given |= (await understand(tx, query.q)).values
    return await _FEATURES.page(tx, request, query, **given)


async def view(tx: Transaction, request: Request, feature_id: UUID, how: FeatureView) -> Response:
    """One feature, with what is expanded, which changes without the feature's version."""
    if not how.expand:
        return fresh(request, await FEATURE.read(tx, feature_id))
    statement = _EXPANDED[tuple(name for name in _EXPANSIONS if name in how.expand)]
    return fresh_as_seen(request, await one(tx, statement, feature_id, "feature", "feat", framework_name=how.framework))
