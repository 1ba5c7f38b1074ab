"""Reprioritise: rank the latest scores, tell the moves and their causes, keep the order as a snapshot."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Uuid, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from api import json
from api.accounts.auth import Caller
from api.accounts.tenancy import insert_owned, owned
from api.db import uuid7, wire_id
from api.features.models import Feature
from api.formulas.ranking import Churn, Move, compared
from api.problems import Conflict
from api.roadmap import events
from api.roadmap.carry import Carried, carried_over
from api.roadmap.models import RoadmapRevision
from api.roadmap.policy import Policy, allocated, policy
from api.roadmap.rank import Kept, Order, Substitutes, active_overrides, compute, keep, lock, newest, revalued
from api.roadmap.rank import overridden as with_overrides
from api.roadmap.schemas import MOST_SHOWN, Reprioritize
from api.scores.frameworks import Method, method
from api.scores.models import Score
from api.stores import Prepared, Transaction
from api.webhooks.outbox import emit, written_once

_INSERT = Prepared(
    insert_owned(
        RoadmapRevision.__table__,
        "id",
        "ranking_id",
        "framework",
        "series",
        "reason",
        "author",
        "churn",
        "drifted",
        "overridden",
        "scenario_id",
        "reply",
        "created_at",
    )
)
_ids = bindparam("ids", type_=ARRAY(Uuid))
_STILL_HERE = Prepared(
    select(func.uuid_send(Feature.id).label("id")).where(owned(Feature), Feature.id == func.any(_ids))
)
_SCORED_BEFORE = Prepared(
    select(func.uuid_send(Score.feature_id).label("id"))
    .where(
        owned(Score),
        Score.feature_id == func.any(_ids),
        Score.framework == bindparam("framework"),
        Score.created_at < bindparam("created_at"),
    )
    .distinct()
)


class RoadmapFrozen(Conflict):
    """The roadmap is frozen, and the change has no reason."""

    code, title = "roadmap_frozen", "The roadmap is frozen"


@dataclass(frozen=True)
class Change:
    """All that a reprioritisation found out, before anything of it is written."""

    way: Method
    before: Kept
    order: Order
    told: list[Move[bytes]]
    causes: dict[bytes, str]
    churn: Churn
    pinned: list[bytes]
    frozen: bool
    policy: Policy
    allocation: dict[str, Any]


async def reprioritize(
    tx: Transaction,
    caller: Caller,
    wanted: Reprioritize,
    substitutes: Substitutes | None = None,
    scenario_id: UUID | None = None,
    *,
    carry: bool = True,
) -> str:
    """Rank by the latest scores of the framework. Gives the revision as JSON text, as it will be read for ever.

    With `carry`, features that only an older version of an own model has scored are ranked by what their inputs give.

    A dry run gives the same but for the id and the time, and keeps nothing. `roadmap.reprioritized` is emitted only
    when something moved. Raises Invalid for an unknown framework, RoadmapFrozen for moves without a reason in a freeze.
    """
    way = await method(tx, wanted.framework, wanted.variant, wanted.model_version)
    if not wanted.dry_run:
        await lock(tx)
    carried = await carried_over(tx, way) if carry else Carried()
    change = await _change(tx, way, substitutes or carried.substitutes)
    created_at = _after(change.before.created_at)
    if wanted.dry_run:
        return json.dump(_revision(None, created_at, caller, wanted, change, carried, scenario_id))
    if change.frozen and change.told and wanted.reason is None:
        raise RoadmapFrozen(
            f"The roadmap is frozen until {change.policy.freeze_until:%Y-%m-%d %H:%M} UTC, and {len(change.told)} "
            "features would move. Send a reason with the request, or wait."
        )
    revision_id = uuid7()
    revision = _revision(revision_id, created_at, caller, wanted, change, carried, scenario_id)
    text = json.dump(revision)
    await tx.run(
        _INSERT,
        id=revision_id,
        ranking_id=await _ranking_id(tx, change),
        framework=way.framework,
        series=way.series,
        reason=wanted.reason,
        author=caller.key_name,
        churn=change.churn.share,
        drifted=change.allocation["drifted"],
        overridden=[UUID(bytes=id) for id in change.pinned],
        scenario_id=scenario_id,
        reply=text,
        created_at=created_at,
    )
    await _tell(tx, revision, change)
    return text


async def _change(tx: Transaction, way: Method, substitutes: Substitutes | None) -> Change:
    computed = await compute(tx, way.series, substitutes)
    ranks = await active_overrides(tx)
    order = with_overrides(computed.order, ranks)
    before = await newest(tx)
    rules = await policy(tx)
    # In a thread: a million take seconds, and the others must not wait for them.
    own, told, churn = await asyncio.to_thread(_moved, before.order, order)
    pinned = [id for id in order.ids if id in ranks] if order.computed_ranks else []
    causes = await _causes(tx, way, before, order, told[:MOST_SHOWN], own, {*pinned, *before.overridden})
    return Change(
        way=way,
        before=before,
        order=order,
        told=told,
        causes=causes,
        churn=churn,
        pinned=pinned,
        frozen=rules.frozen_at(datetime.now(UTC)),
        policy=rules,
        allocation=allocated(rules, computed.efforts),
    )


def _moved(before: Order, after: Order) -> tuple[set[bytes], list[Move[bytes]], Churn]:
    """Whose own value changed, the moves, and the churn. Pure."""
    own = revalued(before, after)
    told, churn = compared(before.ids, after.ids, own)
    return own, told, churn


def _after(before: datetime | None) -> datetime:
    """Now, and later than the revision before: the newest is found by its time, and a clock may step back."""
    now = datetime.now(UTC)
    return now if before is None else max(now, before + timedelta(microseconds=1))


async def _tell(tx: Transaction, revision: dict[str, Any], change: Change) -> None:
    about = {"id": revision["id"], "object": "roadmap_revision", "livemode": revision["livemode"]}
    if change.told:
        cut = {name: revision[name][: events.MOST_TOLD] for name in ("ranking", "moves")}
        await emit(tx, events.REPRIORITIZED, written_once(json.dump(revision | cut)))
    limit = change.policy.churn_limit
    if limit is not None and change.before.ranking_id is not None and change.churn.share > limit:
        told = {"churn": revision["churn"], "limit": limit, "reason": revision["reason"]}
        await emit(tx, events.CHURN_EXCEEDED, written_once(json.dump(about | told)))
    if change.allocation["drifted"] and not change.before.drifted:
        await emit(tx, events.DRIFTED, written_once(json.dump(about | {"allocation": change.allocation})))


async def _ranking_id(tx: Transaction, change: Change) -> UUID:
    """The snapshot of this order. When nothing differs from the one before, both revisions share it."""
    if change.before.ranking_id is not None and change.before.order == change.order:
        return change.before.ranking_id
    return await keep(tx, change.order)


async def _causes(
    tx: Transaction,
    way: Method,
    before: Kept,
    order: Order,
    told: Sequence[Move[bytes]],
    own: Collection[bytes],
    by_hand: Collection[bytes],
) -> dict[bytes, str]:
    """Why each feature moved. A change of framework explains every move; what was set by hand explains its own."""
    another = before.series is not None and before.series != way.series
    entered = [move.id for move in told if move.from_rank is None]
    left = [move.id for move in told if move.to_rank is None]
    again = await _among(tx, _SCORED_BEFORE, entered, before, framework=way.framework) if entered else set()
    here = await _among(tx, _STILL_HERE, left, before) if left else set()
    causes = {}
    for move in told:
        if move.from_rank is None:
            cause = "framework_changed" if another else "status_changed" if move.id in again else "new"
        elif move.to_rank is None:
            cause = "left" if move.id not in here else "framework_changed" if another else "status_changed"
        elif move.id in by_hand:
            cause = "override"
        elif another:
            cause = "framework_changed"
        elif move.id in own:
            cause = "score_changed"
        else:
            cause = "tie" if _tied(order, move.to_rank) else "others_moved"
        causes[move.id] = cause
    return causes


async def _among(tx: Transaction, statement: Prepared, ids: list[bytes], before: Kept, **values: Any) -> set[bytes]:
    if before.created_at is None:
        return set()
    rows = await tx.all(statement, ids=[UUID(bytes=id) for id in ids], created_at=before.created_at, **values)
    return {row["id"] for row in rows}


def _tied(order: Order, rank: int) -> bool:
    """Whether a neighbour has the same value, so that age decides between them."""
    around = order.values[max(0, rank - 2) : rank + 1]
    return around.count(order.values[rank - 1]) > 1


def _revision(
    revision_id: UUID | None,
    created_at: datetime,
    caller: Caller,
    wanted: Reprioritize,
    change: Change,
    carried: Carried,
    scenario_id: UUID | None,
) -> dict[str, Any]:
    return {
        "id": revision_id and wire_id("rev", revision_id),
        "object": "roadmap_revision",
        "livemode": caller.livemode,
        "framework": change.way.framework,
        "variant": change.way.variant,
        "model_version": change.way.version,
        "reason": wanted.reason,
        "author": caller.key_name,
        "created_at": created_at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "ranking": change.order.entries(0, MOST_SHOWN),
        "ranking_total": len(change.order.ids),
        "moves": [
            {
                "feature_id": wire_id("feat", UUID(bytes=move.id)),
                "from": move.from_rank,
                "to": move.to_rank,
                "cause": change.causes[move.id],
            }
            for move in change.told[:MOST_SHOWN]
        ],
        "moves_total": len(change.told),
        "churn": _shown_churn(change.churn),
        "frozen": change.frozen,
        "overridden": len(change.pinned),
        "carried_over": carried.count,
        "outdated": carried.outdated,
        "scenario_id": scenario_id and wire_id("scen", scenario_id),
    }


def _shown_churn(churn: Churn) -> dict[str, Any]:
    return {
        "share": churn.share,
        "inverted": churn.inverted,
        "pairs": churn.pairs,
        "entered": churn.entered,
        "left": churn.left,
    }
