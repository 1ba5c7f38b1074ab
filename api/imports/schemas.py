"""Imports on the wire."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from api.db import WireId
from api.decisions.schemas import DecisionId
from api.http.schema import Body, Moment, Number, Shown, Slug, Title

ImportId = Annotated[UUID, WireId("imp")]
Format = Literal[
    "csv",
    "markdown",
    "json",
    "jira",
    "linear",
    "github",
    "prd",
    "speckit",
    "taskmaster",
    "madr",
    "nygard",
    "log4brains",
]
Header = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=100)]


Words = Annotated[dict[Word, Number], Field(max_length=100)]


class WordMapping(Body):
    """What a word stands for on your scale: scales differ, so that none is assumed."""

    reach: Words = Field(default_factory=dict)
    impact: Words = Field(default_factory=dict, examples=[{"high": 2, "medium": 1, "low": 0.5}])
    confidence: Words = Field(default_factory=dict)
    effort: Words = Field(default_factory=dict)


class Mapping(Body):
    """What the document's own words mean. Upper and lower case are alike."""

    columns: dict[
        Header,
        Literal[
            "title",
            "reach",
            "impact",
            "confidence",
            "effort",
            "score",
            "rank",
            "status",
            "labels",
            "description",
            "external_id",
        ],
    ] = Field(default_factory=dict, max_length=200, examples=[{"What": "title"}])
    words: WordMapping = Field(default_factory=WordMapping)
    status: dict[Word, Literal["idea", "candidate", "planned", "in_progress", "shipped", "dropped"]] = Field(
        default_factory=dict, max_length=100, examples=[{"Selected": "planned"}]
    )


class ImportCreate(Body):
    """A document to bring in."""

    format: Format | None = Field(
        None,
        description="Left out, it is recognised by its shape; so is a `csv` or `json` of Jira, Linear, GitHub or ours.",
    )
    content: Annotated[str, StringConstraints(min_length=1, max_length=1_048_576)] = Field(
        description="The document itself, as text or, for files in other encodings than UTF-8, in base64.",
        examples=["Feature,Reach,Impact,Confidence,Effort\nDark mode,5000,1,100%,0.5\n"],
    )
    encoding: Literal["text", "base64"] = Field("text", description="How `content` is written.")
    dry_run: bool = Field(False, description="Report what would happen, and write nothing.")
    mapping: Mapping = Field(default_factory=Mapping)
    source: Slug | None = Field(
        None, description="The tool that external ids belong to; the format's name when left out."
    )
    title: Title | None = Field(None, description="The title of the decision that a matrix becomes.")


class SkippedShown(Shown):
    """Something that was not understood."""

    line: int = Field(description="Counted from 1, in JSON by item; 0 for the whole document.")
    reason: str
    column: str | None


class DiscrepancyShown(Shown):
    """A printed figure that is not what its inputs give."""

    line: int
    field: str = Field(description="score, rank, order, totals.<option>, weights")
    printed: str
    computed: str


class ImportSummary(Shown):
    id: ImportId
    object: Literal["import"]
    livemode: bool
    format: str
    source: str
    created: int
    updated: int
    unchanged: int
    author: str
    created_at: Moment


class ImportShown(Shown):
    """What an import did, and everything doubtful about the document."""

    id: ImportId | None = Field(description="Null for a dry run.")
    object: Literal["import"]
    livemode: bool
    format: str = Field(description="As it was recognised.")
    source: str
    created: int = Field(description="Features, decisions and PRDs that are new.")
    updated: int
    unchanged: int
    skipped: list[SkippedShown] = Field(max_length=2_000)
    discrepancies: list[DiscrepancyShown] = Field(max_length=2_000)
    notes: list[str] = Field(max_length=200)
    decision_ids: list[DecisionId] = Field(max_length=100)
    author: str
    created_at: Moment | None = Field(description="Null for a dry run.")
