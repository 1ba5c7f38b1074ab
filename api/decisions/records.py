"""Decision records as Markdown: MADR 2 to 4, Nygard and log4brains, read and written. Never raises on a document.

A document is cut into sections that, joined again, are the document to the byte. Reading takes what it knows and leaves
the rest; writing back replaces the sections whose meaning has changed, and no others.

Sources: https://adr.github.io/madr (templates 2.1.2, 3.0.0 and 4.0.0); M. Nygard, "Documenting Architecture Decisions",
2011; https://github.com/thomvaill/log4brains (its default template).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

Format = Literal["madr", "nygard", "log4brains"]
Meaning = Literal["context", "options", "outcome", "pros_and_cons", "status", "decision", "consequences"]

MOST_CHARS = 500_000
MOST_SECTIONS = 2_000
MOST_OPTIONS = 50
MOST_POINTS = 50
_LINE_CHARS = 1_000
_TITLE_CHARS = 300
_NAME_CHARS = 100
_PROSE_CHARS = 50_000

_HEADINGS: Mapping[str, Meaning] = {
    "context and problem statement": "context",
    "context": "context",
    "considered options": "options",
    "decision outcome": "outcome",
    "pros and cons of the options": "pros_and_cons",
    "status": "status",
    "decision": "decision",
    "consequences": "consequences",
}
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_BULLET = re.compile(r"[ \t]{0,3}[*+-][ \t]+(.*)")
_META = re.compile(
    r"(?:[*+-][ \t]+)?\**(status|date|deciders|decision-makers|tags)\**[ \t]*:\**[ \t]*(.*)", re.IGNORECASE
)
_NUMBERED = re.compile(r"(?:\[?ADR[- ]?)?0*(\d{1,9})\]?[.:)]?[ \t]+(?=\S)", re.IGNORECASE)
_ADR = re.compile(r"ADR[- ]?0*(\d{1,9})", re.IGNORECASE)
_SUPERSEDES = re.compile(r"\bsupersedes\b|\breplaces\b", re.IGNORECASE)
_CHOSEN = re.compile(r"chosen option:[ \t]*(.*)", re.IGNORECASE)
_POINT = re.compile(r"(good|bad|neutral),?[ \t]+because[ \t]+(.*)", re.IGNORECASE)
_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})")


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with its text up to the next heading of its level or above; level 0 is what stands before the first."""

    level: int
    title: str
    head: str
    body: str
    line: int


@dataclass(slots=True)
class OptionRead:
    title: str
    pros: list[str] = field(default_factory=list)
    cons: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Skipped:
    """What was not understood: its line, counted from 1, and why. It is kept in the document as it was."""

    line: int
    reason: str


@dataclass(slots=True)
class Read:
    """What a document says. `kept` names sections that stay as they are; None is what it does not say."""

    format: Format
    title: str | None = None
    number: int | None = None
    status: str | None = None
    decided_at: datetime | None = None
    decided_by: str | None = None
    context: str | None = None
    options: list[OptionRead] = field(default_factory=list)
    chosen: int | None = None
    rationale: str | None = None
    supersedes: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def read(text: str, format: Format | None = None) -> Read:
    """What the document says; the format is found out unless given.

    >>> told = read("# 7. Use Postgres\\n\\n## Status\\n\\nAccepted\\n\\n## Decision\\n\\nWe use Postgres.\\n")
    >>> told.format, told.number, told.title, told.status, told.options[0].title
    ('nygard', 7, 'Use Postgres', 'accepted', 'We use Postgres.')
    """
    if len(text) > MOST_CHARS:
        return Read(format or "madr", skipped=[Skipped(0, f"longer than {MOST_CHARS:,} characters")])
    sections = cut(text)
    told = Read(format or detect(sections))
    _read_metadata(sections, told)
    for section in sections:
        if section.level == 1 and told.title is None:
            _read_title(section, told)
        elif section.level == 2:
            _read_section(section, told)
    if told.title is None:
        told.skipped.append(Skipped(1, "there is no title: a line that begins with #"))
    if told.format == "nygard" and not told.options:
        told.skipped.append(Skipped(1, "there is no section Decision"))
    if told.format != "nygard" and not told.options:
        told.skipped.append(Skipped(1, "there is no list of considered options"))
    return told


def write(decision: Mapping[str, Any], format: Format) -> str:
    """A new document. `decision` as it is shown on the wire, plus `status_line`."""
    decision = _in_lines(decision)
    if format == "nygard":
        return _write_nygard(decision)
    return _write_madr(decision, format)


def rewrite(text: str, format: Format, was: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """The document with the sections replaced whose meaning differs between `was` and `now`; the rest to the byte.

    Both are decisions as shown on the wire: as the document was understood, and as it is.
    """
    changed = _changed(was, now)
    if not changed:
        return text
    now = _in_lines(now)
    newline = "\r\n" if "\r\n" in text else "\n"
    sections = cut(text)
    fresh = {section.title.casefold(): section for section in cut(write(now, format)) if section.level == 2}
    out, done = [], set()
    for section in sections:
        meaning = _HEADINGS.get(section.title.casefold()) if section.level == 2 else None
        if section.level <= 1:
            out.append(_rewritten_top(section, now, changed, newline))
        elif meaning in changed and section.title.casefold() in fresh:
            out.append(section.head + _spaced(fresh[section.title.casefold()].body, section.body, newline))
            done.add(meaning)
        else:
            out.append(section.head + section.body)
    missing = [
        section
        for section in fresh.values()
        if (meaning := _HEADINGS.get(section.title.casefold())) in changed - done and meaning is not None
    ]
    joined = "".join(out)
    for section in missing:
        joined = joined.rstrip("\r\n") + newline * 2 + (section.head + section.body).replace("\n", newline)
    return joined


def cut(text: str) -> list[Section]:
    """Sections of levels 0, 1 and 2 whose heads and bodies, joined, are the text. Deeper headings are body.

    >>> text = "a\\r\\n# T\\n```\\n## no\\n```\\n## Yes\\nb"
    >>> [section.title for section in cut(text)], "".join(one.head + one.body for one in cut(text)) == text
    (['', 'T', 'Yes'], True)
    """
    found: list[tuple[int, str, str, list[str], int]] = [(0, "", "", [], 1)]
    fence: str | None = None
    in_front_matter = False
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        bare = line.strip()
        if number == 1 and bare == "---":
            in_front_matter = True
        elif in_front_matter:
            in_front_matter = bare != "---"
        elif mark := _FENCE.match(line):
            if fence is None:
                fence = mark[1]
            elif mark[1].startswith(fence) and bare == mark[1]:
                fence = None
        elif fence is None and len(found) < MOST_SECTIONS and (heading := _heading(line)) and heading[0] <= 2:
            found.append((*heading, line, [], number))
            continue
        found[-1][3].append(line)
    return [Section(level, title, head, "".join(body), line) for level, title, head, body, line in found]


def detect(sections: Sequence[Section]) -> Format:
    """MADR unless the headings are Nygard's, or the metadata log4brains' (its tags, in bullets)."""
    titles = {section.title.casefold() for section in sections if section.level == 2}
    if "decision" in titles and "decision outcome" not in titles:
        return "nygard"
    tagged = any(re.match(r"-[ \t]+Tags:", line) for section in sections[:2] for line in section.body.splitlines())
    return "log4brains" if tagged else "madr"


def status_of(text: str) -> str | None:
    """The status in one word.

    >>> status_of("Accepted"), status_of("superseded by [ADR-0005](0005.md)"), status_of("_maybe_")
    ('accepted', 'superseded', None)
    """
    words = ("proposed", "draft", "rejected", "accepted", "deprecated", "superseded")
    folded = text.casefold()
    return next((word for word in words if re.search(rf"\b{word}\b", folded)), None)


def _read_title(section: Section, told: Read) -> None:
    title = section.title
    numbered = _NUMBERED.match(title)
    if numbered and numbered.end() < len(title):
        told.number, title = int(numbered[1]), title[numbered.end() :]
    title = title.strip()
    if not title:
        return
    if len(title) > _TITLE_CHARS:
        told.skipped.append(Skipped(section.line, f"the title is longer than {_TITLE_CHARS} characters"))
        return
    told.title = title


def _read_metadata(sections: Sequence[Section], told: Read) -> None:
    """Front matter (MADR 3 and 4), or bullets and lines under the title (MADR 2, log4brains, Nygard)."""
    top = [section for section in sections if section.level <= 1][:2]
    for section in top:
        for offset, line in enumerate(section.body.splitlines()[:200]):
            found = _META.fullmatch(line.strip())
            if found:
                _read_meta(found[1].casefold(), found[2].strip().strip("\"'"), section.line + offset + 1, told)


def _read_meta(name: str, value: str, line: int, told: Read) -> None:
    if name == "status":
        told.status = status_of(value)
        if told.status is None and value:
            told.skipped.append(Skipped(line, f"{value[:80]!r} is no status that we know"))
        told.supersedes += _superseded_in(value)
    elif name == "date":
        told.decided_at = _date(value)
        if told.decided_at is None and value:
            told.skipped.append(Skipped(line, f"{value[:80]!r} is no date like 2026-11-23"))
    elif name in ("deciders", "decision-makers") and value:
        told.decided_by = value.strip("[]{} ")[:_NAME_CHARS].strip() or None


def _read_section(section: Section, told: Read) -> None:
    meaning = _HEADINGS.get(section.title.casefold())
    body = section.body.strip()
    if meaning == "context":
        told.context = _prose(body, section, told)
    elif meaning == "options":
        _read_options(section, told)
    elif meaning == "outcome":
        _read_outcome(section, told)
    elif meaning == "pros_and_cons":
        _read_points(section, told)
    elif meaning == "status" and told.format == "nygard":
        told.status = status_of(body)
        told.supersedes += _superseded_in(body)
    elif meaning == "decision" and told.format == "nygard" and body:
        first = _plain(next(line for line in body.splitlines() if line.strip()))
        told.options = [OptionRead(first[:_NAME_CHARS].strip() or "The decision")]
        told.rationale, told.chosen = _prose(body, section, told), 0
    elif meaning is None or not body:
        told.kept.append(section.title[:_NAME_CHARS])


def _read_options(section: Section, told: Read) -> None:
    for offset, line in _lines(section):
        bullet = _BULLET.fullmatch(line.rstrip())
        if not bullet or line[:2] == "  ":
            continue
        title = _plain(bullet[1])
        if not title or len(title) > _NAME_CHARS:
            told.skipped.append(Skipped(offset, f"an option's title has 1 to {_NAME_CHARS} characters"))
        elif len(told.options) >= MOST_OPTIONS:
            told.skipped.append(Skipped(offset, f"only {MOST_OPTIONS} options are read"))
        elif _named(told.options, title) is None:
            told.options.append(OptionRead(title))


def _read_outcome(section: Section, told: Read) -> None:
    body = section.body.strip()
    found = _CHOSEN.search(body)
    if found is None:
        told.rationale = _prose(body, section, told)
        if body:
            told.skipped.append(Skipped(section.line, 'the outcome names no "Chosen option"'))
        return
    name, _, because = found[1].partition(", because")
    name = _plain(name).strip(" .,\"“”'")
    option = _named(told.options, name)
    if option is None:
        told.skipped.append(Skipped(section.line, f"the chosen option {name[:80]!r} is none of the considered ones"))
    else:
        told.chosen = told.options.index(option)
    rest = body[found.end() :]
    reason = (because + rest).strip() if because or rest.strip() else found[1]
    told.rationale = _prose(reason.strip(), section, told)


def _read_points(section: Section, told: Read) -> None:
    option: OptionRead | None = None
    for offset, line in _lines(section):
        if heading := _heading(line):
            option = _named(told.options, _plain(heading[1]))
            if option is None:
                told.skipped.append(Skipped(offset, f"{heading[1][:80]!r} is none of the considered options"))
            continue
        bullet = _BULLET.fullmatch(line.rstrip())
        point = _POINT.fullmatch(bullet[1].strip()) if bullet else None
        if option is None or point is None:
            continue
        kind, words = point[1].casefold(), point[2].strip()
        side = option.pros if kind == "good" else option.cons
        if kind == "neutral" or not words:
            continue
        if len(side) >= MOST_POINTS or len(words) > _LINE_CHARS:
            told.skipped.append(Skipped(offset, f"only {MOST_POINTS} points of {_LINE_CHARS} characters are read"))
        else:
            side.append(words)


def _lines(section: Section) -> Iterator[tuple[int, str]]:
    """The body's lines with their numbers, without what stands in fences."""
    fence = None
    for offset, line in enumerate(section.body.splitlines(), section.line + 1):
        if mark := _FENCE.match(line):
            fence = None if fence and mark[1].startswith(fence) else fence or mark[1]
        elif fence is None:
            yield offset, line


def _heading(line: str) -> tuple[int, str] | None:
    """Level and title. By hand, since a pattern for the closing marks takes quadratic time on a long line of spaces."""
    rest = line.lstrip("#")
    level = len(line) - len(rest)
    if not 1 <= level <= 6 or (rest and rest[0] not in " \t\r\n"):
        return None
    title = rest.strip()
    closed = title.rstrip("#")
    return level, title if closed and closed[-1] not in " \t" else closed.strip()


def _named(options: Sequence[OptionRead], title: str) -> OptionRead | None:
    wanted = title.casefold()
    exact = next((option for option in options if option.title.casefold() == wanted), None)
    begun = [option for option in options if wanted and option.title.casefold().startswith(wanted)]
    return exact or (begun[0] if len(begun) == 1 else None)


def _plain(text: str) -> str:
    """Without links, emphasis and a leading label such as [option 1]."""
    text = re.sub(r"\[([^\]\[]*)\]\([^()]*\)", r"\1", text[:5_000])
    return text.strip().strip("*_`").strip()


def _prose(body: str, section: Section, told: Read) -> str | None:
    if len(body) > _PROSE_CHARS:
        told.skipped.append(Skipped(section.line, f"{section.title[:80]} is longer than {_PROSE_CHARS:,} characters"))
        return None
    return body or None


def _superseded_in(text: str) -> list[str]:
    """What a status says that this record supersedes. `superseded by` is told by the other one."""
    return [
        f"ADR-{int(found[1]):04}"
        for line in text.splitlines()
        if (verb := _SUPERSEDES.search(line))
        for found in _ADR.finditer(line, verb.end())
    ][:20]


def _date(text: str) -> datetime | None:
    found = _DATE.search(text)
    try:
        return datetime(int(found[1]), int(found[2]), int(found[3]), tzinfo=UTC) if found else None
    except ValueError:
        return None


def _changed(was: Mapping[str, Any], now: Mapping[str, Any]) -> set[str]:
    """Which meanings differ."""
    titles = [[option["title"] for option in side["options"]] for side in (was, now)]
    points = [[(option["title"], option["pros"], option["cons"]) for option in side["options"]] for side in (was, now)]
    outcome = [(_chosen_title(side), side["rationale"]) for side in (was, now)]
    found = {"context"} if was["context"] != now["context"] else set()
    found |= {"options"} if titles[0] != titles[1] else set()
    found |= {"pros_and_cons"} if points[0] != points[1] else set()
    found |= {"outcome", "decision"} if outcome[0] != outcome[1] else set()
    found |= {"title"} if was["title"] != now["title"] else set()
    found |= {"status"} if was["status_line"] != now["status_line"] else set()
    return found


def _rewritten_top(section: Section, now: Mapping[str, Any], changed: set[str], newline: str) -> str:
    head, body = section.head, section.body
    if section.level == 1 and "title" in changed:
        numbered = _NUMBERED.match(section.title)
        prefix = section.title[: numbered.end()] if numbered else ""
        head = f"# {prefix}{now['title']}{newline}"
    if "status" in changed:
        lines = body.splitlines(keepends=True)
        for index, line in enumerate(lines[:200]):
            found = _META.fullmatch(line.strip())
            if found and found[1].casefold() == "status":
                start = line.lower().index("status")
                lines[index] = line[: line.index(":", start) + 1] + f" {now['status_line']}{newline}"
        body = "".join(lines)
    return head + body


def _spaced(fresh: str, old: str, newline: str) -> str:
    """The new text with the blank lines around it that the old one had."""
    lead = old[: len(old) - len(old.lstrip("\r\n"))] or newline
    tail = old[len(old.rstrip("\r\n")) :] if old.strip() else newline
    return lead + fresh.strip("\n").replace("\n", newline) + tail


def _chosen_title(decision: Mapping[str, Any]) -> str | None:
    return next((option["title"] for option in decision["options"] if option["key"] == decision["chosen"]), None)


def _in_lines(decision: Mapping[str, Any]) -> dict[str, Any]:
    """The decision whose names and points are a line each: of two lines the second could be a heading."""
    told = {name: _line(decision[name]) for name in ("title", "decided_by")}
    criteria = [{**one, "title": _line(one["title"])} for one in decision["criteria"]]
    sides = ("pros", "cons")
    options = [
        {**one, "title": _line(one["title"]), **{side: [_line(point) for point in one[side]] for side in sides}}
        for one in decision["options"]
    ]
    return {**decision, **told, "criteria": criteria, "options": options}


def _line(text: str | None) -> str | None:
    return text and " ".join(text.splitlines())


def _write_nygard(decision: Mapping[str, Any]) -> str:
    chosen = _chosen_title(decision)
    said = decision["rationale"] or (f"We choose {chosen}." if chosen else "Not decided yet.")
    others = [option["title"] for option in decision["options"] if option["title"] != chosen]
    rejected = f"\n\nAlso considered: {', '.join(others)}." if others else ""
    consequences = "\n".join(
        [
            f"- {'Good' if side == 'pros' else 'Bad'}: {point}"
            for option in decision["options"]
            if option["key"] == decision["chosen"]
            for side in ("pros", "cons")
            for point in option[side]
        ]
    )
    return (
        f"# {decision['number']}. {decision['title']}\n\nDate: {_day(decision)}\n\n## Status\n\n"
        f"{decision['status_line'].capitalize()}\n\n## Context\n\n{decision['context'] or 'None was written down.'}\n\n"
        f"## Decision\n\n{said}{rejected}\n\n## Consequences\n\n{consequences or 'None were written down.'}\n"
    )


def _write_madr(decision: Mapping[str, Any], format: Format) -> str:
    lines = []
    facts = {"status": decision["status_line"], "date": _day(decision)}
    if format == "madr":
        if decision["decided_by"]:
            facts["decision-makers"] = decision["decided_by"]
        lines += ["---", *(f"{name}: {_yaml(value)}" for name, value in facts.items()), "---", ""]
        lines += [f"# {decision['title']}", ""]
    else:
        facts = {"Status": facts["status"], "Deciders": decision["decided_by"] or "", "Date": facts["date"], "Tags": ""}
        lines += [f"# {decision['title']}", "", *(f"- {name}: {value}".rstrip() for name, value in facts.items()), ""]
    lines += ["## Context and Problem Statement", "", decision["context"] or "None was written down.", ""]
    if decision["criteria"]:
        lines += ["## Decision Drivers", ""]
        lines += [f"* {criterion['title']} (weight {criterion['weight']})" for criterion in decision["criteria"]] + [""]
    lines += ["## Considered Options", "", *(f"* {option['title']}" for option in decision["options"]), ""]
    lines += ["## Decision Outcome", ""]
    chosen = _chosen_title(decision)
    lines += [f'Chosen option: "{chosen}", because {decision["rationale"]}' if chosen else "Not decided yet.", ""]
    pointed = [option for option in decision["options"] if option["pros"] or option["cons"]]
    if pointed:
        lines += ["## Pros and Cons of the Options", ""]
        for option in pointed:
            points = [f"* Good, because {point}" for point in option["pros"]]
            points += [f"* Bad, because {point}" for point in option["cons"]]
            lines += [f"### {option['title']}", "", *points, ""]
    return "\n".join(lines)


def _yaml(value: str) -> str:
    """Quoted where YAML would read it as something else."""
    plain = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 .,()_-]*", value) is not None
    return value if plain else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _day(decision: Mapping[str, Any]) -> str:
    return str(decision["decided_at"] or decision["recorded_at"] or decision["created_at"])[:10]
