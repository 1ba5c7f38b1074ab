"""Features on the wire."""

from typing import Annotated, Any, ClassVar, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, Field, model_validator
from pydantic_core import PydanticCustomError

from api.db import WireId
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
    Title,
    Version,
)

FeatureId = Annotated[UUID, WireId("feat")]
Status = Literal["idea", "candidate", "planned", "in_progress", "shipped", "dropped"]
Bucket = Literal["product", "technical", "innovation"]


class FeatureCreate(Body):
    """Something that may be built."""

    title: Title = Field(examples=["Real-time collaboration"])
    description: Prose | None = Field(None, examples=["People see each other's cursors and edits as they happen."])
    status: Status = "candidate"
    bucket: Bucket = Field("product", description="Which share of the 70/20/10 rule it draws on.")
    labels: list[Label] = Field(default_factory=list, max_length=50, examples=[["collaboration"]])
    metadata: Metadata = Field(default_factory=dict, description="Your own data, up to 16 KiB of JSON.")
    external_id: ExternalId | None = Field(
        None, description="Its id in the tool named by `source`.", examples=["PROJ-42"]
    )
    source: Slug | None = Field(None, description="The tool that `external_id` belongs to.", examples=["jira"])
    depends_on: list[FeatureId] = Field(default_factory=list, max_length=100, description="Features that come first.")

    @model_validator(mode="after")
    def _name_elsewhere_is_whole(self) -> Self:
        if (self.external_id is None) != (self.source is None):
            raise PydanticCustomError("incomplete", "external_id and source go together")
        return self


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
    updated_at_gte: AwareDatetime | None = Field(None, description="RFC 3339.")
    updated_at_lte: AwareDatetime | None = Field(None, description="RFC 3339.")
    created_at_gte: AwareDatetime | None = Field(None, description="RFC 3339.")
    created_at_lte: AwareDatetime | None = Field(None, description="RFC 3339.")
    sort: str | None = Field(None, max_length=100, description="created_at, updated_at, title; `-` in front descends.")
