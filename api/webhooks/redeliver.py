"""Send a delivery again, with a new walk through the schedule."""

from uuid import UUID

from sqlalchemy import bindparam, case, func, select, update

from api.accounts.tenancy import one, owned
from api.db import wire_id
from api.problems import Conflict
from api.stores import Prepared, Transaction
from api.webhooks.expunge import check_not_expunged
from api.webhooks.log import DELIVERY
from api.webhooks.models import Delivery, Endpoint

_LOCK = Prepared(
    select(Delivery.status, Delivery.event_id).where(owned(Delivery), Delivery.id == bindparam("id")).with_for_update()
)
_enabled = select(Endpoint.enabled).where(owned(Endpoint), Endpoint.id == Delivery.endpoint_id).scalar_subquery()
_AGAIN = Prepared(
    update(Delivery)
    .values(
        status=case((_enabled, "pending"), else_="held"), due_at=func.now(), claim=None, failures=0, finished_at=None
    )
    .where(owned(Delivery), Delivery.id == bindparam("id"))
    .returning(DELIVERY.text())
)


class StillUnderWay(Conflict):
    """The delivery has not come to rest: it is sent again by itself."""

    code, title = "delivery_under_way", "The delivery is still under way"


async def redeliver(tx: Transaction, delivery_id: UUID) -> str:
    """Make a delivered or dead delivery due again, or held where its endpoint is disabled; the attempts it had stay in
    the log. Gives it as JSON text.

    Raises NotFound, StillUnderWay, EventExpunged.
    """
    row = await one(tx, _LOCK, delivery_id, "delivery", "dlv")
    if row["status"] in ("pending", "held"):
        message = f"{wire_id('dlv', delivery_id)} is {row['status']}: it will be sent by itself."
        raise StillUnderWay(message)
    await check_not_expunged(tx, row["event_id"])
    text: str = await tx.value(_AGAIN, id=delivery_id)
    tx.ring_on_commit()
    return text
