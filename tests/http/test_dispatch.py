"""The table of paths finds what FastAPI's own walk over the routers would."""

import re
from typing import Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from api.http.dispatch import Dispatch
from api.http.route import Route


async def _nothing(*_: Any) -> None:
    raise AssertionError


def _found(application: FastAPI, method: str, path: str) -> tuple[Route, dict[str, Any]] | None:
    return Dispatch(_nothing)._find({"type": "http", "method": method, "path": path, "app": application})


def test_every_operation_is_found_with_what_is_in_its_path(application: FastAPI) -> None:
    found = 0
    for context in iter_route_contexts(application.router.routes):
        if not isinstance(context.original_route, Route):
            continue
        assert context.path
        names = re.findall(r"{(\w+)", context.path)
        path = re.sub(r"{(\w+)[^}]*}", r"the-\1", context.path)
        for method in context.methods or ():
            told = _found(application, method, path)
            assert told == (context.original_route, {name: f"the-{name}" for name in names}), (method, path)
            found += 1
    assert found > 100


def test_of_two_paths_that_fit_the_one_declared_first_is_taken(application: FastAPI) -> None:
    literal, single = (_found(application, "GET", f"/v1/features/{name}") for name in ("export", "feat_1"))
    assert literal is not None
    assert single is not None
    assert (literal[0].operation_id, single[0].operation_id) == ("export_features", "get_feature")


def test_what_is_no_operation_is_left_to_the_usual_way(application: FastAPI) -> None:
    for method, path in (
        ("GET", "/v1/nothing"),
        ("PUT", "/v1/features"),
        ("GET", "/docs/api"),
        ("GET", "/v1/features/"),
    ):
        assert _found(application, method, path) is None
