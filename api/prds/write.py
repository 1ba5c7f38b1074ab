"""Draft and change PRDs, and tell of it."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import ColumnElement

from api import json
from api.accounts.tenancy import Resource, one
from api.db import uuid7
from api.http.etags import Precondition
from api.http.representation import Columns, Representation
from api.prds import events
from api.prds.models import Prd
from api.prds.schemas import SECTIONS, PrdCreate, PrdPatch, PrdShown, Sections
from api.stores import Transaction
from api.webhooks.outbox import emit


def _section(name: str) -> Callable[[Columns], ColumnElement[Any]]:
    return lambda columns: columns.sections[name]


PRD = Resource(Representation(PrdShown, Prd.__table__, "prd", {name: _section(name) for name in SECTIONS}))
_INSERT = PRD.insert("id", "title", "status", "sections")
_LOCK = PRD.lock("title", "sections")
_UPDATE = PRD.update("title", "sections")


async def create(tx: Transaction, prd: PrdCreate) -> tuple[UUID, asyncpg.Record]:
    """Gives the id and the row."""
    prd_id = uuid7()
    sections = json.dump(prd.model_dump(exclude={"title"}))
    row = await one(tx, _INSERT, prd_id, "PRD", "prd", title=prd.title, status="draft", sections=sections)
    await emit(tx, events.CREATED, row["json"])
    return prd_id, row


async def revise(tx: Transaction, prd_id: UUID, patch: PrdPatch, precondition: Precondition) -> asyncpg.Record:
    """Apply a merge patch. Raises NotFound, PreconditionFailed."""
    row = await one(tx, _LOCK, prd_id, "PRD", "prd")
    precondition.check(row["version"])
    current = {"title": row["title"]} | row["sections"]
    empty = Sections().model_dump()
    wanted = {name: empty.get(name) if value is None else value for name, value in patch.changes(current).items()}
    changes = {name: value for name, value in wanted.items() if value != current.get(name)}
    if not changes:
        return await PRD.read(tx, prd_id)
    values = current | changes
    title = values.pop("title")
    changed = await one(tx, _UPDATE, prd_id, "PRD", "prd", title=title, sections=json.dump(values))
    await emit(tx, events.UPDATED, f'{changed["json"][:-1]},"changed":{json.dump(sorted(changes))}}}')
    return changed
