"""A PRD as Markdown in the guide's template, which markdown.py reads back. Pure.

Of an imported document the segments whose part has not changed are given byte for byte; a changed one is rendered
alone.
"""

import hashlib
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from api import json
from api.prds.markdown import PARTS, Segment, plain_lines
from api.prds.measure import target

Row = Mapping[str, Any]

_TEMPLATE = (
    ("problem", "## Problem Statement"),
    ("solution", "## Proposed Solution"),
    ("user_stories", "## User Stories"),
    (None, "## Technical Requirements"),
    ("functional", "### Functional"),
    ("non_functional", "### Non-Functional"),
    ("approach", "## Technical Approach"),
    ("architecture", "### Architecture"),
    ("stack", "### Technology Stack"),
    ("rationale", "### Why This Approach?"),
    ("risks", "### Technical Risks"),
    ("build_vs_buy", "## Build vs. Buy Analysis"),
    ("success_metrics", "## Success Metrics"),
    ("release_phases", "## Release Plan"),
    ("open_questions", "## Open Questions"),
)
_ALONE = {
    "functional": "## Functional Requirements",
    "non_functional": "## Non-Functional Requirements",
    "architecture": "## Architecture",
    "stack": "## Technology Stack",
    "rationale": "## Rationale",
    "risks": "## Technical Risks",
}


def markdown(title: str, sections: Row, source: list[dict[str, Any]] | None = None) -> str:
    """The PRD. `source` is what `keep` made of the document that it was imported from."""
    return _template(title, sections) if source is None else _revised(title, sections, source)


def keep(title: str, sections: Row, segments: list[Segment]) -> list[dict[str, Any]]:
    """The segments of a document, each with a digest of what its part holds: unchanged parts are given as they were."""
    return [
        {
            "part": segment.part,
            "text": segment.text,
            "rest": segment.rest,
            "digest": None if segment.part is None else _digest(value_of(segment.part, title, sections)),
        }
        for segment in segments
    ]


def value_of(part: str, title: str, sections: Row) -> Any:
    """What a part of the document shows of the PRD."""
    if part == "title":
        return title
    if part == "functional":
        return [row for row in sections.get("requirements") or [] if row["kind"] == "functional"]
    if part == "non_functional":
        return [row for row in sections.get("requirements") or [] if row["kind"] != "functional"]
    return sections.get(part)


def _template(title: str, sections: Row) -> str:
    blocks = [f"# PRD: {_line(title)}"]
    heading: str | None = None
    for part, line in _TEMPLATE:
        if part is None:
            heading = line
            continue
        value = value_of(part, title, sections)
        if part == "approach":
            heading = line
        if not value:
            continue
        body = _RENDERERS[part](value)
        if part == "approach":
            blocks.append(f"{line}\n{body}")
            heading = None
        elif line.startswith("###") and heading:
            blocks += [heading, f"{line}\n{body}"]
            heading = None
        else:
            blocks.append(f"{line}\n{body}")
    return "\n\n".join(blocks) + "\n"


def _revised(title: str, sections: Row, source: list[dict[str, Any]]) -> str:
    blocks: list[tuple[int, str]] = []
    end = "\r\n" if any("\r\n" in kept["text"] for kept in source) else "\n"
    for kept in source:
        part = kept["part"]
        order = blocks[-1][0] if blocks else -1
        if part is None:
            blocks.append((order, kept["text"]))
            continue
        value = value_of(part, title, sections)
        same = _digest(value) == kept["digest"]
        blocks.append((PARTS.index(part), kept["text"] if same else _rendered(part, value, kept).replace("\n", end)))
    shown = {kept["part"] for kept in source}
    for part, _ in _TEMPLATE:
        if part is None or part in shown or (part.endswith("functional") and "requirements" in shown):
            continue
        if value := value_of(part, title, sections):
            heading = _ALONE.get(part) or next(line for name, line in _TEMPLATE if name == part)
            _insert(blocks, PARTS.index(part), f"{heading}\n{_RENDERERS[part](value)}\n".replace("\n", end), end)
    return "".join(text for _, text in blocks)


def _insert(blocks: list[tuple[int, str]], order: int, text: str, end: str) -> None:
    """After the last block that comes before it in the template."""
    place = max((place + 1 for place, (number, _) in enumerate(blocks) if number < order), default=0)
    if place:
        number, before = blocks[place - 1]
        gap = "" if not before else end if before.endswith(end) else end * 2
        blocks[place - 1] = (number, before + ("" if before.endswith(end * 2) else gap))
    blocks.insert(place, (order, text + end if place < len(blocks) else text))


def _rendered(part: str, value: Any, kept: Row) -> str:
    """The segment anew, under its own heading, with what its reader had not understood."""
    lines = plain_lines(kept["text"].replace("\r\n", "\n"))
    blank = len(lines) - len("".join(lines).rstrip("\n").split("\n"))
    tail = "\n" * (blank + 1) if kept["text"].endswith("\n") else ""
    if part == "title":
        return f"# PRD: {_line(value)}{tail}"
    heading = lines[0].rstrip("\n") if lines and lines[0].lstrip().startswith("#") else None
    body = [text for text in (_RENDERERS[part](value) if value else "", kept["rest"]) if text]
    return "\n".join([*([heading] if heading else []), *body]) + tail


# --- Parts ------------------------------------------------------------------------------------------------------------


def _problem(value: Row) -> str:
    blocks = [value["statement"]] if value["statement"] else []
    if value.get("current_flow"):
        blocks.append(f"Current flow:\n{value['current_flow']}")
    evidence = value.get("evidence") or []
    if evidence:
        blocks.append("\n".join(["**Evidence:**", *(f"- {_claim(row)}" for row in evidence)]))
    return "\n\n".join(blocks)


def _claim(evidence: Row) -> str:
    source = ", ".join(str(evidence[name]) for name in ("source_url", "date") if evidence.get(name))
    return _line(evidence["claim"]) + (f" (source: {source})" if source else "")


def _stories(value: list[Row]) -> str:
    lines = []
    for number, story in enumerate(value, 1):
        lines.append(f"{number}. {_wrapped(story['text'])}")
        if story.get("priority"):
            lines.append(f"   - Priority: {story['priority']}")
        for heading, texts in (
            ("Acceptance criteria", [row["text"] for row in story["acceptance_criteria"]]),
            ("Technical notes", story["notes"]),
        ):
            if texts:
                lines += [f"   - {heading}:", *(f"     - {_line(text)}" for text in texts)]
    return "\n".join(lines)


def _requirements(value: list[Row]) -> str:
    lines = []
    for row in value:
        kind = "" if row["kind"] in ("functional", "other") else f" ({row['kind'].capitalize()})"
        lines.append(f"- **{row['id']}{kind}:** {_wrapped(row['text'])}")
        stated = {name: row.get(name) for name in ("metric", "percentile", "op", "value", "unit")}
        read = target(row["text"])
        if row.get("value") is not None and any(stated[name] != read.get(name) for name in stated):
            lines.append(f"  - Target: {_target(stated)}")
        lines += _details(row, phase="Phase")
        if row.get("status", "active") != "active":
            by = f" by {row['superseded_by']}" if row.get("superseded_by") else ""
            lines.append(f"  - Status: {row['status']}{by}")
        lines += _details(row, task_status="Task")
    return "\n".join(lines)


def _target(row: Row) -> str:
    parts = [row.get("metric"), row.get("op") or "=", _number(row["value"]), row.get("unit")]
    percentile = f" at {row['percentile']}" if row.get("percentile") else ""
    return " ".join(str(part) for part in parts if part) + percentile


def _architecture(value: str) -> str:
    fence = "```"
    while fence in value:
        fence += "`"
    return f"{fence}\n{value}\n{fence}"


def _stack(value: list[Row]) -> str:
    layers: dict[str, list[str]] = {}
    for row in value:
        role = f" ({row['role']})" if row.get("role") else ""
        layers.setdefault(row["layer"], []).append(row["technology"] + role)
    return "\n".join(f"- **{layer}:** {' + '.join(names)}" for layer, names in layers.items())


def _rationale(value: list[Row]) -> str:
    if len(value) == 1 and not value[0].get("choice"):
        return str(value[0]["because"])
    return "\n".join(
        f"- **{row['choice']}:** {_wrapped(row['because'])}" if row.get("choice") else f"- {_wrapped(row['because'])}"
        for row in value
    )


def _risks(value: list[Row]) -> str:
    lines = []
    for number, row in enumerate(value, 1):
        lines.append(f"{number}. {_wrapped(row['description'], '   ')}")
        keys = {"mitigation": "Mitigation", "probability": "Probability", "impact": "Impact", "owner": "Owner"}
        lines += _details(row, indent="   ", **keys, trigger="Trigger")
        if row.get("status", "open") != "open":
            lines.append(f"   - Status: {row['status']}")
    return "\n".join(lines)


def _build_vs_buy(value: Row) -> str:
    blocks = []
    if value.get("options"):
        signs = {"chosen": "✅ Recommended", "rejected": "❌", "fallback": "🟡 Fallback", None: ""}
        rows = [
            ["Option", "Pros", "Cons", "Cost", "Decision"],
            ["---"] * 5,
            *(
                [f"**{row['name']}**", row.get("pros"), row.get("cons"), row.get("cost"), signs[row.get("verdict")]]
                for row in value["options"]
            ),
        ]
        blocks.append("\n".join("| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows))
    for name, heading in (
        ("recommendation", "Recommendation"),
        ("revisit_if", "Revisit if"),
        ("decision_id", "Decision"),
    ):
        if value.get(name):
            blocks.append(f"**{heading}:** {value[name]}")
    return "\n\n".join(blocks)


def _metrics(value: list[Row]) -> str:
    lines = []
    for row in value:
        category = f" ({row['category'].capitalize()})" if row.get("category") else ""
        lines.append(f"- **{row['id']}{category}:** {_wrapped(row['text'])}")
        read = target(row["text"])
        stated = (row.get("op"), row.get("target"), row.get("unit"))
        if row.get("target") is not None and stated != (read.get("op"), read.get("value"), read.get("unit")):
            lines.append(
                f"  - Target: {' '.join(str(part) for part in (stated[0], _number(stated[1]), stated[2]) if part)}"
            )
        lines += _details(row, name="Name", baseline="Baseline", deadline="Deadline", source="Source")
    return "\n".join(lines)


def _phases(value: list[Row]) -> str:
    lines = []
    for row in value:
        weeks = f" ({_number(row['weeks'])} weeks)" if row.get("weeks") else ""
        lines.append(f"- **{row['name']}:** {', '.join(_line(scope) for scope in row['scope'])}{weeks}")
    return "\n".join(lines)


def _questions(value: list[Row]) -> str:
    lines = []
    for number, row in enumerate(value, 1):
        lines.append(f"{number}. **{row['id']}:** {_wrapped(row['text'], '   ')}")
        lines += _details(row, indent="   ", owner="Owner", due="Due")
        if row.get("blocking"):
            lines.append("   - Blocking: yes")
        lines += _details(row, indent="   ", answer="Answer")
    return "\n".join(lines)


_RENDERERS: dict[str, Callable[[Any], str]] = {
    "problem": _problem,
    "solution": str,
    "user_stories": _stories,
    "requirements": _requirements,
    "functional": _requirements,
    "non_functional": _requirements,
    "approach": str,
    "architecture": _architecture,
    "stack": _stack,
    "rationale": _rationale,
    "risks": _risks,
    "build_vs_buy": _build_vs_buy,
    "success_metrics": _metrics,
    "release_phases": _phases,
    "open_questions": _questions,
}


def _details(row: Row, indent: str = "  ", **headings: str) -> list[str]:
    """`Key: value` items below an item, for the fields that have a value."""
    shown = [(heading, row.get(name)) for name, heading in headings.items()]
    return [
        f"{indent}- {heading}: {_number(value) if isinstance(value, Decimal) else _line(str(value))}"
        for heading, value in shown
        if value is not None
    ]


def _wrapped(text: str, indent: str = "   ") -> str:
    """A text of several lines as one item."""
    return text.replace("\n", "\n" + indent)


def _line(text: str) -> str:
    return " ".join(text.split("\n"))


def _cell(text: str | None) -> str:
    return _line(text or "").replace("|", "\\|")


def _number(value: Any) -> str:
    return json.dump(value)


def _digest(value: Any) -> str:
    """The same for the same JSON, whatever order its keys come back in from Postgres."""
    return hashlib.sha256(json.dump(_ordered(value)).encode()).hexdigest()[:32]


def _ordered(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _ordered(value[name]) for name in sorted(value)}
    return [_ordered(item) for item in value] if isinstance(value, list) else value
