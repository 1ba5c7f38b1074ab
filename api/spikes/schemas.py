"""Spikes on the wire."""

from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from api.db import WireId
from api.decisions.schemas import DecisionId
from api.features.schemas import FeatureId
from api.formulas.tradeoff import Unit
from api.http.findings import misplaced
from api.http.pagination import PageQuery
from api.http.schema import Body, CommaSeparated, Line, Moment, Name, Number, Prose, Shown, Title, Version

SpikeId = Annotated[UUID, WireId("spike")]
SpikeStatus = Literal["requested", "started", "concluded"]
Feasibility = Literal["feasible", "feasible_with_limits", "infeasible", "unknown"]
Recommendation = Literal["build", "buy", "defer"]


class SpikeCreate(Body):
    """A question that can be answered, a box of time, and who looks into it."""

    question: Title = Field(examples=["Can Yjs merge the edits of 50 people in one document within 200 ms?"])
    timebox_days: Number = Field(gt=0, le=10, description="Working days, ten at most.", examples=[2])
    owner: Name = Field(examples=["Ada Lovelace"])
    context: Prose | None = None
    feature_id: FeatureId | None = Field(None, description="The feature that waits for the answer.")


class SpikeEstimate(Body):
    """A range, and where in it the work most likely ends."""

    low: Number = Field(gt=0, le=10**4, examples=[3])
    likely: Number | None = Field(None, gt=0, le=10**4)
    high: Number = Field(gt=0, le=10**4, examples=[6])
    unit: Unit = "weeks"

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if not self.low <= (self.likely if self.likely is not None else self.low) <= self.high:
            raise misplaced("not_a_range", "low, likely and high must ascend", "high")
        return self


class SpikeConclusion(Body):
    """What came out. All four of the guide's questions are answered."""

    feasibility: Feasibility = Field(description="Is it possible at all?", examples=["feasible"])
    estimate: SpikeEstimate = Field(description="How long will it take?")
    risks: list[Line] = Field(
        min_length=1, max_length=50, description="What could go wrong?", examples=[["Large documents may be slow."]]
    )
    recommendation: Recommendation = Field(description="Build, buy, or defer?", examples=["build"])
    summary: Prose | None = None


class SpikeShown(Shown):
    id: SpikeId
    object: Literal["spike"]
    livemode: bool
    question: str
    context: str | None
    timebox_days: float
    owner: str
    feature_id: FeatureId | None
    status: SpikeStatus
    started_at: Moment | None
    due_at: Moment | None = Field(description="The end of the timebox, in working days from the start.")
    overran_at: Moment | None = Field(description="When it was told that the timebox had run out.")
    concluded_at: Moment | None
    feasibility: Feasibility | None
    estimate: SpikeEstimate | None
    risks: list[str]
    recommendation: Recommendation | None
    summary: str | None
    decision_id: DecisionId | None = Field(description="The decision that its conclusion drafted.")
    version: Version
    created_at: Moment
    updated_at: Moment


class SpikeQuery(PageQuery):
    status: Annotated[list[SpikeStatus] | None, CommaSeparated] = Field(None, max_length=3)
    feature_id: FeatureId | None = None
