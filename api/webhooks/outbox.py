"""The outbox: an event and its deliveries, written in the transaction of the change that they tell of."""

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import Text, bindparam, case, func, insert, literal, literal_column, select
from sqlalchemy.dialects.postgresql import ARRAY

from api import json
from api.accounts.tenancy import insert_owned, owned
from api.db import uuid7, wire_id
from api.stores import Prepared, Transaction
from api.webhooks.catalogue import EventType
from api.webhooks.models import Delivery, Endpoint, Event

MOST_BODY_BYTES = 20_000
BELL_CHANNEL = "roadbed_due"

_event = insert_owned(Event.__table__, "id", "type", "body").returning(Event.id).cte("event")
_wanting = select(
    Endpoint.workspace_id,
    Endpoint.livemode,
    literal_column("event.id"),
    Endpoint.id,
    case((Endpoint.enabled, "pending"), else_="held"),
).select_from(Endpoint.__table__.join(_event, literal(True)))


def _emit_to(*conditions: object) -> Prepared:
    """Event, deliveries and bell in one statement. A NOTIFY is sent by Postgres at commit, and only then."""
    wanting = _wanting.where(owned(Endpoint), *conditions)  # type: ignore[arg-type]
    columns = ["workspace_id", "livemode", "event_id", "endpoint_id", "status"]
    due = insert(Delivery).from_select(columns, wanting).returning(Delivery.id).cte("due")
    rung = case((func.count() > 0, func.pg_notify(BELL_CHANNEL, "")))
    return Prepared(select(func.count(), func.min(due.c.id.cast(Text)), rung).select_from(due))


_EMIT = _emit_to(Endpoint.event_types.overlap(bindparam("patterns", type_=ARRAY(Text))))
_EMIT_TO_ONE = _emit_to(Endpoint.id == bindparam("endpoint_id"))


async def emit(tx: Transaction, event_type: EventType, data: str) -> UUID:
    """Write the event, and one due delivery for each endpoint that wants it. `data` is the snapshot as JSON text.

    Past 20 kB the snapshot is cut to its id, object and version (`"thin": true`): the receiver reads the rest.
    """
    event_id = uuid7()
    body = event_body(tx, event_id, event_type, data)
    row = await tx.first(_EMIT, id=event_id, type=event_type.name, body=body, patterns=event_type.patterns)
    if row is not None and row[0]:
        tx.ring_on_commit()
    return event_id


async def emit_to_one(tx: Transaction, event_type: EventType, data: str, endpoint_id: UUID) -> UUID:
    """Write the event for this endpoint alone, whatever it subscribes to. Gives the delivery's id."""
    event_id = uuid7()
    body = event_body(tx, event_id, event_type, data)
    row = await tx.first(_EMIT_TO_ONE, id=event_id, type=event_type.name, body=body, endpoint_id=endpoint_id)
    assert row is not None
    assert row[1] is not None
    tx.ring_on_commit()
    return UUID(row[1])


def event_body(tx: Transaction, event_id: UUID, event_type: EventType, data: str) -> str:
    """The body as it will be signed and sent, byte for byte."""
    assert tx.scope.workspace_id is not None
    head = json.dump(
        {
            "id": wire_id("evt", event_id),
            "type": event_type.name,
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "workspace_id": wire_id("ws", tx.scope.workspace_id),
            "livemode": tx.scope.livemode,
        }
    )
    body = f'{head[:-1]},"data":{data}}}'
    if len(body.encode()) <= MOST_BODY_BYTES:
        return body
    kept = {name: value for name, value in json.load(data).items() if name in ("id", "object", "version")}
    return f'{head[:-1]},"data":{json.dump(kept | {"thin": True})}}}'
