"""Trigger an event type: its example, through the real path, to every endpoint that wants it."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import bindparam, func, select

from api import json
from api.accounts.tenancy import owned
from api.problems import invalid_field
from api.stores import Prepared, Transaction
from api.webhooks import catalogue
from api.webhooks.models import Delivery
from api.webhooks.outbox import emit

_COUNT = Prepared(select(func.count()).where(owned(Delivery), Delivery.event_id == bindparam("id")))


@dataclass(frozen=True)
class Made:
    """The event, and to how many endpoints it goes."""

    event_id: UUID
    deliveries: int


async def trigger(tx: Transaction, name: str) -> Made:
    """Emit the type's example. Raises Invalid for a type that does not exist."""
    found = catalogue.find(name)
    if found is None:
        raise invalid_field("/type", f"there is no {name}; GET /v1/catalog lists them all", "unknown_event_type")
    event_id = await emit(tx, found, json.dump(found.example | _mode(tx, found.example)))
    return Made(event_id, await tx.value(_COUNT, id=event_id))


def _mode(tx: Transaction, example: dict[str, object]) -> dict[str, object]:
    """The example as it would be in this mode."""
    return {"livemode": tx.scope.livemode} if "livemode" in example else {}
