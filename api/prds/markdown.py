"""A PRD in Markdown as typed sections, and as the segments of text that they stand in. Pure; never raises.

Every byte of the document belongs to one segment, so that the segments joined are the document. A heading of the
template begins a segment with a part; what is not understood is kept in segments without one.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from api.prds.measure import measures, target
from api.prds.stories import STORY, read_stories

MOST_CHARS = 500_000
MOST_LINE_CHARS = 20_000
MOST_SKIPPED = 200

PARTS = (
    "title",
    "problem",
    "solution",
    "user_stories",
    "requirements",
    "functional",
    "non_functional",
    "approach",
    "architecture",
    "stack",
    "rationale",
    "risks",
    "build_vs_buy",
    "success_metrics",
    "release_phases",
    "open_questions",
)
_HEADINGS = {
    "problem": "problem statement|problem|the problem",
    "solution": "proposed solution|solution",
    "user_stories": "user stories|user story",
    "requirements": "technical requirements|requirements|product requirements",
    "functional": "functional|functional requirements",
    "non_functional": "non-functional|non-functional requirements|nonfunctional requirements|nfrs",
    "approach": "technical approach|approach",
    "architecture": "architecture|system architecture",
    "stack": "technology stack|tech stack|stack",
    "rationale": "why this approach|rationale",
    "risks": "technical risks|risks|risks and mitigations",
    "build_vs_buy": "build vs. buy analysis|build vs. buy|build vs buy analysis|build vs buy|build-vs-buy",
    "success_metrics": "success metrics|metrics|success criteria",
    "release_phases": "release plan|release phases|phases|rollout plan",
    "open_questions": "open questions|questions",
}
_LONGEST_HEADING = 200
_PART_OF = {heading: part for part, headings in _HEADINGS.items() for heading in headings.split("|")}
# Whoever writes a line chooses what is in it, so none of these may go over a run of blanks or marks more than once:
# possessive where a run meets what it may itself hold, and no blanks in front of what is looked for anywhere.
_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(.*)\n?")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_ITEM = re.compile(r"([ \t]*)([-*+]|\d{1,9}[.)])[ \t]+(.*)", re.DOTALL)
_LABEL = re.compile(r"\*\*([^*]{1,100}?)\s{0,8}(?::\s{0,8}\*\*|\*\*\s{0,8}:)")
_DETAIL = re.compile(r"\**([A-Z][A-Za-z ]{1,24}?)\**\s*:\**\s*(.+)", re.DOTALL)
_REQUIREMENT_ID = re.compile(r"((?:FR|NFR)-\d{3,6})\b\s*(.*)")
_URL = re.compile(r"https?://[^\s)>\]\"]{1,2000}")
_DATE = re.compile(r"\b(\d{4}-\d{2}-\d{2})\b")
KINDS = ("functional", "performance", "scalability", "reliability", "security", "usability", "other")
_CATEGORIES = ("product", "technical", "business")


class Line(NamedTuple):
    """A line of the document without its end, and its number, from 1."""

    number: int
    text: str


@dataclass
class Item:
    """An item of a list: its text with continuation lines, and the items and lines below it."""

    line: int
    text: str
    children: list[Line] = field(default_factory=list)


@dataclass(frozen=True)
class Segment:
    """A stretch of the document from one heading to the next. `rest` is what a part's reader did not understand."""

    part: str | None
    line: int
    text: str
    rest: str = ""


@dataclass
class Reading:
    """`lines` says on which line a JSON pointer's thing stands; `skipped` what was kept as text, and why."""

    title: str | None = None
    sections: dict[str, Any] = field(default_factory=dict)
    segments: list[Segment] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)
    skipped: list[tuple[int, str]] = field(default_factory=list)

    @property
    def fragment(self) -> bool:
        """Whether this is no PRD but a piece of one, such as a single story."""
        return self.title is None and set(self.sections) == {"user_stories"}

    def skip(self, line: int, reason: str) -> None:
        if len(self.skipped) < MOST_SKIPPED:
            self.skipped.append((line, reason))


def read(text: str) -> Reading:
    """The sections of a PRD. What stands under headings that the template does not have is kept, and told.

    >>> reading = read("# PRD: Search\\n\\n## Solution\\nAn index.\\n\\n## Appendix\\nMore.\\n")
    >>> reading.title, reading.sections["solution"], "".join(segment.text for segment in reading.segments)[-6:]
    ('Search', 'An index.', 'More.\\n')
    """
    reading = Reading()
    if len(text) > MOST_CHARS:
        reading.skip(0, f"A PRD has at most {MOST_CHARS:,} characters. Nothing of this one was read.")
        reading.segments.append(Segment(None, 1, text))
        return reading
    found = _split(text)
    if not any(part == "user_stories" for part, _, _ in found):
        found = [(_loose_stories(part, lines), number, lines) for part, number, lines in found]
    taken: set[str] = set()
    for part, number, lines in found:
        raw = "".join(lines)
        if part in taken or (part == "requirements" and taken & {"functional", "non_functional"}):
            reading.skip(number, "This section stands twice; the second is kept as it is.")
            reading.segments.append(Segment(None, number, raw))
            continue
        if part is None:
            if raw.strip():
                reading.skip(number, "This is no section of the template; it is kept as it is.")
            reading.segments.append(Segment(None, number, raw))
            continue
        rest = _read_part(part, number, lines, reading)
        empty = part == "requirements" and not reading.sections.get("requirements")
        if empty:
            reading.sections.pop("requirements", None)
        else:
            taken.add(part)
        reading.segments.append(Segment(None if empty else part, number, raw, rest))
    return reading


def without(reading: Reading, part: str, reason: str) -> None:
    """Take back what was read of a part: its segment is kept as text, and told."""
    for place, segment in enumerate(reading.segments):
        if segment.part == part:
            reading.segments[place] = Segment(None, segment.line, segment.text)
            reading.skip(segment.line, reason)


def plain_lines(text: str) -> list[str]:
    """Lines with their ends, broken only where editors break them."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def items(lines: list[Line]) -> tuple[list[Item], list[Line]]:
    """The items of the outermost list, and the lines that belong to none."""
    found: list[Item] = []
    loose: list[Line] = []
    base: int | None = None
    gap = False
    current: Item | None = None
    for line in lines:
        match = _ITEM.match(line.text) if len(line.text) < MOST_LINE_CHARS else None
        indent = _indent(line.text)
        if not line.text.strip():
            gap = True
        elif match and (base is None or indent <= base + 1):
            base = indent if base is None else base
            current = Item(line.number, match[3].strip())
            found.append(current)
            gap = False
        elif current is not None and (indent > 0 or not gap):
            _continue(current, line, match is not None)
            gap = False
        else:
            current = None
            loose.append(line)
    return found, loose


def label(text: str) -> tuple[str | None, str]:
    """The bold label that an item begins with, and the rest.

    >>> label("**Performance:** <200ms"), label("**FR-001**: Sync"), label("Sync")
    (('Performance', '<200ms'), ('FR-001', 'Sync'), (None, 'Sync'))
    """
    match = _LABEL.match(text)
    return (match[1].strip(), text[match.end() :].strip()) if match else (None, text)


def details(item: Item) -> tuple[dict[str, str], list[Line]]:
    """`Key: value` items below an item, keys in lower_snake, and the lines that are none."""
    keyed: dict[str, str] = {}
    other: list[Line] = []
    for child in item.children:
        match = _ITEM.match(child.text)
        detail = _DETAIL.match(match[3].strip() if match else child.text.strip())
        if detail and (key := detail[1].strip().lower().replace(" ", "_")) not in keyed:
            keyed[key] = detail[2].strip()
        elif child.text.strip():
            other.append(child)
    return keyed, other


# --- Segments ---------------------------------------------------------------------------------------------------------


def _split(text: str) -> list[tuple[str | None, int, list[str]]]:
    """(part, first line's number, raw lines). A heading within a fence is none, one below a section stays in it."""
    found: list[tuple[str | None, int, list[str]]] = [(None, 1, [])]
    level = 7
    fence: str | None = None
    titled = False
    for number, raw in enumerate(plain_lines(text), 1):
        fence = _fence_after(fence, raw)
        match = _HEADING.fullmatch(raw) if fence is None and len(raw) < MOST_LINE_CHARS else None
        if match:
            depth = len(match[1])
            part = _part(_bare(match[2]))
            if depth == 1 and not titled and part is None:
                found.append(("title", number, []))
                level, titled = 7, True
            elif part is not None or depth <= level:
                found.append((part, number, []))
                level = depth
        elif found[-1][0] == "title" and found[-1][2] and raw.strip():
            # What stands between the title and the first section is no title.
            found.append((None, number, []))
            level = 7
        found[-1][2].append(raw)
    return [segment for segment in found if segment[2]]


def _fence_after(fence: str | None, raw: str) -> str | None:
    """The fence that is open after this line."""
    match = _FENCE.match(raw)
    if match is None:
        return fence
    if fence is None:
        return match[1]
    closes = match[1][0] == fence[0] and len(match[1]) >= len(fence) and not raw.strip().strip(fence[0])
    return None if closes else fence


def _bare(heading: str) -> str:
    """Without the marks that may close it."""
    return heading.rstrip().rstrip("#").rstrip(" \t")


def _part(heading: str) -> str | None:
    if len(heading) > _LONGEST_HEADING:
        return None
    plain = re.sub(r"[*_`]", "", re.sub(r"[*_]\(.*?\)[*_]", "", heading))
    plain = re.sub(r"^\d+(\.\d+)*[.)]?\s+", "", plain.strip())
    return _PART_OF.get(" ".join(plain.lower().rstrip(" :?").split()))


def _loose_stories(part: str | None, lines: list[str]) -> str | None:
    """Stories of a document that has no section for them."""
    return "user_stories" if part is None and any(STORY.match(line[:MOST_LINE_CHARS]) for line in lines) else part


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip()) if "\t" not in text[:8] else len(text.expandtabs(4)) - len(text.lstrip())


def _continue(item: Item, line: Line, is_item: bool) -> None:
    if is_item or not item.children:
        if is_item:
            item.children.append(line)
        else:
            item.text += "\n" + line.text.strip()
        return
    last = item.children[-1]
    item.children[-1] = Line(last.number, f"{last.text}\n{line.text.strip()}")


# --- Parts ------------------------------------------------------------------------------------------------------------


def _read_part(part: str, number: int, raw: list[str], reading: Reading) -> str:
    """Puts the part's value into the reading; gives what it did not understand, as text."""
    if part == "title":
        heading = _HEADING.fullmatch(raw[0])
        assert heading is not None
        reading.title = re.sub(r"^PRD\s*:\s*", "", _bare(heading[2]).strip(), flags=re.IGNORECASE) or None
        reading.lines["/title"] = number
        return ""
    lines = [Line(number + place, line.rstrip("\r\n")) for place, line in enumerate(raw)]
    body = lines[1:] if _HEADING.fullmatch(raw[0]) else lines
    pointer = "/requirements" if part in ("functional", "non_functional") else f"/{part}"
    reading.lines.setdefault(pointer, number)
    return _READERS[part](part, body, reading)


def _read_prose(part: str, body: list[Line], reading: Reading) -> str:
    text = "\n".join(line.text for line in body).strip("\n").rstrip()
    if text:
        reading.sections[part] = text
    return ""


def _read_architecture(part: str, body: list[Line], reading: Reading) -> str:
    """What is in the fence, to the byte; the whole text when there is no fence."""
    start = next((place for place, line in enumerate(body) if _FENCE.match(line.text)), None)
    if start is None:
        return _read_prose(part, body, reading)
    match = _FENCE.match(body[start].text)
    assert match is not None
    end = next((p for p in range(start + 1, len(body)) if _fence_after(match[1], body[p].text) is None), None)
    if end is None:
        return _read_prose(part, body, reading)
    reading.sections[part] = "\n".join(line.text for line in body[start + 1 : end])
    return _joined(body[:start] + body[end + 1 :])


_FLOW = re.compile(r"current flow\**\s*:\s*\**", re.IGNORECASE)
_IMPACT = re.compile(r"\**(?:impact|evidence)\**\s*:\s*\**\s*", re.IGNORECASE)


def _read_problem(part: str, body: list[Line], reading: Reading) -> str:
    """Statement, the flow of today, and evidence: the lines after `Impact:` or `Evidence:`."""
    statement: list[str] = []
    flow: list[str] = []
    evidence: list[dict[str, Any]] = []
    place = statement
    claims = False
    for line in body:
        text = line.text
        if (match := _IMPACT.match(text.strip())) is not None:
            place, claims = statement, True
            text = text.strip()[match.end() :]
            if not text:
                continue
        elif match := _FLOW.search(text[:MOST_LINE_CHARS]):
            statement.append(text[: match.start()].rstrip("*").rstrip())
            place, claims = flow, False
            text = text[match.end() :]
        if claims and text.strip():
            item = _ITEM.match(text)
            reading.lines[f"/problem/evidence/{len(evidence)}"] = line.number
            evidence.append(_evidence((item[3] if item else text).strip()))
        elif not claims:
            place.append(text)
    value = {
        "statement": "\n".join(statement).strip("\n").rstrip(),
        "current_flow": "\n".join(flow).strip("\n").rstrip() or None,
        "evidence": evidence,
    }
    if any(value.values()):
        reading.sections[part] = value
    return ""


_SOURCE = re.compile(r"\(source:[^()]*\)$")


def _evidence(claim: str) -> dict[str, Any]:
    """A claim as it stands, and its number, population, source and date where it has them."""
    url, day = _URL.search(claim), _day(_DATE.search(claim))
    without_source = claim.replace(url[0], "") if url else claim
    first = next(iter(measures(_DATE.sub("", without_source))), None)
    of = re.search(r"\d\s?(?:%|percent)\s+of\s+(?:all\s+|our\s+)?([A-Za-z][A-Za-z-]*)", claim)
    return {
        "claim": claim[: source.start()].rstrip() if (source := _SOURCE.search(claim)) else claim,
        "value": first.value if first else None,
        "unit": first.unit if first else None,
        "population": of[1] if of else None,
        "source_url": url[0].rstrip(".,;") if url else None,
        "date": day,
    }


def _read_stories(part: str, body: list[Line], reading: Reading) -> str:
    stories, lines, rest = read_stories([(line.number, line.text) for line in body])
    if stories:
        reading.sections[part] = stories
    reading.lines.update(lines)
    return _kept(rest, reading)


def _read_requirements(part: str, body: list[Line], reading: Reading) -> str:
    found, loose = items(body)
    all_ = reading.sections.setdefault("requirements", [])
    for item in found:
        keyed, other = details(item)
        loose += other
        reading.lines[f"/requirements/{len(all_)}"] = item.line
        all_.append(_requirement(part, item.text, keyed))
    return _joined(loose, reading)


def _requirement(part: str, text: str, keyed: dict[str, str]) -> dict[str, Any]:
    head, rest = label(text)
    code, kind = None, "functional" if part != "non_functional" else "other"
    named = _REQUIREMENT_ID.fullmatch(head) if head else None
    if named:
        code, head = named[1], named[2].strip(" ()") or None
        kind = "functional" if code.startswith("FR") else "other"
    if head and head.lower() in KINDS and (part == "requirements" or head.lower() != "functional"):
        kind = head.lower()
    elif head and head.lower() == "availability":
        kind = "reliability"
    elif head:
        rest = f"{head}: {rest}"
    told = {"id": code, "kind": kind, "text": rest or text, **target(rest)}
    status = re.fullmatch(r"(active|superseded|retired)(?: by ((?:FR|NFR)-\d{3,6}))?", keyed.get("status", ""))
    if status:
        told |= {"status": status[1], "superseded_by": status[2]}
    if re.fullmatch(r"\d{1,2}", keyed.get("phase", "")):
        told["phase"] = int(keyed["phase"]) or None
    if "task" in keyed:
        told["task_status"] = keyed["task"].lower().replace(" ", "_")
    return told | _stated_target(keyed)


def _stated_target(keyed: dict[str, str]) -> dict[str, Any]:
    """`Target: uptime >= 99.9 percent at p95`, as the exporter writes it where the text does not say the same."""
    match = re.fullmatch(
        r"(?:(?P<metric>.+?) )?(?P<op><=|>=|<|>|=) (?P<value>-?\d+(?:\.\d+)?)"
        r"(?: (?P<unit>.+?))?(?: at (?P<p>p\d{2}\S*))?",
        keyed.get("target", "")[:200],
    )
    if match is None:
        return {}
    value = Decimal(match["value"])
    named = {"metric": match["metric"], "op": match["op"], "value": value, "unit": match["unit"]}
    return named | {"percentile": match["p"]}


def _read_stack(part: str, body: list[Line], reading: Reading) -> str:
    found, loose = items(body)
    stack: list[dict[str, Any]] = []
    for item in found:
        layer, rest = label(item.text)
        for technology in _split_outside(_PLUS, rest[:MOST_LINE_CHARS]):
            reading.lines[f"/stack/{len(stack)}"] = item.line
            name, role = _role(technology.strip())
            stack.append({"layer": layer or "Other", "technology": name, "role": role})
        loose += item.children
    if stack:
        reading.sections[part] = stack
    return _joined(loose, reading)


_PLUS = re.compile(r"[()]|\s\+\s")
_COMMA = re.compile(r"[(),]")


def _split_outside(separator: re.Pattern[str], text: str) -> list[str]:
    """Split at what is not within brackets: what a bracket closes after, before one opens, is. `separator` finds
    brackets too."""
    cuts: list[tuple[int, int]] = []
    next_bracket = ""
    for match in reversed(list(separator.finditer(text))):
        if match[0] in ("(", ")"):
            next_bracket = match[0]
        elif next_bracket != ")":
            cuts.append(match.span())
    cuts.reverse()
    begins = [0, *(end for _, end in cuts)]
    ends = [*(start for start, _ in cuts), len(text)]
    return [text[begin:end] for begin, end in zip(begins, ends, strict=True)]


def _role(technology: str) -> tuple[str, str | None]:
    """What stands in brackets at the end.

    >>> _role("Redis (cache)"), _role("Redis"), _role("(cache)")
    (('Redis', 'cache'), ('Redis', None), ('(cache)', None))
    """
    name, _, role = technology.removesuffix(")").rpartition("(")
    if not technology.endswith(")") or ")" in role or not name.strip():
        return technology, None
    return name.rstrip(), role


def _read_rationale(part: str, body: list[Line], reading: Reading) -> str:
    found, loose = items(body)
    if not found:
        text = "\n".join(line.text for line in body).strip()
        if text:
            reading.sections[part] = [{"choice": None, "because": text}]
        return ""
    reading.sections[part] = []
    for item in found:
        choice, because = label(item.text)
        reading.lines[f"/rationale/{len(reading.sections[part])}"] = item.line
        reading.sections[part].append({"choice": choice, "because": because or item.text})
        loose += item.children
    return _joined(loose, reading)


def _read_risks(part: str, body: list[Line], reading: Reading) -> str:
    found, loose = items(body)
    risks: list[dict[str, Any]] = []
    for item in found:
        keyed, other = details(item)
        loose += other
        reading.lines[f"/risks/{len(risks)}"] = item.line
        risk: dict[str, Any] = {"description": re.sub(r"^\*\*(.+?)\*\*", r"\1", item.text)}
        risk |= {name: keyed[name] for name in ("mitigation", "owner", "trigger") if name in keyed}
        for name in ("probability", "impact"):
            if (number := _plain_number(keyed.get(name, ""))) is not None:
                risk[name] = number
        if keyed.get("status", "").lower() in ("open", "mitigated", "materialised", "closed"):
            risk["status"] = keyed["status"].lower()
        risks.append(risk)
    if risks:
        reading.sections[part] = risks
    return _joined(loose, reading)


def _read_build_vs_buy(part: str, body: list[Line], reading: Reading) -> str:
    """The table of options, and the recommendation."""
    options: list[dict[str, Any]] = []
    told: dict[str, str] = {}
    rest: list[Line] = []
    names: list[str] | None = None
    for line in body:
        head, text = label(line.text.strip())
        cells = _cells(line.text)
        if cells is not None:
            if names is None:
                names = [re.sub(r"[*_`]", "", cell).strip().lower() for cell in cells]
            elif not all(re.fullmatch(r":?-+:?", cell) for cell in cells):
                reading.lines[f"/build_vs_buy/options/{len(options)}"] = line.number
                options.append(_option(dict(zip(names, cells, strict=False))))
        elif head and (name := _ABOUT_OPTIONS.get(head.lower())) and name not in told:
            told[name] = text
            reading.lines[f"/build_vs_buy/{name}"] = line.number
        else:
            rest.append(line)
    options = [option for option in options if option["name"]]
    if options or told:
        reading.sections[part] = {"options": options, **told}
    return _joined(rest, reading)


def _option(row: dict[str, str]) -> dict[str, Any]:
    verdict = row.get("decision", row.get("verdict", "")).lower()
    named = next((name for sign, name in _VERDICTS if sign in verdict), None)
    return {
        "name": re.sub(r"\*\*", "", row.get("option", "")).strip(),
        "pros": row.get("pros") or None,
        "cons": row.get("cons") or None,
        "cost": row.get("cost") or None,
        "verdict": named,
    }


_ABOUT_OPTIONS = {"recommendation": "recommendation", "revisit if": "revisit_if", "decision": "decision_id"}
_VERDICTS = (
    ("fallback", "fallback"),
    ("recommended", "chosen"),
    ("chosen", "chosen"),
    ("✅", "chosen"),
    ("rejected", "rejected"),
    ("❌", "rejected"),
)


def _cells(text: str) -> list[str] | None:
    stripped = text.strip()
    if not stripped.startswith("|") or len(stripped) > MOST_LINE_CHARS:
        return None
    cells = re.split(r"(?<!\\)\|", stripped.removeprefix("|").removesuffix("|"))
    return [cell.strip().replace("\\|", "|") for cell in cells]


_FROM_TO = re.compile(r"\bfrom\s+(\d[\d.,]*+)\s*+(?:%|percent)?+\s*+(?:→|to|->)\s*(\d[\d.,]*)", re.IGNORECASE)


def _read_metrics(part: str, body: list[Line], reading: Reading) -> str:
    found, loose = items(body)
    metrics: list[dict[str, Any]] = []
    for item in found:
        keyed, other = details(item)
        loose += other
        head, text = label(item.text)
        code = None
        if head and (named := re.fullmatch(r"(SC-\d{3,6})\s*(.*)", head)):
            code, head = named[1], named[2].strip(" ()") or None
        category = head.lower() if head and head.lower() in _CATEGORIES else None
        if head and category is None:
            text = f"{head}: {text}"
        for clause in [text] if keyed or code else _clauses(text):
            reading.lines[f"/success_metrics/{len(metrics)}"] = item.line
            metrics.append({"id": code, "category": category, "text": clause, **_metric_target(clause, keyed)})
    if metrics:
        reading.sections[part] = metrics
    return _joined(loose, reading)


def _clauses(text: str) -> list[str]:
    """`<200ms p95 latency, 99.9% uptime` is two metrics."""
    parts = [part.strip() for part in text[:MOST_LINE_CHARS].split(", ")]
    return parts if len(parts) > 1 and all(re.match(r"[<>≤≥]?\s*\d", part) for part in parts) else [text]


def _metric_target(text: str, keyed: dict[str, str]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    if first := target(text):
        told = {"target": first["value"], "op": first["op"], "unit": first["unit"]}
    if change := _FROM_TO.search(text[:MOST_LINE_CHARS]):
        low, high = _plain_number(change[1]), _plain_number(change[2])
        if low is not None and high is not None:
            told |= {"baseline": low, "target": high, "op": ">=" if high >= low else "<="}
    if (baseline := _plain_number(keyed.get("baseline", ""))) is not None:
        told["baseline"] = baseline
    if stated := re.fullmatch(r"(<=|>=|<|>|=) (-?\d+(?:\.\d+)?)(?: (.+))?", keyed.get("target", "")):
        told |= {"op": stated[1], "target": Decimal(stated[2]), "unit": stated[3]}
    deadline = _day(_DATE.search(keyed.get("deadline", ""))) or _day(re.search(r"\bby (\d{4}-\d{2}-\d{2})\b", text))
    return told | {"deadline": deadline, "source": keyed.get("source"), "name": keyed.get("name")}


def _read_phases(part: str, body: list[Line], reading: Reading) -> str:
    found, loose = items(body)
    phases: list[dict[str, Any]] = []
    for item in found:
        head, text = label(item.text)
        weeks = re.search(r"\((\d{1,3}(?:\.\d{1,2})?) weeks?\)$", text.rstrip())
        scope = text[: weeks.start()] if weeks else text
        reading.lines[f"/release_phases/{len(phases)}"] = item.line
        parts = [one.strip() for one in _split_outside(_COMMA, scope[:MOST_LINE_CHARS]) if one.strip()]
        if head is None and len(parts) == 1:
            head, parts = parts[0], []
        name = head or f"Phase {len(phases) + 1}"
        phases.append({"name": name, "scope": parts, "weeks": Decimal(weeks[1]) if weeks else None})
        loose += item.children
    if phases:
        reading.sections[part] = phases
    return _joined(loose, reading)


def _read_questions(part: str, body: list[Line], reading: Reading) -> str:
    found, loose = items(body)
    questions: list[dict[str, Any]] = []
    for item in found:
        keyed, other = details(item)
        loose += other
        reading.lines[f"/open_questions/{len(questions)}"] = item.line
        code, text = label(item.text)
        if code is None or not re.fullmatch(r"Q-\d{3,6}", code):
            code, text = None, item.text
        question: dict[str, Any] = {"id": code, "text": text}
        question |= {name: keyed[name] for name in ("owner", "answer") if name in keyed}
        question |= {"due": _day(_DATE.search(keyed.get("due", ""))), "blocking": keyed.get("blocking") == "yes"}
        questions.append(question)
    if questions:
        reading.sections[part] = questions
    return _joined(loose, reading)


_READERS: dict[str, Callable[[str, list[Line], Reading], str]] = {
    "problem": _read_problem,
    "solution": _read_prose,
    "user_stories": _read_stories,
    "requirements": _read_requirements,
    "functional": _read_requirements,
    "non_functional": _read_requirements,
    "approach": _read_prose,
    "architecture": _read_architecture,
    "stack": _read_stack,
    "rationale": _read_rationale,
    "risks": _read_risks,
    "build_vs_buy": _read_build_vs_buy,
    "success_metrics": _read_metrics,
    "release_phases": _read_phases,
    "open_questions": _read_questions,
}


def _joined(lines: list[Line], reading: Reading | None = None) -> str:
    kept = [line for line in lines if line.text.strip()]
    if kept and reading is not None:
        reading.skip(kept[0].number, "This text is no item of its section; it is kept as it is.")
    return "\n".join(line.text for line in kept)


def _kept(lines: list[tuple[int, str]], reading: Reading) -> str:
    return _joined([Line(number, text) for number, text in lines], reading)


def _plain_number(text: str) -> Decimal | None:
    match = re.match(r"\s*(-?\d{1,15}(?:,\d{3})*(?:\.\d{1,9})?)", text)
    return Decimal(match[1].replace(",", "")) if match else None


def _day(match: re.Match[str] | None) -> str | None:
    """An ISO day that exists."""
    if match is None:
        return None
    try:
        return date.fromisoformat(match[1]).isoformat()
    except ValueError:
        return None


def walk(pointer: str) -> Iterator[str]:
    """A JSON pointer and those above it, nearest first."""
    while pointer:
        yield pointer
        pointer = pointer.rpartition("/")[0]
