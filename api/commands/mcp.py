"""`roadbed mcp`: the MCP server, on standard input and output or over HTTP."""

import asyncio

import httpx

from api.commands.connect import CannotGoOn, Remote, away

_EXTRA = "The MCP server needs the `mcp` package: pip install 'mcp>=2.3,<3'."


def stdio(remote: Remote) -> None:
    """Every call is made with the key of `remote`. Raises CannotGoOn."""
    try:
        from api.mcp.server import serve_stdio  # noqa: PLC0415 - an extra
    except ImportError:
        raise CannotGoOn(_EXTRA) from None
    try:
        asyncio.run(serve_stdio(remote.url, remote.key))
    except httpx.HTTPError as error:
        raise away(remote.url, error) from None


def http(url: str, host: str, port: int) -> None:
    """At /mcp; each caller sends its own key as a bearer. Raises CannotGoOn."""
    try:
        from api.mcp.server import arguments_of_caller, client_of, connect, header_of_caller  # noqa: PLC0415
    except ImportError:
        raise CannotGoOn(_EXTRA) from None
    import uvicorn  # noqa: PLC0415 - only this way of serving needs it

    async def serve() -> None:
        async with client_of(url) as client:
            server = await connect(client, header_of_caller, arguments_of_caller)
            app = server.streamable_http_app(stateless_http=True, json_response=True, host=host)
            config = uvicorn.Config(app, host=host, port=port, log_level="warning", access_log=False)
            await uvicorn.Server(config).serve()

    try:
        asyncio.run(serve())
    except httpx.HTTPError as error:
        raise away(url, error) from None
