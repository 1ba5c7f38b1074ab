"""Uptime: heartbeats of real processes, and the figure against one that is counted minute by minute in Python."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from api.settings import Settings
from api.stores import Prepared, open_stores
from api.usage.uptime import Pulse
from tests.support.workspace import Workspace


async def _plant(owner: asyncpg.Connection, rows: list[tuple[datetime, int, int, int]]) -> None:
    await owner.execute("DELETE FROM service_minutes")
    await owner.executemany("INSERT INTO service_minutes VALUES ($1, $2, $3, $4)", rows)


async def _uptime(workspace: Workspace, **days: str) -> dict[str, Any]:
    answer = await workspace.live.get("/v1/usage", params=days)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["uptime"]
    return found


@pytest.mark.parametrize("seed", range(5))
async def test_uptime_is_what_counting_minute_by_minute_gives(
    workspace: Workspace, owner: asyncpg.Connection, seed: int
) -> None:
    chance = random.Random(seed)
    first = datetime(2026, 9, 1, chance.randrange(24), chance.randrange(60), tzinfo=UTC)
    rows, state = {}, True
    for number in range(2 * 24 * 60):
        if chance.random() < 0.02:
            state = not state
        if state or number == 0:
            calls = chance.randrange(60)
            errors = chance.randrange(calls + 1) if chance.random() < 0.1 else 0
            rows[first + timedelta(minutes=number)] = (chance.randrange(3), calls, errors)
    await _plant(owner, [(minute, *row) for minute, row in rows.items()])

    since, until = "2026-08-30", "2026-09-02"
    minutes = up = 0
    minute = datetime(2026, 8, 30, tzinfo=UTC)
    while minute < datetime(2026, 9, 3, tzinfo=UTC):
        if minute >= min(rows):
            minutes += 1
            beats, calls, errors = rows.get(minute, (0, 0, 0))
            up += bool(beats) and (calls == 0 or errors / calls <= 0.05)
        minute += timedelta(minutes=1)
    assert 0 < up < minutes
    expected = {"minutes": minutes, "up": up, "share": round(up / minutes, 6)}
    assert await _uptime(workspace, since=since, until=until) == expected


async def test_the_minute_that_runs_is_not_counted_yet(workspace: Workspace, owner: asyncpg.Connection) -> None:
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    await _plant(owner, [(now - timedelta(minutes=4), 6, 0, 0), (now - timedelta(minutes=3), 6, 0, 0)])
    today = await _uptime(workspace, since=str((now - timedelta(days=1)).date()))
    # Four minutes since the first heartbeat, or five when one has passed in the meantime.
    assert (today["minutes"], today["up"]) in {(4, 2), (5, 2), (4, 3), (5, 3)}
    await _plant(owner, [(now + timedelta(minutes=1), 6, 0, 0)])
    assert (await _uptime(workspace))["share"] is None


async def test_a_process_beats_and_tells_what_it_answered(
    workspace: Workspace, application: FastAPI, owner: asyncpg.Connection
) -> None:
    pulse: Pulse = application.state.gate.pulse
    await pulse.beat()
    await _plant(owner, [])
    for _ in range(3):
        await workspace.live.get("/v1/features")
    pulse.count(503)
    await pulse.beat()
    calls, errors, beats = await owner.fetchrow("SELECT sum(calls), sum(errors), sum(beats) FROM service_minutes")
    assert (calls, errors) == (4, 1)
    assert beats >= 1


async def test_two_processes_share_a_minute_and_a_count_that_could_not_be_written_is_written_later(
    settings: Settings, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    async with open_stores(settings) as stores, open_stores(settings) as others:
        here, there = Pulse(stores), Pulse(others)
        for _ in range(2):
            here.count(200)
        there.count(500)
        await asyncio.gather(here.beat(), there.beat())
        held = await owner.fetchrow("SELECT sum(calls) AS calls, sum(errors) AS errors FROM service_minutes")
        assert (held["calls"], held["errors"]) == (3, 1)

        await owner.execute("ALTER TABLE service_minutes RENAME TO elsewhere")
        here.count(200)
        try:
            with pytest.raises(Exception, match="service_minutes"):
                await here.beat()
        finally:
            await owner.execute("ALTER TABLE elsewhere RENAME TO service_minutes")
        await here.beat()
        assert await owner.fetchval("SELECT sum(calls) FROM service_minutes") == 4


async def test_it_is_held_against_its_target(workspace: Workspace, owner: asyncpg.Connection) -> None:
    today = datetime.now(UTC).replace(second=0, microsecond=0)
    await _plant(owner, [(today - timedelta(minutes=1000), 1, 0, 0), (today - timedelta(minutes=2), 1, 0, 0)])
    shown = (await workspace.live.get("/v1/metrics/api")).json()["data"]
    uptime = next(one for one in shown if one["name"] == "uptime")
    assert uptime["target"] == {"op": "gte", "value": 0.999}
    assert uptime["met"] is False
    assert uptime["of"] in (1000, 1001)


async def test_nobody_writes_a_heartbeat_but_the_service(
    workspace: Workspace, settings: Settings, owner: asyncpg.Connection
) -> None:
    async with open_stores(settings) as stores, stores.transaction() as tx:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await tx.run(Prepared(text("INSERT INTO service_minutes VALUES (now(), 1, 0, 0)")))
