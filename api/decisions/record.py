"""Record a decision: freeze it with its verdict, put it into the chain, and tell of it."""

from datetime import UTC, datetime
from uuid import UUID

import asyncpg

from api import json
from api.accounts.tenancy import one
from api.db import wire_id
from api.decisions import chain, events
from api.decisions.draft import DECISION, lock_draft
from api.decisions.schemas import Verdict
from api.http.etags import Precondition
from api.problems import Conflict, invalid_field
from api.stores import Transaction
from api.webhooks.outbox import emit

_LOCK = DECISION.lock("status", "options")
_RECORD = DECISION.update(
    "status",
    "chosen",
    "rationale",
    "decided_by",
    "decided_at",
    "confidence",
    "votes",
    "review_at",
    "recorded_at",
)


class AlreadyRecorded(Conflict):
    """Another request got there first, or this one came twice without an idempotency key."""

    code, title = "already_recorded", "The decision is recorded already"


async def record(tx: Transaction, decision_id: UUID, verdict: Verdict, precondition: Precondition) -> asyncpg.Record:
    """Freeze the decision with its verdict and emit `decision.recorded`.

    Raises NotFound, AlreadyRecorded when another request got there first, Invalid when no option has the chosen key.
    """
    await chain.hold(tx)
    row = await lock_draft(tx, decision_id, _LOCK)
    if row is None:
        raise AlreadyRecorded(f"{wire_id('dec', decision_id)} was recorded before. Read it to see what was chosen.")
    precondition.check(row["version"])
    _check_keys(verdict, [option["key"] for option in row["options"]])
    now = datetime.now(UTC)
    if verdict.decided_at is not None and verdict.decided_at > now:
        raise invalid_field("/decided_at", "lies in the future", "in_the_future")
    values = verdict.model_dump() | {"votes": json.dump([vote.model_dump() for vote in verdict.votes])}
    await one(tx, _RECORD, decision_id, "decision", "dec", status="recorded", recorded_at=now, **values)
    await chain.append(tx, "decision", decision_id)
    recorded = await DECISION.read(tx, decision_id)
    await emit(tx, events.RECORDED, recorded["json"])
    return recorded


def _check_keys(verdict: Verdict, keys: list[str]) -> None:
    if verdict.chosen not in keys:
        raise invalid_field("/chosen", f"is none of the options: {', '.join(keys)}", "unknown_option")
    for index, vote in enumerate(verdict.votes):
        if vote.choice not in keys:
            message = f"is none of the options: {', '.join(keys)}"
            raise invalid_field(f"/votes/{index}/choice", message, "unknown_option")
