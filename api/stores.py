"""Postgres and Redis, and the transaction: the only place that commits.

Statements are SQLAlchemy Core expressions. They are compiled once and run on asyncpg's own connection, out of our own
pool: a quarter of the CPU of an AsyncSession (docs/decisions/0002-transactions.md).
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import Any, Literal, Self
from uuid import UUID

import asyncpg
import structlog
from arq.connections import ArqRedis, RedisSettings, create_pool
from sqlalchemy import BindParameter, ClauseElement, SelectBase, bindparam
from sqlalchemy.dialects.postgresql import asyncpg as asyncpg_dialect
from sqlalchemy.sql.compiler import SQLCompiler

from api import json
from api.pool import Pool
from api.problems import Internal, Unavailable
from api.settings import Settings

log = structlog.get_logger()

APP_ROLE = "roadbed_app"
WORKER_ROLE = "roadbed_worker"
CONNECT_S = 5.0
SANDBOX_WAIT_MS = 50
RESET_WAIT_MS = 5_000
RECYCLE_S = 1800.0
# A statement that only reads is tried so often again when its connection is lost.
LOST_AT_MOST = 3
_DIALECT = asyncpg_dialect.dialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
_GONE = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.CannotConnectNowError,
    asyncpg.InternalClientError,  # a connection that was lost between two statements says so in this way
    OSError,
)
_REFUSED = (
    asyncpg.TooManyConnectionsError,
    asyncpg.DiskFullError,
    asyncpg.OutOfMemoryError,
    asyncpg.ReadOnlySQLTransactionError,  # after a failover, or switched on by an operator whose disk runs full
)


class Prepared:
    """A statement compiled once, at its first use. Values are given by the names of its bind parameters."""

    def __init__(self, statement: ClauseElement) -> None:
        self.statement = statement

    @cached_property
    def _compiled(self) -> tuple[str, list[str], dict[str, Any], frozenset[str]]:
        compiled = self.statement.compile(dialect=_DIALECT)
        assert isinstance(compiled, SQLCompiler)
        names = list(compiled.positiontup or ())
        literals = {name: bind.effective_value for name, bind in compiled.binds.items()}
        required = frozenset(name for name, bind in compiled.binds.items() if bind.required)
        return str(compiled), names, literals, required

    @cached_property
    def alone(self) -> str | None:
        """The statement with its tenant in itself, so that it needs no transaction: None if it does more than read.

        The settings that row-level security reads last as long as the statement. That they are made before anything
        else is looked at follows from the data: the statement itself asks for what they gave.
        """
        sql, names, _, _ = self._compiled
        if not isinstance(self.statement, SelectBase) or _MORE_THAN_READS.search(sql):
            return None
        if "workspace_id" not in names or "livemode" not in names:
            return None
        workspace, mode = (f"${names.index(name) + 1}" for name in ("workspace_id", "livemode"))
        own = {workspace: "scope.workspace_id", mode: "scope.livemode"}
        asked = _PARAMETER.sub(lambda found: own.get(found[1], found[0]), sql)
        return _ALONE.format(workspace=workspace, mode=mode, asked=asked)

    def bind(self, values: dict[str, Any]) -> tuple[str, list[Any]]:
        """The SQL text and its arguments in order. Raises KeyError for a parameter that was not given."""
        sql, names, literals, required = self._compiled
        return sql, [values[name] if name in values or name in required else literals[name] for name in names]


Statement = Prepared | ClauseElement
_ALONE = """
SELECT found.*
FROM (
    SELECT set_config('roadbed.workspace_id', {workspace}::uuid::text, true)::uuid AS workspace_id,
           set_config('roadbed.livemode', {mode}::boolean::text, true)::boolean AS livemode
    OFFSET 0
) AS scope CROSS JOIN LATERAL (SELECT * FROM ({asked}) AS asked OFFSET 0) AS found"""
_PARAMETER = re.compile(r"(\$\d+)(?:::[A-Z]+\b)?")
_MORE_THAN_READS = re.compile(
    r"\b(INSERT|UPDATE|DELETE|MERGE|FOR (NO KEY |KEY )?(UPDATE|SHARE)|\w*_lock)\b", re.IGNORECASE
)


def binds(*names: str) -> dict[str, BindParameter[Any]]:
    """The values of an INSERT or UPDATE, each a parameter of its column's name."""
    return {name: bindparam(name) for name in names}


class Busy(Unavailable):
    """Postgres is there: a statement took too long, or waited too long for a row that another transaction has."""


class Deadlocked(Busy):
    """Two transactions waited for each other, and this one was undone. Done again from its start it goes through."""


@dataclass(frozen=True)
class Scope:
    """For whom a transaction speaks. Row-level security reads it from the transaction's settings.

    With a workspace: that workspace and mode. With a key digest: the one key row that has it. When metering: the
    counters of all workspaces. With none of them: nothing. `key_id` and `request_id` go into the audit log.

    `sandbox` is for what writes in test mode: `shared` beside other writers, `alone` for a reset. A row that a reset
    deletes is then none that another transaction is about to refer to.
    """

    workspace_id: UUID | None = None
    livemode: bool | None = None
    key_digest: bytes | None = None
    metering: bool = False
    key_id: UUID | None = None
    request_id: str = ""
    sandbox: Literal["shared", "alone"] | None = None

    @cached_property
    def begin_sql(self) -> str:
        """One round trip that begins and says who asks. Every value is hex, an id or a boolean: nothing to escape.

        Settings are local to their transaction, so that in a new one only those with a value are to be set.
        """
        settings = (f"; SET LOCAL {name} = '{value}'" for name, value in self._settings if value)
        return "".join(["BEGIN", *settings, *self._sandbox_locks])

    @cached_property
    def set_sql(self) -> str:
        """All of them, so that nothing is left of the scope that the transaction had before."""
        return "; ".join(f"SET LOCAL {name} = '{value}'" for name, value in self._settings)

    @property
    def _sandbox_locks(self) -> tuple[str, ...]:
        """Taken before anything else, so that nobody who holds one waits for a row of somebody who wants it.

        Whoever meets a reset is sent away rather than kept waiting: each who waits would have a connection, and one
        workspace could take them all. Of resets only one waits, for the writers that it found.
        """
        if self.sandbox is None or self.livemode is not False or self.workspace_id is None:
            return ()
        writers, resets = ((self.workspace_id.int ^ name) % 2**63 for name in (0x5A4D, 0x5A4E))
        if self.sandbox == "shared":
            return (
                f"; SET LOCAL lock_timeout = {SANDBOX_WAIT_MS}; SELECT pg_advisory_xact_lock_shared({writers})",
                "; SET LOCAL lock_timeout TO DEFAULT",
            )
        return (
            f"; SET LOCAL lock_timeout = {SANDBOX_WAIT_MS}; SELECT pg_advisory_xact_lock({resets})",
            f"; SET LOCAL lock_timeout = {RESET_WAIT_MS}; SELECT pg_advisory_xact_lock({writers})",
            "; SET LOCAL lock_timeout TO DEFAULT",
        )

    @property
    def _settings(self) -> tuple[tuple[str, str], ...]:
        return (
            ("roadbed.workspace_id", str(self.workspace_id or "")),
            ("roadbed.livemode", "" if self.livemode is None else str(self.livemode).lower()),
            ("roadbed.key_digest", (self.key_digest or b"").hex()),
            ("roadbed.metering", "on" if self.metering else ""),
            ("roadbed.key_id", str(self.key_id or "")),
            ("roadbed.request_id", self.request_id),
        )


NOBODY = Scope()
_BEGIN_BY_KEYS = (
    "BEGIN; SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off"
)


class Transaction:
    """One unit of work. It takes no connection before its first statement, and rolls back unless committed.

    One that only `reads` does not begin until it meets a statement that does more, or that cannot say for whom it asks:
    each statement before stands alone, and sees what is there at its own time, as it would in a transaction too.
    """

    def __init__(
        self,
        pool: Pool,
        scope: Scope,
        ring: Callable[[], Awaitable[None]],
        *,
        begin_sql: str | None = None,
        reads: bool = False,
    ) -> None:
        self._pool = pool
        self._ring = ring
        self._begin_sql = begin_sql
        self._reads = reads and scope.workspace_id is not None
        self._driver: asyncpg.Connection | None = None
        self._rings = False
        self.scope = scope
        # Of the request that this is for, 32 hex digits: it goes with the events.
        self.trace_id: str | None = None

    async def all(self, statement: Statement, **values: Any) -> list[asyncpg.Record]:
        """Every row. The statement has a limit of its own."""
        return list(await self._ask("fetch", statement, values))

    async def first(self, statement: Statement, **values: Any) -> asyncpg.Record | None:
        """The first row, or None."""
        return await self._ask("fetchrow", statement, values)

    async def value(self, statement: Statement, **values: Any) -> Any:
        """The first column of the first row, or None."""
        return await self._ask("fetchval", statement, values)

    async def run(self, statement: Statement, **values: Any) -> None:
        """Nothing comes back."""
        await self._call("fetch", *self._bind(statement, values))

    async def many(self, statement: Prepared, rows: Iterable[dict[str, Any]]) -> None:
        """The statement once for each row, sent in a pipeline. Nothing comes back.

        Postgres takes no COPY into a table with row-level security.
        """
        bound = [self._bind(statement, row) for row in rows]
        if bound:
            await self._call("executemany", bound[0][0], [[arguments for _, arguments in bound]])

    async def speak_for(self, scope: Scope) -> None:
        """Go on for another scope in the same transaction: signing up writes both modes of a workspace."""
        self.scope = scope
        await self._call("execute", scope.set_sql, [])

    def ring_on_commit(self) -> None:
        """Wake the worker once this is committed."""
        self._rings = True

    async def commit(self) -> None:
        """Make it last. When the answer is lost with the connection, nobody knows: the caller gets Unavailable.

        Raises Internal when a statement had failed and somebody went on as if it had not.
        """
        if self._driver is not None:
            told = await self._call("execute", "COMMIT", [])
            self._release()
            if told != "COMMIT":
                # Postgres answers a COMMIT after a failed statement with ROLLBACK, and calls that no error.
                raise Internal("The transaction was rolled back.")
        if self._rings:
            self._rings = False
            await self._ring()

    async def rollback(self) -> None:
        """Undo it all. Safe to call at any time; a connection whose state is in doubt is thrown away."""
        if self._driver is None:
            return
        try:
            await asyncio.wait_for(self._driver.execute("ROLLBACK"), timeout=5)
            self._release()
        except BaseException as error:
            self._discard()
            if not isinstance(error, Exception):
                raise

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._driver is not None:
            # Shielded, so that a client who hangs up cannot leave a transaction open on a pooled connection.
            await asyncio.shield(self.rollback())

    def _bind(self, statement: Statement, values: dict[str, Any]) -> tuple[str, list[Any]]:
        """`workspace_id` and `livemode` come from the scope: no caller can give another tenant's by mistake."""
        prepared = statement if isinstance(statement, Prepared) else Prepared(statement)
        tenant = {"workspace_id": self.scope.workspace_id, "livemode": self.scope.livemode}
        return prepared.bind(values | tenant if self.scope.workspace_id is not None else values)

    async def _ask(self, method: str, statement: Statement, values: dict[str, Any]) -> Any:
        sql, arguments = self._bind(statement, values)
        if self._reads and self._driver is None and isinstance(statement, Prepared) and statement.alone is not None:
            return await self._call_alone(method, statement.alone, arguments)
        return await self._call(method, sql, arguments)

    async def _call_alone(self, method: str, sql: str, arguments: list[Any]) -> Any:
        """On a connection for this statement only. It changes nothing: if the connection is lost it is asked again."""
        for left in range(LOST_AT_MOST, -1, -1):
            driver = await self._take()
            try:
                if driver.is_in_transaction():
                    raise asyncpg.InterfaceError("a pooled connection was in a transaction")
                found = await getattr(driver, method)(sql, *arguments)
            except BaseException as error:
                if isinstance(error, _GONE):
                    self._pool.lose(driver)
                    if left:
                        continue
                elif isinstance(error, asyncpg.PostgresError):
                    self._pool.give_back(driver)
                else:
                    self._pool.discard(driver)
                _raise_as_problem(error)
                raise
            self._pool.give_back(driver)
            return found
        raise AssertionError("the last try raises or returns")

    async def _call(self, method: str, sql: str, arguments: list[Any]) -> Any:
        driver = self._driver or await self._begin()
        try:
            return await getattr(driver, method)(sql, *arguments)
        except Exception as error:
            _raise_as_problem(error)
            raise

    async def _begin(self) -> asyncpg.Connection:
        """Take a connection. One that died in the pool (a restart of Postgres) is thrown away and the next is tried:
        nothing has been asked of it yet."""
        begin_sql = self._begin_sql or self.scope.begin_sql
        while True:
            driver = await self._take()
            try:
                if driver.is_in_transaction():
                    raise asyncpg.InterfaceError("a pooled connection was in a transaction")
                await driver.execute(begin_sql)
            except _GONE:
                self._pool.lose(driver)
                continue
            except asyncpg.LockNotAvailableError as error:
                # The only locks that a beginning takes are those of the sandbox.
                self._driver = driver
                await self.rollback()
                raise Unavailable("The sandbox is being reset. Send the request again in a second.") from error
            except BaseException as error:
                self._pool.discard(driver)
                _raise_as_problem(error)
                raise
            self._driver = driver
            return driver

    async def _take(self) -> asyncpg.Connection:
        try:
            return await self._pool.take()
        except Exception as error:
            _raise_as_problem(error)
            raise

    def _release(self) -> None:
        driver, self._driver = self._driver, None
        if driver is not None:
            self._pool.give_back(driver)

    def _discard(self) -> None:
        driver, self._driver = self._driver, None
        if driver is not None:
            self._pool.discard(driver)


class Stores:
    """What a process holds open: one engine, and Redis for whoever rings."""

    def __init__(self, settings: Settings, *, role: str = APP_ROLE) -> None:
        self.settings = settings
        self.pool = _pool(settings, role)
        self._redis: ArqRedis | None = None

    def transaction(self, scope: Scope = NOBODY, *, reads: bool = False) -> Transaction:
        return Transaction(self.pool, scope, self.ring, reads=reads)

    def by_keys(self) -> Transaction:
        """A worker's transaction for all tenants, whose statements reach few rows of large tables by their keys.

        A plan is kept for long. One that was made while a table was small would read the whole of it when it has
        grown, so that the planner is left no other way than by index.
        """
        return Transaction(self.pool, NOBODY, self.ring, begin_sql=_BEGIN_BY_KEYS)

    async def redis(self) -> ArqRedis:
        """arq's queue. Raises Unavailable at once when Redis is away: no request waits for it."""
        if self._redis is None:
            settings = RedisSettings.from_dsn(self.settings.redis_url)
            settings.conn_retries, settings.conn_timeout = 0, 1
            try:
                self._redis = await create_pool(settings)
            except Exception as error:
                raise Unavailable("Redis does not answer.") from error
        return self._redis

    async def ring(self) -> None:
        """Wake a worker, where the bell is Redis. A lost ring loses nothing: a sweep finds every due row."""
        if self.settings.bell != "redis":
            return
        try:
            redis = await self.redis()
            await asyncio.wait_for(redis.enqueue_job("ring", _job_id="ring"), timeout=1)
        except Exception as error:
            log.warning("ring_failed", error=repr(error))

    async def close(self) -> None:
        await self.pool.close()
        if self._redis is not None:
            await self._redis.aclose()


@contextlib.asynccontextmanager
async def open_stores(settings: Settings, *, role: str = APP_ROLE) -> AsyncIterator[Stores]:
    stores = Stores(settings, role=role)
    try:
        yield stores
    finally:
        await stores.close()


def asyncpg_url(database_url: str) -> str:
    """SQLAlchemy's form of a `postgresql://` URL."""
    return "postgresql+asyncpg://" + database_url.partition("://")[2]


def _pool(settings: Settings, role: str) -> Pool:
    # The worker's statements are few, and large enough that planning them again costs more than running them.
    plans = {"plan_cache_mode": "force_generic_plan"} if role == WORKER_ROLE else {}
    # The role is taken when the connection is made: no statement of ours ever runs as the owner of a table.
    at_connect = {
        "role": role,
        "application_name": role,
        "timezone": "UTC",
        "statement_timeout": str(settings.statement_timeout_ms),
        "lock_timeout": str(settings.lock_timeout_ms),
        "idle_in_transaction_session_timeout": "60000",
        "jit": "off",
        **plans,
    }

    async def connect() -> asyncpg.Connection:
        connection = await asyncpg.connect(settings.database_url, timeout=CONNECT_S, server_settings=at_connect)
        for name, version in (("json", b""), ("jsonb", b"\x01")):
            await connection.set_type_codec(
                name, schema="pg_catalog", format="binary", encoder=_encoder(version), decoder=_decoder(len(version))
            )
        return connection

    return Pool(connect, size=settings.database_pool, wait_s=CONNECT_S, recycle_s=RECYCLE_S)


def _encoder(version: bytes) -> Callable[[str], bytes]:
    """JSON goes in as text. The binary form of jsonb has a version in front."""
    return lambda text: version + text.encode()


def _decoder(skipped: int) -> Callable[[bytes], Any]:
    """JSON comes out parsed, numbers with a fraction as exact decimals."""
    return lambda data: json.load(data[skipped:].decode())


def _raise_as_problem(error: BaseException) -> None:
    """Errors that a caller can do nothing about but wait for become Unavailable; the log has the cause."""
    if isinstance(error, (*_GONE, *_REFUSED, TimeoutError)):
        log.error("database_unavailable", error=repr(error))
        raise Unavailable("The database does not answer. Send the request again in a second.") from error
    if isinstance(error, (asyncpg.QueryCanceledError, asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)):
        log.error("database_busy", error=repr(error))
        problem = Deadlocked if isinstance(error, asyncpg.DeadlockDetectedError) else Busy
        raise problem("The database was busy for too long. Send the request again in a second.") from error
