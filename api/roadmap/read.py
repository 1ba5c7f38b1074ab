"""Read the roadmap: as it is now, as each revision gave it, page by page, and from one revision to another."""

from typing import Any
from uuid import UUID

from fastapi import Request
from sqlalchemy import (
    ARRAY,
    DateTime,
    Integer,
    LargeBinary,
    Numeric,
    Select,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from api import json
from api.accounts.tenancy import one, owned
from api.db import wire_id
from api.features.models import BUCKETS, OPEN_STATUSES, Feature
from api.formulas.ranking import compared
from api.http.pagination import Cursors, Listing, PageQuery, as_list, binding_of, total
from api.http.reply import Reply
from api.http.representation import Representation
from api.problems import NotFound
from api.roadmap.models import PAGE_SIZE, Ranking, RankingPage, RoadmapItem, RoadmapRevision
from api.roadmap.policy import allocated, policy
from api.roadmap.rank import revalued, shown, unpacked, whole
from api.roadmap.schemas import MOST_SHOWN, AllocationQuery, RevisionSummary
from api.scores.models import LatestScore
from api.stores import Prepared, Transaction

REVISIONS = Listing(
    Representation(RevisionSummary, RoadmapRevision.__table__, "roadmap_revision"),
    filters=("framework", "created_at_gte", "created_at_lte"),
)
REVISION_BY_ID = Prepared(
    select(RoadmapRevision.reply.label("json")).where(owned(RoadmapRevision), RoadmapRevision.id == bindparam("id"))
)
_RANKING_OF = Prepared(
    select(RoadmapRevision.ranking_id, RoadmapRevision.created_at).where(
        owned(RoadmapRevision), RoadmapRevision.id == bindparam("id")
    )
)
_TOTAL = Prepared(select(Ranking.total).where(owned(Ranking), Ranking.id == bindparam("id")))
_BEFORE = Prepared(
    select(RoadmapRevision.id, RoadmapRevision.ranking_id)
    .where(
        owned(RoadmapRevision),
        func.row(RoadmapRevision.created_at, RoadmapRevision.id)
        < func.row(bindparam("created_at", type_=DateTime(timezone=True)), bindparam("id", type_=Uuid)),
    )
    .order_by(RoadmapRevision.created_at.desc(), RoadmapRevision.id.desc())
    .limit(1)
)
_PAGE = Prepared(
    select(RankingPage.feature_ids, RankingPage.values, RankingPage.titles, RankingPage.computed_ranks)
    .where(
        owned(RankingPage),
        RankingPage.ranking_id == bindparam("ranking_id"),
        RankingPage.number.between(bindparam("first"), bindparam("last")),
    )
    .order_by(RankingPage.number)
)


async def current(tx: Transaction, capacity_months: Any = None) -> str:
    """The current roadmap as JSON text. Features that were deleted since leave a gap in the ranks."""
    rules = await policy(tx)
    capacity = rules.capacity_months if capacity_months is None else capacity_months
    row = await tx.first(_CURRENT, capacity=capacity)
    efforts = {bucket: row[bucket] for bucket in BUCKETS} if row else {}
    line = None
    if row is not None and capacity is not None:
        line = {
            "capacity_months": capacity,
            "rank": row["line_rank"],
            "effort_months": row["line_effort"],
            "without_effort": row["line_unknown"],
        }
    head = {
        "object": "roadmap",
        "livemode": tx.scope.livemode,
        "revision_id": row["revision_id"] if row else None,
        "framework": row["framework"] if row else None,
        "series": row["series"] if row else None,
        "ranking_total": row["total"] if row else 0,
        "cut_line": line,
        "allocation": allocated(rules, efforts),
    }
    return f'{json.dump(head)[:-1]},"ranking":{row["ranking"] if row else "[]"}}}'


async def ranking_page(tx: Transaction, request: Request, revision_id: UUID, query: PageQuery) -> Reply:
    """A page of a revision's ranking, as it was. Reads one or two pages of the snapshot, wherever it is."""
    row = await one(tx, _RANKING_OF, revision_id, "roadmap revision", "rev")
    counted = total(await tx.value(_TOTAL, id=row["ranking_id"])) if query.include else None
    cursors: Cursors = request.app.state.cursors
    binding = binding_of(tx.scope, request.url.path, {}, ("rank",))
    start = int(cursors.read(query.cursor, binding)[0]) if query.cursor else 0
    end = start + query.limit + 1
    pages = await tx.all(_PAGE, ranking_id=row["ranking_id"], first=start // PAGE_SIZE, last=(end - 1) // PAGE_SIZE)
    entries: list[dict[str, Any]] = []
    for number, page in enumerate(pages, start // PAGE_SIZE):
        low, high = max(0, start - number * PAGE_SIZE), max(0, end - number * PAGE_SIZE)
        part = slice(low, high)
        ids = unpacked(page["feature_ids"])[part]
        computed = page["computed_ranks"][part] if page["computed_ranks"] else None
        first = number * PAGE_SIZE + low
        entries += shown(ids, page["values"].split(",")[part], page["titles"][part], first, computed)
    more = len(entries) > query.limit
    cursor = cursors.write([start + query.limit], binding) if more else None
    return as_list(request, [json.dump(entry) for entry in entries[: query.limit]], cursor, counted)


async def diff(tx: Transaction, revision_id: UUID, against: UUID | None) -> dict[str, Any]:
    """The moves from one revision to another, and how much the order changed. Raises NotFound."""
    after = await one(tx, _RANKING_OF, revision_id, "roadmap revision", "rev")
    if against is None:
        before = await tx.first(_BEFORE, id=revision_id, created_at=after["created_at"])
        if before is None:
            raise NotFound(f"{wire_id('rev', revision_id)} is the first revision: there is none before it.")
        against = before["id"]
    else:
        before = await one(tx, _RANKING_OF, against, "roadmap revision", "rev")
    old, new = await whole(tx, before["ranking_id"]), await whole(tx, after["ranking_id"])
    told, churn = compared(old.ids, new.ids, revalued(old, new))
    return {
        "object": "roadmap_diff",
        "livemode": tx.scope.livemode,
        "from": wire_id("rev", against),
        "to": wire_id("rev", revision_id),
        "moves": [
            {"feature_id": wire_id("feat", UUID(bytes=move.id)), "from": move.from_rank, "to": move.to_rank}
            for move in told[:MOST_SHOWN]
        ],
        "moves_total": len(told),
        "churn": {
            "share": churn.share,
            "inverted": churn.inverted,
            "pairs": churn.pairs,
            "entered": churn.entered,
            "left": churn.left,
        },
    }


async def actual_allocation(tx: Transaction, query: AllocationQuery) -> dict[str, Any]:
    """Effort by bucket of the features asked for. A feature's effort is that of its newest score that tells one."""
    rules = await policy(tx)
    rows = await tx.all(
        _ALLOCATION,
        statuses=list(query.status or OPEN_STATUSES),
        horizons=query.horizon or None,
        since=query.updated_at_gte,
        until=query.updated_at_lte,
    )
    told = allocated(rules, {row["bucket"]: row["effort"] for row in rows})
    return {
        "object": "allocation",
        "livemode": tx.scope.livemode,
        "unit": "person_months",
        "features": sum(row["features"] for row in rows),
        "without_effort": sum(row["unknown"] for row in rows),
        **told,
    }


def _current() -> Prepared:
    """The newest revision's first thousand places, joined with the features as they are now; one statement."""
    last = (
        select(
            RoadmapRevision.workspace_id,
            RoadmapRevision.livemode,
            RoadmapRevision.id,
            RoadmapRevision.framework,
            RoadmapRevision.series,
            RoadmapRevision.ranking_id,
            Ranking.total,
        )
        .join(
            Ranking,
            and_(
                Ranking.workspace_id == RoadmapRevision.workspace_id,
                Ranking.livemode == RoadmapRevision.livemode,
                Ranking.id == RoadmapRevision.ranking_id,
            ),
        )
        .where(owned(RoadmapRevision))
        .order_by(RoadmapRevision.created_at.desc(), RoadmapRevision.id.desc())
        .limit(1)
        .cte("last")
    )
    page = (
        select(RankingPage.feature_ids, RankingPage.values, RankingPage.computed_ranks)
        .join(last, RankingPage.ranking_id == last.c.ranking_id)
        .where(owned(RankingPage), RankingPage.number == 0)
        .cte("page")
    )
    entry = (
        func.unnest(func.string_to_array(page.c["values"], literal_column("','")), page.c.computed_ranks)
        .table_valued("value", "computed", with_ordinality="rank")
        .render_derived(name="entry")
    )
    packed = func.substr(page.c.feature_ids, cast(16 * entry.c.rank - 15, Integer), 16, type_=LargeBinary)
    feature_id = cast(func.encode(packed, literal_column("'hex'")), Uuid)
    known = (
        select(
            entry.c.rank,
            func.coalesce(entry.c.computed, entry.c.rank).label("computed"),
            cast(entry.c.value, Numeric).label("value"),
            Feature.id,
            Feature.title,
            Feature.status,
            Feature.bucket,
            LatestScore.effort_months.label("effort"),
            RoadmapItem.horizon,
            func.coalesce(func.sum(func.coalesce(LatestScore.effort_months, 0)).over(order_by=entry.c.rank), 0).label(
                "reached"
            ),
        )
        .select_from(page)
        .join(last, literal_column("true"))
        .join(entry, literal_column("true"))
        .join(Feature, and_(owned(Feature), Feature.id == feature_id))
        .outerjoin(
            LatestScore,
            and_(owned(LatestScore), LatestScore.framework == last.c.series, LatestScore.feature_id == Feature.id),
        )
        .outerjoin(RoadmapItem, and_(owned(RoadmapItem), RoadmapItem.id == Feature.id))
        .cte("known")
    )
    capacity = bindparam("capacity", type_=Numeric)
    above = known.c.reached <= capacity
    counted = or_(capacity.is_(None), above)
    shown_entry = func.json_build_object(
        "rank",
        known.c.rank,
        "feature_id",
        func.roadbed_id(literal_column("'feat'"), known.c.id),
        "title",
        known.c.title,
        "value",
        func.trim_scale(known.c.value),
        "computed_rank",
        known.c.computed,
        "status",
        known.c.status,
        "bucket",
        known.c.bucket,
        "effort_months",
        func.trim_scale(known.c.effort),
        "horizon",
        known.c.horizon,
        "above_cut_line",
        case((capacity.is_(None), None), else_=above),
    )
    whole_ = select(
        func.coalesce(cast(func.json_agg(aggregate_order_by(shown_entry, known.c.rank)), Text), "[]").label("ranking"),
        func.coalesce(func.max(known.c.rank).filter(above), 0).label("line_rank"),
        func.coalesce(func.trim_scale(func.max(known.c.reached).filter(above)), 0).label("line_effort"),
        func.count().filter(and_(above, known.c.effort.is_(None))).label("line_unknown"),
        *(
            func.coalesce(func.sum(known.c.effort).filter(and_(counted, known.c.bucket == bucket)), 0).label(bucket)
            for bucket in BUCKETS
        ),
    ).cte("whole")
    return Prepared(
        select(
            func.roadbed_id(literal_column("'rev'"), last.c.id).label("revision_id"),
            last.c.framework,
            last.c.series,
            last.c.total,
            *whole_.c,
        ).select_from(last.join(whole_, literal_column("true")))
    )


def _allocation() -> Select[Any]:
    effort = (
        select(LatestScore.effort_months)
        .where(
            owned(LatestScore),
            LatestScore.feature_id == Feature.id,
            LatestScore.effort_months.is_not(None),
        )
        .order_by(LatestScore.score_id.desc())
        .limit(1)
        .correlate(Feature)
        .scalar_subquery()
    )
    horizons = bindparam("horizons", type_=ARRAY(Text))
    since, until = (bindparam(name, type_=DateTime(timezone=True)) for name in ("since", "until"))
    chosen = (
        select(Feature.bucket, effort.label("effort"))
        .outerjoin(RoadmapItem, and_(owned(RoadmapItem), RoadmapItem.id == Feature.id))
        .where(
            owned(Feature),
            Feature.status == func.any(bindparam("statuses", type_=ARRAY(Text))),
            or_(horizons.is_(None), RoadmapItem.horizon == func.any(horizons)),
            or_(since.is_(None), Feature.updated_at >= since),
            or_(until.is_(None), Feature.updated_at <= until),
        )
        .cte("chosen")
    )
    return select(
        chosen.c.bucket,
        func.coalesce(func.sum(chosen.c.effort), 0).label("effort"),
        func.count().label("features"),
        func.count().filter(chosen.c.effort.is_(None)).label("unknown"),
    ).group_by(chosen.c.bucket)


_CURRENT = _current()
_ALLOCATION = Prepared(_allocation())
