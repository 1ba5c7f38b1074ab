"""The document: what FastAPI derives from the routes, made into the contract that people and generators read.

It is written to openapi/v1.json by `roadbed openapi --write`, and a test fails when the two differ.
"""

import base64
import re
from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from api import json
from api.accounts.scopes import EVERY_SCOPE
from api.http.reply import Reply
from api.problems import every_problem
from api.webhooks.catalogue import every_type

VERSION = "1.0.0"
_METHODS = ("get", "put", "post", "patch", "delete")
_DESCRIPTION = """\
Roadbed is the system of record for product decisions: features, scores, the roadmap, PRDs and decisions as resources,
and webhooks that are never lost.

Every request but signup and the catalogue needs `Authorization: Bearer rb_live_…` (or `rb_test_…` for the sandbox).
Errors are `application/problem+json`; each `code` has a page. POSTs take an `Idempotency-Key`. Lists are pages with a
cursor. Single resources have an `ETag`.
"""
_TAGS = {
    "accounts": "Workspaces and keys.",
    "features": "What may be built.",
    "scores": "What a feature is worth, computed exactly, with its history.",
    "roadmap": "The ranking, its revisions and its moves.",
    "decisions": "Options, criteria, ratings, and what was chosen.",
    "prds": "What is to be built and why.",
    "debts": "Technical debt: when paying it down pays back, and the case for it.",
    "spikes": "Questions that are looked into for a bounded time.",
    "syncs": "The weekly agenda, and what blocks.",
    "plans": "Growth and performance plans: what a system takes after each phase.",
    "imports": "Bringing in what other tools hold.",
    "webhooks": "Endpoints, events and deliveries.",
    "operations": "Long work, and how far it is.",
}


def install(app: FastAPI) -> None:
    """Serve the document."""
    document = build(app)
    text = json.dump(document)

    async def openapi_json(request: Request) -> Reply:
        return Reply(text)

    app.add_route("/openapi.json", openapi_json, include_in_schema=False)


def contract() -> str:
    """The document as the file openapi/v1.json holds it, of an application that is connected to nothing."""
    from api.main import create_app  # noqa: PLC0415 - main imports this module
    from api.settings import Settings  # noqa: PLC0415

    nothing = base64.b64encode(bytes(32)).decode()
    app = create_app(Settings(pepper=nothing, sealing_keys=f"k1:{nothing}"))
    return json.pretty(build(app)) + "\n"


def build(app: FastAPI) -> dict[str, Any]:
    """The document. Its server is `/v1`, relative to where it was read."""
    document = get_openapi(
        title="Roadbed",
        version=VERSION,
        summary="The system of record for product decisions",
        description=_DESCRIPTION,
        routes=app.routes,
        tags=[{"name": name, "description": text} for name, text in _TAGS.items()],
        contact={"name": "Roadbed", "url": "https://roadbed.example/support", "email": "support@roadbed.example"},
        license_info={"name": "MIT", "identifier": "MIT"},
    )
    document["servers"] = [{"url": "/v1", "description": "This server"}]
    document["paths"] = {path.removeprefix("/v1"): item for path, item in document["paths"].items()}
    document["webhooks"] = _webhooks(document)
    _add_problems(document)
    _add_security(document)
    for method, operation in _operations(document):
        _tidy(method, operation)
    _rename(document)
    _collapse_nullable(document["components"]["schemas"])
    return document


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for item in document["paths"].values():
        for method in _METHODS:
            if method in item:
                yield method, item[method]


def _webhooks(document: dict[str, Any]) -> dict[str, Any]:
    """Every event type, as the request that an endpoint gets."""
    types = every_type()
    schemas, definitions = models_json_schema(
        [(event_type.data, "serialization") for event_type in types], ref_template="#/components/schemas/{model}"
    )
    document["components"]["schemas"].update(definitions.get("$defs", {}))
    return {
        event_type.name: {
            "post": {
                "operationId": "on_" + event_type.name.replace(".", "_"),
                "summary": event_type.name,
                "description": event_type.description,
                "tags": ["webhooks"],
                "security": [],
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": _envelope(event_type.name, schemas[event_type.data, "serialization"]),
                            "example": event_type.whole_example,
                        }
                    },
                },
                "responses": {"204": {"description": "Any 2xx says that it arrived."}},
            }
        }
        for event_type in types
    }


def _envelope(name: str, data: dict[str, Any]) -> dict[str, Any]:
    properties = {
        "id": {"type": "string", "description": "The event's id, also in the webhook-id header."},
        "type": {"type": "string", "const": name},
        "timestamp": {"type": "string", "format": "date-time"},
        "workspace_id": {"type": "string"},
        "livemode": {"type": "boolean"},
        "data": data,
    }
    return {"type": "object", "required": list(properties), "properties": properties}


def _add_problems(document: dict[str, Any]) -> None:
    codes = [problem.code for problem in every_problem()]
    text = {"type": "string"}
    target = {"type": {"type": "string", "enum": ["field", "header", "parameter"]}, "name": text}
    pointer = {
        "code": text,
        "message": text,
        "target": {"type": "object", "required": list(target), "properties": target},
    }
    properties = {
        "type": {"type": "string", "format": "uri", "description": "Opens a page about the code."},
        "title": text,
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "What happened, and what to do."},
        "instance": text,
        "code": {"type": "string", "enum": codes},
        "request_id": text,
        "errors": {
            "type": "array",
            "maxItems": 50,
            "items": {"type": "object", "required": list(pointer), "properties": pointer},
        },
    }
    components = document["components"]
    components["schemas"]["Problem"] = {
        "type": "object",
        "description": "RFC 9457.",
        "required": list(properties),
        "properties": properties,
    }
    for name in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(name, None)
    components["responses"] = {
        "Problem": {
            "description": "A problem.",
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    }
    components["headers"] = {
        "Request-Id": {"description": "Name it when you write to us.", "schema": {"type": "string"}},
        "ETag": {"description": "The version in quotes.", "schema": {"type": "string"}},
        "Location": {"description": "Where the new resource is.", "schema": {"type": "string"}},
    }
    components.setdefault("parameters", {})["IdempotencyKey"] = {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Makes the request safe to send again for 24 hours: a UUID is a good one.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    }


def _add_security(document: dict[str, Any]) -> None:
    document["components"]["securitySchemes"] = {
        "key": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "rb_live_… or rb_test_…",
            "description": "An API key. Scopes: " + ", ".join(EVERY_SCOPE) + ".",
        }
    }


def _tidy(method: str, operation: dict[str, Any]) -> None:
    """Shared problems and headers instead of FastAPI's 422, and the idempotency key of every POST with a caller."""
    responses = operation["responses"]
    responses.pop("422", None)
    for status, response in responses.items():
        headers = {"Request-Id": {"$ref": "#/components/headers/Request-Id"}}
        if status == "201":
            headers["Location"] = {"$ref": "#/components/headers/Location"}
        response["headers"] = headers
    problem = {"$ref": "#/components/responses/Problem"}
    statuses = ["400", "500", "503"]
    if operation.get("security"):
        statuses += ["401", "403"]
    if any(parameter["in"] == "path" for parameter in operation.get("parameters", [])):
        statuses += ["404"]
    if "requestBody" in operation:
        statuses += ["408", "409", "413", "415"]
    if any(parameter["name"].lower() == "if-match" for parameter in operation.get("parameters", [])):
        statuses += ["409", "412"]
    if method == "post" and operation.get("security"):
        statuses += ["409", "422"]
        operation.setdefault("parameters", []).append({"$ref": "#/components/parameters/IdempotencyKey"})
    for status in sorted(set(statuses)):
        responses.setdefault(status, problem)


def _rename(document: dict[str, Any]) -> None:
    """`FeatureShown` is a Feature to those who read it, and `ListShown[FeatureShown]` a FeatureList."""
    schemas = document["components"]["schemas"]
    names = {name: re.sub(r"^ListShown_(\w+?)_?$", r"\1List", name).replace("Shown", "") for name in schemas}
    assert len(set(names.values())) == len(names), "two schemas would have one name"
    document["components"]["schemas"] = {names[name]: schemas[name] for name in sorted(schemas, key=names.__getitem__)}
    for name, schema in document["components"]["schemas"].items():
        if "title" in schema:
            schema["title"] = name
    for node in _nodes(document):
        reference = node.get("$ref")
        if isinstance(reference, str) and reference.startswith("#/components/schemas/"):
            old = reference.removeprefix("#/components/schemas/")
            node["$ref"] = "#/components/schemas/" + names.get(old, old)


def _collapse_nullable(schemas: dict[str, Any]) -> None:
    """`anyOf: [X, null]` as X that may be null: generators make an optional of it instead of a union."""
    for node in _nodes(schemas):
        options = node.get("anyOf")
        if not isinstance(options, list) or {"type": "null"} not in options or len(options) != 2:
            continue
        inner = next(option for option in options if option != {"type": "null"})
        if "type" not in inner or isinstance(inner["type"], list):
            continue
        del node["anyOf"]
        node.update({**inner, "type": [inner["type"], "null"]} | {k: v for k, v in node.items() if k != "type"})
        if "enum" in node:
            node["enum"] = [*node["enum"], None]


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    pending = [value]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            yield node
            pending.extend(node.values())
        elif isinstance(node, list):
            pending.extend(node)
