"""Workspaces and keys on the wire."""

from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import EmailStr, Field, field_validator
from pydantic_core import PydanticCustomError

from api.accounts.scopes import Scope
from api.db import WireId
from api.http.schema import Body, Moment, Name, Shown, Time, Version

WorkspaceId = Annotated[UUID, WireId("ws")]
KeyId = Annotated[UUID, WireId("key")]


class Signup(Body):
    """Who signs up. Nothing is mailed, and no card is asked for."""

    email: EmailStr = Field(max_length=254, examples=["ada@example.com"])
    workspace: Name = Field(description="The team's name.", examples=["Acme"])


class WorkspaceShown(Shown):
    id: WorkspaceId
    object: Literal["workspace"]
    name: str
    email: str
    plan: Literal["free", "growth"]
    quota_policy: Literal["block", "auto_upgrade"]
    version: Version
    created_at: Moment
    updated_at: Moment


class NewSecret(Shown):
    """A key's secret, told once."""

    id: KeyId
    secret: str = Field(description="Kept by you: we store only a hash of it.", examples=["rb_live_…"])


class SignedUp(Shown):
    workspace: WorkspaceShown
    live_key: NewSecret
    test_key: NewSecret


class KeyCreate(Body):
    """A new key for the caller's workspace and mode, with scopes that the caller's own key has."""

    name: Name = Field(examples=["CI"])
    scopes: list[Scope] = Field(min_length=1, max_length=50, examples=[["features:read", "roadmap:read"]])
    expires_at: Time | None = Field(None, description="RFC 3339; null never expires.")

    @field_validator("expires_at")
    @classmethod
    def _later(cls, value: datetime | None) -> datetime | None:
        if value is not None and value <= datetime.now(UTC):
            raise PydanticCustomError("not_in_the_future", "must be in the future")
        return value


class KeyShown(Shown):
    id: KeyId
    object: Literal["key"]
    livemode: bool
    name: str
    hint: str = Field(description="The secret's last four characters.")
    scopes: list[str]
    expires_at: Moment | None
    revoked_at: Moment | None
    last_used_at: Moment | None = Field(description="To the minute.")
    version: Version
    created_at: Moment
    updated_at: Moment


class KeyCreated(KeyShown):
    secret: str = Field(description="Told once, here.")
