"""Sends one prepared request to a subscriber's server, which may be slow, broken or hostile.

The connections are `workers.transport`'s, called with bytes: a request object each costs more than the POST itself.

What the network does is never raised. It is told in an `Outcome`.
"""

import errno
import functools
import logging
import re
import ssl
from collections.abc import Mapping
from time import perf_counter
from types import TracebackType
from typing import NamedTuple, Self

import httpx

from api.webhooks.headers import NO_ENCODING, REDACTED, SENT_ALWAYS, header_problem
from api.webhooks.targets import Lookup, NameUnresolved, TargetError, TargetPolicy
from workers.transport import Answer, AnswerCut, Transport

_log = logging.getLogger(__name__)

KEPT_HEADERS = 64
KEPT_HEADER_CHARACTERS = 8 * 1024
KEPT_RETRY_AFTER_CHARACTERS = 100

_SECRET_HEADERS = frozenset(
    {
        "authorization",
        "proxy-authorization",
        "www-authenticate",
        "proxy-authenticate",
        "authentication-info",
        "cookie",
        "set-cookie",
        "set-cookie2",
    }
)
_SECRET_WORDS = ("token", "secret", "password", "session", "api-key", "apikey", "credential")


class Outgoing(NamedTuple):
    """One attempt. `body` is the bytes that were signed; `timeout_s` runs from the first look at the name to the last
    byte of the answer. `headers` are names and values, or whole lines that `header_lines` began."""

    url: str
    body: bytes
    headers: Mapping[str, str] | str
    timeout_s: float

    def __repr__(self) -> str:
        """Without what may be secret."""
        return f"Outgoing(url={self.url!r}, timeout_s={self.timeout_s!r})"


class Outcome(NamedTuple):
    """What came of one attempt.

    `error` is None when a whole answer came, or as much of it as we keep, whatever its status. Otherwise it is one of
    `timeout`, `dns`, `connect_refused`, `unreachable`, `tls`, `reset`, `bad_response`, `forbidden_target`,
    `invalid_request`, `overloaded` (our own machine has no socket left) or `internal`; `error_message` says it in a
    sentence. `status_code` stands beside an error when the answer broke off after its headers.
    """

    status_code: int | None
    error: str | None
    error_message: str | None
    latency_ms: float
    response_headers: dict[str, str]  # names in lower case, at most 64 and 8 KiB, secrets redacted
    response_body: bytes  # the first 16 KiB, as they came
    response_truncated: bool
    retry_after: str | None
    remote_address: str | None


class Sender:
    """Keeps the connections of one worker. Use as an async context manager.

    `max_per_host` bounds the connections to one host and port, `max_connections` those of the whole worker. An attempt
    beyond them waits, within its own timeout.
    """

    def __init__(
        self,
        policy: TargetPolicy,
        *,
        lookup: Lookup | None = None,
        ssl_context: ssl.SSLContext | None = None,
        max_per_host: int = 32,
        max_connections: int = 1024,
    ) -> None:
        self._policy = policy
        self._lookup = lookup
        # The system's roots and not a bundle of ours, so that a company's own authority counts.
        self._ssl_context = ssl_context or ssl.create_default_context()
        self._max_per_host = max_per_host
        self._max_connections = max_connections

    async def __aenter__(self) -> Self:
        self._transport = Transport(
            self._policy,
            lookup=self._lookup,
            ssl_context=self._ssl_context,
            max_per_host=self._max_per_host,
            max_connections=self._max_connections,
        )
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._transport.aclose()

    async def send(self, outgoing: Outgoing) -> Outcome:
        """POST it. Ends within `timeout_s`, and raises nothing but the caller's own cancellation."""
        started = perf_counter()
        answer = Answer()
        error: str | None = None
        message: str | None = None
        try:
            destination = self._transport.destination(outgoing.url)
            headers = outgoing.headers
            lines = headers if isinstance(headers, str) else header_lines(headers)
            await self._transport.post(destination, lines, outgoing.body, answer, outgoing.timeout_s)
        except Exception as failure:
            error, message = _explain(failure, outgoing, answer)
        return _outcome(answer, error, message, round((perf_counter() - started) * 1000, 3))


# -- what is sent ----------------------------------------------------------------------------------------------------

_SAFE_VALUES = re.compile(r"[\t\x20-\x7e]*")


def header_lines(own: Mapping[str, str]) -> str:
    """These headers and those that every attempt has, as they stand in the request. Raises ValueError for one that
    cannot be sent."""
    headers = {**SENT_ALWAYS, **{_lowered(name): value for name, value in own.items()}}
    # One look at all values together; which one it was is asked only when there is something to find.
    if not _SAFE_VALUES.fullmatch("".join(headers.values())):
        for name, value in own.items():
            _check(name, value)
        raise ValueError("A header has a value that is not visible ASCII.")
    headers["accept-encoding"] = NO_ENCODING
    return "".join([f"{name}: {value}\r\n" for name, value in headers.items()])


@functools.lru_cache(1024)
def _lowered(name: str) -> str:
    _check(name, "")
    return name.lower()


def _check(name: str, value: str) -> None:
    if (problem := header_problem(name, value)) is not None:
        raise ValueError(f"The header {name!a} {problem}.")


# -- what came back --------------------------------------------------------------------------------------------------


def _outcome(answer: Answer, error: str | None, message: str | None, latency_ms: float) -> Outcome:
    headers = _kept_headers(answer.headers) if answer.status_code is not None else {}
    retry_after = headers.get("retry-after")
    return Outcome(
        status_code=answer.status_code,
        error=error,
        error_message=message,
        latency_ms=latency_ms,
        response_headers=headers,
        response_body=bytes(answer.body),
        response_truncated=answer.truncated,
        retry_after=retry_after[:KEPT_RETRY_AFTER_CHARACTERS] if retry_after else None,
        remote_address=answer.remote_address,
    )


def _kept_headers(raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
    kept: dict[str, str] = {}
    room = KEPT_HEADER_CHARACTERS
    for raw_name, raw_value in raw[:KEPT_HEADERS]:
        name, secret = _told_name(raw_name) if len(raw_name) <= 64 else _told_name.__wrapped__(raw_name)
        value = REDACTED if secret else _printable(raw_value)
        room -= len(name) + len(value)
        if room < 0:
            break
        kept[name] = f"{kept[name]}, {value}" if name in kept else value
    return kept


@functools.lru_cache(2048)
def _told_name(raw: bytes) -> tuple[str, bool]:
    """In lower case, and whether its value is a secret."""
    name = _printable(raw).lower()
    return name, name in _SECRET_HEADERS or any(word in name for word in _SECRET_WORDS)


def _printable(raw: bytes) -> str:
    # Postgres takes no NUL in text, and a log no escape sequences.
    text = raw.decode("latin-1")
    return text if text.isprintable() else "".join(one if one.isprintable() else "?" for one in text)


# -- what went wrong -------------------------------------------------------------------------------------------------

_OUT_OF_SOCKETS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL)
_UNREACHABLE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.ENETDOWN)


def _explain(failure: Exception, outgoing: Outgoing, answer: Answer) -> tuple[str, str]:
    """The stable code of a failure, and a sentence that tells the subscriber what to look at."""
    # With a number it is the operating system's ETIMEDOUT, which comes before our own deadline.
    if isinstance(failure, TimeoutError) and failure.errno is None:
        missing = "No answer came" if answer.status_code is None else "The answer did not end"
        return "timeout", f"{missing} within {outgoing.timeout_s:g} s."
    if (known := _known(failure, answer)) is not None:
        return known
    # Ours to mend: the subscriber is told no more than the kind, the log has the rest.
    _log.error("a webhook attempt failed in a way the sender does not know", exc_info=failure)
    return "internal", f"The attempt ended in an unexpected {type(failure).__name__}."


def _known(cause: Exception, answer: Answer) -> tuple[str, str] | None:
    if isinstance(cause, NameUnresolved):
        return "dns", str(cause)
    if isinstance(cause, TargetError):
        return "forbidden_target", str(cause)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return "tls", f"The certificate does not verify: {cause.verify_message}."
    if isinstance(cause, ssl.SSLError):
        return "tls", f"The TLS handshake failed: {cause.reason or 'connection closed'}."
    if isinstance(cause, httpx.RemoteProtocolError):
        return "bad_response", "The answer is not HTTP, or its headers are too long or too many."
    if isinstance(cause, ConnectionRefusedError):
        return "connect_refused", "Nothing listens there: the connection was refused."
    if isinstance(cause, AnswerCut | ConnectionError):
        missing = "an answer came" if answer.status_code is None else "the answer ended"
        return "reset", f"The connection was closed before {missing}."
    if isinstance(cause, OSError) and cause.errno in _OUT_OF_SOCKETS:
        return "overloaded", "The sender had no free socket; the receiver was not reached."
    if isinstance(cause, OSError) and cause.errno in _UNREACHABLE:
        return "unreachable", "The network has no way to that address."
    if isinstance(cause, UnicodeError):
        return "invalid_request", "The URL or a custom header cannot be sent."
    if isinstance(cause, ValueError):
        return "invalid_request", str(cause)
    if isinstance(cause, OSError):
        return "unreachable", "The connection failed."
    return None
