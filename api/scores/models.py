"""Scores: an append-only series for each feature and framework. Models: a workspace's own ways to score."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    Computed,
    Double,
    ForeignKeyConstraint,
    Index,
    Numeric,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
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
    variant: Mapped[str | None]
    model_version: Mapped[int | None]
    formula: Mapped[str]
    scale: Mapped[str | None]
    inputs: Mapped[dict[str, Any]]
    value: Mapped[Decimal] = mapped_column(Numeric)
    outcome: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    author: Mapped[str]
    author_kind: Mapped[str] = mapped_column(server_default="key")
    evidence: Mapped[list[Any]] = mapped_column(JSONB, server_default=text("'[]'::jsonb"))
    note: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class LatestScore(Tenant, Base):
    """The newest score of a feature in a series: narrow, so that a hundred thousand are ranked in one scan.

    `framework` is the series, whose scores compare: `rice`, `ice_mean`, or a model's key with its version, `ours@2`.
    `worth` is what a plan adds up, `effort_months` what it costs, null where no input tells it. `place` is the value as
    a float, for the index: row-level security lets it begin at a float and not at a numeric, whose comparison may leak.
    """

    __tablename__ = "latest_scores"
    __table_args__ = (
        _of_feature(),
        Index("ix_latest_scores_place", "workspace_id", "livemode", "framework", "place", "value", "feature_id"),
    )

    framework: Mapped[str] = mapped_column(primary_key=True)
    feature_id: Mapped[UUID] = reference("feat", primary_key=True)
    score_id: Mapped[UUID] = reference("score")
    value: Mapped[Decimal] = mapped_column(Numeric)
    worth: Mapped[Decimal] = mapped_column(Numeric)
    effort_months: Mapped[Decimal | None] = mapped_column(Numeric)
    place: Mapped[float] = mapped_column(Double, Computed("value::double precision", persisted=True))


class ScoringModel(Tenant, Base):
    """One version of a workspace's own way to score. No row is ever changed: a change is the next version."""

    __tablename__ = "scoring_models"
    __table_args__ = (
        CheckConstraint("kind IN ('base', 'formula', 'weighted')", name="kind"),
        UniqueConstraint("workspace_id", "livemode", "key", "version"),
    )

    id: Mapped[UUID] = identity("model")
    key: Mapped[str]
    version: Mapped[int]
    title: Mapped[str]
    description: Mapped[str | None]
    kind: Mapped[str]
    definition: Mapped[dict[str, Any]]
    author: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
