"""Usage on the wire."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from api.db import WireId
from api.http.schema import Asked, Body, Day, Moment, Shown, Version

Group = Literal["day", "operation", "key", "status"]
QuotaPolicy = Literal["block", "auto_upgrade"]
PlanName = Literal["free", "growth"]


class UsageQuery(Asked):
    """Which days, and by what. A query of at most 92 days."""

    since: Day | None = Field(None, description="The first day, UTC; 30 days ago unless given.")
    until: Day | None = Field(None, description="The last day, UTC; today unless given.")
    group_by: Group = "day"


class UsageLine(Shown):
    group: str = Field(description="The day, operation, key or status.")
    calls: int
    errors: int = Field(description="Answers of 5xx.")
    refusals: int = Field(description="Answers of 4xx.")
    error_rate: float = Field(description="Errors as a share of calls, 0 to 1.")
    p50_ms: float | None = Field(description="The upper end of the latency's bucket.")
    p95_ms: float | None


class QuotaShown(Shown):
    """The month's quota. Live keys use it; test keys only count."""

    plan: PlanName
    policy: QuotaPolicy
    limit: int
    used: int
    remaining: int
    resets_at: Moment


class UptimeShown(Shown):
    """Of the service as a whole. A minute is up when the API wrote its heartbeat in it, and answered at most 5 % of the
    calls of that minute with 5xx."""

    minutes: int = Field(ge=0, description="Whole minutes of these days, from the service's first on.")
    up: int = Field(ge=0, description="Those in which it was up.")
    share: float | None = Field(ge=0, le=1, description="The part that was up; null before the first whole minute.")


class UsageShown(Shown):
    object: Literal["usage"]
    livemode: bool
    quota: QuotaShown
    uptime: UptimeShown
    total: UsageLine
    data: list[UsageLine] = Field(max_length=1000, description="By group: days ascending, else the most calls first.")


class QuotaPolicyPatch(Body):
    policy: QuotaPolicy = Field(description="At the limit: `block` answers 429, `auto_upgrade` moves to the next plan.")


class ThresholdReached(Shown):
    """A share of the month's calls is used."""

    id: Annotated[UUID, WireId("ws")]
    object: Literal["quota"]
    version: Version
    plan: PlanName
    percent: Literal[80, 100]
    limit: int
    used: int


class PlanUpgraded(Shown):
    id: Annotated[UUID, WireId("ws")]
    object: Literal["plan"]
    version: Version
    was: PlanName
    plan: PlanName
    limit: int


class FirstCallMade(Shown):
    """The workspace has made its first successful call."""

    id: Annotated[UUID, WireId("ws")]
    object: Literal["first_call"]
    version: Version
    key_id: Annotated[UUID, WireId("key")]
    after_s: float = Field(description="Seconds since the workspace was made.")
