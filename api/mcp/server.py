"""The MCP server: each tool call is one request of the API with the caller's own key, so its scopes hold."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx
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

from api.mcp.prompts import BY_NAME, SHORTCUTS
from api.mcp.tools import Tool, tools_of

Context = ServerRequestContext[Any, Any]
# From the transport's own request to the Authorization header of ours.
Authorize = Callable[[Context], str | None]
TIMEOUT_S = 30.0
INSTRUCTIONS = (
    "Roadbed is the system of record for product decisions. Numbers are computed by it, exactly: never compute or "
    "repeat a score yourself. Use dry_run to see what would move. A recorded decision never changes: ask first."
)


async def connect(client: httpx.AsyncClient, authorize: Authorize) -> Server[Any]:
    """A server for the service that `client` reaches, whose contract is read once, here. Raises httpx.HTTPError."""
    document = (await client.get("/openapi.json")).raise_for_status().json()
    tools = tools_of(document)

    async def list_tools(context: Context, params: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=[_listed(tool) for tool in tools.values()])

    async def call_tool(context: Context, params: CallToolRequestParams) -> CallToolResult:
        tool = tools.get(params.name)
        if tool is None:
            return _failed({"detail": f"There is no tool {params.name}."})
        return await _call(client, authorize(context), tool, params.arguments or {})

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
        server = await connect(client, lambda _: f"Bearer {key}")
        async with stdio_server() as (incoming, outgoing):
            await server.run(incoming, outgoing, server.create_initialization_options())


def header_of_caller(context: Context) -> str | None:
    """Over HTTP each caller sends a key of its own: this process holds none."""
    header: str | None = context.request.headers.get("authorization") if context.request is not None else None
    return header


def client_of(url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, timeout=TIMEOUT_S, trust_env=False, headers={"User-Agent": "roadbed-mcp"})


async def _call(
    client: httpx.AsyncClient, authorization: str | None, tool: Tool, arguments: dict[str, Any]
) -> CallToolResult:
    path, query, body = _placed(tool, arguments)
    headers = {"Authorization": authorization} if authorization else {}
    try:
        answer = await client.request(
            tool.method, f"/v1{path}", params=query, json=body if tool.takes_body else None, headers=headers
        )
    except httpx.HTTPError as error:
        return _failed({"detail": f"The service does not answer ({type(error).__name__}). Try again."})
    if not answer.is_success:
        return _failed(_problem(answer))
    shown = answer.json() if answer.content else {}
    content = TextContent(type="text", text=json.dumps(shown))
    return CallToolResult(content=[content], structured_content=shown)


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
    return json.dumps(value) if isinstance(value, bool) else str(value)


def _problem(answer: httpx.Response) -> dict[str, Any]:
    try:
        told: dict[str, Any] = answer.json()
    except ValueError:
        told = {"status": answer.status_code, "detail": "The service answered no JSON."}
    return told


def _failed(problem: dict[str, Any]) -> CallToolResult:
    """What went wrong and what to do, for the model to read."""
    kept = {name: problem[name] for name in ("status", "code", "detail", "errors", "request_id") if name in problem}
    return CallToolResult(content=[TextContent(type="text", text=json.dumps(kept))], is_error=True)


def _listed(tool: Tool) -> ListedTool:
    hints = ToolAnnotations(read_only_hint=tool.reads_only, open_world_hint=False)
    return ListedTool(name=tool.name, description=tool.description, input_schema=tool.schema, annotations=hints)
