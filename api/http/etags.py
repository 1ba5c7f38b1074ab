"""Conditional requests (RFC 9110, section 13) on single resources, whose strong ETag is their version in quotes."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from starlette.responses import Response

from api.http.reply import one
from api.problems import Invalid, Pointer, PreconditionFailed


def not_modified(request: Request, version: int) -> Response | None:
    """304 when the caller's `If-None-Match` names this version, else None."""
    header = request.headers.get("if-none-match")
    if header is None:
        return None
    tags = {tag.strip().removeprefix("W/") for tag in header.split(",")}
    if "*" in tags or f'"{version}"' in tags:
        return Response(status_code=304, headers={"ETag": f'"{version}"'})
    return None


def fresh(request: Request, row: Mapping[str, Any]) -> Response:
    """The resource in `row` (its `json` and `version`), or 304 when the caller has it already."""
    return not_modified(request, row["version"]) or one(row["json"], row["version"])


class Precondition:
    """What `If-Match` asks of the version that a change starts from."""

    def __init__(self, versions: frozenset[int] | None) -> None:
        self._versions = versions

    def check(self, version: int) -> None:
        """Raises PreconditionFailed, with the current ETag, when the caller has seen another version."""
        if self._versions is not None and version not in self._versions:
            raise PreconditionFailed(
                f"The resource is at version {version}. Read it again and repeat the change on what you find.",
                headers={"ETag": f'"{version}"'},
            )


async def _if_match(
    if_match: Annotated[
        str | None,
        Header(
            max_length=200,
            description='The ETag that the change starts from, like `"3"`.',
            json_schema_extra={"pattern": r'^(\*|(W/)?"[^",]*"( *, *(W/)?"[^",]*")*)$'},
            examples=['"3"'],
        ),
    ] = None,
) -> Precondition:
    if if_match is None or if_match.strip() == "*":
        return Precondition(None)
    try:
        return Precondition(frozenset(_version(tag) for tag in if_match.split(",")))
    except ValueError:
        message = 'If-Match takes the ETag of the resource, like "3".'
        raise Invalid(message, errors=(Pointer("invalid", message, "header", "If-Match"),)) from None


def _version(tag: str) -> int:
    """The version in a strong tag; a weak one never matches (RFC 9110, 13.1.1), nor does one that we never made."""
    tag = tag.strip()
    if tag.startswith("W/"):
        return -1
    if len(tag) < 2 or tag[0] != '"' or tag[-1] != '"':
        raise ValueError(tag)
    body = tag[1:-1]
    return int(body) if body.isascii() and body.isdigit() and len(body) < 10 else -1


IfMatch = Annotated[Precondition, Depends(_if_match)]
