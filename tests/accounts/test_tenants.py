"""Nobody reaches another's things: generated from the document, and proved against Postgres itself."""

import asyncio
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from api.db import parse_id
from api.stores import APP_ROLE, Scope
from tests.support.document import Operation, operations
from tests.support.problems import problem
from tests.support.things import QUERIES, a_thing, body_of, missing_id
from tests.support.workspace import Workspace, sign_up

WITH_ID = [one for one in operations() if one.prefix is not None and one.scope is not None]
LISTS = [
    one
    for one in operations()
    if one.method == "GET"
    and not one.names
    and one.scope
    and "application/json" in one.spec["responses"].get("200", {}).get("content", {})
]
# The service's own: no row is any tenant's.
OF_NOBODY = ("service_minutes",)
PREFIXES = sorted({one.prefix for one in WITH_ID if one.prefix})


@pytest.mark.parametrize("operation", WITH_ID, ids=str)
async def test_another_workspaces_thing_or_another_modes_is_a_404(
    workspace: Workspace, other_workspace: Workspace, operation: Operation
) -> None:
    assert operation.prefix
    thing = await a_thing(workspace.live, operation.prefix)
    path = f"/v1{operation.path}".replace("{id}", thing) + QUERIES.get(operation.id, "")
    strangers = [other_workspace.live, other_workspace.test, workspace.test]
    for stranger in strangers:
        answer = await stranger.request(operation.method, path, json=body_of(operation))
        problem(answer, 404, "not_found")
    missing = path.replace(thing, missing_id(operation.prefix))
    mistyped = path.replace(thing, "x" + thing)
    other_kind = path.replace(thing, missing_id("dec" if operation.prefix != "dec" else "feat"))
    for nothing in (missing, mistyped, other_kind):
        answer = await workspace.live.request(operation.method, nothing, json=body_of(operation))
        problem(answer, 404, "not_found")


@pytest.mark.parametrize(
    "operation",
    [one for one in WITH_ID if one.method == "DELETE" and one.prefix != "key" and one.path.endswith("/{id}")],
    ids=str,
)
async def test_a_deleted_thing_is_a_404_for_every_operation(workspace: Workspace, operation: Operation) -> None:
    assert operation.prefix
    thing = await a_thing(workspace.live, operation.prefix)
    assert (await workspace.live.delete(f"/v1{operation.path}".replace("{id}", thing))).status_code == 204
    for other in (one for one in WITH_ID if one.prefix == operation.prefix):
        path = f"/v1{other.path}".replace("{id}", thing)
        problem(await workspace.live.request(other.method, path, json=body_of(other)), 404, "not_found")


async def test_no_list_shows_a_thing_of_another_workspace_or_mode(
    workspace: Workspace, other_workspace: Workspace
) -> None:
    things = [await a_thing(workspace.live, prefix) for prefix in PREFIXES]
    for stranger in (other_workspace.live, other_workspace.test, workspace.test):
        for operation in LISTS:
            text = (await stranger.get(f"/v1{operation.path}")).text
            assert not [thing for thing in things if thing in text], operation.id
            assert workspace.id not in text or stranger is workspace.test


async def _tables(owner: asyncpg.Connection) -> list[str]:
    rows = await owner.fetch(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' ORDER BY 1"
    )
    return [row["tablename"] for row in rows]


async def test_every_table_has_forced_row_level_security_and_a_policy(
    owner: asyncpg.Connection, client: object
) -> None:
    for table in await _tables(owner):
        enabled, forced = await owner.fetchrow(
            "SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = $1::regclass", table
        )
        assert (enabled, forced) == (True, True), table
        policies = await owner.fetchval("SELECT count(*) FROM pg_policies WHERE tablename = $1", table)
        partition = await owner.fetchval("SELECT relispartition FROM pg_class WHERE oid = $1::regclass", table)
        # A partition is reached through its parent alone; asked directly it shows nobody anything.
        assert policies > 0 or partition, table


async def test_the_roles_own_nothing_and_bypass_nothing(owner: asyncpg.Connection, client: object) -> None:
    for role in (APP_ROLE, "roadbed_worker"):
        row = await owner.fetchrow("SELECT * FROM pg_roles WHERE rolname = $1", role)
        assert not any(
            row[name] for name in ("rolsuper", "rolbypassrls", "rolcreaterole", "rolcreatedb", "rolcanlogin")
        )
        owned = "SELECT count(*) FROM pg_class WHERE relowner = $1::regrole AND relnamespace = 'public'::regnamespace"
        assert await owner.fetchval(owned, role) == 0
        for table in await _tables(owner):
            assert not await owner.fetchval("SELECT has_table_privilege($1, $2, 'TRUNCATE')", role, table)


async def _everything(workspace: Workspace) -> None:
    """Rows in as many tables as the API writes."""
    for prefix in PREFIXES:
        await a_thing(workspace.live, prefix)
    headers = {"Idempotency-Key": "once"}
    await workspace.live.post("/v1/features", json={"title": "x"}, headers=headers)


class _AsApp:
    """A connection as the application's role, with the settings of nobody or of one workspace; rolled back."""

    def __init__(self, url: str, scope: Scope) -> None:
        self._url, self._scope = url, scope

    async def __aenter__(self) -> asyncpg.Connection:
        self._connection = await asyncpg.connect(self._url, server_settings={"role": APP_ROLE})
        await self._connection.execute(self._scope.begin_sql)
        return self._connection

    async def __aexit__(self, *_: object) -> None:
        await self._connection.close()


async def test_without_settings_the_applications_role_sees_no_row(
    workspace: Workspace, owner: asyncpg.Connection, database_url: str
) -> None:
    await _everything(workspace)
    filled = 0
    async with _AsApp(database_url, Scope()) as connection:
        for table in await _tables(owner):
            filled += bool(await owner.fetchval(f"SELECT count(*) FROM {table}"))
            if await owner.fetchval("SELECT has_table_privilege($1, $2, 'SELECT')", APP_ROLE, table):
                assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0, table
    assert filled >= 10


async def test_a_cross_tenant_probe_sees_rows_of_a_table_exactly_when_its_row_level_security_is_gone(
    workspace: Workspace, other_workspace: Workspace, owner: asyncpg.Connection, database_url: str
) -> None:
    """Without it the probe would say so: it is dropped for each table in turn, in a transaction that is undone."""
    await _everything(workspace)
    other = Scope(parse_id("ws", other_workspace.id), True)
    mine = parse_id("ws", workspace.id)
    probed = []
    for table in await _tables(owner):
        if table in OF_NOBODY:
            continue
        column = "id" if table == "workspaces" else "workspace_id"
        probe = f"SELECT count(*) FROM {table} WHERE {column} = '{mine}'"
        if not await owner.fetchval(probe):
            continue
        if not await owner.fetchval("SELECT has_table_privilege($1, $2, 'SELECT')", APP_ROLE, table):
            continue
        async with _AsApp(database_url, other) as connection:
            assert await connection.fetchval(probe) == 0, table
        change = owner.transaction()
        await change.start()
        try:
            await owner.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
            await owner.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
            await owner.execute(other.set_sql)
            await owner.execute(f"SET LOCAL ROLE {APP_ROLE}")
            assert await owner.fetchval(probe) > 0, table
        finally:
            await change.rollback()
        probed.append(table)
    assert len(probed) >= 10, probed


async def test_nobody_writes_into_another_tenant(
    workspace: Workspace, other_workspace: Workspace, owner: asyncpg.Connection, database_url: str
) -> None:
    """A row is copied with the other's name on it; WITH CHECK refuses it in every table that the role may insert to."""
    await _everything(workspace)
    mine, theirs = parse_id("ws", workspace.id), parse_id("ws", other_workspace.id)
    tried = []
    for table in await _tables(owner):
        if table in ("workspaces", *OF_NOBODY) or not await owner.fetchval(
            f"SELECT count(*) FROM {table} WHERE workspace_id = '{mine}'"
        ):
            continue
        if not await owner.fetchval("SELECT has_table_privilege($1, $2, 'INSERT')", APP_ROLE, table):
            continue
        names = [
            row["attname"]
            for row in await owner.fetch(
                "SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped"
                " AND attgenerated = '' ORDER BY attnum",
                table,
            )
        ]
        columns = ", ".join(f'"{name}"' for name in names)
        for scope, values in (
            (Scope(mine, True), {"workspace_id": f"'{theirs}'::uuid"}),
            (Scope(mine, True), {"livemode": "false"}),
        ):
            copied = ", ".join(values.get(name, f'"{name}"') for name in names)
            async with _AsApp(database_url, scope) as connection:
                with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
                    await connection.execute(f"INSERT INTO {table} ({columns}) SELECT {copied} FROM {table} LIMIT 1")
        if await owner.fetchval("SELECT has_table_privilege($1, $2, 'UPDATE')", APP_ROLE, table):
            async with _AsApp(database_url, Scope(mine, True)) as connection:
                with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
                    await connection.execute(f"UPDATE {table} SET workspace_id = '{theirs}'")
            async with _AsApp(database_url, Scope(theirs, True)) as connection:
                done = await connection.execute(f"UPDATE {table} SET livemode = true WHERE workspace_id = '{mine}'")
                assert done == "UPDATE 0"
        tried.append(table)
    assert len(tried) >= 8, tried


async def test_fifty_workspaces_and_cancelled_requests_over_four_connections_leak_nothing(
    client: httpx.AsyncClient, settings: Any
) -> None:
    from api.main import create_app

    app: FastAPI = create_app(settings.model_copy(update={"database_pool": 4}))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://roadbed.test") as caller:
            await _interleave(caller)
        assert app.state.stores.pool.taken == 0


async def _interleave(caller: httpx.AsyncClient) -> None:
    import contextlib

    async with contextlib.AsyncExitStack() as stack:
        teams = [await stack.enter_async_context(sign_up(caller, f"Team {number}")) for number in range(50)]
        names = {team.id: f"feature of {team.id}" for team in teams}

        async def write(team: Workspace) -> None:
            answer = await team.live.post("/v1/features", json={"title": names[team.id]})
            assert answer.status_code == 201, answer.text

        async def read(team: Workspace) -> None:
            page = (await team.live.get("/v1/features", params={"limit": 100})).json()
            assert {row["title"] for row in page["data"]} <= {names[team.id]}
            assert (await team.test.get("/v1/features")).json()["data"] == []

        async def cancelled(team: Workspace, after_s: float) -> None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(write(team), after_s)

        for batch in range(3):
            jobs: list[Any] = []
            for number, team in enumerate(teams):
                jobs += [write(team), read(team), cancelled(team, 0.001 * (number % 20 + batch))]
            await asyncio.gather(*jobs)
        for team in teams:
            page = (await team.live.get("/v1/features", params={"limit": 100})).json()["data"]
            assert len(page) >= 3
            assert {row["title"] for row in page} == {names[team.id]}
