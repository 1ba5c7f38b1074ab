"""The API's own figures as a product."""

from typing import Any

import asyncpg
import httpx
from fastapi import FastAPI

from api.settings import Settings
from api.stores import WORKER_ROLE, Stores, open_stores
from tests.support.workspace import Workspace, made, with_key
from workers.first_calls import tell_first_calls


async def _figures(application: FastAPI, workspace: Workspace) -> dict[str, dict[str, Any]]:
    await application.state.gate.meter.write()
    shown = (await workspace.live.get("/v1/metrics/api")).json()
    return {one["name"]: one for one in shown["data"]}


async def test_adoption_counts_keys_that_were_used(
    workspace: Workspace, client: httpx.AsyncClient, application: FastAPI
) -> None:
    for name in ("CI", "Never used"):
        key = await made(workspace.live, "/v1/keys", {"name": name, "scopes": ["features:read"]})
        if name == "CI":
            async with with_key(client, key["secret"]) as caller:
                await caller.get("/v1/features")
    figures = await _figures(application, workspace)
    assert figures["keys_issued"]["value"] == 3
    assert figures["active_integrations"]["value"] == 2
    assert figures["activation"]["value"] == 0.666667
    assert figures["calls_a_day"]["value"] == 3
    assert (figures["error_rate"]["value"], figures["error_rate"]["met"]) == (0, True)
    assert 0 <= figures["time_to_first_call_s"]["value"] < 300
    assert figures["time_to_first_call_s"]["met"] is True
    assert figures["p95_ms"]["target"] == {"op": "lt", "value": 200}


async def test_errors_latency_and_webhooks_are_held_against_their_targets(
    workspace: Workspace, application: FastAPI, owner: asyncpg.Connection
) -> None:
    endpoint = await workspace.endpoint("http://127.0.0.1:65000/hook")
    await workspace.feature()
    # 98 calls under 50 ms and 2 failures of more than a second, as another process would have counted them.
    for status, place, calls in ((200, 6, 98), (500, 13, 2)):
        await owner.execute(
            "INSERT INTO usage_days SELECT workspace_id, livemode, (now() AT TIME ZONE 'UTC')::date, id, 'sample', $1, "
            "$2::bigint, (SELECT array_agg(CASE WHEN place = $3 THEN $2::bigint ELSE 0 END) "
            "FROM generate_series(1, 16) AS place) "
            "FROM keys WHERE livemode",
            status, calls, place,
        )  # fmt: skip
    await owner.execute("UPDATE deliveries SET status = 'delivered', finished_at = now()")
    await owner.execute(
        "INSERT INTO deliveries (workspace_id, livemode, event_id, event_type, endpoint_id, status) "
        "SELECT workspace_id, livemode, event_id, event_type, endpoint_id, 'dead' FROM deliveries LIMIT 1"
    )
    before = await owner.fetchval("SELECT sum(calls) FROM usage_days WHERE operation <> 'sample' AND livemode")
    figures = await _figures(application, workspace)
    assert endpoint["id"]
    rate = figures["error_rate"]
    assert rate["value"] == round(2 / rate["of"], 6)
    assert (rate["met"], rate["of"] >= 100 + (before or 0)) == (False, True)
    assert (figures["p95_ms"]["value"], figures["p95_ms"]["met"]) == (50, True)
    assert (figures["webhook_success"]["value"], figures["webhook_success"]["met"]) == (0.5, False)


async def test_without_anything_measured_there_is_no_verdict(workspace: Workspace) -> None:
    shown = (await workspace.live.get("/v1/metrics/api")).json()
    webhooks = next(one for one in shown["data"] if one["name"] == "webhook_success")
    assert (webhooks["value"], webhooks["met"], webhooks["of"]) == (None, None, 0)


async def test_a_workspaces_first_call_is_told_once_for_each_mode(
    workspace: Workspace, application: FastAPI, settings: Settings, stores: Stores, owner: asyncpg.Connection
) -> None:
    assert (await workspace.live.get("/v1/features")).status_code == 200
    other = await made(workspace.live, "/v1/keys", {"name": "CI", "scopes": ["features:read"]})
    async with with_key(workspace.live, other["secret"]) as caller:
        await caller.get("/v1/features")
    await application.state.gate.meter.write()
    async with open_stores(settings, role=WORKER_ROLE) as worker_stores:
        assert await tell_first_calls(worker_stores, stores) == 1
        assert await tell_first_calls(worker_stores, stores) == 0
        await workspace.test.get("/v1/features")
        await application.state.gate.meter.write()
        assert await tell_first_calls(worker_stores, stores) == 1
    [told] = (await workspace.live.get("/v1/events", params={"type": "onboarding.first_call"})).json()["data"]
    assert told["data"]["id"] == workspace.id
    assert 0 <= told["data"]["after_s"] < 60
    assert await owner.fetchval("SELECT count(*) FROM first_calls WHERE key_id IN (SELECT id FROM keys)") == 3


async def test_a_refused_call_is_no_first_call(
    workspace: Workspace, client: httpx.AsyncClient, application: FastAPI, owner: asyncpg.Connection
) -> None:
    key = await made(workspace.live, "/v1/keys", {"name": "CI", "scopes": ["features:read"]})
    async with with_key(client, key["secret"]) as caller:
        assert (await caller.post("/v1/features", json={"title": "x"})).status_code == 403
    await application.state.gate.meter.write()
    assert await owner.fetchval("SELECT count(*) FROM first_calls WHERE roadbed_id('key', key_id) = $1", key["id"]) == 0
