"""The outermost layer: a request id, the clock, HEAD, and the net under every defect. Pure ASGI, so nearly free."""

import time
from functools import lru_cache
from typing import TYPE_CHECKING

import structlog
from fastapi import Request
from prometheus_client import Counter, Histogram

from api.db import uuid7, wire_id
from api.http.errors import internal_reply

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger()

REQUESTS = Counter("roadbed_http_requests_total", "Requests answered", ["operation", "status"])
SECONDS = Histogram(
    "roadbed_http_request_seconds",
    "Time from the request to the end of its answer",
    ["operation"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 10),
)


class Telemetry:
    """Gives each request its id, answers HEAD from GET, counts and times, and turns an exception into a problem."""

    def __init__(self, app: "ASGIApp", origin: str) -> None:
        self.app = app
        # Pages of other origins may send a request but never read its answer.
        self._origin = (b"access-control-allow-origin", origin.encode("latin-1"))

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        request_id = wire_id("req", uuid7())
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        head = scope["method"] == "HEAD"
        if head:
            # A copy: the server looks at its own scope to know that no body follows.
            scope = {**scope, "method": "GET"}
        status = 0

        async def answer(message: "Message") -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"request-id", request_id.encode()),
                    self._origin,
                    *state.get("limit_headers", ()),
                    *state.get("deprecation_headers", ()),
                ]
            elif head:
                message = {"type": "http.response.body", "body": b"", "more_body": message.get("more_body", False)}
            await send(message)

        try:
            await self.app(scope, receive, answer)
        except Exception as error:
            request = Request(scope, receive)
            if status:
                log.error("answer_broke_off", exc_info=error, request_id=request_id)
                raise
            await internal_reply(request, error)(scope, receive, answer)
        finally:
            route = scope.get("route")
            if (answered := state.get("answered")) is not None:
                answered(status or 500)
            operation = getattr(route, "operation_id", None) or "none"
            state["operation"] = operation
            requests, seconds = _counters(operation, status)
            requests.inc()
            seconds.observe(time.perf_counter() - began)


@lru_cache(4096)
def _counters(operation: str, status: int) -> tuple[Counter, Histogram]:
    """Of the operation: to find one by its labels takes longer than to count."""
    return REQUESTS.labels(operation, status), SECONDS.labels(operation)
