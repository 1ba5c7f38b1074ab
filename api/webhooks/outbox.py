"""The outbox: events and their deliveries, written in the transaction of the change that they tell of."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import text

from api import json
from api.db import uuid7, wire_id
from api.stores import Prepared, Transaction
from api.webhooks.catalogue import EventType

MOST_BODY_BYTES = 20_000
BELL_CHANNEL = "roadbed_due"
MOST_NAMED = 16
IN_ORDER = "in_order"
_BELL = {"channel": BELL_CHANNEL, "named": MOST_NAMED, "in_order": IN_ORDER}
# For whoever makes deliveries due in another way than by an event: it names nobody.
RING = Prepared(text(f"SELECT pg_notify('{BELL_CHANNEL}', '')"))
# Every snapshot begins with its resource's id: what an endpoint that wants order within an entity goes by.
_SUBJECT = re.compile(r'\{"id"\s*:\s*"([a-z]+_[0-9a-z]{26})"')
_KEPT_WHEN_THIN = ("id", "object", "version", "changed")

# Events, one delivery for each endpoint that wants it, and the bell, in one statement however many there are. A NOTIFY
# is sent by Postgres at the commit, and only then. It names the endpoints (workers/bell), unless they are many.
_EMIT = """
WITH event AS (
    INSERT INTO events (workspace_id, livemode, id, type, body, trace_id)
    SELECT CAST(:workspace_id AS uuid), CAST(:livemode AS boolean), given.id, :type, given.body, :trace_id
    FROM unnest(CAST(:ids AS uuid[]), CAST(:bodies AS text[])) AS given (id, body)
), due AS (
    INSERT INTO deliveries (workspace_id, livemode, event_id, event_type, endpoint_id, status, order_key)
    SELECT endpoint.workspace_id, endpoint.livemode, given.id, :type, endpoint.id, {status},
           CASE endpoint.ordering WHEN 'entity' THEN given.subject WHEN 'endpoint' THEN '' END
    FROM endpoints AS endpoint
    CROSS JOIN unnest(CAST(:ids AS uuid[]), CAST(:snapshots AS text[]), CAST(:subjects AS text[]))
        WITH ORDINALITY AS given (id, snapshot, subject, number)
    WHERE endpoint.workspace_id = :workspace_id AND endpoint.livemode = :livemode AND {wanted}
    ORDER BY given.number
    RETURNING id, endpoint_id, order_key
)
SELECT count(*), min(id::text), CASE WHEN count(*) > 0 THEN pg_notify('{channel}', CASE WHEN count(*) <= {named} THEN
    concat_ws('/', CAST(:workspace_id AS uuid), CASE WHEN :livemode THEN 'true' ELSE 'false' END,
              coalesce(string_agg(endpoint_id::text, ',') FILTER (WHERE order_key IS NULL), ''),
              CASE WHEN bool_or(order_key IS NOT NULL) THEN '{in_order}' END)
    ELSE '' END) END
FROM due"""

_TO_ALL = Prepared(
    text(
        _EMIT.format(
            **_BELL,
            status="CASE WHEN endpoint.enabled THEN 'pending' ELSE 'held' END",
            wanted="endpoint.event_types && CAST(:patterns AS text[]) AND "
            "CASE WHEN endpoint.condition IS NULL THEN true "
            "ELSE roadbed_matches(endpoint.condition, given.snapshot) END",
        )
    )
)
# Also to a disabled endpoint: that is how it is tried.
_TO_ONE = Prepared(text(_EMIT.format(**_BELL, status="'pending'", wanted="endpoint.id = :endpoint_id")))


async def emit(tx: Transaction, event_type: EventType, data: str) -> UUID:
    """Write the event, and one due delivery for each endpoint that wants it. `data` is the snapshot as JSON text.

    Past 20 kB the snapshot is cut to its id, object and version (`"thin": true`): the receiver reads the rest.
    """
    [event_id] = await emit_many(tx, event_type, [data])
    return event_id


async def emit_many(tx: Transaction, event_type: EventType, snapshots: Sequence[str]) -> list[UUID]:
    """What `emit` does for one snapshot, for all of these in one statement. Gives the events' ids."""
    if not snapshots:
        return []
    values = _values(tx, event_type, snapshots)
    row = await tx.first(_TO_ALL, **values, patterns=event_type.patterns)
    if row is not None and row[0]:
        tx.ring_on_commit()
    ids: list[UUID] = values["ids"]  # type: ignore[assignment]
    return ids


async def emit_to_one(tx: Transaction, event_type: EventType, data: str, endpoint_id: UUID) -> UUID:
    """Write the event for this endpoint alone, whatever it subscribes to. Gives the delivery's id."""
    row = await tx.first(_TO_ONE, **_values(tx, event_type, [data]), endpoint_id=endpoint_id)
    assert row is not None
    assert row[1] is not None
    tx.ring_on_commit()
    return UUID(row[1])


def written_once(data: str) -> str:
    """The snapshot of what never changes, with the version that such things have in events.

    >>> written_once('{"id":"score_01"}')
    '{"id":"score_01","version":1}'
    """
    return f'{data[:-1]},"version":1}}'


def deleted(data: str) -> str:
    """The last snapshot of what was deleted, under the version after it: a deletion is a change, and comes last.

    >>> deleted('{"id":"feat_01","version":2}')
    '{"id":"feat_01","version":3}'
    """
    last = json.load(data)
    return json.dump(last | {"version": last["version"] + 1})


def thin(body: str) -> str:
    """The body with its data cut to what names it: id, object, version, and the names of what changed."""
    event = json.load(body)
    kept = {name: value for name, value in event["data"].items() if name in _KEPT_WHEN_THIN}
    return json.dump(event | {"data": kept | {"thin": True}})


def event_body(tx: Transaction, event_id: UUID, event_type: EventType, data: str) -> str:
    """The body as it will be signed and sent, byte for byte."""
    assert tx.scope.workspace_id is not None
    now = datetime.now(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
    livemode = "true" if tx.scope.livemode else "false"
    # None of these values has a character that JSON would write otherwise.
    body = (
        f'{{"id":"{wire_id("evt", event_id)}","type":"{event_type.name}","timestamp":"{now}Z",'
        f'"workspace_id":"{wire_id("ws", tx.scope.workspace_id)}","livemode":{livemode},"data":{data}}}'
    )
    return body if len(body.encode()) <= MOST_BODY_BYTES else thin(body)


def _values(tx: Transaction, event_type: EventType, snapshots: Sequence[str]) -> dict[str, object]:
    ids = [uuid7() for _ in snapshots]
    return {
        "type": event_type.name,
        "trace_id": tx.trace_id,
        "ids": ids,
        "bodies": [event_body(tx, id_, event_type, data) for id_, data in zip(ids, snapshots, strict=True)],
        "snapshots": list(snapshots),
        "subjects": [match[1] if (match := _SUBJECT.match(data)) else None for data in snapshots],
    }
