"""PRDs on the wire: the sections of the guide's template."""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from api.db import WireId
from api.http.pagination import PageQuery
from api.http.schema import Body, CommaSeparated, Line, Moment, Name, Patch, Prose, Shown, Title, Version
from api.search.query import SearchText

PrdId = Annotated[UUID, WireId("prd")]
PrdStatus = Literal["draft", "in_review", "approved", "shipped", "archived"]


class UserStory(Body):
    text: Line = Field(examples=["As a user, I see the cursors of everyone who edits the document."])
    acceptance_criteria: list[Line] = Field(default_factory=list, max_length=50)


class Requirement(Body):
    kind: Literal["functional", "performance", "scalability", "reliability", "security", "other"] = "functional"
    text: Line = Field(examples=["Edits reach the other editors in under 200 ms at p95."])


class StackItem(Body):
    layer: Name = Field(examples=["Database"])
    technology: Name = Field(examples=["PostgreSQL"])


class Risk(Body):
    description: Line
    mitigation: Line | None = None


class SuccessMetric(Body):
    category: Literal["product", "technical", "business"]
    text: Line = Field(examples=["80 % of users edit together within a quarter"])


class ReleasePhase(Body):
    name: Name = Field(examples=["Phase 1"])
    scope: list[Line] = Field(default_factory=list, max_length=50)
    weeks: float | None = Field(None, gt=0, le=520)


class OpenQuestion(Body):
    text: Line
    answer: Line | None = None


class Sections(Body):
    """All of a PRD but its title. What is left out is empty."""

    problem: Prose | None = None
    solution: Prose | None = None
    user_stories: list[UserStory] = Field(default_factory=list, max_length=200)
    requirements: list[Requirement] = Field(default_factory=list, max_length=500)
    approach: Prose | None = None
    stack: list[StackItem] = Field(default_factory=list, max_length=100)
    rationale: Prose | None = None
    risks: list[Risk] = Field(default_factory=list, max_length=200)
    success_metrics: list[SuccessMetric] = Field(default_factory=list, max_length=100)
    release_phases: list[ReleasePhase] = Field(default_factory=list, max_length=50)
    open_questions: list[OpenQuestion] = Field(default_factory=list, max_length=200)


SECTIONS = tuple(Sections.model_fields)


class PrdCreate(Sections):
    """A new PRD, as a draft."""

    title: Title = Field(examples=["Real-time collaboration"])


class PrdPatch(Patch):
    """A merge patch of a PRD. A list is replaced as a whole; `null` empties a section."""

    required: ClassVar[frozenset[str]] = frozenset({"title"})

    title: Title | None = None
    problem: Prose | None = None
    solution: Prose | None = None
    user_stories: list[UserStory] | None = Field(None, max_length=200)
    requirements: list[Requirement] | None = Field(None, max_length=500)
    approach: Prose | None = None
    stack: list[StackItem] | None = Field(None, max_length=100)
    rationale: Prose | None = None
    risks: list[Risk] | None = Field(None, max_length=200)
    success_metrics: list[SuccessMetric] | None = Field(None, max_length=100)
    release_phases: list[ReleasePhase] | None = Field(None, max_length=50)
    open_questions: list[OpenQuestion] | None = Field(None, max_length=200)


class PrdShown(Shown):
    id: PrdId
    object: Literal["prd"]
    livemode: bool
    title: str
    status: PrdStatus
    problem: str | None
    solution: str | None
    user_stories: list[UserStory]
    requirements: list[Requirement]
    approach: str | None
    stack: list[StackItem]
    rationale: str | None
    risks: list[Risk]
    success_metrics: list[SuccessMetric]
    release_phases: list[ReleasePhase]
    open_questions: list[OpenQuestion]
    version: Version
    created_at: Moment
    updated_at: Moment


class PrdQuery(PageQuery):
    q: SearchText | None = None
    status: Annotated[list[PrdStatus] | None, CommaSeparated] = Field(None, max_length=5)
