"""Every error as `application/problem+json` (RFC 9457), for unknown paths and our own defects too."""

from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.routing import Match

from api import json
from api.http.findings import invalid, pointer
from api.problems import (
    MOST_ERRORS,
    Internal,
    Invalid,
    MethodNotAllowed,
    NotFound,
    Problem,
    TooLarge,
    UnsupportedMediaType,
)

log = structlog.get_logger()
MEDIA_TYPE = "application/problem+json"
_METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")
_BY_STATUS: dict[int, type[Problem]] = {400: Invalid, 404: NotFound, 413: TooLarge, 415: UnsupportedMediaType}


def install(app: FastAPI) -> None:
    """Handlers for everything that can be raised below them."""
    app.state.problem_reply = problem_reply
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http_exception)


def problem_reply(request: Request, problem: Problem) -> Response:
    """The problem as a response. Nothing of an exception's own text is in it, only what a Problem was given to say."""
    request_id = getattr(request.state, "request_id", "")
    text = problem_text(problem, request.url.path, request_id, request.app.state.settings.base_url)
    return Response(text, problem.status, problem.headers, media_type=MEDIA_TYPE)


def problem_text(problem: Problem, path: str, request_id: str, base_url: str) -> str:
    """The body of the response, as JSON."""
    body: dict[str, Any] = {
        "type": f"{base_url}/docs/errors/{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.message,
        "instance": path,
        "code": problem.code,
        "request_id": request_id,
        "errors": [
            {"code": error.code, "message": error.message, "target": {"type": error.type, "name": error.name}}
            for error in problem.errors[:MOST_ERRORS]
        ],
    }
    return json.dump(body)


async def reply_to(request: Request, error: Exception) -> Response | None:
    """The answer that an error of an operation is; None for a defect of ours."""
    if isinstance(error, Problem):
        return problem_reply(request, error)
    if isinstance(error, RequestValidationError):
        return await _on_invalid(request, error)
    if isinstance(error, HTTPException):
        return await _on_http_exception(request, error)
    return None


def internal_reply(request: Request, error: Exception) -> Response:
    """A defect of ours: the log gets it all, the caller gets the id to name."""
    log.error("request_failed", exc_info=error, request_id=getattr(request.state, "request_id", None))
    return problem_reply(request, Internal("We have logged it. Name the request_id when you write to us."))


def allowed_methods(request: Request) -> list[str]:
    """Which methods the path takes: the routes themselves are asked, those outside the document too."""
    path = request.scope["path"]
    literal = _literal_paths(request.app).get(path)
    if literal is not None:
        # `/events/trigger` is not the event `trigger`: the methods of `/events/{id}` are none of its own.
        return sorted(literal | {"OPTIONS"} | ({"HEAD"} if "GET" in literal else set()))
    asked = {"type": "http", "path": path, "root_path": "", "headers": []}
    found = {
        method
        for method in _METHODS
        if any(route.matches({**asked, "method": method})[0] is Match.FULL for route in request.app.router.routes)
    }
    return sorted(found | {"OPTIONS"} | ({"HEAD"} if "GET" in found else set()))


def _literal_paths(app: FastAPI) -> dict[str, set[str]]:
    """The methods of each path that has no parameters."""
    if not hasattr(app.state, "literal_paths"):
        found: dict[str, set[str]] = {}
        for route in iter_route_contexts(app.router.routes):
            if route.path and "{" not in route.path:
                found.setdefault(route.path, set()).update((route.methods or set()) - {"HEAD"})
        app.state.literal_paths = found
    paths: dict[str, set[str]] = app.state.literal_paths
    return paths


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return problem_reply(request, error)


async def _on_invalid(request: Request, error: Exception) -> Response:
    """Pydantic's findings, as pointers. A path id of the wrong form is a thing that does not exist."""
    assert isinstance(error, RequestValidationError)
    findings = error.errors()
    if any(finding["loc"][0] == "path" for finding in findings):
        if request.method not in allowed_methods(request):
            return _wrong_method(request)
        return problem_reply(request, NotFound(f"There is nothing at {request.url.path}."))
    return problem_reply(request, invalid([pointer(finding) for finding in findings[:MOST_ERRORS]], len(findings)))


async def _on_http_exception(request: Request, error: Exception) -> Response:
    """What Starlette raises by itself: no such path, no such method on it, a body it could not read.

    Nobody has admitted such a request: it is held to the limit of its address, like one without a key.
    """
    assert isinstance(error, HTTPException)
    if not hasattr(request.state, "limit_headers"):
        try:
            await request.app.state.gate.admit_stranger(request)
        except Problem as refusal:
            return problem_reply(request, refusal)
    if error.status_code == 405:
        return _wrong_method(request)
    if error.status_code == 404:
        message = f"There is nothing at {request.url.path}. The operations are listed at /docs."
        return problem_reply(request, NotFound(message))
    problem = _BY_STATUS.get(error.status_code, Invalid)
    return problem_reply(request, problem("The request could not be read."))


def _wrong_method(request: Request) -> Response:
    allowed = ", ".join(allowed_methods(request))
    if request.method == "OPTIONS":
        return Response(status_code=204, headers={"Allow": allowed})
    message = f"{request.url.path} does not take {request.method}. It takes {allowed}."
    return problem_reply(request, MethodNotAllowed(message, headers={"Allow": allowed}))
