"""One endpoint's trouble is its own."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from api.db import parse_id
from api.stores import Transaction
from api.webhooks.claims import Claimed, Lane, claim_from
from tests.support.receiver import Answer, Receiver
from tests.support.workspace import Workspace, made
from workers import deliver
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


async def test_for_whom_there_is_no_room_nothing_is_asked_until_there_is(
    workspace: Workspace, receiver: Receiver, courier: Courier, monkeypatch: pytest.MonkeyPatch
) -> None:
    named: list[set[UUID]] = []

    async def noted(tx: Transaction, lanes: Sequence[Lane], *rest: Any) -> list[Claimed]:
        named.append({lane[2] for lane in lanes})
        return await claim_from(tx, lanes, *rest)

    monkeypatch.setattr(deliver, "claim_from", noted)
    async with Receiver(lambda _: Answer(delay_s=30)) as black_hole:
        hole = await workspace.endpoint(black_hole.url, "decision.*", max_in_flight=2)
        await workspace.endpoint(receiver.url, "feature.created")
        for _ in range(2):
            await made(workspace.live, "/v1/events/trigger", {"type": "decision.recorded"})
        await black_hole.count(2)
        await receiver.count(0)
        named.clear()
        for number in range(5):
            await made(workspace.live, "/v1/events/trigger", {"type": "decision.recorded"})
            await workspace.feature(f"Feature {number}")
        await receiver.count(5)
    assert named
    assert parse_id("ep", hole["id"]) not in set().union(*named)


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
