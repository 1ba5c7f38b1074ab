"""Expunge an event: its payload is gone for good, and what receivers answered, who often repeat what they got. That it
happened and what came of it stays."""

from uuid import UUID

import asyncpg
from sqlalchemy import bindparam, func, literal_column, select, text, update

from api import json
from api.accounts.tenancy import one, owned
from api.db import wire_id
from api.problems import Conflict
from api.stores import Prepared, Transaction
from api.webhooks.log import EVENT
from api.webhooks.models import Event
from api.webhooks.replay import LOCK_EXPUNGE, SHARE_EXPUNGE

_READ = Prepared(select(EVENT.text(), Event.body, Event.expunged_at).where(owned(Event), Event.id == bindparam("id")))
_EXPUNGE = Prepared(
    update(Event)
    .values(body=bindparam("marked"), expunged_at=func.now())
    .where(owned(Event), Event.id == bindparam("id"))
    .returning(EVENT.text())
)
# What waits to be sent never will be. The claim goes too, so that an attempt under way has nothing to write back to.
_STOP = Prepared(
    text(
        "UPDATE deliveries SET status = 'dead', last_error = 'expunged', claim = NULL, leased_until = NULL, "
        "finished_at = now() WHERE workspace_id = :workspace_id AND livemode = :livemode AND event_id = :id "
        "AND status IN ('pending', 'held')"
    )
)
_FORGET_ANSWERS = Prepared(
    text(
        """
UPDATE attempts AS attempt SET response_headers = NULL, response_body = NULL
FROM deliveries AS delivery
WHERE delivery.workspace_id = :workspace_id AND delivery.livemode = :livemode AND delivery.event_id = :id
  AND attempt.workspace_id = :workspace_id AND attempt.livemode = :livemode AND attempt.delivery_id = delivery.id"""
    )
)
_EXPUNGED = Prepared(
    select(literal_column("1")).where(owned(Event), Event.id == bindparam("id"), Event.expunged_at.is_not(None))
)


class EventExpunged(Conflict):
    """What was expunged cannot be sent."""

    code, title = "event_expunged", "The event was expunged"


async def expunge(tx: Transaction, event_id: UUID) -> asyncpg.Record:
    """Replace the event's data by a marker, and stop what has not been delivered. Twice is as good as once.

    Raises NotFound.
    """
    await tx.run(LOCK_EXPUNGE)
    row = await one(tx, _READ, event_id, "event", "evt")
    if row["expunged_at"] is not None:
        return row
    marked = json.dump(json.load(row["body"]) | {"data": {"expunged": True}})
    row = await one(tx, _EXPUNGE, event_id, "event", "evt", marked=marked)
    # In the order in which workers lock them.
    await tx.run(_FORGET_ANSWERS, id=event_id)
    await tx.run(_STOP, id=event_id)
    return row


async def check_not_expunged(tx: Transaction, event_id: UUID) -> None:
    """Raises EventExpunged. Until the transaction ends the event stays as it is."""
    await tx.run(SHARE_EXPUNGE)
    if await tx.value(_EXPUNGED, id=event_id) is not None:
        message = f"The payload of {wire_id('evt', event_id)} was expunged: there is nothing left to send."
        raise EventExpunged(message)
