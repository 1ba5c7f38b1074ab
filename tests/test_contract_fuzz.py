"""What schemathesis found once (./run fuzz), so that it stays mended without it."""

import re

import httpx
import pytest

from tests.support.document import document
from tests.support.workspace import Workspace


async def test_every_event_type_may_be_asked_for_at_once(workspace: Workspace) -> None:
    await workspace.feature()
    answer = await workspace.live.get("/v1/events", params={"type": "*"})
    assert answer.status_code == 200
    assert "feature.created" in {event["type"] for event in answer.json()["data"]}


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/events/trigger", "OPTIONS, POST"),
        ("PATCH", "/v1/prds/lint", "OPTIONS, POST"),
        ("PATCH", "/v1/prds/rules", "GET, HEAD, OPTIONS"),
    ],
)
async def test_a_fixed_path_has_its_own_methods_and_not_those_of_an_id(
    workspace: Workspace, method: str, path: str, allowed: str
) -> None:
    refused = await workspace.live.request(method, path)
    told = await workspace.live.options(path)
    assert (refused.status_code, refused.headers["Allow"]) == (405, allowed)
    assert (told.status_code, told.headers["Allow"]) == (204, allowed)


@pytest.mark.parametrize(
    ("path", "parameter"),
    [("/v1/roadmap/revisions", "created_at_lte"), ("/v1/scores", "created_at_gte"), ("/v1/usage", "until")],
)
async def test_a_bare_number_is_no_time(workspace: Workspace, path: str, parameter: str) -> None:
    answer = await workspace.live.get(path, params={parameter: "0"})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["target"] == {"type": "parameter", "name": parameter}


def test_a_number_is_documented_as_a_number_alone() -> None:
    weight = document()["components"]["schemas"]["DebtPatch"]["properties"]["effort_months"]
    assert weight["type"] == "number"
    assert (weight["exclusiveMinimum"], weight["maximum"]) == (0, 100_000)


def test_what_cannot_be_removed_is_documented_without_null() -> None:
    title = document()["components"]["schemas"]["FeaturePatch"]["properties"]["title"]
    assert title["type"] == "string"


async def test_the_origin_that_may_read_an_answer_is_ours_alone(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/catalog", headers={"Origin": "https://elsewhere.example"})
    assert answer.headers["Access-Control-Allow-Origin"] == "http://roadbed.test"


async def test_where_no_key_is_needed_a_wrong_one_is_told_all_the_same(
    client: httpx.AsyncClient, workspace: Workspace
) -> None:
    wrong = await client.get("/v1/catalog", headers={"Authorization": "Bearer rb_live_mistyped"})
    none = await client.get("/v1/catalog")
    right = await workspace.live.get("/v1/catalog")
    assert (wrong.status_code, none.status_code, right.status_code) == (401, 200, 200)


def test_names_of_another_form_are_documented_as_refused() -> None:
    ratings = document()["components"]["schemas"]["DecisionCreate"]["properties"]["ratings"]
    assert ratings["propertyNames"] == ratings["additionalProperties"]["propertyNames"]
    assert re.fullmatch(ratings["propertyNames"]["pattern"], "time_to_market")
    assert not re.fullmatch(ratings["propertyNames"]["pattern"], "time to market")
