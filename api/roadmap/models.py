"""The roadmap: revisions that own their ranking as a snapshot, and what people decide beside the arithmetic."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from api.db import Base, Stamped, Tenant, identity, reference

PAGE_SIZE = 1000


class Ranking(Tenant, Base):
    """An order of features, best first, kept in pages. No row is ever changed.

    A snapshot and not a rank column: one feature that jumps to the top would rewrite the rows of all the others.
    """

    __tablename__ = "rankings"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    total: Mapped[int]


class RankingPage(Tenant, Base):
    """A thousand places of a ranking. `number` counts from 0.

    Pages, so that the ten-thousandth is read as fast as the first; packed, so that a hundred thousand rows never become
    objects on their way: `feature_ids` are 16 bytes each, `values` decimals with commas between them. `computed_ranks`
    is null where no override was at work: then it is the rank itself.
    """

    __tablename__ = "ranking_pages"
    __table_args__ = (
        ForeignKeyConstraint(
            ["workspace_id", "livemode", "ranking_id"],
            ["rankings.workspace_id", "rankings.livemode", "rankings.id"],
            ondelete="CASCADE",
        ),
    )

    ranking_id: Mapped[UUID] = reference("rev", primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    feature_ids: Mapped[bytes] = mapped_column(LargeBinary)
    values: Mapped[str]
    titles: Mapped[list[str]] = mapped_column(ARRAY(Text))
    computed_ranks: Mapped[list[int] | None] = mapped_column(ARRAY(Integer))


class RoadmapRevision(Tenant, Base):
    """One reprioritisation, with its reply kept to the byte. When nothing differs it shares the ranking before it.

    `series` is what was ranked by (`rice`, `ours@2`), `churn` the share of pairs that changed their order, `drifted`
    whether the allocation was beyond its tolerance, `overridden` the features that an override had placed.
    """

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
    series: Mapped[str]
    reason: Mapped[str | None]
    author: Mapped[str]
    churn: Mapped[Decimal | None] = mapped_column(Numeric)
    drifted: Mapped[bool] = mapped_column(server_default=text("false"))
    overridden: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid), server_default=text("'{}'"), info={"prefix": "feat"})
    scenario_id: Mapped[UUID | None] = reference("scen")
    reply: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class RoadmapPolicy(Tenant, Stamped, Base):
    """What a workspace holds its roadmap to. One row, or none while the defaults serve."""

    __tablename__ = "roadmap_policies"
    __table_args__ = (CheckConstraint("freeze_from < freeze_until", name="freeze"),)

    targets: Mapped[dict[str, Any]]
    tolerance: Mapped[Decimal] = mapped_column(Numeric)
    capacity_months: Mapped[Decimal | None] = mapped_column(Numeric)
    churn_limit: Mapped[Decimal | None] = mapped_column(Numeric)
    freeze_from: Mapped[datetime | None]
    freeze_until: Mapped[datetime | None]
    freeze_note: Mapped[str | None]


def _of_feature(column: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["workspace_id", "livemode", column],
        ["features.workspace_id", "features.livemode", "features.id"],
        ondelete="CASCADE",
    )


class RoadmapOverride(Tenant, Base):
    """A rank that somebody set by hand, with the reason. The computed rank stays beside it."""

    __tablename__ = "roadmap_overrides"
    __table_args__ = (_of_feature("feature_id"), UniqueConstraint("workspace_id", "livemode", "feature_id"))

    id: Mapped[UUID] = identity("ovr")
    feature_id: Mapped[UUID] = reference("feat")
    rank: Mapped[int]
    reason: Mapped[str]
    author: Mapped[str]
    expires_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(server_default="1")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class RoadmapItem(Tenant, Stamped, Base):
    """Where a feature stands in time, and whose work it is. Its `id` is the feature's."""

    __tablename__ = "roadmap_items"
    __table_args__ = (_of_feature("id"), Index("ix_roadmap_items_horizon", "workspace_id", "livemode", "horizon", "id"))

    id: Mapped[UUID] = mapped_column(primary_key=True, info={"prefix": "feat"}, sort_order=-1)
    horizon: Mapped[str]
    team: Mapped[str | None]
    note: Mapped[str | None]


class RoadmapView(Tenant, Base):
    """A published roadmap, as its readers saw it, to the byte."""

    __tablename__ = "roadmap_views"

    id: Mapped[UUID] = identity("view")
    title: Mapped[str]
    audience: Mapped[str]
    revision_id: Mapped[UUID] = reference("rev")
    author: Mapped[str]
    reply: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class RoadmapScenario(Tenant, Stamped, Base):
    """What if: changed inputs, weights or capacity, ranked beside the base and promoted when it convinces."""

    __tablename__ = "roadmap_scenarios"
    __table_args__ = (CheckConstraint("status IN ('open', 'promoted')", name="status"),)

    id: Mapped[UUID] = identity("scen")
    title: Mapped[str]
    framework: Mapped[str]
    series: Mapped[str]
    changes: Mapped[dict[str, Any]]
    status: Mapped[str] = mapped_column(server_default="open")
    author: Mapped[str]
    revision_id: Mapped[UUID | None] = reference("rev")
