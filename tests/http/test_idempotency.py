"""A POST that is sent again with its key is done once, and answered the same."""

import asyncio

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from api.http import idempotency
from api.http.reply import Reply
from api.stores import Stores
from tests.support.plans import scope_of
from tests.support.problems import problem
from tests.support.workspace import Workspace

KEY = {"Idempotency-Key": "b7a0b6a4-93f3-4f8c-8f0d-0d3a2c2c8a11"}


async def _count(owner: asyncpg.Connection, table: str = "features") -> int:
    return int(await owner.fetchval(f"SELECT count(*) FROM {table}"))


async def test_a_replay_is_the_same_to_the_byte_and_says_so(workspace: Workspace, owner: asyncpg.Connection) -> None:
    first = await workspace.live.post("/v1/features", json={"title": "x"}, headers=KEY)
    await workspace.live.patch(first.headers["location"], json={"title": "changed since"})
    second = await workspace.live.post("/v1/features", json={"title": "x"}, headers=KEY)
    assert (second.status_code, second.content) == (201, first.content)
    for name in ("location", "etag", "content-type", "content-length"):
        assert second.headers[name] == first.headers[name]
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert second.headers["request-id"] != first.headers["request-id"]
    assert await _count(owner) == 1
    assert await owner.fetchval("SELECT count(*) FROM events WHERE type = 'feature.created'") == 1


async def test_another_body_path_or_query_under_a_used_key_is_a_422(workspace: Workspace) -> None:
    await workspace.live.post("/v1/features", json={"title": "x"}, headers=KEY)
    for path, body in (
        ("/v1/features", {"title": "y"}),
        ("/v1/prds", {"title": "x"}),
        ("/v1/features?a=1", {"title": "x"}),
    ):
        problem(await workspace.live.post(path, json=body, headers=KEY), 422, "idempotency_key_reused")


async def test_a_hundred_twins_at_once_make_one_resource(workspace: Workspace, owner: asyncpg.Connection) -> None:
    answers = await asyncio.gather(
        *(workspace.live.post("/v1/features", json={"title": "x"}, headers=KEY) for _ in range(100))
    )
    assert await _count(owner) == 1
    made = [answer for answer in answers if answer.status_code == 201]
    assert made
    assert len({answer.content for answer in made}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in made) == 1
    for answer in answers:
        if answer.status_code != 201:
            problem(answer, 409, "idempotency_in_progress")
            assert answer.headers["retry-after"] == "1"


async def test_a_twin_that_ended_after_the_look_and_before_the_lock_is_found_when_its_reply_is_in_the_way(
    application: FastAPI, stores: Stores, workspace: Workspace
) -> None:
    vault, mine, twins = application.state.vault, Reply('{"made": 1}', 201), Reply('{"made": 2}', 201)
    async with stores.transaction(scope_of(workspace)) as tx:
        assert await idempotency.replay(tx, vault, "k", b"print") is None
        async with stores.transaction(scope_of(workspace)) as twin:
            assert await idempotency.keep(twin, vault, "k", b"print", twins)
            await twin.commit()
        assert not await idempotency.keep(tx, vault, "k", b"print", mine)
        await tx.rollback()
        kept = await idempotency.replay(tx, vault, "k", b"print")
    assert kept is not None
    assert kept.body == twins.body


async def test_a_refusal_of_the_operation_is_kept(workspace: Workspace, owner: asyncpg.Connection) -> None:
    body = {"title": "x", "source": "jira", "external_id": "P-1"}
    other = (await workspace.live.post("/v1/features", json=body)).headers["location"]
    first = await workspace.live.post("/v1/features", json=body, headers=KEY)
    problem(first, 409, "external_id_taken")
    await workspace.live.delete(other)
    second = await workspace.live.post("/v1/features", json=body, headers=KEY)
    assert (second.status_code, second.content) == (409, first.content)
    assert second.headers["content-type"] == "application/problem+json"
    assert second.headers["idempotency-replayed"] == "true"
    assert await _count(owner) == 0


async def test_a_body_that_was_never_valid_is_not_kept(workspace: Workspace) -> None:
    problem(await workspace.live.post("/v1/features", json={"title": ""}, headers=KEY), 400)
    assert (await workspace.live.post("/v1/features", json={"title": "x"}, headers=KEY)).status_code == 201


async def test_a_failure_of_ours_is_not_kept(workspace: Workspace, owner: asyncpg.Connection) -> None:
    await owner.execute("ALTER TABLE features RENAME COLUMN title TO gone")
    try:
        problem(await workspace.live.post("/v1/features", json={"title": "x"}, headers=KEY), 500)
    finally:
        await owner.execute("ALTER TABLE features RENAME COLUMN gone TO title")
    answer = await workspace.live.post("/v1/features", json={"title": "x"}, headers=KEY)
    assert answer.status_code == 201
    assert "idempotency-replayed" not in answer.headers


async def test_keys_of_other_workspaces_and_modes_are_other_keys(
    workspace: Workspace, other_workspace: Workspace, owner: asyncpg.Connection
) -> None:
    for caller in (workspace.live, workspace.test, other_workspace.live):
        answer = await caller.post("/v1/features", json={"title": "x"}, headers=KEY)
        assert answer.status_code == 201
        assert "idempotency-replayed" not in answer.headers
    assert await _count(owner) == 3


async def test_a_quoted_key_is_the_same_key(workspace: Workspace, owner: asyncpg.Connection) -> None:
    for header in ("abc", '"abc"'):
        await workspace.live.post("/v1/features", json={"title": "x"}, headers={"Idempotency-Key": header})
    assert await _count(owner) == 1


@pytest.mark.parametrize("key", ["", '""', "a b", "a" * 256, "\x7f", "é", "a\tb", '"' + "a" * 256 + '"'])
async def test_a_key_of_the_wrong_form_is_a_400(workspace: Workspace, owner: asyncpg.Connection, key: str) -> None:
    headers = [(b"idempotency-key", key.encode("latin-1"))]
    told = problem(await workspace.live.post("/v1/features", json={"title": "x"}, headers=headers), 400)
    assert told["errors"][0]["target"] == {"type": "header", "name": "Idempotency-Key"}
    assert await _count(owner) == 0


async def test_two_keys_on_one_request_are_a_400(workspace: Workspace) -> None:
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    problem(await workspace.live.post("/v1/features", json={"title": "x"}, headers=headers), 400)


async def test_every_length_of_key_up_to_255_is_taken(workspace: Workspace) -> None:
    for key in ("!", "~" * 255, '"'):
        answer = await workspace.live.post("/v1/features", json={"title": "x"}, headers={"Idempotency-Key": key})
        assert answer.status_code == 201


async def test_a_key_on_another_method_is_ignored(workspace: Workspace) -> None:
    feature = await workspace.feature()
    path = f"/v1/features/{feature['id']}"
    for title in ("a", "b"):
        answer = await workspace.live.patch(path, json={"title": title}, headers=KEY)
        assert answer.json()["title"] == title


async def test_secrets_in_a_kept_reply_are_not_readable_in_the_database(
    workspace: Workspace, owner: asyncpg.Connection
) -> None:
    body = {"name": "CI", "scopes": ["features:read"]}
    first = await workspace.live.post("/v1/keys", json=body, headers=KEY)
    secret = first.json()["secret"]
    rows = await owner.fetch("SELECT * FROM idempotency_keys")
    assert rows
    assert secret.encode() not in b"".join(bytes(row["body"]) for row in rows)
    assert secret not in str([dict(row) for row in rows])
    assert (await workspace.live.post("/v1/keys", json=body, headers=KEY)).json()["secret"] == secret


_SIGNUP = {"email": "ada@example.com", "workspace": "Acme"}


@pytest.mark.parametrize(("path", "body"), [("/v1/signup", _SIGNUP), ("/v1/sandboxes", None)])
async def test_without_an_api_key_a_repeated_post_is_done_once_too(
    client: httpx.AsyncClient, owner: asyncpg.Connection, path: str, body: dict[str, str] | None
) -> None:
    first = await client.post(path, json=body, headers=KEY)
    again = await client.post(path, json=body, headers=KEY)
    assert (first.status_code, again.status_code, again.content) == (201, 201, first.content)
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert await _count(owner, "workspaces") == 1
    problem(await client.post(path, json={"email": "eve@example.com", "workspace": "x"}, headers=KEY), 422)
    # The secret that was told works, and does not stand in the database.
    secret = next(key["secret"] for key in first.json().values() if isinstance(key, dict) and "secret" in key)
    shown = await client.get("/v1/features", headers={"Authorization": f"Bearer {secret}"})
    assert shown.status_code == 200
    kept = await owner.fetch("SELECT key, headers, body FROM idempotency_keys")
    assert len(kept) == 1
    assert secret.encode() not in kept[0]["body"]


async def test_without_an_api_key_replies_are_kept_apart_by_address(
    application: FastAPI, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    answers = []
    for address in ("192.0.2.1", "192.0.2.2"):
        transport = httpx.ASGITransport(application, client=(address, 4711))
        async with httpx.AsyncClient(transport=transport, base_url="http://roadbed.test") as caller:
            answers += [await caller.post("/v1/signup", json=_SIGNUP, headers=KEY) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201] * 4
    assert answers[0].content == answers[1].content != answers[2].content == answers[3].content
    assert await _count(owner, "workspaces") == 2
    rows = await owner.fetch("SELECT workspace_id FROM idempotency_keys")
    assert len({row["workspace_id"] for row in rows}) == 2


async def test_twins_that_sign_up_at_once_make_one_workspace(
    client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    answers = await asyncio.gather(*(client.post("/v1/signup", json=_SIGNUP, headers=KEY) for _ in range(20)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert await _count(owner, "workspaces") == 1


async def test_an_old_reply_is_forgotten_by_the_worker(
    workspace: Workspace, owner: asyncpg.Connection, settings: object, client: httpx.AsyncClient
) -> None:
    from api.settings import Settings
    from api.stores import WORKER_ROLE, open_stores
    from workers.prune import prune

    assert isinstance(settings, Settings)
    for key in ("old", "young"):
        await workspace.live.post("/v1/features", json={"title": "x"}, headers={"Idempotency-Key": key})
    await owner.execute("UPDATE idempotency_keys SET created_at = now() - interval '25 h' WHERE key = 'old'")
    async with open_stores(settings, role=WORKER_ROLE) as stores:
        await prune({"stores": stores})
    assert await owner.fetchval("SELECT array_agg(key) FROM idempotency_keys") == ["young"]
