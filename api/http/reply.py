"""Replies made of JSON text that Postgres built."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from starlette.responses import JSONResponse, Response

from api import json

RawHeaders = Sequence[tuple[bytes, bytes]]
_AS_JSON = (b"content-type", b"application/json")


def raw(headers: Mapping[str, str]) -> RawHeaders:
    """As ASGI has them."""
    return [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]


class Reply(JSONResponse):
    """A JSON reply from text that is JSON already.

    It is a JSONResponse only for FastAPI, which documents the answers of any other class as a string. With `then` it
    is only promised: after the commit, with no connection held, `then` is awaited and its reply is sent instead.
    """

    then: "Callable[[], Awaitable[Reply]] | None" = None
    has_etag = False

    def __init__(self, content: str | bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        # All that Starlette's own would do for a body of JSON.
        self.status_code = status
        self.background = None
        self.body = content.encode() if isinstance(content, str) else content
        self.raw_headers = [(b"content-length", b"%d" % len(self.body)), _AS_JSON]
        if headers:
            self.raw_headers += raw(headers)
            self.has_etag = "ETag" in headers


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
