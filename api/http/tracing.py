"""A span and a duration for each request, where an operator exports them. Pure ASGI; not there otherwise."""

import time
from typing import TYPE_CHECKING, Any

from api.db import wire_id
from api.otel import Exported, traceparent_of

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import Span
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Traced:
    """Stands around everything else. The trace goes on to the events of the request, and with them to subscribers.

    No header, query or body is exported: they hold keys and what people wrote.
    """

    def __init__(self, app: "ASGIApp") -> None:
        self._app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        exported: Exported | None = scope["app"].state.exported if scope["type"] == "http" else None
        if exported is None:
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500
        headers = [(name, value) for name, value in scope["headers"] if name != b"traceparent"]
        sent = [value for name, value in scope["headers"] if name == b"traceparent"]
        span = exported.served(sent[0].decode("latin-1") if len(sent) == 1 else None)
        state = scope.setdefault("state", {})
        scope = {**scope, "headers": [*headers, (b"traceparent", traceparent_of(span).encode())]}

        async def answer(message: "Message") -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, answer)
        finally:
            facts = {
                "http.request.method": scope["method"],
                "http.response.status_code": status,
                "roadbed.operation": state.get("operation", "none"),
            }
            exported.measured("http.server.request.duration", time.perf_counter() - began, facts)
            _end(span, facts, scope["path"], state)


def _end(span: "Span", facts: dict[str, Any], path: str, state: dict[str, Any]) -> None:
    operation, status = facts["roadbed.operation"], facts["http.response.status_code"]
    span.update_name(operation if operation != "none" else facts["http.request.method"])
    span.set_attributes(facts | {"url.path": path, "roadbed.request_id": state.get("request_id", "")})
    if (caller := state.get("caller")) is not None:
        span.set_attribute("roadbed.key_id", wire_id("key", caller.key_id))
        span.set_attribute("roadbed.livemode", caller.livemode)
    if status >= 500:
        from opentelemetry.trace import StatusCode  # noqa: PLC0415 - an extra

        span.set_status(StatusCode.ERROR)
    span.end()
