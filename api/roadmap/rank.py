"""An order of features: computed by Postgres from the latest scores, changed by overrides, kept in pages.

Ids stay the 16 bytes that Postgres sends and values the text that it writes: a hundred thousand UUID and Decimal
objects would cost more than the ranking itself (docs/decisions/0007-rankings.md).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    FromClause,
    Numeric,
    Select,
    Text,
    Uuid,
    bindparam,
    cast,
    func,
    literal_column,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from api.accounts.tenancy import insert_owned, owned
from api.db import uuid7, wire_id
from api.features.models import BUCKETS, OPEN_STATUSES, Feature
from api.formulas.ranking import placed
from api.roadmap.models import PAGE_SIZE, Ranking, RankingPage, RoadmapOverride, RoadmapRevision
from api.scores.models import LatestScore
from api.stores import Prepared, Transaction

MOST_OVERRIDES = 1000


@dataclass(frozen=True)
class Order:
    """Features, best first, as columns of one length. `computed_ranks` is None where no override was at work."""

    ids: list[bytes]
    values: list[str]
    titles: list[str]
    computed_ranks: list[int] | None = None

    def entries(self, start: int, end: int) -> list[dict[str, Any]]:
        """Places `start` to `end`, counted from 0, as they are shown."""
        computed = self.computed_ranks[start:end] if self.computed_ranks else None
        return list(shown(self.ids[start:end], self.values[start:end], self.titles[start:end], start, computed))


@dataclass(frozen=True)
class Kept:
    """The newest revision, and the ranking that it owns or shares. All empty before the first."""

    order: Order = field(default_factory=lambda: Order([], [], []))
    ranking_id: UUID | None = None
    series: str | None = None
    created_at: datetime | None = None
    drifted: bool = False
    overridden: frozenset[bytes] = frozenset()


@dataclass(frozen=True)
class Substitutes:
    """Scores that stand in for the latest ones, in a scenario: columns of one length."""

    ids: list[UUID]
    values: list[Decimal]
    efforts: list[Decimal | None]


@dataclass(frozen=True)
class Computed:
    """The order as the scores alone give it, and the effort of the ranked features by bucket, in person-months."""

    order: Order
    efforts: dict[str, Decimal]


def _sources() -> tuple[FromClause, FromClause]:
    """The series' latest scores; and the same with substitutes before them."""
    latest = select(LatestScore.feature_id, LatestScore.value, LatestScore.effort_months).where(
        owned(LatestScore), LatestScore.framework == bindparam("series")
    )
    scores = latest.subquery("score")
    given = (
        func.unnest(
            bindparam("ids", type_=ARRAY(Uuid)),
            bindparam("values", type_=ARRAY(Numeric)),
            bindparam("efforts", type_=ARRAY(Numeric)),
        )
        .table_valued("id", "value", "effort")
        .render_derived(name="given")
    )
    both = scores.join(given, given.c.id == scores.c.feature_id, full=True)
    mixed = (
        select(
            func.coalesce(given.c.id, scores.c.feature_id).label("feature_id"),
            func.coalesce(given.c.value, scores.c.value).label("value"),
            func.coalesce(given.c.effort, scores.c.effort_months).label("effort_months"),
        )
        .select_from(both)
        .subquery("mixed")
    )
    return scores, mixed


def _ranked(source: FromClause) -> Prepared:
    """Value first; of equal values the older feature, so that the order is total and the same every time.

    All aggregates ask for one order, so Postgres sorts once.
    """
    order = (source.c.value.desc(), Feature.created_at, Feature.id)

    def joined(item: ColumnElement[Any], separator: str) -> ColumnElement[Any]:
        return func.string_agg(item, aggregate_order_by(literal_column(separator), *order))

    efforts = [func.sum(source.c.effort_months).filter(Feature.bucket == literal_column(f"'{b}'")) for b in BUCKETS]
    statement: Select[Any] = (
        select(
            joined(func.uuid_send(Feature.id), "''::bytea").label("ids"),
            joined(cast(func.trim_scale(source.c.value), Text), "','").label("values"),
            func.array_agg(aggregate_order_by(Feature.title, *order)).label("titles"),
            *(effort.label(bucket) for bucket, effort in zip(BUCKETS, efforts, strict=True)),
        )
        .join_from(Feature, source, source.c.feature_id == Feature.id)
        .where(owned(Feature), or_(*(Feature.status == literal_column(f"'{status}'") for status in OPEN_STATUSES)))
    )
    return Prepared(statement)


_SCORES, _MIXED = _sources()
_RANKED = _ranked(_SCORES)
_RANKED_MIXED = _ranked(_MIXED)
# Sorting a hundred thousand rows in memory halves the time. A million take 3 s, more than the time limit of requests on
# a machine that is busy. Both hold for this transaction alone.
_ROOM = Prepared(select(func.set_config("work_mem", "64MB", True), func.set_config("statement_timeout", "60s", True)))
_LOCK = Prepared(select(func.pg_advisory_xact_lock(bindparam("lock"))))
_ACTIVE = Prepared(
    select(func.uuid_send(RoadmapOverride.feature_id).label("id"), RoadmapOverride.rank)
    .where(owned(RoadmapOverride), or_(RoadmapOverride.expires_at.is_(None), RoadmapOverride.expires_at > func.now()))
    .order_by(RoadmapOverride.rank, RoadmapOverride.id)
    .limit(MOST_OVERRIDES)
)
_NEWEST = Prepared(
    select(
        RoadmapRevision.ranking_id,
        RoadmapRevision.series,
        RoadmapRevision.created_at,
        RoadmapRevision.drifted,
        RoadmapRevision.overridden,
    )
    .where(owned(RoadmapRevision))
    .order_by(RoadmapRevision.created_at.desc(), RoadmapRevision.id.desc())
    .limit(1)
)
_PAGES = Prepared(
    select(RankingPage.feature_ids, RankingPage.values, RankingPage.titles, RankingPage.computed_ranks)
    .where(owned(RankingPage), RankingPage.ranking_id == bindparam("ranking_id"))
    .order_by(RankingPage.number)
)
_INSERT_PAGE = Prepared(
    insert_owned(RankingPage.__table__, "ranking_id", "number", "feature_ids", "values", "titles", "computed_ranks")
)
_INSERT_RANKING = Prepared(insert_owned(Ranking.__table__, "id", "total"))


async def lock(tx: Transaction) -> None:
    """One reprioritisation at a time in a workspace and mode, so that moves always start from what was kept."""
    assert tx.scope.workspace_id is not None
    await tx.value(_LOCK, lock=(tx.scope.workspace_id.int ^ (0x0AD ^ bool(tx.scope.livemode))) % 2**63)


async def compute(tx: Transaction, series: str, substitutes: Substitutes | None = None) -> Computed:
    """Rank all open features that have a score of the series. One statement."""
    await tx.value(_ROOM)
    if substitutes is None:
        row = await tx.first(_RANKED, series=series)
    else:
        given = {"ids": substitutes.ids, "values": substitutes.values, "efforts": substitutes.efforts}
        row = await tx.first(_RANKED_MIXED, series=series, **given)
    assert row is not None
    efforts = {bucket: row[bucket] or Decimal(0) for bucket in BUCKETS}
    if row["ids"] is None:
        return Computed(Order([], [], []), efforts)
    return Computed(Order(unpacked(row["ids"]), row["values"].split(","), row["titles"]), efforts)


async def active_overrides(tx: Transaction) -> dict[bytes, int]:
    """Ranks set by hand that have not expired, by feature."""
    return {row["id"]: row["rank"] for row in await tx.all(_ACTIVE)}


def overridden(order: Order, ranks: Mapping[bytes, int]) -> Order:
    """The order with each overridden feature at the rank that was set for it."""
    if not ranks or not any(id in ranks for id in order.ids):
        return order
    place = {id: number for number, id in enumerate(order.ids)}
    ids = placed(order.ids, ranks)
    sources = [place[id] for id in ids]
    return Order(
        ids,
        [order.values[source] for source in sources],
        [order.titles[source] for source in sources],
        [source + 1 for source in sources],
    )


async def newest(tx: Transaction) -> Kept:
    """What the newest revision holds."""
    row = await tx.first(_NEWEST)
    if row is None:
        return Kept()
    return Kept(
        await whole(tx, row["ranking_id"]),
        row["ranking_id"],
        row["series"],
        row["created_at"],
        row["drifted"],
        frozenset(id.bytes for id in row["overridden"]),
    )


async def whole(tx: Transaction, ranking_id: UUID) -> Order:
    """A kept ranking, all of it."""
    ids: list[bytes] = []
    values: list[str] = []
    titles: list[str] = []
    computed: list[int] = []
    for page in await tx.all(_PAGES, ranking_id=ranking_id):
        ids += unpacked(page["feature_ids"])
        values += page["values"].split(",")
        titles += page["titles"]
        computed += page["computed_ranks"] or ()
    return Order(ids, values, titles, computed or None)


async def keep(tx: Transaction, order: Order) -> UUID:
    """Write a ranking with its pages. Gives its id."""
    ranking_id = uuid7()
    await tx.run(_INSERT_RANKING, id=ranking_id, total=len(order.ids))
    await tx.many(_INSERT_PAGE, _pages(ranking_id, order))
    return ranking_id


def revalued(before: Order, after: Order) -> set[bytes]:
    """Those whose own value changed: of two that swapped, the one that a new score moved is told."""
    if before.ids == after.ids and before.values == after.values:
        return set()
    old = dict(zip(before.ids, before.values, strict=True))
    return {id for id, value in zip(after.ids, after.values, strict=True) if old.get(id) != value}


def shown(
    ids: list[bytes], values: list[str], titles: list[str], start: int, computed: list[int] | None
) -> Iterator[dict[str, Any]]:
    """Entries of a ranking, the first of them at place `start`, counted from 0."""
    for number, (id, value, title) in enumerate(zip(ids, values, titles, strict=True)):
        yield {
            "rank": start + number + 1,
            "feature_id": wire_id("feat", UUID(bytes=id)),
            "title": title,
            "value": Decimal(value),
            "computed_rank": computed[number] if computed else start + number + 1,
        }


def unpacked(packed: bytes) -> list[bytes]:
    """
    >>> unpacked(bytes(32)) == [bytes(16), bytes(16)]
    True
    """
    return [packed[start : start + 16] for start in range(0, len(packed), 16)]


def _pages(ranking_id: UUID, order: Order) -> Iterator[dict[str, Any]]:
    for number, start in enumerate(range(0, len(order.ids), PAGE_SIZE)):
        part = slice(start, start + PAGE_SIZE)
        yield {
            "ranking_id": ranking_id,
            "number": number,
            "feature_ids": b"".join(order.ids[part]),
            "values": ",".join(order.values[part]),
            "titles": order.titles[part],
            "computed_ranks": order.computed_ranks[part] if order.computed_ranks else None,
        }
