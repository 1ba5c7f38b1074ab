"""A PRD as the `spec.md` that spec-kit and its agents work from, and back. Pure.

Sections that the format does not have are left out on the way, and the report of a round trip names them.
"""

import re
from collections.abc import Mapping
from typing import Any

from api.prds.markdown import MOST_CHARS, Item, Line, Reading, items, label, plain_lines
from api.prds.measure import target
from api.prds.stories import read_stories

Row = Mapping[str, Any]

KEPT = frozenset({"title", "user_stories", "requirements", "success_metrics", "open_questions"})
_STORY = re.compile(
    r"#{2,4}\s+User Story \d+\s*[-–—:]?\s*(.*?)\s*(?:\(Priority:\s*(P\d)\))?\s*(?:🎯.*)?", re.IGNORECASE
)
_HEADING = re.compile(r"(#{1,6})\s+(.*?)\s*")
_WHY = re.compile(r"\*\*(Why this priority|Independent Test)")
_CLARIFY = re.compile(r"\[NEEDS CLARIFICATION:?\s*([^\]]{0,2000})\]", re.IGNORECASE)


def write(title: str, sections: Row) -> str:
    """`spec.md`: scenarios, FR-nnn, SC-nnn, and what is open as [NEEDS CLARIFICATION: …]."""
    problem = (sections.get("problem") or {}).get("statement") or sections.get("solution") or title
    blocks = [
        f"# Feature Specification: {_line(title)}",
        f'**Status**: Draft\n**Input**: User description: "{_line(problem)}"',
        "## User Scenarios & Testing *(mandatory)*",
        *(_story(number, story) for number, story in enumerate(sections.get("user_stories") or [], 1)),
        "## Requirements *(mandatory)*",
    ]
    active = [row for row in sections.get("requirements") or [] if row.get("status", "active") == "active"]
    functional = [row for row in active if row["kind"] == "functional"]
    other = [row for row in active if row["kind"] != "functional"]
    if functional:
        blocks.append("\n".join(["### Functional Requirements", "", *map(_requirement, functional)]))
    if other:
        blocks.append("\n".join(["### Non-Functional Requirements", "", *map(_requirement, other)]))
    if questions := [row for row in sections.get("open_questions") or [] if not row.get("answer")]:
        marked = [f"- **{row['id']}**: [NEEDS CLARIFICATION: {_bare(row['text'])}]" for row in questions]
        blocks.append("\n".join(["### Open Questions", "", *marked]))
    if metrics := sections.get("success_metrics"):
        outcomes = [f"- **{row['id']}**: {_line(row['text'])}" for row in metrics]
        blocks += ["## Success Criteria *(mandatory)*", "\n".join(["### Measurable Outcomes", "", *outcomes])]
    return "\n\n".join(blocks) + "\n"


def read(text: str) -> Reading:
    """The sections of a `spec.md`. What it holds beside them is told, and left out. Never raises."""
    reading = Reading()
    if len(text) > MOST_CHARS:
        reading.skip(0, f"A specification has at most {MOST_CHARS:,} characters. Nothing of this one was read.")
        return reading
    for number, heading, body in _parts(_uncommented(text)):
        story = _STORY.fullmatch(heading)
        plain = re.sub(r"\s*[*_]\(.*?\)[*_]", "", heading.lstrip("#").strip()).lower()
        if heading.startswith("# ") and reading.title is None:
            reading.title = heading[2:].split(":", 1)[-1].strip() or None
        elif story:
            _read_story(number, story[1], story[2], body, reading)
        elif plain in ("functional requirements", "non-functional requirements"):
            _read_requirements(body, reading)
        elif plain in ("measurable outcomes", "success criteria"):
            _read_outcomes(body, reading)
        elif plain in ("open questions", "edge cases"):
            _read_questions(body, reading)
        elif any(line.text.strip() for line in body) and plain:
            reading.skip(number, f"The section “{plain[:60]}” has no place in a PRD; it was left out.")
    return reading


def lost(sections: Row) -> list[str]:
    """The sections of a PRD that the format cannot hold."""
    return sorted(name for name, value in sections.items() if value and name not in KEPT)


def _story(number: int, story: Row) -> str:
    name = _line(story.get("i_can") or story["text"])[:80]
    priority = (story.get("priority") or "p2").upper()
    lines = [f"### User Story {number} - {name} (Priority: {priority})", "", _line(story["text"])]
    if story["acceptance_criteria"]:
        lines += ["", "**Acceptance Scenarios**:", ""]
        lines += [f"{place}. {_scenario(row)}" for place, row in enumerate(story["acceptance_criteria"], 1)]
    else:
        lines += ["", "**Acceptance Scenarios**: [NEEDS CLARIFICATION: no acceptance criteria yet]"]
    return "\n".join(lines)


def _scenario(row: Row) -> str:
    if row.get("given") and row.get("when") and row.get("then"):
        return _line(f"**Given** {row['given']}, **When** {row['when']}, **Then** {row['then']}")
    return _line(row["text"])


def _requirement(row: Row) -> str:
    return f"- **{row['id']}**: {_line(row['text'])}"


def _parts(text: str) -> list[tuple[int, str, list[Line]]]:
    found: list[tuple[int, str, list[Line]]] = [(1, "", [])]
    for number, raw in enumerate(plain_lines(text), 1):
        line = raw.rstrip("\r\n")
        match = _HEADING.fullmatch(line[:500])
        if match:
            found.append((number, f"{match[1]} {' '.join(match[2].split())}", []))
        else:
            found[-1][2].append(Line(number, line))
    return found


def _read_story(number: int, name: str, priority: str | None, body: list[Line], reading: Reading) -> None:
    lines = [(line.number, line.text) for line in body if not line.text.startswith("---")]
    why = [pair for pair in lines if _WHY.match(pair[1])]
    lines = [pair for pair in lines if not _WHY.match(pair[1]) and "[NEEDS CLARIFICATION" not in pair[1]]
    first = next((place for place, (_, text) in enumerate(lines) if text.strip()), None)
    text = lines[first][1].strip() if first is not None else name
    if first is None or text.startswith("**"):
        text, rest = name, lines
    else:
        rest = lines[first + 1 :]
    if not text:
        reading.skip(number, "The story has no text; it was left out.")
        return
    stories, _, _ = read_stories([(number, f"- {text}"), *((line, f"    {said}") for line, said in rest)])
    mine = stories[0]
    mine["acceptance_criteria"] = [
        {**row, "text": re.sub(r"\*\*(Given|When|Then)\*\*", lambda match: match[1], row["text"])}
        for row in mine["acceptance_criteria"]
    ]
    level = (priority or "").lower()
    mine |= {"priority": level if level in ("p1", "p2", "p3") else None}
    told = reading.sections.setdefault("user_stories", [])
    reading.lines[f"/user_stories/{len(told)}"] = number
    told.append(mine)
    if why:
        reading.skip(why[0][0], "Why this priority, and how to test alone, have no place in a PRD; they were left out.")


def _read_requirements(body: list[Line], reading: Reading) -> None:
    found, _ = items(body)
    for item in found:
        code, text = label(item.text)
        kind = "other" if (code or "").startswith("NFR") else "functional"
        known = code if code and re.fullmatch(r"(FR|NFR)-\d{3,6}", code) else None
        told = reading.sections.setdefault("requirements", [])
        reading.lines[f"/requirements/{len(told)}"] = item.line
        told.append({"id": known, "kind": kind, "text": text or item.text, **target(text)})
        _clarify(item, reading)


def _clarify(item: Item, reading: Reading) -> None:
    for match in _CLARIFY.finditer(item.text[:2_000]):
        if match[1].strip():
            question = {"id": None, "text": match[1].strip()[:1_000], "blocking": True}
            reading.sections.setdefault("open_questions", []).append(question)


def _read_outcomes(body: list[Line], reading: Reading) -> None:
    found, _ = items(body)
    for item in found:
        code, text = label(item.text)
        known = code if code and re.fullmatch(r"SC-\d{3,6}", code) else None
        read = target(text)
        told = reading.sections.setdefault("success_metrics", [])
        reading.lines[f"/success_metrics/{len(told)}"] = item.line
        goal = {"target": read["value"], "op": read["op"], "unit": read["unit"]} if read else {}
        told.append({"id": known, "text": text or item.text, **goal})


def _read_questions(body: list[Line], reading: Reading) -> None:
    found, _ = items(body)
    for item in found:
        code, text = label(item.text)
        known = code if code and re.fullmatch(r"Q-\d{3,6}", code) else None
        match = _CLARIFY.fullmatch(text.strip()[:2_000])
        said = match[1].strip() if match else text
        if said:
            question = {"id": known, "text": said}
            reading.sections.setdefault("open_questions", []).append(question)


def _uncommented(text: str) -> str:
    """Without comments, on as many lines. A comment that never ends is none, and is looked for once."""
    kept: list[str] = []
    place = 0
    while (start := text.find("<!--", place)) >= 0 and (end := text.find("-->", start)) >= 0:
        kept += [text[place:start], "\n" * text.count("\n", start, end)]
        place = end + 3
    return "".join([*kept, text[place:]])


def _line(text: str) -> str:
    return " ".join(text.split())


def _bare(text: str) -> str:
    """A text that may stand between square brackets."""
    return _line(text).replace("[", "(").replace("]", ")")
