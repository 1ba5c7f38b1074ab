"""The limit: a bare ASGI application, asyncpg, and answers that Postgres builds as JSON in one statement.

    python -m bench.controls.limit DATABASE_URL WORKSPACE_ID PORT

It reads the product's own table as its owner: no key, no row-level security, no limits, no framework, and ids and times
as Postgres writes them. Faster than this a read on this stack cannot be.
"""

import gc
import sys
from typing import Any
from uuid import UUID

import asyncpg
import uvicorn

_FEATURE = """
json_build_object('id', id, 'object', 'feature', 'livemode', livemode, 'title', title, 'description', description,
    'status', status, 'bucket', bucket, 'labels', labels, 'metadata', metadata, 'external_id', external_id,
    'source', source, 'depends_on', depends_on, 'version', version, 'created_at', created_at, 'updated_at', updated_at)
"""
_ONE = f"SELECT {_FEATURE}::text FROM features WHERE workspace_id = $1 AND livemode AND id = $2"
_LIST = f"""
SELECT json_agg({_FEATURE} ORDER BY id DESC)::text
FROM (SELECT * FROM features WHERE workspace_id = $1 AND livemode ORDER BY id DESC LIMIT $2) AS page
"""


class Limit:
    """GET /features/{uuid} and GET /features?limit=50, and nothing else."""

    def __init__(self, database_url: str, workspace_id: UUID) -> None:
        self._database_url, self._workspace_id = database_url, workspace_id
        self._pool: asyncpg.Pool | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        assert self._pool is not None
        head, _, name = scope["path"].rpartition("/")
        if head:
            found = await self._pool.fetchval(_ONE, self._workspace_id, UUID(name))
        else:
            limit = int(scope["query_string"].partition(b"=")[2])
            found = '{"object":"list","data":' + await self._pool.fetchval(_LIST, self._workspace_id, limit) + "}"
        body = found.encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _live(self, receive: Any, send: Any) -> None:
        await receive()
        settings = {"jit": "off", "timezone": "UTC"}
        self._pool = await asyncpg.create_pool(
            self._database_url, min_size=10, max_size=10, server_settings=settings, reset=_leave
        )
        gc.collect()
        gc.freeze()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._pool.close()
        await send({"type": "lifespan.shutdown.complete"})


async def _leave(connection: Any) -> None:
    """Nothing was set that has to be undone: asyncpg's own reset would be a second round trip for each request."""


if __name__ == "__main__":
    database_url, workspace_id, port = sys.argv[1:]
    uvicorn.run(
        Limit(database_url, UUID(workspace_id)),
        port=int(port),
        access_log=False,
        server_header=False,
        log_level="warning",
    )
