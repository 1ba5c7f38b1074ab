"""Problem (RFC 9457), and the problems that any route can have.

A problem that only one operation knows is defined beside the line that raises it. Its `code` is part of the contract,
and its message names the thing and says what to do.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

MOST_ERRORS = 50


@dataclass(frozen=True)
class Pointer:
    """One thing that is wrong, and where: a field as a JSON pointer (`/inputs/reach`), the others by name."""

    code: str
    message: str
    type: Literal["field", "header", "parameter"]
    name: str


class Problem(Exception):
    """An error that a caller sees: `status`, `code` and `title` belong to the class, the message to the case."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Something broke on our side"

    def __init__(
        self, message: str, *, errors: tuple[Pointer, ...] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.errors = errors
        self.headers = dict(headers or {})


class Internal(Problem):
    """A defect of ours. The message never tells what broke; the request id leads us to the log."""


class Invalid(Problem):
    """The request is not what the operation takes. `errors` points at each field."""

    status, code, title = 400, "invalid_request", "The request is not valid"


def invalid_field(name: str, message: str, code: str = "invalid") -> Invalid:
    """An Invalid that points at one field of the body, as a JSON pointer like `/options/0/key`."""
    return Invalid(f"{name}: {message}", errors=(Pointer(code, message, "field", name),))


class Unauthenticated(Problem):
    status, code, title = 401, "unauthenticated", "No valid key was sent"


class InsufficientScope(Problem):
    status, code, title = 403, "insufficient_scope", "The key may not do this"


class NotFound(Problem):
    """There is no such thing in the caller's workspace and mode; another workspace's things look the same."""

    status, code, title = 404, "not_found", "There is no such thing here"


class MethodNotAllowed(Problem):
    status, code, title = 405, "method_not_allowed", "The path does not take this method"


class NotAcceptable(Problem):
    status, code, title = 406, "not_acceptable", "None of the accepted media types can be sent"


class RequestTimeout(Problem):
    status, code, title = 408, "request_timeout", "The request did not arrive in time"


class Conflict(Problem):
    """The thing's state does not allow the change."""

    status, code, title = 409, "conflict", "The state does not allow this"


class PreconditionFailed(Problem):
    status, code, title = 412, "precondition_failed", "The resource has changed since it was read"


class TooLarge(Problem):
    status, code, title = 413, "body_too_large", "The body is too large"


class HeadTooLarge(Problem):
    status, code, title = 431, "head_too_large", "The request line and the headers are too large"


class UnsupportedMediaType(Problem):
    status, code, title = 415, "unsupported_media_type", "The body's media type is not taken here"


class Unavailable(Problem):
    """A part that we stand on is away for now. Nothing was written, or a retry with the same idempotency key tells."""

    status, code, title = 503, "unavailable", "Not available for the moment"

    def __init__(self, message: str) -> None:
        super().__init__(message, headers={"Retry-After": "1"})


def every_problem() -> list[type[Problem]]:
    """All problem classes that are imported, by code: the closed list that the contract and the docs show."""
    found: dict[str, type[Problem]] = {}
    pending: list[type[Problem]] = [Problem]
    while pending:
        problem = pending.pop()
        found.setdefault(problem.code, problem)
        pending.extend(problem.__subclasses__())
    return [found[code] for code in sorted(found)]
