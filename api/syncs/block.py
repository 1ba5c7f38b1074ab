"""Blockers: opened, escalated, resolved, and each told."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import ColumnElement, Integer, bindparam, case, cast, func, literal_column, select

from api import json
from api.accounts.tenancy import Resource, one, owned
from api.db import uuid7, wire_id
from api.features.models import Feature
from api.http.etags import Precondition
from api.http.representation import Columns, Representation
from api.problems import Conflict, invalid_field
from api.stores import Prepared, Transaction
from api.syncs import events
from api.syncs.models import Blocker
from api.syncs.schemas import BlockerCreate, BlockerPatch, BlockerShown
from api.webhooks.outbox import emit

WRITABLE = ("title", "owner", "severity", "description", "escalated_to", "resolution")
_DAYS = {"high": 2, "medium": 5, "low": 10}


def _age(columns: Columns) -> ColumnElement[Any]:
    ended = func.coalesce(columns.resolved_at, func.now())
    return cast(func.greatest(func.floor(func.date_part("epoch", ended - columns.created_at) / 86_400), 0), Integer)


def _overdue(columns: Columns) -> ColumnElement[Any]:
    limit = case(*((columns.severity == name, days) for name, days in _DAYS.items()), else_=_DAYS["medium"])
    late = func.now() > columns.created_at + limit * literal_column("interval '1 day'")
    return (columns.status != literal_column("'resolved'")) & late


BLOCKER = Resource(Representation(BlockerShown, Blocker.__table__, "blocker", {"age_days": _age, "overdue": _overdue}))
_INSERT = BLOCKER.insert("id", "title", "owner", "severity", "description", "feature_id", "status")
_LOCK = BLOCKER.lock("status", "escalated_at", "resolved_at", *WRITABLE)
_UPDATE = BLOCKER.update("status", "escalated_at", "resolved_at", *WRITABLE)
_FEATURE = Prepared(select(Feature.id).where(owned(Feature), Feature.id == bindparam("id")))


class BlockerResolved(Conflict):
    """What is out of the way stays so."""

    code, title = "blocker_resolved", "The blocker is resolved"


async def open_blocker(tx: Transaction, blocker: BlockerCreate) -> tuple[UUID, asyncpg.Record]:
    """Gives the id and the row. Raises Invalid for a feature that is not here."""
    if blocker.feature_id is not None and await tx.value(_FEATURE, id=blocker.feature_id) is None:
        raise invalid_field("/feature_id", "there is no such feature here", "unknown_feature")
    blocker_id = uuid7()
    row = await one(tx, _INSERT, blocker_id, "blocker", "blk", status="open", **blocker.model_dump())
    await emit(tx, events.OPENED, row["json"])
    return blocker_id, row


async def change(tx: Transaction, blocker_id: UUID, patch: BlockerPatch, precondition: Precondition) -> asyncpg.Record:
    """Escalate, resolve, or put right. Raises NotFound, PreconditionFailed, BlockerResolved."""
    row = await one(tx, _LOCK, blocker_id, "blocker", "blk")
    precondition.check(row["version"])
    changes = patch.changes({name: row[name] for name in WRITABLE})
    if not changes:
        return await BLOCKER.read(tx, blocker_id)
    if row["status"] == "resolved":
        raise BlockerResolved(f"{wire_id('blk', blocker_id)} is resolved. Open another one if it is back.")
    values = {name: row[name] for name in (*WRITABLE, "escalated_at", "resolved_at")} | changes
    status, now = row["status"], datetime.now(UTC)
    if changes.get("escalated_to"):
        status, values["escalated_at"] = "escalated", now
    elif values["escalated_to"] is None:
        status, values["escalated_at"] = "open", None
    if values["resolution"]:
        status, values["resolved_at"] = "resolved", now
    changed = await one(tx, _UPDATE, blocker_id, "blocker", "blk", status=status, **values)
    await _tell(tx, changed["json"], changes)
    return changed


async def _tell(tx: Transaction, shown: str, changes: dict[str, Any]) -> None:
    if changes.get("escalated_to"):
        await emit(tx, events.ESCALATED, shown)
    if changes.get("resolution"):
        await emit(tx, events.RESOLVED, shown)
    if not (changes.get("escalated_to") or changes.get("resolution")):
        await emit(tx, events.BLOCKER_UPDATED, f'{shown[:-1]},"changed":{json.dump(sorted(changes))}}}')
