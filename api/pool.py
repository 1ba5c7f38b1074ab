"""Connections to Postgres, kept: at most so many, the last one used first, none for longer than half an hour.

SQLAlchemy's pool does the same through greenlets and four objects for each request, asyncpg's through a task
(docs/decisions/0002-transactions.md).
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable

import asyncpg

CLOSE_S = 1.0


class Pool:
    """`connect` makes a connection. Who takes one waits at most `wait_s` for it, and gives it back or discards it."""

    def __init__(
        self, connect: Callable[[], Awaitable[asyncpg.Connection]], *, size: int, wait_s: float, recycle_s: float
    ) -> None:
        self._connect = connect
        self._wait_s, self._recycle_s = wait_s, recycle_s
        self._places = size
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._idle: list[asyncpg.Connection] = []
        self._born: dict[asyncpg.Connection, float] = {}
        self._closed = False

    @property
    def taken(self) -> int:
        """How many are in use."""
        return len(self._born) - len(self._idle)

    async def take(self) -> asyncpg.Connection:
        """Raises TimeoutError when all are in use for too long, and what connecting raises."""
        if self._places > 0 and not self._waiting:
            self._places -= 1
        else:
            await self._turn()
        try:
            return self._kept() or await self._made()
        except BaseException:
            self._leave()
            raise

    def give_back(self, connection: asyncpg.Connection) -> None:
        """For the next one. Nothing is open on it."""
        if self._closed or connection.is_closed():
            self.discard(connection)
        else:
            self._idle.append(connection)
            self._leave()

    def discard(self, connection: asyncpg.Connection) -> None:
        """Cut it off at once: its state is in doubt."""
        self._forget(connection)
        self._leave()

    def lose(self, connection: asyncpg.Connection) -> None:
        """It was lost, and most often that is the server's doing: those that are idle are not trusted any more."""
        idle, self._idle = self._idle, []
        for one in idle:
            self._forget(one)
        self.discard(connection)

    async def close(self) -> None:
        """Say goodbye on those that are idle; the others are cut off when they come back."""
        self._closed = True
        idle, self._idle = self._idle, []
        await asyncio.gather(*(connection.close(timeout=CLOSE_S) for connection in idle), return_exceptions=True)
        for connection in idle:
            self._forget(connection)

    async def _turn(self) -> None:
        """Wait for a place, first come, first served. A semaphore would do, and costs a read a tenth of its time."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(self._wait_s):
                await turn
        except BaseException:
            if turn.done() and not turn.cancelled():
                self._leave()
            raise

    def _leave(self) -> None:
        """Hand the place to the next who still waits."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._places += 1

    def _kept(self) -> asyncpg.Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed() and time.monotonic() - self._born[connection] < self._recycle_s:
                return connection
            self._forget(connection)
        return None

    async def _made(self) -> asyncpg.Connection:
        connection = await self._connect()
        self._born[connection] = time.monotonic()
        return connection

    def _forget(self, connection: asyncpg.Connection) -> None:
        self._born.pop(connection, None)
        connection.terminate()
