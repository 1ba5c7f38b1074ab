"""The whole schedule on a virtual clock: 75 h 35 min 5 s pass in a few seconds.

Time is let pass by moving every moment that the delivery system has written into the past. Nothing else is touched,
so that whatever waits for a moment (a retry, a breaker) waits for it here as well.
"""

import asyncio
import time

import asyncpg
import pytest
from sqlalchemy import text

from api.settings import Settings
from api.stores import WORKER_ROLE, open_stores
from api.webhooks.backoff import DEFAULT_SCHEDULE
from api.webhooks.claims import claim_due
from tests.support.receiver import Answer, Receiver
from tests.support.workspace import Workspace
from workers.deliver import Courier

TABLES = ("deliveries", "endpoint_health")
TOTAL_S = ((75 * 60) + 35) * 60 + 5
# What a step takes of the real clock: the row was due that much earlier than it is looked at.
TOLERANCE_S = 3.0


async def test_ten_attempts_over_75_hours_35_minutes_and_5_seconds_then_a_dead_letter(
    workspace: Workspace, receiver: Receiver, courier: Courier, owner: asyncpg.Connection
) -> None:
    receiver.answer = lambda _: Answer(500)
    await workspace.endpoint(receiver.url, "feature.created")
    await workspace.feature("Never heard of")
    waits_s = [0.0]
    for number in range(1, DEFAULT_SCHEDULE.attempts):
        await receiver.count(number)
        waits_s.append(await _until_due_s(owner, failures=number))
        await _let_pass(owner, waits_s[-1])
    await receiver.count(DEFAULT_SCHEDULE.attempts)

    delivery = await _at_rest(workspace)

    assert waits_s == [pytest.approx(delay_s, abs=TOLERANCE_S) for delay_s in DEFAULT_SCHEDULE.delays_s]
    assert sum(DEFAULT_SCHEDULE.delays_s) == TOTAL_S
    assert sum(waits_s) == pytest.approx(TOTAL_S, abs=10 * TOLERANCE_S)
    assert (delivery["status"], delivery["attempt_count"]) == ("dead", 10)
    assert len({one.headers["webhook-id"] for one in receiver.arrived}) == 1
    assert len(await receiver.quiet()) == 10


async def test_nothing_is_sent_a_moment_before_it_is_due(
    workspace: Workspace, receiver: Receiver, courier: Courier, owner: asyncpg.Connection
) -> None:
    receiver.answer = lambda _: Answer(500)
    await workspace.endpoint(receiver.url, "feature.created")
    await workspace.feature("Early")
    for number in (1, 2):
        await receiver.count(number)
        wait_s = await _until_due_s(owner, failures=number)
        await _let_pass(owner, wait_s - 2)
        assert len(await receiver.quiet(for_s=0.5)) == number
        await _let_pass(owner, 2)

    await receiver.count(3)


async def test_a_look_says_when_the_next_one_is_due_to_the_moment(
    settings: Settings, workspace: Workspace, receiver: Receiver, owner: asyncpg.Connection
) -> None:
    await workspace.endpoint(receiver.url, "feature.created")
    await workspace.feature("Just now")
    await owner.execute("UPDATE deliveries SET due_at = now() + interval '60 seconds'")

    async with open_stores(settings, role=WORKER_ROLE) as stores, stores.by_keys() as tx:
        claimed, looked = await claim_due(tx, 10, 20, {})
        looked_at_s = await tx.value(text("SELECT extract(epoch FROM now())::float8"))
        due_at_s = await owner.fetchval("SELECT extract(epoch FROM max(due_at))::float8 FROM deliveries")

    assert claimed == []
    assert looked.next_s is not None
    assert looked_at_s + looked.next_s == pytest.approx(due_at_s, abs=1e-4)


async def test_a_retry_after_a_second_does_not_wait_for_the_sweep(
    workspace: Workspace, receiver: Receiver, courier: Courier
) -> None:
    assert courier is not None
    receiver.answer = lambda _: Answer(500 if len(receiver.arrived) < 3 else 204)
    await workspace.endpoint(receiver.url, "feature.created", schedule=[1, 1, 1])
    await workspace.feature("Soon again")

    first, second, third = await receiver.count(3, within_s=20)

    # Without its own time it would be found by the sweep, five seconds later.
    assert second.at - first.at < 3.5
    assert third.at - second.at < 3.5


async def _until_due_s(owner: asyncpg.Connection, *, failures: int) -> float:
    """Seconds until the one delivery is due again, once so many of its attempts have failed."""
    deadline = time.monotonic() + 10
    while True:
        row = await owner.fetchrow(
            "SELECT failures, extract(epoch FROM due_at - now())::float8 AS wait_s FROM deliveries"
        )
        assert row is not None
        if row["failures"] == failures:
            wait_s: float = row["wait_s"]
            return wait_s
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def _let_pass(owner: asyncpg.Connection, seconds: float) -> None:
    """Move every moment of the delivery system into the past, and ring."""
    columns = await owner.fetch(
        "SELECT table_name, column_name FROM information_schema.columns "
        "WHERE table_schema = 'public' AND table_name = ANY($1) AND data_type = 'timestamp with time zone'",
        list(TABLES),
    )
    for table in TABLES:
        names = [row["column_name"] for row in columns if row["table_name"] == table]
        moved = ", ".join(f"{name} = {name} - $1 * interval '1 second'" for name in names)
        await owner.execute(f"UPDATE {table} SET {moved}", seconds)
    await owner.execute("NOTIFY roadbed_due")


async def _at_rest(workspace: Workspace) -> dict[str, object]:
    deadline = time.monotonic() + 10
    while True:
        [delivery] = (await workspace.live.get("/v1/deliveries")).json()["data"]
        if delivery["status"] != "pending":
            shown: dict[str, object] = delivery
            return shown
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
