"""Workspaces and keys."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, LargeBinary, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from api.db import Base, Stamped, Tenant, identity


class Workspace(Stamped, Base):
    """A team, and the tenant of everything of theirs. Its sandbox twin is the rows with `livemode` false.

    Until `claim_until` it is a sandbox that nobody has signed up for; past that it is abandoned.
    """

    __tablename__ = "workspaces"
    __table_args__ = (
        Index("ix_workspaces_claim_until", "claim_until", postgresql_where=text("claim_until IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, info={"prefix": "ws"})
    name: Mapped[str]
    email: Mapped[str]
    plan: Mapped[str] = mapped_column(server_default="free")
    quota_policy: Mapped[str] = mapped_column(server_default="block")
    claim_until: Mapped[datetime | None]


class Key(Tenant, Stamped, Base):
    """An API key. Only an HMAC of its secret is kept, and `hint`, its last four characters, to tell keys apart."""

    __tablename__ = "keys"
    __table_args__ = (ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], ondelete="CASCADE"),)

    id: Mapped[UUID] = identity("key")
    name: Mapped[str]
    hint: Mapped[str]
    digest: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    expires_at: Mapped[datetime | None]
    # What it was made to last, whatever a rotation made of `expires_at` since; null is for ever.
    lifetime_s: Mapped[int | None] = mapped_column(BigInteger)
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
