"""By the clock: decisions whose review date has come, and spikes that run over. Each is told once."""

from typing import Any

from api.decisions.observe import raise_due_reviews
from api.spikes.work import tell_overruns
from api.stores import Stores

MOST_ROUNDS = 50
_ROUNDS = (raise_due_reviews, tell_overruns)


async def review(context: dict[Any, Any]) -> None:
    """Every minute. A batch is a transaction, so that a backlog holds nothing for long."""
    stores: Stores = context["stores"]
    for tell in _ROUNDS:
        for _ in range(MOST_ROUNDS):
            async with stores.transaction() as tx:
                found = await tell(tx)
                await tx.commit()
            if not found:
                break
