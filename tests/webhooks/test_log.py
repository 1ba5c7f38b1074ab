"""The delivery log stays quick to read whatever was delivered before."""

import asyncpg
import pytest

from api.stores import Prepared, Stores
from api.webhooks.log import DELIVERIES, EVENTS
from api.webhooks.stats import STATS
from tests.support.plans import plan_of, scope_of
from tests.support.receiver import Answer, Receiver
from tests.support.workspace import Workspace
from workers.deliver import Courier

_UNDELIVERED = "ix_deliveries_undelivered"


async def test_what_was_not_delivered_is_found_without_reading_past_what_was(
    workspace: Workspace, receiver: Receiver, courier: Courier, owner: asyncpg.Connection, stores: Stores
) -> None:
    await workspace.endpoint(receiver.url, "feature.created")
    await workspace.feature()
    await receiver.count(1)
    await receiver.quiet()
    await owner.execute(
        """
        INSERT INTO deliveries (workspace_id, livemode, event_id, event_type, endpoint_id, status)
        SELECT workspace_id, livemode, event_id, event_type, endpoint_id,
               CASE WHEN number < 3 THEN 'dead' ELSE 'delivered' END
        FROM deliveries, generate_series(1, 20000) AS number
        """
    )
    await owner.execute("ANALYZE deliveries")
    for status, found in (("dead", ["dead", "dead"]), ("pending,held", []), ("dead,delivered", ["delivered"] * 5)):
        page = (await workspace.live.get(f"/v1/deliveries?status={status}&limit=5")).json()["data"]
        assert [one["status"] for one in page] == found
        statement = DELIVERIES.statement({"status": status.split(",")})
        rare = "delivered" not in status.split(",")
        assert await _indexes(stores, workspace, statement) >= {_UNDELIVERED if rare else "pk_deliveries"}


async def test_events_of_a_type_are_found_without_reading_past_all_others(
    workspace: Workspace, owner: asyncpg.Connection, stores: Stores
) -> None:
    feature = await workspace.feature()
    await workspace.live.patch(f"/v1/features/{feature['id']}", json={"title": "Another"})
    await owner.execute(
        """
        INSERT INTO events (workspace_id, livemode, type, body)
        SELECT workspace_id, livemode, type, body FROM events, generate_series(1, 20000) WHERE type = 'feature.created'
        """
    )
    await owner.execute("ANALYZE events")
    for asked, found in (("feature.updated", 1), ("feature.updated,decision.recorded", 1), ("prd.created", 0)):
        page = (await workspace.live.get("/v1/events", params={"type": asked, "limit": 5})).json()["data"]
        assert [one["type"] for one in page] == ["feature.updated"] * found
    assert await _indexes(stores, workspace, EVENTS.statement({"type": ["feature.updated"]})) == {"ix_events_type"}


async def _indexes(stores: Stores, workspace: Workspace, statement: Prepared) -> set[str]:
    """Those that a page is read by, without a sort."""
    async with stores.transaction(scope_of(workspace)) as tx:
        nodes = await plan_of(tx, statement)
    assert "Sort" not in {node["Node Type"] for node in nodes}
    return {node["Index Name"] for node in nodes if "Index Name" in node}


@pytest.mark.parametrize("ordering", ["none", "endpoint"])
async def test_the_stats_count_what_waits_and_the_attempts_of_a_day_and_nothing_older(
    workspace: Workspace, receiver: Receiver, courier: Courier, owner: asyncpg.Connection, ordering: str
) -> None:
    receiver.answer = lambda _: Answer(500) if len(receiver.arrived) == 1 else Answer()
    endpoint = await workspace.endpoint(receiver.url, "feature.created", ordering=ordering, schedule=[0, 0])
    await workspace.feature("Delivered at the second attempt")
    await receiver.count(2)
    await receiver.quiet()
    path = f"/v1/endpoints/{endpoint['id']}"
    stats = (await workspace.live.get(f"{path}/stats")).json()
    assert (stats["attempts"], stats["success_rate"], stats["pending"], stats["held"]) == (2, 0.5, 0, 0)
    assert 0 < stats["p50_ms"] <= stats["p95_ms"]

    await owner.execute("UPDATE attempts SET finished_at = now() - interval '25 hours' WHERE error IS NOT NULL")
    receiver.answer = lambda _: Answer(500)
    await owner.execute("UPDATE endpoints SET schedule = '{0,3600}'")
    for number in range(2):
        await workspace.feature(f"Waits {number}")
    await receiver.count(3 if ordering == "endpoint" else 4)
    await receiver.quiet()
    stats = (await workspace.live.get(f"{path}/stats")).json()
    failed = 1 if ordering == "endpoint" else 2
    assert (stats["attempts"], stats["pending"], stats["dead"]) == (1 + failed, 2, 0)

    await workspace.live.patch(path, json={"enabled": False})
    stats = (await workspace.live.get(f"{path}/stats")).json()
    assert (stats["pending"], stats["held"], stats["oldest_pending_s"]) == (0, 2, None)


async def test_the_stats_of_an_endpoint_are_read_by_the_indexes_of_its_own(
    workspace: Workspace, stores: Stores, owner: asyncpg.Connection
) -> None:
    await workspace.endpoint("https://hooks.example.com/in", "feature.created")
    await owner.execute(
        """
        INSERT INTO deliveries (workspace_id, livemode, event_id, event_type, endpoint_id, status, finished_at)
        SELECT workspace_id, livemode, uuidv7(), 'feature.created', id, 'delivered', now() - interval '2 days'
        FROM endpoints, generate_series(1, 20000)
        """
    )
    await owner.execute("ANALYZE deliveries")
    async with stores.transaction(scope_of(workspace)) as tx:
        nodes = await plan_of(tx, STATS)
    read = {node["Index Name"] for node in nodes if "deliveries" in node.get("Index Name", "")}
    assert read == {f"ix_deliveries_{name}" for name in ("lane", "ordered", "endpoint", "held", "dead")}
