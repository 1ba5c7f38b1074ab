"""The MCP server: each tool call is one request of the API with the caller's own key, so its scopes hold.

A call that writes has an idempotency key through all its attempts. Numbers go through digit for digit: the MCP library
reads and writes floats, so arguments are read again from what was sent, and text is what the service said.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, cast
from urllib.parse import quote
from uuid import uuid4

import anyio
import httpx
import simplejson
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.types import (
    CallToolRequestParams,
    CallToolResult,
    GetPromptRequestParams,
    GetPromptResult,
    ListPromptsResult,
    ListToolsResult,
    PaginatedRequestParams,
    Prompt,
    PromptArgument,
    PromptMessage,
    TextContent,
    ToolAnnotations,
)
from mcp.types import Tool as ListedTool

from api import json
from api.mcp.exact import ExactLines, arguments_of
from api.mcp.prompts import BY_NAME, SHORTCUTS
from api.mcp.tools import KEY, Tool, tools_of

Context = ServerRequestContext[Any, Any]
# From the transport's own request to the Authorization header of ours.
Authorize = Callable[[Context], str | None]
# From a call to its arguments with exact numbers; None where nobody has kept them.
Exactly = Callable[[Context], Awaitable[dict[str, Any] | None]]
TIMEOUT_S = 30.0
ATTEMPTS = 3
# A model is waiting: one that is asked to wait longer is told so instead.
LONGEST_WAIT_S = 10.0
INSTRUCTIONS = (
    "Roadbed is the system of record for product decisions. Numbers are computed by it, exactly: never compute or "
    "repeat a score yourself. Use dry_run to see what would move. A recorded decision never changes: ask first."
)


async def connect(client: httpx.AsyncClient, authorize: Authorize, exactly: Exactly) -> Server[Any]:
    """A server for the service that `client` reaches, whose contract is read once, here. Raises httpx.HTTPError."""
    document = (await client.get("/openapi.json")).raise_for_status().json()
    tools = tools_of(document)

    async def list_tools(context: Context, params: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=[_listed(tool) for tool in tools.values()])

    async def call_tool(context: Context, params: CallToolRequestParams) -> CallToolResult:
        tool = tools.get(params.name)
        if tool is None:
            return _failed({"detail": f"There is no tool {params.name}."})
        arguments = await exactly(context) or params.arguments or {}
        return await _call(client, authorize(context), tool, arguments)

    async def list_prompts(context: Context, params: PaginatedRequestParams | None) -> ListPromptsResult:
        topic = PromptArgument(name="topic", description="What it is about.", required=False)
        return ListPromptsResult(
            prompts=[
                Prompt(name=one.name, title=one.shortcut, description=one.description, arguments=[topic])
                for one in SHORTCUTS
            ]
        )

    async def get_prompt(context: Context, params: GetPromptRequestParams) -> GetPromptResult:
        shortcut = BY_NAME.get(params.name)
        if shortcut is None:
            raise ValueError(f"There is no prompt {params.name}.")
        topic = (params.arguments or {}).get("topic") or "what we talk about"
        text = shortcut.text.replace("{topic}", topic)
        message = PromptMessage(role="user", content=TextContent(type="text", text=text))
        return GetPromptResult(description=shortcut.description, messages=[message])

    return Server(
        "roadbed",
        version=str(document["info"]["version"]),
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_prompts=list_prompts,
        on_get_prompt=get_prompt,
    )


async def serve_stdio(url: str, key: str) -> None:
    """Until standard input ends; every call is made with this key. Raises httpx.HTTPError."""
    async with client_of(url) as client:
        lines = ExactLines(sys.stdin.buffer)
        server = await connect(client, lambda _: f"Bearer {key}", lines.arguments)
        async with stdio_server(stdin=cast(anyio.AsyncFile[str], lines)) as (incoming, outgoing):
            await server.run(incoming, outgoing, server.create_initialization_options())


def header_of_caller(context: Context) -> str | None:
    """Over HTTP each caller sends a key of its own: this process holds none."""
    header: str | None = context.request.headers.get("authorization") if context.request is not None else None
    return header


async def arguments_of_caller(context: Context) -> dict[str, Any] | None:
    """Over HTTP they stand in the body of the request, which the transport has read and kept."""
    return None if context.request is None else arguments_of(await context.request.body())


def client_of(url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, timeout=TIMEOUT_S, trust_env=False, headers={"User-Agent": "roadbed-mcp"})


async def _call(
    client: httpx.AsyncClient, authorization: str | None, tool: Tool, arguments: dict[str, Any]
) -> CallToolResult:
    given = dict(arguments)
    key = str(given.pop(KEY, None) or uuid4()) if tool.takes_key else None
    path, query, body = _placed(tool, given)
    headers = ({"Authorization": authorization} if authorization else {}) | ({"Idempotency-Key": key} if key else {})
    content = None
    if tool.takes_body:
        headers["Content-Type"] = "application/json"
        content = json.dump(body).encode()
    try:
        request = client.build_request(tool.method, f"/v1{path}", params=query, content=content, headers=headers)
        answer = await _answered(client, request)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        again = f"Try again with {KEY} {key}, and it happens once." if key else "Try again."
        return _failed({"detail": f"The service does not answer ({type(error).__name__}). {again}"})
    if not answer.is_success:
        return _failed(_problem(answer))
    text = answer.text or "{}"
    return CallToolResult(content=[TextContent(type="text", text=text)], structured_content=_in_floats(text))


async def _answered(client: httpx.AsyncClient, request: httpx.Request) -> httpx.Response:
    """Asked again, with the same key, where no answer came or the service says when. Raises httpx.HTTPError."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            answer = await client.send(request)
        except httpx.TransportError:
            if attempt == ATTEMPTS:
                raise
            wait_s = float(attempt)
        else:
            asked = answer.headers.get("retry-after", "")
            busy = answer.status_code in (409, 429, 503) and asked.isdecimal()
            if not busy or float(asked) > LONGEST_WAIT_S or attempt == ATTEMPTS:
                return answer
            wait_s = float(asked)
        await asyncio.sleep(wait_s)
    raise AssertionError("the last attempt returned or raised")


def _in_floats(text: str) -> dict[str, Any] | None:
    """The answer as the library can send it; None when it has a number that no float holds: the text has it."""
    try:
        shown: dict[str, Any] = simplejson.loads(text, parse_float=_float)
    except ValueError:
        return None
    return shown


def _float(text: str) -> float:
    number = float(text)
    if Decimal(repr(number)) != Decimal(text):
        raise ValueError(f"{text} is no float")
    return number


def _placed(tool: Tool, arguments: dict[str, Any]) -> tuple[str, dict[str, str], dict[str, Any]]:
    """Path, query and body. What is missing in the path becomes an id of nothing, which the service refuses."""
    path = tool.path
    for name in tool.in_path:
        path = path.replace(f"{{{name}}}", quote(str(arguments.get(name, "-")), safe=""))
    rest = {name: value for name, value in arguments.items() if name not in tool.in_path}
    in_query = set(rest) if not tool.takes_body else tool.in_query
    query = {name: _word(value) for name, value in rest.items() if name in in_query}
    body = {name: value for name, value in rest.items() if name not in in_query}
    return path, query, body | dict(tool.fixed)


def _word(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(_word, value))
    return json.dump(value) if isinstance(value, bool | Decimal) else str(value)


def _problem(answer: httpx.Response) -> dict[str, Any]:
    try:
        told: dict[str, Any] = answer.json()
    except ValueError:
        told = {"status": answer.status_code, "detail": "The service answered no JSON."}
    return told


def _failed(problem: dict[str, Any]) -> CallToolResult:
    """What went wrong and what to do, for the model to read."""
    kept = {name: problem[name] for name in ("status", "code", "detail", "errors", "request_id") if name in problem}
    return CallToolResult(content=[TextContent(type="text", text=json.dump(kept))], is_error=True)


def _listed(tool: Tool) -> ListedTool:
    hints = ToolAnnotations(read_only_hint=tool.reads_only, open_world_hint=False)
    return ListedTool(name=tool.name, description=tool.description, input_schema=tool.schema, annotations=hints)
