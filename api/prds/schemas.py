"""PRDs on the wire: the sections of the guide's template.

Short forms are taken everywhere: a plain text for a problem, a criterion or a reason, `{"text": …}` for a story, a
requirement or a metric. What the text says in numbers is filled in (measure.py).
"""

from datetime import date
from typing import Annotated, Any, ClassVar, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
    field_serializer,
    model_validator,
)

from api.db import WireId
from api.features.schemas import FeatureId
from api.http import schema
from api.http.findings import misplaced
from api.http.pagination import PageQuery
from api.http.schema import (
    Asked,
    Body,
    CommaSeparated,
    Line,
    Moment,
    Name,
    Number,
    Patch,
    Prose,
    Shown,
    Time,
    Title,
    Version,
)
from api.prds.measure import downtime, target
from api.prds.stories import criterion, story_parts
from api.search.query import SearchText

PrdId = Annotated[UUID, WireId("prd")]
DecisionId = Annotated[UUID, WireId("dec")]
ReviewId = Annotated[UUID, WireId("rvw")]
ObservationId = Annotated[UUID, WireId("obs")]
PrdStatus = Literal["draft", "in_review", "approved", "shipped", "archived"]
Kind = Literal["functional", "performance", "scalability", "reliability", "security", "usability", "other"]
Comparator = Literal["<", "<=", "=", ">=", ">"]
TaskStatus = Literal["pending", "in_progress", "review", "done", "deferred", "cancelled", "blocked"]
RequirementCode = Annotated[str, StringConstraints(pattern=r"^(FR|NFR)-\d{3,6}$", max_length=10)]
MetricCode = Annotated[str, StringConstraints(pattern=r"^SC-\d{3,6}$", max_length=10)]
QuestionCode = Annotated[str, StringConstraints(pattern=r"^Q-\d{3,6}$", max_length=10)]
Percentile = Annotated[str, StringConstraints(pattern=r"^p\d{2}(\.\d{1,3})?$", max_length=7)]
SourceUrl = Annotated[str, StringConstraints(pattern=r"^https?://\S+$", max_length=2_000)]
Amount = Annotated[Number, Field(ge=-(10**15), le=10**15)]
# Days are kept as text, as everything in a section is JSON.
Day = Annotated[
    schema.Day,
    PlainSerializer(date.isoformat),
    WithJsonSchema({"type": "string", "format": "date", "description": "An ISO day."}),
]


class PrdEvidence(Body):
    """A claim, and where its number is from."""

    claim: Line = Field(examples=["40 % of users say that working together is painful"])
    value: Amount | None = None
    unit: Name | None = Field(None, examples=["percent"])
    population: Name | None = Field(None, description="Of whom.", examples=["weekly active users"])
    source_url: SourceUrl | None = None
    date: Day | None = None


class PrdProblem(Body):
    """Whose problem it is, how they get by today, and what proves it."""

    statement: Prose = Field(examples=["People lose edits when two of them work on one document."])
    current_flow: Prose | None = None
    evidence: list[PrdEvidence] = Field(default_factory=list, max_length=50)


class AcceptanceCriterion(Body):
    """Something that can be checked. Text like `Given …, when …, then …` fills the three parts."""

    text: Line = Field(examples=["An edit is shown to the others in <200ms p95"])
    given: Line | None = None
    when: Line | None = None
    then: Line | None = None
    verified_by: Line | None = Field(None, description="The test or person that checked it.")
    status: Literal["open", "verified", "failed"] = "open"


def _scenario(value: Any) -> Any:
    if isinstance(value, str):
        return criterion(value)
    if isinstance(value, dict) and isinstance(value.get("text"), str):
        return {**criterion(value["text"]), **value}
    return value


class UserStory(Body):
    """Who can do what, and why. Give `text`, or `as_a` and `i_can`."""

    text: Line = Field("", examples=["As a user, I see the cursors of everyone who edits the document."])
    as_a: Line | None = None
    i_can: Line | None = None
    so_that: Line | None = None
    priority: Literal["p1", "p2", "p3"] | None = None
    acceptance_criteria: list[
        Annotated[AcceptanceCriterion, BeforeValidator(_scenario, json_schema_input_type=AcceptanceCriterion | str)]
    ] = Field(default_factory=list, max_length=50)
    notes: list[Line] = Field(default_factory=list, max_length=50, description="Technical notes; they bind nobody.")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not self.text:
            if not (self.as_a and self.i_can):
                raise misplaced("incomplete", "is needed, or as_a and i_can", "text")
            article = "an" if self.as_a[0].lower() in "aeiou" else "a"
            why = f" so that {self.so_that}" if self.so_that else ""
            self.text = f"As {article} {self.as_a}, I can {self.i_can}{why}"[:1_000]
        for name, part in story_parts(self.text).items():
            if getattr(self, name) is None:
                setattr(self, name, part)
        return self


class Requirement(Body):
    """What it must do (FR), or how well (NFR). The server gives each its id, and never gives it again.

    `metric`, `op`, `value`, `unit` and `percentile` are read from the text where none of them is given. Of an
    availability the minutes of downtime in 30 days are computed.
    """

    id: RequirementCode | None = Field(None, description="Of a new one, leave it out.", examples=["FR-001"])
    kind: Kind = "functional"
    text: Line = Field(examples=["Edits reach the other editors in under 200 ms at p95."])
    metric: Name | None = Field(None, examples=["latency"])
    percentile: Percentile | None = Field(None, examples=["p95"])
    op: Comparator | None = None
    value: Amount | None = None
    unit: Name | None = Field(None, examples=["ms"])
    phase: int | None = Field(None, ge=1, le=50, description="The number of the release phase, from 1.")
    status: Literal["active", "superseded", "retired"] = "active"
    superseded_by: RequirementCode | None = None
    task_status: TaskStatus | None = Field(None, description="How far the work on it is; no part of what is approved.")
    downtime_minutes: Number | None = Field(None, description="In 30 days; computed, what is sent is ignored.")
    error_budget_percent: Number | None = Field(None, description="Computed, what is sent is ignored.")

    @model_validator(mode="after")
    def _computed(self) -> Self:
        if (self.status == "superseded") != (self.superseded_by is not None):
            raise misplaced("incomplete", "goes together with status superseded", "superseded_by")
        if self.superseded_by is not None and self.superseded_by == self.id:
            raise misplaced("invalid", "must be another requirement than this one", "superseded_by")
        if all(getattr(self, name) is None for name in TARGET):
            for name, read in target(self.text).items():
                setattr(self, name, read)
        budget = downtime({name: getattr(self, name) for name in ("metric", "text", "value", "unit")}) or {}
        self.downtime_minutes = budget.get("downtime_minutes")
        self.error_budget_percent = budget.get("error_budget_percent")
        return self


TARGET = ("metric", "percentile", "op", "value", "unit")


class StackItem(Body):
    layer: Name = Field(examples=["Database"])
    technology: Name = Field(examples=["PostgreSQL"])
    role: Line | None = Field(None, examples=["document storage"])


class Reason(Body):
    """Why this way: what was chosen, because of what, and what it was chosen over."""

    choice: Name | None = Field(None, examples=["CRDTs"])
    because: Prose = Field(examples=["No server has to resolve conflicts."])
    instead_of: Name | None = Field(None, examples=["Operational transforms"])


class Risk(Body):
    """What can go wrong. Its exposure is probability times impact, in the unit of the impact."""

    description: Line
    probability: Number | None = Field(None, ge=0, le=1)
    impact: Amount | None = Field(None, ge=0, description="In a unit of yours: points from 1 to 5, days, money.")
    exposure: Number | None = Field(None, description="Computed, what is sent is ignored.")
    mitigation: Line | None = None
    owner: Name | None = None
    status: Literal["open", "mitigated", "materialised", "closed"] = "open"
    trigger: Line | None = Field(None, description="What tells that it happens.")

    @model_validator(mode="after")
    def _computed(self) -> Self:
        both = self.probability is not None and self.impact is not None
        self.exposure = self.probability * self.impact if both else None  # type: ignore[operator]
        return self


class PrdOption(Body):
    name: Name = Field(examples=["Firebase"])
    pros: Line | None = None
    cons: Line | None = None
    cost: Line | None = Field(None, examples=["$10K/mo at scale"])
    verdict: Literal["chosen", "rejected", "fallback"] | None = None


class BuildVsBuy(Body):
    """The options as a table, or the decision that holds them."""

    decision_id: DecisionId | None = None
    options: list[PrdOption] = Field(default_factory=list, max_length=20)
    recommendation: Prose | None = None
    revisit_if: Line | None = Field(None, examples=["costs exceed $200K a year"])

    @field_serializer("decision_id")
    def _wire(self, value: UUID | None) -> str | None:
        return None if value is None else WireId("dec")._show(value)


class SuccessMetric(Body):
    """How one will know. `observations` are told apart (POST …/observations), so that they change no approval."""

    id: MetricCode | None = Field(None, description="Of a new one, leave it out.", examples=["SC-001"])
    category: Literal["product", "technical", "business"] | None = None
    name: Name | None = Field(None, examples=["Adoption"])
    text: Line = Field("", examples=["80 % of users edit together within a quarter"])
    baseline: Amount | None = Field(None, description="What it is today.")
    target: Amount | None = None
    op: Comparator | None = None
    unit: Name | None = Field(None, examples=["percent"])
    deadline: Day | None = None
    source: Line | None = Field(None, description="Where it is measured.", examples=["Product analytics"])

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not self.text and not self.name:
            raise misplaced("incomplete", "is needed, or a name", "text")
        self.text = self.text or str(self.name)
        if self.target is None and self.op is None and (read := target(self.text)):
            self.target, self.op, self.unit = read["value"], read["op"], self.unit or read["unit"]
        elif self.target is not None and self.op is None:
            self.op = "<=" if self.baseline is not None and self.baseline > self.target else ">="
        return self


class ReleasePhase(Body):
    name: Name = Field(examples=["Phase 1"])
    scope: list[Line] = Field(default_factory=list, max_length=50)
    weeks: Number | None = Field(None, gt=0, le=520)


class OpenQuestion(Body):
    """A blocking question without an answer blocks the approval."""

    id: QuestionCode | None = Field(None, description="Of a new one, leave it out.", examples=["Q-001"])
    text: Line
    owner: Name | None = None
    due: Day | None = None
    answer: Line | None = None
    blocking: bool = False


def _statement(value: Any) -> Any:
    return {"statement": value} if isinstance(value, str) else value


def _reasons(value: Any) -> Any:
    return [{"because": value}] if isinstance(value, str) else value


def _said(value: PrdProblem | None) -> PrdProblem | None:
    """An empty problem is none."""
    return value if value is None or value.statement or value.current_flow or value.evidence else None


ProblemSection = Annotated[
    PrdProblem, BeforeValidator(_statement, json_schema_input_type=PrdProblem | Prose), AfterValidator(_said)
]
Reasons = Annotated[
    list[Reason], Field(max_length=50), BeforeValidator(_reasons, json_schema_input_type=list[Reason] | Prose)
]


class Sections(Body):
    """All of a PRD but its title. What is left out is empty."""

    problem: ProblemSection | None = None
    solution: Prose | None = None
    user_stories: list[UserStory] = Field(default_factory=list, max_length=200)
    requirements: list[Requirement] = Field(default_factory=list, max_length=500)
    approach: Prose | None = None
    architecture: Prose | None = Field(None, description="A diagram as text, kept to the byte.")
    stack: list[StackItem] = Field(default_factory=list, max_length=100)
    rationale: Reasons = Field(default_factory=list)
    risks: list[Risk] = Field(default_factory=list, max_length=200)
    build_vs_buy: BuildVsBuy | None = None
    success_metrics: list[SuccessMetric] = Field(default_factory=list, max_length=100)
    release_phases: list[ReleasePhase] = Field(default_factory=list, max_length=50)
    open_questions: list[OpenQuestion] = Field(default_factory=list, max_length=200)


SECTIONS = tuple(Sections.model_fields)
Quorum = Annotated[
    int, Field(ge=1, le=20, description="How many reviewers must approve. A change of what it says starts anew.")
]


class PrdCreate(Sections):
    """A new PRD, as a draft."""

    title: Title = Field(examples=["Real-time collaboration"])
    approvals_required: Quorum = 1
    feature_ids: list[FeatureId] = Field(default_factory=list, max_length=100, description="What it is the PRD of.")
    decision_ids: list[DecisionId] = Field(default_factory=list, max_length=100, description="What it rests on.")


class PrdPatch(Patch):
    """A merge patch of a PRD. A list is replaced as a whole, its items matched by id; `null` empties a section.

    `status` moves it: draft → in_review → approved → shipped → archived.
    """

    required: ClassVar[frozenset[str]] = frozenset(
        {"title", "status", "approvals_required", "feature_ids", "decision_ids"}
    )

    title: Title | None = None
    status: PrdStatus | None = None
    approvals_required: Quorum | None = None
    feature_ids: list[FeatureId] | None = Field(None, max_length=100)
    decision_ids: list[DecisionId] | None = Field(None, max_length=100)
    problem: dict[str, Any] | Prose | None = Field(None, description="A merge patch of the problem, or a new text.")
    solution: Prose | None = None
    user_stories: list[UserStory] | None = Field(None, max_length=200)
    requirements: list[Requirement] | None = Field(None, max_length=500)
    approach: Prose | None = None
    architecture: Prose | None = None
    stack: list[StackItem] | None = Field(None, max_length=100)
    rationale: Reasons | None = None
    risks: list[Risk] | None = Field(None, max_length=200)
    build_vs_buy: dict[str, Any] | None = Field(None, description="A merge patch of the section.")
    success_metrics: list[SuccessMetric] | None = Field(None, max_length=100)
    release_phases: list[ReleasePhase] | None = Field(None, max_length=50)
    open_questions: list[OpenQuestion] | None = Field(None, max_length=200)


class RequirementPatch(Patch):
    """A merge patch of one requirement."""

    required: ClassVar[frozenset[str]] = frozenset({"kind", "text", "status"})

    kind: Kind | None = None
    text: Line | None = None
    metric: Name | None = None
    percentile: Percentile | None = None
    op: Comparator | None = None
    value: Amount | None = None
    unit: Name | None = None
    phase: int | None = Field(None, ge=1, le=50)
    status: Literal["active", "superseded", "retired"] | None = None
    superseded_by: RequirementCode | None = None
    task_status: TaskStatus | None = None


class QuestionPatch(Patch):
    """A merge patch of one open question. An `answer` closes it."""

    required: ClassVar[frozenset[str]] = frozenset({"text", "blocking"})

    text: Line | None = None
    owner: Name | None = None
    due: Day | None = None
    answer: Line | None = None
    blocking: bool | None = None


class Approval(Shown):
    """How far the approval is. Reviews of an older content do not count."""

    required: int
    approved_by: list[str] = Field(description="Reviewers whose last verdict on this content approves.")
    changes_requested_by: list[str]
    blocking_questions: list[str] = Field(description="Ids of blocking questions without an answer.")


class PrdShown(Shown):
    id: PrdId
    object: Literal["prd"]
    livemode: bool
    title: str
    status: PrdStatus
    approvals_required: int
    feature_ids: list[FeatureId]
    decision_ids: list[DecisionId]
    problem: PrdProblem | None
    solution: str | None
    user_stories: list[UserStory]
    requirements: list[Requirement]
    approach: str | None
    architecture: str | None
    stack: list[StackItem]
    rationale: list[Reason]
    risks: list[Risk]
    build_vs_buy: BuildVsBuy | None
    success_metrics: list[SuccessMetric]
    release_phases: list[ReleasePhase]
    open_questions: list[OpenQuestion]
    content_version: int = Field(description="The version that last changed what it says; reviews are of it.")
    version: Version
    created_at: Moment
    updated_at: Moment


class PrdQuery(PageQuery):
    q: SearchText | None = None
    status: Annotated[list[PrdStatus] | None, CommaSeparated] = Field(None, max_length=5)


class VersionSummary(Shown):
    """A version, without its sections."""

    object: Literal["prd_version"]
    prd_id: PrdId
    number: int
    title: str
    status: PrdStatus
    changed: list[str] = Field(description="The fields that differ from the version before.")
    livemode: bool
    created_at: Moment


class VersionShown(VersionSummary):
    """A version, as it was. It never changes."""

    sections: Sections


class OfPrdQuery(PageQuery):
    """A page of what belongs to one PRD."""


class PrdExportQuery(Asked):
    format: Literal["markdown", "speckit", "taskmaster"] = Field(
        description="The guide's template, spec-kit's spec.md or Task Master's tasks.json."
    )


class Comment(Body):
    """A remark on one thing in the PRD."""

    pointer: Annotated[str, StringConstraints(pattern=r"^(/[^/]*)*$", max_length=200)] = Field(
        "", description="A JSON pointer; empty for the whole.", examples=["/requirements/0"]
    )
    text: Line


class ReviewCreate(Body):
    """A verdict on the PRD as it is now."""

    verdict: Literal["approve", "request_changes", "comment"]
    reviewer: Name | None = Field(None, description="Who; the name of the key unless given.", examples=["Ada Lovelace"])
    body: Prose | None = None
    comments: list[Comment] = Field(default_factory=list, max_length=100)


class ReviewShown(Shown):
    id: ReviewId
    object: Literal["review"]
    livemode: bool
    prd_id: PrdId
    content_version: int
    verdict: Literal["approve", "request_changes", "comment"]
    reviewer: str
    body: str | None
    comments: list[Comment]
    created_at: Moment


class ReviewAnswered(ReviewShown):
    """The review, and what it did."""

    prd_status: PrdStatus
    approval: Approval


class ObservationCreate(Body):
    """What a success metric was found to be."""

    metric_id: MetricCode = Field(examples=["SC-001"])
    value: Amount
    observed_at: Time | None = Field(None, description="Now unless given.")
    source: Line | None = None


class ObservationShown(Shown):
    id: ObservationId
    object: Literal["observation"]
    livemode: bool
    prd_id: PrdId
    metric_id: str
    value: float
    progress_percent: float | None = Field(description="From the baseline to the target; null without both.")
    met: bool | None = Field(description="Whether it reaches the target; null without one.")
    source: str | None
    observed_at: Moment
    created_at: Moment


class ObservationQuery(PageQuery):
    metric_id: Annotated[list[MetricCode] | None, CommaSeparated] = Field(None, max_length=20)


class DiffQuery(Asked):
    """Two versions, the older first."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    from_: int = Field(ge=1, le=10**6, alias="from")
    to: int | None = Field(None, ge=1, le=10**6, description="The latest unless given.")


class Change(Shown):
    section: str
    change: Literal[
        "added", "removed", "relaxed", "tightened", "retargeted", "reworded", "superseded", "retired", "changed"
    ]
    id: str | None = Field(description="Of a requirement, a metric or a question.")
    before: Any
    after: Any
    detail: str | None


class DiffShown(Shown):
    """What a version says that another did not."""

    object: Literal["prd_diff"]
    prd_id: PrdId
    from_version: int
    to_version: int
    summary: dict[str, int] = Field(description="How many changes of each kind.")
    changes: list[Change] = Field(max_length=2_000)


RuleName = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Fingerprint = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]


class LintOptions(Body):
    """What to look away from."""

    rules: dict[RuleName, Literal["off", "note", "warning", "error"]] = Field(
        default_factory=dict, max_length=100, description="Rules to switch off, or of another severity."
    )
    baseline: list[Fingerprint] = Field(
        default_factory=list, max_length=1_000, description="Fingerprints of findings that are known and accepted."
    )


class LintMarkdown(LintOptions):
    """A PRD, or a piece of one such as a single story."""

    markdown: Annotated[str, StringConstraints(max_length=500_000)] = Field(examples=["As a user, I want fast search."])


class LintFinding(Shown):
    rule: str
    severity: Literal["error", "warning", "note"]
    line: int | None = Field(description="In Markdown, from 1; null for a resource.")
    pointer: str = Field(description="Into the sections, as a JSON pointer.")
    message: str
    fingerprint: str = Field(description="The same as long as what it is about is worded the same.")


class LintStory(Shown):
    pointer: str
    line: int | None
    score: int = Field(ge=0, le=100)
    passed: bool


class LintShown(Shown):
    object: Literal["lint_report"]
    passed: bool = Field(description="No error was found.")
    score: int = Field(ge=0, le=100, description="100 less 10 for an error, 4 for a warning, 1 for a note.")
    findings: list[LintFinding] = Field(max_length=500)
    stories: list[LintStory] = Field(max_length=1_000)
    suppressed: int = Field(description="Findings that the baseline names.")


class RuleShown(Shown):
    rule: str
    severity: Literal["error", "warning", "note"]
    summary: str


class RulesShown(Shown):
    object: Literal["list"]
    data: list[RuleShown] = Field(max_length=100)
