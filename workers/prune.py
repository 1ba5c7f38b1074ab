"""Forget what is past its time, a little at once."""

from typing import Any

from api.http.idempotency import expired
from api.stores import Stores


async def prune(context: dict[Any, Any]) -> None:
    """Hourly: replies that were kept for idempotency keys."""
    stores: Stores = context["stores"]
    async with stores.transaction() as tx:
        await tx.run(expired(stores.settings.idempotency_hours))
        await tx.commit()
