"""Growth and performance plans."""

from typing import Any
from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from api.db import Base, Stamped, Tenant, identity


class Plan(Tenant, Stamped, Base):
    """How a system is to take more: `facts` is what people told, `told` what follows, `loadtests` what was measured."""

    __tablename__ = "plans"
    __table_args__ = (Index("ix_plans_created", "workspace_id", "livemode", "created_at", "id"),)

    id: Mapped[UUID] = identity("plan")
    title: Mapped[str]
    facts: Mapped[dict[str, Any]]
    told: Mapped[dict[str, Any]]
    loadtests: Mapped[list[Any]] = mapped_column(JSONB, server_default=text("'[]'"))
