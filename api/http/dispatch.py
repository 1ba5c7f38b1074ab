"""The way from a path to its operation, found in a table.

FastAPI keeps routers as the tree they were declared in, and walks it for each request, asking every route. Here the
same routes stand in a table by method and the first two segments of the path, so that a request asks the few that are
left, in the order of their declaration. What the table does not know (an unknown path, another method, the pages) goes
the usual way.
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.convertors import Convertor

from api.http.errors import reply_to
from api.http.route import Route, WireRequest

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Entry:
    """A path of one route. It is none of ours when `route` is None."""

    regex: re.Pattern[str]
    convertors: dict[str, Convertor[Any]]
    route: Route | None


class Dispatch:
    """Runs an operation without FastAPI's own routing, and answers with its problem if it raises one."""

    def __init__(self, app: "ASGIApp") -> None:
        self._otherwise = app
        self._table: dict[Key, list[_Entry]] | None = None

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        found = self._find(scope) if scope["type"] == "http" else None
        if found is None:
            await self._otherwise(scope, receive, send)
            return
        route, scope["path_params"] = found
        scope["route"] = route
        request = WireRequest(scope, receive)
        try:
            response = await route.run(request)
        except Exception as error:
            reply = await reply_to(request, error)
            if reply is None:
                raise
            response = reply
        await response(scope, receive, send)

    def _find(self, scope: "Scope") -> tuple[Route, dict[str, Any]] | None:
        # Where spans are made of requests it is FastAPI that names them after their routes.
        if scope.get("root_path") or "fastapi.telemetry" in scope:
            return None
        if self._table is None:
            self._table = _table_of(scope["app"])
        path = scope["path"]
        for entry in self._table.get((scope["method"], *path.split("/", 3)[1:3]), ()):
            match = entry.regex.match(path)
            if match is not None:
                if entry.route is None:
                    return None
                return entry.route, {
                    name: entry.convertors[name].convert(value) for name, value in match.groupdict().items()
                }
        return None


def _table_of(app: FastAPI) -> dict[Key, list[_Entry]]:
    """By method and head of the path. A route whose head is a parameter stands under every key that it may match."""
    rows: list[tuple[str, Key, _Entry]] = []
    for context in iter_route_contexts(app.router.routes):
        regex: re.Pattern[str] | None = getattr(context, "path_regex", None)
        if regex is None or context.path is None:
            continue
        route = context.original_route if isinstance(context.original_route, Route) else None
        entry = _Entry(regex, context.param_convertors, route)
        head = tuple(context.path.split("/", 3)[1:3])
        rows += [(method, head, entry) for method in context.methods or ()]
    table: dict[Key, list[_Entry]] = {(method, *head): [] for method, head, _ in rows if "{" not in "".join(head)}
    for method, head, entry in rows:
        for key, entries in table.items():
            if key[0] == method and ("{" in "".join(head) or key[1:] == head):
                entries.append(entry)
    return table
