"""First in, first out, for those who ask for it."""

from collections import defaultdict
from itertools import pairwise

import asyncpg

from tests.support.receiver import Answer, Receiver
from tests.support.workspace import Workspace
from workers.deliver import Courier


async def test_an_endpoint_in_order_gets_events_one_by_one_and_a_failure_holds_back_the_rest(
    workspace: Workspace, receiver: Receiver, courier: Courier, owner: asyncpg.Connection
) -> None:
    failed: set[str] = set()

    def answer(arrived: object) -> Answer:
        event_id = arrived.headers["webhook-id"]  # type: ignore[attr-defined]
        if len(failed) < 2 and event_id not in failed and len(receiver.arrived) in (4, 9):
            failed.add(event_id)
            return Answer(500)
        return Answer()

    receiver.answer = answer
    await workspace.endpoint(receiver.url, "feature.created", ordering="endpoint", schedule=[0, 1, 1, 1])
    titles = [f"Feature {number:02}" for number in range(20)]
    for title in titles:
        await workspace.feature(title)
    await receiver.count(22, within_s=20)
    delivered = [one.event["data"]["title"] for one in receiver.arrived]
    assert list(dict.fromkeys(delivered)) == titles
    assert delivered == sorted(delivered), "one that came twice came twice in its own place"
    assert len(failed) == 2


async def test_order_within_an_entity_lets_the_others_pass(
    workspace: Workspace, receiver: Receiver, courier: Courier
) -> None:
    stuck = await workspace.feature("Stuck")
    free = await workspace.feature("Free")

    def answer(arrived: object) -> Answer:
        data = arrived.event["data"]  # type: ignore[attr-defined]
        return Answer(500 if data["id"] == stuck["id"] and len(receiver.arrived) < 12 else 204)

    receiver.answer = answer
    await workspace.endpoint(receiver.url, "feature.updated", ordering="entity", schedule=[0, 1, 1, 1, 1, 1])
    for number in range(8):
        for feature in (stuck, free):
            await workspace.live.patch(f"/v1/features/{feature['id']}", json={"description": f"Draft {number}"})
    await receiver.quiet(2)
    versions = defaultdict(list)
    for one in receiver.arrived:
        versions[one.event["data"]["id"]].append(one.event["data"]["version"])
    assert versions[free["id"]] == list(range(2, 10))
    assert all(before <= later for before, later in pairwise(versions[stuck["id"]]))
    assert set(versions[stuck["id"]]) == set(range(2, 10))


async def test_two_thousand_events_with_failures_keep_their_order(
    workspace: Workspace, receiver: Receiver, courier: Courier, owner: asyncpg.Connection
) -> None:
    seen: defaultdict[str, int] = defaultdict(int)

    def answer(arrived: object) -> Answer:
        event_id = arrived.headers["webhook-id"]  # type: ignore[attr-defined]
        seen[event_id] += 1
        return Answer(503 if seen[event_id] == 1 and len(seen) % 50 == 0 else 204)

    receiver.answer = answer
    await workspace.endpoint(receiver.url, "feature.created", ordering="endpoint", schedule=[0, 0, 0, 0])
    for start in range(0, 2000, 500):
        items = [{"title": f"Feature {number:05}"} for number in range(start, start + 500)]
        answered = await workspace.live.post("/v1/features/batch", json={"atomic": True, "items": items})
        assert answered.is_success, answered.text
    await receiver.count(2040, within_s=60)
    titles = [one.event["data"]["title"] for one in receiver.arrived]
    assert titles == sorted(titles)
    assert len(set(titles)) == 2000
