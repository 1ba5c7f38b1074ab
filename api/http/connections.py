"""Connections that end: uvicorn keeps one whose request never becomes whole for as long as its sender likes.

The bound is for what no handler works on: a head that does not come to its end, in time or in size, and a body that is
still dripping in after the answer to it (a 401 needs no body). While a handler reads, the time is its own (`route`
answers 408), since then it may be we who let the sender wait.
"""

import asyncio
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEAD_BYTES = 65_536
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


def prompt(message_timeout_s: float) -> type[HttpToolsProtocol]:
    """uvicorn's protocol, where a request must be whole within `message_timeout_s` of its first byte.

    A new connection must send a whole request within it too. One that is kept after an answer may idle as long as
    uvicorn's own `timeout_keep_alive` says.
    """
    return type("PromptProtocol", (_PromptProtocol,), {"message_timeout_s": message_timeout_s})


class _PromptProtocol(HttpToolsProtocol):
    message_timeout_s: ClassVar[float]
    _deadline: asyncio.TimerHandle | None = None
    _in_head = True
    _head_bytes = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait_for_message()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD_BYTES and not self._answering():
                self.transport.write(_TOO_LARGE)
                self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0
        if self._deadline is None:
            self._wait_for_message()

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._stop_waiting()
        super().on_message_complete()

    def _wait_for_message(self) -> None:
        self._deadline = self.loop.call_later(self.message_timeout_s, self._out_of_time)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _out_of_time(self) -> None:
        if self._answering():
            self._wait_for_message()
        else:
            self.transport.close()

    def _answering(self) -> bool:
        return bool(self.pipeline) or (self.cycle is not None and not self.cycle.response_complete)
