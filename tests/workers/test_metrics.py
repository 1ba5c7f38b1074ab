"""What a worker tells Prometheus."""

import asyncio
import urllib.request
from pathlib import Path

import asyncpg
import httpx
from fastapi import FastAPI
from prometheus_client import REGISTRY

from api.local import Servers
from api.settings import Settings
from api.stores import Stores, open_stores
from tests.support.processes import Service, free_port
from tests.support.workspace import Workspace, sign_up
from workers.metrics import count_workspaces


async def test_activation_and_conversion_count_workspaces_and_not_sandboxes(
    client: httpx.AsyncClient, application: FastAPI, settings: Settings, owner: asyncpg.Connection
) -> None:
    async with sign_up(client), sign_up(client), sign_up(client) as third:
        await third.live.get("/v1/features")
        opened = (await client.post("/v1/sandboxes")).json()
        await client.get("/v1/features", headers={"Authorization": f"Bearer {opened['test_key']['secret']}"})
        await application.state.gate.meter.write()
        await owner.execute("UPDATE workspaces SET plan = 'growth' WHERE id IN (SELECT workspace_id FROM first_calls)")
        async with open_stores(settings) as stores:
            assert await _counted(stores) == {"signed_up": 3, "activated": 1, "paid": 1}


async def test_a_worker_tells_its_attempts_its_backlog_and_the_funnel(
    workspace: Workspace, settings: Settings, tmp_path: Path
) -> None:
    wanted = ("roadbed_delivery_attempts_total", "roadbed_deliveries_due 0.0", 'roadbed_workspaces{stage="signed_up"}')
    port, told = free_port(), ""
    with Service(Servers(settings.database_url, settings.redis_url), tmp_path) as service:
        service.add_worker(worker_metrics_port=port)
        for _ in range(300):
            await asyncio.sleep(0.1)
            told = await asyncio.to_thread(_read, f"http://127.0.0.1:{port}/metrics")
            if all(word in told for word in wanted):
                break
    assert [word for word in wanted if word not in told] == []


async def _counted(stores: Stores) -> dict[str, float | None]:
    await count_workspaces(stores)
    stages = ("signed_up", "activated", "paid")
    return {stage: REGISTRY.get_sample_value("roadbed_workspaces", {"stage": stage}) for stage in stages}


def _read(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""
