"""Many features in one request."""

import asyncio
import uuid

import asyncpg

from tests.support.workspace import Workspace, made


def items(count: int, **fields):
    return [{"title": f"Feature {n}", "source": "jira", "external_id": f"P-{n}", **fields} for n in range(count)]


async def events(workspace: Workspace, kind: str) -> list[dict]:
    found = (await workspace.live.get("/v1/events", params={"type": kind, "limit": 100})).json()["data"]
    return [one for one in found if one["type"] == kind]


async def test_a_thousand_features_are_made_at_once_each_with_its_event(
    workspace: Workspace, owner: asyncpg.Connection
) -> None:
    told = await made(workspace.live, "/v1/features/batch", {"items": items(1000)})
    assert (told["created"], told["updated"], told["unchanged"], told["refused"]) == (1000, 0, 0, 0)
    assert [one["external_id"] for one in told["results"]] == [f"P-{n}" for n in range(1000)]
    assert {one["status"] for one in told["results"]} == {201}
    assert await owner.fetchval("SELECT count(*) FROM events WHERE type = 'feature.created'") == 1000
    shown = (await workspace.live.get(f"/v1/features/{told['results'][7]['id']}")).json()
    assert (shown["title"], shown["status"], shown["bucket"], shown["version"]) == (
        "Feature 7",
        "candidate",
        "product",
        1,
    )


async def test_events_of_a_batch_are_due_for_the_endpoints_that_want_them(
    workspace: Workspace, owner: asyncpg.Connection
) -> None:
    await workspace.endpoint("http://127.0.0.1:8099/", "feature.created")
    await workspace.endpoint("http://127.0.0.1:8099/", "decision.*")
    await made(workspace.live, "/v1/features/batch", {"items": items(5)})
    assert await owner.fetchval("SELECT count(*) FROM deliveries") == 5
    bodies = await owner.fetch("SELECT body FROM events ORDER BY id")
    assert all('"object" : "feature"' in row["body"] or '"object":"feature"' in row["body"] for row in bodies)


async def test_the_same_batch_again_changes_nothing_and_tells_nobody(
    workspace: Workspace, owner: asyncpg.Connection
) -> None:
    await made(workspace.live, "/v1/features/batch", {"items": items(20, labels=["a"], metadata={"size": 1.5})})
    again = await made(workspace.live, "/v1/features/batch", {"items": items(20, labels=["a"], metadata={"size": 1.5})})
    assert again["unchanged"] == 20
    assert {one["version"] for one in again["results"]} == {1}
    assert await owner.fetchval("SELECT count(*) FROM events") == 20


async def test_an_update_sets_what_is_given_keeps_the_rest_and_names_what_changed(
    workspace: Workspace, owner: asyncpg.Connection
) -> None:
    await made(workspace.live, "/v1/features/batch", {"items": items(2, description="Why", bucket="technical")})
    told = await made(workspace.live, "/v1/features/batch", {"items": items(1, status="planned")})
    assert told["updated"] == 1
    shown = (await workspace.live.get(f"/v1/features/{told['results'][0]['id']}")).json()
    assert (shown["status"], shown["description"], shown["bucket"], shown["version"]) == (
        "planned",
        "Why",
        "technical",
        2,
    )
    body = await owner.fetchval("SELECT body FROM events WHERE type = 'feature.updated'")
    assert '"changed":["status"]' in body


async def test_all_or_nothing_points_at_each_wrong_field_and_writes_nothing(
    workspace: Workspace, owner: asyncpg.Connection
) -> None:
    wrong = items(5)
    wrong[3]["title"] = ""
    wrong[4]["status"] = "done"
    answer = await workspace.live.post("/v1/features/batch", json={"atomic": True, "items": wrong})
    assert answer.status_code == 400
    assert [one["target"]["name"] for one in answer.json()["errors"]] == ["/items/3/title", "/items/4/status"]
    assert await owner.fetchval("SELECT count(*) FROM features") == 0


async def test_all_or_nothing_holds_for_what_only_the_database_knows(
    workspace: Workspace, owner: asyncpg.Connection
) -> None:
    missing = {"title": "Needs a ghost", "depends_on": ["feat_01h455vb4pex5vsknk084sn02q"]}
    answer = await workspace.live.post("/v1/features/batch", json={"items": [*items(3), missing]})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["target"]["name"] == "/items/3/depends_on"
    assert await owner.fetchval("SELECT count(*) FROM features") == 0
    assert await owner.fetchval("SELECT count(*) FROM events") == 0


async def test_each_item_by_itself_when_not_atomic(workspace: Workspace) -> None:
    mixed = [*items(2), {"title": ""}, 7, items(1)[0], {"title": "Alone"}]
    answer = await workspace.live.post("/v1/features/batch", json={"atomic": False, "items": mixed})
    assert answer.status_code == 207
    told = answer.json()
    assert [one["status"] for one in told["results"]] == [201, 201, 400, 400, 400, 201]
    assert told["results"][2]["problem"]["errors"][0]["target"]["name"] == "/title"
    assert told["results"][4]["problem"]["errors"][0]["code"] == "duplicate"
    assert (told["created"], told["refused"]) == (3, 3)


async def test_a_refused_item_keeps_the_name_that_its_caller_knows_it_by(workspace: Workspace) -> None:
    wrong = [
        {"title": "", "external_id": "A-1", "source": "jira"},
        {"title": "x", "external_id": "A-2"},
        {"title": "x", "external_id": 7, "source": "y" * 65},
        "no object",
    ]
    answer = await workspace.live.post("/v1/features/batch", json={"atomic": False, "items": wrong})
    assert answer.status_code == 207, answer.text
    names = [(one["status"], one["external_id"], one["source"]) for one in answer.json()["results"]]
    assert names == [(400, "A-1", "jira"), (400, "A-2", None), (400, None, None), (400, None, None)]


async def test_a_batch_has_one_to_a_thousand_items(workspace: Workspace) -> None:
    for atomic in (True, False):
        for wrong in ([], items(1001), "all", None):
            answer = await workspace.live.post("/v1/features/batch", json={"atomic": atomic, "items": wrong})
            assert answer.status_code == 400
            assert answer.json()["errors"][0]["target"]["name"] == "/items"


async def test_dependencies_within_one_batch_cannot_make_a_circle(workspace: Workspace) -> None:
    first = await made(workspace.live, "/v1/features/batch", {"items": items(3)})
    a, b, c = (one["id"] for one in first["results"])
    circle = items(3)
    for item, comes_first in zip(circle, (b, c, a), strict=True):
        item["depends_on"] = [comes_first]
    answer = await workspace.live.post("/v1/features/batch", json={"atomic": False, "items": circle})
    assert [one["outcome"] for one in answer.json()["results"]] == ["updated", "updated", "refused"]
    assert answer.json()["results"][2]["problem"]["errors"][0]["code"] == "dependency_cycle"


async def test_several_writers_of_the_same_names_make_each_once(
    workspace: Workspace, owner: asyncpg.Connection
) -> None:
    name = uuid.uuid4().hex
    body = {"items": [{"title": "Once", "source": "jira", "external_id": f"{name}-{n}"} for n in range(20)]}
    answers = await asyncio.gather(*(workspace.live.post("/v1/features/batch", json=body) for _ in range(6)))
    assert {answer.status_code for answer in answers} == {200}
    assert await owner.fetchval("SELECT count(*) FROM features") == 20
    assert await owner.fetchval("SELECT count(*) FROM events") == 20


async def test_a_batch_reaches_no_other_workspace(workspace: Workspace, other_workspace: Workspace) -> None:
    await made(workspace.live, "/v1/features/batch", {"items": items(2)})
    told = await made(other_workspace.live, "/v1/features/batch", {"items": items(2)})
    assert told["created"] == 2
