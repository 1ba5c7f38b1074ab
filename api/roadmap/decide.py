"""What people decide beside the arithmetic: ranks set by hand, horizons, teams."""

from uuid import UUID

import asyncpg
from sqlalchemy import bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import insert as postgres_insert

from api.accounts.auth import Caller
from api.accounts.tenancy import one, owned
from api.db import uuid7, wire_id
from api.features.models import Feature
from api.http.etags import Precondition
from api.http.representation import Representation
from api.problems import Conflict, NotFound
from api.roadmap import events
from api.roadmap.models import RoadmapItem, RoadmapOverride
from api.roadmap.rank import MOST_OVERRIDES
from api.roadmap.schemas import ItemShown, ItemWrite, OverrideShown, OverrideWrite
from api.stores import Prepared, Transaction, binds
from api.webhooks.outbox import emit

OVERRIDE = Representation(OverrideShown, RoadmapOverride.__table__, "roadmap_override")
ITEM = Representation(ItemShown, RoadmapItem.__table__, "roadmap_item")

# The lock keeps a DELETE of the feature from coming between this and the INSERT, whose foreign key would then fail.
_FEATURE = Prepared(
    select(Feature.id).where(owned(Feature), Feature.id == bindparam("id")).with_for_update(read=True, key_share=True)
)
_COUNT = Prepared(select(func.count()).where(owned(RoadmapOverride)))
_override = postgres_insert(RoadmapOverride).values(
    binds("workspace_id", "livemode", "id", "feature_id", "rank", "reason", "author", "expires_at")
)
_SET = Prepared(
    _override.on_conflict_do_update(
        index_elements=["workspace_id", "livemode", "feature_id"],
        set_={name: _override.excluded[name] for name in ("rank", "reason", "author", "expires_at")}
        | {"created_at": func.now(), "version": RoadmapOverride.version + 1},
    ).returning(OVERRIDE.text(), RoadmapOverride.version)
)
_CLEAR = Prepared(
    delete(RoadmapOverride)
    .where(owned(RoadmapOverride), RoadmapOverride.feature_id == bindparam("id"))
    .returning(RoadmapOverride.version)
)
_OVERRIDE_VERSION = Prepared(
    select(RoadmapOverride.version)
    .where(owned(RoadmapOverride), RoadmapOverride.feature_id == bindparam("id"))
    .with_for_update()
)
_item = postgres_insert(RoadmapItem).values(binds("workspace_id", "livemode", "id", "horizon", "team", "note"))
_PLACE = Prepared(
    _item.on_conflict_do_update(
        index_elements=["workspace_id", "livemode", "id"],
        set_={name: _item.excluded[name] for name in ("horizon", "team", "note")}
        | {"version": RoadmapItem.version + 1, "updated_at": func.now()},
    ).returning(ITEM.text(), RoadmapItem.version)
)
_ITEM_VERSION = Prepared(
    select(RoadmapItem.version).where(owned(RoadmapItem), RoadmapItem.id == bindparam("id")).with_for_update()
)
_TAKE_OFF = Prepared(
    delete(RoadmapItem).where(owned(RoadmapItem), RoadmapItem.id == bindparam("id")).returning(RoadmapItem.version)
)


class TooManyOverrides(Conflict):
    """Every place set by hand is no ranking any more."""

    code, title = "too_many_overrides", "The roadmap has too many overrides"


async def override(
    tx: Transaction, caller: Caller, feature_id: UUID, given: OverrideWrite, precondition: Precondition
) -> asyncpg.Record:
    """Set a feature's rank by hand, in place of an earlier one. It holds from the next reprioritisation on.

    Gives `json` and `version`. Raises NotFound, PreconditionFailed, TooManyOverrides.
    """
    await one(tx, _FEATURE, feature_id, "feature", "feat")
    seen = await tx.value(_OVERRIDE_VERSION, id=feature_id)
    precondition.check(seen)
    if await tx.value(_COUNT) >= MOST_OVERRIDES:
        raise TooManyOverrides(f"There are {MOST_OVERRIDES} overrides. Delete those that do not count any more.")
    row = await tx.first(
        _SET,
        id=uuid7(),
        feature_id=feature_id,
        rank=given.rank,
        reason=given.reason,
        author=caller.key_name,
        expires_at=given.expires_at,
    )
    assert row is not None
    _check_again(precondition, seen, row["version"])
    await emit(tx, events.OVERRIDE_SET, row["json"])
    return row


async def clear_override(tx: Transaction, feature_id: UUID, precondition: Precondition) -> None:
    """Let the score alone place the feature again. Raises NotFound, PreconditionFailed."""
    version = await tx.value(_CLEAR, id=feature_id)
    if version is None:
        raise NotFound(f"{wire_id('feat', feature_id)} has no override.")
    precondition.check(version)


async def place(tx: Transaction, feature_id: UUID, given: ItemWrite, precondition: Precondition) -> asyncpg.Record:
    """Say when a feature is meant to come and whose work it is. Gives `json` and `version`.

    Raises NotFound, PreconditionFailed.
    """
    await one(tx, _FEATURE, feature_id, "feature", "feat")
    seen = await tx.value(_ITEM_VERSION, id=feature_id)
    precondition.check(seen)
    row = await tx.first(_PLACE, id=feature_id, **given.model_dump())
    assert row is not None
    _check_again(precondition, seen, row["version"])
    return row


async def take_off(tx: Transaction, feature_id: UUID, precondition: Precondition) -> None:
    """Forget the horizon of a feature. Raises NotFound, PreconditionFailed."""
    version = await tx.value(_TAKE_OFF, id=feature_id)
    if version is None:
        raise NotFound(f"{wire_id('feat', feature_id)} has no horizon.")
    precondition.check(version)


def _check_again(precondition: Precondition, seen: int | None, written: int) -> None:
    """Where there was nothing to lock, somebody else may have been first."""
    if seen is None and written > 1:
        precondition.check(written - 1)
