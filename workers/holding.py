"""What waits for an endpoint is held while it is disabled, and due while it is enabled: both are brought about here.

Whoever disables or enables an endpoint does it for the first thousand deliveries. The rest follows in steps, since a
backlog of an endpoint that was away for days has more rows than one statement may take. And an event that was being
written at that moment saw the endpoint as it was before: what it left held is sent, what it left pending is held.
"""

import asyncio

import structlog
from sqlalchemy import text

from api.problems import Problem
from api.stores import Prepared, Stores, Transaction
from api.webhooks.claims import NO_LANE, Lane
from api.webhooks.deliveries import hold, resume_some
from api.webhooks.outbox import RING

log = structlog.get_logger()

LOOK_EVERY_S = 1.0
STEP = 5_000
MOST_LANES = 256
# A test may go to an endpoint that we disabled: younger deliveries are left to be tried.
YOUNG_S = 60.0

_ALONE = Prepared(text("SELECT pg_try_advisory_xact_lock(hashtextextended('roadbed holding', 0))"))
_AFTER = """(workspace_id, livemode, {}) > (CAST(:workspace AS uuid), CAST(:mode AS boolean), CAST(:after AS uuid))"""
# From endpoint to endpoint of those that have something held, by one look at the index for each.
_HELD = Prepared(
    text(
        f"""
WITH RECURSIVE lane AS (
    (
        SELECT workspace_id, livemode, endpoint_id, 1 AS number FROM deliveries
        WHERE status = 'held' AND {_AFTER.format("endpoint_id")}
        ORDER BY workspace_id, livemode, endpoint_id LIMIT 1
    )
    UNION ALL
    SELECT next.*, lane.number + 1
    FROM lane CROSS JOIN LATERAL (
        SELECT workspace_id, livemode, endpoint_id FROM deliveries
        WHERE status = 'held'
          AND (workspace_id, livemode, endpoint_id) > (lane.workspace_id, lane.livemode, lane.endpoint_id)
        ORDER BY workspace_id, livemode, endpoint_id LIMIT 1
    ) AS next
    WHERE lane.number < :lanes
)
SELECT lane.workspace_id, lane.livemode, lane.endpoint_id, endpoint.enabled AS wrong
FROM lane JOIN endpoints AS endpoint
  ON endpoint.workspace_id = lane.workspace_id AND endpoint.livemode = lane.livemode AND endpoint.id = lane.endpoint_id
ORDER BY lane.number"""  # noqa: S608 - put together from constants
    )
)
_WAITS = """EXISTS (
    SELECT FROM deliveries AS delivery
    WHERE delivery.workspace_id = endpoint.workspace_id AND delivery.livemode = endpoint.livemode
      AND delivery.endpoint_id = endpoint.id AND delivery.status = 'pending' AND delivery.order_key IS {} NULL
      AND delivery.created_at <= now() - CAST(:older_than_s AS float8) * interval '1 second'
)"""
_DISABLED = Prepared(
    text(
        f"""
SELECT endpoint.workspace_id, endpoint.livemode, endpoint.id AS endpoint_id,
       {_WAITS.format("")} OR {_WAITS.format("NOT")} AS wrong
FROM (
    SELECT workspace_id, livemode, id FROM endpoints WHERE NOT enabled AND {_AFTER.format("id")}
    ORDER BY workspace_id, livemode, id LIMIT :lanes
) AS endpoint
ORDER BY endpoint.workspace_id, endpoint.livemode, endpoint.id"""  # noqa: S608 - put together from constants
    )
)


_IS = Prepared(
    text(
        "SELECT enabled FROM endpoints WHERE workspace_id = :workspace AND livemode = :mode AND id = :endpoint_id "
        "FOR NO KEY UPDATE"
    )
)


class Holder:
    """Walks over the endpoints, some at each look, and goes on where it stopped."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._held: Lane = NO_LANE
        self._disabled: Lane = NO_LANE

    async def look(self) -> int:
        """At up to 256 endpoints that have something held, and as many that are disabled. Gives how many deliveries
        were held or made due. One worker does it at a time."""
        async with self._stores.by_keys() as tx:
            to_resume, self._held = await _walk(tx, _HELD, self._held)
            to_hold, self._disabled = await _walk(tx, _DISABLED, self._disabled, older_than_s=YOUNG_S)
        moved = 0
        for lane in to_resume:
            moved += await self._in_steps(lane, enabled=True)
        for lane in to_hold:
            moved += await self._in_steps(lane, enabled=False)
        return moved

    async def _in_steps(self, lane: Lane, *, enabled: bool) -> int:
        moved, step = 0, STEP
        while step >= STEP:
            async with self._stores.by_keys() as tx:
                # Its owner changes it in between, or after: whoever comes later finds what the other wrote.
                if not await tx.value(_ALONE) or await tx.value(_IS, **_named(lane)) is not enabled:
                    break
                if enabled:
                    step = await resume_some(tx, lane, most=STEP)
                    await tx.run(RING)
                else:
                    step = await hold(tx, lane, most=STEP, older_than_s=YOUNG_S)
                await tx.commit()
            moved += step
        return moved


async def keep_holding(stores: Stores) -> None:
    """Until cancelled, every second."""
    holder = Holder(stores)
    while True:
        try:
            await holder.look()
        except Problem as problem:
            log.warning("holding_failed", error=problem.message)
        except Exception as error:
            log.error("holding_failed", exc_info=error)
        await asyncio.sleep(LOOK_EVERY_S)


async def _walk(tx: Transaction, statement: Prepared, after: Lane, **values: float) -> tuple[list[Lane], Lane]:
    """The lanes that are not as they should be, and where to go on."""
    rows = await tx.all(statement, workspace=after[0], mode=after[1], after=after[2], lanes=MOST_LANES, **values)
    lanes = [(row["workspace_id"], row["livemode"], row["endpoint_id"]) for row in rows]
    wrong = [lane for lane, row in zip(lanes, rows, strict=True) if row["wrong"]]
    return wrong, lanes[-1] if len(lanes) == MOST_LANES else NO_LANE


def _named(lane: Lane) -> dict[str, object]:
    return {"workspace": lane[0], "mode": lane[1], "endpoint_id": lane[2]}
