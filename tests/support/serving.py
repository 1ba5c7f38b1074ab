"""The application behind a real socket, for what a test transport cannot show: answers that go on."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI


@asynccontextmanager
async def serving(app: FastAPI, port: int = 0, http: Any = "auto") -> AsyncIterator[str]:
    """Gives the base URL. The application's lifespan is the fixture's, and is left alone. `http` is the protocol."""
    listener = socket.create_server(("127.0.0.1", port))
    config = uvicorn.Config(
        app, http=http, ws="none", lifespan="off", access_log=False, log_level="error", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(_serve(server, listener))
    async with asyncio.timeout(10):
        while not server.started:  # noqa: ASYNC110 - uvicorn tells it by a flag
            await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await running
        listener.close()


async def _serve(server: uvicorn.Server, listener: socket.socket) -> None:
    # Without its own handlers of signals: those belong to the test run.
    server.capture_signals = contextlib.nullcontext  # type: ignore[assignment,method-assign]
    await server.serve(sockets=[listener])
