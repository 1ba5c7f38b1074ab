"""A proxy in front of the service that does wrong to order. Each case has a path of its own, and its own faults."""

import asyncio
import contextlib
import json
import socket
import struct
from dataclasses import dataclass, field
from email.utils import formatdate
from time import time
from types import TracebackType
from typing import Any, Self


@dataclass
class Script:
    """The faults of a case, one for each request (None: none); afterwards all goes well. And what was asked."""

    faults: list[dict[str, Any] | None]
    keys: list[str] = field(default_factory=list)
    requests: int = 0

    def next(self) -> dict[str, Any]:
        self.requests += 1
        return (self.faults.pop(0) if self.faults else None) or {}


class Proxy:
    """Listens on a free port of loopback. `add` gives a case its base URL."""

    def __init__(self, service_url: str) -> None:
        self._host, _, port = service_url.removeprefix("http://").partition(":")
        self._service_port = int(port)
        self._scripts: dict[str, Script] = {}
        self._open: set[asyncio.StreamWriter] = set()

    def add(self, name: str, faults: list[dict[str, Any] | None]) -> tuple[str, Script]:
        self._scripts[name] = Script(list(faults))
        return f"http://127.0.0.1:{self.port}/{name}", self._scripts[name]

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
        """One request a connection: the answers say so."""
        self._open.add(writer)
        try:
            await self._exchange(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")[:-2]
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        name, _, path = target[1:].partition("/")
        script = self._scripts[name]
        if "idempotency-key" in headers:
            script.keys.append(headers["idempotency-key"])
        fault = script.next()
        if not fault:
            await self._forward(method, f"/{path}", headers, body, writer)
            return
        answer = b""
        if fault.get("after"):
            answer = await self._forward(method, f"/{path}", headers, body)
        await _answer(writer, answer, fault, reader)

    async def _forward(
        self, method: str, path: str, headers: dict[str, str], body: bytes, to: asyncio.StreamWriter | None = None
    ) -> bytes:
        """The service's answer, passed on as it comes when there is somebody to pass it to."""
        reader, writer = await asyncio.open_connection(self._host, self._service_port)
        kept = {name: value for name, value in headers.items() if name not in ("connection", "accept-encoding")}
        lines = "".join(f"{name}: {value}\r\n" for name, value in kept.items())
        writer.write(f"{method} {path} HTTP/1.1\r\n{lines}connection: close\r\n\r\n".encode("latin-1") + body)
        answer = b""
        try:
            while chunk := await reader.read(65536):
                if to is None:
                    answer += chunk
                else:
                    to.write(chunk)
                    await to.drain()
            return answer
        finally:
            writer.close()


async def _answer(
    writer: asyncio.StreamWriter, answer: bytes, fault: dict[str, Any], reader: asyncio.StreamReader
) -> None:
    if fault.get("silent"):
        with contextlib.suppress(ConnectionError):
            await reader.read()  # until the client has had enough
        return
    if "status" in fault:
        answer = _problem(fault)
    elif "html" in fault:
        page = b"<html>Bad gateway</html>"
        answer = _framed(fault["html"], "text/html", page)
    elif fault.get("truncate"):
        head, _, whole = answer.partition(b"\r\n\r\n")
        answer = _framed(int(head.split(b" ")[1]), "application/json", whole[: len(whole) // 2])
    elif fault.get("close") == "middle":
        answer = answer[: -len(answer.partition(b"\r\n\r\n")[2]) // 2]
    elif fault.get("close"):
        answer = b""
    if fault.get("close") == "reset":
        # With a linger of no time the kernel says RST, not FIN.
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.write(answer)
    await writer.drain()


def _problem(fault: dict[str, Any]) -> bytes:
    body = {"code": fault["code"], "status": fault["status"], "title": "Injected", "detail": "By the proxy."}
    wait = fault.get("retry_after")
    if "retry_after_date_s" in fault:
        wait = formatdate(time() + fault["retry_after_date_s"], usegmt=True)
    more = f"retry-after: {wait}\r\n" if wait is not None else ""
    return _framed(fault["status"], "application/problem+json", json.dumps(body).encode(), more)


def _framed(status: int, kind: str, body: bytes, more: str = "") -> bytes:
    head = (
        f"HTTP/1.1 {status} -\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n{more}\r\n"
    )
    return head.encode("latin-1") + body
