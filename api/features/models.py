"""Features: what may be built."""

from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Text, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from api.db import Base, Stamped, Tenant, identity, kept_id
from api.search.models import search_index, searched

STATUSES = ("idea", "candidate", "planned", "in_progress", "shipped", "dropped")
OPEN_STATUSES = STATUSES[:4]
BUCKETS = ("product", "technical", "innovation")


class Feature(Tenant, Stamped, Base):
    """Something that a team may build. `source` and `external_id` are its name in another tool."""

    __tablename__ = "features"
    __table_args__ = (
        CheckConstraint(f"status IN {STATUSES}", name="status"),
        CheckConstraint(f"bucket IN {BUCKETS}", name="bucket"),
        Index("ix_features_created", "workspace_id", "livemode", "created_at", "id"),
        Index("ix_features_updated", "workspace_id", "livemode", "updated_at", "id"),
        Index(
            "uq_features_external",
            "workspace_id",
            "livemode",
            "source",
            "external_id",
            unique=True,
            postgresql_where=text("external_id IS NOT NULL"),
        ),
        # Who depends on a feature, is asked of these alone.
        Index(
            "ix_features_dependent",
            "workspace_id",
            "livemode",
            "id",
            postgresql_where=text("depends_on <> '{}'::uuid[]"),
        ),
        search_index("features"),
    )

    id: Mapped[UUID] = identity("feat")
    title: Mapped[str]
    description: Mapped[str | None]
    status: Mapped[str]
    bucket: Mapped[str]
    labels: Mapped[list[str]] = mapped_column(ARRAY(Text))
    extra: Mapped[dict[str, Any]] = mapped_column("metadata", JSONB)
    source: Mapped[str | None]
    external_id: Mapped[str | None]
    depends_on: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid), info={"prefix": "feat"})
    search: Mapped[Any] = searched("description")
    wire_id: Mapped[str] = kept_id("feat")
