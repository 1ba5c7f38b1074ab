"""Scores: an append-only series for each feature and framework."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, Numeric, func
from sqlalchemy.orm import Mapped, mapped_column

from api.db import Base, Tenant, identity, reference


def _of_feature() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["workspace_id", "livemode", "feature_id"],
        ["features.workspace_id", "features.livemode", "features.id"],
        ondelete="CASCADE",
    )


class Score(Tenant, Base):
    """A score as it was given: inputs, result, and the version of the formula. No row is ever changed."""

    __tablename__ = "scores"
    __table_args__ = (
        _of_feature(),
        Index("ix_scores_feature", "workspace_id", "livemode", "feature_id", "id"),
    )

    id: Mapped[UUID] = identity("score")
    feature_id: Mapped[UUID] = reference("feat")
    framework: Mapped[str]
    formula: Mapped[str]
    inputs: Mapped[dict[str, Any]]
    value: Mapped[Decimal] = mapped_column(Numeric)
    author: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class LatestScore(Tenant, Base):
    """The newest score of a feature in a framework: narrow, so that a hundred thousand are ranked in one scan."""

    __tablename__ = "latest_scores"
    __table_args__ = (_of_feature(),)

    framework: Mapped[str] = mapped_column(primary_key=True)
    feature_id: Mapped[UUID] = reference("feat", primary_key=True)
    score_id: Mapped[UUID] = reference("score")
    value: Mapped[Decimal] = mapped_column(Numeric)
