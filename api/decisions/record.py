"""Record a decision: freeze it with its verdict, and tell of it."""

from datetime import UTC, datetime
from uuid import UUID

import asyncpg

from api.accounts.tenancy import one
from api.db import wire_id
from api.decisions import events
from api.decisions.draft import DECISION
from api.decisions.schemas import Verdict
from api.http.etags import Precondition
from api.problems import Conflict, invalid_field
from api.stores import Transaction
from api.webhooks.outbox import emit

_LOCK = DECISION.lock("status", "options")
_RECORD = DECISION.update("status", "chosen", "rationale", "decided_by", "review_at", "recorded_at")


class AlreadyRecorded(Conflict):
    """Another request got there first, or this one came twice without an idempotency key."""

    code, title = "already_recorded", "The decision is recorded already"


async def record(tx: Transaction, decision_id: UUID, verdict: Verdict, precondition: Precondition) -> asyncpg.Record:
    """Freeze the decision with its verdict and emit `decision.recorded`.

    Raises NotFound, AlreadyRecorded when another request got there first, Invalid when no option has the chosen key.
    """
    row = await one(tx, _LOCK, decision_id, "decision", "dec")
    if row["status"] == "recorded":
        raise AlreadyRecorded(f"{wire_id('dec', decision_id)} was recorded before. Read it to see what was chosen.")
    precondition.check(row["version"])
    keys = [option["key"] for option in row["options"]]
    if verdict.chosen not in keys:
        raise invalid_field("/chosen", f"is none of the options: {', '.join(keys)}", "unknown_option")
    recorded = await one(
        tx,
        _RECORD,
        decision_id,
        "decision",
        "dec",
        status="recorded",
        recorded_at=datetime.now(UTC),
        **verdict.model_dump(),
    )
    await emit(tx, events.RECORDED, recorded["json"])
    return recorded
