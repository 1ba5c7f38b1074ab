"""What a worker does when a result cannot be written, and what it leaves behind when it stops."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
import structlog
from fastapi import FastAPI

from api.db import parse_id
from api.logs import lines_to
from api.settings import Settings
from api.stores import WORKER_ROLE, open_stores
from tests.support.receiver import Answer, Receiver
from tests.support.workspace import Workspace
from workers.deliver import LAST_WRITES_S, Courier, listen
from workers.sender import Sender


@asynccontextmanager
async def impatient(
    application: FastAPI, settings: Settings
) -> AsyncIterator[tuple[asyncio.Event, "asyncio.Task[None]"]]:
    """A courier that waits for locks only briefly. Gives the event that stops it, and its run, which ends with this."""
    own = settings.model_copy(update={"lock_timeout_ms": 100})
    stop = asyncio.Event()
    async with open_stores(own, role=WORKER_ROLE) as stores, Sender(application.state.target_policy) as sender:
        courier = Courier(stores, sender, application.state.sealer, jitter=lambda: 0.5)
        bell = asyncio.create_task(listen(own, courier.bell))
        running = asyncio.create_task(courier.run(stop))
        try:
            yield stop, running
        finally:
            stop.set()
            await running
            bell.cancel()
            await asyncio.wait([bell])


@asynccontextmanager
async def locked(database_url: str, statement: str, *arguments: Any) -> AsyncIterator[None]:
    """Rows that another transaction holds: a large deletion, a migration, an operator who looks closely."""
    connection = await asyncpg.connect(database_url)
    try:
        async with connection.transaction():
            await connection.execute(statement, *arguments)
            yield
    finally:
        await connection.close()


async def _deliveries(workspace: Workspace, endpoint: dict[str, Any], status: str, wanted: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(10):
        while True:
            query = {"endpoint_id": endpoint["id"], "status": status}
            found: list[dict[str, Any]] = (await workspace.live.get("/v1/deliveries", params=query)).json()["data"]
            if len(found) >= wanted:
                return found
            await asyncio.sleep(0.02)


async def test_rows_of_one_endpoint_that_are_locked_hold_up_no_other_endpoints_results(
    workspace: Workspace, receiver: Receiver, application: FastAPI, settings: Settings, database_url: str
) -> None:
    slow = Receiver(lambda _: Answer(delay_s=0.3))
    async with slow, impatient(application, settings):
        stuck = await workspace.endpoint(slow.url, "feature.created")
        free = await workspace.endpoint(receiver.url, "feature.created")
        await workspace.feature("First")
        await slow.count(1)
        async with locked(database_url, "SELECT FROM deliveries WHERE endpoint_id = $1 FOR UPDATE", _uuid(stuck["id"])):
            # Until the answer has come, and cannot be written.
            await asyncio.sleep(0.6)
            for number in range(3):
                await workspace.feature(f"Feature {number}")
            await _deliveries(workspace, free, "delivered", 4)
            assert await _deliveries(workspace, stuck, "delivered", 0) == []
        await _deliveries(workspace, stuck, "delivered", 4)
    assert len({one.headers["webhook-id"] for one in slow.arrived}) == 4
    assert len(receiver.arrived) == 4


async def test_an_answer_that_postgres_refuses_is_left_out_and_the_delivery_counts(
    workspace: Workspace, receiver: Receiver, application: FastAPI, settings: Settings, owner: asyncpg.Connection
) -> None:
    await owner.execute("ALTER TABLE attempts ADD CONSTRAINT odd CHECK (response_body <> 'poison')")
    try:
        async with Receiver(lambda _: Answer(200, body=b"poison")) as odd, impatient(application, settings):
            poisoned = await workspace.endpoint(odd.url, "feature.created")
            healthy = await workspace.endpoint(receiver.url, "feature.created")
            for number in range(3):
                await workspace.feature(f"Feature {number}")
            [*_, last] = await _deliveries(workspace, poisoned, "delivered", 3)
            await _deliveries(workspace, healthy, "delivered", 3)
            shown = (await workspace.live.get(f"/v1/deliveries/{last['id']}")).json()
            assert [(one["status_code"], one["response_body"]) for one in shown["attempts"]] == [(200, "")]
            assert len(await odd.quiet()) == 3
    finally:
        await owner.execute("ALTER TABLE attempts DROP CONSTRAINT odd")


async def test_a_result_that_postgres_refuses_altogether_stops_nobody_elses(
    workspace: Workspace, receiver: Receiver, application: FastAPI, settings: Settings, owner: asyncpg.Connection
) -> None:
    await owner.execute("ALTER TABLE attempts ADD CONSTRAINT odd CHECK (status_code <> 299)")
    try:
        async with Receiver(lambda _: Answer(299)) as odd, impatient(application, settings):
            await workspace.endpoint(odd.url, "feature.created")
            healthy = await workspace.endpoint(receiver.url, "feature.created")
            for number in range(3):
                await workspace.feature(f"Feature {number}")
            await _deliveries(workspace, healthy, "delivered", 3)
            await workspace.feature("After it")
            await _deliveries(workspace, healthy, "delivered", 4)
            assert len(await receiver.quiet()) == 4
    finally:
        await owner.execute("ALTER TABLE attempts DROP CONSTRAINT odd")


async def test_a_worker_that_stops_while_a_result_cannot_be_written_ends_in_time_and_lets_the_lease_run_out(
    workspace: Workspace,
    receiver: Receiver,
    application: FastAPI,
    settings: Settings,
    owner: asyncpg.Connection,
    database_url: str,
) -> None:
    receiver.answer = lambda _: Answer(delay_s=0.3)
    endpoint = await workspace.endpoint(receiver.url, "feature.created")
    async with impatient(application, settings) as (stop, running):
        await workspace.feature()
        await receiver.count(1)
        async with locked(database_url, "SELECT FROM deliveries FOR UPDATE"):
            stop.set()
            async with asyncio.timeout(settings.delivery_timeout_s + 2 * LAST_WRITES_S):
                await running
    row = await owner.fetchrow("SELECT status, claim IS NOT NULL AS claimed FROM deliveries")
    assert row is not None
    assert tuple(row) == ("pending", True)
    # The next worker takes it up, under the same id.
    async with impatient(application, settings):
        await _deliveries(workspace, endpoint, "delivered", 1)
    assert len({one.headers["webhook-id"] for one in receiver.arrived}) == 1


async def test_a_worker_that_stops_gives_back_what_waits_for_its_turn(
    workspace: Workspace, receiver: Receiver, application: FastAPI, settings: Settings, owner: asyncpg.Connection
) -> None:
    receiver.answer = lambda _: Answer(delay_s=0.3)
    await workspace.endpoint(receiver.url, "feature.created", max_in_flight=1)
    async with impatient(application, settings) as (stop, _):
        for number in range(6):
            await workspace.feature(f"Feature {number}")
        sent = len(await receiver.count(3))
        stop.set()
    assert len(receiver.arrived) == sent
    rows = await owner.fetch("SELECT status, claim IS NULL AS free, attempt_count FROM deliveries")
    assert sorted(tuple(row) for row in rows) == [("delivered", True, 1)] * sent + [("pending", True, 0)] * (6 - sent)


@pytest.mark.parametrize("status", [410, 500])
async def test_a_worker_whose_log_cannot_be_written_goes_on_recording(
    workspace: Workspace, receiver: Receiver, application: FastAPI, settings: Settings, status: int
) -> None:
    """Both the end of an endpoint and the breaker are logged where results are written."""
    before, closed = structlog.get_config(), io.StringIO()
    closed.close()
    structlog.configure(logger_factory=lines_to(closed))
    try:
        async with Receiver(lambda _: Answer(status)) as failing, impatient(application, settings):
            await workspace.endpoint(failing.url, "feature.created")
            healthy = await workspace.endpoint(receiver.url, "feature.created")
            for number in range(6):
                await workspace.feature(f"Feature {number}")
            await _deliveries(workspace, healthy, "delivered", 6)
    finally:
        structlog.configure(**before)


def _uuid(wire: str) -> Any:
    return parse_id("ep", wire)
