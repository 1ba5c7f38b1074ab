"""The service as processes, over a Redis of each test's own: what is killed here is nobody else's."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from api.local import LocalServers, Servers
from api.settings import Settings
from tests.conftest import empty_tables
from tests.support.processes import Service


@pytest.fixture
def local(settings: Settings, tmp_path: Path) -> Iterator[LocalServers]:
    """A Redis alone, beside this test run's Postgres."""
    with LocalServers.start(tmp_path / "data", database_url=settings.database_url) as started:
        yield started


@pytest.fixture
async def service(local: LocalServers, owner: asyncpg.Connection, tmp_path: Path) -> AsyncIterator[Service]:
    """No API and no worker yet: `add_api`, `add_worker`. Their times are short. Afterwards every table is emptied."""
    times = {"delivery_timeout_s": 2, "delivery_lease_s": 4, "sweep_s": 1, "database_pool": 6, "body_timeout_s": 1}
    with Service(Servers(local.database_url, local.redis_url), tmp_path, times) as started:
        yield started
    await empty_tables(owner)
