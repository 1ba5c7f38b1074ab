"""A change says which version it starts from; a read says which one it has."""

import asyncio

import asyncpg
import pytest

from tests.support.problems import problem
from tests.support.things import DECISION
from tests.support.workspace import Workspace, made


async def test_a_single_resource_has_its_version_as_a_strong_etag(workspace: Workspace) -> None:
    feature = await workspace.feature()
    path = f"/v1/features/{feature['id']}"
    assert (await workspace.live.get(path)).headers["etag"] == '"1"'
    patched = await workspace.live.patch(path, json={"title": "x"})
    assert (patched.headers["etag"], patched.json()["version"]) == ('"2"', 2)


@pytest.mark.parametrize("header", ['"1"', 'W/"1"', '"7", "1"', "*", '"x",W/"1"'])
async def test_who_has_the_version_already_gets_a_304_without_a_body(workspace: Workspace, header: str) -> None:
    feature = await workspace.feature()
    answer = await workspace.live.get(f"/v1/features/{feature['id']}", headers={"If-None-Match": header})
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", '"1"')


@pytest.mark.parametrize("header", ['"2"', "1", '"01"', "", "junk"])
async def test_who_has_another_version_gets_the_resource(workspace: Workspace, header: str) -> None:
    feature = await workspace.feature()
    answer = await workspace.live.get(f"/v1/features/{feature['id']}", headers={"If-None-Match": header})
    assert (answer.status_code, answer.json()) == (200, feature)


async def test_a_change_from_a_stale_version_is_a_412_with_the_current_etag(workspace: Workspace) -> None:
    feature = await workspace.feature()
    path = f"/v1/features/{feature['id']}"
    await workspace.live.patch(path, json={"title": "x"})
    for stale in ('"1"', 'W/"2"', '"abc"', '"99999999999999999999"', '""', '"1", "3"'):
        for answer in (
            await workspace.live.patch(path, json={"title": "y"}, headers={"If-Match": stale}),
            await workspace.live.delete(path, headers={"If-Match": stale}),
        ):
            problem(answer, 412, "precondition_failed")
            assert answer.headers["etag"] == '"2"'
    assert (await workspace.live.get(path)).json()["title"] == "x"


async def test_a_change_from_the_current_version_is_made(workspace: Workspace) -> None:
    feature = await workspace.feature()
    path = f"/v1/features/{feature['id']}"
    for number, tags in enumerate(['"1"', '"1", "2"', "*"], 2):
        answer = await workspace.live.patch(path, json={"title": str(number)}, headers={"If-Match": tags})
        assert answer.headers["etag"] == f'"{number}"'
    assert (await workspace.live.delete(path, headers={"If-Match": '"4"'})).status_code == 204


@pytest.mark.parametrize("header", ["1", "", '"1', "junk", '"1",,', "a" * 201, "*, *"])
async def test_an_if_match_that_is_no_etag_is_a_400(workspace: Workspace, header: str) -> None:
    feature = await workspace.feature()
    answer = await workspace.live.patch(
        f"/v1/features/{feature['id']}", json={"title": "x"}, headers={"If-Match": header}
    )
    assert problem(answer, 400)["errors"][0]["target"]["type"] == "header"


async def test_recording_honours_if_match(workspace: Workspace) -> None:
    decision = await made(workspace.live, "/v1/decisions", DECISION)
    path = f"/v1/decisions/{decision['id']}"
    await workspace.live.patch(path, json={"title": "x"})
    verdict = {"chosen": "buy", "rationale": "Now."}
    problem(await workspace.live.post(f"{path}/record", json=verdict, headers={"If-Match": '"1"'}), 412)
    answer = await workspace.live.post(f"{path}/record", json=verdict, headers={"If-Match": '"2"'})
    assert (answer.status_code, answer.headers["etag"]) == (200, '"3"')


async def test_of_a_hundred_changes_with_one_etag_one_wins(workspace: Workspace, owner: asyncpg.Connection) -> None:
    feature = await workspace.feature()
    path = f"/v1/features/{feature['id']}"
    answers = await asyncio.gather(
        *(workspace.live.patch(path, json={"title": f"t{n}"}, headers={"If-Match": '"1"'}) for n in range(100))
    )
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200] + [412] * 99
    [winner] = [answer.json()["title"] for answer in answers if answer.status_code == 200]
    shown = (await workspace.live.get(path)).json()
    assert (shown["title"], shown["version"]) == (winner, 2)
    assert await owner.fetchval("SELECT count(*) FROM events WHERE type = 'feature.updated'") == 1


async def test_a_change_that_changes_nothing_keeps_the_version_and_is_not_told(
    workspace: Workspace, owner: asyncpg.Connection
) -> None:
    feature = await workspace.feature(labels=["a"], metadata={"n": 1})
    path = f"/v1/features/{feature['id']}"
    for same in ({}, {"title": feature["title"]}, {"labels": ["a"]}, {"metadata": {"n": 1.0}}, {"description": None}):
        assert (await workspace.live.patch(path, json=same)).json() == feature
    bare = await workspace.feature("Bare")
    assert (await workspace.live.patch(f"/v1/features/{bare['id']}", json={"metadata": None})).json() == bare
    assert await owner.fetchval("SELECT count(*) FROM events WHERE type = 'feature.updated'") == 0
