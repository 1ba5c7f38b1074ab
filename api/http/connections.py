"""Connections that end: uvicorn keeps one whose request never becomes whole for as long as its sender likes.

The bound is for what no handler works on: a head that does not come to its end, in time or in size, and a body that is
still dripping in after the answer to it (a 401 needs no body). While a handler reads, the time is its own (`route`
answers 408), since then it may be we who let the sender wait.
"""

import asyncio
from http import HTTPStatus
from typing import Any, ClassVar

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.db import uuid7, wire_id
from api.http.errors import MEDIA_TYPE, problem_text
from api.problems import HeadTooLarge, Invalid, Problem

log = structlog.get_logger()
MOST_HEAD_BYTES = 65_536
LINGER_S = 2.0


def prompt(message_timeout_s: float, base_url: str) -> type[HttpToolsProtocol]:
    """uvicorn's protocol, where a request must be whole within `message_timeout_s` of its first byte.

    A new connection must send a whole request within it too. One that is kept after an answer may idle as long as
    uvicorn's own `timeout_keep_alive` says.
    """
    return type("PromptProtocol", (_PromptProtocol,), {"message_timeout_s": message_timeout_s, "base_url": base_url})


class _PromptProtocol(HttpToolsProtocol):
    message_timeout_s: ClassVar[float]
    base_url: ClassVar[str]
    _deadline: asyncio.TimerHandle | None = None
    _in_head = True
    _head_bytes = 0
    _refused = False

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait_for_message()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused or self.transport.is_closing():
            return
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD_BYTES and not self._answering():
                most = f"{MOST_HEAD_BYTES:,}"
                self._refuse(HeadTooLarge(f"The request line and the headers are more than {most} bytes. Send less."))

    def send_400_response(self, msg: str) -> None:
        """What uvicorn calls for bytes that are no HTTP."""
        if self._in_head and self._answering():
            # The requests before it are answered first: whoever sent them would take this for the answer to one.
            self.cycle.keep_alive = False
        elif self.pipeline or (self._answering() and self.cycle.response_started):
            self.transport.close()
        else:
            self._refuse(Invalid("The request is not HTTP/1.1 as RFC 9112 has it. Look at its first line and headers."))

    def _refuse(self, problem: Problem) -> None:
        """Answer without the application, which never hears of the request, and close."""
        request_id = wire_id("req", uuid7())
        log.info("request_refused", code=problem.code, request_id=request_id)
        # Of what could not be read there is no path to name.
        body = problem_text(problem, "/", request_id, self.base_url).encode()
        headers = [(name.decode(), value.decode("latin-1")) for name, value in self.server_state.default_headers]
        headers += [("content-type", MEDIA_TYPE), ("content-length", str(len(body)))]
        headers += [("request-id", request_id), ("access-control-allow-origin", self.base_url), ("connection", "close")]
        head = f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in headers)
        self.transport.write(f"{head}\r\n".encode("latin-1") + body)
        # Not closed at once: the answer would be lost with what is still on its way to us (RFC 9112, 9.6).
        self.transport.write_eof()
        self._refused = True
        if self.cycle is not None:
            # Whoever waits for the rest of a body waits for nothing, and has nothing more to say.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self._stop_waiting()
        self._deadline = self.loop.call_later(min(LINGER_S, self.message_timeout_s), self.transport.close)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0
        if self._deadline is None:
            self._wait_for_message()

    def on_headers_complete(self) -> None:
        self._in_head = False
        hosts = sum(name == b"host" for name, _ in self.headers)
        if hosts != 1 and (hosts or self.parser.get_http_version() == "1.1"):
            raise ValueError("one Host header is needed (RFC 9112, 3.2)")
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
