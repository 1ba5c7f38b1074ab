"""The receiver of the benches: a process of its own that costs as little as a Python process can.

    /hook…   204 at once
    /late…   500 to the first request of each path with a webhook-id, 204 to the next
    /hole…   reads and never answers

It prints its two ports (a black hole is a host of its own) and is asked by GET: /-/count, and /-/take, which gives
[webhook-id, path, monotonic seconds of the first byte] of each request and forgets them.
"""

import asyncio
import json
import sys

import uvloop

from tests.support.hooks import FAILED, NO_CONTENT, Hit, HookProtocol


class _Records:
    def __init__(self) -> None:
        self.hits: list[tuple[str, str, float]] = []
        self._failed: set[tuple[str, str]] = set()

    def on_hit(self, hit: Hit) -> bytes | None:
        if hit.path.startswith("/-/"):
            return self._told(hit.path)
        webhook_id = hit.header("webhook-id")
        self.hits.append((webhook_id, hit.path, hit.first_byte_at))
        if hit.path.startswith("/hole"):
            return None
        if hit.path.startswith("/late") and (webhook_id, hit.path) not in self._failed:
            self._failed.add((webhook_id, hit.path))
            return FAILED
        return NO_CONTENT

    def _told(self, path: str) -> bytes:
        if path == "/-/count":
            last = self.hits[-1][2] if self.hits else 0.0
            first = self.hits[0][2] if self.hits else 0.0
            body = json.dumps([len(self.hits), first, last]).encode()
        else:
            body, self.hits = json.dumps(self.hits).encode(), []
        return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s" % (len(body), body)


async def _serve() -> None:
    records = _Records()
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(lambda: HookProtocol(records.on_hit), "127.0.0.1", 0) for _ in range(2)]
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)  # until the bench goes away


if __name__ == "__main__":
    uvloop.run(_serve())
