"""PRDs: what is to be built and why, in the sections of the guide's template."""

from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from api.db import Base, Stamped, Tenant, identity
from api.search.models import search_index, searched

STATUSES = ("draft", "in_review", "approved", "shipped", "archived")


class Prd(Tenant, Stamped, Base):
    """A PRD. Its sections are one JSON object, so that a version is one value."""

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
