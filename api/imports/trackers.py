"""Issues as Jira, Linear and GitHub export them, CSV or JSON. Pure.

Each tool's export has a shape of its own, and is recognised by it; its ids become external ids, so that the next
import of the same issues updates.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from api import json
from api.formulas.exact import FormulaError
from api.imports.cells import NotANumber, figure
from api.imports.documents import Table, decoded, read_document
from api.imports.reading import Options, ReadFeature, Reading, with_status
from api.imports.tables import INPUTS
from api.problems import Invalid

MOST_LABELS = 50
LONGEST_LABEL = 64
LONGEST_TITLE = 300
LONGEST_TEXT = 50_000
_URL = re.compile(r"https?://[^/\s]+/([^/\s]+/[^/\s]+)/issues/(\d+)")
_CUSTOM = re.compile(r"custom field \((.*)\)")

# The headers of each tool, in lower case: what they are here.
_COLUMNS: dict[str, dict[str, str]] = {
    "jira": {
        "issue key": "external_id",
        "summary": "title",
        "description": "description",
        "status": "status",
        "status category": "category",
        "labels": "labels",
    },
    "linear": {
        "id": "external_id",
        "title": "title",
        "description": "description",
        "status": "status",
        "labels": "labels",
    },
    "github": {
        "number": "external_id",
        "id": "external_id",
        "title": "title",
        "body": "description",
        "state": "status",
        "labels": "labels",
        "url": "url",
        "html_url": "url",
    },
}


def tool_of_header(header: Sequence[str]) -> str | None:
    """
    >>> tool_of_header(["Summary", "Issue key", "Status"]), tool_of_header(["Feature", "Reach"])
    ('jira', None)
    """
    names = {name.strip().lower() for name in header}
    if {"issue key", "summary"} <= names:
        return "jira"
    if {"id", "team", "title", "status"} <= names:
        return "linear"
    if {"number", "title", "state"} <= names:
        return "github"
    return None


def tool_of_json(document: Any) -> str | None:
    """By the shape of the first issue."""
    first = next(iter(_issues(document)), None)
    if not isinstance(first, dict):
        return None
    if isinstance(first.get("fields"), dict) and "key" in first:
        return "jira"
    if "identifier" in first and "title" in first:
        return "linear"
    if "number" in first and "title" in first:
        return "github"
    return None


def reader(tool: str) -> Callable[[bytes | str, Options], Reading]:
    """The reader of a tool's export: JSON when it begins like it, else CSV."""

    def read(content: bytes | str, options: Options) -> Reading:
        text = decoded(content)
        if text.lstrip("\ufeff \t\r\n").startswith(("{", "[")):
            return _read_json(tool, text, options)
        return _read_csv(tool, text, options)

    return read


def _read_csv(tool: str, text: str, options: Options) -> Reading:
    reading = Reading(options.source or tool)
    document = read_document(text, "csv")
    reading.skipped = list(document.skipped)
    for table in document.tables[:1]:
        places = _places(table, _COLUMNS[tool], options)
        if "title" not in places:
            shown = ", ".join(header[:40] for header in table.header[:8])
            reading.skip(table.line, f"This does not look like an export of {tool}: its columns are {shown}.")
            break
        for row in table.rows:
            cells = {name: [row.cells[place] for place in at if row.cells[place]] for name, at in places.items()}
            _add(tool, row.line, _issue(cells), reading, options)
    return reading


def _places(table: Table, columns: Mapping[str, str], options: Options) -> dict[str, list[int]]:
    """Where each thing stands; labels may stand in several columns of one name."""
    places: dict[str, list[int]] = {}
    for place, header in enumerate(table.header):
        name = header.strip().lower()
        custom = _CUSTOM.fullmatch(name)
        name = custom[1].strip() if custom else name
        what = options.columns.get(name) or columns.get(name) or (name if name in INPUTS else None)
        if what and (what == "labels" or what not in places):
            places.setdefault(what, []).append(place)
    return places


def _issue(cells: Mapping[str, list[str]]) -> dict[str, Any]:
    issue: dict[str, Any] = {name: found[0] for name, found in cells.items() if found and name != "labels"}
    issue["labels"] = [label.strip() for cell in cells.get("labels", []) for label in re.split(r"[,;]", cell)]
    return issue


def _read_json(tool: str, text: str, options: Options) -> Reading:
    reading = Reading(options.source or tool)
    try:
        document = json.load_hostile(text.lstrip("\ufeff").encode("utf-8", "replace"))
    except Invalid as error:
        reading.skip(0, error.message)
        return reading
    flatten = {"jira": _from_jira, "linear": _from_linear, "github": _from_github}[tool]
    for number, issue in enumerate(_issues(document), 1):
        if not isinstance(issue, dict):
            reading.skip(number, "An issue is an object.")
            continue
        flat = flatten(issue)
        if flat is None:
            reading.note("Pull requests are no features and were left out.")
        else:
            _add(tool, number, flat, reading, options)
    if not reading.features and not reading.skipped:
        reading.skip(0, f"No issue of {tool} was found in the document.")
    return reading


def _issues(document: Any) -> list[Any]:
    """The list of issues: bare, or under the names that the tools' exports have."""
    for _ in range(4):
        if isinstance(document, list):
            return document
        if not isinstance(document, dict):
            return []
        document = next((document[name] for name in ("issues", "nodes", "items", "data") if name in document), None)
    return []


def _from_jira(issue: Mapping[str, Any]) -> dict[str, Any]:
    fields = issue.get("fields")
    fields = fields if isinstance(fields, dict) else {}
    status = fields.get("status")
    status = status if isinstance(status, dict) else {}
    category = status.get("statusCategory")
    return {
        "external_id": issue.get("key"),
        "title": fields.get("summary"),
        "description": _plain_text(fields.get("description")),
        "status": status.get("name"),
        "category": category.get("key") if isinstance(category, dict) else None,
        "labels": _names(fields.get("labels")),
        **{name: fields[name] for name in INPUTS if name in fields},
    }


def _from_linear(issue: Mapping[str, Any]) -> dict[str, Any]:
    state = issue.get("state", issue.get("status"))
    return {
        "external_id": issue.get("identifier"),
        "title": issue.get("title"),
        "description": issue.get("description"),
        "status": state.get("name") if isinstance(state, dict) else state,
        "category": state.get("type") if isinstance(state, dict) else None,
        "labels": _names(issue.get("labels")),
    }


def _from_github(issue: Mapping[str, Any]) -> dict[str, Any] | None:
    if issue.get("pull_request") or issue.get("isPullRequest"):
        return None
    reason = str(issue.get("state_reason") or issue.get("stateReason") or "").replace("_", " ").lower()
    return {
        "external_id": issue.get("number"),
        "title": issue.get("title"),
        "description": issue.get("body"),
        "status": reason if reason == "not planned" else issue.get("state"),
        "labels": _names(issue.get("labels")),
        "url": issue.get("html_url") or issue.get("url"),
    }


def _add(tool: str, line: int, issue: Mapping[str, Any], reading: Reading, options: Options) -> None:
    title = _string(issue.get("title"))
    if not title:
        reading.skip(line, "The issue has no title.", "title")
        return
    fields: dict[str, Any] = {"title": " ".join(title.split())}
    if len(fields["title"]) > LONGEST_TITLE:
        reading.skip(line, f"The title has {len(fields['title'])} characters. {LONGEST_TITLE} is the most.", "title")
        return
    if text := _string(issue.get("description")):
        fields["description"] = text
    labels = [label[:LONGEST_LABEL] for label in dict.fromkeys(issue.get("labels") or []) if label]
    if labels:
        fields["labels"] = labels[:MOST_LABELS]
    with_status(reading, fields, options, _string(issue.get("status")), _string(issue.get("category")))
    external_id = _string(issue.get("external_id"))
    if tool == "github" and external_id:
        where = _URL.match(_string(issue.get("url")) or "")
        external_id = f"{where[1]}#{where[2]}" if where else external_id
        if not where:
            reading.note("The issues have no URL, so only their numbers tell them apart: import one repository only.")
    reading.features.append(ReadFeature(line, fields, external_id, inputs=_inputs(line, issue, reading, options)))


def _inputs(line: int, issue: Mapping[str, Any], reading: Reading, options: Options) -> dict[str, Any] | None:
    """The four inputs of RICE, where the export has them all as numbers."""
    inputs = {}
    for name in INPUTS:
        try:
            read = figure(_string(issue.get(name)) or "", options.words.get(name))
        except (NotANumber, FormulaError) as error:
            reading.skip(line, str(error), name)
            continue
        if read is not None:
            inputs[name] = read.value / 100 if read.percent else read.value
    return inputs if len(inputs) == len(INPUTS) else None


def _names(value: Any) -> list[str]:
    """Labels: texts, objects with a name, or a connection with nodes."""
    if isinstance(value, dict):
        value = value.get("nodes")
    if not isinstance(value, list):
        return []
    names = (one.get("name") if isinstance(one, dict) else one for one in value)
    return [name.strip() for name in names if isinstance(name, str)]


def _plain_text(value: Any) -> str | None:
    """Jira's document format as text: a line for each paragraph, heading or list item."""
    if not isinstance(value, dict):
        return _string(value)
    pending, parts = [value], []
    while pending:
        node = pending.pop()
        if not isinstance(node, dict):
            continue
        if isinstance(node.get("text"), str):
            parts.append(node["text"])
        if node.get("type") in ("paragraph", "heading", "listItem", "hardBreak", "codeBlock") and parts:
            parts.append("\n")
        content = node.get("content")
        if isinstance(content, list):
            pending.extend(reversed(content))
    return re.sub(r"\n{2,}", "\n", "".join(parts)).strip() or None


def _string(value: Any) -> str | None:
    if isinstance(value, bool) or value is None or isinstance(value, dict | list):
        return None
    return str(value).strip() or None
