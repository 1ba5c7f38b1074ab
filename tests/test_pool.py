"""The pool of connections, on a real Postgres."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from api.pool import Pool


@asynccontextmanager
async def pool_of(
    database_url: str, size: int = 2, *, wait_s: float = 5, recycle_s: float = 1800
) -> AsyncIterator[Pool]:
    pool = Pool(lambda: asyncpg.connect(database_url), size=size, wait_s=wait_s, recycle_s=recycle_s)
    yield pool
    await pool.close()


async def test_the_connection_used_last_is_used_next(database_url: str) -> None:
    async with pool_of(database_url) as pool:
        first, second = await pool.take(), await pool.take()
        pool.give_back(first)
        pool.give_back(second)
        assert await pool.take() is second
        assert pool.taken == 1
        pool.give_back(second)


async def test_who_waits_too_long_for_a_connection_is_told_and_the_next_gets_it(database_url: str) -> None:
    async with pool_of(database_url, 1, wait_s=0.05) as pool:
        held = await pool.take()
        with pytest.raises(TimeoutError):
            await pool.take()
        pool.give_back(held)
        assert await pool.take() is held
        pool.give_back(held)


async def test_one_that_waits_and_is_cancelled_takes_no_place(database_url: str) -> None:
    async with pool_of(database_url, 1) as pool:
        held = await pool.take()
        waiting = asyncio.create_task(pool.take())
        await asyncio.sleep(0)
        waiting.cancel()
        pool.give_back(held)
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await pool.take() is held
        pool.give_back(held)


async def test_a_connection_that_is_old_or_was_cut_is_replaced(database_url: str) -> None:
    async with pool_of(database_url, 1, recycle_s=0) as pool:
        old = await pool.take()
        pool.give_back(old)
        new = await pool.take()
        assert old.is_closed()
        pool.discard(new)
        assert new.is_closed()
        assert pool.taken == 0
        pool.give_back(await pool.take())


async def test_a_connection_that_cannot_be_made_leaves_its_place_free(database_url: str) -> None:
    tries = iter([OSError("away"), None])

    async def connect() -> asyncpg.Connection:
        if error := next(tries):
            raise error
        return await asyncpg.connect(database_url)

    pool = Pool(connect, size=1, wait_s=1, recycle_s=60)
    with pytest.raises(OSError, match="away"):
        await pool.take()
    pool.give_back(await pool.take())
    await pool.close()
    assert pool.taken == 0


async def test_who_waits_is_served_in_turn(database_url: str) -> None:
    async with pool_of(database_url, 1) as pool:
        held, served = await pool.take(), []

        async def use(name: str) -> None:
            connection = await pool.take()
            served.append(name)
            pool.give_back(connection)

        waiting = []
        for name in ("first", "second", "third"):
            waiting.append(asyncio.create_task(use(name)))
            await asyncio.sleep(0)
        pool.give_back(held)
        await asyncio.gather(*waiting)
        assert served == ["first", "second", "third"]
        assert pool.taken == 0


async def test_when_one_is_lost_those_that_are_idle_are_not_used_again(database_url: str) -> None:
    async with pool_of(database_url, 3) as pool:
        connections = [await pool.take() for _ in range(3)]
        for connection in connections[1:]:
            pool.give_back(connection)
        pool.lose(connections[0])
        fresh = [await pool.take() for _ in range(3)]
        assert not set(fresh) & set(connections)
        for connection in fresh:
            pool.give_back(connection)
