"""The migrations make what the models say, can be undone, and never stand in anybody's way for long."""

import re
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import CheckConstraint, Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

import api.models  # noqa: F401 - every slice's tables
from api.db import Base
from api.health import newest_migration
from api.local import Servers
from api.migrate import migrate_to
from api.stores import asyncpg_url

ROOT = Path(__file__).resolve().parent.parent


def _url(servers: Servers, name: str) -> str:
    head, _, query = servers.database_url.partition("?")
    return f"{head.rpartition('/')[0]}/{name}?{query}"


@pytest.fixture
async def empty_database(servers: Servers) -> AsyncIterator[str]:
    name = f"roadbed_migrations_{uuid.uuid4().hex[:8]}"
    connection = await asyncpg.connect(servers.database_url)
    await connection.execute(f"CREATE DATABASE {name}")
    try:
        yield _url(servers, name)
    finally:
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await connection.close()


async def _migrate(url: str, to: str) -> None:
    import asyncio

    await asyncio.to_thread(migrate_to, url, to)


def _differences(connection: Connection) -> list[object]:
    def ours(item: Any, name: str | None, kind: str, *_: object) -> bool:
        """Partitions are made day by day, as their parent says."""
        table = name if kind == "table" else item.table.name
        return not re.search(r"_(default|\d+)$", str(table))

    context = MigrationContext.configure(
        connection, opts={"compare_type": True, "compare_server_default": True, "include_object": ours}
    )
    return list(compare_metadata(context, Base.metadata))


async def test_an_upgrade_from_nothing_makes_what_the_models_say(database_url: str) -> None:
    engine = create_async_engine(asyncpg_url(database_url), poolclass=NullPool)
    async with engine.connect() as connection:
        differences = await connection.run_sync(_differences)
    await engine.dispose()
    assert differences == []


async def test_every_check_of_the_models_stands_in_the_database(owner: asyncpg.Connection) -> None:
    """Alembic does not compare checks: their names are."""
    for table in Base.metadata.sorted_tables:
        rows = await owner.fetch(
            "SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid = $1::regclass", table.name
        )
        named = {str(one.name) for one in table.constraints if isinstance(one, CheckConstraint)}
        assert {row["conname"] for row in rows} == named, table.name


async def test_a_downgrade_to_nothing_leaves_nothing(empty_database: str) -> None:
    await _migrate(empty_database, "head")
    await _migrate(empty_database, "base")
    connection = await asyncpg.connect(empty_database)
    tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    functions = await connection.fetch(
        "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND NOT EXISTS"
        " (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')"
    )
    types = await connection.fetch(
        "SELECT typname FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typtype IN ('e', 'd')"
    )
    version = await connection.fetch("SELECT * FROM alembic_version")
    await connection.close()
    assert [row["tablename"] for row in tables] == ["alembic_version"]
    assert (functions, types, version) == ([], [], [])
    await _migrate(empty_database, "head")


def test_there_is_one_head_and_it_is_what_ready_waits_for() -> None:
    assert ScriptDirectory.from_config(Config(str(ROOT / "alembic.ini"))).get_heads() == [newest_migration()]


async def test_a_migration_gives_up_when_a_table_is_held(empty_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a migration that waits for a table every query on it would queue."""
    await _migrate(empty_database, "head")
    holder = await asyncpg.connect(empty_database)
    change = holder.transaction()
    await change.start()
    await holder.execute("LOCK TABLE features, endpoints, decisions IN ACCESS SHARE MODE")
    with pytest.raises(Exception, match="lock timeout"):
        await _migrate(empty_database, "base")
    await change.rollback()
    head = ScriptDirectory.from_config(Config(str(ROOT / "alembic.ini"))).get_current_head()
    assert await holder.fetchval("SELECT version_num FROM alembic_version") == head
    await holder.close()
