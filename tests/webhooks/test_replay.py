"""Replay, redelivery by filter, expunging and triggering: everything once, nothing capped."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from api import json
from api.db import parse_id
from api.settings import Settings
from api.stores import Scope, Stores
from api.webhooks.catalogue import TEST, find
from api.webhooks.outbox import emit_many
from tests.support.operating import operating, until
from tests.support.receiver import Answer, Receiver
from tests.support.workspace import Workspace, made
from workers.deliver import Courier

EARLIER = (datetime.now(UTC) - timedelta(hours=1)).isoformat()


async def tell(stores: Stores, workspace: Workspace, amount: int, event_type: str = "feature.created") -> None:
    found = find(event_type)
    assert found is not None
    async with stores.transaction(Scope(parse_id("ws", workspace.id), livemode=True)) as tx:
        await emit_many(tx, found, [json.dump(found.example | {"title": str(number)}) for number in range(amount)])
        await tx.commit()


async def replayed(workspace: Workspace, endpoint: dict[str, Any], **wanted: Any) -> dict[str, Any]:
    started = await workspace.live.post(f"/v1/endpoints/{endpoint['id']}/replay", json={"since": EARLIER, **wanted})
    assert started.status_code == 202, started.text
    assert started.headers["location"] == f"/v1/operations/{started.json()['id']}"
    return await until(workspace.live, started.json()["id"], "succeeded", "failed", within_s=30)


async def counts(owner: asyncpg.Connection) -> Counter[str]:
    rows = await owner.fetch("SELECT status, count(*) AS n FROM deliveries GROUP BY status")
    return Counter({row["status"]: row["n"] for row in rows})


async def test_an_endpoint_gets_the_events_from_before_it_was_made(
    workspace: Workspace, stores: Stores, settings: Settings, receiver: Receiver, courier: Courier
) -> None:
    await tell(stores, workspace, 3)
    await tell(stores, workspace, 2, "prd.created")
    endpoint = await workspace.endpoint(receiver.url, "feature.*")
    async with operating(settings):
        shown = await replayed(workspace, endpoint, only_missing=True)
        assert (shown["progress"], shown["result"]) == ({"done": 3, "total": 3}, {"matched": 3, "sent": 3})
        arrived = await receiver.count(3)
        assert [one.event["data"]["title"] for one in arrived] == ["0", "1", "2"]
        again = await replayed(workspace, endpoint, only_missing=True)
        assert again["result"] == {"matched": 0, "sent": 0}
    assert len(await receiver.quiet()) == 3


async def test_a_replay_sends_what_was_delivered_again_under_the_same_id(
    workspace: Workspace, stores: Stores, settings: Settings, receiver: Receiver, courier: Courier
) -> None:
    endpoint = await workspace.endpoint(receiver.url, "feature.*")
    await tell(stores, workspace, 3)
    first = {one.headers["webhook-id"] for one in await receiver.count(3)}
    await receiver.quiet()
    async with operating(settings):
        assert (await replayed(workspace, endpoint, types=["feature.created"]))["result"]["sent"] == 3
        arrived = await receiver.count(6)
    assert Counter(one.headers["webhook-id"] for one in arrived) == dict.fromkeys(first, 2)


async def test_a_dry_run_only_counts(
    workspace: Workspace, stores: Stores, settings: Settings, owner: asyncpg.Connection
) -> None:
    await tell(stores, workspace, 4)
    endpoint = await workspace.endpoint("http://127.0.0.1:59999/hook", "feature.*")
    async with operating(settings):
        assert (await replayed(workspace, endpoint, dry_run=True))["result"] == {"matched": 4, "sent": 0}
    assert await counts(owner) == Counter()


async def test_more_than_ten_thousand_are_replayed_and_a_pause_neither_loses_nor_doubles(
    workspace: Workspace, stores: Stores, settings: Settings, owner: asyncpg.Connection
) -> None:
    for _ in range(12):
        await tell(stores, workspace, 1000)
    endpoint = await workspace.endpoint("http://127.0.0.1:59999/hook", "feature.*", enabled=False)
    async with operating(settings):
        started = await made(workspace.live, f"/v1/endpoints/{endpoint['id']}/replay", {"since": EARLIER})
        path = f"/v1/operations/{started['id']}"
        for _ in range(3):
            await asyncio.sleep(0.05)
            await workspace.live.post(f"{path}/pause")
            await workspace.live.post(f"{path}/resume")
        shown = await until(workspace.live, started["id"], "succeeded", within_s=30)
    assert shown["result"] == {"matched": 12_000, "sent": 12_000}
    assert await counts(owner) == {"held": 12_000}
    assert await owner.fetchval("SELECT count(DISTINCT event_id) FROM deliveries") == 12_000


async def test_two_replays_at_once_make_no_delivery_twice(
    workspace: Workspace, stores: Stores, settings: Settings, owner: asyncpg.Connection
) -> None:
    await tell(stores, workspace, 800)
    endpoint = await workspace.endpoint("http://127.0.0.1:59999/hook", "feature.*", enabled=False)
    async with operating(settings), operating(settings):
        await asyncio.gather(*(replayed(workspace, endpoint, only_missing=True) for _ in range(4)))
    assert await owner.fetchval("SELECT count(*) FROM deliveries") == 800


async def test_a_rate_spreads_the_deliveries_over_time(
    workspace: Workspace, stores: Stores, settings: Settings, owner: asyncpg.Connection
) -> None:
    await tell(stores, workspace, 30)
    endpoint = await workspace.endpoint("http://127.0.0.1:59999/hook", "feature.*", enabled=False)
    async with operating(settings):
        assert (await replayed(workspace, endpoint, rate_per_s=20))["status"] == "succeeded"
    spread = await owner.fetchval("SELECT extract(epoch FROM max(due_at) - min(due_at))::float8 FROM deliveries")
    assert spread > 1.2


async def test_a_filter_on_the_data_holds_for_replays_too(
    workspace: Workspace, stores: Stores, settings: Settings
) -> None:
    await tell(stores, workspace, 2)
    await workspace.feature("Pay down the debt", bucket="technical")
    endpoint = await workspace.endpoint(
        "http://127.0.0.1:59999/hook", "feature.*", enabled=False, condition={"bucket": ["technical"]}
    )
    async with operating(settings):
        assert (await replayed(workspace, endpoint))["result"] == {"matched": 1, "sent": 1}


async def test_an_endpoint_that_is_deleted_meanwhile_fails_the_operation(
    workspace: Workspace, stores: Stores, settings: Settings
) -> None:
    await tell(stores, workspace, 2)
    endpoint = await workspace.endpoint("http://127.0.0.1:59999/hook", "feature.*", enabled=False)
    started = await made(workspace.live, f"/v1/endpoints/{endpoint['id']}/replay", {"since": EARLIER})
    await workspace.live.delete(f"/v1/endpoints/{endpoint['id']}")
    async with operating(settings):
        shown = await until(workspace.live, started["id"], "failed")
    assert shown["error"]["code"] == "not_found"


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({}, "/since"),
        ({"since": "2999-01-01T00:00:00Z"}, "/since"),
        ({"since": EARLIER, "until": "2020-01-01T00:00:00Z"}, "/since"),
        ({"since": EARLIER, "types": ["feature.eaten"]}, "/types"),
        ({"since": EARLIER, "rate_per_s": 0}, "/rate_per_s"),
    ],
)
async def test_a_replay_that_cannot_be_is_refused(workspace: Workspace, wanted: dict[str, Any], field: str) -> None:
    endpoint = await workspace.endpoint("http://127.0.0.1:59999/hook", "*")
    answer = await workspace.live.post(f"/v1/endpoints/{endpoint['id']}/replay", json=wanted)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["target"]["name"] == field


async def test_nobody_replays_to_anothers_endpoint(workspace: Workspace, other_workspace: Workspace) -> None:
    endpoint = await workspace.endpoint("http://127.0.0.1:59999/hook", "*")
    for client in (other_workspace.live, workspace.test):
        answer = await client.post(f"/v1/endpoints/{endpoint['id']}/replay", json={"since": EARLIER})
        assert answer.status_code == 404
        answer = await client.post("/v1/deliveries/redeliver", json={"endpoint_id": endpoint["id"]})
        assert answer.status_code == 404


# -- redelivery ------------------------------------------------------------------------------------------------------


async def test_dead_letters_are_redelivered_by_filter(
    workspace: Workspace, stores: Stores, settings: Settings, receiver: Receiver, owner: asyncpg.Connection
) -> None:
    wanted = await workspace.endpoint(receiver.url, "feature.*", "prd.*")
    await workspace.endpoint(receiver.url, "feature.*", "prd.*", enabled=False)
    await tell(stores, workspace, 3)
    await tell(stores, workspace, 2, "prd.created")
    await owner.execute("UPDATE deliveries SET status = 'dead', failures = 10, finished_at = now()")
    async with operating(settings):
        body = {"endpoint_id": wanted["id"], "types": ["feature.*"]}
        counted = await made(workspace.live, "/v1/deliveries/redeliver", {**body, "dry_run": True})
        assert (await until(workspace.live, counted["id"], "succeeded"))["result"] == {"matched": 3, "sent": 0}
        started = await made(workspace.live, "/v1/deliveries/redeliver", body)
        assert (await until(workspace.live, started["id"], "succeeded"))["result"] == {"matched": 3, "sent": 3}
        assert await counts(owner) == {"pending": 3, "dead": 7}
        everything = await made(workspace.live, "/v1/deliveries/redeliver", {})
        shown = await until(workspace.live, everything["id"], "succeeded")
    assert (shown["kind"], shown["result"]) == ("redelivery", {"matched": 7, "sent": 7})
    assert await counts(owner) == {"pending": 5, "held": 5}


async def test_what_was_delivered_is_not_sent_again_by_mistake(workspace: Workspace) -> None:
    answer = await workspace.live.post("/v1/deliveries/redeliver", json={"status": ["delivered"]})
    assert answer.status_code == 400


# -- expunging -------------------------------------------------------------------------------------------------------


async def test_an_expunged_payload_is_gone_and_cannot_be_sent(
    workspace: Workspace, settings: Settings, receiver: Receiver, courier: Courier, owner: asyncpg.Connection
) -> None:
    receiver.answer = lambda arrived: Answer(200, {"x-said": "A secret"}, arrived.body)
    endpoint = await workspace.endpoint(receiver.url, "feature.*")
    held = await workspace.endpoint(receiver.url, "feature.*", enabled=False)
    await workspace.feature("A secret")
    await receiver.count(1)
    await receiver.quiet()
    event = (await workspace.live.get("/v1/events", params={"type": "feature.created"})).json()["data"][0]

    for _ in range(2):
        shown = await made(workspace.live, f"/v1/events/{event['id']}/expunge", {})
        assert shown == {**event, "data": {"expunged": True}}
    assert await owner.fetchval("SELECT count(*) FROM events WHERE body LIKE '%A secret%'") == 0
    # A receiver that repeats what it got is no place to keep it either.
    assert await owner.fetchval("SELECT count(*) FROM attempts WHERE attempts::text LIKE '%A secret%'") == 0
    assert await owner.fetchval("SELECT count(*) FROM attempts WHERE status_code = 200") == 1

    rows = (await workspace.live.get("/v1/deliveries", params={"event_id": event["id"]})).json()["data"]
    by_endpoint = {row["endpoint_id"]: row for row in rows}
    assert by_endpoint[endpoint["id"]]["status"] == "delivered"
    assert (by_endpoint[held["id"]]["status"], by_endpoint[held["id"]]["last_error"]) == ("dead", "expunged")
    for row in rows:
        answer = await workspace.live.post(f"/v1/deliveries/{row['id']}/redeliver")
        assert (answer.status_code, answer.json()["code"]) == (409, "event_expunged")
    async with operating(settings):
        assert (await replayed(workspace, endpoint))["result"]["sent"] == 0
        started = await made(
            workspace.live, "/v1/deliveries/redeliver", {"status": ["dead", "delivered"], "since": EARLIER}
        )
        assert (await until(workspace.live, started["id"], "succeeded"))["result"]["sent"] == 0
    assert len(await receiver.quiet()) == 1


async def test_only_ones_own_events_are_expunged(workspace: Workspace, other_workspace: Workspace) -> None:
    await workspace.feature("Ours")
    event = (await workspace.live.get("/v1/events")).json()["data"][0]
    for client in (other_workspace.live, workspace.test):
        assert (await client.post(f"/v1/events/{event['id']}/expunge")).status_code == 404


# -- triggering ------------------------------------------------------------------------------------------------------


async def test_a_trigger_sends_the_example_to_those_who_want_it(
    workspace: Workspace, receiver: Receiver, courier: Courier
) -> None:
    await workspace.endpoint(receiver.url, "decision.recorded")
    told = await made(workspace.live, "/v1/events/trigger", {"type": "decision.recorded"})
    assert (told["type"], told["deliveries"], told["livemode"]) == ("decision.recorded", 1, True)
    [arrived] = await receiver.count(1)
    assert arrived.headers["webhook-id"] == told["event_id"]
    example = find("decision.recorded")
    assert example is not None
    assert arrived.event["data"] == json.load(json.dump(example.example))
    unknown = await workspace.live.post("/v1/events/trigger", json={"type": "decision.eaten"})
    assert (unknown.status_code, unknown.json()["errors"][0]["code"]) == (400, "unknown_event_type")


async def test_a_trigger_of_the_sandbox_stays_in_it(workspace: Workspace, receiver: Receiver, courier: Courier) -> None:
    await workspace.endpoint(receiver.url, "*")
    told = await made(workspace.test, "/v1/events/trigger", {"type": TEST.name})
    assert (told["deliveries"], told["livemode"]) == (0, False)
    assert await receiver.quiet() == []
