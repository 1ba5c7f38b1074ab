"""A month whose calls are used up: what still works, and the ways out."""

import asyncpg
from fastapi import FastAPI

from tests.support.workspace import Workspace


async def _use_up(application: FastAPI, owner: asyncpg.Connection, left: int) -> None:
    """Leave so many calls of the month."""
    await application.state.gate.meter.write()
    await owner.execute("UPDATE usage_months SET calls = $1", application.state.stores.settings.free_calls - left)
    application.state.gate.meter._known.clear()
    application.state.keyring._callers.clear()


async def test_a_blocked_workspace_can_see_its_usage_revoke_a_key_and_upgrade(
    workspace: Workspace, application: FastAPI, owner: asyncpg.Connection
) -> None:
    made = (await workspace.live.post("/v1/keys", json={"name": "Leaked", "scopes": ["features:read"]})).json()
    await _use_up(application, owner, 0)
    refused = await workspace.live.get("/v1/features")
    assert (refused.status_code, refused.json()["code"]) == (429, "quota_exceeded")
    assert (await workspace.live.get("/v1/usage")).json()["quota"]["remaining"] == 0
    assert (await workspace.live.delete(f"/v1/keys/{made['id']}")).status_code == 204
    assert (await workspace.live.patch("/v1/usage", json={"policy": "auto_upgrade"})).status_code == 200
    await application.state.gate.meter.write()
    assert await owner.fetchval("SELECT plan FROM workspaces") == "growth"
    application.state.keyring._callers.clear()
    upgraded = (await workspace.live.get("/v1/events?type=plan.upgraded")).json()
    assert len(upgraded["data"]) == 1


async def test_a_batch_larger_than_what_is_left_is_refused_whole(
    workspace: Workspace, application: FastAPI, owner: asyncpg.Connection
) -> None:
    await workspace.feature()
    await _use_up(application, owner, 12)
    items = [{"title": f"Feature {number}"} for number in range(50)]
    refused = await workspace.live.post("/v1/features/batch", json={"atomic": True, "items": items})
    assert (refused.status_code, refused.json()["code"]) == (429, "quota_exceeded")
    assert await owner.fetchval("SELECT count(*) FROM features") == 1
    few = await workspace.live.post("/v1/features/batch", json={"atomic": True, "items": items[:5]})
    assert few.status_code == 200, few.text
