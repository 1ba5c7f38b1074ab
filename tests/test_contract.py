"""The contract is the code: the file, the routes, every answer of the main flow and every event agree with it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from jsonschema import Draft202012Validator
from starlette.routing import Match

from api import json
from api.accounts.scopes import EVERY_SCOPE
from api.openapi import contract
from api.settings import Settings
from api.webhooks.catalogue import every_type
from tests.support.document import Operation, document, event_schema, operations, response_schema
from tests.support.things import a_thing, body_of, url_of
from tests.support.workspace import Workspace, made

FILE = Path(__file__).resolve().parent.parent / "openapi" / "v1.json"


def test_the_file_is_what_the_code_says() -> None:
    assert FILE.read_text() == contract(), "run `roadbed openapi --write` and commit openapi/v1.json"


def test_every_operation_says_what_it_is() -> None:
    ids = [operation.id for operation in operations()]
    assert len(set(ids)) == len(ids)
    tags = {tag["name"] for tag in document()["tags"]}
    for operation in operations():
        assert operation.id.islower()
        assert operation.spec["summary"]
        assert operation.spec["description"]
        assert set(operation.spec["tags"]) <= tags, operation.id
        assert operation.scope is None or operation.scope in EVERY_SCOPE, operation.id


def test_exactly_the_posts_take_an_idempotency_key() -> None:
    for operation in operations():
        names = {parameter["name"] for parameter in operation.spec["parameters"]}
        assert ("Idempotency-Key" in names) == (operation.method == "POST"), operation.id


def test_only_signup_and_what_is_public_needs_no_key() -> None:
    assert {one.id for one in operations() if one.scope is None} <= {
        "sign_up",
        "open_sandbox",
        "get_catalog",
        "list_releases",
    }


def test_every_operation_of_the_document_has_a_route(application: FastAPI) -> None:
    for operation in operations():
        path = f"/v1{operation.path}"
        for name in operation.names:
            path = path.replace(f"{{{name}}}", "x")
        scope = {"type": "http", "path": path, "root_path": "", "method": operation.method, "headers": []}
        assert any(route.matches(dict(scope))[0] is Match.FULL for route in application.router.routes), operation.id


def _routes(routes: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Method and path of every route that is ours to document, through routers that include others."""
    for route in routes:
        context = getattr(route, "include_context", None)
        if context is not None:
            yield from _routes(route.original_router.routes, prefix + (context.prefix or ""))
        elif isinstance(route, APIRoute) and route.include_in_schema:
            for method in route.methods:
                yield method, prefix + route.path


def test_every_route_under_v1_is_in_the_document(application: FastAPI) -> None:
    documented = {(one.method, one.path) for one in operations()}
    served = {(method, path.removeprefix("/v1").replace(":path}", "}")) for method, path in _routes(application.routes)}
    assert served == documented


@pytest.mark.parametrize("operation", operations(), ids=str)
async def test_an_answer_has_exactly_the_fields_of_its_model(
    workspace: Workspace, client: httpx.AsyncClient, operation: Operation
) -> None:
    if operation.id in ("stream_events", "test_endpoint"):
        pytest.skip("answered with a worker beside it, in tests of its own")
    path = await url_of(workspace.live, operation)
    if operation.method == "GET" and not operation.names:
        await _fill(workspace)
    headers = {} if operation.scope is None else dict(workspace.live.headers)
    body = {"email": "ada@example.com", "workspace": "Acme"} if operation.id == "sign_up" else body_of(operation)
    answer = await client.request(operation.method, path, json=body, headers=headers)
    if answer.status_code in (400, 404, 409):
        pytest.skip(f"needs a sample of its own in tests/support/things.py: {answer.json()['detail'][:100]}")
    assert answer.is_success, answer.text
    assert str(answer.status_code) in operation.spec["responses"], answer.status_code
    documented = operation.spec["responses"][str(answer.status_code)].get("headers", {})
    assert ("ETag" in documented) == ("ETag" in answer.headers)
    if "304" in operation.spec["responses"]:
        again = await client.get(path, headers=headers | {"If-None-Match": answer.headers["ETag"]})
        # Some tell of the calls themselves, so that the next answer is another.
        assert again.status_code == 304 or again.headers["ETag"] != answer.headers["ETag"]
    schema = response_schema(operation, answer.status_code)
    if schema is None or not answer.headers.get("content-type", "").startswith("application/json"):
        return
    errors = [
        f"{error.json_path}: {error.message[:200]}" for error in Draft202012Validator(schema).iter_errors(answer.json())
    ]
    assert not errors, errors


async def _fill(workspace: Workspace) -> None:
    for prefix in ("rev", "dec", "prd", "dlv"):
        await a_thing(workspace.live, prefix)


def test_every_event_type_is_in_the_webhooks_section_with_a_valid_example() -> None:
    assert set(document()["webhooks"]) == {event_type.name for event_type in every_type()}
    for event_type in every_type():
        example = json.load(json.dump(event_type.whole_example))
        errors = [
            f"{e.json_path}: {e.message[:200]}"
            for e in Draft202012Validator(event_schema(event_type.name)).iter_errors(example)
        ]
        assert not errors, (event_type.name, errors)


async def test_every_emitted_event_is_valid_by_its_schema(workspace: Workspace) -> None:
    live = workspace.live
    await live.post("/v1/endpoints", json={"url": "http://127.0.0.1:65000/hook", "event_types": ["*"]})
    feature = (await workspace.scored("Dark mode"))["id"]
    await live.patch(f"/v1/features/{feature}", json={"status": "planned"})
    await made(live, "/v1/roadmap/reprioritize", {})
    prd = await a_thing(live, "prd")
    await live.patch(f"/v1/prds/{prd}", json={"solution": "Darker colours."})
    decision = await a_thing(live, "dec")
    await live.post(f"/v1/decisions/{decision}/record", json={"chosen": "build", "rationale": "Now."})
    await live.delete(f"/v1/features/{feature}")
    events = (await live.get("/v1/events", params={"limit": 100})).json()["data"]
    told = {event["type"] for event in events}
    assert told >= {
        "feature.created",
        "feature.updated",
        "feature.deleted",
        "feature.scored",
        "roadmap.reprioritized",
        "prd.created",
        "prd.updated",
        "decision.recorded",
    }
    for event in events:
        body = {name: value for name, value in event.items() if name != "object"}
        errors = [
            f"{e.json_path}: {e.message[:200]}"
            for e in Draft202012Validator(event_schema(event["type"])).iter_errors(body)
        ]
        assert not errors, (event["type"], errors)


def test_every_setting_says_why_it_is_there() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description or name == "log_level", f"ROADBED_{name.upper()} has no description"


async def test_what_has_no_body_shows_how_it_refuses_as_it_does_refuse(workspace: Workspace) -> None:
    """The 404 of each DELETE has an example of its own, and the schema of that one problem alone."""
    shown = [one for one in operations() if "content" in one.spec["responses"].get("404", {})]
    assert {one.id for one in shown} == {one.id for one in operations() if one.method == "DELETE"}
    schema = document()["components"]["schemas"]["NotFoundProblem"]
    for operation in shown:
        example = operation.spec["responses"]["404"]["content"]["application/problem+json"]["example"]
        answer = await workspace.live.delete(example["instance"])
        told = {name: value for name, value in example.items() if name not in ("type", "request_id")}
        assert {name: answer.json()[name] for name in told} == told, operation.id
        assert answer.headers["Content-Type"] == "application/problem+json"
        for body in (example, answer.json()):
            Draft202012Validator(schema).validate(body)


def test_any_json_value_of_an_answer_holds_such_values_in_its_lists() -> None:
    schemas = document()["components"]["schemas"]
    value = {"$ref": "#/components/schemas/EventValue"}
    assert schemas["Event"]["properties"]["data"]["additionalProperties"] == value
    assert (len(schemas["EventValue"]["type"]), schemas["EventValue"]["items"]) == (6, value)


def test_what_callers_may_write_is_bounded_no_further_than_when_it_was_released() -> None:
    sent = document()["components"]["schemas"]["FeatureCreate"]["properties"]["metadata"]["additionalProperties"]
    assert sent["items"] == {}
