"""Long work: steps done once each, whatever happens between them."""

import asyncio
from typing import Any

import asyncpg
import pytest

from api import json
from api.db import parse_id, wire_id
from api.operations.advance import ClaimLost, claim, write_step
from api.operations.start import Kind, Moved, Work, start
from api.problems import Conflict, Unavailable
from api.settings import Settings
from api.stores import WORKER_ROLE, Scope, Stores, Transaction, open_stores
from api.webhooks.catalogue import TEST
from api.webhooks.finished import tell_finished
from api.webhooks.outbox import emit
from tests.support.operating import operating, until
from tests.support.receiver import Receiver
from tests.support.workspace import Workspace
from workers.deliver import Courier
from workers.prune import forget


async def _count_to(tx: Transaction, work: Work) -> Moved:
    """Emits one event a step, so that a step done twice, or not undone, is seen."""
    await emit(tx, TEST, json.dump({"message": f"step {work.done}", "version": 1}))
    done = work.done + 1
    finished = done == work.params["to"]
    wait_s = work.params.get("wait_s", 0)
    return Moved({"at": done}, done, work.params["to"], finished, {"counted": done}, 0.0 if finished else wait_s)


COUNT = Kind("count", _count_to)


async def begin(stores: Stores, workspace: Workspace, kind: Kind, **params: Any) -> str:
    workspace_id = parse_id("ws", workspace.id)
    async with stores.transaction(Scope(workspace_id, livemode=True)) as tx:
        operation_id, _ = await start(tx, kind, params)
        await tx.commit()
    return wire_id("op", operation_id)


async def events(workspace: Workspace, event_type: str = "webhook.test") -> list[dict[str, Any]]:
    page = (await workspace.live.get("/v1/events", params={"type": event_type, "limit": 100})).json()
    found: list[dict[str, Any]] = page["data"]
    return found


async def test_an_operation_runs_to_its_end_and_tells(
    workspace: Workspace, stores: Stores, settings: Settings, receiver: Receiver, courier: Courier
) -> None:
    await workspace.endpoint(receiver.url, "operation.finished")
    async with operating(settings, [COUNT]):
        operation_id = await begin(stores, workspace, COUNT, to=5)
        shown = await until(workspace.live, operation_id, "succeeded")
    assert shown["progress"] == {"done": 5, "total": 5}
    assert shown["result"] == {"counted": 5}
    assert shown["params"] == {"to": 5}
    assert shown["started_at"] <= shown["finished_at"]
    [told] = await receiver.count(1)
    assert told.event["type"] == "operation.finished"
    assert told.event["data"] == shown


async def test_a_step_is_done_once_though_its_worker_dies_each_time(
    workspace: Workspace, stores: Stores, settings: Settings
) -> None:
    """The step breaks off after its writes, before its progress: like a kill, for the database."""
    broken: list[int] = []

    async def dies_twice(tx: Transaction, work: Work) -> Moved:
        moved = await _count_to(tx, work)
        if work.done == 2 and len(broken) < 1:
            broken.append(work.done)
            raise Unavailable("The database does not answer.")
        return moved

    kind = Kind("count", dies_twice)
    async with operating(settings, [kind]):
        operation_id = await begin(stores, workspace, kind, to=4)
        await until(workspace.live, operation_id, "succeeded")
    assert broken == [2]
    assert sorted(event["data"]["message"] for event in await events(workspace)) == [f"step {n}" for n in range(4)]


async def test_an_operation_whose_worker_vanished_goes_on_when_the_lease_ends(
    workspace: Workspace, stores: Stores, settings: Settings
) -> None:
    operation_id = await begin(stores, workspace, COUNT, to=2)
    async with open_stores(settings, role=WORKER_ROLE) as worker_stores, worker_stores.transaction() as tx:
        [gone] = await claim(tx, ["count"], 10, lease_s=0.2)
        await tx.commit()
    async with operating(settings, [COUNT]):
        await until(workspace.live, operation_id, "succeeded")
    async with stores.transaction(gone.scope) as tx:
        moved = await _count_to(tx, gone.work)
        with pytest.raises(ClaimLost):
            await write_step(tx, gone, moved, tell_finished, keep_s=60)
    assert len(await events(workspace)) == 2


async def test_pausing_stops_and_resuming_goes_on_where_it_was(
    workspace: Workspace, stores: Stores, settings: Settings
) -> None:
    async with operating(settings, [COUNT]):
        operation_id = await begin(stores, workspace, COUNT, to=30, wait_s=0.02)
        await until(workspace.live, operation_id, "running")
        paused = (await workspace.live.post(f"/v1/operations/{operation_id}/pause")).json()
        assert paused["status"] == "paused"
        await asyncio.sleep(0.2)
        still = (await workspace.live.get(f"/v1/operations/{operation_id}")).json()
        assert still == paused
        resumed = (await workspace.live.post(f"/v1/operations/{operation_id}/resume")).json()
        assert (resumed["status"], resumed["progress"]) == ("pending", paused["progress"])
        await until(workspace.live, operation_id, "succeeded")
    assert len(await events(workspace)) == 30


async def test_cancelling_ends_it_tells_of_it_and_cannot_be_undone(
    workspace: Workspace, stores: Stores, settings: Settings
) -> None:
    operation_id = await begin(stores, workspace, COUNT, to=30)
    cancelled = (await workspace.live.post(f"/v1/operations/{operation_id}/cancel")).json()
    assert cancelled["status"] == "cancelled"
    assert cancelled["finished_at"] is not None
    [told] = await events(workspace, "operation.finished")
    assert told["data"] == cancelled
    for verb in ("cancel", "pause", "resume"):
        answer = await workspace.live.post(f"/v1/operations/{operation_id}/{verb}")
        assert (answer.status_code, answer.json()["code"]) == (409, "operation_ended")
    async with operating(settings, [COUNT]):
        await asyncio.sleep(0.1)
    assert await events(workspace) == []


async def test_a_step_that_finds_the_state_wrong_fails_the_operation_with_its_code(
    workspace: Workspace, stores: Stores, settings: Settings
) -> None:
    async def refuses(tx: Transaction, work: Work) -> Moved:
        await emit(tx, TEST, json.dump({"message": "never", "version": 1}))
        raise Conflict("The endpoint is gone.")

    kind = Kind("refuses", refuses)
    async with operating(settings, [kind]):
        shown = await until(workspace.live, await begin(stores, workspace, kind), "failed")
    assert shown["error"] == {"code": "conflict", "message": "The endpoint is gone."}
    assert await events(workspace) == []
    assert len(await events(workspace, "operation.finished")) == 1


async def test_a_step_that_kills_its_worker_each_time_is_given_up(
    workspace: Workspace, stores: Stores, settings: Settings, owner: asyncpg.Connection
) -> None:
    operation_id = await begin(stores, workspace, COUNT, to=2)
    await owner.execute("UPDATE operations SET failures = 8")
    async with operating(settings, [COUNT]):
        shown = await until(workspace.live, operation_id, "failed")
    assert shown["error"]["code"] == "gave_up"


async def test_a_kind_that_this_worker_does_not_know_is_left_to_another(
    workspace: Workspace, stores: Stores, settings: Settings
) -> None:
    operation_id = await begin(stores, workspace, Kind("newer", _count_to), to=1)
    async with operating(settings, [COUNT]):
        known = await begin(stores, workspace, COUNT, to=1)
        await until(workspace.live, known, "succeeded")
    assert (await workspace.live.get(f"/v1/operations/{operation_id}")).json()["status"] == "pending"


async def test_operations_are_listed_by_status_and_kind_and_seen_by_nobody_else(
    workspace: Workspace, other_workspace: Workspace, stores: Stores
) -> None:
    first, second = [await begin(stores, workspace, COUNT, to=1) for _ in range(2)]
    await workspace.live.post(f"/v1/operations/{first}/cancel")
    page = (await workspace.live.get("/v1/operations", params={"status": "pending", "kind": "count"})).json()
    assert [row["id"] for row in page["data"]] == [second]
    assert (await workspace.test.get("/v1/operations")).json()["data"] == []
    assert (await other_workspace.live.get(f"/v1/operations/{second}")).status_code == 404
    assert (await other_workspace.live.post(f"/v1/operations/{second}/cancel")).status_code == 404


async def test_a_workspace_has_at_most_fifty_unfinished_operations(workspace: Workspace, stores: Stores) -> None:
    for _ in range(50):
        await begin(stores, workspace, COUNT, to=1)
    with pytest.raises(Conflict, match="50 operations are unfinished"):
        await begin(stores, workspace, COUNT, to=1)


async def test_ended_operations_are_forgotten_after_their_days(
    workspace: Workspace, stores: Stores, settings: Settings, owner: asyncpg.Connection
) -> None:
    old, fresh, paused = [await begin(stores, workspace, COUNT, to=1) for _ in range(3)]
    for ended in (old, fresh):
        await workspace.live.post(f"/v1/operations/{ended}/cancel")
    await owner.execute(
        "UPDATE operations SET finished_at = now() - interval '31 days' WHERE id = $1", parse_id("op", old)
    )
    async with open_stores(settings, role=WORKER_ROLE) as worker_stores:
        await forget(worker_stores)
    left = (await workspace.live.get("/v1/operations")).json()["data"]
    assert {row["id"] for row in left} == {fresh, paused}
