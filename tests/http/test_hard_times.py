"""When Postgres cannot: a commit that fails is never told as done, and what is there can still be read."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from api.settings import Settings
from tests.support.problems import problem
from tests.support.receiver import Receiver
from tests.support.workspace import Workspace
from tests.usage.test_limits import serving
from workers.deliver import Courier

KEY = {"Idempotency-Key": "3f0a6f0e-6f0c-4c53-8f6c-1a1d8a1f5b7e"}
MARKER = "the commit of this fails"


@pytest.fixture
async def outside(application: FastAPI, workspace: Workspace) -> AsyncIterator[httpx.AsyncClient]:
    """The workspace's client as a caller over a network has it: a fault of ours is an answer, not an exception."""
    transport = httpx.ASGITransport(application, raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {workspace.live_secret}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://roadbed.test", headers=headers) as client:
        yield client


async def test_a_commit_that_fails_is_never_answered_with_a_success(
    outside: httpx.AsyncClient, workspace: Workspace, receiver: Receiver, courier: Courier, owner: asyncpg.Connection
) -> None:
    await workspace.endpoint(receiver.url, "*")
    async with _failing_commits(owner):
        for headers in ({}, KEY):
            told = problem(await outside.post("/v1/features", json={"title": MARKER}, headers=headers), 500)
            assert MARKER not in told["detail"]
        batch = {"atomic": False, "items": [{"title": MARKER, "source": "jira", "external_id": "1"}]}
        problem(await outside.post("/v1/features/batch", json=batch), 500)
        assert (await outside.get("/v1/features")).json()["data"] == []
        assert await owner.fetchval("SELECT count(*) FROM events") == 0
        assert await receiver.quiet() == []

    # Nothing was kept under the key either: the same request goes through once the cause is gone.
    done = await outside.post("/v1/features", json={"title": MARKER}, headers=KEY)
    assert (done.status_code, "idempotency-replayed" in done.headers) == (201, False)
    [one] = await receiver.count(1)
    assert one.event["data"]["id"] == done.json()["id"]


async def test_reads_go_on_while_nothing_can_be_written(
    settings: Settings, workspace: Workspace, owner: asyncpg.Connection
) -> None:
    await workspace.feature("Still here")
    async with _read_only(owner), serving(settings) as (calling, _):
        headers = {"Authorization": f"Bearer {workspace.live_secret}"}
        listed = await calling.get("/v1/features", headers=headers)
        assert [one["title"] for one in listed.json()["data"]] == ["Still here"]
        refused = await calling.post("/v1/features", json={"title": "Not now"}, headers=headers)
        problem(refused, 503, "unavailable")
        assert refused.headers["retry-after"] == "1"
    assert (await workspace.live.post("/v1/features", json={"title": "Now"})).status_code == 201


async def test_a_key_that_cannot_be_marked_as_used_still_opens_the_door(
    settings: Settings, workspace: Workspace, owner: asyncpg.Connection
) -> None:
    await owner.execute("UPDATE keys SET last_used_at = NULL")
    async with _trigger(owner, "BEFORE UPDATE", "keys", "true"), serving(settings) as (calling, _):
        headers = {"Authorization": f"Bearer {workspace.live_secret}"}
        assert (await calling.get("/v1/features", headers=headers)).status_code == 200
        assert (await calling.post("/v1/features", json={"title": "x"}, headers=headers)).status_code == 201
    assert await owner.fetchval("SELECT count(*) FROM keys WHERE last_used_at IS NOT NULL") == 0


@asynccontextmanager
async def _failing_commits(owner: asyncpg.Connection) -> AsyncIterator[None]:
    """A constraint that is looked at only when everything else has gone well."""
    async with _trigger(owner, "AFTER INSERT", "features", f"NEW.title = '{MARKER}'", deferred=True):
        yield


@asynccontextmanager
async def _trigger(
    owner: asyncpg.Connection, when: str, table: str, condition: str, *, deferred: bool = False
) -> AsyncIterator[None]:
    kind, timing = ("CONSTRAINT ", "DEFERRABLE INITIALLY DEFERRED ") if deferred else ("", "")
    await owner.execute(
        f"""
        CREATE FUNCTION refuse_it() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN RAISE EXCEPTION 'the disk of % is full', TG_TABLE_NAME USING ERRCODE = 'check_violation'; END $$;
        CREATE {kind}TRIGGER refuse_it {when} ON {table} {timing}FOR EACH ROW
        WHEN ({condition}) EXECUTE FUNCTION refuse_it()
        """
    )
    try:
        yield
    finally:
        await owner.execute(f"DROP TRIGGER refuse_it ON {table}; DROP FUNCTION refuse_it()")


@asynccontextmanager
async def _read_only(owner: asyncpg.Connection) -> AsyncIterator[None]:
    """For sessions that begin from now on, and those are all of an application that starts now."""
    database = await owner.fetchval("SELECT current_database()")
    await owner.execute(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    try:
        yield
    finally:
        await owner.execute(f"ALTER DATABASE {database} RESET default_transaction_read_only")
