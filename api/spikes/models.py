"""Spikes."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Numeric, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from api.db import Base, Stamped, Tenant, identity, reference

STATUSES = ("requested", "started", "concluded")


class Spike(Tenant, Stamped, Base):
    """A question that is looked into for a bounded time. `due_at` counts working days from the start."""

    __tablename__ = "spikes"
    __table_args__ = (
        CheckConstraint(f"status IN {STATUSES}", name="status"),
        Index("ix_spikes_created", "workspace_id", "livemode", "created_at", "id"),
        Index("ix_spikes_due_at", "due_at", postgresql_where=text("status = 'started' AND overran_at IS NULL")),
    )

    id: Mapped[UUID] = identity("spike")
    question: Mapped[str]
    context: Mapped[str | None]
    timebox_days: Mapped[Decimal] = mapped_column(Numeric)
    owner: Mapped[str]
    feature_id: Mapped[UUID | None] = reference("feat", nullable=True)
    status: Mapped[str]
    started_at: Mapped[datetime | None]
    due_at: Mapped[datetime | None]
    overran_at: Mapped[datetime | None]
    concluded_at: Mapped[datetime | None]
    feasibility: Mapped[str | None]
    estimate: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    risks: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    recommendation: Mapped[str | None]
    summary: Mapped[str | None]
    decision_id: Mapped[UUID | None] = reference("dec", nullable=True)
