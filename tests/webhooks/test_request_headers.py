"""The log shows what an attempt sent: header by header what the receiver got, but for what is secret."""

import asyncio
import time
from typing import Any

from fastapi import FastAPI

from api.settings import Settings
from api.stores import WORKER_ROLE, open_stores
from tests.support.receiver import Answer, Receiver
from tests.support.workspace import Workspace
from workers.deliver import Courier
from workers.sender import Sender

CONNECTION = {"host", "content-length"}
SECRET = {"webhook-signature", "authorization", "x-team"}


async def test_the_headers_of_an_attempt_are_those_that_arrived(
    workspace: Workspace, receiver: Receiver, courier: Courier
) -> None:
    own = {"Authorization": "Bearer of-the-subscriber", "X-Team": "platform"}
    await workspace.endpoint(receiver.url, "feature.created", headers=own, schedule=[0, 0, 0])
    await workspace.feature("Another, with another trace")
    await receiver.count(1)
    receiver.arrived.clear()
    receiver.answer = lambda _: Answer(500) if len(receiver.arrived) == 1 else Answer()
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await workspace.live.post("/v1/features", json={"title": "Dark mode"}, headers={"traceparent": parent})
    arrived = await receiver.count(2)
    delivery = await _delivery(workspace, attempts=2)
    for got, attempt in zip(arrived, reversed(delivery["attempts"]), strict=True):
        sent = dict(attempt["request_headers"])
        assert len(sent) == len(attempt["request_headers"])
        expected = {name: value for name, value in got.headers.items() if name not in CONNECTION}
        assert sent == expected | dict.fromkeys(SECRET, "[redacted]")
        assert "0af7651916cd43dd8448eb211c80319c" in sent["traceparent"]
    assert not any(secret in str(delivery) for secret in ("of-the-subscriber", "platform", "v1,"))


async def test_a_header_of_ours_that_the_endpoint_set_is_told_once_and_redacted(
    workspace: Workspace, receiver: Receiver, courier: Courier
) -> None:
    endpoint = await workspace.endpoint(receiver.url, "feature.created", headers={"User-Agent": "ours"})
    await workspace.feature()
    await receiver.count(1)
    [attempt] = (await _delivery(workspace, attempts=1))["attempts"]
    assert [value for name, value in attempt["request_headers"] if name == "user-agent"] == ["[redacted]"]
    # What is changed later changes nothing of what was sent.
    await workspace.live.patch(f"/v1/endpoints/{endpoint['id']}", json={"headers": {"user-agent": None, "x-new": "1"}})
    assert (await _delivery(workspace, attempts=1))["attempts"] == [attempt]


async def test_the_timestamp_is_that_of_the_signature_however_long_the_attempt_waited(
    workspace: Workspace, receiver: Receiver, settings: Settings, application: FastAPI
) -> None:
    state, stop = application.state, asyncio.Event()
    async with open_stores(settings, role=WORKER_ROLE) as stores, Sender(state.target_policy) as sender:
        ahead = Courier(stores, sender, state.sealer, clock=lambda: time.time() + 250)
        running = asyncio.create_task(ahead.run(stop))
        await workspace.endpoint(receiver.url, "feature.created")
        await workspace.feature()
        ahead.bell.set()
        [got] = await receiver.count(1)
        [attempt] = (await _delivery(workspace, attempts=1))["attempts"]
        stop.set()
        await running
    assert int(got.headers["webhook-timestamp"]) > time.time() + 200
    assert dict(attempt["request_headers"])["webhook-timestamp"] == got.headers["webhook-timestamp"]


async def test_where_nothing_was_sent_nothing_is_told(workspace: Workspace, courier: Courier) -> None:
    await workspace.endpoint("http://127.0.0.1:59998/nobody", "feature.created", headers={"x-team": "platform"})
    await workspace.feature()
    [attempt] = (await _delivery(workspace, attempts=1))["attempts"]
    assert (attempt["error"], attempt["request_headers"]) == ("connect_refused", None)


async def _delivery(workspace: Workspace, *, attempts: int) -> dict[str, Any]:
    """The newest, once so many of its attempts are written."""
    listed = (await workspace.live.get("/v1/deliveries")).json()["data"][0]
    deadline = time.monotonic() + 10
    while True:
        shown: dict[str, Any] = (await workspace.live.get(f"/v1/deliveries/{listed['id']}")).json()
        if sum(one["finished_at"] is not None for one in shown["attempts"]) >= attempts:
            return shown
        assert time.monotonic() < deadline
