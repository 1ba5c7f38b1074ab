"""Deliveries from end to end: what the receiver answers, what is tried again and when, and what the log says of it."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from api.main import create_app
from api.settings import Settings
from api.stores import WORKER_ROLE, open_stores
from api.webhooks.backoff import DEFAULT_SCHEDULE
from tests.support.receiver import Answer, Receiver
from tests.support.workspace import Workspace, sign_up
from workers.deliver import Courier
from workers.sender import Sender

KEPT_BYTES = 16 * 1024
METADATA_URLS = ("https://127.0.0.1/hook", "https://169.254.169.254/latest", "https://[::1]/hook", "https://10.0.0.1/")


# -- retries ---------------------------------------------------------------------------------------------------------


async def test_a_failed_delivery_is_tried_again_as_scheduled_under_the_same_id_with_a_new_time(
    workspace: Workspace, receiver: Receiver, courier: Courier, owner: asyncpg.Connection
) -> None:
    receiver.answer = lambda _: Answer(500) if len(receiver.arrived) < 4 else Answer()
    await workspace.endpoint(receiver.url, "feature.created")
    await workspace.feature()
    for number in (1, 2, 3):
        await receiver.count(number)
        pause_s = await _pause_s(owner, failures=number)
        assert pause_s == pytest.approx(DEFAULT_SCHEDULE.delays_s[number], abs=3)
        await _make_due(owner)
    await receiver.count(4)

    delivery = await _settled(workspace, "delivered")

    assert len({one.headers["webhook-id"] for one in receiver.arrived}) == 1
    assert len({one.body for one in receiver.arrived}) == 1
    assert [attempt["number"] for attempt in delivery["attempts"]] == [4, 3, 2, 1]
    assert [attempt["error"] for attempt in delivery["attempts"]] == [None, "http_500", "http_500", "http_500"]
    times = [int(one.headers["webhook-timestamp"]) for one in receiver.arrived]
    assert times == sorted(times)
    assert all(abs(time.time() - one) < 60 for one in times)


@pytest.mark.parametrize(
    ("asked", "expected_s"),
    [
        ("600", 600),
        (lambda: format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=True), 600),
        ("1", 5),
        ("0", 5),
        (lambda: format_datetime(datetime.now(UTC) - timedelta(days=1), usegmt=True), 5),
        ("soon", 5),
        ("999999999", 86_400),
    ],
    ids=["seconds", "a date", "sooner than the schedule", "zero", "a date past", "words", "beyond a day"],
)
async def test_retry_after_is_honoured_and_never_makes_it_sooner(
    workspace: Workspace,
    receiver: Receiver,
    courier: Courier,
    owner: asyncpg.Connection,
    asked: Any,
    expected_s: float,
) -> None:
    value = asked if isinstance(asked, str) else asked()
    receiver.answer = lambda _: Answer(503, {"retry-after": value})
    await workspace.endpoint(receiver.url, "feature.created")
    await workspace.feature()
    await receiver.count(1)

    assert await _pause_s(owner, failures=1) == pytest.approx(expected_s, abs=3)


async def test_a_used_up_schedule_is_a_dead_letter_that_can_be_sent_again(
    workspace: Workspace, receiver: Receiver, courier: Courier
) -> None:
    receiver.answer = lambda _: Answer(500)
    await workspace.endpoint(receiver.url, "feature.created", schedule=[0, 0])
    await workspace.feature()
    dead = await _settled(workspace, "dead")
    listed = (await workspace.live.get("/v1/deliveries", params={"status": "dead"})).json()["data"]
    assert [one["id"] for one in listed] == [dead["id"]]
    assert (dead["attempt_count"], dead["due_at"]) == (2, None)
    assert len(await receiver.quiet()) == 2

    receiver.answer = lambda _: Answer()
    again = await workspace.live.post(f"/v1/deliveries/{dead['id']}/redeliver")
    assert (again.status_code, again.json()["status"]) == (202, "pending")
    delivered = await _settled(workspace, "delivered")

    assert [attempt["number"] for attempt in delivered["attempts"]] == [3, 2, 1]
    assert len({one.headers["webhook-id"] for one in receiver.arrived}) == 1
    assert (await workspace.live.get("/v1/deliveries", params={"status": "dead"})).json()["data"] == []


async def test_a_delivery_that_is_still_on_its_way_is_not_sent_twice(
    workspace: Workspace, receiver: Receiver, courier: Courier
) -> None:
    receiver.answer = lambda _: Answer(500)
    await workspace.endpoint(receiver.url, "feature.created")
    await workspace.feature()
    await receiver.count(1)
    delivery = await _only(workspace)

    refused = await workspace.live.post(f"/v1/deliveries/{delivery['id']}/redeliver")

    assert (refused.status_code, refused.json()["code"]) == (409, "delivery_under_way")
    assert len(await receiver.quiet()) == 1


# -- what an answer means --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_any_2xx_is_delivered(workspace: Workspace, receiver: Receiver, courier: Courier, status: int) -> None:
    receiver.answer = lambda _: Answer(status)
    await workspace.endpoint(receiver.url, "feature.created")
    await workspace.feature()
    delivery = await _settled(workspace, "delivered")
    assert (delivery["last_status_code"], delivery["last_error"], delivery["attempt_count"]) == (status, None, 1)


@pytest.mark.parametrize("status", [400, 401, 404, 409, 429, 500, 501, 502, 503, 504, 599])
async def test_any_other_answer_is_a_failure_with_its_code(
    workspace: Workspace, receiver: Receiver, courier: Courier, status: int
) -> None:
    receiver.answer = lambda _: Answer(status)
    await workspace.endpoint(receiver.url, "feature.created")
    await workspace.feature()
    delivery = await _attempted(workspace)
    assert (delivery["status"], delivery["last_status_code"], delivery["last_error"]) == (
        "pending",
        status,
        f"http_{status}",
    )
    assert (delivery["attempts"][0]["status_code"], delivery["attempts"][0]["error"]) == (status, f"http_{status}")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_a_failure_and_is_not_followed(
    workspace: Workspace, receiver: Receiver, courier: Courier, status: int
) -> None:
    async with Receiver() as second:
        receiver.answer = lambda _: Answer(status, {"location": second.url})
        await workspace.endpoint(receiver.url, "feature.created")
        await workspace.feature()
        delivery = await _attempted(workspace)
        await receiver.quiet()
        assert (delivery["status"], delivery["last_error"], delivery["last_status_code"]) == (
            "pending",
            "redirect",
            status,
        )
        assert (len(receiver.arrived), second.connections) == (1, 0)


async def test_a_receiver_that_answers_too_late_timed_out(
    workspace: Workspace, receiver: Receiver, courier: Courier, settings: Settings
) -> None:
    receiver.answer = lambda _: Answer(delay_s=settings.delivery_timeout_s + 5)
    await workspace.endpoint(receiver.url, "feature.created")
    await workspace.feature()
    delivery = await _attempted(workspace)
    assert (delivery["status"], delivery["last_error"], delivery["last_status_code"]) == ("pending", "timeout", None)
    assert delivery["attempts"][0]["latency_ms"] >= settings.delivery_timeout_s * 1000


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", "reset"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", "reset"),
        (b"hello\r\n\r\n", "bad_response"),
    ],
    ids=["no answer", "half an answer", "not HTTP"],
)
async def test_a_connection_that_breaks_off_is_a_failure_with_its_code(
    workspace: Workspace, courier: Courier, answer: bytes, error: str
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.transport.abort() if not answer else writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        await workspace.endpoint(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook", "feature.created")
        await workspace.feature()
        delivery = await _attempted(workspace)
        assert (delivery["status"], delivery["last_error"]) == ("pending", error)


async def test_nobody_listening_is_a_failure_with_its_code(workspace: Workspace, courier: Courier) -> None:
    async with Receiver() as gone:
        url = gone.url
    await workspace.endpoint(url, "feature.created")
    await workspace.feature()
    delivery = await _attempted(workspace)
    assert (delivery["status"], delivery["last_error"]) == ("pending", "connect_refused")


async def test_410_holds_what_waits_disables_the_endpoint_and_tells_the_others(
    workspace: Workspace, receiver: Receiver, courier: Courier
) -> None:
    async with Receiver(lambda _: Answer(410)) as gone:
        endpoint = await workspace.endpoint(gone.url, "feature.created")
        await workspace.endpoint(receiver.url, "webhook_endpoint.disabled")
        await workspace.feature()
        [told] = await receiver.count(1)
        held = await _settled(workspace, "held", endpoint["id"])
        await workspace.feature("While it is off")
        await gone.quiet()

        shown = (await workspace.live.get(f"/v1/endpoints/{endpoint['id']}")).json()
        assert (shown["enabled"], shown["disabled_reason"]) == (False, "gone")
        assert (told.event["data"]["id"], told.event["data"]["disabled_reason"]) == (endpoint["id"], "gone")
        assert held["last_error"] == "http_410"
        assert len(gone.arrived) == 1


async def test_a_disabled_endpoint_holds_its_deliveries_until_it_is_enabled_by_patch(
    workspace: Workspace, receiver: Receiver, courier: Courier
) -> None:
    endpoint = await workspace.endpoint(receiver.url, "feature.created")
    path = f"/v1/endpoints/{endpoint['id']}"
    assert (await workspace.live.patch(path, json={"enabled": False})).status_code == 200
    titles = {"First", "Second"}
    for title in titles:
        await workspace.feature(title)
    listed = (await workspace.live.get("/v1/deliveries")).json()["data"]
    assert [one["status"] for one in listed] == ["held", "held"]
    assert await receiver.quiet() == []

    assert (await workspace.live.patch(path, json={"enabled": True})).status_code == 200
    await receiver.count(2)

    assert {one.event["data"]["title"] for one in receiver.arrived} == titles


# -- nothing lost, nothing invented ----------------------------------------------------------------------------------


async def test_a_write_that_was_rolled_back_sends_nothing(
    workspace: Workspace, receiver: Receiver, courier: Courier, owner: asyncpg.Connection
) -> None:
    await workspace.endpoint(receiver.url, "feature.*")
    items = [
        {"title": "Good", "source": "jira", "external_id": "1"},
        {"title": "Bad", "source": "jira", "external_id": "2", "depends_on": ["feat_01h455vb4pex5vsknk084sn02q"]},
    ]
    refused = await workspace.live.post("/v1/features/batch", json={"atomic": True, "items": items})
    assert refused.status_code == 400
    assert (await workspace.live.post("/v1/features", json={"title": ""})).status_code == 400

    assert await receiver.quiet() == []
    assert await owner.fetchval("SELECT count(*) FROM events") == 0
    assert (await workspace.live.get("/v1/deliveries")).json()["data"] == []


async def test_the_attempt_is_in_the_log_before_its_request_leaves(
    workspace: Workspace, receiver: Receiver, courier: Courier
) -> None:
    receiver.answer = lambda _: Answer(delay_s=1)
    await workspace.endpoint(receiver.url, "feature.created")
    await workspace.feature()
    await receiver.count(1)

    held = await _only(workspace)

    assert (held["status"], held["attempt_count"]) == ("pending", 1)
    [attempt] = held["attempts"]
    assert (attempt["number"], attempt["finished_at"], attempt["status_code"]) == (1, None, None)
    delivered = await _settled(workspace, "delivered")
    assert [one["id"] for one in delivered["attempts"]] == [attempt["id"]]


# -- the log ---------------------------------------------------------------------------------------------------------


async def test_the_log_keeps_16_kib_of_an_answer_and_no_secret_of_it(
    workspace: Workspace, receiver: Receiver, courier: Courier, owner: asyncpg.Connection
) -> None:
    secret = "receivers-own-secret"
    headers = {"set-cookie": f"session={secret}", "x-api-key": secret, "x-request-id": "abc"}
    receiver.answer = lambda _: Answer(200, headers, b"x" * (KEPT_BYTES + 5000))
    endpoint = await workspace.endpoint(receiver.url, "feature.created", headers={"authorization": "Bearer ours"})
    await workspace.feature()
    delivery = await _settled(workspace, "delivered")

    [attempt] = delivery["attempts"]
    kept = dict(attempt["response_headers"])
    assert attempt["response_body"] == "x" * KEPT_BYTES
    assert (kept["set-cookie"], kept["x-api-key"], kept["x-request-id"]) == ("[redacted]", "[redacted]", "abc")
    written = await owner.fetchval("SELECT string_agg(attempts::text, ' ') FROM attempts")
    for hidden in (secret, "Bearer ours", endpoint["secret"], endpoint["secret"].removeprefix("whsec_")):
        assert hidden not in written
    assert attempt["latency_ms"] > 0
    assert attempt["started_at"] <= attempt["finished_at"]


async def test_deliveries_are_listed_by_endpoint_event_and_status_in_pages(
    workspace: Workspace, receiver: Receiver, courier: Courier
) -> None:
    async with Receiver(lambda _: Answer(500)) as failing:
        good = await workspace.endpoint(receiver.url, "feature.created")
        bad = await workspace.endpoint(failing.url, "feature.created")
        for number in range(3):
            await workspace.feature(f"Feature {number}")
        await receiver.count(3)
        await failing.count(3)

        async def listed(**query: Any) -> list[dict[str, Any]]:
            answer = await workspace.live.get("/v1/deliveries", params=query)
            data: list[dict[str, Any]] = answer.json()["data"]
            return data

        assert {one["endpoint_id"] for one in await listed(endpoint_id=good["id"])} == {good["id"]}
        assert len(await listed(endpoint_id=bad["id"], status="pending,dead")) == 3
        event_id = receiver.arrived[0].headers["webhook-id"]
        assert {one["endpoint_id"] for one in await listed(event_id=event_id)} == {good["id"], bad["id"]}
        everything = await listed()
        ids = [one["id"] for one in everything]
        assert len(ids) == 6
        assert ids == sorted(ids, reverse=True)


# -- forbidden targets -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", METADATA_URLS)
async def test_a_forbidden_target_gets_the_same_verdict_when_it_is_made_changed_tested_and_sent_to(
    settings: Settings, owner: asyncpg.Connection, client: httpx.AsyncClient, url: str
) -> None:
    async with _closed(settings) as (calling, _), sign_up(calling) as team:
        body = {"url": url, "event_types": ["feature.created"]}
        at_create = await team.live.post("/v1/endpoints", json=body)
        assert at_create.status_code == 400
        endpoint = await team.endpoint("https://example.invalid/hook", "feature.created")
        at_change = await team.live.patch(f"/v1/endpoints/{endpoint['id']}", json={"url": url})
        assert at_change.status_code == 400
        assert at_create.json()["errors"] == at_change.json()["errors"]
        assert at_create.json()["errors"][0]["target"]["name"] == "/url"

        # As if it had been made while the settings still let it through.
        await owner.execute("UPDATE endpoints SET url = $1", url)
        tested = (await team.live.post(f"/v1/endpoints/{endpoint['id']}/test")).json()
        await team.feature()
        sent = await _attempted(team, "feature.created")

        for delivery in (tested, sent):
            assert (delivery["last_error"], delivery["last_status_code"]) == ("forbidden_target", None)
            assert delivery["status"] == "pending"


async def test_no_connection_is_made_to_a_receiver_on_loopback_that_is_not_allowed(
    settings: Settings, owner: asyncpg.Connection, client: httpx.AsyncClient, receiver: Receiver
) -> None:
    async with _closed(settings, target_http=True) as (calling, _), sign_up(calling) as team:
        endpoint = await team.endpoint("http://example.invalid/hook", "feature.created")
        await owner.execute("UPDATE endpoints SET url = $1", receiver.url)
        tested = (await team.live.post(f"/v1/endpoints/{endpoint['id']}/test")).json()
        assert tested["last_error"] == "forbidden_target"
        assert receiver.connections == 0


@asynccontextmanager
async def _closed(settings: Settings, **changes: object) -> AsyncIterator[tuple[httpx.AsyncClient, FastAPI]]:
    """An API and a worker of a production kind: nothing private may be reached."""
    strict = settings.model_copy(update={"target_allow": (), "target_http": False, **changes})
    app = create_app(strict)
    stop = asyncio.Event()
    async with (
        app.router.lifespan_context(app),
        open_stores(strict, role=WORKER_ROLE) as stores,
        Sender(app.state.target_policy) as sender,
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://roadbed.test") as calling,
    ):
        running = asyncio.create_task(Courier(stores, sender, app.state.sealer, jitter=lambda: 0.5).run(stop))
        yield calling, app
        stop.set()
        await running


# -- looking ---------------------------------------------------------------------------------------------------------


async def _only(workspace: Workspace, endpoint_id: str | None = None, event_type: str | None = None) -> dict[str, Any]:
    """The one delivery (of this endpoint or event type) with its attempts."""
    query = {"endpoint_id": endpoint_id} if endpoint_id else {}
    listed = (await workspace.live.get("/v1/deliveries", params=query)).json()["data"]
    [delivery] = [one for one in listed if event_type in (None, one["event_type"])]
    shown: dict[str, Any] = (await workspace.live.get(f"/v1/deliveries/{delivery['id']}")).json()
    return shown


async def _settled(workspace: Workspace, status: str, endpoint_id: str | None = None) -> dict[str, Any]:
    """That delivery once it has this status."""
    async with asyncio.timeout(10):
        while True:
            delivery = await _only(workspace, endpoint_id)
            if delivery["status"] == status:
                return delivery
            await asyncio.sleep(0.02)


async def _attempted(workspace: Workspace, event_type: str | None = None) -> dict[str, Any]:
    """That delivery once an attempt has ended."""
    async with asyncio.timeout(10):
        while True:
            delivery = await _only(workspace, event_type=event_type)
            if any(attempt["finished_at"] for attempt in delivery["attempts"]):
                return delivery
            await asyncio.sleep(0.02)


async def _pause_s(owner: asyncpg.Connection, *, failures: int) -> float:
    """Seconds until the one delivery is due, once so many attempts have failed."""
    async with asyncio.timeout(10):
        while True:
            row = await owner.fetchrow("SELECT failures, extract(epoch FROM due_at - now())::float8 FROM deliveries")
            assert row is not None
            if row[0] == failures:
                return float(row[1])
            await asyncio.sleep(0.01)


async def _make_due(owner: asyncpg.Connection) -> None:
    await owner.execute("UPDATE deliveries SET due_at = now()")
    await owner.execute("NOTIFY roadbed_due")
