"""What is no HTTP is answered like everything else, and the connection is closed."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from api.http.connections import prompt
from tests.support.problems import problem
from tests.support.serving import serving
from tests.support.workspace import Workspace

HOST = b"Host: roadbed.test\r\n"
POST = b"POST /v1/features HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
MALFORMED = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"hello\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n" + HOST + b"\r\n",
    b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n",
    b"get / HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /\xff\xfe HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET http://[ HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET / HTTP/1.1\r\nno colon here\r\n\r\n",
    b"GET / HTTP/1.1\r\nbad name: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nX: a\x00b\r\n\r\n",
    b"CONNECT roadbed.test:443 HTTP/1.1\r\n" + HOST + b"\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    POST + b"Content-Length: -1\r\n\r\n",
    POST + b"Content-Length: x\r\n\r\n",
    POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
    POST + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n{}",
    POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
    POST + b"Transfer-Encoding: chunked, nonsense\r\n\r\n{}",
    b"GET /health HTTP/1.1\r\n\r\n",
    b"GET /health HTTP/1.1\r\n" + HOST + b"Host: elsewhere.test\r\n\r\n",
    b"GET /health HTTP/1.0\r\n" + HOST + HOST + b"\r\n",
]


@pytest.fixture
async def url(application: FastAPI) -> AsyncIterator[str]:
    async with serving(application, http=prompt(5, "http://roadbed.test")) as base:
        yield base


@pytest.mark.parametrize("sent", MALFORMED)
async def test_what_is_no_http_is_a_400_problem_and_the_end_of_the_connection(url: str, sent: bytes) -> None:
    [answer] = _answers(await _said(url, sent))
    assert problem(answer, 400, "invalid_request")["instance"] == "/"
    assert answer.headers["connection"] == "close"
    assert "date" in answer.headers


async def test_a_head_without_an_end_is_a_431_problem(url: str) -> None:
    for sent in (b"GET /" + b"a" * 70_000, b"GET / HTTP/1.1\r\n" + b"X-Long: y\r\n" * 7_000):
        [answer] = _answers(await _said(url, sent))
        problem(answer, 431, "head_too_large")


async def test_a_body_whose_chunks_lie_is_a_400_problem(url: str, workspace: Workspace) -> None:
    head = POST + f"Authorization: Bearer {workspace.live_secret}\r\n".encode() + b"Transfer-Encoding: chunked\r\n\r\n"
    [answer] = _answers(await _said(url, head, b'5\r\n{"tit\r\n', b"zz\r\nnonsense"))
    problem(answer, 400, "invalid_request")
    assert (await workspace.live.get("/v1/features")).json()["data"] == []


async def test_what_was_asked_before_the_nonsense_is_still_answered(url: str) -> None:
    answers = _answers(await _said(url, b"GET /health HTTP/1.1\r\n" + HOST + b"\r\nnonsense\r\n\r\n"))
    assert [one.status_code for one in answers] in ([200], [200, 400])
    assert answers[0].json()["status"] == "ok"


async def test_a_body_that_is_too_large_is_told_so_to_who_is_still_sending_it(url: str, workspace: Workspace) -> None:
    """Who writes and reads at once loses the answer with the connection when that is closed under what it sends."""
    headers = {"Authorization": f"Bearer {workspace.live_secret}", "Content-Type": "application/json"}
    async with httpx.AsyncClient(base_url=url, headers=headers) as caller:
        for size in (1_100_000, 3_000_000) * 10:
            problem(await caller.post("/v1/features", content=b"x" * size), 413, "body_too_large")
            problem(await caller.post("/v1/features", content=_in_chunks(size)), 413, "body_too_large")
        assert (await caller.post("/v1/features", json={"title": "Small"})).status_code == 201


async def _in_chunks(size: int) -> AsyncIterator[bytes]:
    for _ in range(0, size, 50_000):
        yield b"x" * 50_000


async def _said(url: str, *parts: bytes) -> bytes:
    """All that the server says until it closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    try:
        async with asyncio.timeout(10):
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0.02)
            return await reader.read()
    finally:
        writer.close()


def _answers(said: bytes) -> list[httpx.Response]:
    found = []
    while said:
        head, _, rest = said.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        length = int(dict(headers)["content-length"])
        found.append(httpx.Response(int(first.split(" ")[1]), headers=headers, content=rest[:length]))
        said = rest[length:]
    return found
