"""The tutorial and the product's own metrics on the wire."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from api.db import WireId
from api.http.schema import Moment, Shown, Version

StepKey = Literal["key", "feature", "score", "endpoint", "roadmap", "webhook", "decision", "record"]
MetricName = Literal[
    "keys_issued",
    "active_integrations",
    "calls_a_day",
    "error_rate",
    "p95_ms",
    "uptime",
    "time_to_first_call_s",
    "activation",
    "webhook_success",
]


class RequestShown(Shown):
    """The request that takes the step, with the ids that are known by now."""

    method: Literal["GET", "POST"]
    path: str = Field(examples=["/v1/features"], max_length=300)
    body: dict[str, Any] | None


class SamplesShown(Shown):
    """The same request, to paste. They read ROADBED_KEY from the environment."""

    curl: str = Field(max_length=5000)
    python: str = Field(max_length=5000)
    typescript: str = Field(max_length=5000)


class StepShown(Shown):
    key: StepKey
    title: str
    why: str
    done: bool = Field(description="As the data says, not as anybody claims.")
    completed_at: Moment | None
    request: RequestShown
    samples: SamplesShown


class TutorialShown(Shown):
    object: Literal["tutorial"]
    livemode: bool
    completed: int
    total: int
    next: StepKey | None = Field(description="The first step that is not done.")
    steps: list[StepShown] = Field(max_length=20)


class StepCompleted(Shown):
    """A step of the tutorial is done, for the first time."""

    id: Annotated[UUID, WireId("ws")]
    object: Literal["tutorial_step"]
    version: Version
    step: StepKey
    completed_at: Moment
    completed: int
    total: int


class TargetShown(Shown):
    op: Literal["lt", "lte", "gt", "gte"]
    value: float


class MetricShown(Shown):
    name: MetricName
    value: float | None = Field(description="Null while nothing was measured.")
    unit: Literal["keys", "calls", "share", "ms", "s"]
    target: TargetShown | None
    met: bool | None = Field(description="Null without a value or a target.")
    of: int = Field(description="How many keys, calls, attempts or minutes the value stands on.")


class ApiMetricsShown(Shown):
    """How the API does as a product, in this workspace and mode, over the last 30 days."""

    object: Literal["api_metrics"]
    livemode: bool
    days: int
    data: list[MetricShown] = Field(max_length=20)
