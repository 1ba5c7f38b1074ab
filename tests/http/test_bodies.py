"""A body is JSON as it stands: no type is guessed from another."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.document import Operation, kinds, operations, properties, request_schema
from tests.support.problems import pointers, problem
from tests.support.things import body_of, url_of
from tests.support.workspace import Workspace, made

WRONG: dict[str, list[Any]] = {
    "boolean": ["true", "false", "yes", 1, 0, "", []],
    "integer": ["5", "", True, False, 5.5, [], {}],
    "number": ["5", "1e3", True, False, [], {}],
}


def _typed() -> Iterator[Any]:
    """Every field of a body that is a boolean or a number and nothing else."""
    for operation in operations():
        if operation.takes_body and operation.scope is not None:
            for name, schema in properties(request_schema(operation)).items():
                kind = set(kinds(schema))
                if len(kind) == 1 and kind <= WRONG.keys():
                    yield pytest.param(operation, name, kind.pop(), id=f"{operation}-{name}")


@pytest.mark.parametrize(("operation", "name", "kind"), list(_typed()))
async def test_what_only_looks_like_a_boolean_or_a_number_is_a_400_at_its_field(
    workspace: Workspace, operation: Operation, name: str, kind: str
) -> None:
    path = await url_of(workspace.live, operation)
    for wrong in WRONG[kind]:
        body = {**(body_of(operation) or {}), name: wrong}
        answer = await workspace.live.request(operation.method, path, json=body)
        told = problem(answer, 400, "invalid_request")
        assert f"/{name}" in pointers(told), (wrong, told)


async def test_a_whole_number_may_be_written_with_a_fraction_of_nothing(workspace: Workspace) -> None:
    key = await made(workspace.live, "/v1/keys", {"name": "CI", "scopes": ["features:read"]})
    path = f"/v1/keys/{key['id']}/rotate"
    for written, status in ((b"3600.5", 400), (b'"3600"', 400), (b"3600.0", 201)):
        answer = await _sent(workspace.live, path, b'{"overlap_s":%s}' % written)
        assert answer.status_code == status, answer.text


async def test_what_is_deep_in_a_body_is_taken_no_more_loosely(workspace: Workspace) -> None:
    batch = {"atomic": "false", "items": [{"title": "x"}]}
    assert pointers(problem(await workspace.live.post("/v1/features/batch", json=batch), 400)) == ["/atomic"]
    prd = {"title": "Dark mode", "requirements": [{"text": "It is dark.", "phase": "2"}]}
    answer = await workspace.live.post("/v1/prds", json=prd)
    assert pointers(problem(answer, 400)) == ["/requirements/0/phase"]
    answer = await workspace.live.post("/v1/prds", json={**prd, "requirements": [{"text": "It is dark.", "phase": 2}]})
    assert answer.status_code == 201, answer.text


async def test_a_query_is_text_and_its_numbers_are_read_from_it(workspace: Workspace) -> None:
    assert (await workspace.live.get("/v1/features", params={"limit": "5"})).status_code == 200
    assert (await workspace.live.get("/v1/decisions/chain", params={"after": "0", "limit": "5"})).status_code == 200
    assert (await workspace.live.get("/v1/decisions", params={"review_due": "true"})).status_code == 200
    assert pointers(problem(await workspace.live.get("/v1/features", params={"limit": "5.5"}), 400)) == ["limit"]


async def _sent(client: httpx.AsyncClient, path: str, body: bytes) -> httpx.Response:
    return await client.post(path, content=body, headers={"Content-Type": "application/json"})


@pytest.mark.parametrize("operation", operations(), ids=str)
async def test_a_parameter_that_an_operation_does_not_know_is_a_400(
    workspace: Workspace, client: httpx.AsyncClient, operation: Operation
) -> None:
    path = await url_of(workspace.live, operation)
    headers = {} if operation.scope is None else dict(workspace.live.headers)
    unknown = f"{'&' if '?' in path else '?'}unknown_one=1&unknown_one=2"
    answer = await client.request(operation.method, path + unknown, json=body_of(operation), headers=headers)
    told = problem(answer, 400, "invalid_request")
    assert {"type": "parameter", "name": "unknown_one"} in [error["target"] for error in told["errors"]]


WITHOUT_BODY = [one for one in operations() if one.method != "GET" and not one.takes_body]


@pytest.mark.parametrize("operation", WITHOUT_BODY, ids=str)
async def test_a_body_that_an_operation_does_not_take_is_a_400(
    workspace: Workspace, client: httpx.AsyncClient, operation: Operation
) -> None:
    path = await url_of(workspace.live, operation)
    headers = {} if operation.scope is None else dict(workspace.live.headers)
    answer = await client.request(operation.method, path, json={"unknown_one": 1}, headers=headers)
    assert pointers(problem(answer, 400, "invalid_request")) == ["/unknown_one"]
    answer = await client.request(operation.method, path, json=["unknown"], headers=headers)
    assert pointers(problem(answer, 400, "invalid_request")) == [""]
    # Many a client sends an empty object where there is nothing to say.
    answer = await client.request(operation.method, path, json={}, headers=headers)
    assert answer.status_code != 400, answer.text


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b'{"title":"a","title":"b"}', ["/title"]),
        (b'{"title":"a","title":"a"}', ["/title"]),
        (b'{"title":"a","\\u0074itle":"b"}', ["/title"]),
        (b'{"title":"a","metadata":{"x":[{"a/b":1,"a/b":2}]}}', ["/metadata/x/0/a~1b"]),
        (b'{"title":"a","metadata":{"x":{"y":1,"y":2}},"metadata":{}}', ["/metadata"]),
    ],
)
async def test_a_key_that_is_twice_in_an_object_is_a_400_at_that_key(
    workspace: Workspace, body: bytes, where: list[str]
) -> None:
    told = problem(await _sent(workspace.live, "/v1/features", body), 400, "invalid_request")
    assert pointers(told) == where
    assert told["errors"][0]["code"] == "duplicate"
    assert (await workspace.live.get("/v1/features")).json()["data"] == []


async def test_the_same_key_in_two_objects_is_no_key_twice(workspace: Workspace) -> None:
    body = b'{"title":"a","metadata":{"title":"b","x":[{"y":1},{"y":1}]}}'
    assert (await _sent(workspace.live, "/v1/features", body)).status_code == 201


@pytest.mark.parametrize("number", ["1_0", " 5", "5 ", "+5", "05", "٣", "１", "0x5", "", "5.", ".5", "1,0"])
@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("/v1/features", "limit"),
        ("/v1/features", "score_gte"),
        ("/v1/scores", "value_lte"),
        ("/v1/decisions/chain", "after"),
        ("/v1/events", "wait_s"),
    ],
)
async def test_what_json_would_not_take_for_a_number_is_none_in_a_query(
    workspace: Workspace, path: str, parameter: str, number: str
) -> None:
    answer = await workspace.live.get(path, params={parameter: number})
    assert pointers(problem(answer, 400)) == [parameter]


@pytest.mark.parametrize("number", ["+1", "01", " 1", "1_0", "１"])
async def test_a_number_in_a_path_is_written_in_one_way(workspace: Workspace, number: str) -> None:
    prd = (await workspace.live.post("/v1/prds", json={"title": "Search"})).json()
    problem(await workspace.live.get(f"/v1/prds/{prd['id']}/versions/{number}"), 404)
