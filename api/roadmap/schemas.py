"""The roadmap on the wire."""

from decimal import Decimal
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from api.db import WireId
from api.features.schemas import Bucket, FeatureId, Status
from api.formulas.allocation import RULE_70_20_10
from api.http.findings import misplaced
from api.http.pagination import PageQuery
from api.http.schema import Asked, Body, CommaSeparated, Line, Moment, Name, Number, Shown, Time, Title, Version
from api.scores.schemas import Framework, Key

RevisionId = Annotated[UUID, WireId("rev")]
OverrideId = Annotated[UUID, WireId("ovr")]
ViewId = Annotated[UUID, WireId("view")]
ScenarioId = Annotated[UUID, WireId("scen")]
Horizon = Annotated[
    str,
    StringConstraints(pattern=r"^(now|next|later|[0-9]{4}-q[1-4])$", min_length=3, max_length=7),
    Field(description="now, next, later, or a quarter such as 2027-q1.", examples=["now"]),
]
Team = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9_-]*$")]
MOST_SHOWN = 1000
Cause = Literal[
    "new", "left", "status_changed", "score_changed", "framework_changed", "override", "tie", "others_moved"
]
_SHARE: dict[str, Any] = {"minimum": 0, "maximum": 1}


class Ranker(Body):
    """Which scores to rank by."""

    framework: Framework = "rice"
    variant: Key | None = None
    model_version: int | None = Field(None, ge=1, le=10**6, description="Of an own model; the newest when left out.")


class Reprioritize(Ranker):
    """Which framework to rank by. A dry run answers what the same call would do, and keeps nothing."""

    dry_run: bool = False
    reason: Line | None = Field(None, examples=["Weekly sync of 23 November"])


class Ranked(Shown):
    rank: int = Field(ge=1)
    feature_id: FeatureId
    title: str
    value: float
    computed_rank: int = Field(ge=1, description="Where the score alone would put it; `rank` unless overridden.")


class Moved(Shown):
    """A feature that changed its place. `from` is null for a new one, `to` for one that left."""

    feature_id: FeatureId
    from_: int | None = Field(alias="from", ge=1)
    to: int | None = Field(ge=1)
    cause: Cause


class ChurnShown(Shown):
    """Kendall's distance to the order before, over the features that both hold."""

    share: float = Field(ge=0, le=1, description="Inverted pairs over all pairs.")
    inverted: int = Field(ge=0)
    pairs: int = Field(ge=0)
    entered: int = Field(ge=0)
    left: int = Field(ge=0)


class RevisionShown(Shown):
    id: RevisionId | None = Field(description="Null for a dry run.")
    object: Literal["roadmap_revision"]
    livemode: bool
    framework: Framework
    variant: str | None
    model_version: int | None
    reason: str | None
    author: str = Field(description="The name of the key that asked.")
    created_at: Moment
    ranking: list[Ranked] = Field(
        max_length=MOST_SHOWN,
        description="Best first, of equal values the older feature: the first 1,000; the rest by its `ranking` pages.",
    )
    ranking_total: int
    moves: list[Moved] = Field(
        max_length=MOST_SHOWN, description="The fewest features whose moves explain the new order: the first 1,000."
    )
    moves_total: int
    churn: ChurnShown
    frozen: bool = Field(description="Whether a freeze was in force.")
    overridden: int = Field(description="How many features an override has placed.")
    carried_over: int = Field(
        ge=0,
        description="How many features only an older version of the model has scored: they are ranked by what this "
        "version makes of those inputs.",
    )
    outdated: int = Field(
        ge=0,
        description="How many features only an older version has scored, with inputs that this one does not take: they "
        "are not ranked. Score them anew.",
    )
    scenario_id: ScenarioId | None = Field(description="The scenario that was promoted with it.")


class RevisionSummary(Shown):
    id: RevisionId
    object: Literal["roadmap_revision"]
    livemode: bool
    framework: Framework
    series: str = Field(description="What was ranked by, with its variant or version.")
    reason: str | None
    author: str
    churn: float | None
    scenario_id: ScenarioId | None
    created_at: Moment


class RankingPageShown(Shown):
    """A page of a ranking."""

    object: Literal["list"]
    data: list[Ranked] = Field(max_length=100)
    has_more: bool
    next_cursor: str | None = Field(max_length=1000)


class RankChange(Shown):
    """A feature that moved from one revision to another. Null is not ranked."""

    feature_id: FeatureId
    from_: int | None = Field(alias="from")
    to: int | None


class DiffShown(Shown):
    """What changed from one revision to another."""

    object: Literal["roadmap_diff"]
    livemode: bool
    from_: RevisionId = Field(alias="from")
    to: RevisionId
    moves: list[RankChange] = Field(max_length=MOST_SHOWN)
    moves_total: int
    churn: ChurnShown


class DiffQuery(Asked):
    against: RevisionId | None = Field(None, description="The earlier revision; the one before when left out.")


class BucketShown(Shown):
    bucket: Bucket
    effort_months: float
    share: float
    target: float
    drift: float = Field(description="Share less target.")
    drift_months: float = Field(description="What to take out, or below 0 put in, at the same total.")
    drifted: bool = Field(description="Further from the target than the tolerance.")
    to_add_months: float | None = Field(description="What to add, taking nothing out; null where that never helps.")


class AllocationPart(Shown):
    total_months: float
    tolerance: float
    drifted: bool
    buckets: list[BucketShown] = Field(max_length=10)


class AllocationShown(AllocationPart):
    """Effort by bucket, actual against target."""

    object: Literal["allocation"]
    livemode: bool
    unit: Literal["person_months"]
    features: int
    without_effort: int = Field(description="Features that no score tells the effort of: they are not in the shares.")


class AllocationQuery(Asked):
    status: Annotated[list[Status] | None, CommaSeparated] = Field(
        None, max_length=6, description="All open ones when left out."
    )
    horizon: Annotated[list[Horizon] | None, CommaSeparated] = Field(None, max_length=20)
    updated_at_gte: Time | None = Field(None, description="Start of the period, RFC 3339.")
    updated_at_lte: Time | None = Field(None, description="End of the period, RFC 3339.")


class Placed(Ranked):
    """A ranked feature as it is now."""

    status: Status
    bucket: Bucket
    effort_months: float | None
    horizon: str | None
    above_cut_line: bool | None = Field(description="Null without a capacity in the policy.")


class CutLine(Shown):
    """Down to which rank the capacity reaches, taking the features in order."""

    capacity_months: float
    rank: int = Field(ge=0, description="The last rank above the line.")
    effort_months: float = Field(description="What the features above it take.")
    without_effort: int = Field(description="Features above the line whose effort no score tells: counted as none.")


class RoadmapShown(Shown):
    object: Literal["roadmap"]
    livemode: bool
    revision_id: RevisionId | None = Field(description="Null while nothing has been ranked.")
    framework: Framework | None
    series: str | None
    ranking: list[Placed] = Field(max_length=MOST_SHOWN, description="Best first: the first 1,000.")
    ranking_total: int
    cut_line: CutLine | None
    allocation: AllocationPart = Field(description="Of what is above the line, or of the whole ranking without one.")


class RevisionQuery(PageQuery):
    framework: Annotated[list[Framework] | None, CommaSeparated] = Field(None, max_length=20)
    created_at_gte: Time | None = Field(None, description="RFC 3339.")
    created_at_lte: Time | None = Field(None, description="RFC 3339.")


class Targets(Body):
    """Shares of effort, which sum to 1."""

    product: Number = Field(json_schema_extra=_SHARE | {"examples": [0.7]})
    technical: Number = Field(json_schema_extra=_SHARE | {"examples": [0.2]})
    innovation: Number = Field(json_schema_extra=_SHARE | {"examples": [0.1]})


class Freeze(Body):
    """From when until when no feature moves without a reason."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    from_: Time = Field(alias="from")
    until: Time
    note: Line | None = None

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        if self.until <= self.from_:
            raise misplaced("invalid", "must be after from", "until")
        return self


class PolicyWrite(Body):
    """All rules at once: what is left out goes back to its default."""

    targets: Targets = Field(default_factory=lambda: Targets.model_validate(RULE_70_20_10))
    tolerance: Number = Field(default=Decimal("0.05"), ge=0, le=1, description="How far a share may be off.")
    capacity_months: Number | None = Field(None, ge=0, le=10**6, description="Person-months: where the cut line is.")
    churn_limit: Number | None = Field(None, ge=0, le=1, description="More churn than this is told as an event.")
    freeze: Freeze | None = None


class FreezeShown(Shown):
    """From when until when no feature moves without a reason."""

    from_: Moment = Field(alias="from")
    until: Moment
    note: str | None


class PolicyShown(Shown):
    object: Literal["roadmap_policy"]
    livemode: bool
    targets: dict[str, float]
    tolerance: float
    unit: Literal["person_months"]
    capacity_months: float | None
    churn_limit: float | None
    freeze: FreezeShown | None
    frozen: bool
    version: int = Field(ge=0, description="0 while the defaults serve; the ETag in quotes.")
    updated_at: Moment | None


class OverrideWrite(Body):
    """A rank that you set by hand."""

    rank: int = Field(ge=1, le=10**6)
    reason: Line = Field(examples=["Promised to the board"])
    expires_at: Time | None = Field(None, description="Until when it holds; for ever when left out.")


class OverrideShown(Shown):
    id: OverrideId
    object: Literal["roadmap_override"]
    livemode: bool
    feature_id: FeatureId
    rank: int
    reason: str
    author: str
    expires_at: Moment | None
    version: Version
    created_at: Moment


class ItemWrite(Body):
    """When a feature is meant to come, and whose work it is."""

    horizon: Horizon
    team: Team | None = Field(None, examples=["web"])
    note: Line | None = None


class ItemShown(Shown):
    id: FeatureId = Field(description="The feature's.")
    object: Literal["roadmap_item"]
    livemode: bool
    horizon: str
    team: str | None
    note: str | None
    version: Version
    created_at: Moment
    updated_at: Moment


class ItemQuery(PageQuery):
    horizon: Annotated[list[Horizon] | None, CommaSeparated] = Field(None, max_length=20)
    team: Annotated[list[Team] | None, CommaSeparated] = Field(None, max_length=20)


class ViewCreate(Body):
    """A roadmap for readers: which horizons, for whom. It is frozen as it is now."""

    title: Title = Field(examples=["Roadmap for customers, 2027"])
    audience: Name = Field("everyone", examples=["customers"])
    horizons: list[Horizon] = Field(default_factory=lambda: ["now", "next", "later"], min_length=1, max_length=20)
    with_values: bool = Field(False, description="Whether readers see the scores.")


class ViewSummary(Shown):
    id: ViewId
    object: Literal["roadmap_view"]
    livemode: bool
    title: str
    audience: str
    revision_id: RevisionId
    author: str
    created_at: Moment


class ViewShown(ViewSummary):
    horizons: list[dict[str, Any]] = Field(max_length=20, description="Each with its features in their order.")


class InputChange(Body):
    """Inputs of a feature that differ in the scenario; the others stay as they are in its latest score."""

    feature_id: FeatureId
    inputs: dict[Annotated[str, StringConstraints(max_length=64)], Any] = Field(
        min_length=1, json_schema_extra={"maxProperties": 50, "examples": [{"effort": 1}]}
    )


class ScenarioChanges(Body):
    """What is different. Weights are those of an own weighted model."""

    inputs: list[InputChange] = Field(default_factory=list, max_length=1000)
    weights: dict[Key, Number] = Field(default_factory=dict, max_length=50)
    capacity_months: Number | None = Field(None, ge=0, le=10**6)

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.inputs and not self.weights and self.capacity_months is None:
            raise PydanticCustomError("missing", "a scenario changes inputs, weights or capacity_months")
        if len({change.feature_id for change in self.inputs}) != len(self.inputs):
            raise misplaced("duplicate", "names a feature twice", "inputs")
        return self


class ScenarioCreate(Ranker):
    title: Title = Field(examples=["What if collaboration takes four months"])
    changes: ScenarioChanges


class ScenarioShown(Shown):
    id: ScenarioId
    object: Literal["roadmap_scenario"]
    livemode: bool
    title: str
    framework: Framework
    series: str
    changes: dict[str, Any]
    status: Literal["open", "promoted"]
    author: str
    revision_id: RevisionId | None = Field(description="The revision that promoting it made.")
    version: Version
    created_at: Moment
    updated_at: Moment


class ScenarioQuery(PageQuery):
    status: Annotated[list[Literal["open", "promoted"]] | None, CommaSeparated] = Field(None, max_length=2)


class ScenarioDiffShown(Shown):
    """The roadmap as the scenario would have it, against the base as it is now."""

    object: Literal["scenario_diff"]
    livemode: bool
    scenario_id: ScenarioId
    digest: str = Field(description="Send it with promote, so that nothing but this result is promoted.")
    revision: RevisionShown = Field(description="What promoting would give, as a dry run.")
    cut_line: CutLine | None
    base_cut_line: CutLine | None


class Promote(Body):
    digest: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$", min_length=64, max_length=64)] | None = Field(
        None, description="Of the diff that you saw: another result is refused with 409."
    )
    reason: Line | None = None


class Simulate(Ranker):
    """What to simulate. Ranges in the inputs are drawn from; inputs that are single numbers are sure."""

    draws: int = Field(10_000, ge=100, le=100_000)
    ranks: int = Field(10, ge=1, le=20, description="How many ranks get a probability each.")
    most: int = Field(100, ge=1, le=MOST_SHOWN, description="How many features are answered, by rank.")
    confidence: Literal["factor", "spread"] = Field(
        "factor",
        description="RICE: multiply by confidence, or let it be the spread of the other inputs. Never both.",
    )
    cut_line: int | None = Field(None, ge=0, le=10**6, description="The last rank above the line.")
    capacity_months: Number | None = Field(
        None, ge=0, le=10**6, description="Where the line is, in person-months; the policy's when left out."
    )
    spike_months: Number = Field(default=Decimal("0.25"), ge=0, le=100, description="What a spike costs.")


class RankProbability(Shown):
    rank: int
    probability: float


class SwingShown(Shown):
    """The rank that this input alone would give at its P10 and its P90."""

    input: str
    rank_at_p10: int
    rank_at_p90: int


class SpikeShown(Shown):
    """Whether finding out pays: what one expects to lose by deciding now, against the spike's cost."""

    input: str = Field(description="Whose doubt moves the rank most.")
    wrong_side: float = Field(description="Probability that the feature belongs on the other side of the line.")
    expected_loss_months: float
    cost_months: float
    pays: bool


class SimulatedFeature(Shown):
    feature_id: FeatureId
    title: str
    rank: int
    value: float
    mean: float | None
    p5: float | None
    p50: float | None
    p95: float | None
    rank_probabilities: list[RankProbability] = Field(max_length=20)
    above_next: float | None = Field(description="Probability of scoring above the feature ranked next.")
    above_cut_line: float | None
    swings: list[SwingShown] = Field(max_length=50)
    spike: SpikeShown | None = Field(description="Null without a line, or where no input is in doubt.")


class SimulationShown(Shown):
    object: Literal["simulation"]
    livemode: bool
    framework: Framework
    series: str
    draws: int
    seed: str = Field(description="A hash of all inputs: the same inputs give the same answer.")
    confidence: Literal["factor", "spread"]
    cut_line: int | None
    features_total: int
    features: list[SimulatedFeature] = Field(max_length=MOST_SHOWN)


class TeamCapacity(Body):
    team: Team
    capacity_months: Number = Field(ge=0, le=10**6)


class PeriodCapacity(Body):
    """A period, and what can be built in it: by everybody together, or by team."""

    key: Team = Field(examples=["2027-q1"])
    capacity_months: Number | None = Field(None, ge=0, le=10**6)
    teams: list[TeamCapacity] | None = Field(None, min_length=1, max_length=50)

    @model_validator(mode="after")
    def _has_one_capacity(self) -> Self:
        if (self.capacity_months is None) == (self.teams is None):
            raise misplaced(
                "invalid", "a period has capacity_months or teams, one of the two", "capacity_months", "teams"
            )
        return self


class BucketShare(Body):
    bucket: Bucket
    minimum: Number = Field(default=Decimal(0), ge=0, le=1)
    maximum: Number = Field(default=Decimal(1), ge=0, le=1)


class PlanRequest(Ranker):
    """What there is to build with. Features that no score tells the effort of are left out, and named."""

    capacity: Number | None = Field(None, ge=0, le=10**6, description="Person-months; the policy's when left out.")
    periods: list[PeriodCapacity] | None = Field(None, min_length=1, max_length=12, description="Instead of capacity.")
    shares: list[BucketShare] = Field(default_factory=list, max_length=3)
    fixed_in: list[FeatureId] = Field(default_factory=list, max_length=500)
    fixed_out: list[FeatureId] = Field(default_factory=list, max_length=500)
    default_team: Team = Field("all", description="Whose capacity features without a team take.")


class PlannedItem(Shown):
    feature_id: FeatureId
    title: str
    rank: int
    bucket: Bucket
    team: str
    value: float
    worth: float = Field(description="What a plan adds up: the score times its effort where it is a ratio.")
    effort_months: float
    greedy: Literal["taken", "needed_above", "fixed_in", "fixed_out", "needs_what_is_out", "does_not_fit"]
    greedy_period: str | None
    optimum_period: str | None


class ChosenShown(Shown):
    features: int
    worth: float
    effort_months: float
    shares_met: bool


class RelaxShown(Shown):
    constraint: Literal["capacity", "shares", "dependencies", "fixed"]
    message: str


class LeftOut(Shown):
    feature_id: FeatureId
    reason: Literal["effort_unknown", "needs_what_is_not_planned"]


class PlanShown(Shown):
    object: Literal["roadmap_plan"]
    livemode: bool
    framework: Framework
    series: str
    status: Literal["optimal", "feasible", "infeasible", "unknown"] = Field(
        description="feasible: the time ran out before the best was proven."
    )
    capacity_months: float
    cut_line: int = Field(description="The last rank before the first feature that does not fit.")
    greedy: ChosenShown
    optimum: ChosenShown | None
    gap: float | None = Field(description="Worth that the optimum has more than the greedy plan.")
    gap_share: float | None
    relax: list[RelaxShown] = Field(max_length=1000, description="Where no plan keeps the rules: what to give up.")
    items: list[PlannedItem] = Field(max_length=500)
    left_out: list[LeftOut] = Field(max_length=1000)
