"""The pool and its connections: what is used again, what is dropped, who waits for whom."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.webhooks.targets import Address
from tests.workers.sending.test_sender import (
    LOOPBACK,
    OK,
    PUBLIC,
    Handler,
    Receiver,
    answering,
    close,
    linger,
    outgoing,
    receiver,
)
from workers import transport as transport_module
from workers.sender import Sender
from workers.transport import Transport

pytestmark = pytest.mark.asyncio(loop_scope="module")


@asynccontextmanager
async def client(**options: Any) -> AsyncIterator[httpx.AsyncClient]:
    """httpx's own client over our transport."""
    limits = {"lookup": None, "max_per_host": 4, "max_connections": 8, "policy": LOOPBACK} | options
    transport = Transport(limits.pop("policy"), ssl_context=ssl.create_default_context(), **limits)
    async with httpx.AsyncClient(transport=transport, timeout=2) as made:
        yield made


async def twice(handler: Handler) -> Receiver:
    """Two good POSTs, one after the other."""
    async with receiver(handler) as there, Sender(LOOPBACK) as sender:
        for _ in range(2):
            outcome = await sender.send(outgoing(there.url()))
            assert (outcome.status_code, outcome.error) == (200, None)
            await asyncio.sleep(0.03)
        return there


# -- what is used again ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "connections"),
    [
        (OK, 1),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Trailer: 1\r\n\r\n", 1),
        (b"HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\n" + OK, 1),
        (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", 1),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", 1),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 2),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", 2),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n" + b"a" * 20_000, 2),
        (OK + b"HTTP/1.1 500 Forged\r\nContent-Length: 0\r\n\r\n", 2),
        (OK + b"junk", 2),
    ],
)
async def test_a_connection_is_used_again_only_when_nothing_is_left_on_it(answer: bytes, connections: int) -> None:
    assert (await twice(answering(answer))).connections == connections


async def test_headers_of_an_interim_answer_and_trailers_are_not_told() -> None:
    early = b"HTTP/1.1 103 Early\r\nX-Early: 1\r\n\r\nHTTP/1.1 200 OK\r\nX-Empty:\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with receiver(answering(early + b"0\r\nX-Trailer: 1\r\n\r\n")) as there, Sender(LOOPBACK) as sender:
        outcome = await sender.send(outgoing(there.url()))
    assert outcome.response_headers == {"x-empty": "", "transfer-encoding": "chunked"}


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 200,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"X-T: " + b"a" * 300_000,
    ],
    ids=["upgrade", "length-and-chunks", "interim", "trailers"],
)
async def test_an_answer_that_could_be_read_in_two_ways_is_refused(answer: bytes) -> None:
    async with receiver(answering(answer, linger)) as there, Sender(LOOPBACK) as sender:
        assert (await sender.send(outgoing(there.url()))).error == "bad_response"


async def test_a_receiver_that_speaks_first_is_told_as_a_bad_answer() -> None:
    async def banner(reader: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.9\r\n")
        await asyncio.sleep(1)

    async with receiver(banner) as there, Sender(LOOPBACK) as sender:
        assert (await sender.send(outgoing(there.url()))).error == "bad_response"


async def test_an_idle_connection_is_closed_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport_module, "KEEP_ALIVE_S", 0.05)
    monkeypatch.setattr(transport_module, "SWEEP_S", 0.02)
    closed = asyncio.Event()

    async def watched(reader: Any, writer: asyncio.StreamWriter) -> None:
        try:
            await answering(OK)(reader, writer)
        finally:
            closed.set()

    async with receiver(watched) as there, Sender(LOOPBACK) as sender:
        await sender.send(outgoing(there.url()))
        assert not closed.is_set()
        await asyncio.wait_for(closed.wait(), 5)


async def test_a_connection_that_grew_old_unnoticed_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport_module, "KEEP_ALIVE_S", 0.0)
    assert (await twice(answering(OK))).connections == 2


# -- who waits for whom ----------------------------------------------------------------------------------------------


def slowly(delay_s: float) -> Handler:
    async def handler(reader: Any, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.request()
            await asyncio.sleep(delay_s)
            writer.write(OK)

    return handler


async def test_a_full_pool_gives_up_its_longest_idle_connection() -> None:
    first, second, third = (receiver(answering(OK)) for _ in range(3))
    async with first as one, second as two, third as three, Sender(LOOPBACK, max_connections=2) as sender:
        for there in (one, two, three, two, one):
            assert (await sender.send(outgoing(there.url()))).status_code == 200
    assert (one.connections, two.connections, three.connections) == (2, 1, 1)


async def test_a_full_pool_serves_all_hosts_in_turn() -> None:
    limits = Sender(LOOPBACK, max_connections=2, max_per_host=2)
    async with receiver(slowly(0.01)) as one, receiver(slowly(0.01)) as two, limits as sender:
        sends = (sender.send(outgoing(there.url())) for _ in range(15) for there in (one, two))
        outcomes = await asyncio.gather(*sends)
    assert {outcome.error for outcome in outcomes} == {None}


async def test_those_who_give_up_waiting_do_not_hold_up_the_rest() -> None:
    async with receiver(slowly(0.1)) as there, Sender(LOOPBACK, max_per_host=1) as sender:
        first = asyncio.create_task(sender.send(outgoing(there.url())))
        await asyncio.sleep(0.02)
        impatient = [asyncio.create_task(sender.send(outgoing(there.url(), timeout_s=0.03))) for _ in range(5)]
        cancelled = [asyncio.create_task(sender.send(outgoing(there.url()))) for _ in range(5)]
        patient = asyncio.create_task(sender.send(outgoing(there.url())))
        await asyncio.sleep(0.01)
        for one in cancelled:
            one.cancel()
        assert {(await one).error for one in impatient} == {"timeout"}
        assert ((await first).error, (await patient).error) == (None, None)
    assert (there.connections, len(there.requests)) == (1, 2)


async def test_every_place_is_free_again_after_any_mixture_of_failures() -> None:
    answers: list[Handler] = [
        answering(OK), answering(b"", linger), answering(b"", close), answering(b"junk", linger), answering(OK + b"x"),
    ]  # fmt: skip
    count = 0

    async def any_of_them(reader: Any, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        count += 1
        await answers[count % len(answers)](reader, writer)

    async with receiver(any_of_them) as there, Sender(LOOPBACK, max_per_host=3, max_connections=4) as sender:
        sends = [asyncio.create_task(sender.send(outgoing(there.url(), timeout_s=0.2))) for _ in range(60)]
        await asyncio.sleep(0.05)
        for one in sends[::7]:
            one.cancel()
        await asyncio.gather(*sends, return_exceptions=True)
        await sender.send(outgoing("http://127.0.0.1:1/hook"))
        pool = sender._transport._pool
        for connection in [*pool._rested]:
            connection.abort()
        assert (pool._open, pool._hosts, [*pool._starved]) == (0, {}, [])


async def test_closing_ends_what_is_under_way_and_what_waits() -> None:
    async with receiver(answering(b"", linger)) as there:
        async with Sender(LOOPBACK, max_per_host=1) as sender:
            sends = [asyncio.create_task(sender.send(outgoing(there.url()))) for _ in range(3)]
            await asyncio.sleep(0.05)
        assert [(await one).error for one in sends] == ["reset"] * 3
        assert (await sender.send(outgoing(there.url()))).error == "reset"


async def test_closing_ends_a_lookup() -> None:
    async def hangs(host: str, port: int, timeout_s: float) -> tuple[Address, ...]:
        await asyncio.sleep(30)
        return ()

    async with Sender(LOOPBACK, lookup=hangs) as sender:
        send = asyncio.create_task(sender.send(outgoing("http://slow.example.com/")))
        await asyncio.sleep(0.02)
    assert (await send).error == "reset"


# -- opening one -----------------------------------------------------------------------------------------------------


def counted(*addresses: str) -> tuple[Callable[[str, int, float], Awaitable[tuple[Address, ...]]], list[str]]:
    asked: list[str] = []

    async def lookup(host: str, port: int, timeout_s: float) -> tuple[Address, ...]:
        asked.append(host)
        await asyncio.sleep(0.01)
        return tuple(ip_address(address) for address in addresses)

    return lookup, asked


async def test_those_who_ask_for_a_name_at_once_share_one_lookup() -> None:
    lookup, asked = counted("127.0.0.1")
    async with receiver(slowly(0.01)) as there, Sender(LOOPBACK, lookup=lookup) as sender:
        url = there.url(host="hooks.example.com")
        outcomes = await asyncio.gather(*(sender.send(outgoing(url)) for _ in range(20)))
        await sender.send(outgoing(url))
    assert {outcome.error for outcome in outcomes} == {None}
    assert asked == ["hooks.example.com"]


async def test_a_name_that_could_not_be_judged_well_is_asked_for_again() -> None:
    lookup, asked = counted("10.0.0.1")
    async with Sender(PUBLIC, lookup=lookup) as sender:
        for _ in range(2):
            outcome = await sender.send(outgoing("http://hooks.example.com/"))
            assert outcome.error == "forbidden_target"
    assert len(asked) == 2


async def test_an_address_that_is_silent_does_not_hold_up_the_next_one() -> None:
    lookup, _ = counted("127.0.0.2", "127.0.0.1")
    async with receiver(answering(OK)) as there, Sender(LOOPBACK, lookup=lookup) as sender:
        with silent_port("127.0.0.2", there.port):
            assert (await sender.send(outgoing(f"http://127.0.0.2:{there.port}/", timeout_s=0.4))).error == "timeout"
            outcome = await sender.send(outgoing(there.url(host="both.example.com")))
    assert (outcome.status_code, outcome.remote_address) == (200, "127.0.0.1")


@contextmanager
def silent_port(host: str, port: int) -> Iterator[None]:
    """Listens with a queue that is full: the kernel drops whoever comes."""
    with ExitStack() as stack:
        stack.enter_context(socket.create_server((host, port), backlog=0))
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex((host, port))
        yield


async def test_attempts_that_fail_leave_no_socket_open() -> None:
    async def silent(reader: Any, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    lookup, _ = counted("127.0.0.3", "127.0.0.2")
    sockets = open_sockets()
    async with receiver(silent) as there, Sender(LOOPBACK, lookup=lookup) as sender:
        for url in (there.url("https"), there.url("http"), there.url("http", "gone.example.com")):
            outcomes = await asyncio.gather(*(sender.send(outgoing(url, timeout_s=0.1)) for _ in range(5)))
            assert None not in {outcome.error for outcome in outcomes}
    await asyncio.sleep(0.1)
    assert open_sockets() <= sockets


def open_sockets() -> set[str]:
    found: set[str] = set()
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the folder's own
            found.add(str(link.readlink()))
    return {target for target in found if target.startswith("socket:")}


# -- httpx's door ----------------------------------------------------------------------------------------------------


async def test_httpx_sends_through_it() -> None:
    async with receiver(answering(OK)) as there, client() as http:
        answer = await http.post(there.url() + "?a=b", content=b"{}", headers={"X-Team": "blue"})
    assert (answer.status_code, answer.text, answer.headers["content-length"]) == (200, "ok", "2")
    head = there.requests[0].lower()
    assert head.startswith(b"post /hook?a=b http/1.1\r\n")
    assert (head.count(b"host: "), head.count(b"content-length: 2"), head.count(b"x-team: blue")) == (1, 1, 1)


@pytest.mark.parametrize(
    ("handler", "error"),
    [
        (answering(b"junk", linger), httpx.RemoteProtocolError),
        (answering(b"", close), httpx.ReadError),
        (answering(b"", linger), httpx.ReadTimeout),
    ],
)
async def test_failures_are_told_in_the_words_of_httpx(handler: Handler, error: type[Exception]) -> None:
    async with receiver(handler) as there, client() as http:
        with pytest.raises(error):
            await http.post(there.url(), timeout=0.2)


async def test_httpx_reaches_no_forbidden_address_and_sends_nothing_but_posts() -> None:
    async with receiver(answering(OK)) as there, client(policy=PUBLIC) as public, client() as http:
        with pytest.raises(httpx.ConnectError):
            await public.post(there.url())
        with pytest.raises(httpx.UnsupportedProtocol):
            await http.get(there.url())
        assert there.connections == 0


@pytest.mark.parametrize(
    ("name", "value"), [("X-A", "b\r\nX-C: d"), ("X-A\r\nX-C", "d"), ("X A", "b"), ("X-A", "b\x00")]
)
async def test_httpx_cannot_split_a_request(name: str, value: str) -> None:
    async with receiver(answering(OK)) as there, client() as http:
        with pytest.raises(httpx.LocalProtocolError):
            await http.post(there.url(), headers={name: value})
        assert there.connections == 0
