"""Replay to an endpoint, and redelivery by filter: long work, in steps that are each done once.

An event has one delivery at an endpoint, whatever is replayed how often: a delivery at rest is made due again, a
missing one is made, one under way is left alone. A step moves along the ids and is written with its progress, so that
it is never done twice; replays of one endpoint take turns by a lock, so that two cannot both make what is missing.
"""

import math
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import text

from api.db import parse_id, wire_id
from api.operations.start import Kind, Moved, Work, start
from api.problems import NotFound, invalid_field
from api.stores import Prepared, Transaction
from api.webhooks.catalogue import every_type, unknown_patterns
from api.webhooks.outbox import RING
from api.webhooks.replay_schemas import RedeliverMany, ReplayRequest

COUNTED_A_STEP = 5_000
SENT_A_STEP = 500
SCANNED_TO_SEND = 1_000
# Ids are made by the API's clock and `created_at` by that of Postgres: the range of ids allows for this much between.
CLOCKS_APART = timedelta(minutes=10)

# Expunging takes the workspace's lock alone, sending again shares it: neither sees the other half done.
_TAKE_TURNS = Prepared(
    text(
        """
SELECT pg_advisory_xact_lock_shared(hashtextextended('roadbed expunge ' || CAST(:workspace_id AS uuid), 0)),
       pg_advisory_xact_lock(hashtextextended('roadbed replay ' || CAST(:lane AS uuid), 0))"""
    )
)
LOCK_EXPUNGE = Prepared(
    text("SELECT pg_advisory_xact_lock(hashtextextended('roadbed expunge ' || CAST(:workspace_id AS uuid), 0))")
)
SHARE_EXPUNGE = Prepared(
    text("SELECT pg_advisory_xact_lock_shared(hashtextextended('roadbed expunge ' || CAST(:workspace_id AS uuid), 0))")
)
_ENDPOINT = Prepared(
    text("SELECT id FROM endpoints WHERE workspace_id = :workspace_id AND livemode = :livemode AND id = :endpoint_id")
)

# The deliveries that `wanted` names are made due again, spread over time by the rate.
_AGAIN = """
    UPDATE deliveries AS delivery
    SET status = CASE WHEN wanted.enabled THEN 'pending' ELSE 'held' END, claim = NULL, leased_until = NULL,
        failures = 0, finished_at = NULL,
        due_at = clock_timestamp() + (wanted.number - 1) * CAST(:gap_s AS float8) * interval '1 second'
    FROM wanted
    WHERE delivery.workspace_id = :workspace_id AND delivery.livemode = :livemode AND delivery.id = wanted.delivery_id
      AND delivery.status IN ('delivered', 'dead')
    RETURNING delivery.id"""
_TALLY = """
SELECT (SELECT count(*) FROM scanned) AS scanned, (SELECT count(*) FROM wanted) AS wanted,
       (SELECT id FROM scanned ORDER BY id DESC LIMIT 1) AS last_scanned,
       (SELECT cursor_id FROM wanted ORDER BY cursor_id DESC LIMIT 1) AS last_wanted"""

# What a replay sends: events of the time and the types, that the endpoint wants, and that are not at it already.
_EVENTS_WANTED = """
WITH scanned AS MATERIALIZED (
    SELECT id, type, body, created_at, expunged_at FROM events
    WHERE workspace_id = :workspace_id AND livemode = :livemode AND id > :after AND id < :beyond
    ORDER BY id LIMIT :most
), wanted AS MATERIALIZED (
    SELECT scanned.id AS cursor_id, scanned.type, scanned.body, delivery.id AS delivery_id, endpoint.enabled,
           endpoint.ordering, row_number() OVER (ORDER BY scanned.id) AS number
    FROM scanned
    JOIN endpoints AS endpoint
        ON endpoint.workspace_id = :workspace_id AND endpoint.livemode = :livemode AND endpoint.id = :endpoint_id
    LEFT JOIN deliveries AS delivery
        ON delivery.workspace_id = :workspace_id AND delivery.livemode = :livemode
        AND delivery.event_id = scanned.id
        -- Written so that no index serves it: an event has few deliveries, an endpoint may have millions.
        AND delivery.endpoint_id IS NOT DISTINCT FROM CAST(:endpoint_id AS uuid)
    WHERE scanned.expunged_at IS NULL AND scanned.created_at >= :since AND scanned.created_at < :until
      AND CASE WHEN CAST(:types AS text[]) IS NOT NULL THEN scanned.type = ANY (CAST(:types AS text[]))
               ELSE scanned.type <> 'webhook.test'
                    AND endpoint.event_types && ARRAY[scanned.type, split_part(scanned.type, '.', 1) || '.*', '*'] END
      AND CASE WHEN endpoint.condition IS NULL THEN true
               ELSE roadbed_matches(endpoint.condition, (scanned.body::jsonb -> 'data')::text) END
      AND (delivery.id IS NULL OR (NOT :only_missing AND delivery.status IN ('delivered', 'dead')))
    ORDER BY scanned.id LIMIT :most_wanted
)"""
_COUNT_EVENTS = Prepared(text(_EVENTS_WANTED + _TALLY))
_ADDED = """, added AS (
    INSERT INTO deliveries (workspace_id, livemode, event_id, event_type, endpoint_id, status, due_at, order_key)
    SELECT CAST(:workspace_id AS uuid), CAST(:livemode AS boolean), wanted.cursor_id, wanted.type,
           CAST(:endpoint_id AS uuid), CASE WHEN wanted.enabled THEN 'pending' ELSE 'held' END,
           clock_timestamp() + (wanted.number - 1) * CAST(:gap_s AS float8) * interval '1 second',
           CASE wanted.ordering WHEN 'entity' THEN wanted.body::jsonb -> 'data' ->> 'id' WHEN 'endpoint' THEN '' END
    FROM wanted WHERE wanted.delivery_id IS NULL
    ORDER BY wanted.number
    RETURNING id
)"""
_SEND_EVENTS = Prepared(text(f"{_EVENTS_WANTED}, again AS ({_AGAIN}\n){_ADDED}{_TALLY}"))

# What a redelivery sends: deliveries at rest that fit the filter, whose event is still there.
_DELIVERIES_WANTED = """
WITH scanned AS MATERIALIZED (
    SELECT id, event_id, endpoint_id, status, created_at FROM deliveries
    WHERE workspace_id = :workspace_id AND livemode = :livemode AND id > :after AND id < :beyond {of_endpoint}
    ORDER BY id LIMIT :most
), wanted AS MATERIALIZED (
    SELECT scanned.id AS cursor_id, scanned.id AS delivery_id, endpoint.enabled,
           row_number() OVER (ORDER BY scanned.id) AS number
    FROM scanned
    JOIN endpoints AS endpoint
        ON endpoint.workspace_id = :workspace_id AND endpoint.livemode = :livemode AND endpoint.id = scanned.endpoint_id
    JOIN events AS event
        ON event.workspace_id = :workspace_id AND event.livemode = :livemode AND event.id = scanned.event_id
    WHERE scanned.status = ANY (CAST(:statuses AS text[]))
      AND scanned.created_at >= :since AND scanned.created_at < :until AND event.expunged_at IS NULL
      AND (CAST(:types AS text[]) IS NULL OR event.type = ANY (CAST(:types AS text[])))
    ORDER BY scanned.id LIMIT :most_wanted
)"""


def _of_deliveries(of_endpoint: str) -> tuple[Prepared, Prepared]:
    wanted = _DELIVERIES_WANTED.format(of_endpoint=of_endpoint)
    return Prepared(text(wanted + _TALLY)), Prepared(text(f"{wanted}, again AS ({_AGAIN}\n){_TALLY}"))


_COUNT_ALL, _SEND_ALL = _of_deliveries("")
_COUNT_OF_ONE, _SEND_OF_ONE = _of_deliveries("AND endpoint_id = :endpoint_id")


async def replay(tx: Transaction, endpoint_id: UUID, wanted: ReplayRequest) -> tuple[UUID, asyncpg.Record]:
    """Start a replay to an endpoint. Gives the operation's id and row.

    Raises NotFound, Invalid for times or types that cannot be, TooManyOperations.
    """
    await _find_endpoint(tx, endpoint_id)
    params = {
        "endpoint_id": wire_id("ep", endpoint_id),
        **_range(wanted.since, wanted.until),
        "types": _names(wanted.types),
        "only_missing": wanted.only_missing,
        "rate_per_s": wanted.rate_per_s,
        "dry_run": wanted.dry_run,
    }
    return await start(tx, REPLAY, params)


async def redeliver_many(tx: Transaction, wanted: RedeliverMany) -> tuple[UUID, asyncpg.Record]:
    """Start a redelivery of all that fits the filter. Gives the operation's id and row.

    Raises NotFound, Invalid for times or types that cannot be, TooManyOperations.
    """
    if wanted.endpoint_id is not None:
        await _find_endpoint(tx, wanted.endpoint_id)
    params = {
        "endpoint_id": None if wanted.endpoint_id is None else wire_id("ep", wanted.endpoint_id),
        **_range(wanted.since or datetime(1970, 1, 1, tzinfo=UTC), wanted.until),
        "types": _names(wanted.types),
        "status": sorted(set(wanted.status)),
        "rate_per_s": wanted.rate_per_s,
        "dry_run": wanted.dry_run,
    }
    return await start(tx, REDELIVERY, params)


async def _replay_step(tx: Transaction, work: Work) -> Moved:
    endpoint_id = _endpoint_of(work)
    assert endpoint_id is not None
    await _find_endpoint(tx, endpoint_id)
    values = {"endpoint_id": endpoint_id, "only_missing": work.params["only_missing"]}
    return await _move(tx, work, endpoint_id, _COUNT_EVENTS, _SEND_EVENTS, values)


async def _redeliver_step(tx: Transaction, work: Work) -> Moved:
    endpoint_id = _endpoint_of(work)
    values: dict[str, Any] = {"statuses": work.params["status"]}
    if endpoint_id is None:
        return await _move(tx, work, work.operation_id, _COUNT_ALL, _SEND_ALL, values)
    values["endpoint_id"] = endpoint_id
    return await _move(tx, work, endpoint_id, _COUNT_OF_ONE, _SEND_OF_ONE, values)


REPLAY = Kind("replay", _replay_step)
REDELIVERY = Kind("redelivery", _redeliver_step)


async def _move(
    tx: Transaction, work: Work, lane: UUID, count: Prepared, send: Prepared, values: dict[str, Any]
) -> Moved:
    """One step: first all that is wanted is counted, then it is sent. Both walk the same ids."""
    state = work.state or {"counting": True, "after": None, "matched": 0}
    counting, rate = state["counting"], work.params["rate_per_s"]
    scanned = COUNTED_A_STEP if counting else SCANNED_TO_SEND
    most = COUNTED_A_STEP if counting else SENT_A_STEP if rate is None else min(SENT_A_STEP, math.ceil(rate))
    values = values | {
        **_bounds(work, state["after"]),
        "types": work.params["types"],
        "most": scanned,
        "most_wanted": most,
    }
    if counting:
        return _counted(work, state, await tx.first(count, **values), most)
    await tx.run(_TAKE_TURNS, lane=lane)
    tally = await tx.first(send, **values, gap_s=0.0 if rate is None else 1 / rate)
    return await _sent(tx, work, state, tally, most)


def _counted(work: Work, state: dict[str, Any], tally: Any, most: int) -> Moved:
    matched = state["matched"] + tally["wanted"]
    if not _is_last(tally, COUNTED_A_STEP, most):
        return Moved({"counting": True, "after": _cursor(tally, most), "matched": matched}, result={"matched": matched})
    finished = work.params["dry_run"] or matched == 0
    result = {"matched": matched, "sent": 0}
    return Moved({"counting": False, "after": None, "matched": matched}, 0, matched, finished, result)


async def _sent(tx: Transaction, work: Work, state: dict[str, Any], tally: Any, most: int) -> Moved:
    if tally["wanted"]:
        await tx.run(RING)
        tx.ring_on_commit()
    done = work.done + tally["wanted"]
    finished = _is_last(tally, SCANNED_TO_SEND, most)
    rate = work.params["rate_per_s"]
    # What was counted may have changed since: deliveries come to rest, events are expunged.
    total = done if finished else max(work.total or 0, done)
    wait_s = 0.0 if rate is None or finished else tally["wanted"] / rate
    result = {"matched": state["matched"], "sent": done}
    return Moved(state | {"after": _cursor(tally, most)}, done, total, finished, result, wait_s)


def _is_last(tally: Any, scanned: int, most: int) -> bool:
    return bool(tally["scanned"] < scanned and tally["wanted"] < most)


def _cursor(tally: Any, most: int) -> str | None:
    """Where the next step begins: after the last wanted one when there may be more, else after all it looked at."""
    last = tally["last_wanted"] if tally["wanted"] == most else tally["last_scanned"]
    return None if last is None else str(last)


def _bounds(work: Work, after: str | None) -> dict[str, Any]:
    since, until = (datetime.fromisoformat(work.params[name]) for name in ("since", "until"))
    return {
        "since": since,
        "until": until,
        "after": UUID(after) if after else _id_at(since, -CLOCKS_APART),
        "beyond": _id_at(until, CLOCKS_APART),
    }


def _id_at(moment: datetime, shift: timedelta) -> UUID:
    """The least UUIDv7 of that time, moved; its first 48 bits are Unix milliseconds."""
    milliseconds = int((moment.timestamp() + shift.total_seconds()) * 1000)
    return UUID(int=min(max(milliseconds, 0), 2**48 - 1) << 80)


def _range(since: datetime, until: datetime | None) -> dict[str, str]:
    """The times as they are kept. Without `until` it ends now, so that it ends at all."""
    now = datetime.now(UTC)
    if since >= (until or now):
        raise invalid_field("/since", "must be in the past, and before until", "out_of_range")
    return {"since": _written(since), "until": _written(until or now)}


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _names(patterns: list[str] | None) -> list[str] | None:
    if patterns is None:
        return None
    unknown = unknown_patterns(patterns)
    if unknown:
        message = f"no event type matches {', '.join(unknown)}; GET /v1/catalog lists them all"
        raise invalid_field("/types", message, "unknown_event_type")
    return [event_type.name for event_type in every_type() if set(event_type.patterns) & set(patterns)]


def _endpoint_of(work: Work) -> UUID | None:
    shown = work.params["endpoint_id"]
    return None if shown is None else parse_id("ep", shown)


async def _find_endpoint(tx: Transaction, endpoint_id: UUID) -> None:
    if await tx.value(_ENDPOINT, endpoint_id=endpoint_id) is None:
        raise NotFound(f"There is no endpoint {wire_id('ep', endpoint_id)} here.")
