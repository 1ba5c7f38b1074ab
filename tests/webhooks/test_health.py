"""The breaker and the end of patience, first as arithmetic and then on real endpoints."""

from datetime import UTC, datetime, timedelta

import asyncpg
from hypothesis import given
from hypothesis import strategies as st

from api.webhooks.health import FAILURES_IN_ROW, WINDOW, Answered, Health, after, out_of_patience
from tests.support.receiver import Answer, Receiver
from tests.support.workspace import Workspace
from workers.deliver import Courier

NOW = datetime(2026, 11, 23, tzinfo=UTC)
BAD, GOOD = Answered(failed=True), Answered(failed=False)


def test_five_failures_in_a_row_open_the_breaker_for_thirty_seconds() -> None:
    assert after(Health(), [BAD] * 4, NOW).breaker == "closed"
    opened = after(Health(), [BAD] * 5, NOW)
    assert (opened.breaker, opened.blocked_until) == ("open", NOW + timedelta(seconds=30))


def test_half_of_the_last_twenty_open_it_too() -> None:
    results = [BAD, GOOD] * 10
    assert after(Health(), results, NOW).breaker == "closed"
    assert after(Health(), [*results, BAD], NOW).breaker == "open"


def test_a_probe_that_fails_doubles_the_pause_up_to_an_hour_and_one_that_arrives_closes_it() -> None:
    health = after(Health(), [BAD] * 5, NOW)
    pauses = []
    for _ in range(9):
        health = after(health, [Answered(failed=True, probe=True)], NOW)
        assert health.blocked_until is not None
        pauses.append((health.blocked_until - NOW).total_seconds())
    assert pauses == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
    assert after(health, [Answered(failed=False, probe=True)], NOW) == Health()


def test_attempts_that_were_under_way_when_it_opened_prolong_nothing() -> None:
    opened = after(Health(), [BAD] * 5, NOW)
    assert after(opened, [BAD] * 50, NOW).blocked_until == opened.blocked_until


def test_a_receiver_that_asks_for_a_pause_gets_it_within_an_hour() -> None:
    asked = after(Health(), [Answered(failed=True, pause_s=90)], NOW)
    assert (asked.breaker, asked.blocked_until) == ("closed", NOW + timedelta(seconds=90))
    greedy = after(Health(), [Answered(failed=True, pause_s=1e9)], NOW)
    assert greedy.blocked_until == NOW + timedelta(hours=1)


def test_patience_ends_after_five_days_of_nothing_but_failure() -> None:
    failing = after(Health(), [BAD], NOW)
    assert not out_of_patience(failing, NOW + timedelta(days=4, hours=23))
    assert out_of_patience(failing, NOW + timedelta(days=5))
    assert not out_of_patience(after(failing, [GOOD], NOW), NOW + timedelta(days=50))


@given(st.lists(st.booleans(), max_size=80))
def test_the_breaker_agrees_with_a_plain_list_of_results(failures: list[bool]) -> None:
    """The oracle keeps every result since the breaker last closed, and counts."""
    health, results, is_open = Health(), [], False
    for failed in failures:
        health = after(health, [Answered(failed)], NOW)
        results.append(failed)
        if is_open and not failed:
            results, is_open = [], False
        elif not is_open and failed:
            row = len(results) - 1 - max((n for n, one in enumerate(results) if not one), default=-1)
            is_open = row >= FAILURES_IN_ROW or (len(results) >= WINDOW and sum(results[-WINDOW:]) >= WINDOW // 2)
        assert health.breaker == ("open" if is_open else "closed")


async def test_an_open_breaker_holds_deliveries_back_without_using_up_their_schedule(
    workspace: Workspace, receiver: Receiver, courier: Courier, owner: asyncpg.Connection
) -> None:
    receiver.answer = lambda _: Answer(500)
    endpoint = await workspace.endpoint(receiver.url, "feature.created", max_in_flight=1)
    for number in range(12):
        await workspace.feature(f"Feature {number}")
    await receiver.count(5)
    await receiver.quiet()
    assert len(receiver.arrived) == 5
    stats = (await workspace.live.get(f"/v1/endpoints/{endpoint['id']}/stats")).json()
    assert (stats["breaker"], stats["failures_in_row"], stats["pending"]) == ("open", 5, 12)
    waiting = await owner.fetchval("SELECT count(*) FROM deliveries WHERE failures = 0 AND attempt_count = 0")
    assert waiting == 7

    receiver.answer = lambda _: Answer()
    await owner.execute("UPDATE endpoint_health SET blocked_until = now()")
    await owner.execute("UPDATE deliveries SET due_at = now()")
    courier.bell.set()
    await receiver.count(5 + 12)
    await receiver.quiet()
    statuses = await owner.fetch("SELECT status, count(*) FROM deliveries GROUP BY 1")
    assert [tuple(row) for row in statuses] == [("delivered", 12)]
    assert await owner.fetchval("SELECT count(*) FROM endpoint_health") == 0


async def test_half_open_lets_one_probe_through(
    workspace: Workspace, receiver: Receiver, courier: Courier, owner: asyncpg.Connection
) -> None:
    receiver.answer = lambda _: Answer(500)
    await workspace.endpoint(receiver.url, "feature.created", max_in_flight=1)
    for number in range(10):
        await workspace.feature(f"Feature {number}")
    await receiver.count(5)
    await receiver.quiet()
    await owner.execute("UPDATE endpoint_health SET blocked_until = now()")
    await owner.execute("UPDATE deliveries SET due_at = now()")
    courier.bell.set()
    await receiver.count(6)
    assert len(await receiver.quiet()) == 6


async def test_a_throttled_endpoint_is_left_alone_as_long_as_it_asks(
    workspace: Workspace, receiver: Receiver, courier: Courier, owner: asyncpg.Connection
) -> None:
    receiver.answer = lambda _: Answer(429, {"retry-after": "120"})
    await workspace.endpoint(receiver.url, "feature.created", max_in_flight=1)
    for number in range(4):
        await workspace.feature(f"Feature {number}")
    await receiver.count(1)
    assert len(await receiver.quiet()) == 1
    blocked_s = await owner.fetchval("SELECT extract(epoch FROM blocked_until - now()) FROM endpoint_health")
    assert 100 < blocked_s <= 120


async def test_after_five_days_of_failure_the_endpoint_is_disabled_and_the_others_are_told(
    workspace: Workspace, receiver: Receiver, courier: Courier, owner: asyncpg.Connection
) -> None:
    async with Receiver(lambda _: Answer(500)) as failing:
        endpoint = await workspace.endpoint(failing.url, "feature.created")
        await workspace.endpoint(receiver.url, "webhook_endpoint.*")
        await workspace.feature("First")
        await failing.count(1)
        await failing.quiet()
        await owner.execute("UPDATE endpoint_health SET failing_since = now() - interval '5 days 1 minute'")
        await owner.execute("UPDATE deliveries SET due_at = now()")
        courier.bell.set()
        [told] = await receiver.count(1)
        assert told.event["type"] == "webhook_endpoint.disabled"
        assert (told.event["data"]["id"], told.event["data"]["disabled_reason"]) == (endpoint["id"], "failing")

        await workspace.feature("While it is off")
        held = (await workspace.live.get("/v1/deliveries", params={"status": "held"})).json()["data"]
        assert len(held) == 2
        assert len(await failing.quiet()) == 2

        failing.answer = lambda _: Answer()
        tested = await workspace.live.post(f"/v1/endpoints/{endpoint['id']}/test")
        assert tested.json()["status"] == "delivered"
        await failing.count(5)
        shown = (await workspace.live.get(f"/v1/endpoints/{endpoint['id']}")).json()
        assert (shown["enabled"], shown["disabled_reason"]) == (True, None)
    await receiver.count(2)
    assert receiver.arrived[1].event["type"] == "webhook_endpoint.enabled"
