"""The roadmap: revisions that own their ranking as a snapshot."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, Numeric, Text, Uuid, func
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from api.db import Base, Tenant, identity, reference


class Ranking(Tenant, Base):
    """An order of features, best first: three arrays of one length. No row is ever changed.

    A snapshot and not a rank column: one feature that jumps to the top would rewrite the rows of all the others.
    """

    __tablename__ = "rankings"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    feature_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    values: Mapped[list[Decimal]] = mapped_column(ARRAY(Numeric))
    titles: Mapped[list[str]] = mapped_column(ARRAY(Text))


class RoadmapRevision(Tenant, Base):
    """One reprioritisation, with its reply kept to the byte. When nothing differs it shares the ranking before it."""

    __tablename__ = "roadmap_revisions"
    __table_args__ = (
        ForeignKeyConstraint(
            ["workspace_id", "livemode", "ranking_id"],
            ["rankings.workspace_id", "rankings.livemode", "rankings.id"],
        ),
        Index("ix_roadmap_revisions_created", "workspace_id", "livemode", "created_at", "id"),
    )

    id: Mapped[UUID] = identity("rev")
    ranking_id: Mapped[UUID] = reference("rev")
    framework: Mapped[str]
    reason: Mapped[str | None]
    author: Mapped[str]
    reply: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
