"""The state machine of a delivery, as statements over many rows at once. Only workers run them.

    emit ──► pending ──claim──► pending, leased ──complete──► delivered
                ▲                     │                   ├──► dead       (the schedule is used up)
                │                     │ lease ends        ├──► held       (410: the endpoint was disabled)
                └─────────────────────┴───────────────────┴──► pending    (due again later)

Claiming is in `claims`. A result counts only while the claim is still the one that made it: that is the fence.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import text

from api.stores import Prepared, Transaction
from api.webhooks.claims import Claimed, Lane
from api.webhooks.health import Health

# So much is held or made due in the transaction that disables or enables an endpoint.
HELD_AT_ONCE = 1_000
BLOCKED_S = 120.0


class Completed(NamedTuple):
    """How an attempt ended. `status` is the delivery's next; `delay_s` is when it is due again, if it stays pending.

    `signed_at_s` is the webhook-timestamp, unix seconds; `own_headers` the names of the endpoint's own, with commas
    between them.
    """

    delivery: Claimed
    status: str
    delay_s: float
    failed: bool
    status_code: int | None
    error: str | None
    signed_at_s: int
    own_headers: str | None
    latency_ms: float
    response_headers: str
    response_body: str


_COMPLETE = Prepared(
    text(
        """
WITH result AS (
    SELECT * FROM unnest(
        CAST(:workspaces AS uuid[]), CAST(:modes AS boolean[]), CAST(:delivery_ids AS uuid[]),
        CAST(:attempt_ids AS uuid[]), CAST(:statuses AS text[]), CAST(:delays_s AS float8[]),
        CAST(:failed AS integer[]), CAST(:status_codes AS integer[]), CAST(:errors AS text[]),
        CAST(:signed_at_s AS bigint[]), CAST(:own_headers AS text[]), CAST(:latencies_ms AS float8[]),
        CAST(:headers AS text[]), CAST(:bodies AS text[])
    ) AS result (workspace_id, livemode, delivery_id, attempt_id, status, delay_s, failed, status_code, error,
                 signed_at_s, own_headers, latency_ms, headers, body)
), finished AS (
    UPDATE attempts AS attempt
    SET finished_at = clock_timestamp(), status_code = result.status_code, error = result.error,
        signed_after_s = nullif(result.signed_at_s - floor(extract(epoch FROM attempt.started_at))::bigint, 0),
        own_headers = result.own_headers, latency_ms = result.latency_ms,
        response_headers = result.headers::jsonb, response_body = result.body
    FROM result
    WHERE attempt.workspace_id = result.workspace_id AND attempt.livemode = result.livemode
      AND attempt.delivery_id = result.delivery_id AND attempt.id = result.attempt_id
)
UPDATE deliveries AS delivery
SET -- An endpoint that was disabled while the request was under way keeps what it did not get.
    status = CASE WHEN result.status = 'pending' AND delivery.status = 'held' THEN 'held' ELSE result.status END,
    due_at = CASE WHEN result.status = 'pending'
                  THEN clock_timestamp() + result.delay_s * interval '1 second' ELSE delivery.due_at END,
    claim = NULL,
    leased_until = NULL,
    failures = delivery.failures + result.failed,
    last_status_code = result.status_code,
    last_error = result.error,
    finished_at = CASE WHEN result.status IN ('delivered', 'dead') THEN clock_timestamp() END
FROM result
WHERE delivery.workspace_id = result.workspace_id AND delivery.livemode = result.livemode
  AND delivery.id = result.delivery_id AND delivery.claim = result.attempt_id
RETURNING delivery.id"""
    )
)
_RELEASE = Prepared(
    text(
        """
WITH unsent AS (
    SELECT * FROM unnest(
        CAST(:workspaces AS uuid[]), CAST(:modes AS boolean[]), CAST(:delivery_ids AS uuid[]),
        CAST(:attempt_ids AS uuid[])
    ) AS unsent (workspace_id, livemode, delivery_id, attempt_id)
), forgotten AS (
    DELETE FROM attempts AS attempt USING unsent
    WHERE attempt.workspace_id = unsent.workspace_id AND attempt.livemode = unsent.livemode
      AND attempt.delivery_id = unsent.delivery_id AND attempt.id = unsent.attempt_id
)
UPDATE deliveries AS delivery
SET claim = NULL, leased_until = NULL, attempt_count = attempt_count - 1
FROM unsent
WHERE delivery.workspace_id = unsent.workspace_id AND delivery.livemode = unsent.livemode
  AND delivery.id = unsent.delivery_id AND delivery.claim = unsent.attempt_id"""
    )
)
_ENDPOINT = "workspace_id = :workspace AND livemode = :mode AND {} = :endpoint_id"
_DISABLE = Prepared(
    text(
        "UPDATE endpoints SET enabled = false, disabled_reason = :reason, version = version + 1, updated_at = now() "
        f"WHERE {_ENDPOINT.format('id')} AND enabled RETURNING id"
    )
)
_OF_LANE = "workspace_id = :workspace AND livemode = :mode AND endpoint_id = :endpoint_id"
# Each kind by its own index, a bounded number at a time.
_HOLD = Prepared(
    text(
        f"""
WITH few AS MATERIALIZED (
    (SELECT id FROM deliveries WHERE {_OF_LANE} AND status = 'pending' AND order_key IS NULL
       AND created_at <= coalesce(now() - CAST(:older_than_s AS float8) * interval '1 second', 'infinity')
     LIMIT :most)
    UNION ALL
    (SELECT id FROM deliveries WHERE {_OF_LANE} AND status = 'pending' AND order_key IS NOT NULL
       AND created_at <= coalesce(now() - CAST(:older_than_s AS float8) * interval '1 second', 'infinity')
     LIMIT :most)
), held AS (
    UPDATE deliveries AS delivery SET status = 'held' FROM few
    WHERE delivery.workspace_id = :workspace AND delivery.livemode = :mode AND delivery.id = few.id
      AND delivery.status = 'pending'
    RETURNING 1
)
SELECT count(*) FROM held"""
    )
)
# The oldest first, so that what is in order stays in it.
_RESUME = Prepared(
    text(
        f"""
WITH few AS MATERIALIZED (
    SELECT id FROM deliveries WHERE {_OF_LANE} AND status = 'held' ORDER BY xid, id LIMIT :most
), resumed AS (
    UPDATE deliveries AS delivery SET status = 'pending', due_at = now() FROM few
    WHERE delivery.workspace_id = :workspace AND delivery.livemode = :mode AND delivery.id = few.id
      AND delivery.status = 'held'
    RETURNING order_key
)
SELECT count(*) AS count, bool_or(order_key IS NOT NULL) OR bool_or((
    SELECT ordering <> 'none' FROM endpoints WHERE workspace_id = :workspace AND livemode = :mode AND id = :endpoint_id
)) AS in_order
FROM resumed"""
    )
)
_BLOCK = Prepared(
    text(
        """
INSERT INTO endpoint_health AS health (workspace_id, livemode, endpoint_id, blocked_until)
SELECT CAST(:workspace AS uuid), CAST(:mode AS boolean), CAST(:endpoint_id AS uuid),
       now() + CAST(:for_s AS float8) * interval '1 second'
WHERE EXISTS (SELECT FROM endpoints WHERE workspace_id = :workspace AND livemode = :mode AND id = :endpoint_id)
ON CONFLICT (workspace_id, livemode, endpoint_id) DO UPDATE
SET blocked_until = greatest(health.blocked_until, excluded.blocked_until)"""
    )
)
_LET_BE_TRIED = Prepared(text(f"UPDATE endpoint_health SET blocked_until = NULL WHERE {_OF_LANE}"))
# Of what `_BLOCK` made, and not the health of an endpoint that has answered badly since.
_UNBLOCK = Prepared(text(f"DELETE FROM endpoint_health WHERE {_OF_LANE} AND breaker = 'closed' AND recent_count = 0"))
_FORGET_HEALTH = Prepared(text(f"DELETE FROM endpoint_health WHERE {_ENDPOINT.format('endpoint_id')}"))
_READ_HEALTH = Prepared(
    text(
        "SELECT breaker, failures_in_row, recent, recent_count, openings, blocked_until, failing_since, now() AS now "
        f"FROM (SELECT 1) AS one LEFT JOIN endpoint_health ON {_ENDPOINT.format('endpoint_id')}"
    )
)
_WRITE_HEALTH = Prepared(
    text(
        """
INSERT INTO endpoint_health AS health (workspace_id, livemode, endpoint_id, breaker, failures_in_row, recent,
    recent_count, openings, blocked_until, failing_since)
SELECT CAST(:workspace AS uuid), CAST(:mode AS boolean), CAST(:endpoint_id AS uuid), CAST(:breaker AS text),
    CAST(:failures_in_row AS integer), CAST(:recent AS integer), CAST(:recent_count AS integer),
    CAST(:openings AS integer), CAST(:blocked_until AS timestamptz), CAST(:failing_since AS timestamptz)
WHERE EXISTS (SELECT FROM endpoints WHERE workspace_id = :workspace AND livemode = :mode AND id = :endpoint_id)
ON CONFLICT (workspace_id, livemode, endpoint_id) DO UPDATE
SET breaker = excluded.breaker, failures_in_row = excluded.failures_in_row, recent = excluded.recent,
    recent_count = excluded.recent_count, openings = excluded.openings, blocked_until = excluded.blocked_until,
    failing_since = excluded.failing_since, updated_at = now()"""
    )
)


async def complete(tx: Transaction, results: Sequence[Completed]) -> int:
    """Write how these attempts ended. Gives how many deliveries were still ours; the others were claimed by another."""
    rows = await tx.all(
        _COMPLETE,
        **_keys([result.delivery for result in results]),
        statuses=[result.status for result in results],
        delays_s=[result.delay_s for result in results],
        failed=[int(result.failed) for result in results],
        status_codes=[result.status_code for result in results],
        errors=[result.error for result in results],
        signed_at_s=[result.signed_at_s for result in results],
        own_headers=[result.own_headers for result in results],
        latencies_ms=[result.latency_ms for result in results],
        headers=[result.response_headers for result in results],
        bodies=[result.response_body for result in results],
    )
    return len(rows)


async def release(tx: Transaction, unsent: Sequence[Claimed]) -> None:
    """Give back what was claimed and not sent, as if it had not been: no attempt was made, none is counted."""
    await tx.run(_RELEASE, **_keys(unsent))


async def disable(tx: Transaction, lane: Lane, reason: str) -> bool:
    """Stop an endpoint. What waits for it is held, and goes on when it is enabled again. False when it was stopped."""
    stopped = await tx.value(_DISABLE, **_lane(lane), reason=reason)
    await hold(tx, lane)
    return stopped is not None


async def hold(tx: Transaction, lane: Lane, *, most: int = HELD_AT_ONCE, older_than_s: float | None = None) -> int:
    """Let what waits for an endpoint wait until it is enabled, up to `most` of it: a backlog may have millions of rows.
    Until the rest is held too, which `workers/holding` sees to, nothing is sent. Gives how many."""
    held: int = await tx.value(_HOLD, **_lane(lane), most=most, older_than_s=older_than_s)
    if held >= most:
        await tx.run(_BLOCK, **_lane(lane), for_s=BLOCKED_S)
    else:
        # Nothing but a test goes there now, and that is to show at once whether it answers again.
        await tx.run(_LET_BE_TRIED, **_lane(lane))
    return held


async def resume(tx: Transaction, lane: Lane) -> None:
    """Make due what was held, and forget how the endpoint failed."""
    await tx.run(_FORGET_HEALTH, **_lane(lane))
    await resume_some(tx, lane)
    tx.ring_on_commit()


async def resume_some(tx: Transaction, lane: Lane, *, most: int = HELD_AT_ONCE) -> int:
    """Make due up to `most` of what is held. What is in order waits until all of it is. Gives how many."""
    row = await tx.first(_RESUME, **_lane(lane), most=most)
    assert row is not None
    if row["count"] >= most and row["in_order"]:
        await tx.run(_BLOCK, **_lane(lane), for_s=BLOCKED_S)
    elif row["count"] < most:
        await tx.run(_UNBLOCK, **_lane(lane))
    count: int = row["count"]
    return count


async def read_health(tx: Transaction, lane: Lane) -> tuple[Health, datetime]:
    """An endpoint's health, and the database's time. Two workers at once: the last to write is believed."""
    row = await tx.first(_READ_HEALTH, **_lane(lane))
    assert row is not None
    if row["breaker"] is None:
        return Health(), row["now"]
    return Health(*(row[name] for name in Health.__slots__)), row["now"]


async def write_health(tx: Transaction, lane: Lane, health: Health) -> None:
    """Keep it; a clean bill is no row."""
    if health.clean:
        await tx.run(_FORGET_HEALTH, **_lane(lane))
    else:
        await tx.run(_WRITE_HEALTH, **_lane(lane), **{name: getattr(health, name) for name in Health.__slots__})


def _lane(lane: Lane) -> dict[str, Any]:
    return {"workspace": lane[0], "mode": lane[1], "endpoint_id": lane[2]}


def _keys(deliveries: Sequence[Claimed]) -> dict[str, list[Any]]:
    return {
        "workspaces": [delivery.workspace_id for delivery in deliveries],
        "modes": [delivery.livemode for delivery in deliveries],
        "delivery_ids": [delivery.delivery_id for delivery in deliveries],
        "attempt_ids": [delivery.attempt_id for delivery in deliveries],
    }
