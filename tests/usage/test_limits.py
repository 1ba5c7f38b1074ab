"""Rates and quotas: told on every answer, kept across processes, and never in the way of an outage."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from api.http.ratelimit import Rate, RateLimiter, TooManyRequests
from api.main import create_app
from api.settings import Settings
from api.stores import open_stores
from tests.support.problems import problem
from tests.support.receiver import Receiver
from tests.support.workspace import Workspace, sign_up
from workers.deliver import Courier


async def test_a_test_key_cannot_change_what_happens_to_live_calls(workspace: Workspace) -> None:
    before = (await workspace.live.get("/v1/usage")).json()["quota"]["policy"]
    problem(await workspace.test.patch("/v1/usage", json={"policy": "auto_upgrade"}), 403, "live_only")
    assert (await workspace.live.get("/v1/usage")).json()["quota"]["policy"] == before == "block"
    changed = await workspace.live.patch("/v1/usage", json={"policy": "auto_upgrade"})
    assert (changed.status_code, changed.json()["policy"]) == (200, "auto_upgrade")


@asynccontextmanager
async def serving(settings: Settings, **changes: object) -> AsyncIterator[tuple[httpx.AsyncClient, FastAPI]]:
    """Another API process's worth of state, with other settings."""
    app = create_app(settings.model_copy(update=changes))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://roadbed.test") as client:
            yield client, app


async def test_every_answer_tells_the_limits(workspace: Workspace) -> None:
    for answer in (
        await workspace.live.get("/v1/features"),
        await workspace.live.get("/v1/features/feat_nothing"),
        await workspace.live.post("/v1/features", json={}),
    ):
        assert '"second";q=100000;w=1' in answer.headers["RateLimit-Policy"]
        assert '"month";q=1000000;w=2592000' in answer.headers["RateLimit-Policy"]
        assert answer.headers["RateLimit"].startswith('"second";r=')
    assert "RateLimit-Policy" in (await workspace.live.get("/v1/catalog")).headers


@pytest.mark.parametrize(
    ("method", "path", "key", "status"),
    [
        ("GET", "/v1/features", None, 401),
        ("GET", "/v1/features", "rb_live_mistyped", 401),
        ("GET", "/v1/nothing", None, 404),
        ("GET", "/nothing", None, 404),
        ("PATCH", "/v1/features", None, 405),
        ("OPTIONS", "/v1/features", None, 204),
        ("GET", "/v1/features?q=%00", None, 401),
        ("GET", "/v1/%00", None, 404),
        ("POST", "/v1/signup?x=%00", None, 400),
    ],
)
async def test_who_is_refused_at_the_door_is_told_the_limits_of_its_address_and_held_to_them(
    settings: Settings, client: httpx.AsyncClient, method: str, path: str, key: str | None, status: int
) -> None:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    # An address of its own: the bucket of one is filled again only slowly.
    address = f"192.0.2.{uuid4().int % 1_000_000}"
    async with serving(settings, open_rate_per_s=1) as (_, app):
        transport = httpx.ASGITransport(app, client=(address, 4711))
        async with httpx.AsyncClient(transport=transport, base_url="http://roadbed.test", headers=headers) as calling:
            answers = [await calling.request(method, path) for _ in range(12)]
    assert {answer.status_code for answer in answers} == {status, 429}
    assert answers[0].status_code == status
    for answer in answers:
        assert answer.headers["RateLimit-Policy"] == '"second";q=1;w=1'
        assert answer.headers["RateLimit"].startswith('"second";r=')
    refused = [answer for answer in answers if answer.status_code == 429]
    assert {answer.json()["code"] for answer in refused} == {"rate_limited"}
    assert all("Retry-After" in answer.headers for answer in refused)


async def test_a_character_that_cannot_be_kept_is_refused_after_the_limit(workspace: Workspace) -> None:
    answer = await workspace.live.get("/v1/features?q=%00")
    problem(answer, 400, "invalid_request")
    assert '"month"' in answer.headers["RateLimit-Policy"]


async def test_a_caller_beyond_its_rate_is_told_when_to_come_back(
    settings: Settings, client: httpx.AsyncClient
) -> None:
    async with serving(settings, rate_per_s=5, rate_burst=10) as (calling, _), sign_up(calling) as team:
        answers = [await team.live.get("/v1/features") for _ in range(14)]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert 1 <= len(refused) <= 4
        problem = refused[0].json()
        assert (problem["code"], refused[0].headers["Retry-After"]) == ("rate_limited", "1")
        assert '"second";r=0' in refused[0].headers["RateLimit"]
        await asyncio.sleep(1)
        assert (await team.live.get("/v1/features")).status_code == 200


async def test_where_the_workspaces_rate_refuses_that_one_is_named(
    settings: Settings, client: httpx.AsyncClient
) -> None:
    """The key has room: slowing it down alone would not help."""
    rates = {"rate_per_s": 1000, "rate_burst": 1000, "workspace_rate_per_s": 3}
    async with serving(settings, **rates) as (calling, _), sign_up(calling) as team:
        answers = [await team.live.get("/v1/features") for _ in range(12)]
        assert '"second";q=1000;w=1' in answers[0].headers["RateLimit-Policy"]
        refused = answers[-1]
        told = problem(refused, 429, "rate_limited")["detail"]
        assert "3 requests a second over all keys of the workspace" in told
        assert refused.headers["RateLimit-Policy"].startswith('"workspace";q=3;w=1, "month"')
        assert refused.headers["RateLimit"].startswith('"workspace";r=0;t=1, "month"')


async def test_without_redis_the_workspaces_rate_is_named_too(settings: Settings) -> None:
    async with open_stores(settings.model_copy(update={"redis_url": "redis://127.0.0.1:1"})) as stores:
        buckets = {"key:a": Rate(100, 100), "ws:a": Rate(1, 1, "workspace", "over all keys of the workspace")}
        limiter = RateLimiter(stores)
        await limiter.take(buckets)
        with pytest.raises(TooManyRequests) as refused:
            await limiter.take(buckets)
    assert refused.value.rate == buckets["ws:a"]


async def test_a_process_remembers_the_terms_of_so_many_workspaces_and_no_more(
    settings: Settings, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.usage.meter.MOST_TENANTS", 5)
    monkeypatch.setattr("api.accounts.auth._MOST_CACHED", 2)
    async with serving(settings) as (calling, app), AsyncExitStack() as stack:
        teams = [await stack.enter_async_context(sign_up(calling)) for _ in range(12)]
        for team in [*teams, *reversed(teams)]:
            for caller in (team.live, team.test, team.live):
                assert (await caller.get("/v1/features")).status_code == 200
            await app.state.gate.meter.write()
        assert len(app.state.gate._terms) == len(app.state.gate.meter._known) == 5
        # Nothing of what was called is forgotten.
        quota = (await teams[-1].live.get("/v1/usage")).json()["quota"]
        assert quota["used"] == 4
        assert app.state.gate.meter.used((UUID(int=0), True)) == 0


async def test_two_processes_share_a_bucket(settings: Settings) -> None:
    rate = Rate(per_s=10, burst=40)
    taken = 0
    async with open_stores(settings) as here, open_stores(settings) as there:
        limiters = [RateLimiter(here), RateLimiter(there)]
        name = f"test:{time.time_ns()}"
        began = time.monotonic()
        while time.monotonic() - began < 1:
            for limiter in limiters:
                taken += await _let_through(limiter, {name: rate})
    assert 40 <= taken <= 40 + 10 * 1.5 + 2


async def _let_through(limiter: RateLimiter, buckets: dict[str, Rate]) -> int:
    """One, or none when it was refused."""
    try:
        await limiter.take(buckets)
    except TooManyRequests:
        return 0
    return 1


async def test_the_smaller_of_two_buckets_decides(settings: Settings) -> None:
    async with open_stores(settings) as stores:
        limiter = RateLimiter(stores)
        name = f"test:{time.time_ns()}"
        buckets = {name: Rate(100, 100), f"{name}:ws": Rate(1, 3)}
        for _ in range(3):
            await limiter.take(buckets)
        with pytest.raises(TooManyRequests):
            await limiter.take(buckets)


async def test_without_redis_each_process_keeps_the_rate_by_itself(settings: Settings) -> None:
    away = settings.model_copy(update={"redis_url": "unix:///tmp/roadbed-no-such-redis.sock"})
    async with open_stores(away) as stores:
        limiter = RateLimiter(stores)
        for _ in range(5):
            await limiter.take({"a": Rate(1, 5)})
        with pytest.raises(TooManyRequests):
            await limiter.take({"a": Rate(1, 5)})


async def test_a_busy_caller_costs_few_round_trips(settings: Settings) -> None:
    async with open_stores(settings) as stores:
        limiter = RateLimiter(stores)
        redis = await stores.redis()
        before = (await redis.info("commandstats")).get("cmdstat_eval", {"calls": 0})["calls"]
        for _ in range(1000):
            await limiter.take({f"busy:{id(stores)}": Rate(100_000, 100_000)})
        after = (await redis.info("commandstats"))["cmdstat_eval"]["calls"]
    assert after - before < 60


async def test_calls_are_counted_exactly_and_some_for_nothing(
    workspace: Workspace, application: FastAPI, owner: asyncpg.Connection
) -> None:
    feature = (await workspace.live.post("/v1/features", json={"title": "One"})).json()
    await workspace.live.get(f"/v1/features/{feature['id']}", headers={"If-None-Match": '"1"'})
    await workspace.live.get("/v1/features/feat_wrong")
    await workspace.live.post("/v1/features/batch", json={"items": [{"title": f"F{n}"} for n in range(10)]})
    await application.state.gate.meter.write()
    month = await owner.fetchval("SELECT calls FROM usage_months WHERE livemode")
    assert month == 1 + 0 + 1 + 10
    usage = (await workspace.live.get("/v1/usage?group_by=operation")).json()
    lines = {line["group"]: (line["calls"], line["refusals"]) for line in usage["data"]}
    assert lines["create_feature"] == (1, 0)
    assert lines["get_feature"] == (2, 1)
    assert (usage["total"]["calls"], usage["quota"]["used"]) == (4, 12)
    assert usage["total"]["p95_ms"] > 0


@pytest.mark.parametrize("group", ["day", "operation", "key", "status"])
async def test_usage_is_grouped_by(workspace: Workspace, application: FastAPI, group: str) -> None:
    await workspace.live.get("/v1/features")
    await application.state.gate.meter.write()
    usage = (await workspace.live.get(f"/v1/usage?group_by={group}")).json()
    assert sum(line["calls"] for line in usage["data"]) == usage["total"]["calls"] == 1
    if group == "day":
        assert usage["data"][0]["group"] == datetime.now(UTC).date().isoformat()
    refused = await workspace.live.get("/v1/usage?since=2020-01-01&until=2026-01-01")
    assert refused.status_code == 400


async def test_a_workspace_that_blocks_is_stopped_at_its_quota(settings: Settings, client: httpx.AsyncClient) -> None:
    async with serving(settings, free_calls=10) as (calling, app), sign_up(calling) as team:
        statuses = [(await team.live.get("/v1/features")).status_code for _ in range(15)]
        assert statuses == [200] * 10 + [429] * 5
        refused = await team.live.get("/v1/features")
        assert refused.json()["code"] == "quota_exceeded"
        assert int(refused.headers["Retry-After"]) > 0
        assert (await team.test.get("/v1/features")).status_code == 200
        await app.state.gate.meter.write()
        assert (await team.live.get("/v1/features")).status_code == 429


async def test_thresholds_are_told_once_and_a_workspace_may_upgrade_by_itself(
    settings: Settings, client: httpx.AsyncClient, receiver: Receiver, courier: Courier
) -> None:
    async with serving(settings, free_calls=20) as (calling, app), sign_up(calling) as team:
        await team.endpoint(receiver.url, "quota.threshold_reached", "plan.upgraded")
        assert (await team.live.patch("/v1/usage", json={"policy": "auto_upgrade"})).json()["policy"] == "auto_upgrade"
        meter = app.state.gate.meter
        for _ in range(3):
            for _ in range(8):
                await team.live.get("/v1/features")
            await meter.write()
        await receiver.count(3)
        told = sorted((one.event["type"], one.event["data"].get("percent")) for one in await receiver.quiet())
        assert told == [
            ("plan.upgraded", None),
            ("quota.threshold_reached", 80),
            ("quota.threshold_reached", 100),
        ]
        await asyncio.sleep(settings.key_cache_s + 0.1)
        usage = (await team.live.get("/v1/usage")).json()
        assert (usage["quota"]["plan"], usage["quota"]["limit"]) == ("growth", 1_000_000)


async def test_a_count_that_could_not_be_written_is_written_later(
    workspace: Workspace, application: FastAPI, owner: asyncpg.Connection
) -> None:
    meter = application.state.gate.meter
    await workspace.live.get("/v1/features")
    async with owner.transaction():
        await owner.execute("LOCK TABLE usage_days IN ACCESS EXCLUSIVE MODE")
        writing = asyncio.create_task(meter.write())
        await asyncio.sleep(0.1)
        writing.cancel()
        await asyncio.wait([writing])
    await workspace.live.get("/v1/features")
    await meter.write()
    assert await owner.fetchval("SELECT sum(calls) FROM usage_days") == 2
