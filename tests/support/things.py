"""One of everything in a workspace, made through the API, and a valid call of every operation.

A new resource needs nothing here as long as `POST` of its collection is satisfied by the examples of its schema;
otherwise add its body to BODIES, or the way to its id to MAKERS.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from api.db import wire_id
from tests.support.document import Operation, operations, request_schema, sample
from tests.support.workspace import made

Body = dict[str, Any] | None
DECISION: dict[str, Any] = {
    "title": "Build or buy",
    "kind": "build_vs_buy",
    "options": [{"key": "build", "title": "Build"}, {"key": "buy", "title": "Buy"}],
    "criteria": [{"key": "speed", "title": "Speed", "weight": 0.3}, {"key": "cost", "title": "Cost", "weight": 0.7}],
    "ratings": {"build": {"speed": 2, "cost": 5}, "buy": {"speed": 9, "cost": 4}},
}
ENDPOINT = {"url": "http://127.0.0.1:65000/hook", "event_types": ["*"]}
BODIES: dict[str, Body] = {
    "create_feature": {"title": "Dark mode"},
    "update_feature": {"title": "Darker mode"},
    "create_score": {"framework": "rice", "inputs": {"reach": 5000, "impact": 1, "confidence": 1, "effort": 0.5}},
    "reprioritize": {"framework": "rice"},
    "create_decision": DECISION,
    "update_decision": {"title": "Build, or buy"},
    "record_decision": {"chosen": "build", "rationale": "It sets us apart."},
    "create_prd": {"title": "Dark mode", "problem": "It is too bright."},
    "update_prd": {"title": "Darker mode"},
    "create_endpoint": ENDPOINT,
    "update_endpoint": {"description": "Ours"},
    "create_key": {"name": "CI", "scopes": ["features:read"]},
    "observe_decision": {"metric": "Latency", "value": 1},
    "create_scoring_model": {"key": "value_first", "title": "Value first", "kind": "base", "base": "rice"},
    "create_scenario": {"title": "Twice the team", "changes": {"capacity_months": 12}},
    "publish_view": {"title": "Roadmap for customers"},
    "add_story": {"text": "As a user, I see it in the dark."},
    "test_endpoint": {"event_type": "webhook.test"},
}
# What a GET cannot be asked without.
QUERIES = {"diff_prd": "?from=1", "export_prd": "?format=markdown"}
# What stands in a path beside ids: well formed, of things that are not there, but for the version.
SEGMENTS = {
    "requirements/code": "FR-001",
    "questions/code": "Q-001",
    "versions/number": "1",
    "secrets/key_id": "whs_01h455vb4pex5vsknk084sn02q",
}
# The collections whose POST makes a thing with this id; found by the document for all others.
MAKERS: dict[str, Callable[[httpx.AsyncClient], Awaitable[str]]] = {}


def body_of(operation: Operation) -> Body:
    """A valid body, or None for an operation without one."""
    if operation.id in BODIES:
        return BODIES[operation.id]
    return sample(request_schema(operation)) if operation.takes_body else None


async def a_thing(client: httpx.AsyncClient, prefix: str) -> str:
    """The id of a new thing of this kind."""
    if prefix in MAKERS:
        return await MAKERS[prefix](client)
    for operation in operations():
        if operation.method == "POST" and not operation.names and operation.scope is not None:
            spec = operation.spec["responses"].get("201")
            if spec and _makes(operation, prefix):
                shown = await made(client, f"/v1{operation.path}", body_of(operation) or {})
                return str(shown["id"])
    raise AssertionError(f"Nothing makes a {prefix}_…: add it to MAKERS in tests/support/things.py.")


def _makes(operation: Operation, prefix: str) -> bool:
    """Whether there is a GET of the collection's items that takes this id."""
    return any(
        other.method == "GET" and other.path == f"{operation.path}/{{id}}" and other.prefix == prefix
        for other in operations()
    )


async def url_of(client: httpx.AsyncClient, operation: Operation) -> str:
    """The path of the operation on a thing of this client's own."""
    path = f"/v1{operation.path}"
    for name in operation.names:
        if name == "id":
            assert operation.prefix, operation
            path = path.replace("{id}", await a_thing(client, operation.prefix))
        elif name == "feature_id":
            path = path.replace("{feature_id}", await a_thing(client, "feat"))
        else:
            path = path.replace(f"{{{name}}}", SEGMENTS.get(f"{operation.path.split('/')[-2]}/{name}", "sample"))
    return path + QUERIES.get(operation.id, "")


def missing_id(prefix: str) -> str:
    """A well-formed id of nothing."""
    from uuid import UUID

    return wire_id(prefix, UUID("01890a5d-ac96-774b-bcce-b302099a8057"))


async def _score(client: httpx.AsyncClient) -> str:
    feature = await a_thing(client, "feat")
    shown = await made(client, f"/v1/features/{feature}/scores", BODIES["create_score"] or {})
    return str(shown["id"])


async def _revision(client: httpx.AsyncClient) -> str:
    await _score(client)
    return str((await made(client, "/v1/roadmap/reprioritize", {}))["id"])


async def _event(client: httpx.AsyncClient) -> str:
    await a_thing(client, "feat")
    return str((await client.get("/v1/events", params={"limit": 1})).json()["data"][0]["id"])


async def _delivery(client: httpx.AsyncClient) -> str:
    await made(client, "/v1/endpoints", ENDPOINT)
    await a_thing(client, "feat")
    return str((await client.get("/v1/deliveries", params={"limit": 1})).json()["data"][0]["id"])


async def _operation(client: httpx.AsyncClient) -> str:
    """Long work of a kind that no worker takes, so that it stays as it is. The key tells whose it is."""
    from api.operations.start import Kind, start

    state = client._transport.app.state  # type: ignore[attr-defined]
    secret = client.headers["authorization"].partition(" ")[2]
    caller = await state.keyring.caller(secret, state.stores)

    async def step(tx: object, work: object) -> Any:
        raise AssertionError("nobody runs it")

    async with state.stores.transaction(caller.scope) as tx:
        operation_id, _ = await start(tx, Kind("test", step), {})
        await tx.commit()
    return wire_id("op", operation_id)


async def _view(client: httpx.AsyncClient) -> str:
    await _revision(client)
    return str((await made(client, "/v1/roadmap/views", BODIES["publish_view"] or {}))["id"])


MAKERS |= {"view": _view, "score": _score, "rev": _revision, "evt": _event, "dlv": _delivery, "op": _operation}
