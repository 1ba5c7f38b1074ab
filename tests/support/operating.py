"""A worker's operator in this process, and waiting for what it does."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx

from api.bells import listen
from api.operations.start import CHANNEL, Kind
from api.settings import Settings
from api.stores import WORKER_ROLE, open_stores
from workers.operations import KINDS, Operator


@asynccontextmanager
async def operating(settings: Settings, kinds: Sequence[Kind] = KINDS, lease_s: float = 60) -> AsyncIterator[Operator]:
    """An operator with its own roles, bell and connections."""
    stop = asyncio.Event()
    async with open_stores(settings, role=WORKER_ROLE) as stores, open_stores(settings) as app_stores:
        operator = Operator(stores, app_stores, kinds, lease_s=lease_s)
        bell = asyncio.create_task(listen(settings, WORKER_ROLE, CHANNEL, lambda _: operator.bell.set()))
        running = asyncio.create_task(operator.run(stop))
        try:
            yield operator
        finally:
            stop.set()
            await running
            bell.cancel()
            await asyncio.wait([bell])


async def until(client: httpx.AsyncClient, operation_id: str, *statuses: str, within_s: float = 10) -> dict[str, Any]:
    """The operation, once it has one of these statuses. Fails when it does not come to that in time."""
    async with asyncio.timeout(within_s):
        while True:
            shown: dict[str, Any] = (await client.get(f"/v1/operations/{operation_id}")).raise_for_status().json()
            if shown["status"] in statuses:
                return shown
            await asyncio.sleep(0.02)
