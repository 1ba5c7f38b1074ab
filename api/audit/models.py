"""The audit log: who changed what, from what to what, written by triggers in the transaction of the change."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Index, LargeBinary, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from api.db import Base, Tenant, identity, reference
from api.webhooks.models import Xid8


class AuditEntry(Tenant, Base):
    """One row that was written. `before` and `after` hold the columns that differ, without secrets.

    `sequence` and `hash` are given a moment later by a worker, in the order of the transactions: the hash covers the
    entry and the hash before it, so that no entry can be changed, dropped, added or moved unseen.
    """

    __tablename__ = "audit_log"
    __table_args__ = (
        Index("ix_audit_log_sequence", "workspace_id", "livemode", "sequence", unique=True),
        Index("ix_audit_log_unsealed", "xid", "id", postgresql_where=text("hash IS NULL")),
        Index("ix_audit_log_resource", "workspace_id", "livemode", "resource_id", "id"),
    )

    id: Mapped[UUID] = identity("aud")
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    key_id: Mapped[UUID | None] = reference("key")
    request_id: Mapped[str | None]
    resource: Mapped[str]
    resource_id: Mapped[str]
    action: Mapped[str]
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    after: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    xid: Mapped[int] = mapped_column(Xid8(), server_default=text("pg_current_xact_id()"))
    sequence: Mapped[int | None] = mapped_column(BigInteger)
    hash: Mapped[bytes | None] = mapped_column(LargeBinary)
