"""The chain of recorded decisions: whatever a superuser does to a single row is found."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from api.commands.verify import verify_all
from api.db import parse_id
from api.settings import Settings
from api.stores import Stores
from tests.commands.test_against_a_service import ended
from tests.support.workspace import Workspace, made

DRAFT = {"title": "Build or buy", "kind": "build_vs_buy", "options": [{"key": "build", "title": "Build"}]}
VERDICT = {"chosen": "build", "rationale": "It sets us apart."}
Tampering = Callable[[asyncpg.Connection], Awaitable[Any]]


async def recorded(workspace: Workspace, title: str = "Build or buy") -> dict[str, Any]:
    draft = await made(workspace.live, "/v1/decisions", DRAFT | {"title": title})
    return await made(workspace.live, f"/v1/decisions/{draft['id']}/record", VERDICT)


async def chain(workspace: Workspace, **query: int) -> dict[str, Any]:
    answer = await workspace.live.get("/v1/decisions/chain", params=query)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def test_each_record_adds_an_entry_and_the_decision_shows_its_hash(workspace: Workspace) -> None:
    first, second = await recorded(workspace), await recorded(workspace)
    told = await chain(workspace)
    assert (told["intact"], told["length"], told["faults"], told["next_after"]) == (True, 2, [], None)
    assert [first["chained"]["position"], second["chained"]["position"]] == [1, 2]
    assert told["head"] == second["chained"]["hash"]
    assert [first["number"], second["number"]] == [1, 2]


async def test_an_empty_workspace_has_an_intact_chain_of_nothing(workspace: Workspace) -> None:
    told = await chain(workspace)
    assert (told["intact"], told["length"], told["head"]) == (True, 0, "00" * 32)


async def test_the_sandbox_has_a_chain_and_numbers_of_its_own(workspace: Workspace) -> None:
    await recorded(workspace)
    draft = await made(workspace.test, "/v1/decisions", DRAFT)
    assert draft["number"] == 1
    assert (await workspace.test.get("/v1/decisions/chain")).json()["length"] == 0


async def test_a_long_chain_is_checked_in_parts(workspace: Workspace) -> None:
    for _ in range(3):
        await recorded(workspace)
    told = await chain(workspace, limit=2)
    assert (told["intact"], told["checked_from"], told["checked_to"], told["next_after"]) == (True, 1, 2, 2)
    told = await chain(workspace, limit=2, after=2)
    assert (told["intact"], told["checked_from"], told["checked_to"], told["next_after"]) == (True, 3, 3, None)


async def test_records_made_at_the_same_time_still_make_one_chain(workspace: Workspace) -> None:
    drafts = await asyncio.gather(*(made(workspace.live, "/v1/decisions", DRAFT) for _ in range(6)))
    assert sorted(draft["number"] for draft in drafts) == [1, 2, 3, 4, 5, 6]
    paths = [f"/v1/decisions/{draft['id']}/record" for draft in drafts]
    answers = await asyncio.gather(*(workspace.live.post(path, json=VERDICT) for path in paths for _ in range(2)))
    assert sorted(answer.status_code for answer in answers) == [200] * 6 + [409] * 6
    told = await chain(workspace)
    assert (told["intact"], told["length"]) == (True, 6)


COPY = """
    INSERT INTO decisions (workspace_id, livemode, id, number, aliases, title, kind, options, criteria, ratings,
        missing_ratings, fixed, assumptions, triggers, assessment, status, chosen, rationale, recorded_at)
    SELECT workspace_id, livemode, uuidv7(), 99, aliases, title, kind, options, criteria, ratings, missing_ratings,
        fixed, assumptions, triggers, assessment, status, chosen, rationale, recorded_at FROM decisions WHERE number = 2
"""
TAMPERINGS = {
    "updates the rationale": "UPDATE decisions SET rationale = 'Otherwise.' WHERE number = 2",
    "updates a rating in the JSON": "UPDATE decisions SET ratings = '{\"build\": {}}' WHERE number = 2",
    "updates a timestamp by a microsecond": (
        "UPDATE decisions SET recorded_at = recorded_at + interval '1 microsecond' WHERE number = 2"
    ),
    "updates the number": "UPDATE decisions SET number = 77 WHERE number = 2",
    "makes it a draft again": "UPDATE decisions SET status = 'draft', recorded_at = NULL WHERE number = 2",
    "deletes a decision in the middle": "DELETE FROM decisions WHERE number = 2",
    "deletes the first decision": "DELETE FROM decisions WHERE number = 1",
    "deletes the last decision": "DELETE FROM decisions WHERE number = 3",
    "inserts a recorded decision": COPY,
    "updates a hash": "UPDATE decision_chain SET hash = sha256('x') WHERE position = 2",
    "updates the last hash": "UPDATE decision_chain SET hash = sha256('x') WHERE position = 4",
    "updates a previous hash": "UPDATE decision_chain SET previous = sha256('x') WHERE position = 2",
    "updates what an entry is about": (
        "UPDATE decision_chain SET subject_id = (SELECT id FROM decisions WHERE number = 1) WHERE position = 2"
    ),
    "updates an entry's kind": "UPDATE decision_chain SET kind = 'link' WHERE position = 2",
    "moves an entry to the end": "UPDATE decision_chain SET position = 5 WHERE position = 2",
    "deletes an entry in the middle": "DELETE FROM decision_chain WHERE position = 2",
    "deletes the first entry": "DELETE FROM decision_chain WHERE position = 1",
    "deletes the last entry": "DELETE FROM decision_chain WHERE position = 4",
    "inserts an entry": """
        INSERT INTO decision_chain SELECT workspace_id, livemode, 5, kind, subject_id, hash, sha256('x')
        FROM decision_chain WHERE position = 3
    """,
    "swaps two entries": (
        "UPDATE decision_chain SET position = CASE position WHEN 1 THEN 12 ELSE 11 END WHERE position IN (1, 2);"
        "UPDATE decision_chain SET position = position - 10 WHERE position > 10"
    ),
    "swaps two decisions' titles": (
        "UPDATE decisions SET title = CASE number WHEN 1 THEN 'Second' ELSE 'First' END WHERE number IN (1, 2)"
    ),
    "updates the head's length": "UPDATE decision_heads SET length = 3",
    "updates the head's hash": "UPDATE decision_heads SET head = sha256('x')",
    "updates the last number": "UPDATE decision_heads SET last_number = 1",
    "deletes the head": "DELETE FROM decision_heads",
    "deletes a link": "DELETE FROM decision_links",
    "turns a link round": "UPDATE decision_links SET from_id = to_id, to_id = from_id",
    "updates a link's kind": "UPDATE decision_links SET kind = 'amends'",
    "inserts a link": """
        INSERT INTO decision_links SELECT workspace_id, livemode, uuidv7(), 'amends', from_id, to_id, created_at
        FROM decision_links
    """,
}


@pytest.mark.parametrize("name", TAMPERINGS)
async def test_it_is_found_when_a_superuser(
    name: str, workspace: Workspace, owner: asyncpg.Connection, settings: Settings
) -> None:
    first, _, third = [await recorded(workspace, title) for title in ("First", "Second", "Third")]
    await made(workspace.live, f"/v1/decisions/{third['id']}/links", {"kind": "supersedes", "decision_id": first["id"]})
    assert (await chain(workspace))["intact"]
    await owner.execute(f"SET session_replication_role = replica; {TAMPERINGS[name]}; RESET session_replication_role")
    told = await chain(workspace)
    assert not told["intact"], told
    assert told["faults"]
    [verified] = await verify_all(settings)
    assert not verified.told["intact"]
    assert len(verified.lines) == 1 + len(told["faults"])


async def test_a_change_of_a_draft_is_no_tampering(workspace: Workspace) -> None:
    await recorded(workspace)
    draft = await made(workspace.live, "/v1/decisions", DRAFT)
    await workspace.live.patch(f"/v1/decisions/{draft['id']}", json={"title": "Other"})
    assert (await chain(workspace))["intact"]


async def test_the_application_can_neither_change_nor_delete_a_recorded_row(
    workspace: Workspace, stores: Stores, owner: asyncpg.Connection
) -> None:
    """With the trigger out of the way too: the role's own policy holds."""
    decision = await recorded(workspace)
    id_ = parse_id("dec", decision["id"])
    row = await owner.fetchrow("SELECT workspace_id, livemode FROM decisions WHERE id = $1", id_)
    assert row is not None
    await owner.execute("ALTER TABLE decisions DISABLE TRIGGER frozen")
    try:
        for statement in ("UPDATE decisions SET title = 'x'", "DELETE FROM decisions"):
            async with owner.transaction():
                await owner.execute(
                    "SELECT set_config('roadbed.workspace_id', $1, true), set_config('roadbed.livemode', 'true', true)",
                    str(row["workspace_id"]),
                )
                await owner.execute("SET LOCAL ROLE roadbed_app")
                assert await owner.fetchval("SELECT count(*) FROM decisions") == 1
                assert (await owner.execute(statement)).endswith(" 0")
        for table in ("decision_chain", "decision_links"):
            before = await owner.fetchval(f"SELECT count(*) FROM {table}")
            async with owner.transaction():
                await owner.execute(
                    "SELECT set_config('roadbed.workspace_id', $1, true), set_config('roadbed.livemode', 'true', true)",
                    str(row["workspace_id"]),
                )
                await owner.execute("SET LOCAL ROLE roadbed_app")
                # Only the reset of a sandbox deletes, and only there.
                assert (await owner.execute(f"DELETE FROM {table}")).endswith(" 0")
            assert await owner.fetchval(f"SELECT count(*) FROM {table}") == before
    finally:
        await owner.execute("ALTER TABLE decisions ENABLE TRIGGER frozen")
    assert await owner.fetchval("SELECT title FROM decisions WHERE id = $1", id_) == "Build or buy"


async def test_the_trigger_refuses_a_superusers_plain_update_and_delete(
    workspace: Workspace, owner: asyncpg.Connection
) -> None:
    await recorded(workspace)
    for statement in ("UPDATE decisions SET title = 'x'", "DELETE FROM decisions"):
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await owner.execute(statement)


async def test_the_verify_command_ends_with_1_after_tampering(
    workspace: Workspace, owner: asyncpg.Connection, settings: Settings
) -> None:
    # A process of its own: in this one it would point the logs of all tests at what it prints to.
    environment = {
        "ROADBED_DATABASE_URL": settings.database_url,
        "ROADBED_REDIS_URL": settings.redis_url,
        "ROADBED_PEPPER": settings.pepper.get_secret_value(),
        "ROADBED_SEALING_KEYS": settings.sealing_keys.get_secret_value(),
    }
    await recorded(workspace)
    code, out, err = await ended("verify", **environment)
    assert (code, "1 entries, intact" in out) == (0, True), err
    await owner.execute(
        "SET session_replication_role = replica; UPDATE decisions SET rationale = 'x'; RESET session_replication_role"
    )
    code, out, err = await ended("verify", **environment)
    assert code == 1, err
    assert "BROKEN" in out
    assert "was changed" in out
