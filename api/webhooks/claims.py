"""Claim what is due: a lease on each row, many rows at once, endpoints in turn.

Three statements, in plain SQL because they are the heart of the delivery system and are read more than written:

* `_DUE` looks at the deliveries that have waited longest, and takes from each endpoint no more than it has room for.
* `_WALK` goes from endpoint to endpoint, a bounded number at a time and each time from where it stopped, and `_LANES`
  claims from those. They are asked when `_DUE` saw little but deliveries of endpoints that are blocked or full, whose
  backlog must not hide the others.
* `_ORDERED` takes a run of deliveries in order from endpoints that want that. The lanes are locked by a statement of
  their own first, so that what it sees is newer than what any other worker claimed.

A claim writes the attempt's row before its request leaves, and the attempt's id is the fence: a worker that was away
past its lease cannot complete what another has claimed since.
"""

import json
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import asyncpg
from sqlalchemy import text

from api.stores import Prepared, Transaction

MOST_LANES = 256
MOST_ORDERED_LANES = 64
# So many of the longest waiting are looked at for each that may be taken.
WINDOW_FACTOR = 2
NO_LANE = (UUID(int=0), False, UUID(int=0))

Lane = tuple[UUID, bool, UUID]
# How many more deliveries each of these endpoints takes now, by id. Those not named take their `max_in_flight`.
Room = dict[str, int]


class Receiver(NamedTuple):
    """What the deliveries of one endpoint have in common. `sealed` are its live keys, oldest first."""

    url: str
    payload: str
    schedule: list[int] | None
    max_in_flight: int
    rate_per_s: int | None
    sealed_headers: bytes | None
    sealed: list[bytes]


class Message(NamedTuple):
    """What the deliveries of one event have in common."""

    type: str
    body: str
    trace_id: str | None

    @property
    def id(self) -> str:
        """The event's wire id, as its body begins with it (outbox.event_body): cheaper than making it again."""
        return self.body[7:37]


class Claimed(NamedTuple):
    """A delivery to send now. `attempt_id` is the claim.

    `watched` says that the endpoint has failed lately, `probe` that its breaker is open and this one tries it.
    Deliveries with one `order_key` of one endpoint go one after the other; None goes by itself.
    """

    workspace_id: UUID
    livemode: bool
    delivery_id: UUID
    attempt_id: UUID
    endpoint_id: UUID
    event_id: UUID
    number: int
    failures: int
    order_key: str | None
    watched: bool
    probe: bool
    receiver: Receiver
    message: Message

    @property
    def lane(self) -> Lane:
        return self.workspace_id, self.livemode, self.endpoint_id


# What is taken from `chosen`, in every statement: lease, log, and all that the requests need. A row is found again by
# its place (ctid), which holds for what this statement's snapshot sees; what was changed since is left for the next
# claim. Events and endpoints come once, with the first of their deliveries: a batch names few of each many times.
_TAKE = """
taken AS (
    SELECT delivery.ctid AS at, chosen.watched, chosen.probe
    FROM chosen JOIN deliveries AS delivery ON delivery.ctid = chosen.at
    WHERE delivery.status = 'pending' AND delivery.due_at <= now()
      AND (delivery.leased_until IS NULL OR delivery.leased_until <= now())
    FOR UPDATE OF delivery SKIP LOCKED
), claimed AS (
    UPDATE deliveries AS delivery
    SET leased_until = now() + CAST(:lease_s AS float8) * interval '1 second',
        claim = uuidv7(),
        attempt_count = attempt_count + 1
    FROM taken
    WHERE delivery.ctid = taken.at
    RETURNING delivery.workspace_id, delivery.livemode, delivery.id, delivery.claim, delivery.event_id,
              delivery.endpoint_id, delivery.attempt_count, delivery.failures, delivery.order_key, delivery.xid,
              taken.watched, taken.probe
), logged AS (
    INSERT INTO attempts (workspace_id, livemode, id, delivery_id, endpoint_id, number)
    SELECT workspace_id, livemode, claim, id, endpoint_id, attempt_count FROM claimed
), probing AS (
    -- The probe is alone: until it has answered, or its lease ends, the endpoint stays blocked for the others.
    UPDATE endpoint_health AS health
    SET blocked_until = now() + CAST(:lease_s AS float8) * interval '1 second'
    FROM claimed
    WHERE claimed.probe AND health.workspace_id = claimed.workspace_id AND health.livemode = claimed.livemode
      AND health.endpoint_id = claimed.endpoint_id
), first AS (
    SELECT claimed.*,
           CASE WHEN row_number() OVER (PARTITION BY endpoint_id) = 1 THEN endpoint_id END AS first_of_endpoint,
           CASE WHEN row_number() OVER (PARTITION BY event_id) = 1 THEN event_id END AS first_of_event
    FROM claimed
)
SELECT work.*, looked.*
FROM looked LEFT JOIN (
    SELECT first.workspace_id, first.livemode, first.id AS delivery_id, first.claim AS attempt_id,
           first.endpoint_id, first.event_id, first.attempt_count AS number, first.failures,
           first.order_key, first.watched, first.probe, first.xid,
           event.type, event.body, event.trace_id,
           endpoint.url, endpoint.payload, endpoint.schedule, endpoint.max_in_flight, endpoint.rate_per_s,
           endpoint.sealed_headers, endpoint.sealed
    FROM first
    LEFT JOIN LATERAL (
        SELECT event.type, event.body, event.trace_id FROM events AS event
        WHERE event.workspace_id = first.workspace_id AND event.livemode = first.livemode
          AND event.id = first.first_of_event
    ) AS event ON true
    LEFT JOIN LATERAL (
        SELECT endpoint.*, ARRAY(
            SELECT secret.sealed FROM endpoint_secrets AS secret
            WHERE secret.workspace_id = endpoint.workspace_id AND secret.livemode = endpoint.livemode
              AND secret.endpoint_id = endpoint.id AND (secret.expires_at IS NULL OR secret.expires_at > now())
            ORDER BY secret.created_at, secret.id
        ) AS sealed
        FROM endpoints AS endpoint
        WHERE endpoint.workspace_id = first.workspace_id AND endpoint.livemode = first.livemode
          AND endpoint.id = first.first_of_endpoint
    ) AS endpoint ON true
) AS work ON true
ORDER BY work.xid, work.delivery_id
"""

# From candidates, those whose endpoint is not blocked, and of each endpoint as many as it has room for: first the
# longest waiting of each, then the second of each, and so on. An endpoint is looked at once, however many wait for it.
_CHOOSE = """
line AS (
    SELECT workspace_id, livemode, endpoint_id,
           array_agg(at ORDER BY due_at, id) AS at, array_agg(due_at ORDER BY due_at, id) AS due_at
    FROM candidate GROUP BY workspace_id, livemode, endpoint_id
), open_line AS (
    SELECT line.endpoint_id, line.at, line.due_at,
           CASE WHEN health.breaker = 'open' THEN 1
                ELSE coalesce((CAST(:room AS jsonb) ->> endpoint.id::text)::integer, endpoint.max_in_flight)
           END AS most,
           health.endpoint_id IS NOT NULL AS watched, coalesce(health.breaker = 'open', false) AS probe
    FROM line
    JOIN endpoints AS endpoint
      ON endpoint.workspace_id = line.workspace_id AND endpoint.livemode = line.livemode
     AND endpoint.id = line.endpoint_id
    LEFT JOIN endpoint_health AS health
      ON health.workspace_id = line.workspace_id AND health.livemode = line.livemode
     AND health.endpoint_id = line.endpoint_id
    WHERE health.blocked_until IS NULL OR health.blocked_until <= now()
), chosen AS (
    SELECT waiting.at, open_line.watched, open_line.probe
    FROM open_line
    CROSS JOIN LATERAL unnest(open_line.at[: open_line.most], open_line.due_at[: open_line.most])
        WITH ORDINALITY AS waiting (at, due_at, place)
    ORDER BY waiting.place, waiting.due_at
    LIMIT :most
)"""


def _prepared(*parts: str) -> Prepared:
    return Prepared(text(", ".join(parts)))


# What the claimer goes by until it looks again. Leases that run out are left to the sweep, and what waits in order to
# the worker that let it wait.
_LOOKED = """
looked AS (
    SELECT (SELECT count(*) FROM candidate) AS seen,
           ARRAY(SELECT endpoint_id FROM open_line WHERE cardinality(at) > most) AS crowded,
           EXISTS (SELECT FROM deliveries WHERE status = 'pending' AND order_key IS NOT NULL) AS in_order,
           extract(epoch FROM least(
               (SELECT min(due_at) FROM deliveries
                WHERE status = 'pending' AND order_key IS NULL AND due_at > now()),
               (SELECT min(blocked_until) FROM endpoint_health WHERE blocked_until > now())
           ) - now())::float8 AS next_s
)"""
_LOOKED_AT_NOTHING = "looked AS (SELECT)"
_DUE = _prepared(
    """
WITH candidate AS (
    SELECT ctid AS at, workspace_id, livemode, id, endpoint_id, due_at
    FROM deliveries
    WHERE status = 'pending' AND order_key IS NULL AND due_at <= now()
      AND (leased_until IS NULL OR leased_until <= now())
    ORDER BY due_at
    LIMIT :seen
)""",
    _CHOOSE,
    _LOOKED,
    _TAKE,
)
_WALK = _prepared(
    """
WITH RECURSIVE lane AS (
    (
        SELECT workspace_id, livemode, endpoint_id, 1 AS number FROM deliveries
        WHERE status = 'pending' AND order_key IS NULL
          AND (workspace_id, livemode, endpoint_id)
            > (CAST(:last_workspace AS uuid), CAST(:last_mode AS boolean), CAST(:last_endpoint AS uuid))
        ORDER BY workspace_id, livemode, endpoint_id LIMIT 1
    )
    UNION ALL
    SELECT next.workspace_id, next.livemode, next.endpoint_id, lane.number + 1
    FROM lane CROSS JOIN LATERAL (
        SELECT workspace_id, livemode, endpoint_id FROM deliveries
        WHERE status = 'pending' AND order_key IS NULL
          AND (workspace_id, livemode, endpoint_id) > (lane.workspace_id, lane.livemode, lane.endpoint_id)
        ORDER BY workspace_id, livemode, endpoint_id LIMIT 1
    ) AS next
    WHERE lane.number < :lanes
)
SELECT workspace_id, livemode, endpoint_id FROM lane ORDER BY number"""
)
_GIVEN_LANES = """
WITH lane AS (
    SELECT * FROM unnest(CAST(:workspaces AS uuid[]), CAST(:modes AS boolean[]), CAST(:endpoints AS uuid[]))
        AS lane (workspace_id, livemode, endpoint_id)
)"""
_LANES = _prepared(
    _GIVEN_LANES,
    """
candidate AS (
    SELECT due.* FROM lane CROSS JOIN LATERAL (
        SELECT delivery.ctid AS at, delivery.workspace_id, delivery.livemode, delivery.id, delivery.endpoint_id,
               delivery.due_at
        FROM deliveries AS delivery
        WHERE delivery.status = 'pending' AND delivery.order_key IS NULL AND delivery.due_at <= now()
          AND delivery.workspace_id = lane.workspace_id AND delivery.livemode = lane.livemode
          AND delivery.endpoint_id = lane.endpoint_id
          AND (delivery.leased_until IS NULL OR delivery.leased_until <= now())
        ORDER BY delivery.due_at LIMIT :each
    ) AS due
)""",
    _CHOOSE,
    _LOOKED_AT_NOTHING,
    _TAKE,
)
# Lanes in order, free of us and of other workers. The lock ends with the transaction, that is with the claim.
_LOCK_ORDERED = _prepared(
    """
WITH RECURSIVE lane AS (
    (
        SELECT workspace_id, livemode, endpoint_id, 1 AS number FROM deliveries
        WHERE status = 'pending' AND order_key IS NOT NULL
        ORDER BY workspace_id, livemode, endpoint_id LIMIT 1
    )
    UNION ALL
    SELECT next.workspace_id, next.livemode, next.endpoint_id, lane.number + 1
    FROM lane CROSS JOIN LATERAL (
        SELECT workspace_id, livemode, endpoint_id FROM deliveries
        WHERE status = 'pending' AND order_key IS NOT NULL
          AND (workspace_id, livemode, endpoint_id) > (lane.workspace_id, lane.livemode, lane.endpoint_id)
        ORDER BY workspace_id, livemode, endpoint_id LIMIT 1
    ) AS next
    WHERE lane.number < :lanes
), free AS MATERIALIZED (
    SELECT lane.workspace_id, lane.livemode, lane.endpoint_id
    FROM lane
    LEFT JOIN endpoint_health AS health USING (workspace_id, livemode, endpoint_id)
    WHERE lane.endpoint_id <> ALL (CAST(:busy AS uuid[]))
      AND (health.blocked_until IS NULL OR health.blocked_until <= now())
)
SELECT workspace_id, livemode, endpoint_id FROM free
WHERE pg_try_advisory_xact_lock(hashtextextended(endpoint_id::text, 7236201842))"""
)
_ORDERED = _prepared(
    _GIVEN_LANES,
    """
candidate AS (
    SELECT waiting.*, bool_and(waiting.ready) OVER (
        PARTITION BY waiting.endpoint_id, waiting.order_key ORDER BY waiting.xid, waiting.id
    ) AS next_in_order, row_number() OVER (PARTITION BY waiting.endpoint_id ORDER BY waiting.xid, waiting.id) AS place
    FROM lane CROSS JOIN LATERAL (
        SELECT delivery.ctid AS at, delivery.workspace_id, delivery.livemode, delivery.id, delivery.endpoint_id,
               delivery.order_key, delivery.xid,
               delivery.due_at <= now() AND (delivery.leased_until IS NULL OR delivery.leased_until <= now()) AS ready
        FROM deliveries AS delivery
        WHERE delivery.status = 'pending' AND delivery.order_key IS NOT NULL
          AND delivery.workspace_id = lane.workspace_id AND delivery.livemode = lane.livemode
          AND delivery.endpoint_id = lane.endpoint_id
          -- Whatever is still being written comes after: its place in the order is not yet known.
          AND delivery.xid < pg_snapshot_xmin(pg_current_snapshot())
        ORDER BY delivery.xid, delivery.id LIMIT :each
    ) AS waiting
), chosen AS (
    SELECT candidate.at,
           health.endpoint_id IS NOT NULL AS watched, coalesce(health.breaker = 'open', false) AS probe
    FROM candidate
    LEFT JOIN endpoint_health AS health USING (workspace_id, livemode, endpoint_id)
    WHERE candidate.next_in_order AND (health.breaker IS DISTINCT FROM 'open' OR candidate.place = 1)
)""",
    _LOOKED_AT_NOTHING,
    _TAKE,
)


class Looked(NamedTuple):
    """What the deliveries that have waited longest look like.

    `more` says that more were due than were looked at, and `crowded` which endpoints had more of them than room, of
    those that are not blocked. `in_order` says that something waits in an order, and `next_s` how long after the look
    the next delivery becomes due or an endpoint is no longer blocked; None when nothing is to come.
    """

    more: bool
    crowded: frozenset[UUID]
    in_order: bool
    next_s: float | None


async def claim_due(tx: Transaction, most: int, lease_s: float, room: Room) -> tuple[list[Claimed], Looked]:
    """Up to `most` of the deliveries that have waited longest."""
    seen = most * WINDOW_FACTOR
    rows = await tx.all(_DUE, seen=seen, most=most, lease_s=lease_s, room=json.dumps(room))
    claimed, looked = _claimed(rows), rows[0]
    return claimed, Looked(
        more=looked["seen"] == seen,
        crowded=frozenset(looked["crowded"]),
        in_order=looked["in_order"],
        next_s=looked["next_s"],
    )


async def walk_lanes(tx: Transaction, after: Lane) -> list[Lane]:
    """The endpoints after this one that have something pending: at most 256, in the order of their ids."""
    rows = await tx.all(_WALK, last_workspace=after[0], last_mode=after[1], last_endpoint=after[2], lanes=MOST_LANES)
    return [(row["workspace_id"], row["livemode"], row["endpoint_id"]) for row in rows]


def share(most: int, lanes: int) -> int:
    """How many deliveries each of so many endpoints may give to a claim of `most`."""
    return max(1, most // max(1, lanes))


async def claim_from(tx: Transaction, lanes: Sequence[Lane], most: int, lease_s: float, room: Room) -> list[Claimed]:
    """Up to `most` due deliveries of these endpoints, each in turn."""
    rows = await tx.all(
        _LANES,
        **_arrays(lanes),
        each=share(most, len(lanes)),
        most=most,
        lease_s=lease_s,
        room=json.dumps(room),
    )
    return _claimed(rows)


async def claim_ordered(tx: Transaction, each: int, lease_s: float, busy: list[UUID]) -> list[Claimed]:
    """Runs of deliveries in order, up to `each` an endpoint, from those that nobody else is serving."""
    rows = await tx.all(_LOCK_ORDERED, lanes=MOST_ORDERED_LANES, busy=busy)
    lanes = [(row["workspace_id"], row["livemode"], row["endpoint_id"]) for row in rows]
    if not lanes:
        return []
    return _claimed(await tx.all(_ORDERED, **_arrays(lanes), each=each, lease_s=lease_s))


def _arrays(lanes: Sequence[Lane]) -> dict[str, list[object]]:
    return {
        "workspaces": [lane[0] for lane in lanes],
        "modes": [lane[1] for lane in lanes],
        "endpoints": [lane[2] for lane in lanes],
    }


def _claimed(rows: Sequence[asyncpg.Record]) -> list[Claimed]:
    if rows and rows[0]["delivery_id"] is None:
        return []
    messages = {row["event_id"]: Message(*row[_MESSAGE]) for row in rows if row["body"] is not None}
    receivers = {row["endpoint_id"]: Receiver(*row[_RECEIVER]) for row in rows if row["url"] is not None}
    return [
        Claimed._make([*row[_DELIVERY], receivers[row["endpoint_id"]], messages[row["event_id"]]])
        for row in rows
        # Both are there, unless they were deleted a moment ago: then there is nothing to send.
        if row["event_id"] in messages and row["endpoint_id"] in receivers
    ]


# Where they stand in a row: `xid` is only for the order, and what was looked at comes last.
_DELIVERY, _MESSAGE, _RECEIVER = slice(0, 11), slice(12, 15), slice(15, 22)
