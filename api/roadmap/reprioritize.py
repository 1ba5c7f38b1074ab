"""Reprioritise: rank the latest scores, tell the moves, keep the order as a snapshot."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, literal_column, or_, select

from api import json
from api.accounts.auth import Caller
from api.accounts.tenancy import insert_owned, owned
from api.db import uuid7, wire_id
from api.features.models import OPEN_STATUSES, Feature
from api.formulas.ranking import Move, moves
from api.roadmap import events
from api.roadmap.models import Ranking, RoadmapRevision
from api.roadmap.schemas import MOST_SHOWN, Reprioritize
from api.scores.models import LatestScore
from api.stores import Prepared, Transaction
from api.webhooks.outbox import emit

# Value first; of equal values the older feature, so that the order is total and the same every time.
_SCORED = Prepared(
    select(Feature.id, Feature.title, func.trim_scale(LatestScore.value).label("value"))
    .join(
        Feature,
        (Feature.workspace_id == LatestScore.workspace_id)
        & (Feature.livemode == LatestScore.livemode)
        & (Feature.id == LatestScore.feature_id),
    )
    .where(
        owned(LatestScore),
        LatestScore.framework == bindparam("framework"),
        or_(*(Feature.status == literal_column(f"'{status}'") for status in OPEN_STATUSES)),
    )
    .order_by(LatestScore.value.desc(), Feature.created_at, Feature.id)
)
_LAST = Prepared(
    select(RoadmapRevision.ranking_id, Ranking.feature_ids, Ranking.values, Ranking.titles)
    .join(
        Ranking,
        (Ranking.workspace_id == RoadmapRevision.workspace_id)
        & (Ranking.livemode == RoadmapRevision.livemode)
        & (Ranking.id == RoadmapRevision.ranking_id),
    )
    .where(owned(RoadmapRevision))
    .order_by(RoadmapRevision.created_at.desc(), RoadmapRevision.id.desc())
    .limit(1)
)
_LOCK = Prepared(select(func.pg_advisory_xact_lock(bindparam("lock"))))
_INSERT_RANKING = Prepared(insert_owned(Ranking.__table__, "id", "feature_ids", "values", "titles"))
_INSERT_REVISION = Prepared(
    insert_owned(RoadmapRevision.__table__, "id", "ranking_id", "framework", "reason", "author", "reply", "created_at")
)


@dataclass(frozen=True)
class Order:
    """Features, best first, as three columns of one length. `ranking_id` is None until it is kept."""

    ids: list[UUID]
    values: list[Decimal]
    titles: list[str]
    ranking_id: UUID | None = None

    def differs(self, other: "Order") -> bool:
        return (self.ids, self.values, self.titles) != (other.ids, other.values, other.titles)


async def reprioritize(tx: Transaction, caller: Caller, wanted: Reprioritize) -> str:
    """Rank by the latest scores of the framework. Gives the revision as JSON text, as it will be read for ever.

    A dry run gives the same but for the id and the time, and keeps nothing. `roadmap.reprioritized` is emitted only
    when something moved. One runs at a time in a workspace and mode, so that moves always start from what was kept.
    """
    if not wanted.dry_run:
        await tx.value(_LOCK, lock=_lock_of(tx))
    after = _order(await tx.all(_SCORED, framework=wanted.framework))
    before = await _kept(tx)
    told = moves(before.ids, after.ids, _revalued(before, after))
    if wanted.dry_run:
        return json.dump(_revision(None, datetime.now(UTC), caller, wanted, after, told))
    revision_id, created_at = uuid7(), datetime.now(UTC)
    revision = _revision(revision_id, created_at, caller, wanted, after, told)
    text = json.dump(revision)
    await tx.run(
        _INSERT_REVISION,
        id=revision_id,
        ranking_id=await _ranking_id(tx, before, after),
        framework=wanted.framework,
        reason=wanted.reason,
        author=caller.key_name,
        reply=text,
        created_at=created_at,
    )
    if told:
        await emit(tx, events.REPRIORITIZED, json.dump(_cut(revision, events.MOST_TOLD)))
    return text


async def _kept(tx: Transaction) -> Order:
    row = await tx.first(_LAST)
    return Order(row["feature_ids"], row["values"], row["titles"], row["ranking_id"]) if row else Order([], [], [])


async def _ranking_id(tx: Transaction, before: Order, after: Order) -> UUID:
    """The snapshot of this order. When nothing differs from the one before, both revisions share it."""
    if before.ranking_id is not None and not after.differs(before):
        return before.ranking_id
    ranking_id = uuid7()
    await tx.run(_INSERT_RANKING, id=ranking_id, feature_ids=after.ids, values=after.values, titles=after.titles)
    return ranking_id


def _order(rows: list[Any]) -> Order:
    return Order([row["id"] for row in rows], [row["value"] for row in rows], [row["title"] for row in rows])


def _revalued(before: Order, after: Order) -> set[UUID]:
    """Those whose own value changed: of two that swapped, the one that a new score moved is told."""
    values = dict(zip(before.ids, before.values, strict=True))
    return {id for id, value in zip(after.ids, after.values, strict=True) if values.get(id) != value}


def _revision(
    revision_id: UUID | None,
    created_at: datetime,
    caller: Caller,
    wanted: Reprioritize,
    order: Order,
    told: list[Move[UUID]],
) -> dict[str, Any]:
    ranking = zip(order.ids[:MOST_SHOWN], order.titles, order.values, strict=False)
    return {
        "id": revision_id and wire_id("rev", revision_id),
        "object": "roadmap_revision",
        "livemode": caller.livemode,
        "framework": wanted.framework,
        "reason": wanted.reason,
        "author": caller.key_name,
        "created_at": created_at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "ranking": [
            {"rank": rank, "feature_id": wire_id("feat", id), "title": title, "value": value}
            for rank, (id, title, value) in enumerate(ranking, 1)
        ],
        "ranking_total": len(order.ids),
        "moves": [
            {"feature_id": wire_id("feat", move.id), "from": move.from_rank, "to": move.to_rank}
            for move in told[:MOST_SHOWN]
        ],
        "moves_total": len(told),
    }


def _cut(revision: dict[str, Any], most: int) -> dict[str, Any]:
    return revision | {"ranking": revision["ranking"][:most], "moves": revision["moves"][:most]}


def _lock_of(tx: Transaction) -> int:
    assert tx.scope.workspace_id is not None
    return (tx.scope.workspace_id.int ^ (0x0AD ^ bool(tx.scope.livemode))) % 2**63
