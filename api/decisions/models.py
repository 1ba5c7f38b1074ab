"""Decisions: options, criteria and ratings, and what was chosen."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from api.db import Base, Stamped, Tenant, identity
from api.search.models import search_index, searched

KINDS = ("build_vs_buy", "tradeoff", "tech_debt", "architecture", "scope")


class Decision(Tenant, Stamped, Base):
    """A draft can be changed. Once recorded, the database itself refuses every change (a trigger, migration 0005)."""

    __tablename__ = "decisions"
    __table_args__ = (
        CheckConstraint("status IN ('draft', 'recorded')", name="status"),
        CheckConstraint(f"kind IN {KINDS}", name="kind"),
        CheckConstraint("(status = 'recorded') = (recorded_at IS NOT NULL)", name="recorded"),
        Index("ix_decisions_created", "workspace_id", "livemode", "created_at", "id"),
        search_index("decisions"),
    )

    id: Mapped[UUID] = identity("dec")
    title: Mapped[str]
    kind: Mapped[str]
    context: Mapped[str | None]
    options: Mapped[list[Any]] = mapped_column(JSONB)
    criteria: Mapped[list[Any]] = mapped_column(JSONB)
    ratings: Mapped[dict[str, Any]] = mapped_column(JSONB)
    missing_ratings: Mapped[list[Any]] = mapped_column(JSONB)
    analysis: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    status: Mapped[str]
    chosen: Mapped[str | None]
    rationale: Mapped[str | None]
    decided_by: Mapped[str | None]
    review_at: Mapped[datetime | None]
    recorded_at: Mapped[datetime | None]
    search: Mapped[Any] = searched("roadbed_decision_words(context, rationale, options)")
