"""Usage: by day for people, by month for the quota."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, Date, Index, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from api.db import Base, Tenant, reference


class UsageDay(Tenant, Base):
    """Calls of one key to one operation with one status on one day, with their latencies as counts in buckets."""

    __tablename__ = "usage_days"

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    key_id: Mapped[UUID] = reference("key", primary_key=True)
    operation: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[int] = mapped_column(primary_key=True)
    calls: Mapped[int] = mapped_column(BigInteger)
    latency: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))


class UsageMonth(Tenant, Base):
    """Calls that count against the quota of a month."""

    __tablename__ = "usage_months"

    month: Mapped[date] = mapped_column(Date, primary_key=True)
    calls: Mapped[int] = mapped_column(BigInteger)


class FirstCall(Tenant, Base):
    """When a key was first answered with success, and whether that was told."""

    __tablename__ = "first_calls"
    __table_args__ = (Index("ix_first_calls_untold", "at", postgresql_where=text("NOT told")),)

    key_id: Mapped[UUID] = reference("key", primary_key=True)
    at: Mapped[datetime]
    told: Mapped[bool] = mapped_column(server_default=text("false"))


class ServiceMinute(Base):
    """A minute in which the service ran: heartbeats that were written in it, and calls that were answered in it."""

    __tablename__ = "service_minutes"

    minute: Mapped[datetime] = mapped_column(primary_key=True)
    beats: Mapped[int] = mapped_column(BigInteger)
    calls: Mapped[int] = mapped_column(BigInteger)
    errors: Mapped[int] = mapped_column(BigInteger)


class OnboardingStep(Tenant, Base):
    """A step that a workspace and mode has taken. Written once, with its event."""

    __tablename__ = "onboarding_steps"

    step: Mapped[str] = mapped_column(primary_key=True)
    completed_at: Mapped[datetime]
