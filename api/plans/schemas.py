"""Plans on the wire. Demand and limits are in one unit, such as requests a second."""

from typing import Annotated, Any, ClassVar, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from api.db import WireId
from api.http.findings import misplaced
from api.http.pagination import PageQuery
from api.http.schema import Body, Line, Moment, Name, Number, Patch, Prose, Shown, Title, Version, merge_patch
from api.problems import MOST_ERRORS

PlanId = Annotated[UUID, WireId("plan")]
Key = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
Rate = Annotated[Number, Field(gt=0, le=10**12)]
PhaseStatus = Literal["planned", "in_progress", "done", "deferred"]
Quadrant = Literal["quick win", "big bet", "fill-in", "money pit"]


class Demand(Body):
    """What the system is asked to take now, and what it is to take."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"current": 50, "users": 1000, "target_users": 10000}]}
    )
    unit: Name = Field("requests/s", examples=["requests/s"])
    current: Rate = Field(examples=[50])
    users: Rate | None = Field(None, description="Who make that demand.", examples=[1000])
    target_users: Rate | None = Field(None, examples=[10000])
    growth: Rate | None = Field(None, description="How many times the demand of now, instead of target_users.")

    @model_validator(mode="after")
    def _says_where_to(self) -> Self:
        if (self.target_users is None) == (self.growth is None):
            raise misplaced("incomplete", "give target_users or growth, one of them", "target_users", "growth")
        if self.target_users is not None and self.users is None:
            raise misplaced("incomplete", "is needed with target_users, to know what each of them asks for", "users")
        return self


class Component(Body):
    """A part of the system, and what it takes at most. Without a limit it is taken to be no bottleneck, and said so."""

    key: Key = Field(examples=["api"])
    title: Name = Field(examples=["API server"])
    limit: Rate | None = Field(None, examples=[100])
    current: Number | None = Field(None, ge=0, le=10**12, description="Its load now; the demand's, unless told.")


class PhaseEffect(Body):
    """What a phase does to a part: how many times more it takes."""

    component: Key = Field(examples=["api"])
    multiplier: Rate = Field(examples=[3])
    what: Line | None = Field(None, examples=["Three servers behind a load balancer"])


class PhaseMeasure(Body):
    """A lower measure, such as a latency, before and after; and the improvement that was claimed, as a share."""

    metric: Name = Field(examples=["p95 latency"])
    before: Rate = Field(examples=[500])
    after: Rate = Field(examples=[100])
    unit: Name | None = Field(None, examples=["ms"])
    claimed_share: Number | None = Field(None, gt=0, lt=1, examples=[0.8])


class PhaseClaim(Body):
    """What a phase is said to reach. Each is held against what its effects give."""

    capacity: Rate | None = Field(None, examples=[500])
    gain: Rate | None = Field(None, description="How many times the capacity before it.", examples=[5])
    users: Rate | None = Field(None, examples=[3000])


class Deferral(Body):
    """Until when it is put off: `users` or `demand`, as the plan has them now."""

    metric: Literal["users", "demand"] = "users"
    at_least: Rate = Field(examples=[10000])


class PlanPhase(Body):
    """A step of the plan."""

    key: Key = Field(examples=["scale_out"])
    title: Name = Field(examples=["Horizontal scaling"])
    weeks: Number | None = Field(None, ge=0, le=520)
    status: PhaseStatus = "planned"
    effects: list[PhaseEffect] = Field(default_factory=list, max_length=50)
    measures: list[PhaseMeasure] = Field(default_factory=list, max_length=50)
    claim: PhaseClaim | None = None
    deferred_until: Deferral | None = None


class Fix(Body):
    """Something that could be done, to be ordered by value and effort."""

    key: Key = Field(examples=["indexes"])
    title: Name = Field(examples=["Add database indexes"])
    value: Number = Field(ge=0, le=10**6, examples=[9])
    effort: Number = Field(ge=0, le=10**6, examples=[1])


class Thresholds(Body):
    """From which value on it is high, up to which effort it is low. The medians of the fixes, unless told."""

    value: Number = Field(ge=0, le=10**6)
    effort: Number = Field(ge=0, le=10**6)


class PlanCreate(Body):
    """How a system is to take more."""

    title: Title = Field(examples=["From 1,000 to 10,000 users"])
    description: Prose | None = None
    demand: Demand
    components: list[Component] = Field(
        min_length=1, max_length=100, examples=[[{"key": "api", "title": "API server", "limit": 100}]]
    )
    phases: list[PlanPhase] = Field(default_factory=list, max_length=50)
    fixes: list[Fix] = Field(default_factory=list, max_length=100)
    thresholds: Thresholds | None = None

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        for field in ("components", "phases", "fixes"):
            keys = [item.key for item in getattr(self, field)]
            if len(set(keys)) != len(keys):
                raise misplaced("duplicate", "has a key twice", field)
        limited = {component.key for component in self.components if component.limit is not None}
        known = {component.key for component in self.components}
        unknown = [
            ("phases", place, "effects", number, "component")
            for place, phase in enumerate(self.phases)
            for number, effect in enumerate(phase.effects)
            if effect.component not in known
        ]
        if unknown:
            raise misplaced("unknown_component", "is no component of this plan", *unknown[:MOST_ERRORS])
        if not limited:
            raise misplaced("no_limit", "needs a limit on at least one: it is what the plan is about", "components")
        return self


class PlanPatch(Patch):
    """A merge patch of a plan; lists are replaced."""

    required: ClassVar[frozenset[str]] = frozenset({"title", "demand", "components"})

    title: Title | None = None
    description: Prose | None = None
    demand: dict[str, Any] | None = Field(None, max_length=10)
    components: list[Component] | None = Field(None, min_length=1, max_length=100)
    phases: list[PlanPhase] | None = Field(None, max_length=50)
    fixes: list[Fix] | None = Field(None, max_length=100)
    thresholds: dict[str, Any] | None = Field(None, max_length=5)

    def merged(self, current: dict[str, Any]) -> dict[str, Any]:
        """`current` with the patch in it; what it removes is gone."""
        given = self.model_dump(exclude_unset=True)
        whole = {
            name: merge_patch(current.get(name), given[name]) if name in given else current[name] for name in current
        }
        return {name: value for name, value in whole.items() if value is not None}


class LoadTestImport(Body):
    """A load test's result: k6's summary JSON, or JMeter's JTL as CSV."""

    format: Literal["k6", "jtl"] = Field(examples=["k6"])
    content: Annotated[str, StringConstraints(min_length=1, max_length=900_000)] = Field(
        description="The file.",
        examples=[
            '{"metrics": {"http_reqs": {"count": 3000, "rate": 100}, "http_req_duration": {"avg": 80, "p(95)": 210}}}'
        ],
    )
    name: Name | None = None


class StageTold(Shown):
    phase: str | None = Field(description="Null: as it is now.")
    capacity: float = Field(description="The least of the parts' limits.")
    held_by: list[str] = Field(description="The parts that hold it there.")
    gain: float | None = Field(description="Against the stage before.")
    supports_growth: float | None
    supports_users: float | None
    reaches_target: bool


class HeadroomTold(Shown):
    component: str
    limit: float | None
    current: float
    utilisation: float | None
    headroom: float | None
    breached: bool
    breach_at_growth: float | None


class MeasureTold(Shown):
    phase: str
    metric: str
    times_better: float
    share_gone: float


class FixTold(Shown):
    key: str
    title: str
    quadrant: Quadrant
    nearest: float | None = Field(description="The distance to the nearer threshold, as a share of it.")


class PlanFinding(Shown):
    code: str
    pointer: str
    message: str


class LoadTestShown(Shown):
    id: str
    name: str | None
    format: Literal["k6", "jtl"]
    requests: int
    rate: float | None = Field(description="Requests a second.")
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    error_rate: float | None
    headroom: float | None = Field(description="What it took over what the target needs, less one.")
    reaches_target: bool | None
    skipped: list[str] = Field(max_length=20, description="What was not understood.")
    imported_at: str


class PlanShown(Shown):
    id: PlanId
    object: Literal["plan"]
    livemode: bool
    title: str
    description: str | None
    demand: Demand
    components: list[Component]
    phases: list[PlanPhase]
    fixes: list[Fix]
    thresholds: Thresholds | None
    needed: float = Field(description="The demand that the plan is for.")
    stages: list[StageTold]
    reaches_target: bool
    bottlenecks: list[HeadroomTold] = Field(description="Closest to its limit first.")
    measures: list[MeasureTold]
    fix_order: list[FixTold]
    due: list[str] = Field(description="Deferred phases whose time has come.")
    findings: list[PlanFinding]
    loadtests: list[LoadTestShown]
    version: Version
    created_at: Moment
    updated_at: Moment


class PlanQuery(PageQuery):
    pass
