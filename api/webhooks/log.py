"""Reading what was sent: events, deliveries and their attempts."""

from typing import get_args

from sqlalchemy import ColumnElement, bindparam, case, func, literal_column, null, or_, select
from sqlalchemy.dialects.postgresql import JSON, aggregate_order_by

from api.accounts.tenancy import owned
from api.http.pagination import Listing
from api.http.representation import Columns, Representation, shown
from api.stores import Prepared
from api.webhooks.catalogue import find
from api.webhooks.models import Attempt, Delivery, Event
from api.webhooks.schemas import AttemptShown, DeliveryShown, DeliveryStatus, DeliveryWithAttempts, EventShown

MOST_ATTEMPTS = 100


def _event_type(columns: Columns) -> ColumnElement[str]:
    return (
        select(Event.type)
        .where(
            Event.workspace_id == columns.workspace_id,
            Event.livemode == columns.livemode,
            Event.id == columns.event_id,
        )
        .scalar_subquery()
    )


def _due_at(columns: Columns) -> ColumnElement[str]:
    return case((columns.finished_at.is_(None), shown(columns.due_at)), else_=null())


def _attempts(columns: Columns) -> ColumnElement[object]:
    newest = (
        select(Attempt)
        .where(
            Attempt.workspace_id == columns.workspace_id,
            Attempt.livemode == columns.livemode,
            Attempt.delivery_id == columns.id,
        )
        .order_by(Attempt.id.desc())
        .limit(MOST_ATTEMPTS)
        .correlate(Delivery)
        .subquery()
    )
    attempt = ATTEMPT.json(newest.c)
    listed = select(func.json_agg(aggregate_order_by(attempt, newest.c.id.desc()), type_=JSON)).scalar_subquery()
    return func.coalesce(listed, literal_column("'[]'::json"), type_=JSON)


class _EventRepresentation(Representation):
    """An event is shown as the bytes that were sent, with its kind."""

    def json(self, source: Columns | None = None) -> ColumnElement[object]:
        columns = self.table.c if source is None else source
        return func.overlay(columns.body, literal_column('\'{"object":"event",\''), 1, 1)


ATTEMPT = Representation(AttemptShown, Attempt.__table__, "attempt")
EVENT = _EventRepresentation(EventShown, Event.__table__, "event")
DELIVERY = Representation(DeliveryShown, Delivery.__table__, "delivery", {"event_type": _event_type, "due_at": _due_at})
_WITH_ATTEMPTS = Representation(
    DeliveryWithAttempts,
    Delivery.__table__,
    "delivery",
    {"event_type": _event_type, "due_at": _due_at, "attempts": _attempts},
)
DELIVERY_WITH_ATTEMPTS = Prepared(
    select(
        _WITH_ATTEMPTS.text(),
        or_(Delivery.finished_at.is_not(None), Delivery.failures > 0).label("attempted"),
        (Delivery.status == "delivered").label("delivered"),
    ).where(owned(Delivery), Delivery.id == bindparam("id"))
)
EVENT_BY_ID = Prepared(select(EVENT.text()).where(owned(Event), Event.id == bindparam("id")))
EVENTS = Listing(EVENT, filters=("type",), written_out={"type": lambda name: find(name) is not None})
DELIVERIES = Listing(
    DELIVERY,
    filters=("endpoint_id", "event_id", "status"),
    written_out={"status": get_args(DeliveryStatus).__contains__},
)
