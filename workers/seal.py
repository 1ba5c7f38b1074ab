"""Seal the audit log: every second the newest entries get their place in the chain."""

import asyncio

import structlog

from api.audit.chain import STEP, seal
from api.problems import Problem
from api.stores import Stores

log = structlog.get_logger()

SEAL_EVERY_S = 1.0


async def keep_sealing(stores: Stores) -> None:
    """Until cancelled. One worker seals at a time; the others find the lock taken."""
    while True:
        try:
            sealed = await seal_some(stores)
        except Problem as problem:
            log.warning("seal_failed", error=problem.message)
            sealed = 0
        if sealed < STEP:
            await asyncio.sleep(SEAL_EVERY_S)


async def seal_some(stores: Stores) -> int:
    """Up to a thousand entries. Gives how many."""
    async with stores.transaction() as tx:
        sealed = await seal(tx)
        await tx.commit()
    return sealed
