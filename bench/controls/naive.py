"""How it is usually done: one arq job a delivery, a stock httpx client, one transaction an attempt.

    python -m bench.controls.naive DATABASE_URL REDIS_URL MAX_JOBS

It is written with care where care costs nothing: one client and one pool for the process, asyncpg without an ORM, an
index on what is looked up. Its tables are its own.
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import sys
import time
from typing import Any
from uuid import UUID

import asyncpg
import httpx
from arq import Retry, Worker
from arq.connections import RedisSettings
from arq.worker import func

TIMEOUT_S = 15
RETRY_AFTER_S = 5
SECRET = base64.b64encode(bytes(24)).decode()
TABLES = """
CREATE TABLE endpoints (id int PRIMARY KEY, url text NOT NULL, secret text NOT NULL);
CREATE TABLE events (id uuid PRIMARY KEY, body text NOT NULL, created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE deliveries (
    id uuid PRIMARY KEY, event_id uuid NOT NULL REFERENCES events, endpoint_id int NOT NULL REFERENCES endpoints,
    status text NOT NULL DEFAULT 'pending', attempt_count int NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE attempts (
    id uuid PRIMARY KEY DEFAULT uuidv7(), delivery_id uuid NOT NULL REFERENCES deliveries, status_code int,
    error text, latency_ms float8, response_headers jsonb, response_body text,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON attempts (delivery_id, id);
"""
WRITE = """
WITH event AS (INSERT INTO events (id, body) VALUES ($1, $2) RETURNING id)
INSERT INTO deliveries (id, event_id, endpoint_id) SELECT $1, id, $3 FROM event
"""
_READ = """
SELECT d.event_id, e.body, p.url, p.secret
FROM deliveries d JOIN events e ON e.id = d.event_id JOIN endpoints p ON p.id = d.endpoint_id
WHERE d.id = $1 AND d.status = 'pending'
"""
_LOG = """
INSERT INTO attempts (delivery_id, status_code, error, latency_ms, response_headers, response_body)
VALUES ($1, $2, $3, $4, '[]', $5)
"""
_MARK = "UPDATE deliveries SET status = $2, attempt_count = attempt_count + 1 WHERE id = $1"


async def deliver(context: dict[str, Any], delivery_id: str) -> None:
    """Read it, sign it, send it, write what came of it."""
    pool: asyncpg.Pool = context["pool"]
    client: httpx.AsyncClient = context["client"]
    key = UUID(delivery_id)
    row = await pool.fetchrow(_READ, key)
    if row is None:
        return
    began = time.perf_counter()
    status, error, text = None, None, ""
    try:
        headers = _signed(str(row["event_id"]), row["body"].encode(), row["secret"])
        answer = await client.post(row["url"], content=row["body"].encode(), headers=headers)
        status, text = answer.status_code, answer.text[:16384]
    except httpx.HTTPError as failure:
        error = repr(failure)
    delivered = status is not None and 200 <= status < 300
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(_LOG, key, status, error, (time.perf_counter() - began) * 1000, text)
        await connection.execute(_MARK, key, "delivered" if delivered else "pending")
    if not delivered:
        raise Retry(defer=RETRY_AFTER_S)


def _signed(event_id: str, body: bytes, secret: str) -> dict[str, str]:
    now = str(int(time.time()))
    mac = hmac.digest(base64.b64decode(secret), f"{event_id}.{now}.".encode() + body, hashlib.sha256)
    signature = f"v1,{base64.b64encode(mac).decode()}"
    named = {"webhook-id": event_id, "webhook-timestamp": now, "webhook-signature": signature}
    return {"content-type": "application/json", **named}


async def work(database_url: str, redis_url: str, max_jobs: int) -> None:
    async with (
        asyncpg.create_pool(database_url, min_size=10, max_size=10) as pool,
        httpx.AsyncClient(timeout=TIMEOUT_S, limits=httpx.Limits(max_connections=max_jobs)) as client,
    ):
        worker = Worker(
            functions=[func(deliver, name="deliver", keep_result=0)],  # type: ignore[arg-type]
            redis_settings=RedisSettings.from_dsn(redis_url),
            ctx={"pool": pool, "client": client},
            max_jobs=max_jobs,
            log_results=False,
        )
        with contextlib.suppress(asyncio.CancelledError):
            await worker.async_run()


if __name__ == "__main__":
    import uvloop

    uvloop.run(work(sys.argv[1], sys.argv[2], int(sys.argv[3])))
