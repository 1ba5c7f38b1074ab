"""What every format is read into, whatever tool it comes from. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from api.imports.documents import Skipped
from api.imports.tables import Discrepancy

STATUSES = {
    status: ours
    for ours, names in {
        "idea": "idea|ideas|backlog|icebox|triage|later|someday|new|under consideration",
        "candidate": "candidate|to do|todo|open|unstarted|discovery|selected|needs triage",
        "planned": "planned|ready|ready for dev|ready for development|selected for development|scheduled|next|accepted",
        "in_progress": "in_progress|in progress|started|doing|in development|in dev|in review|code review|now|wip",
        "shipped": "shipped|done|closed|completed|complete|resolved|released|merged|deployed|launched|live",
        "dropped": "dropped|canceled|cancelled|won't do|won't fix|wontfix|duplicate|declined|rejected|not planned",
    }.items()
    for status in names.split("|")
}
# What only Jira's and Linear's kinds of status say, where the name itself is somebody's own.
CATEGORIES = {"new": "candidate", "indeterminate": "in_progress"} | {
    name: STATUSES[name] for name in ("backlog", "unstarted", "started", "completed", "canceled", "done", "triage")
}


@dataclass(frozen=True)
class Options:
    """How the caller wants a document read.

    `columns` names headers for what is not recognised, `words` says what words stand for in a numeric column,
    `statuses` what a status is called here; all in lower case. `title` is that of a decision, `source` the tool.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    words: Mapping[str, Mapping[str, Decimal]] = field(default_factory=dict)
    statuses: Mapping[str, str] = field(default_factory=dict)
    title: str | None = None
    source: str | None = None

    def status(self, name: str | None, category: str | None = None) -> str | None:
        """Our status for another tool's, None when it is not known."""
        for known, text in ((self.statuses, name), (STATUSES, name), (CATEGORIES, category)):
            if text and text.strip().lower() in known:
                return known[text.strip().lower()]
        return None


@dataclass(slots=True)
class ReadFeature:
    """A feature as the document gives it: only the `fields` that it speaks of. `own_id` is ours, from our export.

    `external_id` is None for a row with no id of its own: then its title is what it is known by.
    """

    line: int
    fields: dict[str, Any]
    external_id: str | None = None
    source: str | None = None
    own_id: str | None = None
    inputs: dict[str, Any] | None = None


@dataclass(slots=True)
class ReadDecision:
    """A decision as the body of POST /v1/decisions."""

    line: int
    body: dict[str, Any]


@dataclass(slots=True)
class ReadPrd:
    """A document that is a PRD as a whole. It is read where it is written, since what is known of it matters there."""

    text: str
    format: Literal["prd", "speckit", "taskmaster"]


@dataclass(slots=True)
class ReadRecord:
    """A document that is one decision record. It is read where it is written."""

    text: str
    format: Literal["madr", "nygard", "log4brains"]


@dataclass(slots=True)
class Reading:
    """Everything that a document says. Another kind of thing is another list here, and a step in `bring`."""

    source: str
    features: list[ReadFeature] = field(default_factory=list)
    decisions: list[ReadDecision] = field(default_factory=list)
    prds: list[ReadPrd] = field(default_factory=list)
    records: list[ReadRecord] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    discrepancies: list[Discrepancy] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def skip(self, line: int, reason: str, column: str | None = None) -> None:
        self.skipped.append(Skipped(line, reason, column))

    def note(self, text: str) -> None:
        """Say something of the whole document, once."""
        if text not in self.notes:
            self.notes.append(text)


Reader = Callable[[bytes | str, Options], Reading]


def with_status(
    reading: Reading, fields: dict[str, Any], options: Options, name: str | None, category: str | None = None
) -> None:
    """Set the status where it is known; a name that is not is told once, and the status is left alone."""
    status = options.status(name, category)
    if status is not None:
        fields["status"] = status
    elif name:
        reading.note(
            f"The status {name[:60]!r} is not known here and was left out. Map it: "
            f'"mapping": {{"status": {{"{name[:60]}": "planned"}}}}.'
        )
