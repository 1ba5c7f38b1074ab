"""What readers ask for and get."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from api.features.schemas import FeatureQuery, FeatureShown
from api.http.pagination import PageQuery
from api.http.schema import Asked, CommaSeparated, ListShown, Number, Shown, Time
from api.prds.schemas import PrdShown
from api.scores.schemas import ScoreShown
from api.search.query import SearchText

Expand = Annotated[
    list[Literal["latest_score", "prd"]],
    CommaSeparated,
    Field(max_length=2, description="`latest_score`, `prd`: shown inside the feature."),
]
FrameworkName = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[a-z][a-z0-9_-]*$")]


class FeatureExpanded(FeatureShown):
    """A feature with what `expand` asks for."""

    latest_score: ScoreShown | None = Field(None, description="With `expand=latest_score`: null before the first.")

    prd: PrdShown | None = Field(None, description="With `expand=prd`: the newest PRD of the feature, or null.")


class FeatureView(Asked):
    """How one feature is shown."""

    expand: Expand = Field(default_factory=list)
    framework: FrameworkName = Field("rice", description="Whose latest score is meant.")


class FeatureSearch(FeatureQuery):
    """What a list of features can be asked."""

    q: SearchText | None = None
    framework: FrameworkName | None = Field(None, description="Only features scored in it; `rice` for what follows.")
    score_gte: Decimal | None = Field(None, ge=-(10**15), le=10**15, description="Of the latest score.")
    score_lte: Decimal | None = Field(None, ge=-(10**15), le=10**15, description="Of the latest score.")
    updated_since: Time | None = Field(None, description="The same as updated_at_gte.")
    expand: Expand = Field(default_factory=list)
    sort: str | None = Field(
        None,
        max_length=100,
        description="score, created_at, updated_at, title; `-` in front descends. With `q` the best match is first.",
    )


class ExportQuery(Asked):
    """How features are exported."""

    format: Literal["csv", "markdown", "json"] = "csv"
    framework: Literal["rice"] = Field("rice", description="Whose latest scores stand beside the features.")


class ExportedFeature(FeatureShown):
    """A feature with what its latest score was computed from."""

    reach: Number | None
    impact: Number | None
    confidence: Number | None
    effort: Number | None
    score: Number | None = Field(description="The value of the latest score; null before the first.")


class FeatureExport(Shown):
    """Every feature, oldest first."""

    object: Literal["export"]
    features: list[ExportedFeature] = Field(max_length=2**31 - 1)


class SearchQuery(PageQuery):
    """What is looked for, and among what."""

    q: SearchText
    type: Annotated[
        list[Literal["feature", "prd", "decision"]] | None,
        CommaSeparated,
        Field(max_length=3, description="feature, prd, decision; all three when left out."),
    ] = None


class MatchShown(Shown):
    """Something that matches, with the words that do between `**`."""

    object: Literal["search_result"]
    type: Literal["feature", "prd", "decision"]
    id: str
    title: str
    highlight: str = Field(description="The title, its matching words between `**`.")
    snippet: str | None = Field(description="The most telling part of the text, likewise.")
    relevance: float = Field(description="Above 1: all words stand in the title.")
    updated_at: str


class MatchesShown(ListShown[MatchShown]):
    """A page of matches, best first."""

    corrected: dict[str, list[str]] = Field(description="Words that are not known here, with those looked for too.")
