"""Which reader reads which format. A new one is a line in READERS."""

from typing import Any

from api import json
from api.imports.documents import decoded, guess_format, read_document
from api.imports.own import is_own_csv, read_own_csv, read_own_json
from api.imports.prds import prd_reader
from api.imports.reading import Options, Reader, Reading
from api.imports.records import record_reader
from api.imports.spreadsheets import read_csv, read_markdown
from api.imports.trackers import reader, tool_of_header, tool_of_json
from api.problems import Invalid

READERS: dict[str, Reader] = {
    "csv": read_csv,
    "markdown": read_markdown,
    "jira": reader("jira"),
    "linear": reader("linear"),
    "github": reader("github"),
    "prd": prd_reader("prd"),
    "speckit": prd_reader("speckit"),
    "taskmaster": prd_reader("taskmaster"),
    "madr": record_reader("madr"),
    "nygard": record_reader("nygard"),
    "log4brains": record_reader("log4brains"),
}
# Formats that say how a document is written and not who wrote it: its shape does.
_BY_SHAPE = ("csv", "markdown", "json")


def read(content: bytes | str, format: str | None, options: Options) -> tuple[str, Reading]:
    """The format as it was recognised, and what the document says. Never raises on a document."""
    if format in READERS and format not in _BY_SHAPE:
        return format, READERS[format](content, options)
    text = decoded(content)
    if format == "json" or (format is None and text.lstrip("\ufeff \t\r\n").startswith(("{", "["))):
        return _read_json(text, options)
    if is_own_csv(text):
        return "csv", read_own_csv(text, options)
    name = format or guess_format(text)
    tool = _tool_of_csv(text) if name == "csv" else None
    return tool or name, READERS[tool or name](text, options)


def _tool_of_csv(text: str) -> str | None:
    # The header stands in the first lines: the whole document need not be taken apart twice.
    tables = read_document(text[:20_000], "csv").tables
    return tool_of_header(tables[0].header) if tables else None


def _read_json(text: str, options: Options) -> tuple[str, Reading]:
    try:
        document: Any = json.load_hostile(text.lstrip("\ufeff").encode("utf-8", "replace"))
    except Invalid as error:
        reading = Reading(options.source or "json")
        reading.skip(0, error.message)
        return "json", reading
    if isinstance(document, dict) and isinstance(document.get("features"), list):
        return "json", read_own_json(document, options)
    tool = tool_of_json(document)
    if tool is not None:
        return tool, READERS[tool](text, options)
    reading = Reading(options.source or "json")
    reading.skip(0, "The JSON is none of ours, and no list of issues of Jira, Linear or GitHub. Name its format.")
    return "json", reading
