"""Agents: a scripted MCP client works with tools alone, by the rights of its own key."""

import asyncio
import io
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncpg
import httpx
import httpx2
import pytest
from fastapi import FastAPI
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from standardwebhooks import Webhook

from api.mcp.exact import ExactLines
from api.mcp.prompts import SHORTCUTS
from api.mcp.server import arguments_of_caller, client_of, connect, header_of_caller
from api.mcp.tools import OFFERS, tools_of
from api.openapi import contract
from tests.sdk.proxy import Proxy
from tests.support.receiver import Receiver
from tests.support.serving import serving
from tests.support.workspace import GUIDE, Workspace, made
from workers.deliver import Courier

ROOT = Path(__file__).resolve().parents[2]
DECISION = {
    "title": "Build or buy real-time collaboration",
    "kind": "build_vs_buy",
    "options": [{"key": "build", "title": "Build"}, {"key": "buy", "title": "Buy"}],
    "criteria": [{"key": "core", "title": "Core", "weight": 0.6}, {"key": "speed", "title": "Speed", "weight": 0.4}],
    "ratings": {"build": {"core": 9, "speed": 3}, "buy": {"core": 2, "speed": 9}},
}


@asynccontextmanager
async def over_stdio(url: str, secret: str) -> AsyncIterator[Client]:
    """`roadbed mcp` in a process of its own, as a desktop host starts it."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "ROADBED_URL": url, "ROADBED_KEY": secret}
    command = ["-P", "-m", "api.cli", "mcp"]
    server = StdioServerParameters(command=sys.executable, args=command, env=environment, cwd=ROOT)
    async with Client(server, read_timeout_seconds=30) as client:
        yield client


@asynccontextmanager
async def over_http(url: str, secret: str) -> AsyncIterator[Client]:
    """The HTTP server beside the service; the caller's key comes with each request."""
    async with AsyncExitStack() as stack:
        caller = await stack.enter_async_context(client_of(url))
        server = await connect(caller, header_of_caller, arguments_of_caller)
        app = server.streamable_http_app(stateless_http=True, json_response=True)
        await stack.enter_async_context(server.session_manager.run())
        mcp_url = await stack.enter_async_context(serving(app))
        keyed = httpx2.AsyncClient(headers={"Authorization": f"Bearer {secret}"}, trust_env=False)
        await stack.enter_async_context(keyed)
        transport = streamable_http_client(f"{mcp_url}/mcp", http_client=keyed)
        yield await stack.enter_async_context(Client(transport, read_timeout_seconds=30))


async def use(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    assert result.structured_content is not None
    assert json.loads(result.content[0].text) == result.structured_content  # type: ignore[union-attr]
    return result.structured_content


async def refused(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert result.is_error, result.content
    told: dict[str, Any] = json.loads(result.content[0].text)  # type: ignore[union-attr]
    return told


@pytest.mark.parametrize("way", [over_stdio, over_http])
async def test_the_text_has_every_digit_and_so_has_what_is_written(
    application: FastAPI, workspace: Workspace, way: Any, owner: asyncpg.Connection
) -> None:
    digits = "1234567.12345678901234567890"
    body = '{"title":"Exact","metadata":{"share":' + digits + "}}"
    made = await workspace.live.post("/v1/features", content=body, headers={"Content-Type": "application/json"})
    async with serving(application) as url, way(url, workspace.live_secret) as client:
        result = await client.call_tool("feature_list", {"limit": 1})
        assert digits in result.content[0].text
        assert result.structured_content is None, "no float holds it"
        inputs = {"reach": 0.1, "impact": 3, "confidence": 0.7, "effort": 0.3}
        scored = await use(client, "score_set", id=made.json()["id"], framework="rice", inputs=inputs)
        assert scored["inputs"] == inputs
    kept = await owner.fetchval("SELECT inputs::text FROM scores")
    assert json.loads(kept) == inputs
    assert '"reach": 0.1,' in kept or kept.endswith('"reach": 0.1}')


async def test_arguments_are_read_again_with_every_digit() -> None:
    digits = "0.12345678901234567890123"
    call = '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"x","arguments":{"reach":' + digits + "}}}\n"
    other = '{"jsonrpc":"2.0","id":8,"method":"tools/list"}\n'
    hostile = '[]\nnull\n{"id":[],"method":"tools/call","params":{"arguments":{}}}\n{"\n'
    lines = ExactLines(io.BytesIO((call + other + hostile).encode()))
    assert [line async for line in lines] == (call + other + hostile).splitlines(keepends=True)
    context: Any = SimpleNamespace(request_id=7)
    assert await lines.arguments(context) == {"reach": Decimal(digits)}
    assert await lines.arguments(context) is None


@pytest.mark.parametrize("given", [{}, {"idempotency_key": "again-1"}])
async def test_a_call_whose_answer_is_lost_writes_once(
    application: FastAPI, workspace: Workspace, given: dict[str, str]
) -> None:
    async with serving(application) as url, Proxy(url) as proxy:
        base, script = proxy.add("case", [None, {"close": "reset", "after": True}])
        async with over_http(base, workspace.live_secret) as client:
            feature = await use(client, "feature_create", title="Dark mode", **given)
            if given:
                again = await use(client, "feature_create", title="Dark mode", **given)
                assert again["id"] == feature["id"]
    assert len(set(script.keys)) == 1
    assert script.requests == (4 if given else 3)
    assert [one["id"] for one in (await workspace.live.get("/v1/features")).json()["data"]] == [feature["id"]]


async def test_a_service_that_stays_away_leaves_a_key_to_repeat_the_call_with(
    application: FastAPI, workspace: Workspace
) -> None:
    async with serving(application) as url, Proxy(url) as proxy:
        base, script = proxy.add("case", [None, *[{"close": "reset", "after": True}] * 3])
        async with over_http(base, workspace.live_secret) as client:
            told = (await refused(client, "feature_create", title="Dark mode"))["detail"]
            [key] = set(script.keys)
            assert f"idempotency_key {key}" in told
            await use(client, "feature_create", title="Dark mode", idempotency_key=key)
    assert len((await workspace.live.get("/v1/features")).json()["data"]) == 1


@pytest.mark.parametrize("way", [over_stdio, over_http])
async def test_from_a_prd_to_scores_a_what_if_a_decision_and_its_webhook(
    application: FastAPI, workspace: Workspace, receiver: Receiver, courier: Courier, way: Any
) -> None:
    async with serving(application) as url, way(url, workspace.live_secret) as client:
        endpoint = await use(client, "endpoint_create", url=receiver.url, event_types=["decision.recorded"])
        prd = await use(client, "prd_create", title="Real-time collaboration", problem="Edits are lost.")
        lint = await use(client, "prd_lint", id=prd["id"])
        assert lint["findings"]
        await use(client, "metric_define", id=prd["id"], success_metrics=[{"category": "product", "text": "80 %"}])

        for title, inputs in GUIDE.items():
            feature = await use(
                client, "feature_upsert", source="agent", external_id=title.lower().replace(" ", "-"), title=title
            )
            scored = await use(client, "score_set", id=feature["id"], framework="rice", inputs=inputs)
            assert scored["value"] > 0
        what_if = await use(client, "roadmap_reprioritize", framework="rice", dry_run=True)
        assert (what_if["id"], len(what_if["moves"])) == (None, 4)
        assert [row["title"] for row in what_if["ranking"]][:2] == ["Real-time collab", "Dark mode"]
        assert (await use(client, "roadmap_get"))["ranking"] == []

        decision = await use(client, "decision_create", **DECISION)
        assert decision["analysis"]["leader"] == "build"
        recorded = await use(client, "decision_record", id=decision["id"], chosen="build", rationale="It is the core.")
        assert recorded["status"] == "recorded"
        [told] = await receiver.count(1)
        assert Webhook(endpoint["secret"]).verify(told.body, told.headers)["data"]["id"] == decision["id"]
        again = await refused(client, "decision_record", id=decision["id"], chosen="buy", rationale="No.")
        assert again["code"] == "already_recorded"


async def test_a_key_without_the_scope_is_refused_and_the_agent_told_which(
    application: FastAPI, workspace: Workspace
) -> None:
    small = await made(workspace.live, "/v1/keys", {"name": "Agent", "scopes": ["features:read"]})
    async with serving(application) as url, over_http(url, small["secret"]) as client:
        assert (await use(client, "feature_list", limit=5))["data"] == []
        told = await refused(client, "feature_create", title="Dark mode")
        assert (told["code"], "features:write" in told["detail"]) == ("insufficient_scope", True)
    async with serving(application) as url, over_http(url, "rb_live_nope") as client:
        assert (await refused(client, "feature_list"))["code"] == "unauthenticated"


async def test_bad_input_is_answered_with_the_field_to_mend(application: FastAPI, workspace: Workspace) -> None:
    async with serving(application) as url, over_http(url, workspace.live_secret) as client:
        told = await refused(client, "spike_request", question="How long?", owner="Ada")
        assert [error["target"]["name"] for error in told["errors"]] == ["/timebox_days"]
        told = await refused(client, "prd_get", id="../keys")
        assert told["code"] == "not_found"
        told = await refused(client, "no_such_tool")
        assert "no tool" in told["detail"]


async def test_the_ten_shortcuts_are_prompts_that_name_tools_that_exist(
    application: FastAPI, workspace: Workspace
) -> None:
    async with serving(application) as url, over_http(url, workspace.live_secret) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        prompts = (await client.list_prompts()).prompts
        titles = {prompt.title for prompt in prompts}
        ten = "#prd #buildvsbuy #rice #spike #tradeoff #mvp #tech-debt #api #platform #metrics"
        assert titles == set(ten.split())
        for prompt in prompts:
            got = await client.get_prompt(prompt.name, {"topic": "Dark mode"})
            text: str = got.messages[0].content.text  # type: ignore[union-attr]
            assert "Dark mode" in text
            assert "{topic}" not in text
            assert [name for name in names if name in text], prompt.name
    words = {word.strip(".,:;()") for one in SHORTCUTS for word in one.text.split() if "_" in word}
    assert words - {"build_vs_buy", "dry_run"} <= {offer.name for offer in OFFERS}


def test_every_tool_has_its_operation_and_a_flat_object_as_its_schema() -> None:
    tools = tools_of(json.loads(contract()))
    assert set(tools) == {offer.name for offer in OFFERS}
    for tool in tools.values():
        assert tool.schema["type"] == "object", tool.name
        assert not {"anyOf", "oneOf", "allOf", "$ref", "not", "enum"} & set(tool.schema), tool.name
        assert "$ref" not in json.dumps(tool.schema), tool.name
        assert set(tool.schema.get("required", [])) <= set(tool.schema["properties"]), tool.name
        assert tool.in_path <= set(tool.schema["required"] if tool.in_path else ()), tool.name
        assert len(json.dumps(tool.schema)) < 60_000, tool.name
    assert list(tools["release_phase_set"].schema["properties"]) == ["id", "release_phases"]
    assert "kind" not in tools["tradeoff_create"].schema["properties"]


async def test_a_service_that_is_away_is_told_in_a_sentence() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "api.cli", "mcp", "--url", "http://127.0.0.1:9", "--key", "rb_live_x",
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 30)
    assert (process.returncode, out) == (1, b"")
    assert b"does not answer" in err
    with pytest.raises(httpx.ConnectError):
        async with client_of("http://127.0.0.1:9") as client:
            await connect(client, header_of_caller, arguments_of_caller)
