"""Replies made of JSON text that Postgres built."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from starlette.responses import JSONResponse, Response

from api import json


class Reply(JSONResponse):
    """A JSON reply from text that is JSON already.

    It is a JSONResponse only for FastAPI, which documents the answers of any other class as a string. With `then` it
    is only promised: after the commit, with no connection held, `then` is awaited and its reply is sent instead.
    """

    then: "Callable[[], Awaitable[Reply]] | None" = None

    def __init__(self, content: str | bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(content, status, headers)

    def render(self, content: str | bytes) -> bytes:
        return content.encode() if isinstance(content, str) else content


def one(text: str, version: int) -> Reply:
    """A resource with its strong ETag."""
    return Reply(text, headers={"ETag": f'"{version}"'})


def created(text: str, location: str, version: int | None = None) -> Reply:
    """201 with Location, and the ETag of what was made where it has a version."""
    headers = {"Location": location}
    if version is not None:
        headers["ETag"] = f'"{version}"'
    return Reply(text, 201, headers)


def computed(value: Any, status: int = 200) -> Reply:
    """A reply computed here; decimals are written digit for digit."""
    return Reply(json.dump(value), status)


def all_of(items: Sequence[str]) -> str:
    """A list that is never more than a page."""
    return '{"object":"list","data":[' + ",".join(items) + '],"has_more":false,"next_cursor":null}'


def no_content() -> Response:
    return Response(status_code=204)
