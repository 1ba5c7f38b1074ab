"""Decisions on the wire."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal, Self
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from api.db import WireId
from api.formulas.robustness import Word
from api.formulas.tradeoff import Unit
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
from api.search.query import SearchText

DecisionId = Annotated[UUID, WireId("dec")]
Kind = Literal["build_vs_buy", "tradeoff", "tech_debt", "architecture", "scope"]
DecisionStatus = Literal["draft", "recorded"]
Format = Literal["madr", "nygard", "log4brains"]
Side = Literal["scope", "time", "quality"]
Link = Literal["supersedes", "amends"]
Cause = Literal["date", "trigger", "assumption"]
ItemKey = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
Alias = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
Ratings = dict[ItemKey, dict[ItemKey, Number]]
Money = Annotated[Number, Field(ge=0, le=10**15)]
Growth = Annotated[Number, Field(ge=0, le=1, decimal_places=4)]
MOST_OPTIONS = 50
MOST_TRIGGERS = 20


class CostModel(Body):
    """What an option costs, in one currency: once at the start, then each month a fixed part and a part by volume."""

    one_off: Money = Field(Decimal(0), examples=[150000])
    monthly: Money | None = Field(None, description="Null when nobody has put a number to it; then nothing is assumed.")
    unit_price: Money = Field(Decimal(0), description="For one unit.", examples=[0.001])
    units_per_month: Money = Field(Decimal(0), description="In the first month.", examples=[100000])
    monthly_growth: Growth = Field(Decimal(0), description="Of the volume: 0.05 is 5 % a month.")
    stated_yearly: Money | None = Field(
        None, description="A yearly running cost that somebody printed. It is held against the model's, never used."
    )


class Effort(Body):
    """Who works on it for how long."""

    people: Number = Field(gt=0, le=10**5, examples=[3])
    duration: Number = Field(gt=0, le=10**4, examples=[6])
    unit: Unit = "months"


class Option(Body):
    """Something that can be chosen."""

    key: ItemKey = Field(examples=["build"])
    title: Name = Field(examples=["Build it"])
    pros: list[Line] = Field(default_factory=list, max_length=50)
    cons: list[Line] = Field(default_factory=list, max_length=50)
    cost: CostModel | None = None
    effort: Effort | None = None
    exit_cost: Money | None = Field(None, description="What leaving it would cost: the price of the lock-in.")
    sla: Number | None = Field(None, ge=0, le=100, description="Availability that is promised, in percent.")
    scope_kept: list[Line] = Field(default_factory=list, max_length=50)
    scope_lost: list[Line] = Field(default_factory=list, max_length=50)
    stated_total: Number | None = Field(
        None, ge=-(10**9), le=10**9, description="A total that somebody printed; the analysis tells when it is wrong."
    )


class DecisionCriterion(Body):
    """Something that options are rated on. Weights that do not sum to 1 are normalised, and the analysis says so."""

    key: ItemKey = Field(examples=["time_to_market"])
    title: Name = Field(examples=["Time to market"])
    weight: Number = Field(ge=0, le=10**6, examples=[0.2])
    direction: Literal["benefit", "cost"] = Field("benefit", description="Of a cost, a low rating is the better one.")


class Assumption(Body):
    """Something that the decision rests on. An observation can say that it no longer holds."""

    key: ItemKey = Field(examples=["not_an_email_product"])
    text: Line = Field(examples=["We are not building an email product."])


class ReviewTrigger(Body):
    """When to look at the decision again: a metric that crosses a line, as told by observations."""

    key: ItemKey = Field(examples=["too_expensive"])
    metric: Name = Field(examples=["yearly_cost"])
    op: Literal["gt", "gte", "lt", "lte"] = "gt"
    value: Number = Field(ge=-(10**15), le=10**15, examples=[120000])
    unit: Name | None = Field(None, examples=["USD"])
    statistic: Literal["latest", "mean", "sum"] = Field("latest", description="Over the window.")
    window_days: int | None = Field(None, ge=1, le=3660, description="Up to the newest observation.")
    option: ItemKey | None = Field(
        None, description="Whose cost the metric `yearly_cost` or `monthly_cost` is: then the model is held against it."
    )

    @model_validator(mode="after")
    def _window_is_given(self) -> Self:
        if (self.statistic == "latest") == (self.window_days is not None):
            raise misplaced("incomplete", "is needed of a mean or a sum, and the latest value has none", "window_days")
        return self


class BuildChecks(Body):
    """When to build: the guide's four questions. Null is not answered."""

    core_differentiator: bool | None = None
    no_good_vendor: bool | None = None
    unmet_requirements: bool | None = None
    buying_costs_more: bool | None = Field(None, description="In the long term.")


class BuyChecks(Body):
    """When to buy: the guide's four questions. Null is not answered."""

    commodity: bool | None = None
    time_to_market_critical: bool | None = None
    strong_vendor: bool | None = Field(None, description="With an SLA and support.")
    no_advantage: bool | None = Field(None, description="It would give no competitive advantage.")


class Checklist(Body):
    """Build or buy, by questions. The options that the two sides mean have these keys."""

    build: BuildChecks = Field(default_factory=BuildChecks)
    buy: BuyChecks = Field(default_factory=BuyChecks)
    build_option: ItemKey = "build"
    buy_option: ItemKey = "buy"


class Span(Body):
    amount: Number = Field(ge=0, le=10**5, examples=[6])
    unit: Unit = "months"


class EstimatePhase(Span):
    phase: Name = Field(examples=["build"])


class Estimate(Body):
    """What an estimate consists of, and the total that was said."""

    breakdown: list[EstimatePhase] = Field(min_length=1, max_length=50)
    total: Span | None = None


class Vote(Body):
    """What somebody was for. Dissent is kept with the decision."""

    who: Name = Field(examples=["Ada Lovelace"])
    role: Name | None = Field(None, examples=["engineering"])
    choice: ItemKey = Field(examples=["build"])
    comment: Line | None = None


class DecisionCreate(Body):
    """A draft. With criteria and ratings it is analysed at once."""

    title: Title = Field(examples=["Build or buy the editor's collaboration"])
    kind: Kind
    context: Prose | None = None
    options: list[Option] = Field(min_length=1, max_length=MOST_OPTIONS)
    criteria: list[DecisionCriterion] = Field(default_factory=list, max_length=50)
    ratings: Ratings = Field(
        default_factory=dict,
        description="0 to 10, for each option and criterion.",
        examples=[{"build": {"time_to_market": 2}, "buy": {"time_to_market": 10}}],
    )
    fixed: list[Side] = Field(
        default_factory=list, description="Scope, time, quality: pick two. What is not fixed has to give.", max_length=3
    )
    assumptions: list[Assumption] = Field(default_factory=list, max_length=50)
    triggers: list[ReviewTrigger] = Field(default_factory=list, max_length=MOST_TRIGGERS)
    checklist: Checklist | None = None
    estimate: Estimate | None = None
    aliases: list[Alias] = Field(
        default_factory=list, max_length=20, description="Other names it is cited by.", examples=[["ADR-0007"]]
    )

    @model_validator(mode="after")
    def _keys_are_unique(self) -> Self:
        for field in ("options", "criteria", "assumptions", "triggers"):
            _unique(field, [item.key for item in getattr(self, field)])
        _unique("fixed", list(self.fixed))
        return self


class DecisionPatch(Patch):
    """A merge patch of a draft. `ratings` are merged cell by cell; lists are replaced."""

    required: ClassVar[frozenset[str]] = frozenset({"title", "kind", "options", "criteria"})

    title: Title | None = None
    kind: Kind | None = None
    context: Prose | None = None
    options: list[Option] | None = Field(None, min_length=1, max_length=MOST_OPTIONS)
    criteria: list[DecisionCriterion] | None = Field(None, max_length=50)
    ratings: dict[ItemKey, dict[ItemKey, Number | None] | None] | None = None
    fixed: list[Side] | None = Field(None, max_length=3)
    assumptions: list[Assumption] | None = Field(None, max_length=50)
    triggers: list[ReviewTrigger] | None = Field(None, max_length=MOST_TRIGGERS)
    checklist: Checklist | None = None
    estimate: Estimate | None = None
    aliases: list[Alias] | None = Field(None, max_length=20)


class Verdict(Body):
    """What was chosen, and why. It is frozen once recorded."""

    chosen: ItemKey = Field(description="The key of one of the options.", examples=["build"])
    rationale: Annotated[str, StringConstraints(min_length=1, max_length=50_000, strip_whitespace=True)] = Field(
        examples=["It is what sets us apart; buying would save four months and cost us the custom experience."]
    )
    decided_by: Name | None = Field(None, examples=["Ada Lovelace"])
    decided_at: Time | None = Field(None, description="When it was decided, where that was before now.")
    review_at: Time | None = Field(None, description="When to look at it again.")
    confidence: Number | None = Field(None, ge=0, le=1, description="Of those who decided, 0 to 1.")
    votes: list[Vote] = Field(default_factory=list, max_length=100)


class DecisionLinkCreate(Body):
    """This decision takes the place of another, or amends it. Both are recorded, and neither is edited."""

    kind: Link
    decision_id: DecisionId = Field(description="The earlier decision.")


class DecisionObservationCreate(Body):
    """A metric's value, or whether an assumption still holds."""

    metric: Name | None = Field(None, examples=["yearly_cost"])
    value: Number | None = Field(None, ge=-(10**15), le=10**15, examples=[130000])
    assumption: ItemKey | None = None
    holds: bool | None = None
    note: Line | None = None
    observed_at: Time | None = Field(None, description="Now, unless told.")

    @model_validator(mode="after")
    def _is_one_or_the_other(self) -> Self:
        pairs = ("metric", "value"), ("assumption", "holds")
        given = [tuple(getattr(self, name) is not None for name in pair) for pair in pairs]
        if sorted(given) != [(False, False), (True, True)]:
            half = [name for pair, has in zip(pairs, given, strict=True) if any(has) for name in pair]
            raise misplaced("incomplete", "give metric and value, or assumption and holds", *(half or pairs[0]))
        return self


class TcoQuestion(Body):
    """Over how long, and at what discount."""

    horizon_months: int = Field(24, ge=1, le=600, examples=[24])
    annual_discount: Growth = Field(Decimal(0), description="A share: 0.12 is one percent a month.")


class Threshold(Shown):
    weight: float
    winner: str


class Crossover(Shown):
    """How far one weight can move, the others rescaled, before another option wins."""

    criterion: str
    weight: float
    below: Threshold | None
    above: Threshold | None


class Flip(Shown):
    """One rating that alone could change the winner: at `rating + change` the two tie."""

    option: str
    criterion: str
    rating: float
    change: float
    winner: str


class Sensitivity(Shown):
    """What would change the winner."""

    crossovers: list[Crossover] = Field(max_length=50)
    smallest_flip: Flip | None
    win_probability: dict[str, float] = Field(description="Under weights drawn around the given ones.")
    concentration: int
    draws: int
    robustness: Word


class Beaten(Shown):
    option: str
    by: str


class Analysis(Shown):
    """The weighted matrix, exactly computed."""

    totals: dict[str, float]
    contributions: dict[str, dict[str, float]] = Field(description="Weight × rating, for each option and criterion.")
    weights: dict[str, float] = Field(description="As used: they sum to 1.")
    weight_sum: float = Field(description="What the given weights summed to.")
    normalised: bool
    order: list[str] = Field(description="Options by total, best first.")
    leader: str | None = Field(description="Null when the top is tied.")
    runner_up: str | None
    margin: float | None = Field(description="The first total less the second.")
    margin_share: float | None = Field(description="The margin as a share of the first total.")
    dominated: list[Beaten] = Field(description="Options that no weights could make win.")
    sensitivity: Sensitivity


class DecisionFinding(Shown):
    """Something that does not add up, and where."""

    code: str
    pointer: str
    message: str


class ChecklistTold(Shown):
    build: int = Field(description="How many of the four speak for building.")
    buy: int
    answered: int
    leans: Literal["build", "buy", "even"]
    conflict: bool | None = Field(description="With the matrix; null when either has no answer.")


class EstimateTold(Shown):
    months: float
    stated_months: float | None
    agrees: bool | None


class DecisionAssessment(Shown):
    """What follows from the rest of the draft."""

    findings: list[DecisionFinding]
    checklist: ChecklistTold | None
    estimate: EstimateTold | None
    monthly_rates: dict[str, float] = Field(description="Of each option with cost and effort: one person-month.")
    beaten: list[Beaten] = Field(description="Options that another beats on cost over two years and on time.")
    flexible: list[Side] = Field(description="Of scope, time and quality, what is not fixed.")


class DecisionLinkShown(Shown):
    kind: Literal["supersedes", "superseded_by", "amends", "amended_by"]
    decision_id: DecisionId
    created_at: Moment


class DecisionReviewShown(Shown):
    """Why the decision is due for another look. Each cause is told once."""

    cause: Cause
    key: str = Field(description="Of the trigger or the assumption; empty for a date.")
    reason: str
    raised_at: Moment


class ChainedShown(Shown):
    """The decision's place in the workspace's chain of hashes."""

    position: int = Field(ge=1)
    hash: str = Field(description="SHA-256, in hex.")


class DecisionShown(Shown):
    id: DecisionId
    object: Literal["decision"]
    livemode: bool
    number: int = Field(ge=1, description="Given by the server, in order, never again.")
    aliases: list[str]
    title: str
    kind: Kind
    context: str | None
    options: list[Option]
    criteria: list[DecisionCriterion]
    ratings: dict[str, Any]
    missing_ratings: list[str] = Field(description="Cells that are not rated yet, as pointers into the decision.")
    analysis: Analysis | None = Field(description="Null while there are no criteria, or cells are missing.")
    fixed: list[Side]
    assumptions: list[Assumption]
    triggers: list[ReviewTrigger]
    checklist: Checklist | None
    estimate: Estimate | None
    assessment: DecisionAssessment
    status: DecisionStatus
    chosen: str | None
    rationale: str | None
    decided_by: str | None
    decided_at: datetime | None
    confidence: float | None
    votes: list[Vote]
    review_at: datetime | None
    recorded_at: Moment | None
    source_format: Format | None = Field(description="Of the file it was imported from.")
    links: list[DecisionLinkShown]
    reviews: list[DecisionReviewShown]
    chained: ChainedShown | None
    version: Version
    created_at: Moment
    updated_at: Moment


# What is recorded never changes, and yet more is told of it.
Told = Annotated[
    int, Field(ge=2, description="Goes up by one with each event of the decision: the first is its own version, then.")
]


class ReviewDue(Shown):
    """A decision that is due for another look."""

    id: DecisionId
    object: Literal["decision_review"]
    version: Told
    livemode: bool
    number: int
    title: str
    chosen: str | None
    cause: Cause
    key: str
    reason: str


class Linked(Shown):
    """A decision that a later one took the place of, or amended."""

    id: DecisionId
    object: Literal["decision_link"]
    version: Told
    livemode: bool
    kind: Literal["superseded_by", "amended_by"]
    number: int
    title: str
    by_id: DecisionId
    by_number: int
    by_title: str


class DecisionObservationShown(Shown):
    id: Annotated[UUID, WireId("obs")]
    object: Literal["observation"]
    livemode: bool
    decision_id: DecisionId
    metric: str | None
    value: float | None
    assumption: str | None
    holds: bool | None
    note: str | None
    observed_at: Moment
    raised: list[str] = Field(description="Keys of the triggers and assumptions that it made due for review.")


class OptionCost(Shown):
    option: str
    total: float
    present_value: float
    first_year: float = Field(description="Of the running cost alone.")
    last_month: float = Field(description="The running cost of the horizon's last month.")


class BreakEven(Shown):
    """When the option that costs more to start with has cost no more than the other."""

    dear: str
    cheap: str
    month: float | None = Field(description="Null: never.")
    crossover_units_per_month: float | None = Field(description="The volume at which both cost the same by then.")
    never_above_monthly: float | None = Field(
        description="Where the dear one's monthly cost is not known: from here on it never breaks even."
    )


class CheapestFrom(Shown):
    from_month: int = Field(ge=1)
    option: str


class Tco(Shown):
    object: Literal["tco"]
    decision_id: DecisionId
    horizon_months: int
    annual_discount: float
    costs: list[OptionCost] = Field(description="Cheapest in present value first.")
    cheapest: str | None = Field(description="Null when the top is tied.")
    break_even: list[BreakEven]
    cheapest_over_time: list[CheapestFrom] = Field(description="Undiscounted, which is cheapest from which month on.")
    without_cost: list[str] = Field(description="Options with no cost model.")
    findings: list[DecisionFinding]


class ChainFault(Shown):
    position: int | None
    subject: str | None = Field(description="The decision, or the link's UUID.")
    problem: str


class Chain(Shown):
    """The chain of recorded decisions and links, recomputed from the rows."""

    object: Literal["decision_chain"]
    length: int
    head: str = Field(description="The newest hash, in hex: keep it elsewhere to prove that nothing was rewritten.")
    checked_from: int
    checked_to: int
    intact: bool
    faults: list[ChainFault] = Field(max_length=100)
    next_after: int | None = Field(description="Give it as `after` to go on; null at the end.")


class ChainQuery(Asked):
    after: int = Field(0, ge=0, le=2**31 - 1, description="Start behind this position.")
    limit: int = Field(1000, ge=1, le=5000, description="How many entries to check.")


class DecisionView(Asked):
    format: Format | None = Field(None, description="Of the Markdown: what it was imported from, or MADR.")


class DecisionQuery(PageQuery):
    q: SearchText | None = None
    status: Annotated[list[DecisionStatus] | None, CommaSeparated] = Field(None, max_length=2)
    kind: Annotated[list[Kind] | None, CommaSeparated] = Field(None, max_length=5)
    number: Annotated[list[Annotated[int, Field(ge=1, le=2_147_483_647)]] | None, CommaSeparated] = Field(
        None, max_length=20
    )
    alias: Alias | None = None
    review_due: bool | None = Field(None, description="Those with a cause to look at them again, or without one.")


def _unique(field: str, keys: list[str]) -> None:
    if len(set(keys)) != len(keys):
        raise misplaced("duplicate", "has a key twice", field)
