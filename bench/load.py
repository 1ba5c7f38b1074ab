"""The load of the API bench: a process of its own, whose CPU is nobody's, over raw sockets with kept connections.

    python -m bench.load < job

The job is a line of JSON, then the requests, each a line of JSON with the bytes as text. They are sent in turn, from
the beginning again when they have run out, until `seconds` are over and every answer is in. Prints a line of JSON: how
many were answered, in how long, and each answer's seconds.
"""

import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass, field
from itertools import cycle
from typing import Any

import httptools
import uvloop


@dataclass(frozen=True)
class Job:
    """What to send where. With `count` it ends after so many; an answer of another status than `status` ends it."""

    port: int
    status: int
    connections: int = 16
    seconds: float = 0.0
    count: int = 0


@dataclass
class Told:
    """What came of it."""

    answered: int = 0
    elapsed_s: float = 0.0
    latencies_s: list[float] = field(default_factory=list)
    bytes: int = 0


class Unexpected(Exception):
    """An answer that the job did not ask for."""


class _Load:
    def __init__(self, job: Job, requests: list[bytes]) -> None:
        self.job = job
        self.told = Told()
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._requests = cycle(requests)
        self._left = job.count or sys.maxsize
        self._ends = time.perf_counter() + (job.seconds or 600)
        self._open = 0

    async def run(self) -> Told:
        loop = asyncio.get_running_loop()
        began = time.perf_counter()
        for _ in range(self.job.connections):
            await loop.create_connection(lambda: _Connection(self), "127.0.0.1", self.job.port)
        await self.over
        self.told.elapsed_s = time.perf_counter() - began
        return self.told

    def next(self) -> bytes | None:
        if self._left == 0 or time.perf_counter() > self._ends:
            return None
        self._left -= 1
        return next(self._requests)

    def opened(self) -> None:
        self._open += 1

    def done(self) -> None:
        self._open -= 1
        if self._open == 0 and not self.over.done():
            self.over.set_result(None)

    def fail(self, reason: str) -> None:
        if not self.over.done():
            self.over.set_exception(Unexpected(reason))


class _Connection(asyncio.Protocol):
    """One request at a time; a server that closes after an answer is connected to again."""

    def __init__(self, load: _Load) -> None:
        self._load = load
        self._transport: Any = None
        self._waiting = False
        self._body: list[bytes] = []

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._load.opened()
        self._send()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        self._waiting = False
        told, status = self._load.told, self._parser.get_status_code()
        if status != self._load.job.status:
            self._load.fail(f"{status}: {b''.join(self._body)[:500]!r}")
        told.answered += 1
        told.bytes += sum(map(len, self._body))
        told.latencies_s.append(time.perf_counter() - self._sent_at)
        if self._parser.should_keep_alive():
            # Not from inside the parser, which has the rest of this answer to read.
            asyncio.get_running_loop().call_soon(self._send)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiting:
            self._load.fail(f"the server hung up: {exc!r}")
        elif self._transport is not None:
            self._again = asyncio.ensure_future(self._connect_again())

    async def _connect_again(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: _Connection(self._load), "127.0.0.1", self._load.job.port)
        except OSError as error:
            self._load.fail(repr(error))
        self._load.done()

    def _send(self) -> None:
        request = self._load.next()
        if request is None:
            transport, self._transport = self._transport, None
            transport.close()
            self._load.done()
            return
        self._parser = httptools.HttpResponseParser(self)
        self._body, self._waiting, self._sent_at = [], True, time.perf_counter()
        self._transport.write(request)


def request(method: str, path: str, headers: dict[str, str], body: str = "") -> bytes:
    """The bytes of one."""
    length = {"Content-Length": str(len(body.encode()))} if body else {}
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in (headers | length).items()]
    return "\r\n".join([*lines, "", body]).encode()


async def _run(job: Job, requests: list[bytes]) -> Told:
    return await _Load(job, requests).run()


if __name__ == "__main__":
    given = Job(**json.loads(sys.stdin.readline()))
    print(json.dumps(asdict(uvloop.run(_run(given, [json.loads(line).encode() for line in sys.stdin])))))
