"""Whatever a test told subscribers is held against the catalogue: each event against its type's own schema."""

import asyncio
from functools import lru_cache

import asyncpg
from jsonschema import Draft202012Validator
from sqlalchemy import text

from api import json
from api.stores import Stores
from tests.support.document import event_schema

# A test may write thousands; of each type the newest few say it all. Those without a body only fill the table.
OF_EACH_TYPE = 5
_NEWEST = """
SELECT type, body FROM (
    SELECT type, body, row_number() OVER (PARTITION BY type ORDER BY id DESC) AS number FROM events
    WHERE expunged_at IS NULL AND body <> '{}'
) AS told WHERE number <= $1"""


async def settled(stores: Stores) -> None:
    """Until every transaction that has begun by now has ended, in any database of the server: other tests write too,
    and the feed waits for them."""
    async with stores.transaction() as tx:
        newest = await tx.value(text("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"))
    async with asyncio.timeout(60):
        while True:
            async with stores.transaction() as tx:
                if await tx.value(text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")) >= newest:
                    return
            await asyncio.sleep(0.01)


async def wrong_events(owner: asyncpg.Connection) -> list[str]:
    """A sentence about each event that is not what the catalogue says of its type. One that was cut to its id, object
    and version, being too large, says so itself."""
    wrong = []
    for event_type, body in await owner.fetch(_NEWEST, OF_EACH_TYPE):
        event = json.load(body)
        if event["data"].get("thin"):
            continue
        wrong += [
            f"{event_type}{error.json_path[1:]}: {error.message[:200]}" for error in _of(event_type).iter_errors(event)
        ]
    return wrong


@lru_cache(100)
def _of(event_type: str) -> Draft202012Validator:
    return Draft202012Validator(event_schema(event_type))
