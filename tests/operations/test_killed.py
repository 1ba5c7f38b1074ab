"""Long work outlives the process that does it."""

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg

from api.local import Servers
from api.settings import Settings
from api.stores import Stores
from tests.support.operating import operating, until
from tests.support.processes import Program, Service
from tests.support.workspace import Workspace, made
from tests.webhooks.test_replay import tell

EVENTS = 12_000
# A worker whose lease is short, so that the test need not wait for the one minute of a real one.
OPERATOR = """
import asyncio
from api.settings import Settings
from tests.support.operating import operating

async def work():
    async with operating(Settings(), lease_s=2):
        await asyncio.sleep(300)

asyncio.run(work())
"""


async def test_a_replay_whose_worker_is_killed_again_and_again_sends_each_event_once(
    workspace: Workspace, stores: Stores, settings: Settings, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    for _ in range(EVENTS // 1000):
        await tell(stores, workspace, 1000)
    endpoint = await workspace.endpoint("http://127.0.0.1:59999/hook", "feature.*", enabled=False)
    environment = Service(Servers(settings.database_url, settings.redis_url), tmp_path).environment()
    earlier = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    started = await made(workspace.live, f"/v1/endpoints/{endpoint['id']}/replay", {"since": earlier})
    killed_at = []
    for _ in range(2):
        before = await _done(owner)
        worker = Program("operator", environment, tmp_path / "operator.log", [sys.executable, "-c", OPERATOR]).start()
        try:
            while (done := await _done(owner)) <= before:
                assert worker.alive, worker.said()
                await asyncio.sleep(0.005)
        finally:
            worker.kill()
        killed_at.append(done)
    assert killed_at[0] < killed_at[1] < EVENTS, "it was killed in the middle, twice"
    async with operating(settings):
        shown = await until(workspace.live, started["id"], "succeeded", within_s=60)
    assert shown["result"] == {"matched": EVENTS, "sent": EVENTS}
    assert await owner.fetchval("SELECT count(*) FROM deliveries") == EVENTS
    assert await owner.fetchval("SELECT count(DISTINCT event_id) FROM deliveries") == EVENTS


async def _done(owner: asyncpg.Connection) -> int:
    done: int = await owner.fetchval("SELECT done FROM operations")
    return done
