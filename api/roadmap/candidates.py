"""The features that a simulation or a plan works on: open, scored in a series, best first."""

import asyncpg
from sqlalchemy import and_, bindparam, func, literal_column, or_, select

from api.accounts.tenancy import owned
from api.features.models import OPEN_STATUSES, Feature
from api.problems import Conflict
from api.roadmap.models import RoadmapItem
from api.scores.frameworks import Method
from api.scores.models import LatestScore, Score
from api.stores import Prepared, Transaction

_effort = (
    select(LatestScore.effort_months)
    .where(owned(LatestScore), LatestScore.feature_id == Feature.id, LatestScore.effort_months.is_not(None))
    .order_by(LatestScore.score_id.desc())
    .limit(1)
    .correlate(Feature)
    .scalar_subquery()
)
_CANDIDATES = Prepared(
    select(
        Feature.id,
        Feature.title,
        Feature.bucket,
        Feature.depends_on,
        RoadmapItem.team,
        LatestScore.score_id,
        LatestScore.value,
        LatestScore.worth,
        func.coalesce(LatestScore.effort_months, _effort).label("effort_months"),
        Score.inputs,
        Score.scale,
    )
    .join(LatestScore, and_(owned(LatestScore), LatestScore.feature_id == Feature.id))
    .join(Score, and_(owned(Score), Score.id == LatestScore.score_id))
    .outerjoin(RoadmapItem, and_(owned(RoadmapItem), RoadmapItem.id == Feature.id))
    .where(
        owned(Feature),
        LatestScore.framework == bindparam("series"),
        or_(*(Feature.status == literal_column(f"'{status}'") for status in OPEN_STATUSES)),
    )
    .order_by(LatestScore.value.desc(), Feature.created_at, Feature.id)
    .limit(bindparam("most"))
)


class NothingScored(Conflict):
    """No open feature has a score of the framework that was asked for."""

    code, title = "nothing_scored", "No open feature has such a score"


async def candidates(tx: Transaction, way: Method, most: int) -> list[asyncpg.Record]:
    """At most `most` and one more, so that the caller can tell when there are too many. Raises NothingScored."""
    rows = await tx.all(_CANDIDATES, series=way.series, most=most + 1)
    if not rows:
        raise NothingScored(f"No open feature has a score by {way.series}: POST /v1/features/{{id}}/scores makes one.")
    return rows
