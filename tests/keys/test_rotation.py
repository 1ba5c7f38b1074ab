"""A new secret for a key, and what is told of keys."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from tests.support.problems import pointers, problem
from tests.support.workspace import Workspace, made, with_key


async def _events(workspace: Workspace, event_type: str) -> list[dict[str, Any]]:
    page = (await workspace.live.get("/v1/events", params={"type": event_type, "limit": 100})).json()
    return [event["data"] for event in page["data"]]


async def test_both_secrets_work_until_the_overlap_is_over(workspace: Workspace, client: httpx.AsyncClient) -> None:
    old = await made(workspace.live, "/v1/keys", {"name": "CI", "scopes": ["features:read"]})

    answer = await workspace.live.post(f"/v1/keys/{old['id']}/rotate", json={"overlap_s": 3})

    new = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v1/keys/{new['id']}"
    assert new["id"] != old["id"]
    assert (new["name"], new["scopes"], new["expires_at"]) == ("CI", ["features:read"], None)
    for secret in (old["secret"], new["secret"]):
        async with with_key(client, secret) as caller:
            assert (await caller.get("/v1/features")).status_code == 200
    async with asyncio.timeout(10):
        async with with_key(client, old["secret"]) as caller:
            while (await caller.get("/v1/features")).status_code == 200:  # noqa: ASYNC110 - nothing tells of an expiry
                await asyncio.sleep(0.1)
            problem(await caller.get("/v1/features"), 401, "unauthenticated")
    async with with_key(client, new["secret"]) as caller:
        assert (await caller.get("/v1/features")).status_code == 200


async def test_a_rotation_is_told_without_any_secret(workspace: Workspace) -> None:
    old = await made(workspace.live, "/v1/keys", {"name": "CI", "scopes": ["features:read"]})
    new = await made(workspace.live, f"/v1/keys/{old['id']}/rotate", {})
    [told] = await _events(workspace, "key.rotated")
    assert (told["id"], told["key"]["id"], told["old"]["id"]) == (old["id"], new["id"], old["id"])
    left = datetime.fromisoformat(told["old"]["expires_at"]) - datetime.now(UTC)
    assert timedelta(hours=23) < left <= timedelta(hours=24)
    assert [one["id"] for one in await _events(workspace, "key.created")] == [old["id"]]
    every = (await workspace.live.get("/v1/events", params={"limit": 100})).text
    assert old["secret"] not in every
    assert new["secret"] not in every


async def test_a_key_that_was_made_to_last_gets_a_successor_that_lasts_as_long(workspace: Workspace) -> None:
    until = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    old = await made(workspace.live, "/v1/keys", {"name": "CI", "scopes": ["features:read"], "expires_at": until})
    new = await made(workspace.live, f"/v1/keys/{old['id']}/rotate", {"overlap_s": 604800})
    lasts = datetime.fromisoformat(new["expires_at"]) - datetime.fromisoformat(new["created_at"])
    assert timedelta(hours=2) - lasts < timedelta(seconds=5)
    shown = (await workspace.live.get(f"/v1/keys/{old['id']}")).json()
    assert shown["expires_at"] == old["expires_at"], "an overlap makes no key live longer"


@pytest.mark.parametrize("hours", [None, 2])
async def test_a_key_that_is_rotated_twice_gets_a_second_successor_that_is_as_good(
    workspace: Workspace, hours: int | None
) -> None:
    until = None if hours is None else (datetime.now(UTC) + timedelta(hours=hours)).isoformat()
    old = await made(workspace.live, "/v1/keys", {"name": "CI", "scopes": ["features:read"], "expires_at": until})
    path = f"/v1/keys/{old['id']}/rotate"
    await made(workspace.live, path, {"overlap_s": 60})
    ends = (await workspace.live.get(f"/v1/keys/{old['id']}")).json()["expires_at"]

    lost_it = await made(workspace.live, path, {"overlap_s": 604_800})

    if hours is None:
        assert lost_it["expires_at"] is None
    else:
        lasts = datetime.fromisoformat(lost_it["expires_at"]) - datetime.fromisoformat(lost_it["created_at"])
        assert abs(lasts - timedelta(hours=hours)) < timedelta(seconds=5)
    shown = (await workspace.live.get(f"/v1/keys/{old['id']}")).json()
    assert shown["expires_at"] == ends, "a second overlap makes no key live longer"
    # And the successor's own successor is no shorter.
    third = await made(workspace.live, f"/v1/keys/{lost_it['id']}/rotate", {})
    assert (third["expires_at"] is None) == (hours is None)


async def test_rotating_an_ended_key_or_for_too_long_is_refused(workspace: Workspace) -> None:
    key = await made(workspace.live, "/v1/keys", {"name": "CI", "scopes": ["features:read"]})
    path = f"/v1/keys/{key['id']}/rotate"
    for overlap in (-1, 604801, "an hour", 1.5):
        assert pointers(problem(await workspace.live.post(path, json={"overlap_s": overlap}), 400)) == ["/overlap_s"]
    await workspace.live.delete(f"/v1/keys/{key['id']}")
    problem(await workspace.live.post(path, json={}), 409, "key_ended")


async def test_a_key_cannot_rotate_one_that_may_do_more(workspace: Workspace, client: httpx.AsyncClient) -> None:
    small = await made(workspace.live, "/v1/keys", {"name": "Keys", "scopes": ["keys:admin"]})
    [first] = [key for key in (await workspace.live.get("/v1/keys")).json()["data"] if key["scopes"] == ["*"]]
    async with with_key(client, small["secret"]) as caller:
        problem(await caller.post(f"/v1/keys/{first['id']}/rotate", json={}), 403, "insufficient_scope")
        assert (await caller.post(f"/v1/keys/{small['id']}/rotate", json={})).status_code == 201


async def test_a_first_key_that_may_do_everything_can_be_rotated(
    workspace: Workspace, client: httpx.AsyncClient
) -> None:
    [first] = (await workspace.live.get("/v1/keys")).json()["data"]
    new = await made(workspace.live, f"/v1/keys/{first['id']}/rotate", {"overlap_s": 60})
    async with with_key(client, new["secret"]) as caller:
        assert (await caller.get("/v1/usage")).status_code == 200


async def test_a_revocation_is_told_once(workspace: Workspace) -> None:
    key = await made(workspace.live, "/v1/keys", {"name": "CI", "scopes": ["features:read"]})
    for _ in range(2):
        assert (await workspace.live.delete(f"/v1/keys/{key['id']}")).status_code == 204
    [told] = await _events(workspace, "key.revoked")
    assert (told["id"], told["reason"], told["source_url"]) == (key["id"], "requested", None)
    assert told["revoked_at"] is not None


async def test_last_use_is_shown(workspace: Workspace, client: httpx.AsyncClient) -> None:
    key = await made(workspace.live, "/v1/keys", {"name": "CI", "scopes": ["features:read"]})
    assert key["last_used_at"] is None
    async with with_key(client, key["secret"]) as caller:
        await caller.get("/v1/features")
    shown = (await workspace.live.get(f"/v1/keys/{key['id']}")).json()
    assert abs(datetime.fromisoformat(shown["last_used_at"]) - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize("ended", ["expires_at", "revoked_at"])
async def test_a_key_that_is_refused_was_not_used(
    workspace: Workspace, client: httpx.AsyncClient, owner: asyncpg.Connection, ended: str
) -> None:
    key = await made(workspace.live, "/v1/keys", {"name": "CI", "scopes": ["features:read"]})
    await owner.execute(f"UPDATE keys SET {ended} = now() - interval '1 minute' WHERE name = 'CI'")
    async with with_key(client, key["secret"]) as caller:
        problem(await caller.get("/v1/features"), 401, "unauthenticated")
    shown = (await workspace.live.get(f"/v1/keys/{key['id']}")).json()
    assert shown["last_used_at"] is None


@pytest.mark.parametrize("mode", ["live", "test"])
async def test_a_new_secret_is_of_the_keys_mode(workspace: Workspace, owner: asyncpg.Connection, mode: str) -> None:
    caller = workspace.live if mode == "live" else workspace.test
    [first] = (await caller.get("/v1/keys")).json()["data"]
    new = await made(caller, f"/v1/keys/{first['id']}/rotate", {})
    assert new["secret"].startswith(f"rb_{mode}_")
    assert new["livemode"] == (mode == "live")
