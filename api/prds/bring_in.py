"""Make a PRD of a document: the guide's Markdown, a spec-kit `spec.md` or a Task Master `tasks.json`.

What is not understood is kept where the format can keep it, and told in any case; nothing is invented but a title for
a document without one, and that is told too.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import bindparam, update

from api import json
from api.accounts.tenancy import owned
from api.db import wire_id
from api.http.findings import refused
from api.prds import markdown, speckit, taskmaster
from api.prds.markdown import Reading, Segment
from api.prds.models import Prd
from api.prds.read import exported as as_document
from api.prds.render import keep
from api.prds.schemas import SECTIONS, PrdCreate, Sections
from api.prds.write import LOCKED, change, create, has_decisions
from api.stores import Prepared, Transaction

Format = Literal["prd", "speckit", "taskmaster"]
FORMATS: tuple[Format, ...] = ("prd", "speckit", "taskmaster")
UNTITLED = "Untitled PRD"
_EXPORTS = {"prd": "markdown", "speckit": "speckit", "taskmaster": "taskmaster"}
_NUMBERED = ("requirements", "success_metrics", "open_questions")
_STAYS = ("task_status", "phase", "owner", "due", "blocking", "category", "baseline", "deadline", "source")
_SAME_TITLE = Prepared(
    LOCKED.where(owned(Prd), Prd.title == bindparam("title"), Prd.status != "archived")
    .order_by(Prd.id.desc())
    .limit(1)
    .with_for_update()
)
_KEEP_SOURCE = Prepared(update(Prd).values(source=bindparam("source")).where(owned(Prd), Prd.id == bindparam("id")))
_READERS = {"prd": markdown.read, "speckit": speckit.read, "taskmaster": taskmaster.read}


@dataclass(frozen=True)
class Skipped:
    """What was not understood: the line (the task's number in `tasks.json`, 0 for the whole), and why."""

    line: int
    reason: str


@dataclass(frozen=True)
class Outcome:
    """What became of a document. The PRD is None when it was skipped."""

    status: Literal["created", "updated", "unchanged", "skipped"]
    prd_id: UUID | None
    skipped: list[Skipped]


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


async def bring_in(tx: Transaction, text: str, format: Format) -> Outcome:
    """Make a PRD of a document, or bring the newest one of that title up to date; the same document changes nothing.

    Requirements are matched by id and else by wording, so that a new edition renames none and forgets no progress.
    Raises PrdFrozen for one that has shipped.
    """
    brought = understand(text, format)
    prd = brought.prd
    if prd is None:
        return Outcome("skipped", None, brought.skipped)
    await _unlink_what_is_not_here(tx, prd, brought)
    found = await tx.first(_SAME_TITLE, title=prd.title)
    if found is None:
        keeping = _nothing_kept if brought.segments is None else partial(_kept, brought.segments)
        prd_id, _ = await create(tx, prd, keeping)
        return Outcome("created", prd_id, brought.skipped)
    prd_id, version = found["id"], found["version"]
    shown = as_document(found, prd_id, _EXPORTS[format])[0]
    if shown != text.replace("\x00", "\ufffd"):
        row = await change(tx, prd_id, found, _edition(found["sections"], prd, whole=format == "prd"))
        if brought.segments is not None and row["version"] != version:
            kept = keep(prd.title, json.load(row["json"]), brought.segments)
            await tx.run(_KEEP_SOURCE, id=prd_id, source=json.dump(kept))
        return Outcome("updated" if row["version"] != version else "unchanged", prd_id, brought.skipped)
    return Outcome("unchanged", prd_id, brought.skipped)


def _edition(current: dict[str, Any], prd: PrdCreate, *, whole: bool) -> dict[str, Any]:
    """The sections of a new edition. A document of the guide's template is the whole PRD; the others say what they can
    hold, and leave the rest as it is."""
    given = prd.model_dump(include=set(SECTIONS))
    names = [name for name in SECTIONS if whole or given[name]]
    changes = {name: given[name] for name in names}
    for name in _NUMBERED:
        if name in changes:
            changes[name] = _matched(current[name], changes[name], whole=whole)
    return changes


def _matched(current: list[dict[str, Any]], given: list[dict[str, Any]], *, whole: bool) -> list[dict[str, Any]]:
    """The items of a new edition under the ids that they have; what the document cannot say stays as it was."""
    by_id = {row["id"]: row for row in current}
    by_text = {row["text"]: row for row in current}
    rows: list[dict[str, Any]] = []
    taken: set[str] = set()
    for row in given:
        known = by_id.get(row["id"]) or by_text.get(row["text"])
        if known is None or known["id"] in taken:
            rows.append(row | {"id": None})
            continue
        taken.add(known["id"])
        said = {name: value for name, value in row.items() if value not in (None, False, [])}
        unsaid = known if row["text"] == known["text"] else {name: known[name] for name in _STAYS if name in known}
        rows.append(row | unsaid | said | {"id": known["id"]})
    return rows if whole else [*rows, *(row for row in current if row["id"] not in taken)]


async def _unlink_what_is_not_here(tx: Transaction, prd: PrdCreate, brought: Brought) -> None:
    """A document may name another workspace's decision."""
    bought = prd.build_vs_buy
    if bought is None or bought.decision_id is None or await has_decisions(tx, [bought.decision_id]):
        return
    brought.skipped.append(Skipped(0, f"{wire_id('dec', bought.decision_id)} is no decision here."))
    bought.decision_id = None


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
            first = refused(error).errors[0]
            where = first.name
            line = next((reading.lines[above] for above in markdown.walk(where) if above in reading.lines), 0)
            reason = f"This section cannot be taken over ({where}: {first.message})."
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
