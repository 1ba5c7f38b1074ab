"""How Postgres would read a list."""

from typing import Any

import asyncpg

from api.http.pagination import Listing


async def plan_of(owner: asyncpg.Connection, listing: Listing, **wanted: Any) -> str:
    """The plan of a list's first page whatever the values are: the one that holds after many requests."""
    sql, values = listing.statement(wanted).bind(dict.fromkeys(("workspace_id", "livemode", "page_limit", *wanted)))
    nothing = ", ".join(["NULL"] * len(values))
    async with owner.transaction():
        await owner.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        await owner.execute(f"PREPARE page AS {sql}")
        rows = await owner.fetch(f"EXPLAIN EXECUTE page({nothing})")
        await owner.execute("DEALLOCATE page")
    return "\n".join(row[0] for row in rows)
