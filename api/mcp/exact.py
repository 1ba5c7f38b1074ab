"""The arguments of a tool call as they were sent, number for number: the MCP library makes floats of them."""

from collections.abc import AsyncIterator
from io import TextIOWrapper
from typing import Any, BinaryIO

import anyio
from mcp.server.context import ServerRequestContext

from api import json

# Calls whose arguments wait for their handler; a client that sends more at once gets floats for the oldest.
MOST_WAITING = 1000


class ExactLines:
    """Standard input, line by line, as the transport reads it, with the arguments of each call kept for its handler."""

    def __init__(self, source: BinaryIO) -> None:
        self._file = anyio.wrap_file(TextIOWrapper(source, encoding="utf-8", errors="replace"))
        self._waiting: dict[Any, dict[str, Any]] = {}

    async def __aiter__(self) -> AsyncIterator[str]:
        async for line in self._file:
            sent = _call(line)
            if sent is not None:
                self._waiting[sent["id"]] = sent["params"]["arguments"]
            while len(self._waiting) > MOST_WAITING:
                del self._waiting[next(iter(self._waiting))]
            yield line

    async def arguments(self, context: ServerRequestContext[Any, Any]) -> dict[str, Any] | None:
        """Of the call that is being answered; once."""
        return self._waiting.pop(context.request_id, None)


def arguments_of(message: str | bytes) -> dict[str, Any] | None:
    """Those of a `tools/call`; None for every other message, and for what is none."""
    sent = _call(message)
    return None if sent is None else sent["params"]["arguments"]


def _call(message: str | bytes) -> dict[str, Any] | None:
    try:
        sent = json.load(message)
        right = sent["method"] == "tools/call" and isinstance(sent["id"], str | int)
        return sent if right and isinstance(sent["params"]["arguments"], dict) else None
    except (ValueError, TypeError, KeyError):
        return None
