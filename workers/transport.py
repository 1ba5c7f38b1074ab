"""A lean HTTP/1.1 client for POSTs to servers that nobody trusts: a pool of connections on asyncio's own protocols.

One POST is one write and one callback, with llhttp (httptools) reading the answer. httpx stands at the edge:
`Transport` is one of its transports, and its errors are httpx's where httpx has a name for them.

An answer is kept to its first 16 KiB. A connection is used again only when its answer ended in order, was read whole
and nothing came behind it; whatever else comes on it, it is dropped.
"""

import asyncio
import contextlib
import functools
import re
import socket
import ssl
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import NamedTuple, TypeAlias, cast

import httpx
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from api.webhooks.targets import Address, Lookup, TargetError, TargetPolicy

KEPT_BODY_BYTES = 16 * 1024

MAX_ANSWER_HEADERS = 128
MAX_HEAD_BYTES = 64 * 1024
MAX_INTERIM_ANSWERS = 100
# As it comes over the wire. No honest answer reaches it: a head of 64 KiB, and 16 KiB in chunks of one byte each.
MAX_ANSWER_BYTES = 256 * 1024

DNS_TIMEOUT_S = 10
DNS_CACHE_S = 10
DNS_CACHE_NAMES = 4096
MAX_ADDRESSES = 8
# How long an address may take before the next one is tried beside it (RFC 8305, 5).
NEXT_ADDRESS_S = 0.25
CLOSE_TIMEOUT_S = 2
# Shorter than what common servers keep an idle connection for (Node and uvicorn 5 s), so that we rarely write into
# one that is just being closed.
KEEP_ALIVE_S = 4
SWEEP_S = 1
# Loops round their timers to a millisecond.
TIMER_SLACK_S = 0.001
EDGE_TIMEOUT_S = 30.0


class BadAnswer(httpx.RemoteProtocolError):
    """What came is not HTTP, or has no end."""


class AnswerCut(httpx.ReadError):
    """The connection was closed before the answer ended."""


class Origin(NamedTuple):
    """What a connection belongs to. The name and not its address, since TLS vouches for a name."""

    scheme: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Destination:
    """A checked URL, as it stands at the head of a request: request line and host."""

    origin: Origin
    head: str


class Answer:
    """What is known of the answer so far, so that an attempt that breaks off still tells it.

    `body` has at most 16 KiB; `truncated` says that there was more.
    """

    __slots__ = ("body", "headers", "remote_address", "status_code", "truncated")

    def __init__(self) -> None:
        self.status_code: int | None = None
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = bytearray()
        self.truncated = False
        self.remote_address: str | None = None


class Transport(httpx.AsyncBaseTransport):
    """Keeps at most `max_per_host` connections to one origin and `max_connections` in all; a POST beyond them waits.

    Make it inside a running loop.
    """

    def __init__(
        self,
        policy: TargetPolicy,
        *,
        lookup: Lookup | None,
        ssl_context: ssl.SSLContext,
        max_per_host: int,
        max_connections: int,
    ) -> None:
        ssl_context.set_alpn_protocols(["http/1.1"])
        self._policy = policy
        self._pool = _Pool(_Opener(policy, lookup, ssl_context), max_per_host, max_connections)
        # The verdict on a URL is pure, and the same few thousand URLs come again and again.
        self.destination = functools.lru_cache(2048)(self._destination)

    async def post(self, destination: Destination, headers: str, body: bytes, answer: Answer, timeout_s: float) -> None:
        """POST and fill `answer` as it comes.

        `headers` are whole lines, each ended by CRLF, without host and length. Raises TimeoutError `timeout_s` after
        the call, BadAnswer, AnswerCut, TargetError, or the OSError of the connection.
        """
        deadline = monotonic() + timeout_s
        request = f"{destination.head}{headers}content-length: {len(body)}\r\n\r\n".encode("ascii") + body
        connection = self._pool.rested(destination.origin)
        if connection is None:
            connection = await self._pool.acquire(destination.origin, deadline)
        try:
            await connection.exchange(request, answer, deadline)
        except BaseException:
            connection.abort()
            raise

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """httpx's own door, for POST alone. Its read timeout counts for the whole."""
        if request.method != "POST":
            raise httpx.UnsupportedProtocol("Only POST is sent.", request=request)
        timeout_s = request.extensions.get("timeout", {}).get("read") or EDGE_TIMEOUT_S
        lines = [b"%b: %b" % (name, value) for name, value in request.headers.raw if name.lower() not in _OURS]
        if not all(_HEADER_LINE.fullmatch(line) for line in lines):
            raise httpx.LocalProtocolError("A header is not visible ASCII.", request=request)
        headers = "".join(f"{line.decode('ascii')}\r\n" for line in lines)
        answer = Answer()
        try:
            destination = self.destination(str(request.url))
            await self.post(destination, headers, await request.aread(), answer, timeout_s)
        except TimeoutError as late:
            raise httpx.ReadTimeout(f"No whole answer within {timeout_s:g} s.", request=request) from late
        except (OSError, TargetError) as failure:
            raise httpx.ConnectError(str(failure), request=request) from failure
        return httpx.Response(
            cast(int, answer.status_code),
            headers=answer.headers,
            stream=httpx.ByteStream(bytes(answer.body)),
            extensions={"http_version": b"HTTP/1.1", "truncated": answer.truncated},
        )

    async def aclose(self) -> None:
        """Drop every connection, at once."""
        await self._pool.close()

    def _destination(self, url: str) -> Destination:
        target = self._policy.check_url(url)
        # What was judged is what is sent, byte for byte.
        _, _, authority, rest = target.url.split("/", 3)
        return Destination(
            Origin(target.scheme, target.host, target.port), f"POST /{rest} HTTP/1.1\r\nhost: {authority}\r\n"
        )


_HEADER_LINE = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+: [\t\x20-\x7e]*")
_OURS = frozenset({b"host", b"content-length", b"transfer-encoding", b"connection"})


# -- the pool --------------------------------------------------------------------------------------------------------


_Place: TypeAlias = "asyncio.Future[_Connection | None]"
_Queue: TypeAlias = "deque[asyncio.Future[_Connection | None]]"


class _Host:
    """The connections to one origin: `open` counts those that are or are being made, `waiting` is first come first
    served and gets a connection, or None when there is room to make one."""

    __slots__ = ("open", "rested", "waiting")

    def __init__(self) -> None:
        self.open = 0
        self.rested: list[_Connection] = []
        self.waiting: _Queue = deque()


class _Pool:
    def __init__(self, opener: "_Opener", max_per_host: int, max_connections: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._opener = opener
        self._max_per_host = max_per_host
        self._max_connections = max_connections
        self._hosts: dict[Origin, _Host] = {}
        self._open = 0
        self._made: set[_Connection] = set()
        self._rested: dict[_Connection, None] = {}  # longest first
        self._starved: _Queue = deque()  # wait for room in the whole pool
        self._deadlines: dict[_Place, float] = {}
        self._late_timer: asyncio.TimerHandle | None = None
        self._late_at = 0.0
        self._sweep_timer: asyncio.TimerHandle | None = None
        self._emptied: asyncio.Future[None] | None = None

    def rested(self, origin: Origin) -> "_Connection | None":
        """A connection that waits for work, the latest used first: the others may then grow old."""
        host = self._hosts.get(origin)
        while host is not None and host.rested:
            connection = host.rested.pop()
            del self._rested[connection]
            if monotonic() - connection.rested_at <= KEEP_ALIVE_S:
                return connection
            connection.abort()
        return None

    async def acquire(self, origin: Origin, deadline: float) -> "_Connection":
        """A rested connection or a new one, when there is room for it. Raises TimeoutError at the deadline."""
        again = False
        while self._emptied is None:
            if (connection := self.rested(origin)) is not None:
                return connection
            host = self._hosts.get(origin)
            if host is not None and host.open >= self._max_per_host:
                connection = await self._wait(origin, host.waiting, again, deadline)
            elif not self._has_room():
                connection = await self._wait(origin, self._starved, again, deadline)
            else:
                async with asyncio.timeout(deadline - monotonic()):
                    return await self._made_for(origin)
            if connection is not None and not connection.closed:
                return connection
            again = True
        raise AnswerCut("The sender is closing.")

    def rest(self, connection: "_Connection") -> None:
        """It has done its work in order and may be used again."""
        host = self._hosts[connection.origin]
        if (waiting := _next(host.waiting)) is not None:
            waiting.set_result(connection)
            return
        host.rested.append(connection)
        self._rested[connection] = None
        if self._sweep_timer is None:
            self._sweep_timer = self._loop.call_later(SWEEP_S, self._sweep)
        if self._starved:
            _wake(self._starved)

    def dropped(self, connection: "_Connection") -> None:
        """It will not be used again."""
        if connection in self._rested:
            del self._rested[connection]
            self._hosts[connection.origin].rested.remove(connection)
        self._free(connection.origin)

    def lost(self, connection: "_Connection") -> None:
        """Its socket is closed."""
        self._made.discard(connection)
        if self._emptied is not None and not self._made and not self._emptied.done():
            self._emptied.set_result(None)

    async def close(self) -> None:
        self._emptied = self._loop.create_future()
        for timer in (self._sweep_timer, self._late_timer):
            if timer is not None:
                timer.cancel()
        self._opener.close()
        for connection in [*self._made]:
            connection.abort()
        for waiting in [*self._starved, *(one for host in self._hosts.values() for one in host.waiting)]:
            if not waiting.done():
                waiting.set_result(None)
        # A peer that reads nothing would otherwise keep the worker from ending.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                if self._made:
                    await self._emptied

    async def _made_for(self, origin: Origin) -> "_Connection":
        self._hosts.setdefault(origin, _Host()).open += 1
        self._open += 1
        made: list[_Connection] = []

        def make(address: str) -> _Connection:
            made.append(_Connection(self, origin, address))
            return made[0]

        try:
            return await self._opener.open(origin, make)
        except BaseException:
            # Once there is a connection, it gives its place back itself, and once.
            if made:
                made[0].abort()
            else:
                self._free(origin)
            raise

    def opened(self, connection: "_Connection") -> None:
        """Its socket is connected, TLS included."""
        self._made.add(connection)
        if self._emptied is not None:
            connection.abort()

    def _free(self, origin: Origin) -> None:
        host = self._hosts[origin]
        host.open -= 1
        self._open -= 1
        # Both, since each may find that the room is not for it; it then waits again, in front.
        _wake(host.waiting)
        _wake(self._starved)
        self._forget(origin)

    def _forget(self, origin: Origin) -> None:
        host = self._hosts.get(origin)
        if host is not None and host.open == 0 and not host.waiting:
            del self._hosts[origin]

    def _has_room(self) -> bool:
        if self._open >= self._max_connections and self._rested:
            next(iter(self._rested)).abort()
        return self._open < self._max_connections

    async def _wait(self, origin: Origin, queue: _Queue, again: bool, deadline: float) -> "_Connection | None":
        place: _Place = self._loop.create_future()
        (queue.appendleft if again else queue.append)(place)
        self._deadlines[place] = deadline
        # One timer for all who wait: one each would cost more than the rest of the wait.
        if self._late_timer is None or deadline < self._late_at:
            self._look_for_late_at(deadline)
        try:
            return await place
        except BaseException as failure:
            if place.done() and not place.cancelled() and not isinstance(failure, TimeoutError):
                self._pass_on(place.result(), queue)
            else:
                with contextlib.suppress(ValueError):
                    queue.remove(place)
                self._forget(origin)
            raise
        finally:
            del self._deadlines[place]

    def _look_for_late_at(self, deadline: float) -> None:
        if self._late_timer is not None:
            self._late_timer.cancel()
        self._late_at = deadline
        self._late_timer = self._loop.call_later(max(0, deadline - monotonic()), self._look_for_late)

    def _look_for_late(self) -> None:
        self._late_timer = None
        now = monotonic() + TIMER_SLACK_S
        waiting = [(place, deadline) for place, deadline in self._deadlines.items() if not place.done()]
        for place, deadline in waiting:
            if deadline <= now:
                place.set_exception(TimeoutError())
        if later := [deadline for _, deadline in waiting if deadline > now]:
            self._look_for_late_at(min(later))

    def _pass_on(self, connection: "_Connection | None", queue: _Queue) -> None:
        if connection is None:
            _wake(queue)
        elif not connection.closed:
            self.rest(connection)

    def _sweep(self) -> None:
        self._sweep_timer = None
        oldest = monotonic() - KEEP_ALIVE_S
        for connection in [*self._rested]:
            if connection.rested_at > oldest:
                self._sweep_timer = self._loop.call_later(SWEEP_S, self._sweep)
                return
            connection.abort()


def _next(
    queue: _Queue,
) -> "_Place | None":
    while queue:
        place = queue.popleft()
        if not place.done():
            return place
    return None


def _wake(queue: _Queue) -> None:
    if (place := _next(queue)) is not None:
        place.set_result(None)


# -- one connection --------------------------------------------------------------------------------------------------


class _Connection(asyncio.Protocol):
    """Carries one exchange after the other, and nothing that was not asked for.

    llhttp's callbacks are methods of it; one that raises stops the parser where it stands.
    """

    def __init__(self, pool: _Pool, origin: Origin, address: str) -> None:
        self.origin = origin
        self.closed = False
        self.rested_at = 0.0
        self._pool = pool
        self._loop = asyncio.get_running_loop()
        self._address = address
        self._transport: asyncio.Transport | None = None
        self._parser: HttpResponseParser | None = None
        self._answer: Answer | None = None
        self._done: asyncio.Future[None] | None = None
        self._failure: Exception | None = None
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._begin()

    def exchange(self, request: bytes, answer: Answer, deadline: float) -> asyncio.Future[None]:
        """Write the request. The future ends with the answer, or as much of it as is kept."""
        if self.closed or self._transport is None:
            raise self._failure or AnswerCut("The connection was closed before it could be used.")
        answer.remote_address = self._address
        self._begin()
        self._answer = answer
        self._done = self._loop.create_future()
        self._deadline = deadline
        # A timer once armed stays, and looks at the deadline when it rings: most answers come long before.
        if self._timer is None or deadline < self._timer_at:
            self._arm(deadline)
        self._transport.write(request)
        return self._done

    def abort(self) -> None:
        """Close it without waiting for the peer. May be called again."""
        if self.closed:
            return
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.abort()
        self._pool.dropped(self)

    def _begin(self) -> None:
        self._received_bytes = 0
        self._head_bytes = 0
        self._interim_answers = 0
        self._head_ended = False
        self._ended = False
        self._lasts = False

    def _arm(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = deadline
        self._timer = self._loop.call_later(max(0, deadline - monotonic()), self._look_at_deadline)

    def _look_at_deadline(self) -> None:
        self._timer = None
        if self._done is None:
            return
        if monotonic() < self._deadline - TIMER_SLACK_S:
            self._arm(self._deadline)
        else:
            self._finish(TimeoutError())

    def _finish(self, failure: Exception | None, *, again: bool = False) -> None:
        done, self._done, self._answer = self._done, None, None
        if not again:
            self.abort()
        elif not self.closed:
            self.rested_at = monotonic()
            self._pool.rest(self)
        if done is not None and not done.done():
            if failure is None:
                done.set_result(None)
            else:
                done.set_exception(failure)

    # what the loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self.closed:  # given up while it was being made
            self._transport.abort()
        self._parser = HttpResponseParser(self)
        # As browsers read: a line may end in LF alone, and a chunk's size may have spaces behind it.
        self._parser.set_dangerous_leniencies(lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True)
        self._pool.opened(self)

    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._parser is None:
            self._failure = BadAnswer("The receiver spoke without being asked.")
            self.abort()
            return
        self._received_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as broken:
            if self._ended or self._answer.truncated:
                self._finish(None)
            else:
                self._finish(BadAnswer(str(broken)))
            return
        if self._ended:
            unsent = cast(asyncio.Transport, self._transport).get_write_buffer_size()
            self._finish(None, again=self._lasts and not unsent)
        elif self._received_bytes > (MAX_ANSWER_BYTES if self._head_ended else MAX_HEAD_BYTES):
            self._finish(BadAnswer("The answer has no end."))

    def eof_received(self) -> None:
        if self._answer is None:  # before the loop tells that it is lost, somebody might take it
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None:
            whole = exc is None and self._head_ended and _ends_with_connection(self._answer)
            self._finish(None if whole else exc or AnswerCut("The connection was closed before the answer ended."))
        self.abort()
        self._parser = None  # each holds the other
        self._transport = None
        self._pool.lost(self)

    # what the parser tells

    def on_message_begin(self) -> None:
        if self._ended:
            raise BadAnswer("More than one answer came.")

    def on_status(self, reason: bytes) -> None:
        self._count(len(reason))

    def on_header(self, name: bytes, value: bytes | None) -> None:
        self._count(len(name) + len(value or b""))
        # What comes behind the body are trailers, which nobody asked for.
        if not self._head_ended and self._answer is not None:
            if len(self._answer.headers) >= MAX_ANSWER_HEADERS:
                raise BadAnswer("The answer has too many headers.")
            self._answer.headers.append((name, value or b""))

    def on_headers_complete(self) -> None:
        parser, answer = cast(HttpResponseParser, self._parser), cast(Answer, self._answer)
        status_code = parser.get_status_code()
        if status_code >= 200:
            answer.status_code = status_code
            self._head_ended = True
            return
        self._interim_answers += 1
        if status_code == 101 or self._interim_answers > MAX_INTERIM_ANSWERS:
            raise BadAnswer("Another protocol, or nothing but interim answers.")
        answer.headers.clear()

    def on_body(self, piece: bytes) -> None:
        answer = cast(Answer, self._answer)
        room = KEPT_BODY_BYTES - len(answer.body)
        answer.body += piece[:room]
        if len(piece) > room:
            answer.truncated = True
            raise BadAnswer("More than is kept.")

    def on_message_complete(self) -> None:
        if self._head_ended:
            self._ended = True
            self._lasts = cast(HttpResponseParser, self._parser).should_keep_alive()

    def _count(self, head_bytes: int) -> None:
        self._head_bytes += head_bytes
        if self._head_bytes > MAX_HEAD_BYTES:
            raise BadAnswer("The answer's headers are too long.")


def _ends_with_connection(answer: Answer) -> bool:
    """RFC 9112, 6.3: without a length and not in chunks, the body is what comes before the end."""
    for name, value in answer.headers:
        lowered = name.lower()
        if lowered == b"content-length" or (lowered == b"transfer-encoding" and b"chunked" in value.lower()):
            return False
    return True


# -- opening one, to a checked address -------------------------------------------------------------------------------


class _Opener:
    """Looks names up and connects. Every address is judged when it is found, and again when it is connected to."""

    def __init__(self, policy: TargetPolicy, lookup: Lookup | None, ssl_context: ssl.SSLContext) -> None:
        self._loop = asyncio.get_running_loop()
        self._policy = policy
        self._lookup = lookup
        self._ssl_context = ssl_context
        self._found: OrderedDict[tuple[str, int], tuple[float, asyncio.Task[tuple[Address, ...]]]] = OrderedDict()

    async def open(self, origin: Origin, make: Callable[[str], _Connection]) -> _Connection:
        """A connected connection, TLS included."""
        addresses = (await self._addresses(origin.host, origin.port))[:MAX_ADDRESSES]
        sock, address = await self._connected(addresses, origin.port)
        try:
            secured = self._ssl_context if origin.scheme == "https" else None
            _, connection = await self._loop.create_connection(
                lambda: make(str(address)), sock=sock, ssl=secured, server_hostname=origin.host if secured else None
            )
        except BaseException:
            sock.close()
            raise
        return connection

    def close(self) -> None:
        for _, looking in self._found.values():
            looking.cancel()

    async def _addresses(self, host: str, port: int) -> tuple[Address, ...]:
        """Remembered for seconds; those who ask at once share one lookup."""
        known = self._found.get((host, port))
        if known is None or known[0] < monotonic():
            looking = self._loop.create_task(
                self._policy.resolve(host, port, timeout_s=DNS_TIMEOUT_S, lookup=self._lookup)
            )
            known = (monotonic() + DNS_CACHE_S, looking)
            self._found[host, port] = known
            self._found.move_to_end((host, port))
            looking.add_done_callback(functools.partial(self._forget_failure, (host, port)))
            if len(self._found) > DNS_CACHE_NAMES:
                self._found.popitem(last=False)
        try:
            return await asyncio.shield(known[1])
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and not task.cancelling():  # the lookup was cancelled, and not who asked for it
                raise AnswerCut("The sender is closing.") from None
            raise

    def _forget_failure(self, key: tuple[str, int], looked: "asyncio.Task[tuple[Address, ...]]") -> None:
        known = self._found.get(key)
        if (looked.cancelled() or looked.exception() is not None) and known is not None and known[1] is looked:
            del self._found[key]

    async def _connected(self, addresses: tuple[Address, ...], port: int) -> tuple[socket.socket, Address]:
        """The first address that answers. The next one is tried when one fails, or is slow (RFC 8305)."""
        if len(addresses) == 1:
            return await self._connect(addresses[0], port)
        trying: set[asyncio.Task[tuple[socket.socket, Address]]] = set()
        failure: BaseException = OSError("The name has no address.")
        left = deque(addresses)
        try:
            while left or trying:
                if left:
                    trying.add(self._loop.create_task(self._connect(left.popleft(), port)))
                ended, trying = await asyncio.wait(
                    trying, timeout=NEXT_ADDRESS_S if left else None, return_when=asyncio.FIRST_COMPLETED
                )
                for one in ended:
                    if (failed := one.exception()) is None:
                        trying |= ended - {one}
                        return one.result()
                    failure = failed
            raise failure
        finally:
            for one in trying:
                one.add_done_callback(_close_late)
                one.cancel()

    async def _connect(self, address: Address, port: int) -> tuple[socket.socket, Address]:
        # The last door: what is judged here is what the socket connects to, literals included.
        self._policy.check_address(address)
        sock = socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            await self._loop.sock_connect(sock, (str(address), port))
        except BaseException:
            sock.close()
            raise
        return sock, address


def _close_late(late: "asyncio.Task[tuple[socket.socket, Address]]") -> None:
    if not late.cancelled() and late.exception() is None:
        late.result()[0].close()
