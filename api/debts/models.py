"""Technical debts."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Numeric
from sqlalchemy.orm import Mapped, mapped_column

from api.db import Base, Stamped, Tenant, identity

STATUSES = ("open", "planned", "in_progress", "resolved", "deferred")


class Debt(Tenant, Stamped, Base):
    """A debt: `facts` is what people told, `told` what follows from it. The verdict has a column, to be asked for."""

    __tablename__ = "debts"
    __table_args__ = (
        CheckConstraint(f"status IN {STATUSES}", name="status"),
        CheckConstraint("verdict IN ('pay_down', 'defer')", name="verdict"),
        Index("ix_debts_created", "workspace_id", "livemode", "created_at", "id"),
    )

    id: Mapped[UUID] = identity("debt")
    title: Mapped[str]
    status: Mapped[str]
    facts: Mapped[dict[str, Any]]
    told: Mapped[dict[str, Any]]
    verdict: Mapped[str]
    payback_months: Mapped[Decimal | None] = mapped_column(Numeric)
