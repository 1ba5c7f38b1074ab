"""What waits for an endpoint is held while it is disabled and due while it is enabled, however much there is of it."""

import asyncio
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest

from api.db import parse_id
from api.settings import Settings
from api.stores import WORKER_ROLE, open_stores
from api.webhooks.deliveries import HELD_AT_ONCE
from tests.support.receiver import Answer, Arrived, Receiver
from tests.support.workspace import Workspace
from workers.deliver import Courier
from workers.holding import Holder

BACKLOG = 3 * HELD_AT_ONCE + 500
UNREACHED = "http://127.0.0.1:40999/hook"


async def backlog(owner: asyncpg.Connection, endpoint: dict[str, Any], *, in_order: bool = False) -> None:
    """As if the endpoint had been away for days."""
    await owner.execute(
        """
        INSERT INTO deliveries
            (workspace_id, livemode, event_id, event_type, endpoint_id, due_at, created_at, order_key)
        SELECT workspace_id, livemode, uuidv7(), 'feature.created', id, now() + interval '1 hour',
               now() - interval '1 hour', CASE WHEN $2 THEN '' END
        FROM endpoints, generate_series(1, $3::integer) WHERE id = $1
        """,
        parse_id("ep", endpoint["id"]),
        in_order,
        BACKLOG,
    )


async def counted(owner: asyncpg.Connection) -> dict[str, int]:
    return dict(tuple(row) for row in await owner.fetch("SELECT status, count(*) FROM deliveries GROUP BY 1"))


def _always(answer: Answer) -> Callable[[Arrived], Answer]:
    return lambda _: answer


async def looked(settings: Settings) -> int:
    async with open_stores(settings, role=WORKER_ROLE) as stores:
        return await Holder(stores).look()


@pytest.mark.parametrize("in_order", [False, True], ids=["in any order", "in order"])
async def test_a_backlog_is_held_and_sent_on_in_steps_and_meanwhile_nothing_of_it_is_sent(
    workspace: Workspace, settings: Settings, owner: asyncpg.Connection, in_order: bool
) -> None:
    ordering = "endpoint" if in_order else "none"
    endpoint = await workspace.endpoint(UNREACHED, "feature.created", ordering=ordering)
    path = f"/v1/endpoints/{endpoint['id']}"
    await backlog(owner, endpoint, in_order=in_order)

    assert (await workspace.live.patch(path, json={"enabled": False})).status_code == 200
    assert await counted(owner) == {"held": HELD_AT_ONCE, "pending": BACKLOG - HELD_AT_ONCE}
    assert await owner.fetchval("SELECT blocked_until > now() FROM endpoint_health")
    assert await looked(settings) == BACKLOG - HELD_AT_ONCE
    assert await counted(owner) == {"held": BACKLOG}
    assert await owner.fetchval("SELECT count(*) FROM endpoint_health WHERE blocked_until IS NOT NULL") == 0
    assert await looked(settings) == 0

    assert (await workspace.live.patch(path, json={"enabled": True})).status_code == 200
    # What was held is older than whatever comes now: in an order it goes first, all of it.
    assert (await owner.fetchval("SELECT count(*) FROM endpoint_health WHERE blocked_until > now()") == 1) is in_order
    assert await looked(settings) == BACKLOG - HELD_AT_ONCE
    assert (await counted(owner)).get("held") is None
    assert await owner.fetchval("SELECT count(*) FROM endpoint_health") == 0


async def test_an_endpoint_with_a_backlog_that_is_gone_holds_up_no_other(
    workspace: Workspace, receiver: Receiver, courier: Courier, owner: asyncpg.Connection, settings: Settings
) -> None:
    async with Receiver(lambda _: Answer(410)) as gone:
        endpoint = await workspace.endpoint(gone.url, "feature.created")
        await workspace.endpoint(receiver.url, "feature.created", "webhook_endpoint.disabled")
        await backlog(owner, endpoint)
        await workspace.feature()
        await receiver.count(2)
        await looked(settings)
        assert (await counted(owner)) == {"held": BACKLOG + 1, "delivered": 2}
        assert len(gone.arrived) == 1


async def test_an_event_that_was_being_written_while_its_endpoint_was_enabled_is_sent(
    workspace: Workspace, receiver: Receiver, courier: Courier, settings: Settings, database_url: str
) -> None:
    await workspace.endpoint(receiver.url, "feature.created", enabled=False)
    enabling = await asyncpg.connect(database_url)
    async with enabling.transaction():
        await enabling.execute("SELECT FROM endpoints FOR UPDATE; UPDATE endpoints SET enabled = true")
        # It sees the endpoint as disabled, and waits for what becomes of it.
        writing = asyncio.create_task(workspace.feature())
        async with asyncio.timeout(10):
            waits = False
            while not waits:
                await asyncio.sleep(0.01)
                waits = await enabling.fetchval("SELECT count(*) > 0 FROM pg_locks WHERE NOT granted")
    await enabling.close()
    await writing
    assert await receiver.quiet() == []

    assert await looked(settings) == 1

    await receiver.count(1)


async def test_a_delivery_that_is_sent_again_to_a_disabled_endpoint_is_held(
    workspace: Workspace, receiver: Receiver, courier: Courier
) -> None:
    endpoint = await workspace.endpoint(receiver.url, "feature.created")
    await workspace.feature()
    await receiver.count(1)
    await receiver.quiet()
    await workspace.live.patch(f"/v1/endpoints/{endpoint['id']}", json={"enabled": False})
    [delivery] = (await workspace.live.get("/v1/deliveries")).json()["data"]

    again = await workspace.live.post(f"/v1/deliveries/{delivery['id']}/redeliver")

    assert (again.status_code, again.json()["status"]) == (202, "held")
    assert len(await receiver.quiet()) == 1
    await workspace.live.patch(f"/v1/endpoints/{endpoint['id']}", json={"enabled": True})
    await receiver.count(2)


async def test_an_endpoint_that_was_disabled_while_its_breaker_was_open_can_be_tested_at_once(
    workspace: Workspace, receiver: Receiver, courier: Courier, owner: asyncpg.Connection
) -> None:
    receiver.answer = lambda _: Answer(500)
    endpoint = await workspace.endpoint(receiver.url, "feature.created", schedule=[0] * 5)
    await workspace.feature()
    await receiver.count(5)
    await receiver.quiet()
    await workspace.feature("For the probe")
    await owner.execute(
        "UPDATE endpoint_health SET blocked_until = now(), failing_since = now() - interval '6 days', openings = 8"
    )
    courier.bell.set()
    await receiver.count(6)
    await receiver.quiet()
    shown = (await workspace.live.get(f"/v1/endpoints/{endpoint['id']}")).json()
    assert shown["disabled_reason"] == "failing"

    for answer, status in ((Answer(500), "held"), (Answer(), "delivered")):
        receiver.answer = _always(answer)
        tested = await workspace.live.post(f"/v1/endpoints/{endpoint['id']}/test")
        assert (tested.status_code, tested.json()["status"]) == (200, status)
    assert (await workspace.live.get(f"/v1/endpoints/{endpoint['id']}")).json()["enabled"]
