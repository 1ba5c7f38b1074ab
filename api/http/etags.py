"""Conditional requests (RFC 9110, section 13). The strong ETag of a resource is, in quotes,

- its version, where it changes with that alone,
- its version and the name of the form, where that is not JSON,
- its version and a digest of the answer, where that also shows what time or others change: an age, what is expanded,
- a digest of the answer, where there is no version: what never changes, and what is computed.

A change is held against the version.
"""

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from starlette.responses import Response

from api.http.reply import Reply, one
from api.problems import Invalid, Pointer, PreconditionFailed


def not_modified(request: Request, version: int) -> Response | None:
    """304 when the caller's `If-None-Match` names this version, else None."""
    return _unchanged(request, f'"{version}"')


def fresh(request: Request, row: Mapping[str, Any]) -> Response:
    """The resource in `row` (its `json` and `version`), or 304 when the caller has it already."""
    return not_modified(request, row["version"]) or one(row["json"], row["version"])


def fresh_as_seen(request: Request, row: Mapping[str, Any]) -> Response:
    """The same for an answer that also shows what changes without the version."""
    tag = f'"{row["version"]}-{_digest(row["json"].encode())}"'
    return _unchanged(request, tag) or Reply(row["json"], headers={"ETag": tag})


def fresh_form(request: Request, version: int, media_type: str, text: str) -> Response:
    """The same for another form than JSON. Strong tags differ where the bytes do (RFC 9110, 8.8.1): who has the JSON
    does not have this."""
    tag = f'"{version}-{media_type.rpartition("/")[2]}"'
    return _unchanged(request, tag) or Response(text, headers={"ETag": tag}, media_type=media_type)


def fresh_by_content(request: Request, reply: Reply) -> Response:
    """The same for an answer that has no version at all."""
    tag = f'"{_digest(bytes(reply.body))}"'
    reply.headers["ETag"] = tag
    return _unchanged(request, tag) or reply


def _unchanged(request: Request, tag: str) -> Response | None:
    if "if-none-match" not in request.headers:
        return None
    lines = ",".join(request.headers.getlist("if-none-match"))
    tags = {one.strip().removeprefix("W/") for one in lines.split(",")}
    return Response(status_code=304, headers={"ETag": tag}) if tag in tags or "*" in tags else None


def _digest(answer: bytes) -> str:
    return hashlib.blake2b(answer, digest_size=12).hexdigest()


class Precondition:
    """What `If-Match` and `If-None-Match` ask of what a change starts from (RFC 9110, 13.1).

    `only` are the versions that it may start from, `new` says that there must be nothing yet, `there` that there must
    be something.
    """

    def __init__(self, only: frozenset[int] | None = None, *, there: bool = False, new: bool = False) -> None:
        self._only = only
        self._there = there or only is not None
        self._new = new

    def check(self, version: int | None) -> None:
        """`version` is what is there now, None where there is nothing.

        Raises PreconditionFailed, with the current ETag, when the caller has seen something else.
        """
        if version is None:
            if self._there:
                message = "There is nothing here yet that If-Match could mean. Leave the header out to create it."
                raise PreconditionFailed(message)
            return
        headers = {"ETag": f'"{version}"'}
        if self._new:
            message = f"It is here already, at version {version}. Leave If-None-Match out to change it."
            raise PreconditionFailed(message, headers=headers)
        if self._only is not None and version not in self._only:
            raise PreconditionFailed(
                f"The resource is at version {version}. Read it again and repeat the change on what you find.",
                headers=headers,
            )


ANY = Precondition()
_LONGEST = 200
_IfMatchHeader = Annotated[
    str | None,
    Header(
        alias="If-Match",
        max_length=_LONGEST,
        description='The ETag that the change starts from, like `"3"`.',
        json_schema_extra={"pattern": r'^(\*|(W/)?"[^",]*"( *, *(W/)?"[^",]*")*)$'},
        examples=['"3"'],
    ),
]
_IfNoneMatchHeader = Annotated[
    str | None,
    Header(
        alias="If-None-Match",
        max_length=_LONGEST,
        description="`*`: only create it, do not change what is there.",
        json_schema_extra={"pattern": r"^\*$"},
        examples=["*"],
    ),
]


async def _if_match(request: Request, if_match: _IfMatchHeader = None) -> Precondition:
    if if_match is None:
        return ANY
    # Lines of one name are one list (RFC 9110, 5.3); FastAPI gives the last.
    text = ",".join(request.headers.getlist("if-match")).strip()
    if text == "*":
        return Precondition(there=True)
    try:
        if len(text) > _LONGEST:
            raise ValueError(text)
        return Precondition(frozenset(_version(tag) for tag in text.split(",")))
    except ValueError:
        message = 'If-Match takes the ETag of the resource, like "3".'
        raise Invalid(message, errors=(Pointer("invalid", message, "header", "If-Match"),)) from None


async def _if_match_or_none(
    precondition: Annotated[Precondition, Depends(_if_match)], if_none_match: _IfNoneMatchHeader = None
) -> Precondition:
    if if_none_match is None:
        return precondition
    if if_none_match.strip() != "*" or precondition is not ANY:
        message = "Of a write If-None-Match takes * alone, without If-Match: only create, do not change."
        raise Invalid(message, errors=(Pointer("invalid", message, "header", "If-None-Match"),))
    return Precondition(new=True)


def _version(tag: str) -> int:
    """The version in a strong tag; a weak one never matches (RFC 9110, 13.1.1), nor does one that we never made."""
    tag = tag.strip()
    if tag.startswith("W/"):
        return -1
    if len(tag) < 2 or tag[0] != '"' or tag[-1] != '"':
        raise ValueError(tag)
    body = tag[1:-1].partition("-")[0]
    return int(body) if body.isascii() and body.isdigit() and len(body) < 10 else -1


IfMatch = Annotated[Precondition, Depends(_if_match)]
# Of a PUT that creates what is not there.
IfMatchOrNone = Annotated[Precondition, Depends(_if_match_or_none)]
