"""User stories as people write them: with acceptance criteria, and with notes that are no criteria. Pure."""

import re
from typing import Any

# Possessive: no run of blanks is gone over twice, whoever wrote it.
STORY = re.compile(r"[\s>]*+(?:(?:[-*+]|\d{1,9}[.)])\s++)?+[\"“*_\s]*+As an? \w", re.IGNORECASE)
_RUN = re.compile(r"[\s*_]{8,}")
_PARTS = re.compile(
    r"As an? (?P<as_a>[^,]{1,100}?),?\s+I (?P<verb>can|could|want to|want|need to|need|would like to|wish to|)\b"
    r"(?P<i_can>.+?)(?:,?\s+so(?: that)?,?\s+(?P<so_that>.+))?",
    re.IGNORECASE | re.DOTALL,
)
_ITEM = re.compile(r"([ \t]*)([-*+]|\d{1,9}[.)])[ \t]+(.*)", re.DOTALL)
_CRITERIA = re.compile(r"[*_#\s]*acceptance (?:criteria|scenarios|tests?)[*_\s]*:?[*_\s]*", re.IGNORECASE)
_NOTES = re.compile(r"[*_#\s]*(?:technical |implementation |engineering )?notes?[*_\s]*:[*_\s]*", re.IGNORECASE)
_PRIORITY = re.compile(r"[*_\s]*priority[*_\s]*:[*_\s]*(p[1-3])\b", re.IGNORECASE)
_SCENARIO = re.compile(
    r"[*_]*Given[*_]*\s+(?P<given>.+?),?\s+[*_]*When[*_]*\s+(?P<when>.+?),?\s+[*_]*Then[*_]*\s+(?P<then>.+)",
    re.IGNORECASE | re.DOTALL,
)
MOST_CHARS = 1_000


def read_stories(
    lines: list[tuple[int, str]],
) -> tuple[list[dict[str, Any]], dict[str, int], list[tuple[int, str]]]:
    """Stories, the line of each pointer, and the lines that belong to none.

    >>> stories, lines, _ = read_stories([(1, "1. As a user, I can search"), (2, "   - Found in <1 s")])
    >>> stories[0]["i_can"], stories[0]["acceptance_criteria"][0]["text"], lines["/user_stories/0"]
    ('search', 'Found in <1 s', 1)
    """
    reader = _Reader()
    for number, raw in lines:
        reader.take(number, raw)
    for story in reader.stories:
        story.update(story_parts(story["text"]))
    return reader.stories, reader.lines, reader.rest


def story_parts(text: str) -> dict[str, str | None]:
    """Who, what and why of a story. Each is None where the sentence does not have the form.

    >>> story_parts("As a user, I want results in <200ms so I don't wait.")
    {'as_a': 'user', 'i_can': 'results in <200ms', 'so_that': "I don't wait"}
    """
    match = _PARTS.fullmatch(_RUN.sub(" ", text[:MOST_CHARS]).strip().rstrip("."))
    if match is None:
        return {"as_a": None, "i_can": None, "so_that": None}
    return {name: (match[name] or "").strip() or None for name in ("as_a", "i_can", "so_that")}


def criterion(text: str) -> dict[str, Any]:
    """An acceptance criterion; one that is written as a scenario has its three parts too."""
    match = _SCENARIO.fullmatch(_RUN.sub(" ", text[:MOST_CHARS]))
    parts = {name: match[name].strip() for name in ("given", "when", "then")} if match else {}
    return {"text": text, **parts}


class _Reader:
    """Goes through the lines once. `mode` says where a list item belongs: to the story, its criteria or its notes."""

    def __init__(self) -> None:
        self.stories: list[dict[str, Any]] = []
        self.lines: dict[str, int] = {}
        self.rest: list[tuple[int, str]] = []
        self._mode: str | None = None
        self._indent: int | None = None
        self._gap = True

    def take(self, number: int, raw: str) -> None:
        text = re.sub(r"^(?:[ ]{0,3}> ?)+", "", raw)
        if not text.strip():
            self._gap = True
            return
        item = _ITEM.match(text[:MOST_CHARS])
        indent = len(text) - len(text.lstrip())
        content = text.strip() if item is None else text.strip()[len(item[2]) :].strip()
        if self._begins_story(content, item is not None, indent):
            self._story(number, content, indent if item else None)
        elif self.stories and self._switches(number, content):
            pass
        elif self.stories and item:
            self._add(number, content)
        elif self.stories and not self._gap:
            self._continue(content)
        else:
            self.rest.append((number, raw))
        self._gap = False

    def _begins_story(self, content: str, is_item: bool, indent: int) -> bool:
        if STORY.match(content[:MOST_CHARS]):
            return self._mode is None or self._indent is None or indent <= self._indent or not is_item
        if not is_item or _CRITERIA.match(content) or _NOTES.match(content):
            return False
        # Without the words `As a`, only the items of the outermost list are stories.
        return not self.stories or (self._indent is not None and indent <= self._indent)

    def _story(self, number: int, content: str, indent: int | None) -> None:
        self.lines[f"/user_stories/{len(self.stories)}"] = number
        self.stories.append({"text": _unquoted(content), "acceptance_criteria": [], "notes": []})
        self._mode, self._indent = None, indent

    def _switches(self, number: int, content: str) -> bool:
        """A label that says what follows; what stands on its own line is the first of it."""
        if priority := _PRIORITY.fullmatch(content):
            self.stories[-1]["priority"] = priority[1].lower()
            return True
        for mode, pattern in (("acceptance_criteria", _CRITERIA), ("notes", _NOTES)):
            match = pattern.match(content[:MOST_CHARS])
            if match and (mode == "notes" or match.end() == len(content) or ":" in match[0]):
                self._mode = mode
                if content[match.end() :].strip():
                    self._add(number, content[match.end() :].strip())
                return True
        return False

    def _add(self, number: int, content: str) -> None:
        story, mode = self.stories[-1], self._mode or "acceptance_criteria"
        text = _unquoted(content)
        if not text:
            return
        place = len(story[mode])
        self.lines[f"/user_stories/{len(self.stories) - 1}/{mode}/{place}"] = number
        story[mode].append(text if mode == "notes" else criterion(text))

    def _continue(self, content: str) -> None:
        story = self.stories[-1]
        if self._mode == "notes" and story["notes"]:
            story["notes"][-1] += "\n" + content
        elif story["acceptance_criteria"]:
            last = story["acceptance_criteria"][-1]
            story["acceptance_criteria"][-1] = criterion(last["text"] + "\n" + content)
        else:
            story["text"] += "\n" + _unquoted(content)


def _unquoted(text: str) -> str:
    """Without the quotation marks and the emphasis around a quoted story."""
    text = text.strip()
    if text[:1] in ("*", "_") and text[-1:] == text[0] and len(text) > 2:
        text = text.strip("*_")
    text = text.lstrip('"“')
    if text.count('"') % 2 or text.count("”") > text.count("“"):
        text = text.rstrip('"”')
    return text.strip()
