"""What the built-in receiver received."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from api.db import Base, Tenant


class InboxMessage(Tenant, Base):
    """A request that came to the inbox of a workspace and mode, whoever sent it."""

    __tablename__ = "inbox_messages"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuidv7()"), info={"prefix": "msg"})
    headers: Mapped[dict[str, Any]] = mapped_column(JSONB)
    body: Mapped[str]
    verified: Mapped[bool]
    answered: Mapped[int]
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())
