"""The sandbox: emptied, seeded, and had without signing up."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from api.sandbox.reset import KEPT, emptied
from api.settings import Settings
from api.stores import APP_ROLE, WORKER_ROLE, Scope, Stores, open_stores
from tests.support.problems import pointers, problem
from tests.support.receiver import Receiver
from tests.support.things import a_thing
from tests.support.workspace import Workspace, made, with_key
from workers.deliver import Courier
from workers.sandboxes import prune_sandboxes

DECISION = {
    "title": "Build or buy",
    "kind": "build_vs_buy",
    "options": [{"key": "build", "title": "Build"}, {"key": "buy", "title": "Buy"}],
}


async def _fill(caller: httpx.AsyncClient) -> None:
    for prefix in ("rev", "prd", "dlv", "spike", "sync", "debt", "plan"):
        await a_thing(caller, prefix)
    decision = await made(caller, "/v1/decisions", DECISION)
    await made(caller, f"/v1/decisions/{decision['id']}/record", {"chosen": "build", "rationale": "Now."})


async def _rows(owner: asyncpg.Connection, livemode: bool) -> dict[str, int]:
    return {
        table.name: await owner.fetchval(f"SELECT count(*) FROM {table.name} WHERE livemode = $1", livemode)
        for table in emptied()
    }


async def test_a_reset_empties_the_sandbox_and_leaves_live_data_and_keys(
    workspace: Workspace, owner: asyncpg.Connection
) -> None:
    await _fill(workspace.live)
    await _fill(workspace.test)
    live = await _rows(owner, True)
    assert sum(1 for count in (await _rows(owner, False)).values() if count) >= 15

    told = await made(workspace.test, "/v1/sandbox/reset", {})

    assert told["complete"] is True
    assert told["deleted"] > 20
    assert set((await _rows(owner, False)).values()) == {0}
    assert await _rows(owner, True) == live
    assert (await workspace.test.get("/v1/features")).json()["data"] == []
    assert (await made(workspace.test, "/v1/sandbox/reset", {}))["deleted"] == 0
    # It is a sandbox like new: numbers begin again, and a decision can be recorded.
    await _fill(workspace.test)


async def test_after_a_reset_a_repeated_idempotency_key_runs_anew(workspace: Workspace) -> None:
    body, headers = {"title": "Dark mode"}, {"Idempotency-Key": "once"}
    first = (await workspace.test.post("/v1/features", json=body, headers=headers)).json()
    reset = {"Idempotency-Key": "the-reset"}
    told = await workspace.test.post("/v1/sandbox/reset", json={}, headers=reset)
    assert told.status_code == 200, told.text

    again = await workspace.test.post("/v1/features", json=body, headers=headers)

    assert (again.status_code, again.headers.get("idempotency-replayed")) == (201, None)
    assert again.json()["id"] != first["id"]
    assert (await workspace.test.get(f"/v1/features/{again.json()['id']}")).status_code == 200
    # The reset's own answer is younger than the reset.
    assert (await workspace.test.post("/v1/sandbox/reset", json={}, headers=reset)).content == told.content
    assert (await workspace.test.get(f"/v1/features/{again.json()['id']}")).status_code == 200


async def test_a_reset_ends_the_work_that_is_under_way(workspace: Workspace) -> None:
    endpoint = await made(workspace.test, "/v1/endpoints", {"url": "http://127.0.0.1:65000/hook", "event_types": ["*"]})
    since = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    started = await made(workspace.test, f"/v1/endpoints/{endpoint['id']}/replay", {"since": since})
    await made(workspace.test, "/v1/sandbox/reset", {})
    problem(await workspace.test.get(f"/v1/operations/{started['id']}"), 404, "not_found")


async def test_only_a_test_key_may_reset_or_seed(workspace: Workspace) -> None:
    feature = await workspace.feature()
    for verb in ("reset", "seed"):
        problem(await workspace.live.post(f"/v1/sandbox/{verb}"), 409, "sandbox_only")
    assert (await workspace.live.get(f"/v1/features/{feature['id']}")).status_code == 200


async def test_another_workspaces_sandbox_stays(workspace: Workspace, other_workspace: Workspace) -> None:
    theirs = await made(other_workspace.test, "/v1/features", {"title": "Theirs"})
    await made(workspace.test, "/v1/sandbox/reset", {})
    assert (await other_workspace.test.get(f"/v1/features/{theirs['id']}")).status_code == 200


async def test_the_application_may_empty_every_table_of_a_tenant_that_is_not_kept(owner: asyncpg.Connection) -> None:
    """A table that comes later needs `let_sandbox_reset` in its migration, or a place in KEPT."""
    rows = await owner.fetch(
        "SELECT DISTINCT c.table_name FROM information_schema.columns AS c JOIN pg_class ON relname = c.table_name "
        "WHERE c.table_schema = 'public' AND c.column_name = 'livemode' AND NOT relispartition"
    )
    assert {row["table_name"] for row in rows} == KEPT | {table.name for table in emptied()}
    for table in emptied():
        assert await owner.fetchval("SELECT has_table_privilege($1, $2, 'DELETE')", APP_ROLE, table.name), table.name


@pytest.mark.parametrize("resetting", ["", "on"])
async def test_live_rows_are_out_of_reach_even_while_resetting(
    workspace: Workspace, owner: asyncpg.Connection, database_url: str, resetting: str
) -> None:
    await _fill(workspace.live)
    await _fill(workspace.test)
    [key] = await owner.fetch("SELECT workspace_id FROM keys WHERE livemode")
    connection = await asyncpg.connect(database_url, server_settings={"role": APP_ROLE})
    try:
        await connection.execute(Scope(key["workspace_id"], True).begin_sql)
        await connection.execute("SELECT set_config('roadbed.resetting', $1, true)".replace("$1", f"'{resetting}'"))
        for table in ("events", "prds", "roadmap_revisions", "decision_chain", "decisions"):
            where = " WHERE status = 'recorded'" if table == "decisions" else ""
            assert await connection.execute(f"DELETE FROM {table}{where}") == "DELETE 0", table
    finally:
        await connection.close()


async def test_a_seed_is_the_guide_recomputed_and_makes_nothing_twice(workspace: Workspace) -> None:
    first = await made(workspace.test, "/v1/sandbox/seed", {})
    again = await made(workspace.test, "/v1/sandbox/seed", {})

    assert (first["features"], first["decisions"], first["prds"]) == (4, 1, 1)
    assert {name: again[name] for name in ("features", "decisions", "prds")} == {
        "features": 4,
        "decisions": 1,
        "prds": 1,
    }
    assert any("printed 10, recomputed 100" in line for line in first["discrepancies"])
    order = [row["title"] for row in (await workspace.test.get("/v1/roadmap")).json()["ranking"]]
    assert order == ["Real-time collab", "Dark mode", "Performance (50% faster)", "API v2"]
    for path in ("features", "endpoints", "prds", "decisions"):
        assert (await workspace.live.get(f"/v1/{path}")).json()["data"] == []
    [endpoint] = (await workspace.test.get("/v1/endpoints")).json()["data"]
    assert endpoint["url"] == first["endpoint_url"] == (await workspace.test.get("/v1/inbox")).json()["url"]


async def test_a_sandbox_without_signing_up_works_and_becomes_a_workspace_with_its_data(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.post("/v1/sandboxes")
    opened = answer.json()
    assert answer.status_code == 201
    assert opened["test_key"]["secret"].startswith("rb_test_")
    left = datetime.fromisoformat(opened["claim_until"]) - datetime.now(UTC)
    assert timedelta(days=6, hours=23) < left <= timedelta(days=7)
    async with with_key(client, opened["test_key"]["secret"]) as caller:
        feature = await made(caller, "/v1/features", {"title": "Dark mode"})
        whose = {"email": "ada@example.com", "workspace": "Acme"}

        claimed = await made(caller, "/v1/sandboxes/claim", whose)

        assert claimed["workspace"]["id"] == opened["workspace_id"]
        assert (claimed["workspace"]["name"], claimed["workspace"]["email"]) == ("Acme", "ada@example.com")
        assert (await caller.get(f"/v1/features/{feature['id']}")).status_code == 200
        problem(await caller.post("/v1/sandboxes/claim", json=whose), 409, "not_claimable")
    async with with_key(client, claimed["live_key"]["secret"]) as live:
        assert (await live.get("/v1/features")).json()["data"] == []


async def test_a_claim_can_be_sent_again_under_its_idempotency_key(client: httpx.AsyncClient) -> None:
    opened = await made(client, "/v1/sandboxes", {})
    body, headers = {"email": "ada@example.com", "workspace": "Acme"}, {"Idempotency-Key": "claim"}
    async with with_key(client, opened["test_key"]["secret"]) as caller:
        first = await caller.post("/v1/sandboxes/claim", json=body, headers=headers)
        again = await caller.post("/v1/sandboxes/claim", json=body, headers=headers)
    assert (again.status_code, again.content) == (200, first.content)
    assert again.headers["idempotency-replayed"] == "true"


async def test_who_signed_up_has_nothing_to_claim(workspace: Workspace) -> None:
    body = {"email": "eve@example.com", "workspace": "Eve"}
    problem(await workspace.test.post("/v1/sandboxes/claim", json=body), 409, "not_claimable")
    bad = await workspace.test.post("/v1/sandboxes/claim", json={"email": "eve", "workspace": ""})
    assert sorted(pointers(problem(bad, 400))) == ["/email", "/workspace"]


async def test_the_worker_deletes_what_nobody_claimed_and_nothing_else(
    client: httpx.AsyncClient,
    application: FastAPI,
    workspace: Workspace,
    settings: Settings,
    stores: Stores,
    owner: asyncpg.Connection,
) -> None:
    await _fill(workspace.test)
    kept = await made(client, "/v1/sandboxes", {})
    abandoned = await made(client, "/v1/sandboxes", {})
    for opened in (kept, abandoned):
        async with with_key(client, opened["test_key"]["secret"]) as caller:
            await _fill(caller)
    await owner.execute(
        "UPDATE workspaces SET claim_until = now() - interval '1 second' WHERE id = "
        "(SELECT workspace_id FROM keys WHERE roadbed_id('key', id) = $1)",
        abandoned["test_key"]["id"],
    )
    # What was called so far is written, so that there is something to forget.
    await application.state.gate.meter.write()
    async with open_stores(settings, role=WORKER_ROLE) as worker_stores:
        assert await prune_sandboxes(worker_stores, stores) == 1
        assert await prune_sandboxes(worker_stores, stores) == 0

    left = {row["id"] for row in await owner.fetch("SELECT roadbed_id('ws', id) AS id FROM workspaces")}
    assert left == {workspace.id, kept["workspace_id"]}
    for table in [*(table.name for table in emptied()), *(KEPT - {"audit_log"})]:
        of = f"SELECT count(*) FROM {table} WHERE roadbed_id('ws', workspace_id) = $1"
        assert await owner.fetchval(of, abandoned["workspace_id"]) == 0, table
    for caller_secret in (workspace.test_secret, kept["test_key"]["secret"]):
        async with with_key(client, caller_secret) as caller:
            assert len((await caller.get("/v1/features")).json()["data"]) > 0


async def test_a_reset_beside_writers_and_a_worker_breaks_nobody(
    workspace: Workspace, receiver: Receiver, courier: Courier, owner: asyncpg.Connection
) -> None:
    """Every answer is a success, a thing that is gone, or «send it again»: never a defect, and nothing half-deleted."""
    answers: list[httpx.Response] = []
    done = asyncio.Event()

    async def post(path: str, body: dict[str, Any]) -> str | None:
        answer = await workspace.test.post(path, json=body)
        answers.append(answer)
        return answer.json().get("id") if answer.is_success else None

    async def work() -> None:
        while not done.is_set():
            await post("/v1/endpoints", {"url": receiver.url, "event_types": ["*"]})
            feature_id = await post("/v1/features", {"title": "Dark mode"})
            inputs = {"reach": 1, "impact": 1, "confidence": 1, "effort": 1}
            await post(f"/v1/features/{feature_id}/scores", {"framework": "rice", "inputs": inputs})
            await post("/v1/roadmap/reprioritize", {"framework": "rice"})
            decision_id = await post("/v1/decisions", DECISION)
            await post(f"/v1/decisions/{decision_id}/record", {"chosen": "build", "rationale": "Now."})
            answers.append(await workspace.test.get("/v1/features"))

    writers = [asyncio.create_task(work()) for _ in range(6)]
    for _ in range(15):
        await asyncio.sleep(0.1)
        answer = await workspace.test.post("/v1/sandbox/reset", json={})
        assert answer.status_code == 200, answer.text
    done.set()
    await asyncio.gather(*writers)

    assert {answer.status_code for answer in answers} <= {200, 201, 404, 409, 503}
    for answer in answers:
        if answer.status_code == 503:
            assert "being reset" in problem(answer, 503, "unavailable")["detail"]
            assert answer.headers["retry-after"] == "1"
    assert sum(answer.status_code == 201 for answer in answers) > 50, "most of them were let through"


async def test_of_two_resets_at_once_one_is_told_to_come_again(workspace: Workspace) -> None:
    await _fill(workspace.test)
    answers = await asyncio.gather(*(workspace.test.post("/v1/sandbox/reset", json={}) for _ in range(6)))
    assert sorted({answer.status_code for answer in answers}) in ([200], [200, 503])
    assert sum(answer.json().get("deleted", 0) > 0 for answer in answers) == 1
