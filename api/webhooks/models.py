"""Endpoints, events, deliveries and attempts: what Postgres remembers so that nothing is lost."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, LargeBinary, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from api.db import Base, Stamped, Tenant, identity, reference


def _foreign(column: str, table: str) -> ForeignKeyConstraint:
    """A reference that stays inside its workspace and mode: the tenant's columns are part of the key."""
    return ForeignKeyConstraint(
        ["workspace_id", "livemode", column],
        [f"{table}.workspace_id", f"{table}.livemode", f"{table}.id"],
        ondelete="CASCADE",
    )


class Endpoint(Tenant, Stamped, Base):
    """A subscriber's URL and the event types that it wants: names, `decision.*`, or `*`."""

    __tablename__ = "endpoints"

    id: Mapped[UUID] = identity("ep")
    url: Mapped[str]
    description: Mapped[str | None]
    event_types: Mapped[list[str]] = mapped_column(ARRAY(Text))
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    disabled_reason: Mapped[str | None]
    extra: Mapped[dict[str, Any]] = mapped_column("metadata", JSONB, server_default=text("'{}'"))


class EndpointSecret(Tenant, Base):
    """A signing key of an endpoint, sealed. Several live at once while one is rotated; `expires_at` ends the old."""

    __tablename__ = "endpoint_secrets"
    __table_args__ = (
        _foreign("endpoint_id", "endpoints"),
        Index("ix_endpoint_secrets_endpoint", "workspace_id", "livemode", "endpoint_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuidv7()"))
    endpoint_id: Mapped[UUID] = reference("ep")
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime | None]


class Event(Tenant, Base):
    """Something that happened, as the very bytes that are signed and sent."""

    __tablename__ = "events"

    id: Mapped[UUID] = identity("evt")
    type: Mapped[str]
    body: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Delivery(Tenant, Base):
    """One event for one endpoint.

    `pending` is due at `due_at`; `held` waits for its endpoint to be enabled; `delivered` and `dead` are at rest. A
    claimed delivery is pending with `claim`, the id of the attempt under way, and due again when its lease ends.
    `failures` counts finished attempts that failed, and walks the schedule; `attempt_count` counts all.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        _foreign("event_id", "events"),
        _foreign("endpoint_id", "endpoints"),
        CheckConstraint("status IN ('pending', 'held', 'delivered', 'dead')", name="status"),
        Index("ix_deliveries_due", "due_at", postgresql_where=text("status = 'pending'")),
        Index("ix_deliveries_endpoint", "workspace_id", "livemode", "endpoint_id", "id"),
        Index("ix_deliveries_event", "workspace_id", "livemode", "event_id"),
    )

    id: Mapped[UUID] = identity("dlv")
    event_id: Mapped[UUID] = reference("evt")
    endpoint_id: Mapped[UUID] = reference("ep")
    status: Mapped[str] = mapped_column(server_default="pending")
    due_at: Mapped[datetime] = mapped_column(server_default=func.now())
    claim: Mapped[UUID | None]
    attempt_count: Mapped[int] = mapped_column(server_default="0")
    failures: Mapped[int] = mapped_column(server_default="0")
    last_status_code: Mapped[int | None]
    last_error: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    finished_at: Mapped[datetime | None]


class Attempt(Tenant, Base):
    """One request to an endpoint. The row is written before the request leaves: without `finished_at` it is under way,
    or its worker died."""

    __tablename__ = "attempts"
    __table_args__ = (
        _foreign("delivery_id", "deliveries"),
        Index("ix_attempts_delivery", "workspace_id", "livemode", "delivery_id", "id"),
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
    response_headers: Mapped[list[Any] | None] = mapped_column(JSONB)
    response_body: Mapped[str | None]
