"""Operations: work too long for one request, as a row that remembers how far it is."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from api.db import Base, Stamped, Tenant, identity

STATUSES = ("pending", "running", "paused", "succeeded", "failed", "cancelled")


class Operation(Tenant, Stamped, Base):
    """One piece of long work.

    `params` are what it was started with, `state` is where its next step begins. `pending` and `running` ones are due
    at `due_at`; a claimed one has `claim`, and is due again when its lease ends. `failures` counts the claims since the
    last step that was written: a step that kills its worker each time is given up too.
    """

    __tablename__ = "operations"
    __table_args__ = (
        CheckConstraint(f"status IN {STATUSES}", name="status"),
        Index("ix_operations_due", "due_at", postgresql_where=text("status IN ('pending', 'running')")),
    )

    id: Mapped[UUID] = identity("op")
    kind: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="pending")
    done: Mapped[int] = mapped_column(BigInteger, server_default="0")
    total: Mapped[int | None] = mapped_column(BigInteger)
    params: Mapped[dict[str, Any]] = mapped_column(JSONB)
    state: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    error: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    due_at: Mapped[datetime] = mapped_column(server_default=func.now())
    claim: Mapped[UUID | None]
    failures: Mapped[int] = mapped_column(server_default="0")
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
