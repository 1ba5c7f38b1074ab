"""Testing an endpoint: the answer has the attempt, done once under an idempotency key, and nobody waits for it."""

import asyncio

import asyncpg
import httpx
import pytest

from api.settings import Settings
from tests.support.receiver import Answer, Receiver
from tests.support.workspace import Workspace
from tests.usage.test_limits import serving
from workers.deliver import Courier

KEY = {"Idempotency-Key": "5b7e9b2a-3a55-4f2a-9a53-7f8c1d0f2f11"}


@pytest.mark.parametrize("headers", [{}, KEY], ids=["without a key", "with an idempotency key"])
async def test_a_slow_receiver_under_test_holds_no_connection(
    settings: Settings, workspace: Workspace, receiver: Receiver, courier: Courier, headers: dict[str, str]
) -> None:
    receiver.answer = lambda _: Answer(delay_s=1.5)
    endpoint = await workspace.endpoint(receiver.url, "webhook.test")
    async with serving(settings, database_pool=1) as (calling, _):
        calling.headers["authorization"] = f"Bearer {workspace.live_secret}"
        testing = asyncio.create_task(calling.post(f"/v1/endpoints/{endpoint['id']}/test", headers=headers))
        await receiver.count(1)
        for number in range(5):
            made = await calling.post("/v1/features", json={"title": f"Meanwhile {number}"})
            assert made.status_code == 201
        assert not testing.done()
        tested = await testing
    assert (tested.status_code, tested.json()["status"]) == (200, "delivered")


async def test_a_test_under_an_idempotency_key_is_sent_once_and_answered_the_same(
    workspace: Workspace, receiver: Receiver, courier: Courier, owner: asyncpg.Connection
) -> None:
    receiver.answer = lambda _: Answer(delay_s=0.5)
    endpoint = await workspace.endpoint(receiver.url, "webhook.test")
    path = f"/v1/endpoints/{endpoint['id']}/test"
    first = asyncio.create_task(workspace.live.post(path, headers=KEY))
    await receiver.count(1)
    meanwhile = await workspace.live.post(path, headers=KEY)
    done = await first
    again = await workspace.live.post(path, headers=KEY)

    # Its outcome is not known yet; it is the same delivery, and is not sent again.
    assert (meanwhile.status_code, meanwhile.headers["idempotency-replayed"]) == (202, "true")
    assert meanwhile.json()["id"] == done.json()["id"]
    assert (done.status_code, done.json()["attempts"][0]["status_code"]) == (200, 204)
    assert (again.status_code, again.content, again.headers["idempotency-replayed"]) == (200, done.content, "true")
    assert len(await receiver.quiet()) == 1
    assert await owner.fetchval("SELECT count(*) FROM events") == 1


async def test_a_test_of_nothing_is_refused_the_same_way_twice(workspace: Workspace) -> None:
    endpoint = await workspace.endpoint("http://127.0.0.1:65000/never", "webhook.test")
    path = f"/v1/endpoints/{endpoint['id']}/test"
    body = {"event_type": "feature.exploded"}
    answers: list[httpx.Response] = [await workspace.live.post(path, json=body, headers=KEY) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [400, 400]
    assert answers[0].content == answers[1].content


async def test_an_endpoint_that_said_410_can_be_tested_and_goes_on_once_it_answers(
    workspace: Workspace, receiver: Receiver, courier: Courier
) -> None:
    async with Receiver(lambda _: Answer(410)) as gone:
        endpoint = await workspace.endpoint(gone.url, "feature.created")
        await workspace.endpoint(receiver.url, "webhook_endpoint.*")
        await workspace.feature("Before it was gone")
        await receiver.count(1)
        path = f"/v1/endpoints/{endpoint['id']}"
        disabled = (await workspace.live.get(path)).json()
        assert (disabled["enabled"], disabled["disabled_reason"]) == (False, "gone")

        # A test that fails leaves it as it is, and nobody is told a second time.
        still = (await workspace.live.post(f"{path}/test")).json()
        assert (still["status"], still["attempts"][0]["status_code"]) == ("held", 410)
        assert (await workspace.live.get(path)).json() == disabled
        assert len(await receiver.quiet()) == 1

        gone.answer = lambda _: Answer()
        assert (await workspace.live.post(f"{path}/test")).json()["status"] == "delivered"
        shown = (await workspace.live.get(path)).json()
        assert (shown["enabled"], shown["disabled_reason"]) == (True, None)
        # Two were refused; these two come again after the test that went well.
        arrived = await gone.count(5)
        assert sorted(one.event["type"] for one in arrived[3:]) == ["feature.created", "webhook.test"]
    await receiver.count(2)
    assert [one.event["type"] for one in receiver.arrived] == ["webhook_endpoint.disabled", "webhook_endpoint.enabled"]


async def test_an_endpoint_that_its_owner_disabled_is_not_tested(workspace: Workspace, receiver: Receiver) -> None:
    endpoint = await workspace.endpoint(receiver.url, "feature.created")
    path = f"/v1/endpoints/{endpoint['id']}"
    await workspace.live.patch(path, json={"enabled": False})
    refused = await workspace.live.post(f"{path}/test")
    assert (refused.status_code, refused.json()["code"]) == (409, "endpoint_disabled")
    assert await receiver.quiet() == []
