"""A subscriber's server that costs next to nothing: one protocol, no parsing beyond what HTTP/1.1 asks for."""

import asyncio
import re
import time
from collections.abc import Callable
from typing import NamedTuple, cast

NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"
FAILED = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Hit(NamedTuple):
    """One request; `first_byte_at` and `whole_at` are monotonic seconds, which all processes of a machine share."""

    path: str
    head: bytes
    body: bytes
    first_byte_at: float
    whole_at: float
    reply: Callable[[bytes], None]

    def header(self, name: str) -> str:
        """A header's value, or nothing."""
        found = re.search(rb"\r\n" + name.encode() + rb": *([^\r]*)", self.head, re.IGNORECASE)
        return found.group(1).decode("latin-1") if found else ""


class HookProtocol(asyncio.Protocol):
    """Hands each request to `on_hit`. What that gives is answered at once; None leaves it to `hit.reply`."""

    def __init__(self, on_hit: Callable[[Hit], bytes | None]) -> None:
        self._on_hit = on_hit
        self._buffer = b""
        self._first_byte_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        if not self._buffer:
            self._first_byte_at = now
        self._buffer += data
        while self._take(now):
            pass

    def _take(self, now: float) -> bool:
        head_end = self._buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return False
        head = self._buffer[:head_end]
        found = _LENGTH.search(head)
        end = head_end + 4 + (int(found.group(1)) if found else 0)
        if len(self._buffer) < end:
            return False
        body, self._buffer = self._buffer[head_end + 4 : end], self._buffer[end:]
        path = head.split(b" ", 2)[1].decode("latin-1")
        answer = self._on_hit(Hit(path, head, body, self._first_byte_at, now, self._reply))
        self._first_byte_at = now
        if answer is not None:
            self._reply(answer)
        return bool(self._buffer)

    def _reply(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)
