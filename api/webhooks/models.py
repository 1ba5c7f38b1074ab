"""Endpoints, events, deliveries and attempts: what Postgres remembers so that nothing is lost."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKeyConstraint, Index, Integer, LargeBinary, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import UserDefinedType

from api.db import Base, Stamped, Tenant, identity, reference


class Xid8(UserDefinedType[int]):
    """Postgres's 64-bit transaction id."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "xid8"


# SQLAlchemy does not know the type by itself, and would warn when it compares the tables with the models.
ischema_names["xid8"] = Xid8


def _of_endpoint() -> ForeignKeyConstraint:
    """A reference that stays inside its workspace and mode: the tenant's columns are part of the key."""
    return ForeignKeyConstraint(
        ["workspace_id", "livemode", "endpoint_id"],
        ["endpoints.workspace_id", "endpoints.livemode", "endpoints.id"],
        ondelete="CASCADE",
    )


class Endpoint(Tenant, Stamped, Base):
    """A subscriber's URL, the event types that it wants, and how it wants them.

    `event_types` are names, `decision.*`, or `*`; `condition` narrows them by fields of the data. `headers` are the
    subscriber's own, sealed, since they may carry a credential. `schedule` are the pauses before each attempt in
    seconds, null for the default one. `disabled_reason` is set when it was not the subscriber who disabled it.
    """

    __tablename__ = "endpoints"
    __table_args__ = (
        CheckConstraint("ordering IN ('none', 'endpoint', 'entity')", name="ordering"),
        CheckConstraint("payload IN ('full', 'thin')", name="payload"),
        Index("ix_endpoints_disabled", "workspace_id", "livemode", "id", postgresql_where=text("NOT enabled")),
    )

    id: Mapped[UUID] = identity("ep")
    url: Mapped[str]
    description: Mapped[str | None]
    event_types: Mapped[list[str]] = mapped_column(ARRAY(Text))
    condition: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    disabled_reason: Mapped[str | None]
    ordering: Mapped[str] = mapped_column(server_default="none")
    payload: Mapped[str] = mapped_column(server_default="full")
    schedule: Mapped[list[int] | None] = mapped_column(ARRAY(Integer))
    rate_per_s: Mapped[int | None]
    max_in_flight: Mapped[int] = mapped_column(server_default="16")
    header_names: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    sealed_headers: Mapped[bytes | None] = mapped_column(LargeBinary)
    extra: Mapped[dict[str, Any]] = mapped_column("metadata", JSONB, server_default=text("'{}'"))


class EndpointSecret(Tenant, Base):
    """A signing key of an endpoint, sealed. Several live at once while one is rotated; `expires_at` ends the old.

    `kind` is hmac (signs `v1`) or ed25519 (signs `v1a`, and has a `public_key`).
    """

    __tablename__ = "endpoint_secrets"
    __table_args__ = (
        _of_endpoint(),
        CheckConstraint("kind IN ('hmac', 'ed25519')", name="kind"),
        Index("ix_endpoint_secrets_endpoint", "workspace_id", "livemode", "endpoint_id"),
    )

    id: Mapped[UUID] = identity("whs")
    endpoint_id: Mapped[UUID] = reference("ep")
    kind: Mapped[str] = mapped_column(server_default="hmac")
    public_key: Mapped[str | None]
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime | None]


class EndpointHealth(Tenant, Base):
    """How an endpoint has answered lately. No row means that nothing is wrong.

    `recent` are the last 20 results as bits, the newest lowest, 1 for a failure, of which `recent_count` are known.
    Until `blocked_until` nothing is sent: the breaker is open, or the receiver asked for a pause.
    """

    __tablename__ = "endpoint_health"
    __table_args__ = (
        _of_endpoint(),
        CheckConstraint("breaker IN ('closed', 'open')", name="breaker"),
        Index("ix_endpoint_health_blocked", "blocked_until", postgresql_where=text("blocked_until IS NOT NULL")),
    )

    endpoint_id: Mapped[UUID] = reference("ep", primary_key=True)
    breaker: Mapped[str] = mapped_column(server_default="closed")
    failures_in_row: Mapped[int] = mapped_column(server_default="0")
    recent: Mapped[int] = mapped_column(server_default="0")
    recent_count: Mapped[int] = mapped_column(server_default="0")
    openings: Mapped[int] = mapped_column(server_default="0")
    blocked_until: Mapped[datetime | None]
    failing_since: Mapped[datetime | None]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Event(Tenant, Base):
    """Something that happened, as the very bytes that are signed and sent. `trace_id`: the request's, 32 hex digits.

    `xid` is the transaction that wrote it. Ids are made before the commit, so a reader by id would pass over an event
    whose transaction ends late. Read by (xid, id), and only below the oldest transaction that still runs, nothing is
    passed over: whoever commits later has a higher xid (docs/decisions/0010-event-feed.md).
    """

    __tablename__ = "events"
    __table_args__ = (
        Index("ix_events_feed", "workspace_id", "livemode", "xid", "id"),
        Index("ix_events_type", "workspace_id", "livemode", "type", "id"),
    )

    id: Mapped[UUID] = identity("evt")
    type: Mapped[str]
    body: Mapped[str]
    trace_id: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    xid: Mapped[int] = mapped_column(BigInteger, server_default=text("(pg_current_xact_id()::text)::bigint"))
    expunged_at: Mapped[datetime | None]


class Delivery(Tenant, Base):
    """One event for one endpoint.

    `pending` is due at `due_at`; `held` waits for its endpoint to be enabled; `delivered` and `dead` are at rest. A
    claimed delivery stays pending: `claim` is the attempt under way, and nobody else takes it before `leased_until`.
    `failures` counts finished attempts that failed, and walks the schedule; `attempt_count` counts all.

    `order_key` is null where order does not matter, empty where the endpoint wants all in order, and the entity's id
    where it wants that of each entity. `xid` is the transaction that wrote it, and orders what is in order.
    `event_type` is the event's, kept here too so that a page of the log reads no events: deep in a log of millions
    each would be one more read of the disk.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        _of_endpoint(),
        CheckConstraint("status IN ('pending', 'held', 'delivered', 'dead')", name="status"),
        Index("ix_deliveries_due", "due_at", postgresql_where=text("status = 'pending' AND order_key IS NULL")),
        Index(
            "ix_deliveries_lane",
            "workspace_id",
            "livemode",
            "endpoint_id",
            "due_at",
            postgresql_where=text("status = 'pending' AND order_key IS NULL"),
        ),
        Index(
            "ix_deliveries_ordered",
            "workspace_id",
            "livemode",
            "endpoint_id",
            "xid",
            "id",
            postgresql_where=text("status = 'pending' AND order_key IS NOT NULL"),
        ),
        Index(
            "ix_deliveries_undelivered",
            "workspace_id",
            "livemode",
            "id",
            postgresql_where=text("status <> 'delivered'"),
        ),
        Index(
            "ix_deliveries_held",
            "workspace_id",
            "livemode",
            "endpoint_id",
            "xid",
            "id",
            postgresql_where=text("status = 'held'"),
        ),
        Index(
            "ix_deliveries_dead",
            "workspace_id",
            "livemode",
            "endpoint_id",
            "id",
            postgresql_where=text("status = 'dead'"),
        ),
        Index("ix_deliveries_endpoint", "workspace_id", "livemode", "endpoint_id", "id"),
        Index("ix_deliveries_event", "workspace_id", "livemode", "event_id"),
    )

    id: Mapped[UUID] = identity("dlv")
    event_id: Mapped[UUID] = reference("evt")
    event_type: Mapped[str]
    endpoint_id: Mapped[UUID] = reference("ep")
    status: Mapped[str] = mapped_column(server_default="pending")
    due_at: Mapped[datetime] = mapped_column(server_default=func.now())
    leased_until: Mapped[datetime | None]
    claim: Mapped[UUID | None]
    order_key: Mapped[str | None]
    xid: Mapped[int] = mapped_column(Xid8(), server_default=text("pg_current_xact_id()"))
    attempt_count: Mapped[int] = mapped_column(server_default="0")
    failures: Mapped[int] = mapped_column(server_default="0")
    last_status_code: Mapped[int | None]
    last_error: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    finished_at: Mapped[datetime | None]


class Attempt(Tenant, Base):
    """One request to an endpoint. The row is written before the request leaves: without `finished_at` it is under way,
    or its worker died. Partitioned by id, which begins with its time, a partition a day (migration 0002).

    Of the request's headers only that is kept which cannot be told again: `signed_after_s`, the whole seconds from
    `started_at` to the webhook-timestamp, null for none; and the names of the endpoint's own headers, with commas.
    """

    __tablename__ = "attempts"
    __table_args__ = (
        Index("ix_attempts_delivery", "workspace_id", "livemode", "delivery_id", "id"),
        {"postgresql_partition_by": "RANGE (id)"},
    )

    id: Mapped[UUID] = identity("att")
    delivery_id: Mapped[UUID] = reference("dlv")
    endpoint_id: Mapped[UUID] = reference("ep")
    number: Mapped[int]
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    finished_at: Mapped[datetime | None]
    status_code: Mapped[int | None]
    error: Mapped[str | None]
    latency_ms: Mapped[float | None]
    signed_after_s: Mapped[int | None] = mapped_column(BigInteger)
    own_headers: Mapped[str | None]
    response_headers: Mapped[list[Any] | None] = mapped_column(JSONB)
    response_body: Mapped[str | None]
