"""How migrations run: one at a time, in one transaction, and never long in anybody's way."""

import asyncio
import re

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

import api.models  # noqa: F401 - every slice's tables
from api.db import Base
from api.settings import Settings
from api.stores import asyncpg_url

LOCK_TIMEOUT = "5s"
STATEMENT_TIMEOUT = "15min"
MIGRATION_LOCK = 7_236_201_841


PARTITION = re.compile(r"attempts_(\d{8}|default)")


def is_ours(name: str | None, kind: str, parents: object) -> bool:
    """What a comparison with the models looks at: partitions come and go by themselves."""
    return kind != "table" or name is None or PARTITION.fullmatch(name) is None


def _migrate(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=Base.metadata, compare_type=True, include_name=is_ours)
    with context.begin_transaction():
        # Held until the commit: of two that start together, the second waits and then finds nothing to do.
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
        # A migration that cannot get a table's lock gives up: behind it every query on that table would queue.
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
        connection.execute(text(f"SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT}'"))
        context.run_migrations()


async def _online() -> None:
    url = context.config.attributes.get("database_url") or Settings().database_url
    engine = create_async_engine(asyncpg_url(url), poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(_migrate)
        await connection.commit()
    await engine.dispose()


if context.is_offline_mode():
    context.configure(url="postgresql://", target_metadata=Base.metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    asyncio.run(_online())
