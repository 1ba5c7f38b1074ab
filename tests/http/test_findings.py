"""What is wrong with a request is told in words of HTTP and JSON, each time at the place where it is."""

import re
from typing import Any

import httpx
import pytest
from pydantic_core import PydanticKnownError
from pydantic_core._pydantic_core import list_all_errors

from api.http.findings import sentence
from tests.support.document import Operation, operations, properties, request_schema
from tests.support.problems import pointers, problem
from tests.support.things import body_of, url_of
from tests.support.workspace import Workspace

# The tongue of Python and of pydantic, which no caller needs to speak.
FOREIGN = re.compile(
    r"Input should|should be|valid (dict|string|list)|dictionar|instance of|Value error|Assertion|\bNone\b|unable to|"
    r"subclass|callable|tuple|datetime|\bdecimal\b|Extra inputs|Field required|keyword|after validation|"
    r"[A-Z]\w+Create\b|<class"
)
KINDS = list_all_errors()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind["type"]))
def test_every_error_of_pydantic_has_a_sentence_of_ours(kind: Any) -> None:
    context = {**(kind["example_context"] or {}), "field_type": "List", "expected": "'a', 'b' or 'c'", "pattern": "^x$"}
    context |= {"max_length": 5, "actual_length": 6, "error": ValueError("must be even") if "error" in context else ""}
    names = set(re.findall(r"{(\w+)}", kind["message_template_python"])) | set(kind["example_context"] or {})
    given = {name: value for name, value in context.items() if name in names}
    if kind["type"] not in ("value_error", "assertion_error") and "error" in given:
        given["error"] = "must be even"
    own = PydanticKnownError(kind["type"], given or None).message()
    told = sentence({"type": kind["type"], "loc": ("body", "x"), "msg": own, "ctx": given})
    assert told
    assert not FOREIGN.search(told), told
    assert "{" not in told
    assert told[0].islower(), told


WRONG: list[Any] = [None, True, -1, 1.5, 10**40, "", "é x", "x" * 60_000, [], [None], ["x"] * 2000, {}, {"x": 1}, [{}]]
WITH_BODY = [one for one in operations() if one.takes_body]


@pytest.mark.parametrize("operation", WITH_BODY, ids=str)
async def test_a_wrong_field_is_told_in_our_words_and_never_of_the_whole_body(
    workspace: Workspace, client: httpx.AsyncClient, operation: Operation
) -> None:
    path = await url_of(workspace.live, operation)
    headers = {} if operation.scope is None else dict(workspace.live.headers)
    for name in properties(request_schema(operation)):
        for wrong in WRONG:
            body = {**(body_of(operation) or {}), name: wrong}
            answer = await client.request(operation.method, path, json=body, headers=headers)
            if answer.status_code != 400:
                continue
            told = problem(answer, 400)
            assert told["errors"], (name, wrong, told)
            assert all(pointers(told)), (name, wrong, told)
            assert not FOREIGN.search(told["detail"]), (name, wrong, told)


@pytest.mark.parametrize("operation", WITH_BODY, ids=str)
async def test_a_body_that_is_no_object_is_a_400_that_says_what_it_is_to_be(
    workspace: Workspace, client: httpx.AsyncClient, operation: Operation
) -> None:
    path = await url_of(workspace.live, operation)
    headers = {"Content-Type": "application/json"} | ({} if operation.scope is None else dict(workspace.live.headers))
    for body in (b"[]", b'"x"', b"1", b"true", b" null "):
        answer = await client.request(operation.method, path, content=body, headers=headers)
        assert "must be a JSON object" in problem(answer, 400, "invalid_request")["detail"]


@pytest.mark.parametrize(
    ("method", "path", "body", "where"),
    [
        ("PATCH", "/v1/features/{feature}", {"title": None}, ["/title"]),
        ("PATCH", "/v1/features/{feature}", {"title": None, "labels": None, "status": None}, ["/status", "/title"]),
        ("POST", "/v1/features", {"title": "x", "external_id": "1"}, ["/source"]),
        ("POST", "/v1/features", {"title": "x", "source": "jira"}, ["/external_id"]),
        ("POST", "/v1/scores/models", {"key": "k", "title": "K", "kind": "base"}, ["/base"]),
        ("POST", "/v1/features", {"title": "x", "metadata": {"k" * 256: 1}}, ["/metadata/" + "k" * 200]),
    ],
)
async def test_a_rule_of_a_whole_body_points_at_the_field_that_breaks_it(
    workspace: Workspace, method: str, path: str, body: dict[str, Any], where: list[str]
) -> None:
    feature = await workspace.feature()
    answer = await workspace.live.request(method, path.format(feature=feature["id"]), json=body)
    told = problem(answer, 400, "invalid_request")
    found = [name for name in pointers(told) if name != "/labels"]
    assert found == where, told


def _once() -> list[Any]:
    return [
        pytest.param(operation, parameter["name"], id=f"{operation}-{parameter['name']}")
        for operation in operations()
        for parameter in operation.spec["parameters"]
        if parameter["in"] == "query" and parameter["schema"].get("type") != "array"
    ]


@pytest.mark.parametrize(("operation", "name"), _once())
async def test_a_parameter_that_is_given_twice_is_a_400_that_names_it(
    workspace: Workspace, operation: Operation, name: str
) -> None:
    path = (await url_of(workspace.live, operation)).partition("?")[0]
    told = problem(await workspace.live.request(operation.method, f"{path}?{name}=1&{name}=1"), 400, "invalid_request")
    assert {"type": "parameter", "name": name} in [e["target"] for e in told["errors"] if e["code"] == "duplicate"]


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("wait_s=1", "wait_s"),
        ("wait_s=x&after=now", "wait_s"),
        ("wait_s=31&after=now", "wait_s"),
        ("after=x", "after"),
        ("after=now&cursor=x", "cursor"),
        ("after=evt_01h455vb4pex5vsknk084sn02q", "after"),
        ("limit=&after=now", "limit"),
        ("type=x", "type"),
    ],
)
async def test_what_is_wrong_with_reading_the_feed_names_its_parameter(
    workspace: Workspace, query: str, name: str
) -> None:
    told = problem(await workspace.live.get(f"/v1/events?{query}"), 400)
    assert {"type": "parameter", "name": name} in [error["target"] for error in told["errors"]], told
    assert not FOREIGN.search(told["detail"])


@pytest.mark.parametrize("values", [["x"], [""], ["evt_01h455vb4pex5vsknk084sn02q"], ["y" * 1001], ["now", "now"]])
async def test_a_wrong_last_event_id_is_told_as_a_header(workspace: Workspace, values: list[str]) -> None:
    headers = [("Last-Event-ID", value) for value in values]
    told = problem(await workspace.live.get("/v1/events/stream", headers=headers), 400)
    assert [error["target"] for error in told["errors"]] == [{"type": "header", "name": "Last-Event-ID"}]


async def test_the_rules_of_a_time_hold_in_every_query(workspace: Workspace) -> None:
    for path in ("/v1/audit?at_gte=1700000000", "/v1/features?updated_at_gte=1700000000"):
        assert "RFC 3339" in problem(await workspace.live.get(path), 400)["detail"]
