"""Read the roadmap: the current ranking with its features as they are now, and every revision as it was given."""

from sqlalchemy import Text, bindparam, cast, func, literal_column, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from api import json
from api.accounts.tenancy import owned
from api.features.models import Feature
from api.http.pagination import Listing
from api.http.representation import Representation
from api.roadmap.models import Ranking, RoadmapRevision
from api.roadmap.schemas import MOST_SHOWN, RevisionSummary
from api.stores import Prepared, Transaction

REVISIONS = Listing(Representation(RevisionSummary, RoadmapRevision.__table__, "roadmap_revision"))
REVISION_BY_ID = Prepared(
    select(RoadmapRevision.reply.label("json")).where(owned(RoadmapRevision), RoadmapRevision.id == bindparam("id"))
)

_last = (
    select(
        RoadmapRevision.workspace_id,
        RoadmapRevision.livemode,
        RoadmapRevision.id,
        RoadmapRevision.framework,
        Ranking.feature_ids,
        Ranking.values,
    )
    .join(
        Ranking,
        (Ranking.workspace_id == RoadmapRevision.workspace_id)
        & (Ranking.livemode == RoadmapRevision.livemode)
        & (Ranking.id == RoadmapRevision.ranking_id),
    )
    .where(owned(RoadmapRevision))
    .order_by(RoadmapRevision.created_at.desc(), RoadmapRevision.id.desc())
    .limit(1)
    .cte("last")
)
_entry = (
    func.unnest(_last.c.feature_ids[1:MOST_SHOWN], _last.c["values"][1:MOST_SHOWN])
    .table_valued("feature_id", "value", with_ordinality="rank")
    .render_derived(name="entry")
)
_placed = func.json_build_object(
    "rank",
    _entry.c.rank,
    "feature_id",
    func.roadbed_id(literal_column("'feat'"), _entry.c.feature_id),
    "title",
    Feature.title,
    "value",
    func.trim_scale(_entry.c.value),
    "status",
    Feature.status,
    "bucket",
    Feature.bucket,
)
_ranking = (
    select(func.json_agg(aggregate_order_by(_placed, _entry.c.rank)))
    .select_from(_last)
    .join(_entry, literal_column("true"))
    .join(
        Feature,
        (Feature.workspace_id == _last.c.workspace_id)
        & (Feature.livemode == _last.c.livemode)
        & (Feature.id == _entry.c.feature_id),
    )
    .scalar_subquery()
)
_CURRENT = Prepared(
    select(
        func.roadbed_id(literal_column("'rev'"), _last.c.id).label("revision_id"),
        _last.c.framework,
        func.coalesce(func.cardinality(_last.c.feature_ids), 0).label("total"),
        func.coalesce(cast(_ranking, Text), "[]").label("ranking"),
    )
)


async def current(tx: Transaction) -> str:
    """The current roadmap as JSON text. Features that were deleted since leave a gap in the ranks."""
    row = await tx.first(_CURRENT)
    head = {
        "object": "roadmap",
        "livemode": tx.scope.livemode,
        "revision_id": row["revision_id"] if row else None,
        "framework": row["framework"] if row else None,
        "ranking_total": row["total"] if row else 0,
    }
    return f'{json.dump(head)[:-1]},"ranking":{row["ranking"] if row else "[]"}}}'
