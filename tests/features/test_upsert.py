"""A feature by its name in another tool."""

import asyncio

import asyncpg
import pytest

from tests.support.workspace import Workspace


async def test_put_creates_then_updates_then_leaves_alone(workspace: Workspace, owner: asyncpg.Connection) -> None:
    path = "/v1/features/external/jira/PROJ-42"
    first = await workspace.live.put(path, json={"title": "Dark mode", "bucket": "technical"})
    assert (first.status_code, first.headers["etag"]) == (201, '"1"')
    assert first.headers["location"] == f"/v1/features/{first.json()['id']}"
    assert (first.json()["source"], first.json()["external_id"]) == ("jira", "PROJ-42")

    second = await workspace.live.put(path, json={"title": "Dark mode", "status": "planned"})
    assert (second.status_code, second.json()["version"], second.json()["bucket"]) == (200, 2, "technical")
    assert second.json()["id"] == first.json()["id"]

    third = await workspace.live.put(path, json={"title": "Dark mode", "status": "planned"})
    assert (third.status_code, third.json()) == (200, second.json())
    assert await owner.fetchval("SELECT array_agg(type ORDER BY id) FROM events") == [
        "feature.created",
        "feature.updated",
    ]


async def test_an_external_id_may_hold_slashes_and_signs(workspace: Workspace) -> None:
    answer = await workspace.live.put("/v1/features/external/github/acme%2Fapp%2342", json={"title": "An issue"})
    assert answer.status_code == 201
    assert answer.json()["external_id"] == "acme/app#42"


async def test_twenty_at_once_make_one_feature(workspace: Workspace, owner: asyncpg.Connection) -> None:
    path = "/v1/features/external/linear/ENG-1"
    answers = await asyncio.gather(*(workspace.live.put(path, json={"title": "Once"}) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert await owner.fetchval("SELECT count(*) FROM features") == 1
    assert await owner.fetchval("SELECT count(*) FROM events") == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "/title"),
        ({"title": "x", "source": "jira"}, "/source"),
        ({"title": "x", "version": 3}, "/version"),
        ({"title": "x", "depends_on": ["feat_01h455vb4pex5vsknk084sn02q"]}, "/depends_on"),
    ],
)
async def test_a_wrong_field_is_named(workspace: Workspace, body: dict, field: str) -> None:
    answer = await workspace.live.put("/v1/features/external/jira/P-1", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["target"]["name"]) == (400, field)


async def test_a_source_is_a_slug(workspace: Workspace) -> None:
    assert (await workspace.live.put("/v1/features/external/Not%20a%20slug/1", json={"title": "x"})).status_code == 404


async def test_if_match_guards_an_update(workspace: Workspace) -> None:
    path = "/v1/features/external/jira/P-1"
    await workspace.live.put(path, json={"title": "One"})
    stale = await workspace.live.put(path, json={"title": "Two"}, headers={"If-Match": '"7"'})
    assert (stale.status_code, stale.headers["etag"]) == (412, '"1"')
    fresh = await workspace.live.put(path, json={"title": "Two"}, headers={"If-Match": '"1"'})
    assert fresh.status_code == 200


async def test_null_removes_a_field(workspace: Workspace) -> None:
    path = "/v1/features/external/jira/P-1"
    await workspace.live.put(path, json={"title": "One", "description": "Why"})
    answer = await workspace.live.put(path, json={"title": "One", "description": None})
    assert answer.json()["description"] is None
