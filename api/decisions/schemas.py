"""Decisions on the wire."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, Self
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from api.db import WireId
from api.http.pagination import PageQuery
from api.http.schema import Body, CommaSeparated, Line, Moment, Name, Number, Patch, Prose, Shown, Time, Title, Version
from api.search.query import SearchText

DecisionId = Annotated[UUID, WireId("dec")]
Kind = Literal["build_vs_buy", "tradeoff", "tech_debt", "architecture", "scope"]
DecisionStatus = Literal["draft", "recorded"]
ItemKey = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
Ratings = dict[ItemKey, dict[ItemKey, Number]]


class Option(Body):
    """Something that can be chosen."""

    key: ItemKey = Field(examples=["build"])
    title: Name = Field(examples=["Build it"])
    pros: list[Line] = Field(default_factory=list, max_length=50)
    cons: list[Line] = Field(default_factory=list, max_length=50)


class Criterion(Body):
    """Something that options are rated on. Weights that do not sum to 1 are normalised, and the analysis says so."""

    key: ItemKey = Field(examples=["time_to_market"])
    title: Name = Field(examples=["Time to market"])
    weight: Number = Field(ge=0, le=10**6, examples=[0.2])
    direction: Literal["benefit", "cost"] = Field("benefit", description="Of a cost, a low rating is the better one.")


class DecisionCreate(Body):
    """A draft. With criteria and ratings it is analysed at once."""

    title: Title = Field(examples=["Build or buy the editor's collaboration"])
    kind: Kind
    context: Prose | None = None
    options: list[Option] = Field(min_length=1, max_length=50)
    criteria: list[Criterion] = Field(default_factory=list, max_length=50)
    ratings: Ratings = Field(
        default_factory=dict,
        description="0 to 10, for each option and criterion.",
        examples=[{"build": {"time_to_market": 2}, "buy": {"time_to_market": 10}}],
    )

    @model_validator(mode="after")
    def _keys_are_unique(self) -> Self:
        _unique("options", [option.key for option in self.options])
        _unique("criteria", [criterion.key for criterion in self.criteria])
        return self


class DecisionPatch(Patch):
    """A merge patch of a draft. `ratings` are merged cell by cell; lists are replaced."""

    required: ClassVar[frozenset[str]] = frozenset({"title", "kind", "options", "criteria"})
    emptied: ClassVar[Mapping[str, Any]] = {"ratings": {}}

    title: Title | None = None
    kind: Kind | None = None
    context: Prose | None = None
    options: list[Option] | None = Field(None, min_length=1, max_length=50)
    criteria: list[Criterion] | None = Field(None, max_length=50)
    ratings: dict[ItemKey, dict[ItemKey, Number | None] | None] | None = None


class Verdict(Body):
    """What was chosen, and why. It is frozen once recorded."""

    chosen: ItemKey = Field(description="The key of one of the options.", examples=["build"])
    rationale: Annotated[str, StringConstraints(min_length=1, max_length=50_000, strip_whitespace=True)] = Field(
        examples=["It is what sets us apart; buying would save four months and cost us the custom experience."]
    )
    decided_by: Name | None = Field(None, examples=["Ada Lovelace"])
    review_at: Time | None = Field(None, description="When to look at it again.")


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


class DecisionShown(Shown):
    id: DecisionId
    object: Literal["decision"]
    livemode: bool
    title: str
    kind: Kind
    context: str | None
    options: list[Option]
    criteria: list[Criterion]
    ratings: dict[str, Any]
    missing_ratings: list[str] = Field(description="Cells that are not rated yet, as pointers into the decision.")
    analysis: Analysis | None = Field(description="Null while there are no criteria, or cells are missing.")
    status: DecisionStatus
    chosen: str | None
    rationale: str | None
    decided_by: str | None
    review_at: datetime | None
    recorded_at: Moment | None
    version: Version
    created_at: Moment
    updated_at: Moment


class DecisionQuery(PageQuery):
    q: SearchText | None = None
    status: Annotated[list[DecisionStatus] | None, CommaSeparated] = Field(None, max_length=2)
    kind: Annotated[list[Kind] | None, CommaSeparated] = Field(None, max_length=5)


def _unique(field: str, keys: list[str]) -> None:
    if len(set(keys)) != len(keys):
        raise PydanticCustomError("duplicate", "{field} has a key twice", {"field": field})
