"""What a call can raise. Everything derives from RoadbedError; each problem code has a class in `roadbed.problems`."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Dict, List, Optional

import httpx


class RoadbedError(Exception):
    """Any failure of a call."""


class APIConnectionError(RoadbedError):
    """No whole answer came: refused, reset, cut short or not JSON. `__cause__` holds the reason if httpx gave one."""


class APITimeoutError(APIConnectionError):
    """No answer within the timeout of an attempt."""


class NotModified(RoadbedError):
    """304: what you have, by the `If-None-Match` that you sent, is current. `etag` is its version."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.etag: str = response.headers.get("etag", "")
        super().__init__(f"304: it is still at version {self.etag}.")


@dataclass(frozen=True)
class FieldError:
    """What is wrong with one field, header or parameter. `name` is a JSON pointer for a field."""

    code: str
    message: str
    type: str
    name: str


class APIError(RoadbedError):
    """The service answered with a problem (RFC 9457). `code` is stable; `doc_url` opens the page about it."""

    def __init__(self, response: httpx.Response, problem: Dict[str, Any]) -> None:
        self.response = response
        self.status: int = response.status_code
        self.code = _text(problem, "code") or "unknown"
        self.title = _text(problem, "title") or response.reason_phrase
        self.detail = _text(problem, "detail")
        self.doc_url = _text(problem, "type")
        self.request_id = _text(problem, "request_id") or response.headers.get("request-id", "")
        self.errors: List[FieldError] = _field_errors(problem)
        self.retry_after_s = retry_after_s(response)
        super().__init__(f"{self.status} {self.code}: {self.detail or self.title} (request {self.request_id or '?'})")


def problem_of(response: httpx.Response) -> Dict[str, Any]:
    """The body as an object; empty when it is none, as from a proxy on the way."""
    try:
        found = json.loads(response.content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def retry_after_s(response: httpx.Response) -> Optional[float]:
    """Seconds of the Retry-After header, which may be a number or a date; None when there is none that can be read."""
    given = response.headers.get("retry-after", "")
    try:
        seconds = float(given) if given.strip().isdigit() else parsedate_to_datetime(given).timestamp() - time.time()
    except (TypeError, ValueError, OverflowError):
        return None
    return max(0.0, seconds)


def _text(problem: Dict[str, Any], name: str) -> str:
    value = problem.get(name)
    return value if isinstance(value, str) else ""


def _field_errors(problem: Dict[str, Any]) -> List[FieldError]:
    given = problem.get("errors")
    found = []
    for error in given if isinstance(given, list) else []:
        if isinstance(error, dict) and isinstance(error.get("target"), dict):
            target = error["target"]
            found.append(
                FieldError(_text(error, "code"), _text(error, "message"), _text(target, "type"), _text(target, "name"))
            )
    return found
