"""Features on the wire."""

from typing import Annotated, Any, ClassVar, Literal, Self
from uuid import UUID

from pydantic import (
    Field,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)

from api.db import WireId
from api.http.findings import misplaced, refused
from api.http.pagination import PageQuery
from api.http.schema import (
    Body,
    CommaSeparated,
    ExternalId,
    Label,
    Metadata,
    Moment,
    Patch,
    Prose,
    Shown,
    Slug,
    Time,
    Title,
    Version,
)

FeatureId = Annotated[UUID, WireId("feat")]
Status = Literal["idea", "candidate", "planned", "in_progress", "shipped", "dropped"]
Bucket = Literal["product", "technical", "innovation"]


class FeatureContent(Body):
    """A feature but for its name in another tool, which is in the path. What is left out of an update stays."""

    title: Title = Field(examples=["Real-time collaboration"])
    description: Prose | None = Field(None, examples=["People see each other's cursors and edits as they happen."])
    status: Status = "candidate"
    bucket: Bucket = Field("product", description="Which share of the 70/20/10 rule it draws on.")
    labels: list[Label] = Field(default_factory=list, max_length=50, examples=[["collaboration"]])
    metadata: Metadata = Field(default_factory=dict, description="Your own data, up to 16 KiB of JSON.")
    depends_on: list[FeatureId] = Field(default_factory=list, max_length=100, description="Features that come first.")


class FeatureCreate(FeatureContent):
    """Something that may be built."""

    external_id: ExternalId | None = Field(
        None, description="Its id in the tool named by `source`.", examples=["PROJ-42"]
    )
    source: Slug | None = Field(None, description="The tool that `external_id` belongs to.", examples=["jira"])

    @model_validator(mode="after")
    def _name_elsewhere_is_whole(self) -> Self:
        if (self.external_id is None) != (self.source is None):
            missing = "source" if self.source is None else "external_id"
            raise misplaced("incomplete", "is needed: external_id and source go together", missing)
        return self


_MOST_TOLD = 20


class Refused:
    """An item of a batch that is not valid, with why."""

    def __init__(self, item: Any, error: ValidationError) -> None:
        given = item if isinstance(item, dict) else {}
        self.external_id = _as_told(given.get("external_id"), 255)
        self.source = _as_told(given.get("source"), 64)
        self.errors = refused(error).errors[:_MOST_TOLD]


def _as_told(value: Any, longest: int) -> str | None:
    """What the caller knows the item by, if it could be that."""
    return value if isinstance(value, str) and 0 < len(value) <= longest else None


class BatchItem(FeatureCreate):
    """A feature to make, or to update where `source` and `external_id` name one that is there."""


class FeatureBatch(Body):
    """Features to make or to update, up to a thousand."""

    atomic: bool = Field(True, description="All or nothing. Otherwise each item succeeds or fails by itself (207).")
    items: list[BatchItem] = Field(min_length=1, max_length=1000)

    @field_validator("items", mode="wrap")
    @classmethod
    def _each_by_itself(cls, items: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        """Unless all or nothing is asked for, an item that is not valid is `Refused` and the others go on."""
        if info.data.get("atomic", True) or not isinstance(items, list) or not 1 <= len(items) <= 1000:
            return handler(items)
        return [_item(value) for value in items]


def _item(value: Any) -> BatchItem | Refused:
    try:
        return BatchItem.model_validate(value)
    except ValidationError as error:
        return Refused(value, error)


class BatchProblem(Shown):
    code: str
    detail: str
    errors: list[dict[str, Any]] = Field(max_length=_MOST_TOLD)


class BatchResult(Shown):
    """What became of one item."""

    status: int = Field(description="201 created, 200 updated or unchanged, 400 refused.")
    outcome: Literal["created", "updated", "unchanged", "refused"]
    id: FeatureId | None
    version: int | None
    external_id: str | None
    source: str | None
    problem: BatchProblem | None


class BatchShown(Shown):
    """One result for each item, in the order of the items."""

    object: Literal["batch"]
    created: int
    updated: int
    unchanged: int
    refused: int
    results: list[BatchResult] = Field(max_length=1000)


class FeaturePatch(Patch):
    """A merge patch of a feature."""

    required: ClassVar[frozenset[str]] = frozenset({"title", "status", "bucket", "labels", "depends_on"})

    title: Title | None = None
    description: Prose | None = None
    status: Status | None = None
    bucket: Bucket | None = None
    labels: list[Label] | None = Field(None, max_length=50)
    metadata: Metadata | None = None
    external_id: ExternalId | None = None
    source: Slug | None = None
    depends_on: list[FeatureId] | None = Field(None, max_length=100)


class FeatureShown(Shown):
    id: FeatureId
    object: Literal["feature"]
    livemode: bool
    title: str
    description: str | None
    status: Status
    bucket: Bucket
    labels: list[str]
    metadata: dict[str, Any]
    external_id: str | None
    source: str | None
    depends_on: list[FeatureId]
    version: Version
    created_at: Moment
    updated_at: Moment


class FeatureQuery(PageQuery):
    status: Annotated[list[Status] | None, CommaSeparated] = Field(None, max_length=6)
    bucket: Annotated[list[Bucket] | None, CommaSeparated] = Field(None, max_length=3)
    source: Annotated[list[Slug] | None, CommaSeparated] = Field(None, max_length=20)
    updated_at_gte: Time | None = Field(None, description="RFC 3339.")
    updated_at_lte: Time | None = Field(None, description="RFC 3339.")
    created_at_gte: Time | None = Field(None, description="RFC 3339.")
    created_at_lte: Time | None = Field(None, description="RFC 3339.")
    sort: str | None = Field(None, max_length=100, description="created_at, updated_at, title; `-` in front descends.")
