"""The pull feed: oldest first, nothing skipped whatever the order of commits, and no connection held by who waits."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from api import json
from api.db import parse_id
from api.settings import Settings
from api.stores import Scope, Stores, Transaction
from api.webhooks import feed
from api.webhooks.catalogue import TEST
from api.webhooks.outbox import emit
from tests.support.problems import problem
from tests.support.serving import serving
from tests.support.told import settled
from tests.support.workspace import Workspace, made


def scope_of(workspace: Workspace) -> Scope:
    return Scope(parse_id("ws", workspace.id), livemode=True)


async def tell(tx: Transaction, message: str) -> None:
    await emit(tx, TEST, json.dump({"message": message, "version": 1}))


async def told(stores: Stores, workspace: Workspace, *messages: str, settle: bool = True) -> None:
    for message in messages:
        async with stores.transaction(scope_of(workspace)) as tx:
            await tell(tx, message)
            await tx.commit()
    if settle:
        await settled(stores)


async def read(client: httpx.AsyncClient, after: str, **params: Any) -> tuple[list[str], dict[str, Any]]:
    page = (await client.get("/v1/events", params={"after": after, **params})).raise_for_status().json()
    return [event["data"].get("message", event["type"]) for event in page["data"]], page


async def test_the_feed_is_read_oldest_first_page_by_page(workspace: Workspace, stores: Stores) -> None:
    await told(stores, workspace, *"abcde")
    first, page = await read(workspace.live, "start", limit=2)
    assert (first, page["has_more"]) == (["a", "b"], True)
    second, page = await read(workspace.live, page["next_cursor"], limit=2)
    assert (second, page["has_more"]) == (["c", "d"], True)
    third, page = await read(workspace.live, page["next_cursor"], limit=2)
    assert (third, page["has_more"]) == (["e"], False)
    nothing, page = await read(workspace.live, page["next_cursor"])
    assert nothing == []
    await told(stores, workspace, "f")
    assert (await read(workspace.live, page["next_cursor"]))[0] == ["f"]


async def test_an_event_is_not_skipped_though_its_transaction_commits_late(
    workspace: Workspace, stores: Stores
) -> None:
    """The slow one made its event first and commits last: a reader by id or by time would pass it over."""
    async with stores.transaction(scope_of(workspace)) as slow:
        await tell(slow, "slow")
        await told(stores, workspace, "quick", settle=False)
        before, page = await read(workspace.live, "start")
        assert before == []
        await slow.commit()
    await settled(stores)
    assert (await read(workspace.live, page["next_cursor"]))[0] == ["slow", "quick"]


async def test_many_writers_that_commit_in_any_order_are_all_read_once(workspace: Workspace, stores: Stores) -> None:
    async def write(number: int) -> None:
        async with stores.transaction(scope_of(workspace)) as tx:
            await tell(tx, str(number))
            await asyncio.sleep(number * 7 % 11 / 500)
            if number % 5:
                await tx.commit()

    seen: list[str] = []
    cursor = "start"
    limit = asyncio.Semaphore(5)

    async def bounded(number: int) -> None:
        async with limit:
            await write(number)

    writers = asyncio.gather(*(bounded(number) for number in range(60)))
    while True:
        done = writers.done()
        if done:
            await settled(stores)
        messages, page = await read(workspace.live, cursor, limit=7)
        seen += messages
        cursor = page["next_cursor"]
        if done and not messages:
            break
    assert sorted(seen, key=int) == [str(number) for number in range(60) if number % 5]


async def test_a_waiting_request_is_woken_by_the_event(workspace: Workspace, stores: Stores) -> None:
    began = time.monotonic()
    waiting = asyncio.create_task(read(workspace.live, "now", wait_s=20))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    await told(stores, workspace, "news")
    assert (await waiting)[0] == ["news"]
    assert time.monotonic() - began < 10


async def test_those_who_wait_hold_no_database_connection(
    workspace: Workspace, stores: Stores, settings: Settings, application: FastAPI
) -> None:
    """Four times as many wait as the pool has connections, and others are served meanwhile."""
    waiting = [asyncio.create_task(read(workspace.live, "now", wait_s=20)) for _ in range(settings.database_pool * 4)]
    pool = stores.pool
    async with asyncio.timeout(10):
        while application.state.event_bell.waiting < len(waiting) or pool.taken:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await workspace.feature("Dark mode")
    pages = await asyncio.gather(*waiting)
    assert all(messages == ["feature.created"] for messages, _ in pages)


async def test_a_workspace_that_waits_as_often_as_it_may_leaves_room_for_the_others(
    workspace: Workspace, other_workspace: Workspace, application: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.webhooks.feed.MOST_OF_A_WORKSPACE", 3)
    waiting = [asyncio.create_task(read(workspace.live, "now", wait_s=20)) for _ in range(3)]
    async with asyncio.timeout(10):
        while application.state.event_bell.waiting < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    for path in ("/v1/events?after=now&wait_s=1", "/v1/events/stream"):
        refused = await workspace.live.get(path)
        assert "of this workspace" in problem(refused, 429, "rate_limited")["detail"]
        assert refused.headers["retry-after"] == "1"
    assert await read(other_workspace.live, "now", wait_s=0.1)
    await workspace.feature("Dark mode")
    assert [messages for messages, _ in await asyncio.gather(*waiting)] == [["feature.created"]] * 3
    assert await read(workspace.live, "now", wait_s=0.1)
    assert application.state.event_bell._of_workspace == {}


async def test_a_wait_ends_empty_with_a_cursor_to_go_on_with(workspace: Workspace, stores: Stores) -> None:
    messages, page = await read(workspace.live, "now", wait_s=0.1)
    assert (messages, page["has_more"]) == ([], False)
    await told(stores, workspace, "later")
    assert (await read(workspace.live, page["next_cursor"]))[0] == ["later"]


async def test_a_wait_sees_an_event_that_an_older_transaction_held_back(workspace: Workspace, stores: Stores) -> None:
    async with stores.transaction(scope_of(workspace)) as older:
        await tell(older, "undone")
        waiting = asyncio.create_task(read(workspace.live, "now", wait_s=20))
        await told(stores, workspace, "news", settle=False)
        await asyncio.sleep(0.1)
        assert not waiting.done()
        await older.rollback()
    assert (await waiting)[0] == ["news"]


async def test_types_are_filtered_by_name_and_family(
    workspace: Workspace, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also across more events of other types than one look reads."""
    monkeypatch.setattr(feed, "MOST_SCANNED", 3)
    await told(stores, workspace, *"abcdefgh")
    await workspace.feature("Dark mode")
    await told(stores, workspace, *"ij")
    found, _ = await read(workspace.live, "start", type="feature.*,roadmap.reprioritized", wait_s=1)
    assert found == ["feature.created"]
    unknown = await workspace.live.get("/v1/events", params={"after": "start", "type": "feature.eaten"})
    assert unknown.status_code == 400
    assert unknown.json()["errors"][0]["target"] == {"type": "parameter", "name": "type"}


async def test_reading_goes_on_after_an_event_that_came_as_a_webhook(workspace: Workspace, stores: Stores) -> None:
    await told(stores, workspace, *"ab")
    newest_first = (await workspace.live.get("/v1/events")).json()["data"]
    assert (await read(workspace.live, newest_first[-1]["id"]))[0] == ["b"]
    answer = await workspace.live.get("/v1/events", params={"after": "evt_01h455vb4pex5vsknk084sn02q"})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "unknown_event")


async def test_a_position_belongs_to_its_workspace_and_mode(
    workspace: Workspace, other_workspace: Workspace, stores: Stores
) -> None:
    await told(stores, workspace, "ours")
    _, page = await read(workspace.live, "start")
    for client in (other_workspace.live, workspace.test):
        answer = await client.get("/v1/events", params={"after": page["next_cursor"]})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")
        assert (await read(client, "start"))[0] == []


@pytest.mark.parametrize(
    "params",
    [{"after": "start", "cursor": "x"}, {"wait_s": 5}, {"after": "start", "wait_s": 31}, {"after": "x"}],
)
async def test_parameters_that_do_not_go_together_are_refused(workspace: Workspace, params: dict[str, Any]) -> None:
    assert (await workspace.live.get("/v1/events", params=params)).status_code == 400


# -- the stream ------------------------------------------------------------------------------------------------------


@pytest.fixture
async def base_url(application: FastAPI) -> AsyncIterator[str]:
    async with serving(application) as url:
        yield url


class Stream:
    """A reader of server-sent events: `next` gives the fields of the next message."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def next(self) -> dict[str, str]:
        fields: dict[str, str] = {}
        async with asyncio.timeout(10):
            async for line in self._lines:
                name, _, value = line.partition(": ")
                if line and name:
                    fields[name] = value
                elif "data" in fields:
                    return fields
        raise EOFError


@asynccontextmanager
async def streaming(
    base_url: str, workspace: Workspace, headers: dict[str, str] | None = None, **params: str
) -> AsyncIterator[httpx.Response]:
    all_headers = {"Authorization": f"Bearer {workspace.live_secret}", **(headers or {})}
    async with (
        httpx.AsyncClient(base_url=base_url, timeout=10) as client,
        client.stream("GET", "/v1/events/stream", headers=all_headers, params=params) as response,
    ):
        yield response


async def test_the_stream_sends_events_as_they_come_and_goes_on_where_it_broke(
    workspace: Workspace, stores: Stores, base_url: str
) -> None:
    async with streaming(base_url, workspace) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        stream = Stream(response)
        await asyncio.sleep(0.1)
        await told(stores, workspace, "a")
        first = await stream.next()
    assert first["event"] == "webhook.test"
    assert json.load(first["data"])["data"]["message"] == "a"
    await told(stores, workspace, "b", "c")
    async with streaming(base_url, workspace, {"Last-Event-ID": first["id"]}) as response:
        stream = Stream(response)
        assert [json.load((await stream.next())["data"])["data"]["message"] for _ in range(2)] == ["b", "c"]


async def test_a_stream_ends_soon_after_its_key_is_revoked(workspace: Workspace, base_url: str) -> None:
    key = await made(workspace.live, "/v1/keys", {"name": "reader", "scopes": ["webhooks:read"]})
    workspace.live_secret = key["secret"]
    async with streaming(base_url, workspace) as response:
        stream = Stream(response)
        assert (await workspace.live.delete(f"/v1/keys/{key['id']}")).status_code == 204
        # The revocation itself is an event, which may still go out on this stream.
        while (ended := await stream.next())["event"] == "key.revoked":
            pass
        assert (ended["event"], json.load(ended["data"])["code"]) == ("error", "unauthenticated")
        with pytest.raises(EOFError):
            await stream.next()


async def test_an_idle_stream_shows_that_it_lives_and_a_long_one_ends(
    workspace: Workspace, stores: Stores, application: FastAPI, base_url: str
) -> None:
    short = stores.settings.model_copy(update={"stream_s": 1.0, "stream_heartbeat_s": 0.2})
    application.state.stores, kept = Stores(short), application.state.stores
    try:
        async with streaming(base_url, workspace) as response:
            text = (await response.aread()).decode()
    finally:
        await application.state.stores.close()
        application.state.stores = kept
    assert text.startswith("retry: 1000\n")
    assert text.count(": here\n") >= 3


async def test_a_stream_from_a_place_that_is_none_is_refused_before_it_begins(
    workspace: Workspace, base_url: str
) -> None:
    async with streaming(base_url, workspace, {"Last-Event-ID": "nonsense"}) as response:
        assert response.status_code == 400
    async with streaming(base_url, workspace, type="nothing.at_all") as response:
        assert response.status_code == 400
