"""Whatever goes wrong, the answer is a problem that says what to do, and nothing of our insides."""

from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from tests.support.problems import pointers, problem
from tests.support.workspace import Workspace

JSON = {"Content-Type": "application/json"}


async def test_an_unknown_path_is_a_404_problem(client: httpx.AsyncClient) -> None:
    for path in ("/v1/nothing", "/", "/v2/features", "/v1", "/v1/features/", "/v1/features/x/y/z", "//v1/features"):
        problem(await client.get(path), 404, "not_found")


async def test_an_id_of_the_wrong_form_is_a_404(workspace: Workspace) -> None:
    for wrong in ("x", "prd_01h455vb4pex5vsknk084sn02q", "feat_01h455vb4pex5vsknk084sn02", "feat_" + "z" * 26, "feat_"):
        problem(await workspace.live.get(f"/v1/features/{wrong}"), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/features", "GET, HEAD, OPTIONS, POST"),
        ("DELETE", "/v1/features", "GET, HEAD, OPTIONS, POST"),
        ("POST", "/v1/features/feat_01h455vb4pex5vsknk084sn02q", "DELETE, GET, HEAD, OPTIONS, PATCH"),
        ("GET", "/v1/roadmap/reprioritize", "OPTIONS, POST"),
        ("POST", "/v1/catalog", "GET, HEAD, OPTIONS"),
        ("POST", "/health", "GET, HEAD, OPTIONS"),
        ("DELETE", "/metrics", "GET, HEAD, OPTIONS"),
        ("POST", "/openapi.json", "GET, HEAD, OPTIONS"),
        ("BREW", "/v1/features", "GET, HEAD, OPTIONS, POST"),
    ],
)
async def test_a_405_names_exactly_the_methods_that_the_path_takes(
    client: httpx.AsyncClient, method: str, path: str, allowed: str
) -> None:
    answer = await client.request(method, path)
    problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == allowed


async def test_options_answers_what_the_path_takes(client: httpx.AsyncClient) -> None:
    answer = await client.options("/v1/features")
    assert (answer.status_code, answer.headers["allow"]) == (204, "GET, HEAD, OPTIONS, POST")
    problem(await client.options("/v1/nothing"), 404)


async def test_head_answers_as_get_without_the_body(workspace: Workspace) -> None:
    feature = await workspace.feature()
    path = f"/v1/features/{feature['id']}"
    got, head = await workspace.live.get(path), await workspace.live.head(path)
    assert head.content == b""
    assert head.status_code == 200
    for name in ("etag", "content-type", "content-length"):
        assert head.headers[name] == got.headers[name]
    assert (await workspace.live.head("/v1/features/feat_x")).status_code == 404


async def test_every_answer_has_its_own_request_id(workspace: Workspace, client: httpx.AsyncClient) -> None:
    answers = [
        await workspace.live.get("/v1/features"),
        await workspace.live.post("/v1/features", json={"title": "x"}),
        await workspace.live.get("/v1/nothing"),
        await client.get("/health"),
        await client.options("/v1/features"),
        await client.get("/v1/features", headers={"Request-Id": "mine"}),
    ]
    ids = [answer.headers["request-id"] for answer in answers]
    assert len(set(ids)) == len(ids)
    assert all(one.startswith("req_") and len(one) == 30 for one in ids)


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/xml", "multipart/form-data", "application/jsonx", ""]
)
async def test_a_body_that_does_not_call_itself_json_is_a_415(workspace: Workspace, media_type: str) -> None:
    headers = {"Content-Type": media_type} if media_type else {}
    answer = await workspace.live.post("/v1/features", content=b'{"title":"x"}', headers=headers)
    problem(answer, 415, "unsupported_media_type")


async def test_an_encoded_body_is_a_415(workspace: Workspace) -> None:
    headers = JSON | {"Content-Encoding": "gzip"}
    problem(await workspace.live.post("/v1/features", content=b"\x1f\x8b", headers=headers), 415)


async def test_json_with_parameters_and_a_merge_patch_are_json(workspace: Workspace) -> None:
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    made = await workspace.live.post("/v1/features", content=b'{"title":"x"}', headers=headers)
    assert made.status_code == 201
    headers = {"Content-Type": "application/merge-patch+json"}
    patched = await workspace.live.patch(made.headers["location"], content=b'{"title":"y"}', headers=headers)
    assert patched.json()["title"] == "y"


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"",
        b"null",
        b"[]",
        b'"text"',
        b'{"title":"x",}',
        b"{'title':'x'}",
        b'{"title":"x"} extra',
        b'{"title":"\xff\xfe"}',
        b'{"title":"\xed\xa0\x80"}',
        '{"title":"x"}'.encode("utf-16"),
        b'{"title":"x","metadata":{"a":NaN}}',
        b'{"title":"x","metadata":{"a":-Infinity}}',
        b'{"title":"x","metadata":{"a":1e999999999}}',
        b'{"title":"x","metadata":{"a":1e-999999999}}',
        b'{"title":"x","metadata":{"a":' + b"9" * 5000 + b"}}",
        b'{"title":"a\x00b"}',
        b'{"title":"a\\u0000b"}',
        b'{"title":"\\ud800"}',
        b'{"title":"\\udc00\\ud800"}',
        b'{"title":"x","metadata":{"\\u0000":1}}',
        b'{"title":"x","metadata":{"a":{"b":["\\udfff"]}}}',
        b'{"\\u0000":1}',
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        b'{"title":"x","metadata":{"a":' + b"[" * 400 + b"]" * 400 + b"}}",
        b'{"title":"x","metadata":{"a":' + b"[" * 5000 + b"]" * 5000 + b"}}",
    ],
)
async def test_a_body_that_cannot_be_kept_is_a_400_and_writes_nothing(
    workspace: Workspace, owner: asyncpg.Connection, body: bytes
) -> None:
    problem(await workspace.live.post("/v1/features", content=body, headers=JSON), 400)
    assert await owner.fetchval("SELECT count(*) FROM features") == 0


async def test_text_that_is_whole_is_kept_to_the_letter(workspace: Workspace) -> None:
    title = "Ünïcödé 🚀 \\u0041 \u202e\u200b \u007f"
    feature = await workspace.feature(title)
    assert feature["title"] == title
    answer = await workspace.live.post("/v1/features", content=b'{"title":"\\ud83d\\ude80"}', headers=JSON)
    assert answer.json()["title"] == "🚀"


async def test_a_parameter_with_u0000_is_a_400(workspace: Workspace) -> None:
    problem(await workspace.live.get("/v1/features?source=a%00b"), 400)
    problem(await workspace.live.get("/v1/features/feat_%00"), 400)


@pytest.mark.parametrize("path", ["/v1/features?source=%ED%A0%80", "/v1/features?sort=%FF%FE", "/v1/features?%FF=1"])
async def test_a_query_that_is_not_utf8_is_a_400(workspace: Workspace, path: str) -> None:
    problem(await workspace.live.get(path), 400)


async def test_a_path_that_is_not_utf8_is_a_404(workspace: Workspace) -> None:
    problem(await workspace.live.get("/v1/features/feat_%ED%A0%80"), 404)


async def test_an_unknown_field_is_named(workspace: Workspace) -> None:
    answer = await workspace.live.post("/v1/features", json={"title": "x", "version": 7, "a/b~c": 1})
    assert sorted(pointers(problem(answer, 400, "invalid_request"))) == ["/a~1b~0c", "/version"]


async def test_a_body_says_each_field_that_is_wrong(workspace: Workspace) -> None:
    answer = await workspace.live.post("/v1/features", json={"title": "", "status": "later", "labels": ["ok", ""]})
    assert pointers(problem(answer, 400)) == ["/title", "/status", "/labels/1"]


async def test_at_most_fifty_findings_are_told(workspace: Workspace) -> None:
    answer = await workspace.live.post("/v1/features", json={f"field{number}": 1 for number in range(2000)})
    assert len(problem(answer, 400)["errors"]) == 50


@pytest.mark.parametrize("host", ["[", "a]b", "[::1", "x:99999999", "x:y", "", "a b", "\xff"])
async def test_an_odd_host_header_breaks_nothing(client: httpx.AsyncClient, host: str) -> None:
    answer = await client.get("/v1/nothing", headers=[(b"host", host.encode("latin-1"))])
    assert problem(answer, 404)["instance"] == "/v1/nothing"


async def test_odd_headers_break_nothing(workspace: Workspace) -> None:
    feature = await workspace.feature()
    for name in ("if-match", "if-none-match", "accept", "content-length-x", "traceparent", "prefer", "range", "cookie"):
        for value in (b"\xff\xfe", b"", b"," * 500, b"a" * 5000, b'"', b"W/", b"*;q=x"):
            path = f"/v1/features/{feature['id']}"
            for answer in (
                await workspace.live.get(path, headers=[(name.encode(), value)] * 2),
                await workspace.live.patch(path, json={"title": "Dark mode"}, headers=[(name.encode(), value)] * 2),
            ):
                assert answer.status_code in (200, 304, 400, 412), answer.text


async def test_a_declared_body_beyond_the_limit_is_a_413(workspace: Workspace) -> None:
    answer = await workspace.live.post("/v1/features", content=b"x" * 1_048_577, headers=JSON)
    problem(answer, 413, "body_too_large")


async def test_a_body_that_grows_beyond_the_limit_is_a_413(workspace: Workspace) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(10_000):
            yield b" " * 65_536

    problem(await workspace.live.post("/v1/features", content=endless(), headers=JSON), 413, "body_too_large")


async def test_a_defect_of_ours_is_a_500_that_tells_nothing(
    workspace: Workspace, client: httpx.AsyncClient, owner: asyncpg.Connection
) -> None:
    await owner.execute("ALTER TABLE features RENAME COLUMN title TO secret_title")
    try:
        answer = await workspace.live.post("/v1/features", json={"title": "x"})
    finally:
        await owner.execute("ALTER TABLE features RENAME COLUMN secret_title TO title")
    told = problem(answer, 500, "internal_error")
    assert "secret_title" not in answer.text
    assert told["request_id"]


async def test_no_answer_names_what_we_run(application: FastAPI, client: httpx.AsyncClient) -> None:
    for answer in (await client.get("/v1/nothing"), await client.get("/health"), await client.get("/v1/features")):
        assert "server" not in answer.headers
        assert "x-powered-by" not in answer.headers
