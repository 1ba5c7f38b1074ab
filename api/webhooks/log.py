"""Reading what was sent: events, deliveries and their attempts."""

from typing import Any, get_args

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Text,
    bindparam,
    case,
    cast,
    column,
    func,
    literal,
    literal_column,
    null,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import JSON, JSONB, aggregate_order_by, array

from api.accounts.tenancy import owned
from api.http.pagination import Listing
from api.http.representation import Columns, Representation, shown
from api.stores import Prepared
from api.webhooks.catalogue import find
from api.webhooks.headers import NO_ENCODING, REDACTED, SENT_ALWAYS
from api.webhooks.models import Attempt, Delivery, Event
from api.webhooks.schemas import AttemptShown, DeliveryShown, DeliveryStatus, DeliveryWithAttempts, EventShown

MOST_ATTEMPTS = 100
# Nothing left our machine: there was no connection to send it over, or nothing to send.
_NOTHING_SENT = ("cannot_sign", "invalid_request", "dns", "forbidden_target", "connect_refused", "unreachable", "tls")


def _due_at(columns: Columns) -> ColumnElement[str]:
    return case((columns.finished_at.is_(None), shown(columns.due_at)), else_=null())


def _attempts(columns: Columns) -> ColumnElement[object]:
    # The receiver's spans hang below the request that caused the event, or below the event itself.
    of_event = (
        Event.workspace_id == columns.workspace_id,
        Event.livemode == columns.livemode,
        Event.id == columns.event_id,
    )
    caused_by = select(Event.trace_id).where(*of_event).correlate(Delivery).scalar_subquery()
    trace_id = func.coalesce(caused_by, _hex(columns.event_id))
    newest = (
        select(Attempt, columns.event_id, trace_id.label("trace_id"))
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


def _request_headers(columns: Columns) -> ColumnElement[Any]:
    """What was sent, put together as `workers/deliver` did it, from what the log keeps of it."""
    own = func.string_to_array(func.coalesce(columns.own_headers, ""), ",", type_=ARRAY(Text))
    at_s = func.floor(func.extract("epoch", columns.started_at)) + func.coalesce(columns.signed_after_s, 0)
    span_id = func.right(_hex(columns.id), 16)
    always = [
        (name, case((literal(name, Text) == func.any(own), REDACTED), else_=value) if name != "content-type" else value)
        for name, value in SENT_ALWAYS.items()
    ]
    ours = [
        ("accept-encoding", NO_ENCODING),
        ("traceparent", func.concat("00-", columns.trace_id, "-", span_id, "-01")),
        ("webhook-id", func.roadbed_id("evt", columns.event_id)),
        ("webhook-timestamp", cast(cast(at_s, BigInteger), Text)),
        ("webhook-signature", REDACTED),
    ]
    name = func.unnest(own).table_valued(column("name", Text), name="own").c.name
    theirs = (
        select(func.jsonb_agg(func.jsonb_build_array(name, REDACTED), type_=JSONB))
        .where(name != func.all(array([literal(always, Text) for always in SENT_ALWAYS])))
        .scalar_subquery()
    )
    known = [func.jsonb_build_array(literal(key, Text), value) for key, value in (*always, *ours)]
    sent = func.jsonb_build_array(*known, type_=JSONB).op("||")(func.coalesce(theirs, cast("[]", JSONB)))
    nothing = or_(
        columns.finished_at.is_(None), columns.error == func.any(array([literal(one, Text) for one in _NOTHING_SENT]))
    )
    return case((nothing, null()), else_=sent)


def _hex(id_: ColumnElement[Any]) -> ColumnElement[str]:
    return func.replace(cast(id_, Text), "-", "")


class _EventRepresentation(Representation):
    """An event is shown as the bytes that were sent, with its kind."""

    def json(self, source: Columns | None = None) -> ColumnElement[object]:
        columns = self.table.c if source is None else source
        return func.overlay(columns.body, literal_column('\'{"object":"event",\''), 1, 1)


ATTEMPT = Representation(AttemptShown, Attempt.__table__, "attempt", {"request_headers": _request_headers})
EVENT = _EventRepresentation(EventShown, Event.__table__, "event")
DELIVERY = Representation(DeliveryShown, Delivery.__table__, "delivery", {"due_at": _due_at})
_WITH_ATTEMPTS = Representation(
    DeliveryWithAttempts,
    Delivery.__table__,
    "delivery",
    {"due_at": _due_at, "attempts": _attempts},
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
