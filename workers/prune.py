"""Forget what is past its time, a bounded number of rows at once, and make room for what comes."""

from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import text

from api.http.idempotency import expired
from api.stores import Prepared, Stores

log = structlog.get_logger()

AHEAD_DAYS = 7
STEP = 5_000
MOST_STEPS = 1_000
AT_ONCE = 200
KEPT_OF_EACH_ENDPOINT = 100
_NOBODY = (UUID(int=0), False, UUID(int=0))

_ROTATE_ATTEMPTS = Prepared(text("SELECT roadbed_rotate_attempts(:keep_days, :ahead_days)"))
_CUTOFF = "roadbed_first_id((now() AT TIME ZONE 'UTC')::date - CAST(:keep_days AS integer))"

# The log is read endpoint by endpoint and tenant by tenant, each from the oldest row of its index on: it is never
# scanned whole, however much of it has to stay.
_ENDPOINTS = Prepared(
    text(
        """
SELECT workspace_id, livemode, id FROM endpoints
WHERE (workspace_id, livemode, id) > (CAST(:workspace AS uuid), CAST(:mode AS boolean), CAST(:after AS uuid))
ORDER BY workspace_id, livemode, id LIMIT :at_once"""
    )
)
_TENANTS = Prepared(
    text(
        """
WITH RECURSIVE tenant AS (
    (SELECT workspace_id, livemode FROM events
     WHERE (workspace_id, livemode) > (CAST(:workspace AS uuid), CAST(:mode AS boolean))
     ORDER BY workspace_id, livemode LIMIT 1)
    UNION ALL
    SELECT following.* FROM tenant, LATERAL (
        SELECT workspace_id, livemode FROM events
        WHERE (workspace_id, livemode) > (tenant.workspace_id, tenant.livemode)
        ORDER BY workspace_id, livemode LIMIT 1
    ) AS following
)
SELECT workspace_id, livemode, CAST(:after AS uuid) AS id FROM tenant LIMIT :at_once"""
    )
)
_OF_OWNERS = """unnest(CAST(:workspaces AS uuid[]), CAST(:modes AS boolean[]), CAST(:ids AS uuid[]))
    AS owner (workspace_id, livemode, id)"""

# Deliveries at rest, past their days and beyond the last hundred of their endpoint.
_OLD_DELIVERIES = Prepared(
    text(
        f"""
WITH old AS (
    SELECT delivery.workspace_id, delivery.livemode, delivery.id
    FROM {_OF_OWNERS}
    CROSS JOIN LATERAL (
        SELECT kept.id FROM deliveries AS kept
        WHERE kept.workspace_id = owner.workspace_id AND kept.livemode = owner.livemode AND kept.endpoint_id = owner.id
        ORDER BY kept.id DESC OFFSET :kept - 1 LIMIT 1
    ) AS last_kept
    CROSS JOIN LATERAL (
        SELECT past.workspace_id, past.livemode, past.id FROM deliveries AS past
        WHERE past.workspace_id = owner.workspace_id AND past.livemode = owner.livemode AND past.endpoint_id = owner.id
          AND past.id < least(last_kept.id, {_CUTOFF}) AND past.status IN ('delivered', 'dead')
        ORDER BY past.id LIMIT :step
    ) AS delivery
    LIMIT :step
), gone AS (
    DELETE FROM deliveries AS delivery USING old
    WHERE delivery.workspace_id = old.workspace_id AND delivery.livemode = old.livemode AND delivery.id = old.id
)
SELECT count(*) FROM old"""  # noqa: S608 - put together from constants
    )
)
_OLD_EVENTS = Prepared(
    text(
        f"""
WITH old AS (
    SELECT event.workspace_id, event.livemode, event.id
    FROM {_OF_OWNERS}
    CROSS JOIN LATERAL (
        SELECT past.workspace_id, past.livemode, past.id FROM events AS past
        WHERE past.workspace_id = owner.workspace_id AND past.livemode = owner.livemode AND past.id < {_CUTOFF}
          AND NOT EXISTS (
              SELECT FROM deliveries AS delivery
              WHERE delivery.workspace_id = past.workspace_id AND delivery.livemode = past.livemode
                AND delivery.event_id = past.id
          )
        ORDER BY past.id LIMIT :step
    ) AS event
    LIMIT :step
), gone AS (
    DELETE FROM events AS event USING old
    WHERE event.workspace_id = old.workspace_id AND event.livemode = old.livemode AND event.id = old.id
)
SELECT count(*) FROM old"""  # noqa: S608 - put together from constants
    )
)

# Long work that ended so many days ago.
_OLD_OPERATIONS = Prepared(
    text(
        """
WITH old AS (
    SELECT workspace_id, livemode, id FROM operations
    WHERE finished_at < now() - CAST(:keep_days AS integer) * interval '1 day' LIMIT :step
), gone AS (
    DELETE FROM operations AS operation USING old
    WHERE operation.workspace_id = old.workspace_id AND operation.livemode = old.livemode AND operation.id = old.id
)
SELECT count(*) FROM old"""
    )
)


# A year of uptime and a month more.
_OLD_MINUTES = Prepared(
    text(
        """
WITH old AS (
    SELECT minute FROM service_minutes WHERE minute < now() - interval '400 days' LIMIT :step
), gone AS (
    DELETE FROM service_minutes AS kept USING old WHERE kept.minute = old.minute
)
SELECT count(*) FROM old"""
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
        dropped = await tx.value(_ROTATE_ATTEMPTS, keep_days=keep_days, ahead_days=AHEAD_DAYS)
        await tx.commit()
    gone = {
        "replies": await _in_steps(stores, expired(stores.settings.idempotency_hours)),
        "operations": await _in_steps(stores, _OLD_OPERATIONS, keep_days=keep_days),
        "deliveries": await _by_owner(
            stores, _ENDPOINTS, _OLD_DELIVERIES, keep_days=keep_days, kept=KEPT_OF_EACH_ENDPOINT
        ),
        "minutes": await _in_steps(stores, _OLD_MINUTES),
        "events": await _by_owner(stores, _TENANTS, _OLD_EVENTS, keep_days=keep_days),
    }
    log.info("log_pruned", partitions=dropped, **gone)


async def _by_owner(stores: Stores, owners: Prepared, statement: Prepared, **values: Any) -> int:
    """What all owners have too much, so many owners at once. Gives how many rows went."""
    after, gone = _NOBODY, 0
    while True:
        async with stores.transaction() as tx:
            rows = await tx.all(owners, workspace=after[0], mode=after[1], after=after[2], at_once=AT_ONCE)
        if not rows:
            return gone
        found = [(row["workspace_id"], row["livemode"], row["id"]) for row in rows]
        workspaces, modes, ids = (list(column) for column in zip(*found, strict=True))
        gone += await _in_steps(stores, statement, workspaces=workspaces, modes=modes, ids=ids, **values)
        after = found[-1]


async def _in_steps(stores: Stores, statement: Prepared, **values: Any) -> int:
    """Until a step finds less than it may take, or so many steps: the next hour goes on. Gives how many rows went."""
    gone = 0
    for _ in range(MOST_STEPS):
        async with stores.transaction() as tx:
            found: int = await tx.value(statement, step=STEP, **values)
            await tx.commit()
        gone += found
        if found < STEP:
            break
    return gone
