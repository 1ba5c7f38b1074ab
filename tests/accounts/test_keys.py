"""Signing up, and which keys open the door."""

import asyncio
import re
import secrets
import string
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from api.accounts.scopes import EVERY_SCOPE
from api.accounts.secrets import _checksum, is_well_formed, new_secret
from api.problems import Unauthenticated
from tests.support.problems import pointers, problem
from tests.support.workspace import Workspace, made, with_key

BASE62 = string.digits + string.ascii_letters


async def test_signing_up_gives_a_workspace_and_two_keys_whose_secrets_are_told_once(
    client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    answer = await client.post("/v1/signup", json={"email": "ada@example.com", "workspace": " Acme "})
    told = answer.json()
    assert answer.status_code == 201
    assert told["workspace"]["name"] == "Acme"
    assert re.fullmatch(r"rb_live_[0-9A-Za-z]{36}", told["live_key"]["secret"])
    assert re.fullmatch(r"rb_test_[0-9A-Za-z]{36}", told["test_key"]["secret"])
    stored = str([dict(row) for row in await owner.fetch("SELECT * FROM keys")])
    for key in ("live_key", "test_key"):
        secret = told[key]["secret"]
        assert secret not in stored
        assert secret[8:38] not in stored
        async with with_key(client, secret) as caller:
            listed = await caller.get("/v1/keys")
            assert [row["id"] for row in listed.json()["data"]] == [told[key]["id"]]
            assert secret not in listed.text


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"workspace": "Acme"}, "/email"),
        ({"email": "ada@example.com"}, "/workspace"),
        ({"email": "ada", "workspace": "Acme"}, "/email"),
        ({"email": "ada@" + "x" * 300 + ".com", "workspace": "Acme"}, "/email"),
        ({"email": "ada@example.com", "workspace": "  "}, "/workspace"),
        ({"email": "ada@example.com", "workspace": "x" * 101}, "/workspace"),
        ({"email": "ada@example.com", "workspace": "Acme", "plan": "enterprise"}, "/plan"),
    ],
)
async def test_a_bad_signup_makes_nothing(
    client: httpx.AsyncClient, owner: asyncpg.Connection, body: dict[str, Any], where: str
) -> None:
    assert pointers(problem(await client.post("/v1/signup", json=body), 400)) == [where]
    assert await owner.fetchval("SELECT count(*) FROM workspaces") == 0


def test_a_secret_has_a_checksum_over_all_before_it() -> None:
    secret = new_secret(True)
    assert is_well_formed(secret)
    for place in range(len(secret)):
        other = "0" if secret[place] != "0" else "1"
        assert not is_well_formed(secret[:place] + other + secret[place + 1 :])
    swapped = secret[:20] + secret[21] + secret[20] + secret[22:]
    assert swapped == secret or not is_well_formed(swapped)


def _wrong_secrets(secret: str) -> dict[str, str]:
    other_mode = "rb_test_" + secret[8:]
    unknown = "rb_live_" + "".join(secrets.choice(BASE62) for _ in range(30))
    return {
        "truncated": secret[:-1],
        "lengthened": secret + "0",
        "wrong checksum": secret[:-1] + ("0" if secret[-1] != "0" else "1"),
        "the other mode": other_mode,
        "the other mode, with its checksum": other_mode[:38] + _checksum(other_mode[:38]),
        "unknown": unknown + _checksum(unknown),
        "another case": secret.swapcase(),
        "not ASCII": secret[:-1] + "é",
        "empty": "",
    }


async def test_no_wrong_key_is_accepted(workspace: Workspace, client: httpx.AsyncClient) -> None:
    for name, secret in _wrong_secrets(workspace.live_secret).items():
        headers = [(b"authorization", f"Bearer {secret}".encode())]
        answer = await client.get("/v1/features", headers=headers)
        problem(answer, 401, "unauthenticated")
        assert answer.headers["www-authenticate"].startswith("Bearer"), name


async def test_a_key_counts_only_in_one_authorization_header(workspace: Workspace, client: httpx.AsyncClient) -> None:
    secret = workspace.live_secret
    attempts: list[dict[str, Any]] = [
        {},
        {"headers": {"Authorization": secret}},
        {"headers": {"Authorization": f"Basic {secret}"}},
        {"headers": {"Authorization": "Bearer"}},
        {"headers": {"Authorization": f"Bearer {secret} {secret}"}},
        {"headers": [("Authorization", f"Bearer {secret}"), ("Authorization", f"Bearer {secret}")]},
        {"headers": {"X-Api-Key": secret}},
        {"params": {"api_key": secret}},
        {"params": {"key": secret, "access_token": secret}},
        {"headers": {"Cookie": f"key={secret}"}},
    ]
    for attempt in attempts:
        problem(await client.get("/v1/features", **attempt), 401, "unauthenticated")
    assert (await client.get("/v1/features", headers={"Authorization": f"bearer {secret}"})).status_code == 200


async def test_ten_thousand_made_up_keys_are_refused_without_one_query(
    client: httpx.AsyncClient, application: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    begin = type(application.state.stores.transaction())._begin

    async def counted(transaction: Any) -> Any:
        if not transaction.scope.metering:  # what earlier calls counted is written meanwhile
            asked.append(transaction)
        return await begin(transaction)

    monkeypatch.setattr(type(application.state.stores.transaction()), "_begin", counted)
    keyring, stores = application.state.keyring, application.state.stores
    accepted = 0
    for number in range(10_000):
        body = "".join(secrets.choice(BASE62) for _ in range(36))
        secret = ("rb_live_", "rb_test_")[number % 2] + body
        if is_well_formed(secret):
            continue  # one in four milliards
        try:
            await keyring.caller(secret, stores)
            accepted += 1
        except Unauthenticated:
            pass
    for _ in range(200):
        secret = "rb_live_" + "".join(secrets.choice(BASE62) for _ in range(36))
        problem(await client.get("/v1/features", headers={"Authorization": f"Bearer {secret}"}), 401)
    assert accepted == 0
    assert asked == []


async def test_a_revoked_key_is_refused_within_a_second_and_stays_on_record(
    workspace: Workspace, client: httpx.AsyncClient
) -> None:
    key = await made(workspace.live, "/v1/keys", {"name": "CI", "scopes": ["features:read"]})
    async with with_key(client, key["secret"]) as caller:
        assert (await caller.get("/v1/features")).status_code == 200
        assert (await workspace.live.delete(f"/v1/keys/{key['id']}")).status_code == 204
        async with asyncio.timeout(1):
            while (await caller.get("/v1/features")).status_code != 401:  # noqa: ASYNC110 - the key's own process asks
                await asyncio.sleep(0.02)
        assert "revoked" in problem(await caller.get("/v1/features"), 401)["detail"]
    shown = (await workspace.live.get(f"/v1/keys/{key['id']}")).json()
    assert shown["revoked_at"]
    again = await workspace.live.delete(f"/v1/keys/{key['id']}")
    assert again.status_code == 204
    assert (await workspace.live.get(f"/v1/keys/{key['id']}")).json()["revoked_at"] == shown["revoked_at"]


async def test_an_expired_key_is_refused_from_that_moment(workspace: Workspace, client: httpx.AsyncClient) -> None:
    expires_at = (datetime.now(UTC) + timedelta(seconds=0.4)).isoformat()
    key = await made(workspace.live, "/v1/keys", {"name": "CI", "scopes": ["features:read"], "expires_at": expires_at})
    async with with_key(client, key["secret"]) as caller:
        assert (await caller.get("/v1/features")).status_code == 200
        await asyncio.sleep(0.45)
        assert "expired" in problem(await caller.get("/v1/features"), 401)["detail"]


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"name": "CI"}, "/scopes"),
        ({"name": "CI", "scopes": []}, "/scopes"),
        ({"name": "CI", "scopes": ["everything"]}, "/scopes/0"),
        ({"name": "CI", "scopes": ["*"]}, "/scopes/0"),
        ({"name": "", "scopes": ["features:read"]}, "/name"),
        ({"name": "CI", "scopes": ["features:read"], "expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({"name": "CI", "scopes": ["features:read"], "expires_at": "2030-01-01"}, "/expires_at"),
        ({"name": "CI", "scopes": ["features:read"], "expires_at": 4102444800}, "/expires_at"),
        ({"name": "CI", "scopes": ["features:read"], "expires_at": "9999-12-31T23:59:59-12:00"}, "/expires_at"),
        ({"name": "CI", "scopes": ["features:read"], "digest": "x"}, "/digest"),
        ({"name": "CI", "scopes": ["features:read"], "livemode": True}, "/livemode"),
    ],
)
async def test_a_bad_key_is_a_400_that_points_at_the_field(
    workspace: Workspace, owner: asyncpg.Connection, body: dict[str, Any], where: str
) -> None:
    assert pointers(problem(await workspace.live.post("/v1/keys", json=body), 400)) == [where]
    assert await owner.fetchval("SELECT count(*) FROM keys") == 2


async def test_a_key_hands_on_only_what_it_has(workspace: Workspace, client: httpx.AsyncClient) -> None:
    admin = await made(workspace.live, "/v1/keys", {"name": "Admin", "scopes": ["keys:admin", "features:read"]})
    async with with_key(client, admin["secret"]) as caller:
        answer = await caller.post("/v1/keys", json={"name": "More", "scopes": ["features:read", "features:write"]})
        assert pointers(problem(answer, 403, "insufficient_scope")) == ["/scopes"]
        assert (await caller.post("/v1/keys", json={"name": "Less", "scopes": ["features:read"]})).status_code == 201


async def test_a_first_key_may_do_everything_and_says_when_it_was_used(workspace: Workspace) -> None:
    [key] = (await workspace.live.get("/v1/keys")).json()["data"]
    assert key["last_used_at"] is not None
    answer = await workspace.live.post("/v1/keys", json={"name": "All", "scopes": list(EVERY_SCOPE)})
    assert answer.json()["scopes"] == sorted(EVERY_SCOPE)
