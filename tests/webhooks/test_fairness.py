"""One endpoint's trouble is its own."""

import asyncio
import time

import asyncpg
import pytest

from api.settings import Settings
from api.stores import WORKER_ROLE, open_stores
from api.webhooks.claims import claim_due
from tests.support.receiver import Answer, Receiver
from tests.support.workspace import Workspace, made
from workers.deliver import Courier


async def preload(owner: asyncpg.Connection, endpoint_id: str, event_id: str, count: int) -> None:
    """A backlog of one endpoint, older than everything else."""
    await owner.execute(
        """
        INSERT INTO deliveries (workspace_id, livemode, event_id, event_type, endpoint_id, due_at)
        SELECT workspace_id, livemode, event_id, event_type, endpoint_id, now() - interval '1 hour'
        FROM (SELECT * FROM deliveries WHERE roadbed_id('ep', endpoint_id) = $1 LIMIT 1) AS one, generate_series(1, $2)
        """,
        endpoint_id,
        count,
    )


async def test_a_black_hole_with_a_large_backlog_holds_nobody_up(
    workspace: Workspace, receiver: Receiver, courier: Courier, owner: asyncpg.Connection
) -> None:
    async with Receiver(lambda _: Answer(delay_s=30)) as black_hole:
        hole = await workspace.endpoint(black_hole.url, "feature.created", max_in_flight=4)
        await workspace.feature("The first")
        await black_hole.count(1)
        await preload(owner, hole["id"], "", 3000)
        await workspace.endpoint(receiver.url, "feature.created")
        for number in range(20):
            await workspace.feature(f"Feature {number}")
        began = time.monotonic()
        await receiver.count(20, within_s=5)
        assert time.monotonic() - began < 5
        assert len(black_hole.arrived) <= 5


async def test_a_slow_endpoint_gets_no_more_at_once_than_it_asked_for(
    workspace: Workspace, receiver: Receiver, courier: Courier
) -> None:
    running, most = 0, 0

    async def slow() -> None:
        nonlocal running, most
        for number in range(30):
            await workspace.feature(f"Feature {number}")

    def answer(_: object) -> Answer:
        nonlocal running, most
        running += 1
        most = max(most, running)
        asyncio.get_running_loop().call_later(0.05, leave)
        return Answer(delay_s=0.05)

    def leave() -> None:
        nonlocal running
        running -= 1

    receiver.answer = answer
    await workspace.endpoint(receiver.url, "feature.created", max_in_flight=3)
    await slow()
    await receiver.count(30)
    assert most <= 3


async def test_what_had_no_room_goes_as_soon_as_there_is_some(
    workspace: Workspace, receiver: Receiver, courier: Courier
) -> None:
    receiver.answer = lambda _: Answer(delay_s=1.1)
    await workspace.endpoint(receiver.url, "feature.created", max_in_flight=2)
    for number in range(6):
        await workspace.feature(f"Feature {number}")

    arrived = await receiver.count(6, within_s=30)

    # Three rounds of 1.1 s. The sweep, every five seconds, would find each round late.
    assert arrived[-1].at - arrived[0].at < 8


async def test_behind_a_backlog_without_room_only_what_is_new_is_looked_at(
    settings: Settings, workspace: Workspace, receiver: Receiver, owner: asyncpg.Connection
) -> None:
    hole = await workspace.endpoint(receiver.url, "feature.created")
    await workspace.feature("Before")
    await preload(owner, hole["id"], "", 300)
    at_s = await owner.fetchval("SELECT extract(epoch FROM now())::float8")
    await owner.execute("UPDATE deliveries SET due_at = now() - interval '1 hour'")
    room = {str(await owner.fetchval("SELECT endpoint_id FROM deliveries LIMIT 1")): 0}
    await workspace.feature("After")

    async with open_stores(settings, role=WORKER_ROLE) as stores, stores.by_keys() as tx:
        claimed_of_all, all_of_it = await claim_due(tx, 400, 20, room, None)
        claimed_of_new, new = await claim_due(tx, 400, 20, room, at_s)

    assert (len(claimed_of_all), all_of_it.left) == (0, 302)
    assert (len(claimed_of_new), new.left) == (0, 1)
    assert {str(one) for one in all_of_it.crowded} == set(room)


@pytest.mark.parametrize("ordering", ["none", "endpoint", "entity"])
async def test_a_rate_holds_from_the_first_batch_on_whatever_the_order(
    workspace: Workspace, receiver: Receiver, courier: Courier, ordering: str
) -> None:
    endpoint = await workspace.endpoint(receiver.url, "feature.created", rate_per_s=5, ordering=ordering, enabled=False)
    for number in range(12):
        await workspace.feature(f"Feature {number}")
    await workspace.live.patch(f"/v1/endpoints/{endpoint['id']}", json={"enabled": True})
    arrived = await receiver.count(12, within_s=20)
    for first, sixth in zip(arrived, arrived[6:], strict=False):
        # Six gaps of a fifth of a second; a tenth of a second's worth may come at once.
        assert sixth.at - first.at > 0.9


async def test_a_rate_limit_is_kept(workspace: Workspace, receiver: Receiver, courier: Courier) -> None:
    await workspace.endpoint(receiver.url, "feature.created", rate_per_s=20, max_in_flight=2)
    for number in range(30):
        await workspace.feature(f"Feature {number}")
    arrived = await receiver.count(30, within_s=20)
    busiest = max(sum(1 for other in arrived if one.at <= other.at < one.at + 1) for one in arrived)
    assert busiest <= 20 * 1.1 + 2 + 1


async def test_every_endpoint_is_reached_when_there_are_many(
    workspace: Workspace, receiver: Receiver, courier: Courier
) -> None:
    for number in range(60):
        await workspace.endpoint(f"{receiver.url}/{number}", "roadmap.reprioritized")
    await workspace.scored("Dark mode")
    await made(workspace.live, "/v1/roadmap/reprioritize", {})
    arrived = await receiver.count(60)
    assert len({one.path for one in arrived}) == 60
    assert len({one.headers["webhook-id"] for one in arrived}) == 1
