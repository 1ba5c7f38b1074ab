"""Operations on the wire."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from api.db import WireId
from api.http.pagination import PageQuery
from api.http.schema import CommaSeparated, Moment, Shown, Slug, Version

OperationId = Annotated[UUID, WireId("op")]
OperationStatus = Literal["pending", "running", "paused", "succeeded", "failed", "cancelled"]


class Progress(Shown):
    """How far it is. `total` is null while nobody knows it."""

    done: int
    total: int | None


class OperationError(Shown):
    """Why it failed."""

    code: str
    message: str


class OperationShown(Shown):
    """Long work. Poll it, or subscribe to `operation.finished`."""

    id: OperationId
    object: Literal["operation"]
    livemode: bool
    kind: str = Field(examples=["replay"])
    status: OperationStatus
    progress: Progress
    params: dict[str, Any] = Field(description="What it was started with.")
    result: dict[str, Any] | None = Field(description="What came of it so far; whole once it has succeeded.")
    error: OperationError | None
    started_at: Moment | None
    finished_at: Moment | None
    version: Version
    created_at: Moment
    updated_at: Moment


class OperationQuery(PageQuery):
    kind: Annotated[list[Slug] | None, CommaSeparated] = Field(None, max_length=20)
    status: Annotated[list[OperationStatus] | None, CommaSeparated] = Field(None, max_length=6)
