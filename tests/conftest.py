"""Real Postgres, Valkey, arq and sockets for every test.

The controlling process boots one of each and migrates a template database; each xdist worker clones the template, so
that workers cannot see each other. After a test one statement empties every table.
"""

import asyncio
import base64
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import structlog
from fastapi import FastAPI

from api.local import LocalServers, Servers
from api.logs import lines_to
from api.main import create_app
from api.migrate import migrate_to
from api.settings import Settings
from api.stores import WORKER_ROLE, Stores, open_stores
from tests.support.receiver import Receiver
from tests.support.told import wrong_events
from tests.support.workspace import Workspace, sign_up
from workers.deliver import Courier, listen
from workers.sender import Sender

TEMPLATE = "roadbed_template"
LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
_SECRET = base64.b64encode(bytes(range(32))).decode()


def pytest_configure(config: pytest.Config) -> None:
    """Once, in the controller: workers are handed the addresses."""
    # The default draws each traceback with its variables, which takes half a second.
    structlog.configure(
        processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()],
        logger_factory=lines_to(None),
    )
    if hasattr(config, "workerinput"):
        config.stash[_SERVERS] = Servers(config.workerinput["database_url"], config.workerinput["redis_url"])
        return
    folder = Path(tempfile.mkdtemp(prefix="roadbed-tests-"))
    folder.chmod(0o755)
    local = LocalServers.start(folder / "data", durable=False)
    config.stash[_LOCAL] = (local, folder)
    config.stash[_SERVERS] = Servers(local.database_url, local.redis_url)
    asyncio.run(_ask(local.database_url, f"CREATE DATABASE {TEMPLATE}"))
    migrate_to(_database(local.database_url, TEMPLATE))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    servers = node.config.stash[_SERVERS]
    node.workerinput["database_url"], node.workerinput["redis_url"] = servers.database_url, servers.redis_url


def pytest_unconfigure(config: pytest.Config) -> None:
    if _LOCAL in config.stash:
        local, folder = config.stash[_LOCAL]
        local.stop()
        shutil.rmtree(folder, ignore_errors=True)


_SERVERS = pytest.StashKey[Servers]()
_LOCAL = pytest.StashKey[tuple[LocalServers, Path]]()


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> Servers:
    """The servers of this run. `database_url` is the maintenance database: clone the template, do not write there."""
    return pytestconfig.stash[_SERVERS]


@pytest.fixture(scope="session")
async def database_url(servers: Servers) -> AsyncIterator[str]:
    """This worker's own database, cloned from the migrated template."""
    name = f"roadbed_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    await _ask(servers.database_url, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    yield _database(servers.database_url, name)
    await _ask(servers.database_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
async def settings(database_url: str, servers: Servers) -> Settings:
    """Short times, and receivers on loopback."""
    number = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    return Settings(
        database_url=database_url,
        redis_url=f"{servers.redis_url}?db={number}",
        pepper=_SECRET,
        sealing_keys=f"k1:{_SECRET}",
        target_allow=LOOPBACK,
        target_http=True,
        public_url="http://roadbed.test",
        database_pool=8,
        # The limits have tests of their own.
        rate_per_s=100_000,
        rate_burst=100_000,
        workspace_rate_per_s=100_000,
        open_rate_per_s=100_000,
        free_calls=1_000_000,
        delivery_timeout_s=2,
        delivery_lease_s=3,
        sweep_s=0.5,
    )


@pytest.fixture(scope="session")
async def application(settings: Settings) -> AsyncIterator[FastAPI]:
    """The application, its lifespan running."""
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture(scope="session")
async def owner(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A superuser's connection, past every policy: to look at rows as nobody else can."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def client(application: FastAPI, owner: asyncpg.Connection) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client without a key, in front of the application. Afterwards every event that was told is held against
    its schema, and every table is emptied."""
    transport = httpx.ASGITransport(application, raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://roadbed.test") as caller:
        yield caller
    try:
        assert await wrong_events(owner) == []
    finally:
        await empty_tables(owner)


@pytest.fixture(scope="session")
async def caller(application: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client that writes nothing, so that no table has to be emptied after it."""
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://roadbed.test") as client:
        yield client


@pytest.fixture
async def workspace(client: httpx.AsyncClient) -> AsyncIterator[Workspace]:
    """A workspace that has just signed up; `workspace.live` and `workspace.test` are clients with its keys."""
    async with sign_up(client) as fresh:
        yield fresh


@pytest.fixture
async def other_workspace(client: httpx.AsyncClient) -> AsyncIterator[Workspace]:
    """Somebody else's."""
    async with sign_up(client, "Somebody else") as fresh:
        yield fresh


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A real HTTP server on loopback that records what it gets and answers as told."""
    async with Receiver() as started:
        yield started


@pytest.fixture
async def courier(settings: Settings, application: FastAPI) -> AsyncIterator[Courier]:
    """A worker's delivery loop in this process, with its own role, bell and connections. Its jitter is none."""
    stop = asyncio.Event()
    async with open_stores(settings, role=WORKER_ROLE) as stores, Sender(application.state.target_policy) as sender:
        started = Courier(stores, sender, application.state.sealer, jitter=lambda: 0.5)
        bell = asyncio.create_task(listen(settings, started.bell))
        running = asyncio.create_task(started.run(stop))
        yield started
        stop.set()
        await running
        bell.cancel()
        await asyncio.wait([bell])


@pytest.fixture
def stores(application: FastAPI) -> Stores:
    """The application's stores."""
    found: Stores = application.state.stores
    return found


async def empty_tables(owner: asyncpg.Connection) -> None:
    """One statement for all tables. Triggers are off in it: a recorded decision could not be deleted otherwise."""
    await owner.execute(
        """
        DO $$ DECLARE name text; BEGIN
            SET LOCAL session_replication_role = replica;
            FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'
            LOOP EXECUTE format('DELETE FROM %I', name); END LOOP;
        END $$
        """
    )


def _database(url: str, name: str) -> str:
    head, _, query = url.partition("?")
    return f"{head.rpartition('/')[0]}/{name}?{query}"


async def _ask(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
