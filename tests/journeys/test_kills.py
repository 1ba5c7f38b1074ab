"""What a subscriber and a caller see while parts of the service are killed, and of requests that never end."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import redis.asyncio

from api.local import LocalServers
from tests.support.processes import Service
from tests.support.receiver import Answer, Receiver
from tests.support.workspace import Workspace, sign_up

# A worker's start on a busy machine, its lease and its sweep.
SLOW_S = 45


@asynccontextmanager
async def _team(service: Service) -> AsyncIterator[Workspace]:
    url = await asyncio.to_thread(service.add_api)
    async with httpx.AsyncClient(base_url=url, timeout=30) as client, sign_up(client) as workspace:
        yield workspace


async def test_a_worker_killed_between_claim_and_answer_loses_nothing(service: Service, receiver: Receiver) -> None:
    async with _team(service) as workspace:
        receiver.answer = lambda _: Answer(delay_s=30) if len(receiver.arrived) == 1 else Answer()
        killed = service.add_worker()
        await workspace.endpoint(receiver.url, "feature.created")
        await workspace.feature("Told twice")
        [first] = await receiver.count(1, SLOW_S)
        killed.kill()
        service.add_worker()
        second = (await receiver.count(2, SLOW_S))[1]

        assert second.headers["webhook-id"] == first.headers["webhook-id"]
        assert second.body == first.body
        delivery = await _delivered(workspace)
        assert [(one["number"], one["status_code"]) for one in delivery["attempts"]] == [(2, 204), (1, None)]
        # The killed worker's attempt was never finished, and stays in the log to explain the second request.
        assert delivery["attempts"][1]["finished_at"] is None


async def test_what_was_committed_while_no_worker_ran_arrives_after_a_flushall(
    service: Service, receiver: Receiver, local: LocalServers
) -> None:
    service.settings = {**service.settings, "bell": "redis"}
    async with _team(service) as workspace:
        await workspace.endpoint(receiver.url, "feature.created")
        await workspace.feature("Rung, and forgotten")
        async with redis.asyncio.Redis.from_url(local.redis_url) as client:
            assert await client.dbsize() > 0  # the ring was there
            await client.flushall()
        service.add_worker()

        [one] = await receiver.count(1, SLOW_S)

        assert one.event["data"]["title"] == "Rung, and forgotten"


@pytest.mark.parametrize("bell", ["notify", "redis"])
async def test_the_bell_wakes_the_worker_long_before_its_sweep(service: Service, receiver: Receiver, bell: str) -> None:
    service.settings = {**service.settings, "bell": bell, "sweep_s": 3600}
    async with _team(service) as workspace:
        service.add_worker()
        await workspace.endpoint(receiver.url, "feature.created")
        await workspace.feature("The first is found at the start")
        await receiver.count(1, SLOW_S)
        for number in range(2, 5):
            # Each is rung for by itself: the worker has gone to sleep again.
            await receiver.quiet()
            await workspace.feature(f"Feature {number}")
            await receiver.count(number, SLOW_S)


@pytest.mark.parametrize("bell", ["notify", "redis"])
async def test_without_redis_the_api_answers_and_deliveries_go_on(
    service: Service, receiver: Receiver, local: LocalServers, bell: str
) -> None:
    service.settings = {**service.settings, "bell": bell}
    async with _team(service) as workspace:
        service.add_worker()
        await workspace.endpoint(receiver.url, "feature.created")
        await workspace.feature("Before")
        await receiver.count(1, SLOW_S)
        os.kill(local.redis_pid, signal.SIGKILL)

        for title in ("First without", "Second without"):
            await workspace.feature(title)
        listed = await workspace.live.get("/v1/features")
        await receiver.count(3, SLOW_S)

        assert len(listed.json()["data"]) == 3
        assert {one.event["data"]["title"] for one in receiver.arrived} == {
            "Before",
            "First without",
            "Second without",
        }
        await asyncio.to_thread(local.restart_redis)
        await workspace.feature("With it again")
        await receiver.count(4, SLOW_S)


# -- requests that never end -----------------------------------------------------------------------------------------


async def test_requests_that_never_become_whole_are_ended_and_whole_ones_are_not(service: Service) -> None:
    """One service for all: the limit is a second here. No time is asserted but that an end comes."""
    async with _team(service) as workspace:
        authorized = f"Authorization: Bearer {workspace.live_secret}\r\nContent-Type: application/json\r\n"
        half_body = f"POST /v1/features HTTP/1.1\r\nHost: a\r\n{authorized}Content-Length: 100\r\n\r\n{{"
        whole = f"GET /v1/features HTTP/1.1\r\nHost: a\r\n{authorized}\r\n"
        url = service.urls[0]

        status, closed = await _answer(url, half_body)
        assert (status, closed) == (408, True)
        # Nothing is answered to what is not yet a request.
        assert await _answer(url, "GET /v1/features HTTP/1.1\r\nHost: a\r\nX-Half: ") == (None, True)
        assert await _answer(url, "") == (None, True)
        assert await _answer(url, "GET /v1/features HTTP/1.1\r\nHost: a\r\n", drip="X: 1\r\n") == (None, True)
        # A refusal needs no body; the connection does not wait for ever for the rest of it either.
        assert await _answer(url, half_body.replace("rb_live", "rb_none"), drip=" ") == (401, True)
        assert await _answer(url, half_body, drip=" ") == (408, True)
        assert await _answer(url, whole + "GET /v1/fea") == (200, True)
        # Heads are bounded in size as well.
        assert await _answer(url, "GET / HTTP/1.1\r\nX: " + "x" * 70_000) == (431, True)

        assert await _kept(url, whole, idle_s=2.5) == [200, 200]


async def _answer(url: str, sent: str, drip: str = "") -> tuple[int | None, bool]:
    """The status of the first answer, and whether the server then closed the connection while we kept it open."""
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    dripping = asyncio.create_task(_drip(writer, drip)) if drip else None
    try:
        writer.write(sent.encode())
        told = b""
        with contextlib.suppress(ConnectionResetError):
            async with asyncio.timeout(SLOW_S):
                while chunk := await reader.read(65_536):
                    told += chunk
        return int(told.split()[1]) if told else None, True
    except TimeoutError:
        return None, False
    finally:
        if dripping is not None:
            dripping.cancel()
        writer.close()


async def _drip(writer: asyncio.StreamWriter, piece: str) -> None:
    with contextlib.suppress(ConnectionError):
        while True:
            await asyncio.sleep(0.1)
            writer.write(piece.encode())
            await writer.drain()


async def _kept(url: str, request: str, idle_s: float) -> list[int]:
    """The answers to two requests over one connection that idles between them for longer than a head may take."""
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    statuses = []
    for pause_s in (0.0, idle_s):
        await asyncio.sleep(pause_s)
        writer.write(request.encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        statuses.append(int(head.split()[1]))
        length = next(line for line in head.lower().split("\r\n") if line.startswith("content-length:"))
        await reader.readexactly(int(length.partition(":")[2]))
    writer.close()
    return statuses


async def _delivered(workspace: Workspace) -> dict[str, Any]:
    deadline = time.monotonic() + SLOW_S
    while True:
        [delivery] = (await workspace.live.get("/v1/deliveries")).json()["data"]
        if delivery["status"] == "delivered":
            shown: dict[str, Any] = (await workspace.live.get(f"/v1/deliveries/{delivery['id']}")).json()
            return shown
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
