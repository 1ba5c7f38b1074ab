"""Make and change drafts; each is analysed as it is written."""

from typing import Any
from uuid import UUID

import asyncpg

from api import json
from api.accounts.tenancy import Resource, one
from api.db import uuid7, wire_id
from api.decisions.analyse import analyse, missing_ratings
from api.decisions.models import Decision
from api.decisions.schemas import DecisionCreate, DecisionPatch, DecisionShown
from api.http.etags import Precondition
from api.http.representation import Representation
from api.problems import Conflict
from api.stores import Transaction

DECISION = Resource(Representation(DecisionShown, Decision.__table__, "decision"))
_JSON = ("options", "criteria", "ratings")
WRITABLE = ("title", "kind", "context", *_JSON)
_DERIVED = ("missing_ratings", "analysis")
_INSERT = DECISION.insert("id", "status", *WRITABLE, *_DERIVED)
_LOCK = DECISION.lock("status", *WRITABLE)
_UPDATE = DECISION.update(*WRITABLE, *_DERIVED)


class DecisionFrozen(Conflict):
    """A recorded decision is never edited."""

    code, title = "decision_frozen", "The decision is recorded and cannot change"


async def draft(tx: Transaction, decision: DecisionCreate) -> tuple[UUID, asyncpg.Record]:
    """Gives the id and the row. Raises Invalid that points into the matrix."""
    decision_id = uuid7()
    values = _columns(decision.model_dump())
    row = await one(tx, _INSERT, decision_id, "decision", "dec", status="draft", **values)
    return decision_id, row


async def revise(
    tx: Transaction, decision_id: UUID, patch: DecisionPatch, precondition: Precondition
) -> asyncpg.Record:
    """Apply a merge patch to a draft. Raises NotFound, DecisionFrozen, PreconditionFailed, Invalid."""
    row = await one(tx, _LOCK, decision_id, "decision", "dec")
    refuse_frozen(decision_id, row["status"])
    precondition.check(row["version"])
    current = {name: row[name] for name in WRITABLE}
    changes = patch.changes(current)
    if not changes:
        return await DECISION.read(tx, decision_id)
    values = _columns(current | changes)
    return await one(tx, _UPDATE, decision_id, "decision", "dec", **values)


def refuse_frozen(decision_id: UUID, status: str) -> None:
    if status == "recorded":
        name = wire_id("dec", decision_id)
        raise DecisionFrozen(f"{name} is recorded: it stays as it was decided. Draft a new decision to replace it.")


def _columns(values: dict[str, Any]) -> dict[str, Any]:
    """The columns of these values, with what follows from them."""
    matrix = values["options"], values["criteria"], values["ratings"]
    missing = missing_ratings(*matrix)
    analysis = analyse(*matrix) if values["criteria"] and not missing else None
    shown = {name: json.dump(values[name]) for name in _JSON}
    return values | shown | {"missing_ratings": json.dump(missing), "analysis": analysis and json.dump(analysis)}
