"""Tables that people keep by hand, CSV or Markdown: features with their RICE inputs, and decision matrices. Pure."""

from api.browse.export import unguarded
from api.db import parse_id
from api.imports.documents import Format
from api.imports.reading import Options, ReadDecision, ReadFeature, Reading, with_status
from api.imports.tables import INPUTS, Feature, Matrix, read_features, read_matrices

_BUCKETS = ("product", "technical", "innovation")
_NOT_MINE = ("This table is a decision matrix.", "No decision matrix here:", "No features here:")


def read_csv(content: bytes | str, options: Options) -> Reading:
    """A table as spreadsheets write it."""
    return _read(content, "csv", options)


def read_markdown(content: bytes | str, options: Options) -> Reading:
    """The tables of a document."""
    return _read(content, "markdown", options)


def _read(content: bytes | str, format: Format, options: Options) -> Reading:
    reading = Reading(options.source or format)
    told = read_features(content, format, options.words, options.columns)
    found = read_matrices(content, format)
    reading.notes += told.notes
    reading.features = [_feature(one, reading, options) for one in told.features]
    reading.decisions = [_decision(matrix, options, len(found.matrices)) for matrix in found.matrices]
    # Both readers look at every table: what one says of the other's is no news.
    read = {table.line for table in told.tables} | {matrix.line for matrix in found.matrices}
    both = dict.fromkeys([*told.skipped, *found.skipped])
    reading.skipped = sorted(
        (
            one
            for one in both
            if not (one.reason.startswith(_NOT_MINE) and (one.line in read or one.reason.startswith(_NOT_MINE[1])))
        ),
        key=lambda one: one.line,
    )
    reading.discrepancies = sorted([*told.discrepancies, *found.discrepancies], key=lambda one: one.line)
    unread = sorted({header for one in told.features for header in one.extra if header.lower() != "bucket"})
    if unread:
        shown = ", ".join(header[:40] for header in unread[:20])
        reading.note(f"Columns that were not read: {shown}. Name what they are in mapping.columns, or leave them.")
    return reading


def _feature(row: Feature, reading: Reading, options: Options) -> ReadFeature:
    own_id = row.external_id if row.external_id and parse_id("feat", row.external_id) else None
    # A table of our own export: its cells are guarded against spreadsheets, and labels with commas are JSON.
    fields: dict[str, object] = {"title": unguarded(row.title) if own_id else row.title}
    if row.description:
        fields["description"] = row.description
    if row.labels and not (own_id and row.labels[0].lstrip("'").startswith(("[", "="))):
        fields["labels"] = list(row.labels)
    bucket = next((cell for header, cell in row.extra.items() if header.lower() == "bucket"), "").strip().lower()
    if bucket in _BUCKETS:
        fields["bucket"] = bucket
    with_status(reading, fields, options, row.status)
    inputs = {name: getattr(row, name) for name in INPUTS} if row.score is not None else None
    external_id = None if own_id else row.external_id
    return ReadFeature(row.line, fields, external_id, own_id=own_id, inputs=inputs)


def _decision(matrix: Matrix, options: Options, count: int) -> ReadDecision:
    title = options.title or "Decision matrix"
    options_of = _keys(list(matrix.options))
    criteria = _keys([criterion.id for criterion in matrix.criteria])
    return ReadDecision(
        matrix.line,
        {
            "title": title if count == 1 else f"{title} (line {matrix.line})",
            "kind": "build_vs_buy" if {"build", "buy"} <= {one.lower() for one in matrix.options} else "tradeoff",
            "options": [{"key": options_of[option], "title": option} for option in matrix.options],
            "criteria": [
                {
                    "key": criteria[criterion.id],
                    "title": criterion.id,
                    "weight": criterion.weight,
                    "direction": criterion.direction,
                }
                for criterion in matrix.criteria
            ],
            "ratings": {
                options_of[option]: {criteria[name]: rating for name, rating in row.items()}
                for option, row in matrix.ratings.items()
            },
        },
    )


def _keys(titles: list[str]) -> dict[str, str]:
    """A key for each title, of ASCII letters and digits; numbered where two would be alike."""
    keys: dict[str, str] = {}
    for number, title in enumerate(titles, 1):
        words = "".join(one.lower() if one.isascii() and one.isalnum() else " " for one in title).split()
        key = "_".join(words)[:56] or f"item_{number}"
        keys[title] = key if key not in keys.values() else f"{key}_{number}"
    return keys
