"""The service as processes, over this test run's own database."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from api.local import Servers
from api.settings import Settings
from tests.conftest import empty_tables
from tests.support.processes import Service


@pytest.fixture
async def service(settings: Settings, owner: asyncpg.Connection, tmp_path: Path) -> AsyncIterator[Service]:
    """No API and no worker yet: `add_api`, `add_worker`. Their times are short. Afterwards every table is emptied."""
    servers = Servers(settings.database_url, settings.redis_url)
    times = {"delivery_timeout_s": 2, "delivery_lease_s": 4, "sweep_s": 1, "database_pool": 6}
    with Service(servers, tmp_path, times) as started:
        yield started
    await empty_tables(owner)
