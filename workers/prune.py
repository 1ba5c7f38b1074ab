"""Forget what is past its time, a bounded number of rows at once, and make room for what comes."""

from typing import Any

import structlog
from sqlalchemy import text

from api.http.idempotency import expired
from api.stores import Prepared, Stores

log = structlog.get_logger()

AHEAD_DAYS = 7
STEP = 5_000
MOST_STEPS = 200
KEPT_OF_EACH_ENDPOINT = 100

_ROTATE_ATTEMPTS = Prepared(text("SELECT roadbed_rotate_attempts(:keep_days, :ahead_days)"))
# Deliveries at rest, past their days and beyond the last hundred of their endpoint.
_OLD_DELIVERIES = Prepared(
    text(
        """
WITH old AS (
    SELECT workspace_id, livemode, id, endpoint_id FROM deliveries
    WHERE id < roadbed_first_id((now() AT TIME ZONE 'UTC')::date - CAST(:keep_days AS integer))
      AND id > CAST(:after AS uuid) AND status IN ('delivered', 'dead')
    ORDER BY id LIMIT :step
), past AS (
    SELECT old.* FROM old WHERE (
        SELECT count(*) FROM (
            SELECT 1 FROM deliveries AS newer
            WHERE newer.workspace_id = old.workspace_id AND newer.livemode = old.livemode
              AND newer.endpoint_id = old.endpoint_id AND newer.id > old.id
            LIMIT :kept
        ) AS newer
    ) >= :kept
), gone AS (
    DELETE FROM deliveries AS delivery USING past
    WHERE delivery.workspace_id = past.workspace_id AND delivery.livemode = past.livemode AND delivery.id = past.id
)
SELECT max(id::text)::uuid FROM old"""
    )
)
_OLD_EVENTS = Prepared(
    text(
        """
WITH old AS (
    SELECT workspace_id, livemode, id FROM events
    WHERE id < roadbed_first_id((now() AT TIME ZONE 'UTC')::date - CAST(:keep_days AS integer))
      AND id > CAST(:after AS uuid)
    ORDER BY id LIMIT :step
), gone AS (
    DELETE FROM events AS event USING old
    WHERE event.workspace_id = old.workspace_id AND event.livemode = old.livemode AND event.id = old.id
      AND NOT EXISTS (
          SELECT FROM deliveries AS delivery
          WHERE delivery.workspace_id = old.workspace_id AND delivery.livemode = old.livemode
            AND delivery.event_id = old.id
      )
)
SELECT max(id::text)::uuid FROM old"""
    )
)


# Long work that ended so many days ago. There are few: one statement takes them all, up to its limit.
_OLD_OPERATIONS = Prepared(
    text(
        """
DELETE FROM operations WHERE (workspace_id, livemode, id) IN (
    SELECT workspace_id, livemode, id FROM operations
    WHERE finished_at < now() - CAST(:keep_days AS integer) * interval '1 day' LIMIT :step
)"""
    )
)


async def prune(context: dict[Any, Any]) -> None:
    """Hourly: replies that were kept for idempotency keys, ended operations, and the delivery log beyond its days."""
    stores: Stores = context["stores"]
    await forget(stores)


async def forget(stores: Stores) -> None:
    """Drop whole days of attempts, and in steps the deliveries and events that nothing needs any more."""
    keep_days = stores.settings.log_days
    async with stores.transaction() as tx:
        await tx.run(expired(stores.settings.idempotency_hours))
        await tx.commit()
    async with stores.transaction() as tx:
        await tx.run(_OLD_OPERATIONS, keep_days=keep_days, step=STEP)
        dropped = await tx.value(_ROTATE_ATTEMPTS, keep_days=keep_days, ahead_days=AHEAD_DAYS)
        await tx.commit()
    await _in_steps(stores, _OLD_DELIVERIES, keep_days=keep_days, step=STEP, kept=KEPT_OF_EACH_ENDPOINT)
    await _in_steps(stores, _OLD_EVENTS, keep_days=keep_days, step=STEP)
    log.info("log_pruned", partitions=dropped)


async def _in_steps(stores: Stores, statement: Prepared, **values: Any) -> None:
    after = "00000000-0000-0000-0000-000000000000"
    for _ in range(MOST_STEPS):
        async with stores.transaction() as tx:
            last = await tx.value(statement, after=after, **values)
            await tx.commit()
        if last is None:
            return
        after = last
