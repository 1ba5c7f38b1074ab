"""The delivery log stays quick to read whatever was delivered before."""

import asyncpg

from api.webhooks.log import DELIVERIES
from tests.support.plans import plan_of
from tests.support.receiver import Receiver
from tests.support.workspace import Workspace
from workers.deliver import Courier


async def test_what_was_not_delivered_is_found_without_reading_past_what_was(
    workspace: Workspace, receiver: Receiver, courier: Courier, owner: asyncpg.Connection
) -> None:
    await workspace.endpoint(receiver.url, "feature.created")
    await workspace.feature()
    await receiver.count(1)
    await receiver.quiet()
    await owner.execute(
        """
        INSERT INTO deliveries (workspace_id, livemode, event_id, endpoint_id, status)
        SELECT workspace_id, livemode, event_id, endpoint_id, CASE WHEN number < 3 THEN 'dead' ELSE 'delivered' END
        FROM deliveries, generate_series(1, 20000) AS number
        """
    )
    await owner.execute("ANALYZE deliveries")
    for status, found in (("dead", ["dead", "dead"]), ("pending,held", []), ("dead,delivered", ["delivered"] * 5)):
        page = (await workspace.live.get(f"/v1/deliveries?status={status}&limit=5")).json()["data"]
        assert [one["status"] for one in page] == found
        plan = await plan_of(owner, DELIVERIES, status=status.split(","))
        assert ("ix_deliveries_undelivered" in plan) is ("delivered" not in status.split(","))
        assert "Seq Scan on deliveries" not in plan
