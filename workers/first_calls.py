"""Tell workspaces of their first successful call."""

import asyncio

import structlog
from sqlalchemy import text

from api.problems import Problem
from api.stores import Prepared, Scope, Stores
from api.usage.first_calls import tell_first_call

log = structlog.get_logger()

EVERY_S = 5.0
MOST_AT_ONCE = 200

_UNTOLD = Prepared(
    text("SELECT workspace_id, livemode, key_id, at FROM first_calls WHERE NOT told ORDER BY at LIMIT :most")
)
_TOLD = Prepared(
    text(
        "UPDATE first_calls SET told = true "
        "WHERE workspace_id = :workspace AND livemode = :mode AND key_id = :key AND NOT told"
    )
)


async def keep_telling(stores: Stores, app_stores: Stores) -> None:
    """Every five seconds, until cancelled."""
    while True:
        try:
            await tell_first_calls(stores, app_stores)
        except Problem as problem:
            log.warning("first_calls_not_told", error=problem.message)
        await asyncio.sleep(EVERY_S)


async def tell_first_calls(stores: Stores, app_stores: Stores) -> int:
    """Gives how many events that made. A worker that dies in between tells nothing twice: the step is there."""
    async with stores.transaction() as tx:
        rows = await tx.all(_UNTOLD, most=MOST_AT_ONCE)
    told = 0
    for row in rows:
        async with app_stores.transaction(Scope(row["workspace_id"], row["livemode"], sandbox="shared")) as tx:
            told += await tell_first_call(tx, row["key_id"], row["at"])
            await tx.commit()
        async with stores.transaction() as tx:
            await tx.run(_TOLD, workspace=row["workspace_id"], mode=row["livemode"], key=row["key_id"])
            await tx.commit()
    return told
