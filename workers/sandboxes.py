"""Delete the sandboxes that nobody claimed within their seven days, a bounded number at once."""

import asyncio
from uuid import UUID

import structlog
from sqlalchemy import text

from api.problems import Problem
from api.sandbox.reset import reset
from api.stores import Prepared, Scope, Stores

log = structlog.get_logger()

EVERY_S = 600.0
MOST_AT_ONCE = 100
MOST_STEPS = 50

# Row-level security shows the worker's role no other workspaces than those.
_ABANDONED = Prepared(text("SELECT id FROM workspaces ORDER BY claim_until LIMIT :most"))
_FORGET = [
    Prepared(text(f"DELETE FROM {table} WHERE workspace_id = :id"))
    for table in ("idempotency_keys", "operations", "usage_days", "usage_months", "first_calls")
]
_DELETE = Prepared(text("DELETE FROM workspaces WHERE id = :id"))


async def keep_pruning(stores: Stores, app_stores: Stores) -> None:
    """Every ten minutes, until cancelled."""
    while True:
        try:
            await prune_sandboxes(stores, app_stores)
        except Problem as problem:
            log.warning("sandboxes_not_pruned", error=problem.message)
        await asyncio.sleep(EVERY_S)


async def prune_sandboxes(stores: Stores, app_stores: Stores) -> int:
    """Gives how many are gone. The audit log keeps what it has: nobody may delete from it."""
    async with stores.transaction() as tx:
        abandoned = [row["id"] for row in await tx.all(_ABANDONED, most=MOST_AT_ONCE)]
    gone = 0
    for workspace_id in abandoned:
        try:
            if await _empty(app_stores, workspace_id):
                await _delete(stores, workspace_id)
                gone += 1
        except Problem as problem:
            # One that is still written to is left for the next time; it must not keep the others.
            log.warning("sandbox_not_pruned", workspace=str(workspace_id), error=problem.message)
    if gone:
        log.info("sandboxes_pruned", count=gone)
    return gone


async def _empty(app_stores: Stores, workspace_id: UUID) -> bool:
    """What its own key could have deleted, with the same rights. False when there is more than one round may take."""
    for _ in range(MOST_STEPS):
        async with app_stores.transaction(Scope(workspace_id, livemode=False, sandbox="alone")) as tx:
            _, complete = await reset(tx, most=10_000)
            await tx.commit()
        if complete:
            return True
    return False


async def _delete(stores: Stores, workspace_id: UUID) -> None:
    """The rest; its keys go with the workspace."""
    async with stores.transaction() as tx:
        for statement in _FORGET:
            await tx.run(statement, id=workspace_id)
        await tx.run(_DELETE, id=workspace_id)
        await tx.commit()
