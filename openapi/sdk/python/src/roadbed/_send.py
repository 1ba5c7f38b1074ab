"""How a request is sent: what `_generated.py` calls instead of its own `send` and `send_async`.

An attempt that got no whole answer, or 408, 429 or 5xx, or 409 while the first attempt still runs, is made again: after
the seconds of Retry-After, or after a random part (full jitter) of 0.5 s that doubles up to 8 s. A POST carries one
idempotency key through all its attempts, so that it happens once.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
import uuid
from decimal import Decimal
from typing import Any, AsyncIterator, Callable, Dict, Iterator, Optional, TypeVar, cast

import httpx

from ._accept import ACCEPT
from .errors import APIConnectionError, APIError, APITimeoutError, NotModified, RoadbedError, problem_of
from .problems import BY_CODE

RETRIES = 2
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 8.0
# A service that asks for more than this has an error for the caller to see, not a sleep.
LONGEST_RETRY_AFTER_S = 60.0
_SAFE = {"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"}  # a merge patch made twice gives the same


class Null:
    """The type of NULL: a field that is sent as null, which removes it. A field that is None is not sent."""

    def __repr__(self) -> str:
        return "NULL"


NULL: Any = Null()


def send(client: httpx.Client, config: Dict[str, Any], op: Dict[str, Any], url: str, **given: Any) -> httpx.Response:
    """The answer, read whole, of a 2xx. Raises APIError, NotModified, APIConnectionError or APITimeoutError."""
    call = Call(config, op, url, **given)
    while True:
        try:
            failure = call.failure(response := client.request(**call.request))
        except httpx.TransportError as error:
            failure = unanswered(error, call)
        if failure is None:
            return response
        time.sleep(call.wait_s(failure))


async def send_async(
    client: httpx.AsyncClient, config: Dict[str, Any], op: Dict[str, Any], url: str, **given: Any
) -> httpx.Response:
    """The same, async."""
    call = Call(config, op, url, **given)
    while True:
        try:
            failure = call.failure(response := await client.request(**call.request))
        except httpx.TransportError as error:
            failure = unanswered(error, call)
        if failure is None:
            return response
        await asyncio.sleep(call.wait_s(failure))


class Call:
    """One call of an operation, over all its attempts."""

    def __init__(
        self,
        config: Dict[str, Any],
        op: Dict[str, Any],
        url: str,
        *,
        method: str,
        headers: Optional[Dict[str, str]] = None,
        params: Optional[Dict[str, Any]] = None,
        json_body: Any = None,
        content_type: Optional[str] = None,
        timeout: Optional[float] = None,
        idempotency_key: Any = None,
        retry: Optional[Dict[str, Any]] = None,
    ) -> None:
        self.name: str = op["id"]
        self.method = method.upper()
        self.attempt = 1
        self.retries = int({**(config.get("retry") or {}), **(retry or {})}.get("retries", RETRIES))
        sent = httpx.Headers(
            {"Accept": ACCEPT.get(self.name, "application/json"), **(config.get("headers") or {}), **(headers or {})}
        )
        key = idempotency_key if idempotency_key is not None else config.get("idempotency_key")
        if self.method == "POST" and key not in (None, False) and "Idempotency-Key" not in sent:
            sent["Idempotency-Key"] = key if isinstance(key, str) else key() if callable(key) else str(uuid.uuid4())
        self.repeatable = self.method in _SAFE or "Idempotency-Key" in sent
        content = None
        if json_body is not None:
            content = json.dumps(json_body, default=_plain, ensure_ascii=False, allow_nan=False).encode()
            sent.setdefault("Content-Type", content_type or "application/json")
        limit = timeout if timeout is not None else config.get("timeout")
        self.request: Dict[str, Any] = {
            "method": self.method,
            "url": url,
            "headers": sent,
            "params": params,
            "content": content,
            "timeout": limit if limit is not None else httpx.USE_CLIENT_DEFAULT,
        }

    def failure(self, response: httpx.Response) -> Optional[RoadbedError]:
        """What is wrong with this answer; None when nothing is."""
        if response.status_code == 304:
            return NotModified(response)
        if not response.is_success:
            return _told(response)
        if _is_json(response) and not _is_whole(response):
            return APIConnectionError(f"{self.name}: the answer is not whole, its JSON cannot be read.")
        return None

    def wait_s(self, failure: RoadbedError) -> float:
        """Seconds to wait before the next attempt, which this counts. Raises `failure` when there is to be none."""
        asked_s = failure.retry_after_s if isinstance(failure, APIError) else None
        if self.attempt > self.retries or not self._worth_it(failure) or (asked_s or 0) > LONGEST_RETRY_AFTER_S:
            raise failure
        ceiling_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(self.attempt - 1, 10))
        self.attempt += 1
        return asked_s if asked_s is not None else random.uniform(0, ceiling_s)  # noqa: S311

    def _worth_it(self, failure: RoadbedError) -> bool:
        if isinstance(failure, NotModified):
            return False
        if not isinstance(failure, APIError):
            return self.repeatable
        if failure.status == 429:
            return True  # it was not done
        if failure.status == 409:
            return failure.code == "idempotency_in_progress"
        return self.repeatable and (failure.status == 408 or failure.status >= 500)


def read_with(decode: Callable[[Any, Any], Any]) -> Callable[[Any, httpx.Response], Any]:
    """The reader of answers: JSON becomes its model, other text is given as it is, and nothing is None."""

    def read(type_: Any, response: httpx.Response) -> Any:
        return decode(type_, response.json()) if _is_json(response) else response.text or None

    return read


Streaming = TypeVar("Streaming", bound=Callable[..., Any])


def typed_stream(read: Streaming) -> Streaming:
    """The generated reader of an event stream, with our error where the service refuses, and no frame without data."""

    def reading(*given: Any, **named: Any) -> Iterator[Any]:
        try:
            # A frame without data, such as the one that sets the time to wait, is no event.
            yield from (event for event in read(*given, **named) if event.data != "")
        except httpx.HTTPStatusError as error:
            raise _told(error.response) from None

    return cast(Streaming, reading)


def typed_stream_async(read: Streaming) -> Streaming:
    """The same, async."""

    async def reading(*given: Any, **named: Any) -> AsyncIterator[Any]:
        try:
            async for event in read(*given, **named):
                if event.data != "":
                    yield event
        except httpx.HTTPStatusError as error:
            raise _told(error.response) from None

    return cast(Streaming, reading)


def unanswered(error: httpx.TransportError, call: Call) -> APIConnectionError:
    """Our error for httpx's."""
    kind = APITimeoutError if isinstance(error, httpx.TimeoutException) else APIConnectionError
    failure = kind(f"{call.name}: no answer at attempt {call.attempt} ({type(error).__name__} {error}).")
    failure.__cause__ = error
    return failure


def _told(response: httpx.Response) -> APIError:
    problem = problem_of(response)
    return BY_CODE.get(str(problem.get("code")), APIError)(response, problem)


def _is_json(response: httpx.Response) -> bool:
    kind = response.headers.get("content-type", "").split(";")[0].strip()
    return bool(response.content) and (kind == "application/json" or kind.endswith("+json"))


def _is_whole(response: httpx.Response) -> bool:
    try:
        response.json()
    except ValueError:
        return False
    return True


def _plain(value: Any) -> Any:
    """What `json` cannot write by itself. Raises ValueError for a Decimal that a JSON reader would round."""
    if isinstance(value, Null):
        return None
    if isinstance(value, Decimal):
        if value == value.to_integral_value():
            return int(value)
        if Decimal(repr(float(value))) == value:
            return float(value)
        raise ValueError(f"{value} has more digits than a JSON number of this client holds: at most 15 are exact.")
    raise TypeError(f"{type(value).__name__} is not JSON.")
