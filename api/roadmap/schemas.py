"""The roadmap on the wire."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from api.db import WireId
from api.features.schemas import Bucket, FeatureId, Status
from api.http.pagination import PageQuery
from api.http.schema import Body, Line, Moment, Shown
from api.scores.schemas import Framework

RevisionId = Annotated[UUID, WireId("rev")]
MOST_SHOWN = 1000


class Reprioritize(Body):
    """Which framework to rank by. A dry run answers what the same call would do, and keeps nothing."""

    framework: Framework = "rice"
    dry_run: bool = False
    reason: Line | None = Field(None, examples=["Weekly sync of 23 November"])


class Ranked(Shown):
    rank: int = Field(ge=1)
    feature_id: FeatureId
    title: str
    value: float


class Moved(Shown):
    """A feature that changed its place. `from` is null for a new one, `to` for one that left."""

    feature_id: FeatureId
    from_: int | None = Field(alias="from", ge=1)
    to: int | None = Field(ge=1)


class RevisionShown(Shown):
    id: RevisionId | None = Field(description="Null for a dry run.")
    object: Literal["roadmap_revision"]
    livemode: bool
    framework: Framework
    reason: str | None
    author: str = Field(description="The name of the key that asked.")
    created_at: Moment
    ranking: list[Ranked] = Field(max_length=MOST_SHOWN, description="Best first: the first 1,000.")
    ranking_total: int
    moves: list[Moved] = Field(
        max_length=MOST_SHOWN, description="The fewest features whose moves explain the new order: the first 1,000."
    )
    moves_total: int


class RevisionSummary(Shown):
    id: RevisionId
    object: Literal["roadmap_revision"]
    livemode: bool
    framework: Framework
    reason: str | None
    author: str
    created_at: Moment


class Placed(Ranked):
    """A ranked feature as it is now."""

    status: Status
    bucket: Bucket


class RoadmapShown(Shown):
    object: Literal["roadmap"]
    livemode: bool
    revision_id: RevisionId | None = Field(description="Null while nothing has been ranked.")
    framework: Framework | None
    ranking: list[Placed] = Field(max_length=MOST_SHOWN, description="Best first: the first 1,000.")
    ranking_total: int


class RevisionQuery(PageQuery):
    pass
