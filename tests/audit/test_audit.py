"""Who changed what; and a chain that shows every way of tampering with it."""

import asyncio
import json
import re
from typing import Any, get_args

import asyncpg
import pytest

from api.audit.schemas import AuditResource
from api.settings import Settings
from api.stores import WORKER_ROLE, open_stores
from tests.support.problems import pointers, problem
from tests.support.things import a_thing
from tests.support.workspace import Workspace, made
from workers.seal import seal_some

PREFIXES = ("rev", "prd", "score", "dec", "ep", "key", "debt", "plan", "spike", "sync", "model", "scen", "view", "imp")


async def entries(workspace: Workspace, **params: str) -> list[dict[str, object]]:
    listed = (await workspace.live.get("/v1/audit", params=params)).json()
    return list(listed["data"])


async def sealed(settings: Settings, owner: asyncpg.Connection) -> None:
    """All of the log. What is younger than the oldest transaction under way, in any database, is sealed after it."""
    async with open_stores(settings, role=WORKER_ROLE) as stores:
        for _ in range(200):
            while await seal_some(stores):
                pass
            if not await owner.fetchval("SELECT EXISTS (SELECT FROM audit_log WHERE sequence IS NULL)"):
                return
            await asyncio.sleep(0.05)
    raise AssertionError("something is left unsealed")


async def test_a_change_is_told_with_what_was_and_what_is(workspace: Workspace) -> None:
    feature = await workspace.feature("Dark mode")
    answer = await workspace.live.patch(f"/v1/features/{feature['id']}", json={"title": "Dim mode"})
    await workspace.live.delete(f"/v1/features/{feature['id']}")
    deleted, updated, inserted = await entries(workspace, resource="features", resource_id=feature["id"])
    assert [entry["action"] for entry in (inserted, updated, deleted)] == ["insert", "update", "delete"]
    assert inserted["before"] is None
    assert inserted["after"]["title"] == "Dark mode"  # type: ignore[index]
    assert updated["before"] == {"title": "Dark mode", "version": 1} | _times(updated, "before")
    assert updated["after"] == {"title": "Dim mode", "version": 2} | _times(updated, "after")
    assert updated["request_id"] == answer.headers["Request-Id"]
    assert str(updated["key_id"]).startswith("key_")
    assert deleted["before"]["title"] == "Dim mode"  # type: ignore[index]


async def test_ids_and_times_are_shown_as_everywhere(workspace: Workspace, owner: asyncpg.Connection) -> None:
    """One of everything: no id without its prefix, and no time without its Z."""
    for prefix in PREFIXES:
        await a_thing(workspace.live, prefix)
    first = await workspace.feature("First")
    second = await workspace.feature("Second", depends_on=[first["id"]])
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while cursor or not found:
        params = {"limit": "100", **({"cursor": cursor} if cursor else {})}
        page = (await workspace.live.get("/v1/audit", params=params)).json()
        found, cursor = [*found, *page["data"]], page["next_cursor"]
    assert len(found) == await owner.fetchval("SELECT count(*) FROM audit_log WHERE livemode")
    assert len({entry["resource"] for entry in found}) >= 12
    text = json.dumps([(entry["resource"], entry["before"], entry["after"]) for entry in found])
    assert re.findall(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f-]{17}.{40}", text) == []
    assert re.findall(r".{40}[+]00:00\b", text) == []
    [entry] = await entries(workspace, resource="features", resource_id=second["id"])
    after: Any = entry["after"]
    assert (after["id"], after["depends_on"]) == (second["id"], [first["id"]])
    assert (after["created_at"], after["updated_at"]) == (second["created_at"], second["updated_at"])


async def test_a_resource_that_is_none_is_refused(workspace: Workspace) -> None:
    assert pointers(problem(await workspace.live.get("/v1/audit?resource=feature"), 400)) == ["resource"]
    both = await workspace.live.get("/v1/audit?resource=features,keys")
    assert {entry["resource"] for entry in both.json()["data"]} == {"keys"}


async def test_nothing_is_told_of_what_was_rolled_back(workspace: Workspace) -> None:
    refused = await workspace.live.post("/v1/features/batch", json={"atomic": True, "items": [{"title": "A"}, {}]})
    assert refused.status_code == 400
    assert await entries(workspace, resource="features") == []


async def test_secrets_never_reach_the_log(workspace: Workspace, owner: asyncpg.Connection) -> None:
    endpoint = await workspace.endpoint("http://127.0.0.1:8099/hook", "*", headers={"Authorization": "Bearer s3cret"})
    key = await made(workspace.live, "/v1/keys", {"name": "CI", "scopes": ["features:read"]})
    text = str(await owner.fetch("SELECT before, after FROM audit_log"))
    assert "s3cret" not in text
    assert "digest" not in text
    assert "sealed" not in text
    assert key["secret"] not in text
    assert endpoint["secret"] not in text
    resources = {entry["resource"] for entry in await entries(workspace, limit="100")}
    assert {"keys", "endpoints", "endpoint_secrets"} <= resources


async def test_workspaces_and_modes_see_their_own(workspace: Workspace, other_workspace: Workspace) -> None:
    await workspace.feature("Ours")
    assert await entries(other_workspace, resource="features") == []
    assert (await workspace.test.get("/v1/audit?resource=features")).json()["data"] == []


async def test_a_batch_is_logged_row_by_row(workspace: Workspace) -> None:
    await workspace.live.post("/v1/features/batch", json={"items": [{"title": f"F{n}"} for n in range(50)]})
    assert len(await entries(workspace, resource="features", limit="100")) == 50


async def test_the_chain_holds_over_what_was_sealed(
    workspace: Workspace, settings: Settings, owner: asyncpg.Connection
) -> None:
    for number in range(5):
        await workspace.feature(f"Feature {number}")
    unsealed = (await workspace.live.get("/v1/audit/chain")).json()
    assert unsealed["unsealed"] >= 5
    await sealed(settings, owner)
    chain = (await workspace.live.get("/v1/audit/chain")).json()
    assert (chain["intact"], chain["unsealed"], chain["broken"]) == (True, 0, None)
    assert chain["sealed"] >= 5
    assert len(chain["head"]) == 64
    newest = (await entries(workspace, limit="1"))[0]
    assert (newest["hash"], newest["sequence"]) == (chain["head"], chain["sealed"])


@pytest.mark.parametrize(
    ("tampering", "reason"),
    [
        ("UPDATE audit_log SET after = '{}' WHERE sequence = 4 AND livemode", "changed"),
        ("UPDATE audit_log SET key_id = NULL WHERE sequence = 4 AND livemode", "changed"),
        ("UPDATE audit_log SET at = at - interval '1 day' WHERE sequence = 4 AND livemode", "changed"),
        ("DELETE FROM audit_log WHERE sequence = 4 AND livemode", "missing_before"),
        (
            "UPDATE audit_log SET sequence = CASE sequence WHEN 4 THEN -1 ELSE sequence END WHERE livemode;"
            "UPDATE audit_log SET sequence = CASE sequence WHEN 5 THEN 4 ELSE sequence END WHERE livemode;"
            "UPDATE audit_log SET sequence = CASE sequence WHEN -1 THEN 5 ELSE sequence END WHERE livemode",
            "changed",
        ),
        (
            "INSERT INTO audit_log (workspace_id, livemode, resource, resource_id, action, sequence, hash) "
            "SELECT workspace_id, livemode, 'features', 'feat_x', 'insert', max(sequence) + 1, sha256('made up') "
            "FROM audit_log WHERE livemode GROUP BY 1, 2",
            "changed",
        ),
    ],
)
async def test_every_way_of_tampering_is_found(
    workspace: Workspace, settings: Settings, owner: asyncpg.Connection, tampering: str, reason: str
) -> None:
    for number in range(8):
        await workspace.feature(f"Feature {number}")
    await sealed(settings, owner)
    assert (await workspace.live.get("/v1/audit/chain")).json()["intact"] is True
    for statement in tampering.split(";"):
        await owner.execute(statement)
    chain = (await workspace.live.get("/v1/audit/chain")).json()
    assert chain["intact"] is False
    assert chain["broken"]["reason"] == reason


async def test_the_applications_role_can_neither_change_nor_delete_an_entry(
    workspace: Workspace, owner: asyncpg.Connection
) -> None:
    await workspace.feature()
    for statement in ("UPDATE audit_log SET action = 'x'", "DELETE FROM audit_log"):
        async with owner.transaction():
            await owner.execute("SET LOCAL ROLE roadbed_app")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with owner.transaction():
                    await owner.execute(statement)


def _times(entry: dict[str, object], side: str) -> dict[str, object]:
    values = entry[side]
    assert isinstance(values, dict)
    return {"updated_at": values["updated_at"]}


# Written by machines, derived from what is logged, append-only by themselves, or not a decision of anybody.
NOT_AUDITED = {
    "attempts",
    "audit_log",
    "decision_chain",
    "decision_heads",
    "decision_links",
    "decision_reviews",
    "deliveries",
    "endpoint_health",
    "events",
    "first_calls",
    "idempotency_keys",
    "inbox_messages",
    "latest_scores",
    "onboarding_steps",
    "operations",
    "prd_versions",
    "ranking_pages",
    "rankings",
    "roadmap_policies",
    "search_words",
    "usage_days",
    "usage_months",
}


async def test_every_table_of_a_tenant_is_audited_or_named_as_one_that_is_not(owner: asyncpg.Connection) -> None:
    rows = await owner.fetch(
        """
        SELECT relname, EXISTS (
            SELECT FROM pg_trigger WHERE tgrelid = pg_class.oid AND tgname LIKE 'audit%'
        ) AS audited
        FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attname = 'livemode'
        WHERE relkind IN ('r', 'p') AND NOT relispartition AND relnamespace = 'public'::regnamespace
        """
    )
    assert {row["relname"] for row in rows if not row["audited"]} <= NOT_AUDITED
    assert {row["relname"] for row in rows if row["audited"]} & NOT_AUDITED == set()
    assert {row["relname"] for row in rows if row["audited"]} == set(get_args(AuditResource))
