"""One attempt against real sockets: good receivers, broken ones and hostile ones."""

import asyncio
import contextlib
import gzip
import ssl
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from api.webhooks import signing
from api.webhooks.backoff import Result, judge
from api.webhooks.targets import Address, TargetPolicy
from tests.webhooks import target_corpus
from workers.sender import Outcome, Outgoing, Sender
from workers.transport import KEPT_BODY_BYTES

# A loop of its own for each module, so that the fixtures of the session keep theirs.
pytestmark = pytest.mark.asyncio(loop_scope="module")

LOOPBACK = TargetPolicy(allow=(ip_network("127.0.0.0/8"), ip_network("::1/128")), allow_http=True)
PUBLIC = TargetPolicy(allow_http=True)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SLACK_S = 0.5

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Receiver:
    """A server on loopback that does what a test says, and counts."""

    port: int = 0
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)

    def url(self, scheme: str = "http", host: str = "127.0.0.1") -> str:
        return f"{scheme}://{host}:{self.port}/hook"


@asynccontextmanager
async def receiver(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    here = Receiver()
    open_connections: set[asyncio.Task[Any]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        here.connections += 1
        task = asyncio.current_task()
        assert task is not None
        open_connections.add(task)
        try:
            await handler(Recorded(reader, here), writer)  # type: ignore[arg-type]
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            open_connections.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    here.port = server.sockets[0].getsockname()[1]
    try:
        yield here
    finally:
        server.close()
        for task in open_connections:
            task.cancel()
        await asyncio.gather(*open_connections, return_exceptions=True)


class Recorded:
    """Reads whole requests and keeps them."""

    def __init__(self, reader: asyncio.StreamReader, here: Receiver) -> None:
        self._reader = reader
        self._here = here

    async def request(self) -> bytes:
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        body = await self._reader.readexactly(length)
        self._here.requests.append(head + body)
        return head + body


def answering(answer: bytes, then: Callable[[asyncio.StreamWriter], Awaitable[None]] | None = None) -> Handler:
    """Answers every request with these bytes; `then` goes on with the connection after the first."""

    async def handler(reader: Any, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.request()
            writer.write(answer)
            await writer.drain()
            if then is not None:
                await then(writer)
                return

    return handler


async def close(writer: asyncio.StreamWriter) -> None:
    """Ends the connection in order."""


async def linger(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(30)


async def reset(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(0.05)
    sock = writer.get_extra_info("socket")
    sock.setsockopt(1, 13, b"\x01\x00\x00\x00\x00\x00\x00\x00")  # SO_LINGER of zero: close sends a reset
    writer.transport.abort()


def outgoing(url: str, *, timeout_s: float = 5, **headers: str) -> Outgoing:
    return Outgoing(url, b'{"a":1}', headers, timeout_s)


async def send(url: str, policy: TargetPolicy = LOOPBACK, *, timeout_s: float = 5, **options: Any) -> Outcome:
    async with Sender(policy, **options) as sender:
        return await sender.send(outgoing(url, timeout_s=timeout_s))


async def outcome_of(handler: Handler, *, timeout_s: float = 5) -> Outcome:
    async with receiver(handler) as there:
        return await send(there.url(), timeout_s=timeout_s)


# -- what is sent ----------------------------------------------------------------------------------------------------


async def test_the_signed_bytes_are_the_sent_bytes_and_verify() -> None:
    secret = signing.new_secret()
    body = '{"name":"Übergröße"}'.encode()
    headers = signing.headers([signing.parse_signing_key(secret)], "msg_1", 1_700_000_000, body)
    async with receiver(answering(OK)) as there, Sender(LOOPBACK) as sender:
        outcome = await sender.send(Outgoing(there.url() + "/%7Bid%7D?a=b'c&d=%2F", body, headers, 5))
    assert outcome.status_code == 200
    head, _, sent_body = there.requests[0].partition(b"\r\n\r\n")
    assert sent_body == body
    first, *lines = head.decode().split("\r\n")
    assert first == "POST /hook/%7Bid%7D?a=b'c&d=%2F HTTP/1.1"
    got = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    assert got["accept-encoding"] == "identity"
    assert got["content-type"] == "application/json"
    assert got["host"] == f"127.0.0.1:{there.port}"
    assert got["user-agent"].startswith("Roadbed")
    assert signing.verify(got, sent_body, [secret], now_s=1_700_000_000)


async def test_a_custom_header_goes_along() -> None:
    async with receiver(answering(OK)) as there, Sender(LOOPBACK) as sender:
        await sender.send(Outgoing(there.url(), b"{}", {"X-Team": "blue", "User-Agent": "mine"}, 5))
    assert b"x-team: blue\r\n" in there.requests[0].lower()
    assert b"user-agent: mine\r\n" in there.requests[0].lower()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Host", "internal"),
        ("content-length", "0"),
        ("Transfer-Encoding", "chunked"),
        ("Accept-Encoding", "gzip"),
        ("X-A", "b\r\nX-C: d"),
        ("X-A\r\nX-C", "d"),
        ("X A", "b"),
        ("", "b"),
        ("X-A", "é"),
        ("X-\u212a", "b"),
        ("X-A", "b\x00"),
    ],
)
async def test_a_header_that_would_change_the_request_is_never_sent(name: str, value: str) -> None:
    async with receiver(answering(OK)) as there, Sender(LOOPBACK) as sender:
        outcome = await sender.send(Outgoing(there.url(), b"{}", {name: value}, 5))
    assert outcome.error == "invalid_request"
    assert there.requests == []


async def test_the_environment_names_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiver(answering(OK)) as proxy, receiver(answering(OK)) as there:
        monkeypatch.setenv("http_proxy", proxy.url())
        monkeypatch.setenv("all_proxy", proxy.url())
        assert (await send(there.url())).status_code == 200
        assert (proxy.connections, there.connections) == (0, 1)


async def test_a_cookie_is_not_kept() -> None:
    cookie = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
    async with receiver(answering(cookie)) as there, Sender(LOOPBACK) as sender:
        for _ in range(2):
            await sender.send(outgoing(there.url(host="localhost")))
    assert b"cookie" not in there.requests[1].lower()


# -- what comes back -------------------------------------------------------------------------------------------------


async def test_a_good_answer_is_told_whole() -> None:
    outcome = await outcome_of(answering(b"HTTP/1.1 201 Created\r\nX-Trace: 7\r\nContent-Length: 5\r\n\r\nhello"))
    assert (outcome.status_code, outcome.error, outcome.error_message) == (201, None, None)
    assert outcome.response_headers == {"x-trace": "7", "content-length": "5"}
    assert (outcome.response_body, outcome.response_truncated) == (b"hello", False)
    assert outcome.remote_address == "127.0.0.1"
    assert 0 < outcome.latency_ms < 5000
    assert judge(outcome).delivered


@pytest.mark.parametrize(
    ("answer", "retry_after", "result"),
    [
        (b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n", None, Result.GONE),
        (b"HTTP/1.1 429 Slow\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n", "120", Result.THROTTLED),
        (b"HTTP/1.1 503 No\r\nRetry-After: Fri, 20 Nov 2026 12:00:00 GMT\r\nContent-Length: 0\r\n\r\n",
         "Fri, 20 Nov 2026 12:00:00 GMT", Result.FAILED),
        (b"HTTP/1.1 500 No\r\nRetry-After: " + b"9" * 5000 + b"\r\nContent-Length: 0\r\n\r\n",
         "9" * 100, Result.FAILED),
        (b"HTTP/1.1 204 No Content\r\n\r\n", None, Result.DELIVERED),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n" + OK, None, Result.DELIVERED),
        (b"HTTP/1.0 200 OK\r\n\r\nold", None, Result.DELIVERED),
        (b"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", None, Result.DELIVERED),
    ],
)  # fmt: skip
async def test_status_and_retry_after_are_handed_on(answer: bytes, retry_after: str | None, result: Result) -> None:
    outcome = await outcome_of(answering(answer, close))
    assert outcome.error is None
    assert outcome.retry_after == retry_after
    assert judge(outcome).result is result


async def test_secrets_and_control_characters_do_not_reach_the_log() -> None:
    outcome = await outcome_of(
        answering(
            b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\nAuthorization: Basic eA==\r\nX-Api-Key: k\r\n"
            b"X-Session-Token: t\r\nWWW-Authenticate: Basic\r\nX-Latin: caf\xe9\r\nX-Tab: a\tb\r\n"
            b"Content-Length: 0\r\n\r\n"
        )
    )
    told = outcome.response_headers
    hidden = ("set-cookie", "authorization", "x-api-key", "x-session-token", "www-authenticate")
    assert {told[name] for name in hidden} <= {"[redacted]", "[redacted], [redacted]"}
    assert (told["x-latin"], told["x-tab"]) == ("café", "a?b")


async def test_kept_headers_are_bounded() -> None:
    lines = b"".join(b"X-%d: %s\r\n" % (number, b"v" * 300) for number in range(100))
    outcome = await outcome_of(answering(b"HTTP/1.1 200 OK\r\n" + lines + b"Content-Length: 0\r\n\r\n"))
    assert outcome.status_code == 200
    assert 20 < len(outcome.response_headers) <= 64
    assert sum(len(name) + len(value) for name, value in outcome.response_headers.items()) <= 8 * 1024


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_told_and_not_followed(status: int) -> None:
    async with receiver(answering(OK)) as elsewhere:
        location = elsewhere.url().encode()
        answer = b"HTTP/1.1 %d Moved\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % (status, location)
        outcome = await outcome_of(answering(answer))
        assert outcome.status_code == status
        assert judge(outcome).reason == "redirect"
        assert elsewhere.connections == 0


async def test_a_compressed_answer_is_kept_as_it_came() -> None:
    packed = gzip.compress(b"hello")
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    assert (await outcome_of(answering(head + packed))).response_body == packed


# -- connections -----------------------------------------------------------------------------------------------------


async def test_connections_are_kept_and_used_again() -> None:
    async with receiver(answering(OK)) as there, Sender(LOOPBACK) as sender:
        for _ in range(5):
            assert (await sender.send(outgoing(there.url()))).status_code == 200
    assert (there.connections, len(there.requests)) == (1, 5)


async def test_one_host_gets_no_more_connections_than_its_cap() -> None:
    async def slowly(reader: Any, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.request()
            await asyncio.sleep(0.02)
            writer.write(OK)

    async with receiver(slowly) as there, Sender(LOOPBACK, max_per_host=3) as sender:
        outcomes = await asyncio.gather(*(sender.send(outgoing(there.url())) for _ in range(20)))
    assert {outcome.status_code for outcome in outcomes} == {200}
    assert there.connections == 3


async def test_a_black_hole_does_not_hold_up_another_host() -> None:
    black_hole = receiver(answering(b"", linger))
    async with black_hole as hole, receiver(answering(OK)) as there, Sender(LOOPBACK, max_per_host=4) as sender:
        stuck = [asyncio.create_task(sender.send(outgoing(hole.url(), timeout_s=1))) for _ in range(20)]
        await asyncio.sleep(0.1)
        assert (await sender.send(outgoing(there.url()))).latency_ms < 500
        assert {outcome.error for outcome in await asyncio.gather(*stuck)} == {"timeout"}


async def test_a_connection_that_the_receiver_closed_is_not_used_again() -> None:
    async with receiver(answering(OK, close)) as there, Sender(LOOPBACK) as sender:
        for _ in range(3):
            assert (await sender.send(outgoing(there.url()))).status_code == 200
            await asyncio.sleep(0.02)
    assert there.connections == 3


async def test_an_answer_nobody_asked_for_is_not_taken_for_the_next_one() -> None:
    async def twice(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.02)
        writer.write(b"HTTP/1.1 500 Forged\r\nContent-Length: 0\r\n\r\n")
        await linger(writer)

    async with receiver(answering(OK, twice)) as there, Sender(LOOPBACK) as sender:
        for _ in range(2):
            assert (await sender.send(outgoing(there.url()))).status_code == 200
            await asyncio.sleep(0.06)
    assert there.connections == 2


async def test_an_answer_that_follows_in_the_same_breath_is_not_taken_either() -> None:
    async def rest_and_more(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.02)
        writer.write(b"ok" + b"HTTP/1.1 500 Forged\r\nContent-Length: 0\r\n\r\n")
        await linger(writer)

    async with receiver(answering(OK[:-2], rest_and_more)) as there, Sender(LOOPBACK) as sender:
        for _ in range(2):
            assert (await sender.send(outgoing(there.url()))).status_code == 200
    assert there.connections == 2


async def test_a_cancelled_attempt_leaves_no_connection() -> None:
    async with receiver(answering(b"", linger)) as there, Sender(LOOPBACK, max_per_host=1) as sender:
        for _ in range(3):
            task = asyncio.create_task(sender.send(outgoing(there.url())))
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
    assert there.connections == 3


# -- broken receivers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "then", "error"),
    [
        (b"", close, "reset"),
        (b"", reset, "reset"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", close, "reset"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", reset, "reset"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", close, "reset"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", reset, "reset"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nha", close, "reset"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nha", linger, "bad_response"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", linger, "bad_response"),
        (b"\x00\x01\x02\x03" * 100, linger, "bad_response"),
        (b"HTTP/1.1 abc OK\r\n\r\n", linger, "bad_response"),
        (b"HTTP/9.9 200 OK\r\n\r\n", linger, "bad_response"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", linger, "bad_response"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", linger, "bad_response"),
        (b"HTTP/1.1 200 OK\r\n: x\r\n\r\n", linger, "bad_response"),
        (b"HTTP/1.1 200 OK\r\nX-Big: " + b"a" * 100_000 + b"\r\n\r\n", linger, "bad_response"),
        (b"HTTP/1.1 200 " + b"a" * 100_000 + b"\r\n\r\n", linger, "bad_response"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10_000 + b"\r\n", linger, "bad_response"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000, linger, "bad_response"),
    ],
    ids=lambda value: value.__name__ if callable(value) else ascii(value[:44]),
)
async def test_a_broken_answer_has_a_stable_code(answer: bytes, then: Any, error: str) -> None:
    outcome = await outcome_of(answering(answer, then), timeout_s=5)
    assert outcome.error == error
    assert outcome.error_message
    assert judge(outcome).result is Result.FAILED
    assert outcome.latency_ms < 2000


async def test_what_came_before_the_answer_broke_off_is_told() -> None:
    outcome = await outcome_of(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", close))
    assert (outcome.status_code, outcome.response_body, outcome.remote_address) == (200, b"half", "127.0.0.1")


async def test_nothing_listening_is_told() -> None:
    async with receiver(answering(OK)) as there:
        url = there.url()
    assert (await send(url)).error == "connect_refused"


async def test_nothing_listening_on_any_address_is_told() -> None:
    async with receiver(answering(OK)) as there:
        url = there.url(host="both.example.com")

    async def both(host: str, port: int, timeout_s: float) -> tuple[Address, ...]:
        return ip_address("127.0.0.1"), ip_address("127.0.0.2"), ip_address("::1")

    assert (await send(url, lookup=both)).error in {"connect_refused", "unreachable"}


async def test_the_second_address_of_a_name_is_tried() -> None:
    async def both(host: str, port: int, timeout_s: float) -> tuple[Address, ...]:
        return ip_address("127.0.0.2"), ip_address("127.0.0.1")

    async with receiver(answering(OK)) as there:
        assert (await send(there.url(host="both.example.com"), lookup=both)).status_code == 200


async def test_a_name_without_an_address_is_told() -> None:
    outcome = await send("http://nothing.invalid/", timeout_s=10)
    assert outcome.error in {"dns", "timeout"}


async def test_a_lookup_that_hangs_ends_at_the_deadline() -> None:
    async def hangs(host: str, port: int, timeout_s: float) -> tuple[Address, ...]:
        await asyncio.sleep(30)
        return ()

    assert_in_time(await send("http://slow.example.com/", lookup=hangs, timeout_s=0.3), 0.3)


# -- hostile receivers: in time and in little memory -----------------------------------------------------------------


def assert_in_time(outcome: Outcome, timeout_s: float) -> None:
    assert outcome.error == "timeout"
    assert timeout_s * 1000 - 5 <= outcome.latency_ms < (timeout_s + SLACK_S) * 1000  # uvloop rounds its timers


def dripping(first: bytes, drop: bytes) -> Handler:
    async def drip(writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(drop)
            await asyncio.sleep(0.02)

    return answering(first, drip)


@pytest.mark.parametrize(
    "handler",
    [
        answering(b"", linger),
        dripping(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"a"),
        dripping(b"", b"\r\n"),
        dripping(b"HTTP/1.1 200 OK\r\n", b""),
        dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"a"),
        dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
        dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", linger),
    ],
    ids=[
        "silent",
        "drip-header",
        "drip-newlines",
        "headers-never-end",
        "drip-body",
        "drip-chunks",
        "drip-100",
        "no-body",
    ],
)
async def test_an_answer_that_never_ends_ends_at_the_deadline(handler: Handler) -> None:
    assert_in_time(await outcome_of(handler, timeout_s=0.5), 0.5)


async def test_a_receiver_that_never_reads_ends_at_the_deadline() -> None:
    async def deaf(reader: Any, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(30)

    async with receiver(deaf) as there, Sender(LOOPBACK) as sender:
        outcome = await sender.send(Outgoing(there.url(), b"x" * 900_000, {}, 0.4))
    assert_in_time(outcome, 0.4)


@pytest.mark.parametrize("first", [b"", b"\x16\x03\x03", b"\x16\x03\x03\x40\x00" + b"\x02" * 50])
async def test_a_tls_handshake_that_never_ends_ends_at_the_deadline(first: bytes) -> None:
    async def handshake(reader: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        await asyncio.sleep(30)

    async with receiver(handshake) as there:
        outcome = await send(there.url("https"), timeout_s=0.5)
    assert outcome.latency_ms < (0.5 + SLACK_S) * 1000
    assert outcome.error in {"timeout", "tls"}


def endless(first: bytes, block: bytes) -> Handler:
    async def flood(writer: asyncio.StreamWriter) -> None:
        for _ in range((1 << 30) // len(block)):
            writer.write(block)
            await writer.drain()

    return answering(first, flood)


BLOCK = b"a" * 65536
BOMB = gzip.compress(bytes(50_000_000))


@contextlib.contextmanager
def growing_less_than(bound: int) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < bound
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("handler", "error"),
    [
        (endless(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n", BLOCK), None),
        (endless(b"HTTP/1.1 200 OK\r\n\r\n", BLOCK), None),
        (endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + BLOCK + b"\r\n"), None),
        (endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", BLOCK), "bad_response"),
        (answering(b"HTTP/1.1 200\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB) + BOMB), None),
        (endless(b"HTTP/1.1 200 OK\r\nX-Endless: ", BLOCK), "bad_response"),
        (endless(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 10_000), "bad_response"),
        (endless(b"HTTP/1.1 200 ", BLOCK), "bad_response"),
        (endless(b"", BLOCK), "bad_response"),
        (endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 2500), "bad_response"),
        (endless(b"", b"HTTP/1.1 204 No Content\r\n\r\n" * 2500), None),
    ],
    ids=["1 GB", "until-close", "chunked", "chunk-extension", "gzip-bomb", "endless-header", "endless-headers",
         "endless-status", "no-http", "endless-100", "endless-answers"],
)  # fmt: skip
async def test_a_flood_is_cut_off_in_little_memory(handler: Handler, error: str | None) -> None:
    async with receiver(handler) as there, Sender(LOOPBACK) as sender:
        with growing_less_than(10_000_000):
            outcome = await sender.send(outgoing(there.url(), timeout_s=2))
            await asyncio.sleep(0.05)  # what an idle connection takes in counts as well
    assert outcome.error == error
    assert len(outcome.response_body) <= KEPT_BODY_BYTES
    assert outcome.latency_ms < (2 + SLACK_S) * 1000


async def test_sixteen_kib_of_an_answer_are_kept_and_one_byte_more_is_cut() -> None:
    for size, truncated in ((KEPT_BODY_BYTES, False), (KEPT_BODY_BYTES + 1, True)):
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"a" * size
        outcome = await outcome_of(answering(answer))
        assert (outcome.error, len(outcome.response_body)) == (None, KEPT_BODY_BYTES)
        assert outcome.response_truncated is truncated


async def test_an_idle_connection_takes_in_nothing() -> None:
    async def flood_later(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.02)
        while True:
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n" * 2500)
            await writer.drain()

    async with receiver(answering(OK, flood_later)) as there, Sender(LOOPBACK) as sender:
        await sender.send(outgoing(there.url()))
        with growing_less_than(2_000_000):
            await asyncio.sleep(0.2)


async def test_the_sender_closes_although_a_receiver_reads_nothing() -> None:
    async def deaf(reader: Any, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(30)

    async with receiver(deaf) as there:
        started = time.monotonic()
        async with Sender(LOOPBACK) as sender:
            await sender.send(Outgoing(there.url(), b"x" * 900_000, {}, 0.1))
        assert time.monotonic() - started < 3


# -- forbidden targets -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "127.1", "0.0.0.0", "2130706433"])
async def test_a_forbidden_host_is_told_and_not_connected_to(host: str) -> None:
    async with receiver(answering(OK)) as there:
        outcome = await send(there.url(host=host), PUBLIC)
        assert (outcome.error, outcome.remote_address, there.connections) == ("forbidden_target", None, 0)
        assert outcome.error_message


async def test_no_target_of_the_corpus_is_connected_to() -> None:
    async with receiver(answering(OK)) as there, Sender(PUBLIC, lookup=rebinding("127.0.0.1")) as sender:
        for url in target_corpus.urls():
            if url.lower().startswith("http://"):
                continue  # plain http is let through here, so that a connection could be made at all
            plain = url.replace("https://", "http://", 1).replace("/hook", f":{there.port}/hook")
            assert (await sender.send(outgoing(plain))).error == "forbidden_target", url
        assert there.connections == 0


async def test_no_name_that_leads_to_an_address_of_the_corpus_is_connected_to() -> None:
    async def spelled_out(host: str, port: int, timeout_s: float) -> tuple[Address, ...]:
        number = int(host.split(".", maxsplit=1)[0].removeprefix("n"))
        return (ip_address([*target_corpus.ADDRESSES_V4, *target_corpus.ADDRESSES_V6][number]),)

    async with receiver(answering(OK)) as there, Sender(PUBLIC, lookup=spelled_out) as sender:
        for number in range(len(target_corpus.ADDRESSES_V4) + len(target_corpus.ADDRESSES_V6)):
            outcome = await sender.send(outgoing(there.url(host=f"n{number}.example.com")))
            assert outcome.error == "forbidden_target"
        assert there.connections == 0


def rebinding(*answers: str) -> Any:
    """A resolver that gives one answer after the other, and stays with the last."""
    left = list(answers)

    async def lookup(host: str, port: int, timeout_s: float) -> tuple[Address, ...]:
        return (ip_address(left.pop(0) if len(left) > 1 else left[0]),)

    return lookup


async def test_a_name_that_is_public_first_and_loopback_later_gains_nothing() -> None:
    lookup = rebinding("8.8.8.8", "127.0.0.1")
    async with receiver(answering(OK)) as there:
        assert await PUBLIC.resolve("rebound.example.com", there.port, timeout_s=1, lookup=lookup)
        outcome = await send(there.url(host="rebound.example.com"), PUBLIC, lookup=lookup)
        assert (outcome.error, there.connections) == ("forbidden_target", 0)


async def test_the_socket_itself_is_checked_when_the_resolver_is_walked_around(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a fault of ours let addresses through that the policy has not seen."""

    async def unchecked(self: Any, host: str, port: int, **_: Any) -> tuple[Address, ...]:
        return ip_address("127.0.0.1"), ip_address("::1")

    async with receiver(answering(OK)) as there:
        monkeypatch.setattr(TargetPolicy, "resolve", unchecked)
        outcome = await send(there.url(host="rebound.example.com"), PUBLIC)
        assert (outcome.error, there.connections) == ("forbidden_target", 0)


async def test_the_allow_list_opens_loopback_and_not_the_metadata_service() -> None:
    lookup = rebinding("169.254.169.254")
    assert (await send("http://metadata.example.com/", LOOPBACK, lookup=lookup)).error == "forbidden_target"


# -- TLS -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for hooks.example.com that signs itself, with its key in the same file."""
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hooks.example.com")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("hooks.example.com")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(built.public_bytes(serialization.Encoding.PEM) + pem)
    return path


@asynccontextmanager
async def tls_receiver(certificate: Path) -> AsyncIterator[Receiver]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    async with receiver(answering(OK), context) as there:
        yield there


def tls_sender(certificate: Path) -> Sender:
    trusting = ssl.create_default_context(cafile=str(certificate))
    return Sender(LOOPBACK, lookup=rebinding("127.0.0.1"), ssl_context=trusting)


async def test_a_trusted_certificate_of_the_right_name_is_accepted_and_its_connection_kept(certificate: Path) -> None:
    async with tls_receiver(certificate) as there, tls_sender(certificate) as sender:
        for _ in range(3):
            outcome = await sender.send(outgoing(there.url("https", "hooks.example.com")))
            assert (outcome.status_code, outcome.error) == (200, None)
        assert there.connections == 1


async def test_a_certificate_nobody_vouches_for_is_told(certificate: Path) -> None:
    async with tls_receiver(certificate) as there:
        outcome = await send(there.url("https", "hooks.example.com"), lookup=rebinding("127.0.0.1"))
    assert outcome.error == "tls"
    assert "certificate" in (outcome.error_message or "")
    assert there.requests == []


async def test_a_kept_connection_never_serves_another_name_on_the_same_address(certificate: Path) -> None:
    async with tls_receiver(certificate) as there, tls_sender(certificate) as sender:
        assert (await sender.send(outgoing(there.url("https", "hooks.example.com")))).status_code == 200
        assert (await sender.send(outgoing(there.url("https", "other.example.com")))).error == "tls"
    assert len(there.requests) == 1


async def test_plain_http_behind_https_is_told() -> None:
    async def plain(reader: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        await asyncio.sleep(1)

    async with receiver(plain) as there:
        assert (await send(there.url("https"))).error == "tls"


# -- faults of ours -----------------------------------------------------------------------------------------------


async def test_a_fault_of_ours_is_told_without_its_text_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(host: str, port: int, timeout_s: float) -> tuple[Address, ...]:
        raise KeyError("inside of ours")

    outcome = await send("http://example.com/", lookup=broken)
    assert outcome.error == "internal"
    assert "inside of ours" not in (outcome.error_message or "")
    assert "inside of ours" in caplog.text
