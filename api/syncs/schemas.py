"""Syncs and blockers on the wire."""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from api.db import WireId
from api.features.schemas import FeatureId
from api.http.pagination import PageQuery
from api.http.schema import Body, CommaSeparated, Line, Moment, Name, Patch, Prose, Shown, Title, Version

SyncId = Annotated[UUID, WireId("sync")]
BlockerId = Annotated[UUID, WireId("blk")]
SyncStatus = Literal["planned", "held"]
BlockerStatus = Literal["open", "escalated", "resolved"]
Severity = Literal["low", "medium", "high"]
Part = Literal["shipped", "priorities", "blockers", "ahead"]
Week = Annotated[str, StringConstraints(pattern=r"^\d{4}-(W\d{2}|\d{2}-\d{2})$", min_length=8, max_length=10)]


class SyncCreate(Body):
    """The week to meet in: `2026-W48`, or a day in it. This week, unless told."""

    week: Week | None = Field(None, examples=["2026-W48"])


class Action(Body):
    """Something that somebody does until the next sync. What is not done is carried over."""

    text: Line = Field(examples=["Ask the vendor for a quote"])
    owner: Name | None = None
    done: bool = False


class SyncPatch(Patch):
    """What came out. `held` is final."""

    required: ClassVar[frozenset[str]] = frozenset({"status", "actions"})

    status: SyncStatus | None = None
    notes: Prose | None = None
    actions: list[Action] | None = Field(None, max_length=100)


class AgendaItem(Shown):
    kind: Literal["feature", "revision", "blocker", "decision", "spike"]
    id: str
    title: str
    detail: str


class AgendaSection(Shown):
    section: Part
    title: str
    minutes: int
    items: list[AgendaItem] = Field(max_length=50)


class SurpriseMove(Shown):
    feature_id: str
    title: str
    from_: int | None = Field(alias="from")
    to: int | None


class Surprise(Shown):
    """A change of the priorities that no sync spoke of."""

    revision_id: str
    created_at: Moment
    author: str
    reason: str | None
    moves: list[SurpriseMove] = Field(max_length=10)
    moves_total: int


class SyncShown(Shown):
    id: SyncId
    object: Literal["sync"]
    livemode: bool
    week: str
    status: SyncStatus
    since: Moment = Field(description="What the agenda looks back to: the sync of an earlier week.")
    agenda: list[AgendaSection] = Field(max_length=4)
    minutes: int
    surprises: list[Surprise] = Field(max_length=20, description="Priorities that changed outside a sync.")
    carried_over: list[Action] = Field(max_length=100, description="What the sync before left undone.")
    markdown: str
    actions: list[Action]
    notes: str | None
    held_at: Moment | None
    version: Version
    created_at: Moment
    updated_at: Moment


class SyncQuery(PageQuery):
    status: Annotated[list[SyncStatus] | None, CommaSeparated] = Field(None, max_length=2)


class BlockerCreate(Body):
    """What is in the way."""

    title: Title = Field(examples=["The vendor's API limits us to 10 calls a second"])
    owner: Name = Field(description="Who gets it out of the way.", examples=["Ada Lovelace"])
    severity: Severity = "medium"
    description: Prose | None = None
    feature_id: FeatureId | None = None


class BlockerPatch(Patch):
    """A merge patch. Naming `escalated_to` escalates, a `resolution` resolves."""

    required: ClassVar[frozenset[str]] = frozenset({"title", "owner", "severity"})

    title: Title | None = None
    owner: Name | None = None
    severity: Severity | None = None
    description: Prose | None = None
    escalated_to: Name | None = Field(None, examples=["Grace Hopper"])
    resolution: Prose | None = None


class BlockerShown(Shown):
    id: BlockerId
    object: Literal["blocker"]
    livemode: bool
    title: str
    description: str | None
    owner: str
    severity: Severity
    feature_id: FeatureId | None
    status: BlockerStatus
    escalated_to: str | None
    escalated_at: Moment | None
    resolution: str | None
    resolved_at: Moment | None
    age_days: int = Field(ge=0, description="Whole days, until it was resolved.")
    overdue: bool = Field(description="Unresolved for longer than 2 days when high, 5 when medium, 10 when low.")
    version: Version
    created_at: Moment
    updated_at: Moment


class BlockerQuery(PageQuery):
    status: Annotated[list[BlockerStatus] | None, CommaSeparated] = Field(None, max_length=3)
    severity: Annotated[list[Severity] | None, CommaSeparated] = Field(None, max_length=3)
