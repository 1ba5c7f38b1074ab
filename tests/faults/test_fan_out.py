"""One event for very many endpoints: all within a minute, in bounded memory.

`ROADBED_FAULTS_ENDPOINTS=10000 ./run test tests/faults/test_fan_out.py` is the long one.
"""

import asyncio
import os
import time

import asyncpg
import httpx
from fastapi import FastAPI

from tests.support.endpoints import multiply
from tests.support.hooks import NO_CONTENT, Hit, HookProtocol
from tests.support.processes import Service, peak_memory_mb
from tests.support.workspace import sign_up

ENDPOINTS = int(os.environ.get("ROADBED_FAULTS_ENDPOINTS", "2000"))
WITHIN_S = 60
MOST_MEMORY_MB = 500


async def test_one_event_reaches_thousands_of_endpoints_within_a_minute(
    service: Service, owner: asyncpg.Connection, application: FastAPI
) -> None:
    paths: dict[str, str] = {}

    def on_hit(hit: Hit) -> bytes:
        assert hit.path not in paths, "an endpoint was told twice"
        paths[hit.path] = hit.header("webhook-id")
        return NO_CONTENT

    server = await asyncio.get_running_loop().create_server(lambda: HookProtocol(on_hit), "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    url_of_api = service.add_api()
    async with httpx.AsyncClient(base_url=url_of_api, timeout=60) as client, sign_up(client) as workspace:
        first = await workspace.endpoint(f"{url}/0", "feature.created")
        await multiply(owner, application.state.sealer, first, url, ENDPOINTS)
        worker = service.add_worker()
        began = time.monotonic()
        await workspace.feature("Told to all")
        while len(paths) < ENDPOINTS:
            assert time.monotonic() - began < WITHIN_S, f"{len(paths)} of {ENDPOINTS}"
            await asyncio.sleep(0.05)

        assert len(paths) == ENDPOINTS
        assert len(set(paths.values())) == 1
        assert set(paths) == {f"/{number}" for number in range(ENDPOINTS)}
        assert peak_memory_mb(worker.pid) < MOST_MEMORY_MB
        assert peak_memory_mb(service.apis[0].pid) < MOST_MEMORY_MB
        await _until_all_are_recorded(workspace.live)
    server.close()


async def _until_all_are_recorded(live: httpx.AsyncClient) -> None:
    deadline = time.monotonic() + 20
    while (await live.get("/v1/deliveries?status=pending&limit=1")).json()["data"]:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
