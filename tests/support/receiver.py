"""A subscriber's server: it records what arrives, and answers as a test tells it."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from api import json


@dataclass(frozen=True)
class Arrived:
    """One request, its headers in lower case, and when it was whole (monotonic seconds)."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def event(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.load(self.body)
        return parsed


@dataclass(frozen=True)
class Answer:
    """What to answer, after how long."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay_s: float = 0


class Receiver:
    """Listens on a free port of loopback. `answer` gives the answer to each request; 204 unless told otherwise."""

    def __init__(self, answer: Callable[[Arrived], Answer] | None = None) -> None:
        self.arrived: list[Arrived] = []
        self.connections = 0
        self.answer = answer or (lambda _: Answer())
        self._news = asyncio.Event()
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def count(self, wanted: int, within_s: float = 10) -> list[Arrived]:
        """What arrived, once there are so many. Fails when they do not come in time."""
        async with asyncio.timeout(within_s):
            while len(self.arrived) < wanted:
                self._news.clear()
                await self._news.wait()
        return self.arrived

    async def quiet(self, for_s: float = 0.3) -> list[Arrived]:
        """What arrived, once nothing has come for so long."""
        while True:
            seen = len(self.arrived)
            await asyncio.sleep(for_s)
            if len(self.arrived) == seen:
                return self.arrived

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for writer in list(self._open):
            writer.close()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        try:
            while await self._exchange(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        request_line, *lines = head.split("\r\n")[:-2]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        arrived = Arrived(request_line.split(" ")[1], headers, body, time.monotonic())
        self.arrived.append(arrived)
        self._news.set()
        answer = self.answer(arrived)
        if answer.delay_s:
            await asyncio.sleep(answer.delay_s)
        told = {"content-length": str(len(answer.body)), **answer.headers}
        fields = "".join(f"{name}: {value}\r\n" for name, value in told.items())
        writer.write(f"HTTP/1.1 {answer.status} -\r\n{fields}\r\n".encode("latin-1") + answer.body)
        await writer.drain()
        return True
