"""Sends one prepared request to a subscriber's server, which may be slow, broken or hostile.

httpx gives the API and aiohttp the connections: stock httpx costs twenty times the CPU for a small POST. The adapter
between the two is our own and not httpx_aiohttp's, which hides the address that was connected to, turns nearly every
failure into a connect timeout, and quotes the URL once more on its way.

What the network does is never raised. It is told in an `Outcome`.
"""

import asyncio
import contextlib
import errno
import functools
import logging
import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from time import perf_counter
from types import TracebackType
from typing import Any, Self, cast

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http_exceptions import BadHttpMessage, ContentLengthError, TransferEncodingError
from yarl import URL

from api.webhooks.headers import header_problem
from api.webhooks.targets import Lookup, NameUnresolved, TargetError, TargetPolicy

_log = logging.getLogger(__name__)

KEPT_BODY_BYTES = 16 * 1024
KEPT_HEADERS = 64
KEPT_HEADER_CHARACTERS = 8 * 1024
KEPT_RETRY_AFTER_CHARACTERS = 100

MAX_ANSWER_HEADERS = 128
MAX_ANSWER_LINE_BYTES = 8 * 1024
MAX_QUEUED_ANSWERS = 8
# As it comes over the wire. No honest answer reaches it: 128 headers of 8 KiB are less, and of a body 16 KiB are read.
MAX_ANSWER_BYTES = 2 * 1024 * 1024

DNS_TIMEOUT_S = 10
DNS_CACHE_S = 10
DNS_CACHE_NAMES = 4096
CLOSE_TIMEOUT_S = 2
# Shorter than what common servers keep an idle connection for (Node and uvicorn 5 s), so that we rarely write into
# one that is just being closed.
KEEP_ALIVE_S = 4

USER_AGENT = "Roadbed-Webhooks/1"

REDACTED = "[redacted]"
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


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One attempt. `body` is the bytes that were signed; `timeout_s` runs from the first look at the name to the last
    byte of the answer."""

    url: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Outcome:
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
        # The verdict on a URL is pure, and the same few thousand URLs come again and again.
        self._address_of = functools.lru_cache(2048)(lambda url: httpx.URL(policy.check_url(url).url))

    async def __aenter__(self) -> Self:
        self._transport = _Transport(_session(self._connector()))
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._transport.aclose()

    async def send(self, outgoing: Outgoing) -> Outcome:
        """POST it. Ends within `timeout_s`, and raises nothing but the caller's own cancellation."""
        started = perf_counter()
        received = _Received()
        error: str | None = None
        message: str | None = None
        try:
            async with asyncio.timeout(outgoing.timeout_s):
                await self._exchange(outgoing, received)
        except Exception as failure:
            error, message = _explain(failure, outgoing, received)
        return received.outcome(error, message, round((perf_counter() - started) * 1000, 3))

    async def _exchange(self, outgoing: Outgoing, received: "_Received") -> None:
        request = _request(self._address_of(outgoing.url), outgoing)
        response = await self._transport.handle_async_request(request)
        stream = cast(httpx.AsyncByteStream, response.stream)
        try:
            received.take_head(response)
            async for chunk in stream:
                if not received.take_chunk(chunk):
                    break
        finally:
            await stream.aclose()

    def _connector(self) -> aiohttp.TCPConnector:
        connector = aiohttp.TCPConnector(
            ssl=self._ssl_context,
            resolver=_Resolver(self._policy, self._lookup),
            ttl_dns_cache=DNS_CACHE_S,
            dns_cache_max_size=DNS_CACHE_NAMES,
            socket_factory=_socket_factory(self._policy),
            keepalive_timeout=KEEP_ALIVE_S,
            limit=self._max_connections,
            limit_per_host=self._max_per_host,
        )
        # aiohttp has no public place to put a protocol in. A test holds that this one is used.
        cast(Any, connector)._factory = functools.partial(_Protocol, loop=asyncio.get_running_loop())
        return connector


def _request(url: httpx.URL, outgoing: Outgoing) -> httpx.Request:
    headers = {"user-agent": USER_AGENT, "accept": "*/*", "content-type": "application/json"}
    for name, value in outgoing.headers.items():
        if (problem := header_problem(name, value)) is not None:
            raise ValueError(f"The header {name!a} {problem}.")
        headers[name.lower()] = value
    headers["accept-encoding"] = "identity"
    # As a stream, httpx does not go through the headers again to add host and length, which the connection adds anyway.
    return httpx.Request("POST", url, headers=headers, stream=httpx.ByteStream(outgoing.body))


# -- what came back --------------------------------------------------------------------------------------------------


class _Received:
    """What is known of the answer so far, so that an attempt that breaks off still tells it."""

    __slots__ = ("body", "headers", "remote_address", "retry_after", "status_code", "truncated")

    def __init__(self) -> None:
        self.status_code: int | None = None
        self.headers: dict[str, str] = {}
        self.body = b""
        self.truncated = False
        self.retry_after: str | None = None
        self.remote_address: str | None = None

    def take_head(self, response: httpx.Response) -> None:
        self.status_code = response.status_code
        self.remote_address = response.extensions.get("remote_address")
        self.headers = _kept_headers(response.headers.raw)
        retry_after = self.headers.get("retry-after")
        self.retry_after = retry_after[:KEPT_RETRY_AFTER_CHARACTERS] if retry_after else None

    def take_chunk(self, chunk: bytes) -> bool:
        """Keep what fits. False when there is more than we keep."""
        self.body += chunk[: KEPT_BODY_BYTES + 1 - len(self.body)]
        self.truncated = len(self.body) > KEPT_BODY_BYTES
        return not self.truncated

    def outcome(self, error: str | None, message: str | None, latency_ms: float) -> Outcome:
        return Outcome(
            status_code=self.status_code,
            error=error,
            error_message=message,
            latency_ms=latency_ms,
            response_headers=self.headers,
            response_body=self.body[:KEPT_BODY_BYTES],
            response_truncated=self.truncated,
            retry_after=self.retry_after,
            remote_address=self.remote_address,
        )


def _kept_headers(raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
    kept: dict[str, str] = {}
    room = KEPT_HEADER_CHARACTERS
    for raw_name, raw_value in raw[:KEPT_HEADERS]:
        name = _printable(raw_name).lower()
        value = REDACTED if _is_secret(name) else _printable(raw_value)
        room -= len(name) + len(value)
        if room < 0:
            break
        kept[name] = f"{kept[name]}, {value}" if name in kept else value
    return kept


def _is_secret(name: str) -> bool:
    return name in _SECRET_HEADERS or any(word in name for word in _SECRET_WORDS)


def _printable(raw: bytes) -> str:
    # Postgres takes no NUL in text, and a log no escape sequences.
    text = raw.decode("latin-1")
    return text if text.isprintable() else "".join(one if one.isprintable() else "?" for one in text)


# -- what went wrong -------------------------------------------------------------------------------------------------

_OUT_OF_SOCKETS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL)
_UNREACHABLE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.ENETDOWN)


def _explain(failure: Exception, outgoing: Outgoing, received: _Received) -> tuple[str, str]:
    """The stable code of a failure, and a sentence that tells the subscriber what to look at."""
    if isinstance(failure, TimeoutError):
        missing = "No answer came" if received.status_code is None else "The answer did not end"
        return "timeout", f"{missing} within {outgoing.timeout_s:g} s."
    for cause in _causes(failure):
        known = _known(cause)
        if known is not None:
            return known
    # Ours to mend: the subscriber is told no more than the kind, the log has the rest.
    _log.error("a webhook attempt failed in a way the sender does not know", exc_info=failure)
    return "internal", f"The attempt ended in an unexpected {type(failure).__name__}."


def _causes(failure: BaseException) -> Iterator[BaseException]:
    """From the innermost to the outermost: aiohttp says "cannot connect", the operating system said why."""
    if failure.__cause__ is not None:
        yield from _causes(failure.__cause__)
    yield failure


def _known(cause: BaseException) -> tuple[str, str] | None:  # noqa: PLR0912 - a table, one kind a line
    if isinstance(cause, NameUnresolved):
        return "dns", str(cause)
    if isinstance(cause, TargetError):
        return "forbidden_target", str(cause)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return "tls", f"The certificate does not verify: {cause.verify_message}."
    if isinstance(cause, ssl.SSLError):
        return "tls", f"The TLS handshake failed: {cause.reason or 'connection closed'}."
    if isinstance(cause, ContentLengthError | TransferEncodingError) and "Not enough data" in str(cause):
        return "reset", "The connection was closed before the answer ended."
    if isinstance(cause, BadHttpMessage | aiohttp.ClientResponseError | aiohttp.ClientPayloadError):
        return "bad_response", "The answer is not HTTP, or its headers are too long or too many."
    if isinstance(cause, ConnectionRefusedError):
        return "connect_refused", "Nothing listens there: the connection was refused."
    if isinstance(cause, aiohttp.ServerDisconnectedError | ConnectionError):
        return "reset", "The connection was closed before an answer came."
    if isinstance(cause, OSError) and cause.errno in _OUT_OF_SOCKETS:
        return "overloaded", "The sender had no free socket; the receiver was not reached."
    if isinstance(cause, OSError) and cause.errno in _UNREACHABLE:
        return "unreachable", "The network has no way to that address."
    if isinstance(cause, aiohttp.InvalidURL | UnicodeError):
        return "invalid_request", "The URL or a custom header cannot be sent."
    if isinstance(cause, ValueError):
        return "invalid_request", str(cause)
    if isinstance(cause, aiohttp.ClientConnectionError | OSError):
        return "unreachable", "The connection failed."
    return None


# -- checking every address ------------------------------------------------------------------------------------------


class _Refused(OSError):
    """A forbidden address, in the form that aiohttp hands through when one of several addresses fails."""


class _Resolver(AbstractResolver):
    """Gives aiohttp the addresses of a name, after the policy has seen every one of them."""

    def __init__(self, policy: TargetPolicy, lookup: Lookup | None) -> None:
        self._policy = policy
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._policy.resolve(host, port, timeout_s=DNS_TIMEOUT_S, lookup=self._lookup)
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=socket.AF_INET if address.version == 4 else socket.AF_INET6,
                proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in found
        ]

    async def close(self) -> None:
        """Nothing is held here."""


def _socket_factory(policy: TargetPolicy) -> Any:
    """The last door: what is checked here is what the socket connects to in the next line, literals included."""

    def checked_socket(address_info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, address = address_info
        try:
            policy.check_address(ip_address(address[0]))
        except TargetError as refusal:
            # One text for all, since aiohttp forgets the errors when several addresses fail for different reasons.
            raise _Refused("forbidden address") from refusal
        return socket.socket(family, kind, protocol)

    return checked_socket


# -- httpx's API over aiohttp's connections --------------------------------------------------------------------------


def _session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
        response_class=_Answer,
        cookie_jar=aiohttp.DummyCookieJar(),  # two subscribers on one host must not meet in a cookie
        timeout=aiohttp.ClientTimeout(),  # none: the one deadline is `send`'s
        trust_env=False,
        auto_decompress=False,
        read_bufsize=KEPT_BODY_BYTES,
        max_line_size=MAX_ANSWER_LINE_BYTES,
        max_field_size=MAX_ANSWER_LINE_BYTES,
        max_headers=MAX_ANSWER_HEADERS,
    )


class _Transport(httpx.AsyncBaseTransport):
    """Raises aiohttp's own errors, since they tell more than httpx has names for."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self._session.request(
            request.method,
            _encoded_url(str(request.url)),
            headers=[(name.decode("ascii"), value.decode("ascii")) for name, value in request.headers.raw],
            data=request.read(),
            allow_redirects=False,
        )
        assert isinstance(answer, _Answer)
        return httpx.Response(
            answer.status,
            headers=list(answer.raw_headers),
            stream=_AnswerStream(answer),
            extensions={"http_version": b"HTTP/1.1", "remote_address": answer.remote_address},
        )

    async def aclose(self) -> None:
        # A peer that reads nothing would otherwise keep the worker from ending.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._session.close()


@functools.lru_cache(2048)
def _encoded_url(url: str) -> URL:
    # Already checked and encoded: what was judged is what is sent, byte for byte.
    return URL(url, encoded=True)


class _AnswerStream(httpx.AsyncByteStream):
    def __init__(self, answer: "_Answer") -> None:
        self._answer = answer

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        chunk = await self._answer.content.readany()
        if not chunk:
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        """Drop the connection when the answer has not ended; it is already back in the pool when it has."""
        connection = self._answer.connection
        if connection is not None and connection.transport is not None:
            connection.transport.abort()
        self._answer.close()


class _Answer(aiohttp.ClientResponse):
    """Remembers whom we talked to, and tells the connection when it owes us nothing more."""

    remote_address: str | None = None

    async def start(self, connection: Connection) -> "_Answer":
        protocol = cast(_Protocol, connection.protocol)
        transport = connection.transport
        peer = transport.get_extra_info("peername") if transport is not None else None
        self.remote_address = peer[0] if peer else None
        await super().start(connection)
        self.content.on_eof(protocol.rest)
        return self


class _Protocol(ResponseHandler):
    """aiohttp's connection, but one that a peer cannot fill with what nobody asked for.

    aiohttp parses what comes on an idle connection and queues it without a bound, and the next request would take it
    for its answer. Here such a connection is dropped, and so is one that queues answers faster than they are read.
    """

    _resting = False
    _received_bytes = 0

    def rest(self) -> None:
        self._resting = True

    def set_response_params(self, **parameters: Any) -> None:
        self._resting = False
        self._received_bytes = 0
        super().set_response_params(**parameters)

    def data_received(self, data: bytes) -> None:
        self._received_bytes += len(data)
        # In pieces, since one chunk can hold ten thousand answers without a body. Empty data resumes a paused parser.
        for start in range(0, len(data) or 1, KEPT_BODY_BYTES):
            piece = data[start : start + KEPT_BODY_BYTES]
            if self._resting and piece:
                self.abort()
                return
            super().data_received(piece)
            if len(self) > (0 if self._resting else MAX_QUEUED_ANSWERS) or self._received_bytes > MAX_ANSWER_BYTES:
                self._refuse()
            if self.transport is None or self.exception() is not None:
                return

    def _refuse(self) -> None:
        # Not `abort`, which forgets the exception.
        refusal = BadHttpMessage("More than one answer, or one without end")
        self.set_exception(refusal)
        if self._payload is not None:
            self._payload.set_exception(refusal)
        if self.transport is not None:
            self.transport.abort()
