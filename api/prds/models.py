"""PRDs: what is to be built and why, in the sections of the guide's template; their versions, reviews and metrics."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, Numeric, Text, Uuid, func
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from api.db import Base, Stamped, Tenant, identity, reference
from api.search.models import search_index, searched

STATUSES = ("draft", "in_review", "approved", "shipped", "archived")
VERDICTS = ("approve", "request_changes", "comment")


def _of_prd() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["workspace_id", "livemode", "prd_id"],
        ["prds.workspace_id", "prds.livemode", "prds.id"],
        ondelete="CASCADE",
    )


class Prd(Tenant, Stamped, Base):
    """A PRD. Its sections are one JSON object, so that a version is one value.

    `counters` holds the last number given to each kind of id; `source` the segments of the document that it was
    imported from (render.py).
    """

    __tablename__ = "prds"
    __table_args__ = (
        CheckConstraint(f"status IN {STATUSES}", name="status"),
        Index("ix_prds_created", "workspace_id", "livemode", "created_at", "id"),
        search_index("prds"),
    )

    id: Mapped[UUID] = identity("prd")
    title: Mapped[str]
    status: Mapped[str]
    sections: Mapped[dict[str, Any]] = mapped_column(JSONB)
    search: Mapped[Any] = searched("roadbed_strings(sections)")
    approvals_required: Mapped[int] = mapped_column(server_default="1")
    feature_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid), server_default="{}", info={"prefix": "feat"})
    decision_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid), server_default="{}", info={"prefix": "dec"})
    content_version: Mapped[int] = mapped_column(server_default="1")
    counters: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    source: Mapped[list[Any] | None] = mapped_column(JSONB)


class PrdVersion(Tenant, Base):
    """A PRD as it was. The application's role can neither change nor delete a row."""

    __tablename__ = "prd_versions"
    __table_args__ = (
        _of_prd(),
        Index("uq_prd_versions_number", "workspace_id", "livemode", "prd_id", "number", unique=True),
    )

    id: Mapped[UUID] = identity("prdv")
    prd_id: Mapped[UUID] = reference("prd")
    number: Mapped[int]
    title: Mapped[str]
    status: Mapped[str]
    sections: Mapped[dict[str, Any]] = mapped_column(JSONB)
    changed: Mapped[list[str]] = mapped_column(ARRAY(Text))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Review(Tenant, Base):
    """A verdict on what a PRD said at one version of its content. No row is ever changed."""

    __tablename__ = "prd_reviews"
    __table_args__ = (
        _of_prd(),
        CheckConstraint(f"verdict IN {VERDICTS}", name="verdict"),
        Index("ix_prd_reviews_prd", "workspace_id", "livemode", "prd_id", "id"),
    )

    id: Mapped[UUID] = identity("rvw")
    prd_id: Mapped[UUID] = reference("prd")
    content_version: Mapped[int]
    verdict: Mapped[str]
    reviewer: Mapped[str]
    body: Mapped[str | None]
    comments: Mapped[list[Any]] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Observation(Tenant, Base):
    """What a success metric was found to be, and how far that is on the way to its target then. Never changed."""

    __tablename__ = "prd_observations"
    __table_args__ = (
        _of_prd(),
        Index("ix_prd_observations_prd", "workspace_id", "livemode", "prd_id", "id"),
    )

    id: Mapped[UUID] = identity("obs")
    prd_id: Mapped[UUID] = reference("prd")
    metric_id: Mapped[str]
    value: Mapped[Decimal] = mapped_column(Numeric)
    progress_percent: Mapped[Decimal | None] = mapped_column(Numeric)
    met: Mapped[bool | None]
    source: Mapped[str | None]
    observed_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
