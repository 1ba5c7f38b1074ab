"""Reading without a transaction: one statement, which says itself for whom it asks."""

import asyncio

import asyncpg
import pytest
from fastapi import FastAPI
from sqlalchemy import Boolean, Uuid, bindparam, func, select

from api.accounts.tenancy import owned
from api.browse import features
from api.features.models import Feature
from api.features.write import FEATURE
from api.http.pagination import Listing
from api.problems import Unavailable
from api.stores import Prepared, Stores, binds
from tests.support.plans import plan_of, scope_of
from tests.support.workspace import Workspace, made

# It asks for no tenant: what it sees is what row-level security shows.
_ALL_TITLES = Prepared(
    select(Feature.title).where(
        bindparam("workspace_id", type_=Uuid).is_not(None), bindparam("livemode", type_=Boolean).is_not(None)
    )
)
_LISTING = next(value for value in vars(features).values() if isinstance(value, Listing))
_RENAME = Prepared(
    Feature.__table__.update().values(binds("title")).where(owned(Feature)).returning(Feature.id)  # type: ignore[attr-defined]
)


async def test_it_sees_its_own_tenants_rows_and_no_others_whatever_it_asks_for(
    stores: Stores, workspace: Workspace, other_workspace: Workspace
) -> None:
    await made(workspace.live, "/v1/features", {"title": "Mine"})
    await made(workspace.test, "/v1/features", {"title": "Mine, in the sandbox"})
    await made(other_workspace.live, "/v1/features", {"title": "Yours"})

    assert _ALL_TITLES.alone is not None
    for of, title in ((workspace, "Mine"), (other_workspace, "Yours")):
        async with stores.transaction(scope_of(of), reads=True) as tx:
            assert [row["title"] for row in await tx.all(_ALL_TITLES)] == [title]


async def test_nothing_of_whom_it_was_for_is_left_on_the_connection(stores: Stores, workspace: Workspace) -> None:
    async with stores.transaction(scope_of(workspace), reads=True) as tx:
        await tx.all(_ALL_TITLES)
    connection = await stores.pool.take()
    try:
        left = await connection.fetchrow(
            "SELECT current_setting('roadbed.workspace_id', true), current_setting('roadbed.livemode', true)"
        )
        assert not any(left)
        assert not connection.is_in_transaction()
    finally:
        stores.pool.give_back(connection)


async def test_what_does_more_than_read_begins_a_transaction_that_is_undone_unless_committed(
    stores: Stores, workspace: Workspace
) -> None:
    await made(workspace.live, "/v1/features", {"title": "As it was"})
    assert _RENAME.alone is None
    async with stores.transaction(scope_of(workspace), reads=True) as tx:
        await tx.first(_RENAME, title="Changed")
        # In the same transaction from now on.
        assert [row["title"] for row in await tx.all(_ALL_TITLES)] == ["Changed"]
    async with stores.transaction(scope_of(workspace), reads=True) as tx:
        assert [row["title"] for row in await tx.all(_ALL_TITLES)] == ["As it was"]


def test_locks_and_text_never_stand_alone() -> None:
    assert FEATURE.lock("title").alone is None
    assert Prepared(select(func.pg_advisory_xact_lock(1)).where(owned(Feature))).alone is None
    assert Prepared(select(Feature.id)).alone is None


async def test_a_connection_that_was_lost_in_the_pool_is_not_noticed(
    stores: Stores, workspace: Workspace, owner: asyncpg.Connection
) -> None:
    await made(workspace.live, "/v1/features", {"title": "Still there"})
    async with stores.transaction(scope_of(workspace), reads=True) as tx:
        await tx.all(_ALL_TITLES)
        await owner.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert [row["title"] for row in await tx.all(_ALL_TITLES)] == ["Still there"]


async def test_one_that_takes_too_long_is_a_503_and_its_connection_is_kept(
    stores: Stores, workspace: Workspace
) -> None:
    slow = Prepared(select(func.pg_sleep(60)).where(owned(Feature)))
    await made(workspace.live, "/v1/features", {"title": "Slow"})
    async with stores.transaction(scope_of(workspace), reads=True) as tx:
        await tx.all(_ALL_TITLES)
        await _on_the_next(stores, "SET statement_timeout = 50")
        with pytest.raises(Unavailable):
            await tx.all(slow)
        assert stores.pool.taken == 0
        await _on_the_next(stores, "RESET statement_timeout")
        assert [row["title"] for row in await tx.all(_ALL_TITLES)] == ["Slow"]


async def _on_the_next(stores: Stores, sql: str) -> None:
    """Run on the connection that the pool gives next."""
    connection = await stores.pool.take()
    await connection.execute(sql)
    stores.pool.give_back(connection)


async def test_a_get_is_one_round_trip(application: FastAPI, stores: Stores, workspace: Workspace) -> None:
    feature = await made(workspace.live, "/v1/features", {"title": "Once"})
    path = f"/v1/features/{feature['id']}"
    await workspace.live.get(path)
    asked: list[str] = []
    connection = await stores.pool.take()
    connection.add_query_logger(lambda record: asked.append(record.query))
    stores.pool.give_back(connection)

    assert (await workspace.live.get(path)).status_code == 200

    await asyncio.sleep(0)  # the logger is called in its turn
    assert asked == [FEATURE._read.alone]


@pytest.mark.parametrize("after", [False, True])
async def test_a_page_is_read_from_the_index_in_its_order(stores: Stores, workspace: Workspace, after: bool) -> None:
    statement = _LISTING.statement({}, None, after, (), 20)
    async with stores.transaction(scope_of(workspace)) as tx:
        nodes = await plan_of(tx, statement, alone=True)

    scans = [node for node in nodes if node.get("Relation Name") == "features"]
    assert [scan["Node Type"] for scan in scans] == ["Index Scan"]
    assert "workspace_id = ((set_config(" in scans[0]["Index Cond"]
    assert not any("Sort" in node["Node Type"] for node in nodes)
