"""Technical debts on the wire. Money in one currency, effort in person-months, shares from 0 to 1."""

import datetime as dates
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from api.db import WireId
from api.http.findings import misplaced
from api.http.pagination import PageQuery
from api.http.schema import (
    Body,
    CommaSeparated,
    Day,
    Line,
    Moment,
    Name,
    Number,
    Patch,
    Prose,
    Shown,
    Title,
    Version,
    merge_patch,
)

DebtId = Annotated[UUID, WireId("debt")]
DebtStatus = Literal["open", "planned", "in_progress", "resolved", "deferred"]
DebtVerdict = Literal["pay_down", "defer"]
Risk = Literal["outage", "security", "compliance", "data_integrity"]
Share = Annotated[Number, Field(gt=0, le=1)]
Money = Annotated[Number, Field(ge=0, le=10**15)]
Months = Annotated[Number, Field(gt=0, le=1200)]


class Symptom(Body):
    """What it does to the team: a metric that was better once, what it is now, and what it would be again."""

    metric: Name = Field(examples=["deployments a day"])
    baseline: Number | None = Field(None, gt=0, le=10**12, description="What it once was.")
    before: Number = Field(gt=0, le=10**12, description="What it is now, before the work.")
    target: Number | None = Field(None, gt=0, le=10**12)
    unit: Name | None = None
    lower_is_better: bool = False


class PhasedPlan(Body):
    """A share of each sprint, instead of stopping for so many months of the whole team."""

    share: Share = Field(examples=[0.2])
    sprints: int = Field(ge=1, le=1000, examples=[10])
    sprint_weeks: Number = Field(Decimal(2), gt=0, le=52)
    big_bang_months: Months = Field(description="Team-months of doing it all at once.", examples=[2])
    gain: Share | None = Field(None, description="How much faster the team is said to be afterwards.")
    milestones: list[Line] = Field(default_factory=list, max_length=50)


class Prevention(Body):
    """What leadership is told: a share invested now prevents a drop, with a probability."""

    invested_share: Share = Field(examples=[0.2])
    prevented_drop: Share = Field(examples=[0.3])
    probability: Share | None = Field(None, description="That the drop comes without the work. Without it: certain.")


class CapacityReservation(Body):
    """Capacity that is set aside."""

    team: Name = Field(examples=["Platform"])
    people: Number = Field(gt=0, le=10_000, examples=[3])
    share: Share = Field(examples=[0.3])
    from_: Day = Field(alias="from", examples=["2026-12-01"])
    to: Day = Field(description="The last day.", examples=["2027-01-31"])

    @model_validator(mode="after")
    def _runs_forward(self) -> Self:
        if self.to < self.from_:
            raise misplaced("backwards", "lies before from", "to")
        return self


class Velocity(Body):
    """The team's velocity in a sprint, to see the trend."""

    sprint: Name = Field(examples=["2026-47"])
    value: Number = Field(ge=0, le=10**9, examples=[30])


class DebtCreate(Body):
    """A debt, what it costs and what paying it down would bring. Without a benefit there is no payback."""

    title: Title = Field(examples=["Monolith to services"])
    description: Prose | None = None
    status: DebtStatus = "open"
    effort_months: Number = Field(gt=0, le=10**5, description="Person-months.", examples=[6])
    people: Number | None = Field(None, gt=0, le=10**4, description="Who work on it at once; one, unless told.")
    cost_per_month: Money = Field(description="Of one person-month.", examples=[25000])
    monthly_benefit: Money | None = Field(
        None, description="What a month brings once it is paid down.", examples=[50000]
    )
    monthly_running_cost: Money = Field(Decimal(0), description="What the new state costs to run, more than the old.")
    claimed_payback_months: Months | None = Field(None, description="What somebody said. It is held against the rest.")
    horizon_months: Months = Field(Decimal(12), description="Over which the return on investment is told.")
    symptom: Symptom | None = None
    velocity_impact: Number | None = Field(None, ge=0, le=1, description="The share of velocity that it costs now.")
    wasted_share: Number | None = Field(None, ge=0, lt=1, description="The share of time that goes into workarounds.")
    risks: list[Risk] = Field(default_factory=list, max_length=4)
    higher_priorities: Line | None = Field(None, description="What is worth more now, as a reason to defer.")
    phased: PhasedPlan | None = None
    prevention: Prevention | None = None
    reservations: list[CapacityReservation] = Field(default_factory=list, max_length=50)
    velocity: list[Velocity] = Field(default_factory=list, max_length=200, description="Oldest first.")


class DebtPatch(Patch):
    """A merge patch of a debt; lists are replaced."""

    required: ClassVar[frozenset[str]] = frozenset({"title", "status", "effort_months", "cost_per_month"})

    title: Title | None = None
    description: Prose | None = None
    status: DebtStatus | None = None
    effort_months: Number | None = Field(None, gt=0, le=10**5)
    people: Number | None = Field(None, gt=0, le=10**4)
    cost_per_month: Money | None = None
    monthly_benefit: Money | None = None
    monthly_running_cost: Money | None = None
    claimed_payback_months: Months | None = None
    horizon_months: Months | None = None
    symptom: dict[str, Any] | None = Field(None, max_length=10)
    velocity_impact: Number | None = Field(None, ge=0, le=1)
    wasted_share: Number | None = Field(None, ge=0, lt=1)
    risks: list[Risk] | None = Field(None, max_length=4)
    higher_priorities: Line | None = None
    phased: dict[str, Any] | None = Field(None, max_length=10)
    prevention: dict[str, Any] | None = Field(None, max_length=10)
    reservations: list[CapacityReservation] | None = Field(None, max_length=50)
    velocity: list[Velocity] | None = Field(None, max_length=200)

    def merged(self, current: dict[str, Any]) -> dict[str, Any]:
        """`current` with the patch in it; what it removes is gone."""
        given = self.model_dump(exclude_unset=True, by_alias=True)
        whole = {
            name: merge_patch(current.get(name), given[name]) if name in given else current[name] for name in current
        }
        return {name: value for name, value in whole.items() if value is not None}


class DebtReason(Shown):
    rule: Literal["velocity", "risk", "payback", "unclear_roi", "higher_priorities"]
    favours: DebtVerdict
    sentence: str


class PaybackTold(Shown):
    """By two clocks: from when the work is done, and from when it starts."""

    investment: float
    build_months: float
    net_monthly_benefit: float | None
    months_from_completion: float | None = Field(description="Null: never, or nobody knows the benefit.")
    months_from_start: float | None
    roi: float | None = Field(description="Over the horizon, from completion.")
    within_rule: bool = Field(description="Within 6 months by both clocks.")
    implied_monthly_benefit: float | None = Field(description="What the claimed payback asserts without saying so.")


class SymptomTold(Shown):
    drop: float | None = Field(description="The share lost since the baseline.")
    improvement: float | None = Field(description="The target over what it is now.")
    reaches_baseline: bool | None


class PhasedTold(Shown):
    team_months: float = Field(description="What the phased plan delivers.")
    big_bang_months: float
    covered: float = Field(description="Of the work.")
    equal_sprints: float = Field(description="How many sprints would be the same work.")
    equal: bool
    sprints_to_break_even: float | None = Field(description="After the plan, until the gain has made up for it.")


class ReservedTold(Shown):
    needed_months: float
    reserved_months: float
    enough: bool
    implied_team: float | None = Field(
        description="Of the first reservation: how many people would make up the effort."
    )


class DebtFinding(Shown):
    code: str
    pointer: str
    message: str


class ReservationShown(Shown):
    team: str
    people: float
    share: float
    from_: dates.date = Field(alias="from")
    to: dates.date


class DebtShown(Shown):
    id: DebtId
    object: Literal["debt"]
    livemode: bool
    title: str
    description: str | None
    status: DebtStatus
    effort_months: float
    people: float | None
    cost_per_month: float
    monthly_benefit: float | None
    monthly_running_cost: float
    claimed_payback_months: float | None
    horizon_months: float
    symptom: Symptom | None
    velocity_impact: float | None
    wasted_share: float | None
    risks: list[Risk]
    higher_priorities: str | None
    phased: PhasedPlan | None
    prevention: Prevention | None
    reservations: list[ReservationShown]
    velocity: list[Velocity]
    payback_months: float | None = Field(description="From completion. Null: never, or nobody knows the benefit.")
    verdict: DebtVerdict
    reasons: list[DebtReason]
    payback: PaybackTold
    symptom_told: SymptomTold | None
    phased_told: PhasedTold | None
    reserved: ReservedTold | None
    ceiling_gain: float | None = Field(description="The most that output can grow when no time is wasted any more.")
    velocity_trend: float | None = Field(description="For each sprint, by least squares.")
    findings: list[DebtFinding]
    version: Version
    created_at: Moment
    updated_at: Moment


class DebtQuery(PageQuery):
    status: Annotated[list[DebtStatus] | None, CommaSeparated] = Field(None, max_length=5)
    verdict: Annotated[list[DebtVerdict] | None, CommaSeparated] = Field(None, max_length=2)


class PitchLine(Shown):
    label: str
    formula: str
    value: float


class Pitch(Shown):
    """The case for leadership, with its arithmetic and the probability that it rests on."""

    object: Literal["debt_pitch"]
    debt_id: DebtId
    headline: str
    argument: list[str]
    arithmetic: list[PitchLine]
    probability: float | None
    caveats: list[str]
    markdown: str
