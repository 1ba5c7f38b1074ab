"""Scores on the wire."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from api.db import WireId
from api.features.schemas import FeatureId
from api.http.pagination import PageQuery
from api.http.schema import Body, CommaSeparated, Moment, Number, Shown

ScoreId = Annotated[UUID, WireId("score")]
Framework = Literal["rice"]


class RiceInputs(Body):
    """RICE = reach × impact × confidence / effort (Intercom, 2016)."""

    # The formula itself refuses what is out of bounds, and says what to write instead; the document tells them ahead.
    reach: Number = Field(
        description="People or events in a period, the same for all.",
        json_schema_extra={"minimum": 0, "maximum": 10**12, "examples": [10000]},
    )
    impact: Number = Field(
        description="3 massive, 2 high, 1 medium, 0.5 low, 0.25 minimal.",
        json_schema_extra={"exclusiveMinimum": 0, "maximum": 1000, "examples": [3]},
    )
    confidence: Number = Field(
        description="0 to 1: write 0.8 for 80 %.", json_schema_extra={"minimum": 0, "maximum": 1, "examples": [0.8]}
    )
    effort: Number = Field(
        description="Person-months, all disciplines.",
        json_schema_extra={"exclusiveMinimum": 0, "maximum": 10**6, "examples": [2]},
    )


class ScoreCreate(Body):
    """A new score of a feature. Earlier ones stay as they were."""

    framework: Framework
    inputs: RiceInputs


class ScoreShown(Shown):
    id: ScoreId
    object: Literal["score"]
    livemode: bool
    feature_id: FeatureId
    framework: Framework
    formula: str = Field(description="The formula's name and version, `rice@1`.")
    inputs: dict[str, Any]
    value: Annotated[float, Field(description="Exact to six decimals, half to even.")]
    author: str = Field(description="The name of the key that scored.")
    created_at: Moment


class ScoreQuery(PageQuery):
    feature_id: FeatureId | None = None
    framework: Annotated[list[Framework] | None, CommaSeparated] = Field(None, max_length=20)
