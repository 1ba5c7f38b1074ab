"""The limit: a bare aiohttp client loop with no database, no signature and no log.

    python -m bench.controls.loop URL COUNT

Prints seconds and CPU seconds as JSON.
"""

import asyncio
import json
import sys
import time

import aiohttp
import uvloop

AT_ONCE = 100


async def run(url: str, count: int, body: bytes) -> dict[str, float]:
    """POST so many times, 100 at once."""
    headers = {"content-type": "application/json", "webhook-id": "loop"}
    left = iter(range(count))

    async def post_on(session: aiohttp.ClientSession) -> None:
        for _ in left:
            async with session.post(url, data=body, headers=headers) as answer:
                await answer.read()

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_ONCE)) as session:
        began, cpu_began = time.perf_counter(), time.process_time()
        await asyncio.gather(*(post_on(session) for _ in range(AT_ONCE)))
        return {"seconds": time.perf_counter() - began, "cpu_s": time.process_time() - cpu_began}


if __name__ == "__main__":
    told = uvloop.run(run(sys.argv[1], int(sys.argv[2]), sys.stdin.buffer.read()))
    print(json.dumps(told))
