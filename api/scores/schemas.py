"""Scores and the ways to score, on the wire."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from api.db import WireId
from api.features.schemas import FeatureId
from api.formulas.exact import MAX_EXPONENT
from api.formulas.expression import MAX_LENGTH
from api.http.findings import misplaced
from api.http.pagination import PageQuery
from api.http.schema import Asked, Body, CommaSeparated, Day, Line, Moment, Name, Number, Shown, Time, Title

ScoreId = Annotated[UUID, WireId("score")]
ModelId = Annotated[UUID, WireId("model")]
Key = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[a-z][a-z0-9_]*$")]
Framework = Key
Period = Literal["week", "month", "quarter", "year"]
ScaleName = Literal["intercom-2016", "guide-1-3"]
AuthorKind = Literal["person", "key", "agent"]
MOST_INPUTS = 50
_LARGEST = 10**MAX_EXPONENT

_FRAMEWORK = "rice, ice, wsjf, cost_of_delay, value_effort, opportunity, weighted, kano, moscow, or a model's own key."
_INPUTS: dict[str, Any] = {
    "maxProperties": MOST_INPUTS,
    "examples": [
        {"reach": 10000, "impact": 3, "confidence": 0.8, "effort": 2},
        {"reach": 10000, "impact": 3, "confidence": 0.8, "effort": {"low": 1, "likely": 2, "high": 6}},
    ],
}


class Evidence(Body):
    """What an input rests on."""

    claim: Line = Field(examples=["40 % of users ask for it"])
    url: Annotated[str, StringConstraints(max_length=2000, pattern=r"^https?://")] | None = None
    observed_on: Day | None = None


class ScoreCreate(Body):
    """A new score of a feature. Earlier ones stay as they were.

    An input is a number, or a range: `{low, likely, high}` (PERT, or `dist` triangular) or `{p10, p50, p90}`
    (log-normal, or `dist` normal). The value is computed with the likely value, or the median; a simulation draws from
    the range. With a scale, impact and confidence are words of it or the values that it names.
    """

    framework: Framework = Field(description=_FRAMEWORK, examples=["rice"])
    variant: Key | None = Field(None, description="ice: mean or product. wsjf: safe, arnold. cost_of_delay: cd3, cost.")
    model_version: int | None = Field(None, ge=1, le=10**6, description="Of an own model; the newest when left out.")
    scale: ScaleName | None = Field(None, description="Of rice: a value that is not on it is refused.")
    inputs: dict[Annotated[str, StringConstraints(max_length=64)], Any] = Field(
        description="What the framework takes, by name; GET /v1/scores/frameworks lists it.", json_schema_extra=_INPUTS
    )
    author: Name | None = Field(None, description="The person or agent whose judgement this is; else the key's name.")
    author_kind: AuthorKind | None = None
    evidence: list[Evidence] = Field(default_factory=list, max_length=20)
    note: Annotated[str, StringConstraints(max_length=5000)] | None = None

    @model_validator(mode="after")
    def _author_is_whole(self) -> Self:
        if self.author_kind in ("person", "agent") and self.author is None:
            raise misplaced("incomplete", "is needed where author_kind is person or agent", "author")
        if self.author_kind == "key" and self.author is not None:
            raise misplaced("incomplete", "must be left out where author_kind is key", "author")
        return self


class EvidenceShown(Shown):
    """What an input rests on."""

    claim: str
    url: str | None
    observed_on: date | None


class ScoreShown(Shown):
    id: ScoreId
    object: Literal["score"]
    livemode: bool
    feature_id: FeatureId
    framework: Framework
    variant: str | None
    model_version: int | None
    formula: str = Field(description="The formula's name and version, `rice@1`.")
    scale: str | None
    inputs: dict[str, Any]
    value: Annotated[float, Field(description="Exact to six decimals, half to even.")]
    outcome: dict[str, Any] = Field(description="What else the framework tells: a Kano category, a quadrant, a band.")
    author: str = Field(description="The person or agent named, or the name of the key that scored.")
    author_kind: AuthorKind
    evidence: list[EvidenceShown] = Field(max_length=20)
    note: str | None
    created_at: Moment


class ScoreQuery(PageQuery):
    feature_id: FeatureId | None = None
    framework: Annotated[list[Framework] | None, CommaSeparated] = Field(None, max_length=20)
    variant: Annotated[list[Key] | None, CommaSeparated] = Field(None, max_length=20)
    model_version: Annotated[list[Annotated[int, Field(ge=1, le=2_147_483_647)]] | None, CommaSeparated] = Field(
        None, max_length=20
    )
    author: Annotated[list[Name] | None, CommaSeparated] = Field(None, max_length=20)
    author_kind: Annotated[list[AuthorKind] | None, CommaSeparated] = Field(None, max_length=3)
    value_gte: Decimal | None = Field(None, ge=-_LARGEST, le=_LARGEST)
    value_lte: Decimal | None = Field(None, ge=-_LARGEST, le=_LARGEST)
    created_at_gte: Time | None = Field(None, description="RFC 3339.")
    created_at_lte: Time | None = Field(None, description="RFC 3339.")
    sort: str | None = Field(None, max_length=100, description="value, created_at; `-` in front descends.")


class NoQuery(Asked):
    """No parameters: one that is sent is a 400."""


class FrameworkInput(Shown):
    name: str
    description: str
    minimum: float | None
    maximum: float | None
    exclusive_minimum: bool
    required: bool


class FrameworkShown(Shown):
    """A built-in way to score."""

    object: Literal["framework"]
    key: Framework
    title: str
    source: str
    variants: list[str] = Field(max_length=10)
    default_variant: str | None = Field(description="Null where there is one way, or where one must be named.")
    formulas: dict[str, str] = Field(description="By variant; under `` where there is none.")
    inputs: list[FrameworkInput] = Field(max_length=MOST_INPUTS)
    scales: list[str] = Field(max_length=10, description="Named scales that a score may ask for.")


class ModelInput(Body):
    """An input of an own formula, with its bounds."""

    name: Key = Field(examples=["value"])
    description: Line | None = None
    minimum: Number = Field(default=Decimal(0), json_schema_extra={"minimum": -_LARGEST, "maximum": _LARGEST})
    maximum: Number = Field(default=Decimal(10**12), json_schema_extra={"minimum": -_LARGEST, "maximum": _LARGEST})
    exclusive_minimum: bool = False
    unit: Name | None = Field(None, examples=["person-months"])


class Criterion(Body):
    """A question that is rated, and how much it counts. A low rating of a cost is the better one."""

    name: Key = Field(examples=["fit"])
    weight: Number = Field(json_schema_extra={"minimum": 0, "maximum": 10**9, "examples": [0.4]})
    direction: Literal["benefit", "cost"] = "benefit"
    minimum: Number = Field(default=Decimal(0), json_schema_extra={"minimum": -(10**9), "maximum": 10**9})
    maximum: Number = Field(default=Decimal(10), json_schema_extra={"minimum": -(10**9), "maximum": 10**9})


class OwnScale(Body):
    """What the words mean here. An open scale takes every value between its least and its largest."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9_.-]*$")]
    impact: dict[Key, Number] = Field(default_factory=dict, max_length=20, examples=[{"big": 5, "small": 1}])
    confidence: dict[Key, Number] = Field(default_factory=dict, max_length=20)
    open: bool = False


class ModelCreate(Body):
    """The next version of an own way to score: a built-in one with fixed parameters, a formula, or a weighted sum."""

    key: Key = Field(examples=["platform_value"])
    title: Title
    description: Line | None = None
    kind: Literal["base", "formula", "weighted"]
    base: Literal["rice", "ice", "wsjf", "cost_of_delay", "value_effort", "opportunity"] | None = None
    variant: Key | None = None
    scale: ScaleName | OwnScale | None = None
    reach_period: Period | None = Field(
        None, description="Scores must then name the period of their reach; another one is converted."
    )
    reach_unit: Name | None = Field(None, examples=["people"])
    expression: str | None = Field(
        None,
        min_length=1,
        max_length=MAX_LENGTH,
        description="+ - * /, min, max, abs and the inputs' names.",
        examples=["(value + 2 * urgency) / effort"],
    )
    inputs: list[ModelInput] | None = Field(None, min_length=1, max_length=MOST_INPUTS)
    effort: Key | None = Field(None, description="Which input is the effort in person-months, for plans.")
    per_effort: bool = Field(False, description="The value is per effort: a plan multiplies it by the effort.")
    criteria: list[Criterion] | None = Field(None, min_length=1, max_length=MOST_INPUTS)

    @model_validator(mode="after")
    def _is_of_its_kind(self) -> Self:
        takes = {
            "base": {"base", "variant", "scale", "reach_period", "reach_unit"},
            "formula": {"expression", "inputs", "effort", "per_effort"},
            "weighted": {"criteria"},
        }
        needs = {"base": {"base"}, "formula": {"expression", "inputs"}, "weighted": {"criteria"}}[self.kind]
        others = sorted(set().union(*takes.values()) - takes[self.kind])
        if extra := [name for name in others if getattr(self, name) not in (None, False)]:
            raise misplaced("extra_forbidden", f"is not for a model of kind {self.kind}", *extra)
        if missing := [name for name in sorted(needs) if getattr(self, name) is None]:
            raise misplaced("missing", f"is needed for a model of kind {self.kind}", *missing)
        return self


class ModelShown(Shown):
    id: ModelId
    object: Literal["scoring_model"]
    livemode: bool
    key: Key
    version: int = Field(ge=1, description="Each change is the next one of the key; the ETag in quotes.")
    title: str
    description: str | None
    kind: Literal["base", "formula", "weighted"]
    definition: dict[str, Any]
    author: str
    created_at: Moment


class ModelQuery(PageQuery):
    key: Annotated[list[Key] | None, CommaSeparated] = Field(None, max_length=20)
    kind: Annotated[list[Literal["base", "formula", "weighted"]] | None, CommaSeparated] = Field(None, max_length=3)
