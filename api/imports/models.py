"""Imports: what was brought in, and everything doubtful about it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Uuid, func
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from api.db import Base, Tenant, identity


class Import(Tenant, Base):
    """The report of one import. No row is ever changed."""

    __tablename__ = "imports"

    id: Mapped[UUID] = identity("imp")
    format: Mapped[str]
    source: Mapped[str]
    created: Mapped[int]
    updated: Mapped[int]
    unchanged: Mapped[int]
    skipped: Mapped[list[Any]] = mapped_column(JSONB)
    discrepancies: Mapped[list[Any]] = mapped_column(JSONB)
    notes: Mapped[list[Any]] = mapped_column(JSONB)
    decision_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid), info={"prefix": "dec"})
    author: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
