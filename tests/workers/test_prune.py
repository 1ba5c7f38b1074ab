"""What is kept of the delivery log, and for how long."""

import asyncpg
import pytest

from api.db import uuid7
from api.settings import Settings
from api.stores import WORKER_ROLE, open_stores
from tests.support.receiver import Receiver
from tests.support.workspace import Workspace
from workers import prune
from workers.deliver import Courier
from workers.prune import forget


async def test_days_past_are_dropped_and_days_to_come_are_made(settings: Settings, owner: asyncpg.Connection) -> None:
    await owner.execute(
        """
        CREATE TABLE attempts_20200101 PARTITION OF attempts
        FOR VALUES FROM (roadbed_first_id('2020-01-01')) TO (roadbed_first_id('2020-01-02'))
        """
    )
    await owner.execute(
        "DROP TABLE attempts_" + await owner.fetchval("SELECT to_char(now() + interval '5 days', 'YYYYMMDD')")
    )
    async with open_stores(settings, role=WORKER_ROLE) as stores:
        await forget(stores)
    partitions = "SELECT relname FROM pg_class WHERE relname ~ '^attempts_[0-9]{8}$'"
    names = {row["relname"] for row in await owner.fetch(partitions)}
    assert "attempts_20200101" not in names
    coming = (
        "SELECT 'attempts_' || to_char(now() + make_interval(days => step), 'YYYYMMDD') FROM generate_series(0, 6) step"
    )
    assert {row[0] for row in await owner.fetch(coming)} <= names


async def test_the_last_hundred_deliveries_of_an_endpoint_outlive_their_days(
    workspace: Workspace, receiver: Receiver, courier: Courier, settings: Settings, owner: asyncpg.Connection
) -> None:
    await workspace.endpoint(receiver.url, "feature.created")
    await workspace.feature()
    await receiver.count(1)
    await receiver.quiet()
    await owner.execute(
        """
        WITH old AS (
            INSERT INTO events (workspace_id, livemode, id, type, body)
            SELECT workspace_id, livemode, overlay(uuidv7('-60 days')::text placing '7' from 15)::uuid, type, body
            FROM events, generate_series(1, 250)
            RETURNING *
        )
        INSERT INTO deliveries (workspace_id, livemode, id, event_id, event_type, endpoint_id, status, finished_at)
        SELECT old.workspace_id, old.livemode, uuidv7('-60 days'), old.id, 'feature.created', endpoints.id,
               'delivered', now()
        FROM old, endpoints
        """
    )
    async with open_stores(settings, role=WORKER_ROLE) as stores:
        await forget(stores)
    assert await owner.fetchval("SELECT count(*) FROM deliveries") == 100
    assert await owner.fetchval("SELECT count(*) FROM events") == 100
    await workspace.feature("Later")
    await receiver.count(2)


async def test_every_endpoint_of_every_workspace_keeps_its_own_hundred_and_what_is_not_at_rest(
    workspace: Workspace, settings: Settings, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prune, "AT_ONCE", 2)  # several rounds of owners, and several steps in each
    monkeypatch.setattr(prune, "STEP", 40)
    for number in range(3):
        await workspace.endpoint(f"http://127.0.0.1:8999/{number}", "decision.*")
    other = uuid7()
    await owner.execute("INSERT INTO workspaces (id, name, email) VALUES ($1, 'Another', 'b@example.com')", other)
    await owner.execute(
        """
        INSERT INTO endpoints (workspace_id, livemode, url, event_types)
        SELECT $1, mode, 'http://127.0.0.1:8999/other', '{decision.*}' FROM (VALUES (true), (false)) AS modes (mode)
        """,
        other,
    )
    await owner.execute(
        """
        WITH old AS (
            INSERT INTO events (workspace_id, livemode, id, type, body)
            SELECT workspace_id, livemode, uuidv7('-60 days'), 'decision.recorded', '{}'
            FROM endpoints, generate_series(1, 130)
            RETURNING *
        )
        INSERT INTO deliveries (workspace_id, livemode, id, event_id, event_type, endpoint_id, status)
        SELECT workspace_id, livemode, uuidv7('-60 days'), old.id, 'feature.created', endpoints.id, 'delivered'
        FROM old JOIN endpoints USING (workspace_id, livemode)
        """
    )
    # Of each endpoint the oldest one still waits.
    await owner.execute(
        "UPDATE deliveries SET status = 'held' FROM (SELECT endpoint_id, min(id::text) AS id FROM deliveries "
        "GROUP BY endpoint_id) AS first WHERE first.id = deliveries.id::text "
        "AND first.endpoint_id = deliveries.endpoint_id"
    )
    async with open_stores(settings, role=WORKER_ROLE) as stores:
        await forget(stores)
    left = await owner.fetch("SELECT endpoint_id, status, count(*) FROM deliveries GROUP BY 1, 2")
    assert len({row["endpoint_id"] for row in left}) == 5
    assert {(row["status"], row["count"]) for row in left} == {("delivered", 100), ("held", 1)}
    orphans = "SELECT count(*) FROM events WHERE id NOT IN (SELECT event_id FROM deliveries)"
    assert await owner.fetchval(orphans) == 0


async def test_replies_are_forgotten_after_their_hours_and_not_before(
    workspace: Workspace, settings: Settings, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prune, "STEP", 2)
    for number in range(7):
        feature = {"title": f"Feature {number}"}
        await workspace.live.post("/v1/features", json=feature, headers={"Idempotency-Key": f"key-{number}"})
    await owner.execute(
        "UPDATE idempotency_keys SET created_at = now() - interval '25 hours' WHERE key IN "
        "(SELECT key FROM idempotency_keys ORDER BY key LIMIT 5)"
    )
    kept = await owner.fetchval("SELECT count(*) FROM idempotency_keys WHERE created_at > now() - interval '1 hour'")
    async with open_stores(settings, role=WORKER_ROLE) as stores:
        await forget(stores)
    assert await owner.fetchval("SELECT count(*) FROM idempotency_keys") == kept


async def test_an_attempt_of_a_day_without_a_partition_is_kept_all_the_same(
    workspace: Workspace, receiver: Receiver, courier: Courier, settings: Settings, owner: asyncpg.Connection
) -> None:
    today = await owner.fetchval("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD')")
    await owner.execute(f"DROP TABLE attempts_{today}")
    try:
        await workspace.endpoint(receiver.url, "feature.created")
        await workspace.feature()
        await receiver.count(1)
        await receiver.quiet()
        assert await owner.fetchval("SELECT count(*) FROM attempts_default WHERE finished_at IS NOT NULL") == 1
    finally:
        await owner.execute("DELETE FROM attempts")
        async with open_stores(settings, role=WORKER_ROLE) as stores:
            await forget(stores)
