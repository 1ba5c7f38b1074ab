"""Decisions: options, criteria and ratings, what was chosen, and the chain that proves it."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    Numeric,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from api.db import Base, Stamped, Tenant, identity, reference
from api.search.models import search_index, searched

KINDS = ("build_vs_buy", "tradeoff", "tech_debt", "architecture", "scope")


class Decision(Tenant, Stamped, Base):
    """A draft can be changed. Once recorded, the database itself refuses every change: a trigger for all, and a policy
    for the application's role (migrations 0005 and "decisions as resources").
    """

    __tablename__ = "decisions"
    __table_args__ = (
        CheckConstraint("status IN ('draft', 'recorded')", name="status"),
        CheckConstraint(f"kind IN {KINDS}", name="kind"),
        CheckConstraint("(status = 'recorded') = (recorded_at IS NOT NULL)", name="recorded"),
        Index("ix_decisions_created", "workspace_id", "livemode", "created_at", "id"),
        search_index("decisions"),
        Index("ix_decisions_aliases", "aliases", postgresql_using="gin"),
        Index("ix_decisions_review_at", "review_at", postgresql_where=text("review_at IS NOT NULL")),
        UniqueConstraint("workspace_id", "livemode", "number"),
    )

    id: Mapped[UUID] = identity("dec")
    number: Mapped[int]
    aliases: Mapped[list[str]] = mapped_column(ARRAY(Text))
    title: Mapped[str]
    kind: Mapped[str]
    context: Mapped[str | None]
    options: Mapped[list[Any]] = mapped_column(JSONB)
    criteria: Mapped[list[Any]] = mapped_column(JSONB)
    ratings: Mapped[dict[str, Any]] = mapped_column(JSONB)
    missing_ratings: Mapped[list[Any]] = mapped_column(JSONB)
    analysis: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    fixed: Mapped[list[str]] = mapped_column(ARRAY(Text))
    assumptions: Mapped[list[Any]] = mapped_column(JSONB)
    triggers: Mapped[list[Any]] = mapped_column(JSONB)
    checklist: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    estimate: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    assessment: Mapped[dict[str, Any]] = mapped_column(JSONB)
    status: Mapped[str]
    chosen: Mapped[str | None]
    rationale: Mapped[str | None]
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    confidence: Mapped[Decimal | None] = mapped_column(Numeric)
    votes: Mapped[list[Any]] = mapped_column(JSONB, server_default="[]")
    review_at: Mapped[datetime | None]
    recorded_at: Mapped[datetime | None]
    search: Mapped[Any] = searched("roadbed_decision_words(context, rationale, options)")
    source_format: Mapped[str | None]
    source_text: Mapped[str | None]


def _of_decision(column: str, **options: Any) -> ForeignKeyConstraint:
    """A reference that stays inside its workspace and mode: the tenant's columns are part of the key."""
    return ForeignKeyConstraint(
        ["workspace_id", "livemode", column],
        ["decisions.workspace_id", "decisions.livemode", "decisions.id"],
        **options,
    )


class DecisionLink(Tenant, Base):
    """A later decision takes the place of an earlier one, or amends it. Never changed, and part of the chain."""

    __tablename__ = "decision_links"
    __table_args__ = (
        CheckConstraint("kind IN ('supersedes', 'amends')", name="kind"),
        _of_decision("from_id"),
        _of_decision("to_id"),
        Index("ix_decision_links_from", "workspace_id", "livemode", "from_id"),
        Index("ix_decision_links_to", "workspace_id", "livemode", "to_id"),
        UniqueConstraint("workspace_id", "livemode", "from_id", "to_id", "kind"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    from_id: Mapped[UUID] = reference("dec")
    to_id: Mapped[UUID] = reference("dec")
    created_at: Mapped[datetime]


class DecisionHead(Tenant, Base):
    """Of each workspace and mode: the last number given, and where the chain ends."""

    __tablename__ = "decision_heads"

    last_number: Mapped[int]
    length: Mapped[int] = mapped_column(server_default="0")
    head: Mapped[bytes] = mapped_column(LargeBinary, server_default="")


class DecisionChained(Tenant, Base):
    """One entry of the chain: a decision that was recorded, or a link. `hash` covers `previous` and the row's content.

    It has no column that the hash does not cover, so that no change of it goes unnoticed.
    """

    __tablename__ = "decision_chain"
    __table_args__ = (CheckConstraint("kind IN ('decision', 'link')", name="kind"),)

    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str]
    subject_id: Mapped[UUID] = mapped_column(index=True)
    previous: Mapped[bytes] = mapped_column(LargeBinary)
    hash: Mapped[bytes] = mapped_column(LargeBinary)


class DecisionObservation(Tenant, Base):
    """A metric's value, or whether an assumption holds. Never changed."""

    __tablename__ = "decision_observations"
    __table_args__ = (
        _of_decision("decision_id", ondelete="CASCADE"),
        Index("ix_decision_observations_metric", "workspace_id", "livemode", "decision_id", "metric", "observed_at"),
    )

    id: Mapped[UUID] = identity("obs")
    decision_id: Mapped[UUID] = reference("dec")
    metric: Mapped[str | None]
    value: Mapped[Decimal | None] = mapped_column(Numeric)
    assumption: Mapped[str | None]
    holds: Mapped[bool | None]
    note: Mapped[str | None]
    observed_at: Mapped[datetime]


class DecisionReview(Tenant, Base):
    """A cause to look at a decision again. Its key makes it told once."""

    __tablename__ = "decision_reviews"
    __table_args__ = (_of_decision("decision_id", ondelete="CASCADE"),)

    decision_id: Mapped[UUID] = mapped_column(primary_key=True, info={"prefix": "dec"})
    cause: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    reason: Mapped[str]
    raised_at: Mapped[datetime] = mapped_column(server_default=func.now())
