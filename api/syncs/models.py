"""Weekly syncs, and blockers."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Date, Index, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from api.db import Base, Stamped, Tenant, identity, reference

BLOCKER_STATUSES = ("open", "escalated", "resolved")


class Sync(Tenant, Stamped, Base):
    """A meeting's agenda as it was built, and what came out. What is in `shipped_ids` is not told again."""

    __tablename__ = "syncs"
    __table_args__ = (
        CheckConstraint("status IN ('planned', 'held')", name="status"),
        Index("ix_syncs_monday", "workspace_id", "livemode", "monday", "id"),
    )

    id: Mapped[UUID] = identity("sync")
    monday: Mapped[date] = mapped_column(Date)
    status: Mapped[str]
    since: Mapped[datetime]
    told: Mapped[dict[str, Any]]
    markdown: Mapped[str]
    shipped_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    actions: Mapped[list[Any]] = mapped_column(JSONB)
    notes: Mapped[str | None]
    held_at: Mapped[datetime | None]


class Blocker(Tenant, Stamped, Base):
    """What keeps somebody from going on, until it is resolved or escalated."""

    __tablename__ = "blockers"
    __table_args__ = (
        CheckConstraint(f"status IN {BLOCKER_STATUSES}", name="status"),
        CheckConstraint("severity IN ('low', 'medium', 'high')", name="severity"),
        Index("ix_blockers_status", "workspace_id", "livemode", "status", "created_at", "id"),
    )

    id: Mapped[UUID] = identity("blk")
    title: Mapped[str]
    description: Mapped[str | None]
    owner: Mapped[str]
    severity: Mapped[str]
    feature_id: Mapped[UUID | None] = reference("feat", nullable=True)
    status: Mapped[str]
    escalated_to: Mapped[str | None]
    escalated_at: Mapped[datetime | None]
    resolution: Mapped[str | None]
    resolved_at: Mapped[datetime | None]
