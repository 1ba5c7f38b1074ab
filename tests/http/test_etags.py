"""A change says which version it starts from; a read says which one it has."""

import asyncio
import re

import asyncpg
import httpx
import pytest

from tests.support.document import Operation, operations
from tests.support.problems import pointers, problem
from tests.support.things import DECISION, a_thing, body_of, url_of
from tests.support.workspace import Workspace, made

CHANGES = [one for one in operations() if one.method in ("PUT", "PATCH", "DELETE")]
# What they change has no ETag anywhere: the quota's policy, an endpoint's signing key.
WITHOUT_ETAG = {"set_quota_policy", "delete_secret"}
# Every GET but the pages of a list and what is sent as a stream.
SINGLE = [
    one
    for one in operations()
    if one.method == "GET"
    and one.id not in ("export_features", "stream_events")
    and not any(parameter["name"] == "cursor" for parameter in one.spec["parameters"])
]
# They tell of the calls themselves, or of the moment: the next answer may be another.
MAY_DIFFER = {"get_usage", "get_api_metrics", "diff_scenario"}
CONDITIONAL = [one for one in operations() if any(p["name"] == "If-Match" for p in one.spec["parameters"])]


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


@pytest.mark.parametrize("operation", SINGLE, ids=str)
async def test_every_single_get_has_a_strong_etag_and_answers_304_to_who_has_it(
    workspace: Workspace, operation: Operation
) -> None:
    if operation.id in ("diff_roadmap_revisions", "diff_scenario"):
        await a_thing(workspace.live, "rev")
    path = await url_of(workspace.live, operation)
    first = await workspace.live.get(path)
    assert first.status_code == 200, first.text
    tag = first.headers["etag"]
    assert re.fullmatch(r'"[0-9a-f-]{1,40}"', tag)
    assert "304" in operation.spec["responses"]
    other = await workspace.live.get(path, headers={"If-None-Match": '"else"'})
    assert other.status_code == 200
    assert other.headers["etag"] == tag or operation.id in MAY_DIFFER
    for held in ([tag], [f"W/{tag}"], ['"else"', tag], ["*"]):
        headers = [("If-None-Match", one) for one in held]
        again = await workspace.live.get(path, headers=headers)
        if operation.id not in MAY_DIFFER:
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)


async def test_a_thing_without_a_version_has_another_etag_once_it_shows_something_else(workspace: Workspace) -> None:
    event = await a_thing(workspace.live, "evt")
    path = f"/v1/events/{event}"
    tag = (await workspace.live.get(path)).headers["etag"]
    (await workspace.live.post(f"{path}/expunge")).raise_for_status()
    after = await workspace.live.get(path, headers={"If-None-Match": tag})
    assert (after.status_code, after.headers["etag"] == tag) == (200, False)


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


def test_every_operation_that_changes_what_has_an_etag_takes_if_match() -> None:
    assert {one.id for one in CHANGES} - {one.id for one in CONDITIONAL} == WITHOUT_ETAG
    # A POST to a thing whose answer has that thing's ETag changes it, or may.
    steering = [
        one
        for one in operations()
        if one.method == "POST" and one.names and "ETag" in one.spec["responses"].get("200", {}).get("headers", {})
    ]
    assert steering
    assert {one.id for one in steering} <= {one.id for one in CONDITIONAL}


@pytest.mark.parametrize("operation", CONDITIONAL, ids=str)
async def test_a_stale_etag_is_a_412_for_every_operation_that_takes_one(
    workspace: Workspace, owner: asyncpg.Connection, operation: Operation
) -> None:
    path = await _there(workspace.live, operation)
    before = await owner.fetchval("SELECT count(*) FROM events")
    for stale in ('"998"', '"998", W/"1"'):
        answer = await workspace.live.request(
            operation.method, path, json=body_of(operation), headers={"If-Match": stale}
        )
        problem(answer, 412, "precondition_failed")
        assert answer.headers["etag"].strip('"').isdigit()
    lines = [("If-Match", '"998"'), ("If-Match", answer.headers["etag"]), ("If-Match", '"999"')]
    answer = await workspace.live.request(operation.method, path, json=body_of(operation), headers=lines)
    # Some are refused for what the sample asks, all pass the condition.
    assert answer.status_code != 412, answer.text
    if not answer.is_success:
        assert await owner.fetchval("SELECT count(*) FROM events") == before


async def _there(client: httpx.AsyncClient, operation: Operation) -> str:
    """The path of the operation where what it changes is there."""
    path = await url_of(client, operation)
    if operation.names == ["feature_id"]:
        put = next(one for one in operations() if one.path == operation.path and one.method == "PUT")
        (await client.put(path, json=body_of(put))).raise_for_status()
    if operation.method == "PUT" and operation.names:
        (await client.put(path, json=body_of(operation))).raise_for_status()
    return path


async def test_two_lines_of_if_match_are_one_list(workspace: Workspace) -> None:
    feature = await workspace.feature()
    path = f"/v1/features/{feature['id']}"
    for tags, status in ((('"1"', '"7"'), 200), (('"7"', '"8"'), 412), (('"2"', "junk"), 400), (("*", '"2"'), 400)):
        lines = [("If-Match", tag) for tag in tags]
        answer = await workspace.live.patch(path, json={"title": tags[0]}, headers=lines)
        assert answer.status_code == status, tags


async def test_a_put_with_if_match_makes_nothing_that_is_not_there(
    workspace: Workspace, owner: asyncpg.Connection
) -> None:
    feature = (await workspace.feature())["id"]
    before = await owner.fetchval("SELECT count(*) FROM events")
    for path, body in (
        ("/v1/features/external/jira/NEW-1", {"title": "New"}),
        (f"/v1/roadmap/items/{feature}", {"horizon": "now"}),
        (f"/v1/roadmap/overrides/{feature}", {"rank": 1, "reason": "Promised"}),
    ):
        for tags in ("*", '"1"', '"0"'):
            answer = await workspace.live.put(path, json=body, headers={"If-Match": tags})
            problem(answer, 412, "precondition_failed")
            assert "etag" not in answer.headers
    assert await owner.fetchval("SELECT count(*) FROM events") == before
    assert await owner.fetchval("SELECT count(*) FROM features") == 1


async def test_a_put_with_if_none_match_changes_nothing_that_is_there(workspace: Workspace) -> None:
    feature = (await workspace.feature())["id"]
    only_new = {"If-None-Match": "*"}
    for path, body, other in (
        ("/v1/features/external/jira/NEW-1", {"title": "New"}, {"title": "Other"}),
        (f"/v1/roadmap/items/{feature}", {"horizon": "now"}, {"horizon": "later"}),
        (f"/v1/roadmap/overrides/{feature}", {"rank": 1, "reason": "Promised"}, {"rank": 2, "reason": "No"}),
    ):
        first = await workspace.live.put(path, json=body, headers=only_new)
        assert (first.is_success, first.headers["etag"]) == (True, '"1"')
        again = await workspace.live.put(path, json=other, headers=only_new)
        problem(again, 412, "precondition_failed")
        assert again.headers["etag"] == '"1"'
        assert (await workspace.live.put(path, json=other)).headers["etag"] == '"2"'
        for headers in ({"If-None-Match": '"1"'}, only_new | {"If-Match": '"2"'}):
            told = problem(await workspace.live.put(path, json=body, headers=headers), 400)
            assert told["errors"][0]["target"] == {"type": "header", "name": "If-None-Match"}


async def test_of_twenty_that_would_each_be_the_first_one_is(workspace: Workspace) -> None:
    feature = (await workspace.feature())["id"]
    for path, body in (
        ("/v1/features/external/jira/NEW-1", {"title": "New"}),
        (f"/v1/roadmap/items/{feature}", {"horizon": "now"}),
        (f"/v1/roadmap/overrides/{feature}", {"rank": 1, "reason": "Promised"}),
    ):
        answers = await asyncio.gather(
            *(workspace.live.put(path, json=body, headers={"If-None-Match": "*"}) for _ in range(20))
        )
        assert sorted(answer.status_code for answer in answers)[1:] == [412] * 19, path
        assert sum(answer.is_success for answer in answers) == 1


async def test_an_if_match_that_nothing_can_be_held_against_is_refused(workspace: Workspace) -> None:
    for method, path, body in (("POST", "/v1/features", {"title": "x"}), ("PATCH", "/v1/usage", {"policy": "block"})):
        answer = await workspace.live.request(method, path, json=body, headers={"If-Match": '"1"'})
        assert pointers(problem(answer, 400)) == ["If-Match"]
