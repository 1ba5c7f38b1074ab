"""Make a PRD of a document: the guide's Markdown, a spec-kit `spec.md` or a Task Master `tasks.json`.

What is not understood is kept where the format can keep it, and told in any case; nothing is invented but a title for
a document without one, and that is told too.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal
from uuid import UUID

import asyncpg
from pydantic import ValidationError

from api.db import wire_id
from api.prds import markdown, speckit, taskmaster
from api.prds.markdown import Reading, Segment
from api.prds.render import keep
from api.prds.schemas import PrdCreate, Sections
from api.prds.write import create
from api.problems import Invalid
from api.stores import Transaction

Format = Literal["prd", "speckit", "taskmaster"]
FORMATS: tuple[Format, ...] = ("prd", "speckit", "taskmaster")
UNTITLED = "Untitled PRD"
_READERS = {"prd": markdown.read, "speckit": speckit.read, "taskmaster": taskmaster.read}


@dataclass(frozen=True)
class Skipped:
    """What was not understood: the line (the task's number in `tasks.json`, 0 for the whole), and why."""

    line: int
    reason: str


@dataclass(frozen=True)
class Brought:
    """A PRD that can be written, what was skipped on the way, and the segments to keep (of the guide's Markdown)."""

    prd: PrdCreate | None
    skipped: list[Skipped]
    segments: list[Segment] | None


def understand(text: str, format: Format) -> Brought:
    """What a document says, without writing anything. `prd` is None when it says nothing. Never raises."""
    text = text.replace("\x00", "\ufffd")
    reading = _READERS[format](text)
    sections = _valid(reading)
    if not sections and reading.title is None:
        reading.skip(0, "The document holds no section of a PRD.")
        return Brought(None, _told(reading), None)
    if reading.title is None or len(reading.title) > 300 or not reading.title.strip():
        markdown.without(reading, "title", "The title is longer than 300 characters; it is kept as text.")
        reading.title = UNTITLED
        reading.skip(0, f"The document has no title that can be used; it is called {UNTITLED}.")
    prd = PrdCreate(title=reading.title, **sections)
    return Brought(prd, _told(reading), reading.segments if format == "prd" else None)


async def bring_in(tx: Transaction, brought: Brought) -> tuple[UUID, asyncpg.Record]:
    """Write what was understood as a draft. Gives the id and the row. A decision that is not here is unlinked."""
    prd = brought.prd
    assert prd is not None, "nothing was understood, so nothing can be written"
    keeping = _nothing_kept if brought.segments is None else partial(_kept, brought.segments)
    try:
        return await create(tx, prd, keeping)
    except Invalid as problem:
        if prd.build_vs_buy is None or problem.errors[0].name != "/build_vs_buy/decision_id":
            raise
        brought.skipped.append(Skipped(0, f"{wire_id('dec', prd.build_vs_buy.decision_id)} is no decision here."))  # type: ignore[arg-type]
        prd.build_vs_buy.decision_id = None
        return await create(tx, prd, keeping)


async def import_markdown(tx: Transaction, text: str) -> tuple[UUID, asyncpg.Record] | None:
    """The PRD of the guide's Markdown; None when the text says nothing of one."""
    brought = understand(text, "prd")
    return await bring_in(tx, brought) if brought.prd is not None else None


def _kept(segments: list[Segment], title: str, sections: dict[str, Any]) -> list[dict[str, Any]] | None:
    return keep(title, sections, segments)


def _nothing_kept(title: str, sections: dict[str, Any]) -> None:
    return None


def _valid(reading: Reading) -> dict[str, Any]:
    """The sections that can be stored. One that breaks a bound is kept as text as a whole, rather than cut."""
    valid: dict[str, Any] = {}
    for name, value in reading.sections.items():
        try:
            checked = Sections.model_validate({name: value})
            _check_successors(checked)
        except ValidationError as error:
            first = error.errors()[0]
            where = "".join(f"/{part}" for part in first["loc"])
            line = next((reading.lines[above] for above in markdown.walk(where) if above in reading.lines), 0)
            reason = f"This section cannot be taken over ({where}: {first['msg']})."
            reading.skip(line, reason)
            for part in ("requirements", "functional", "non_functional") if name == "requirements" else (name,):
                markdown.without(reading, part, "It is kept as it is.")
            continue
        valid[name] = getattr(checked, name)
    return valid


def _check_successors(sections: Sections) -> None:
    """A document may say that a requirement was replaced by one that it does not hold."""
    ids = {row.id for row in sections.requirements}
    if any(row.superseded_by and row.superseded_by not in ids for row in sections.requirements):
        Sections.model_validate({"requirements": [{"text": "-", "status": "superseded"}]})


def _told(reading: Reading) -> list[Skipped]:
    return [Skipped(line, reason) for line, reason in sorted(reading.skipped)]
