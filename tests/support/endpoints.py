"""Very many endpoints at once."""

from typing import Any

import asyncpg

from api.db import parse_id
from api.webhooks.sealing import Sealer


async def multiply(owner: asyncpg.Connection, sealer: Sealer, first: dict[str, Any], url: str, count: int) -> None:
    """`count` endpoints in all, at `url/0` and so on: copies of the first row.

    Through the API they would take longer than what is tested. A secret is sealed for its
    endpoint, so each is made by the API's own code.
    """
    names = "workspace_id, livemode, description, event_types, enabled, metadata"
    copied = await owner.fetch(
        f"INSERT INTO endpoints ({names}, url) SELECT {names}, $2 || '/' || number FROM endpoints, "
        "generate_series(1, $3) AS number WHERE endpoints.id = $1 RETURNING workspace_id, livemode, id",
        parse_id("ep", first["id"]),
        url,
        count - 1,
    )
    secrets = [
        (
            row["workspace_id"],
            row["livemode"],
            row["id"],
            sealer.seal(first["secret"].encode(), context=row["id"].bytes),
        )
        for row in copied
    ]
    await owner.executemany(
        "INSERT INTO endpoint_secrets (workspace_id, livemode, endpoint_id, sealed) VALUES ($1, $2, $3, $4)", secrets
    )
