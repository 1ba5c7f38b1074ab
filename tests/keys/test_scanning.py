"""GitHub tells of keys that it found in public: they are revoked, and their workspaces told."""

import base64
import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import FastAPI

from api.accounts.secrets import new_secret
from api.main import create_app
from api.settings import Settings
from tests.support.problems import problem
from tests.support.workspace import Workspace, sign_up

PATH = "/v1/secret-scanning/github"
GITHUB = ec.generate_private_key(ec.SECP256R1())
PEM = GITHUB.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
KEYS = json.dumps({"public_keys": [{"key_identifier": "k1", "key": PEM, "is_current": True}]})


@pytest.fixture
async def caller(settings: Settings, client: object) -> AsyncIterator[httpx.AsyncClient]:
    """An application that knows GitHub's key."""
    app: FastAPI = create_app(settings.model_copy(update={"github_scanning_keys": KEYS}))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://roadbed.test") as found:
            yield found


@pytest.fixture
async def team(caller: httpx.AsyncClient) -> AsyncIterator[Workspace]:
    async with sign_up(caller) as fresh:
        yield fresh


def _headers(body: bytes, identifier: str = "k1", key: ec.EllipticCurvePrivateKey = GITHUB) -> dict[str, str]:
    return {
        "Content-Type": "application/json",
        "Github-Public-Key-Identifier": identifier,
        "Github-Public-Key-Signature": base64.b64encode(key.sign(body, ec.ECDSA(SHA256()))).decode(),
    }


def _body(*tokens: str, url: str = "https://github.com/acme/shop/blob/main/.env") -> bytes:
    return json.dumps(
        [{"token": token, "type": "roadbed_api_key", "url": url, "source": "content"} for token in tokens]
    ).encode()


async def _post(caller: httpx.AsyncClient, body: bytes, **how: Any) -> httpx.Response:
    return await caller.post(PATH, content=body, headers=_headers(body, **how))


async def test_a_leaked_key_is_revoked_and_its_workspace_told_where(caller: httpx.AsyncClient, team: Workspace) -> None:
    spare = (await team.live.post("/v1/keys", json={"name": "Spare", "scopes": ["webhooks:read"]})).json()
    unknown = new_secret(True)

    answer = await _post(caller, _body(spare["secret"], unknown, "AKIA-not-ours"))

    assert answer.status_code == 200
    labels = {row["token_hash"]: row["label"] for row in answer.json()}
    assert labels == {
        hashlib.sha256(spare["secret"].encode()).hexdigest(): "true_positive",
        hashlib.sha256(unknown.encode()).hexdigest(): "false_positive",
        hashlib.sha256(b"AKIA-not-ours").hexdigest(): "false_positive",
    }
    assert {row["token_type"] for row in answer.json()} == {"roadbed_api_key"}
    assert spare["secret"] not in answer.text
    refused = await caller.get("/v1/endpoints", headers={"Authorization": f"Bearer {spare['secret']}"})
    problem(refused, 401, "unauthenticated")
    page = (await team.live.get("/v1/events", params={"type": "key.revoked"})).json()["data"]
    [told] = [event["data"] for event in page]
    assert (told["id"], told["reason"]) == (spare["id"], "leaked")
    assert told["source_url"] == "https://github.com/acme/shop/blob/main/.env"


async def test_the_same_report_again_tells_nobody_again(
    caller: httpx.AsyncClient, team: Workspace, owner: asyncpg.Connection
) -> None:
    body = _body(team.live_secret, team.test_secret, team.live_secret)
    for _ in range(2):
        answer = await _post(caller, body)
        assert [row["label"] for row in answer.json()] == ["true_positive"] * 3
    assert await owner.fetchval("SELECT count(*) FROM events WHERE type = 'key.revoked'") == 2


async def test_only_github_is_believed(caller: httpx.AsyncClient, team: Workspace) -> None:
    body = _body(team.live_secret)
    stranger = ec.generate_private_key(ec.SECP256R1())
    tampered = await caller.post(PATH, content=body + b" ", headers=_headers(body))
    for answer in (
        await _post(caller, body, key=stranger),
        await _post(caller, body, identifier="k2"),
        tampered,
        await caller.post(PATH, content=body, headers=_headers(body) | {"Github-Public-Key-Signature": "?"}),
    ):
        problem(answer, 401, "unauthenticated")
    problem(await caller.post(PATH, content=body, headers={"Content-Type": "application/json"}), 400)
    assert (await team.live.get("/v1/features")).status_code == 200


async def test_without_the_setting_no_post_is_believed(client: httpx.AsyncClient, workspace: Workspace) -> None:
    problem(await _post(client, _body(workspace.live_secret)), 401, "unauthenticated")


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b'"x"', b"[1]", b'[{"token":"x"}]', _body(*["x"] * 501), _body("x" * 201)],
    ids=["nothing", "object", "text", "number", "no type", "too many", "too long"],
)
async def test_another_form_of_body_is_a_400(caller: httpx.AsyncClient, body: bytes) -> None:
    problem(await _post(caller, body), 400, "invalid_request")
