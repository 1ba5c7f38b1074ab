"""The document: what FastAPI derives from the routes, made into the contract that people and generators read.

It is written to openapi/v1.json by `roadbed openapi --write`, and a test fails when the two differ. Making it takes
seconds of CPU, so a process does it when it is first asked for, once.
"""

import asyncio
import base64
import threading
from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi

from api import json
from api.http.reply import Reply
from api.openapi import examples, operations, protocol, schemas, webhooks

VERSION = "1.0.0"
_DESCRIPTION = """\
Roadbed is the system of record for product decisions: features, scores, the roadmap, PRDs and decisions as resources,
and webhooks that are never lost.

Every request but signup and the catalogue needs `Authorization: Bearer rb_live_…` (or `rb_test_…` for the sandbox).
Errors are `application/problem+json`; each `code` has a page. POSTs take an `Idempotency-Key`. Lists are pages with a
cursor. Single resources have an `ETag`.
"""
# In the order in which the document goes through them: what the product is about, then what stands around it.
_TAGS = {
    "decisions": "Options, criteria, ratings, and what was chosen.",
    "features": "What may be built.",
    "scores": "What a feature is worth, computed exactly, with its history.",
    "roadmap": "The ranking, its revisions and its moves.",
    "prds": "What is to be built and why.",
    "debts": "Technical debt: what it costs, and when it pays to be repaired.",
    "spikes": "Questions with a timebox, and their answers.",
    "syncs": "The weekly meeting: its agenda, its actions.",
    "plans": "Architecture by scale: what holds how many users, and what comes next.",
    "webhooks": "Endpoints, events and deliveries.",
    "imports": "Bringing in what other tools hold.",
    "operations": "Long work, and how far it is.",
    "accounts": "Workspaces and keys.",
}
_building = threading.Lock()


def install(app: FastAPI) -> None:
    """Serve the document."""

    async def openapi_json(request: Request) -> Reply:
        ready: str | None = getattr(app.state, "openapi_text", None)
        return Reply(ready if ready is not None else await asyncio.to_thread(_text_of, app))

    app.add_route("/openapi.json", openapi_json, include_in_schema=False)


def document_of(app: FastAPI) -> dict[str, Any]:
    """The document of this application, made at the first call. Not to be changed."""
    with _building:
        if not hasattr(app.state, "openapi"):
            app.state.openapi = build(app)
    found: dict[str, Any] = app.state.openapi
    return found


def _text_of(app: FastAPI) -> str:
    app.state.openapi_text = text = json.dump(document_of(app))
    return text


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
    document["servers"] = [
        {"url": "/v1", "description": "This server: production and local alike", "x-internal": False}
    ]
    document["paths"] = _in_order(document["paths"])
    webhooks.add(document)
    schemas.rename(document)
    protocol.add(document)
    operations.tidy(document)
    schemas.settle(document)
    schemas.drop_unused(document)
    examples.add(document)
    return document


def _in_order(paths: dict[str, Any]) -> dict[str, Any]:
    """The paths without their version, in the order of the tags."""
    ranks = list(_TAGS)

    def rank(path: str) -> int:
        first = next(iter(paths[path].values()))
        return ranks.index(first["tags"][0])

    return {path.removeprefix("/v1"): paths[path] for path in sorted(paths, key=rank)}
