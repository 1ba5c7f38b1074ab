"""Our own export, read back to the letter. Pure."""

import csv
import io
from typing import Any

from api import json
from api.browse.export import COLUMNS, INPUTS, unguarded
from api.imports.cells import NotANumber, figure
from api.imports.documents import decoded
from api.imports.reading import Options, ReadFeature, Reading
from api.problems import Invalid

_TEXTS = ("title", "description", "status", "bucket")


def is_own_csv(text: str) -> bool:
    """Whether the header is that of GET /v1/features/export."""
    return text.lstrip("\ufeff").partition("\n")[0].strip() == ",".join(COLUMNS)


def read_own_csv(content: bytes | str, options: Options) -> Reading:
    """RFC 4180, with our columns."""
    reading = Reading(options.source or "roadbed")
    rows = csv.reader(io.StringIO(decoded(content).lstrip("\ufeff"), newline=""))
    try:
        next(rows)
        line = rows.line_num + 1
        for cells in rows:
            if len(cells) != len(COLUMNS):
                reading.skip(line, f"{len(cells)} cells where our export has {len(COLUMNS)}.")
            else:
                _read_row(line, dict(zip(COLUMNS, cells, strict=True)), reading)
            line = rows.line_num + 1
    except csv.Error as error:
        reading.skip(rows.line_num, f"The rest could not be read: {error}.")
    return reading


def read_own_json(document: dict[str, Any], options: Options) -> Reading:
    """`features` of the export as JSON."""
    reading = Reading(options.source or "roadbed")
    for number, one in enumerate(document["features"], 1):
        if not isinstance(one, dict):
            reading.skip(number, "A feature is an object.")
            continue
        fields = {
            name: one[name] for name in (*_TEXTS, "labels", "metadata") if one.get(name) not in (None, "", {}, [])
        }
        inputs = {name: one.get(name) for name in INPUTS}
        reading.features.append(
            ReadFeature(
                number,
                fields,
                _text(one.get("external_id")),
                _text(one.get("source")),
                _text(one.get("id")),
                None if None in inputs.values() else inputs,
            )
        )
    return reading


def _read_row(line: int, cells: dict[str, str], reading: Reading) -> None:
    cells = {name: unguarded(cell) for name, cell in cells.items()}
    fields: dict[str, Any] = {name: cells[name] for name in _TEXTS if cells[name]}
    try:
        if cells["labels"]:
            labels = cells["labels"]
            fields["labels"] = json.load_hostile(labels.encode()) if labels.startswith("[") else labels.split(", ")
        if cells["metadata"]:
            fields["metadata"] = json.load_hostile(cells["metadata"].encode())
        inputs = {name: _input(cells[name]) for name in INPUTS}
    except (Invalid, NotANumber) as error:
        reading.skip(line, str(error))
        return
    complete = None if None in inputs.values() else inputs
    names = (cells["external_id"] or None, cells["source"] or None, cells["id"] or None)
    reading.features.append(ReadFeature(line, fields, *names, complete))


def _input(cell: str) -> Any:
    """A number, or the JSON of a range."""
    if cell.startswith("{"):
        return json.load_hostile(cell.encode())
    read = figure(cell)
    return None if read is None else read.value


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
