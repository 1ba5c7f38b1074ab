"""Draft and change PRDs, and tell of it. Each change is a version that never changes; one of what it says makes the
approval stale."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import asyncpg
from pydantic import ValidationError
from sqlalchemy import ColumnElement, bindparam, column, func, literal_column, select, table

from api import json
from api.accounts.tenancy import Resource, insert_owned, one, owned
from api.db import uuid7, wire_id
from api.features.models import Feature
from api.http.etags import Precondition
from api.http.findings import refused
from api.http.representation import Columns, Representation
from api.http.schema import Patch
from api.prds import events
from api.prds.approval import approval, check_transition
from api.prds.diff import content
from api.prds.measure import target
from api.prds.models import Prd, PrdVersion
from api.prds.number import number
from api.prds.schemas import SECTIONS, TARGET, PrdCreate, PrdPatch, PrdShown, Sections
from api.problems import Conflict, NotFound, invalid_field
from api.stores import Prepared, Transaction
from api.webhooks.outbox import emit


class PrdFrozen(Conflict):
    """A shipped PRD says what was built, and an archived one what was left."""

    code, title = "prd_frozen", "The PRD can no longer be changed"


def _section(name: str) -> Callable[[Columns], ColumnElement[Any]]:
    return lambda columns: columns.sections[name]


def _ids(name: str, prefix: str) -> Callable[[Columns], ColumnElement[Any]]:
    def shown(columns: Columns) -> ColumnElement[Any]:
        ids = func.unnest(columns[name]).table_valued("id").render_derived(name=f"each_{name}")
        array = func.json_agg(func.roadbed_id(literal_column(f"'{prefix}'"), ids.c.id))
        return func.coalesce(select(array).scalar_subquery(), literal_column("'[]'::json"))

    return shown


_COMPUTED = {name: _section(name) for name in SECTIONS}
_COMPUTED |= {"feature_ids": _ids("feature_ids", "feat"), "decision_ids": _ids("decision_ids", "dec")}
PRD = Resource(Representation(PrdShown, Prd.__table__, "prd", _COMPUTED))

OWN = ("title", "approvals_required", "feature_ids", "decision_ids")
_WRITTEN = (*OWN, "status", "sections", "content_version", "counters")
_INSERT = PRD.insert("id", *_WRITTEN, "source")
LOCK = PRD.lock(*_WRITTEN)
LOCKED = select(PRD.table.c.version, PRD.table.c.id, PRD.table.c.source, *(PRD.table.c[name] for name in _WRITTEN))
_UPDATE = PRD.update(*_WRITTEN)
_KEEP_VERSION = Prepared(
    insert_owned(PrdVersion.__table__, "id", "prd_id", "number", "title", "status", "sections", "changed")
)
# Decisions stand above PRDs in the layers, so that their table is named and not imported.
_decisions = table("decisions", column("workspace_id"), column("livemode"), column("id"))
_COUNTS = {
    "feature_ids": Prepared(
        select(func.count()).where(
            owned(Feature), Feature.id == func.any(bindparam("ids", type_=Prd.__table__.c.feature_ids.type))
        )
    ),
    "decision_ids": Prepared(
        select(func.count())
        .select_from(_decisions)
        .where(
            owned(_decisions), _decisions.c.id == func.any(bindparam("ids", type_=Prd.__table__.c.decision_ids.type))
        )
    ),
}


async def create(
    tx: Transaction, prd: PrdCreate, keep: Callable[[str, dict[str, Any]], list[dict[str, Any]] | None] | None = None
) -> tuple[UUID, asyncpg.Record]:
    """Gives the id and the row. Of an import, `keep` makes the segments of the document to keep, or None.

    Raises Invalid for what it names and is not here.
    """
    own = {name: getattr(prd, name) for name in OWN}
    sections = prd.model_dump(include=set(SECTIONS))
    counters = number(sections, {}, imported=keep is not None)
    await _check_links(tx, own, sections)
    prd_id = uuid7()
    segments = keep(prd.title, sections) if keep else None
    row = await one(
        tx,
        _INSERT,
        prd_id,
        "PRD",
        "prd",
        **own,
        status="draft",
        sections=json.dump(sections),
        content_version=1,
        counters=json.dump(counters),
        source=None if segments is None else json.dump(segments),
    )
    filled = [name for name in SECTIONS if sections[name]]
    await _keep_version(tx, prd_id, 1, prd.title, "draft", sections, ["title", *filled])
    await emit(tx, events.CREATED, row["json"])
    return prd_id, row


async def revise(tx: Transaction, prd_id: UUID, patch: PrdPatch, precondition: Precondition) -> asyncpg.Record:
    """Apply a merge patch; one that changes nothing leaves the version as it is, and tells nobody.

    Raises NotFound, PreconditionFailed, Invalid, PrdFrozen, IllegalTransition, NotApproved.
    """
    row = await one(tx, LOCK, prd_id, "PRD", "prd")
    precondition.check(row["version"])
    return await change(tx, prd_id, row, patch.changes(_current(row)))


async def append(
    tx: Transaction, prd_id: UUID, section: str, item: dict[str, Any], precondition: Precondition
) -> asyncpg.Record:
    """Add one item to the end of a section. Raises as `revise` does."""
    row = await one(tx, LOCK, prd_id, "PRD", "prd")
    precondition.check(row["version"])
    return await change(tx, prd_id, row, {section: [*row["sections"][section], item]})


async def revise_item(
    tx: Transaction, prd_id: UUID, section: str, code: str, patch: Patch, precondition: Precondition
) -> asyncpg.Record:
    """Apply a merge patch to the item with this id. Raises as `revise` does."""
    row = await one(tx, LOCK, prd_id, "PRD", "prd")
    precondition.check(row["version"])
    items = [dict(item) for item in row["sections"][section]]
    item = next((item for item in items if item["id"] == code), None)
    if item is None:
        raise NotFound(f"{wire_id('prd', prd_id)} has no {code}. Its ids are never given twice, so it may be gone.")
    item |= patch.changes(item)
    return await change(tx, prd_id, row, {section: items}, within=f"/{section}/{items.index(item)}")


async def change(
    tx: Transaction, prd_id: UUID, row: asyncpg.Record, changes: Mapping[str, Any], within: str = ""
) -> asyncpg.Record:
    """Write new values of a locked PRD: check them, number what is new, keep the version, tell of it.

    `within` is taken off the pointers of errors, for a caller who sent one item alone.
    """
    current = _current(row)
    wanted = current | dict(changes)
    sections = _checked({name: wanted[name] for name in SECTIONS}, within)
    _read_anew(row["sections"], sections)
    counters = number(sections, row["counters"], row["sections"])
    own = {name: wanted[name] for name in OWN}
    written = own | sections
    changed = sorted(name for name in written if written[name] != current[name])
    told = changed_content(row, own["title"], sections)
    if changed and row["status"] in ("shipped", "archived") and (told or row["status"] == "archived"):
        raise PrdFrozen(f"{wire_id('prd', prd_id)} is {row['status']}. Draft a new one for what comes next.")
    await _check_links(tx, own, sections, set(changed))
    standing = await approval(tx, prd_id, row["content_version"], own["approvals_required"], row["sections"])
    status = "in_review" if told and row["status"] == "approved" else row["status"]
    goal = wanted["status"] if "status" in changes else status
    if goal != status:
        now = standing.without_reviews() if told else standing
        check_transition(status, goal, now.of_questions(sections))
    if not changed and goal == row["status"]:
        return await PRD.read(tx, prd_id)
    version = row["version"] + 1
    written_row = await one(
        tx,
        _UPDATE,
        prd_id,
        "PRD",
        "prd",
        **own,
        status=goal,
        sections=json.dump(sections),
        content_version=version if told else row["content_version"],
        counters=json.dump(counters),
    )
    differs = [*changed, *(["status"] if goal != row["status"] else [])]
    await _keep_version(tx, prd_id, version, own["title"], goal, sections, differs)
    await _tell(tx, row, written_row["json"], changed, sections)
    if told and standing.approved_by and row["status"] in ("in_review", "approved"):
        await emit(tx, events.APPROVAL_INVALIDATED, events.moved(written_row["json"], row["status"]))
    elif goal != row["status"]:
        event = events.APPROVED if goal == "approved" else events.STATUS_CHANGED
        await emit(tx, event, events.moved(written_row["json"], row["status"]))
    return written_row


async def set_status(tx: Transaction, prd_id: UUID, row: asyncpg.Record, status: str) -> asyncpg.Record:
    """Move a locked PRD whose way was checked, and keep the version. The caller tells of it."""
    values = {name: row[name] for name in OWN} | {"content_version": row["content_version"], "status": status}
    sections, counters = json.dump(row["sections"]), json.dump(row["counters"])
    moved = await one(tx, _UPDATE, prd_id, "PRD", "prd", **values, sections=sections, counters=counters)
    await _keep_version(tx, prd_id, moved["version"], row["title"], status, row["sections"], ["status"])
    return moved


def changed_content(row: asyncpg.Record, title: str, sections: dict[str, Any]) -> bool:
    """Whether it says something else now. How far the work is, and what it is linked to, is not what it says."""
    return bool(title != row["title"] or content(sections) != content(row["sections"]))


async def _tell(tx: Transaction, row: asyncpg.Record, text: str, changed: list[str], sections: dict[str, Any]) -> None:
    """At most one event of a type, however many items it is about."""
    if changed:
        await emit(tx, events.UPDATED, f'{text[:-1]},"changed":{json.dump(changed)}}}')
    before = {item["id"]: item for item in row["sections"]["requirements"]}
    superseded = [
        item
        for item in sections["requirements"]
        if item["status"] == "superseded" and before.get(item["id"], {}).get("status") != "superseded"
    ]
    if superseded:
        await emit(tx, events.SUPERSEDED, events.about(text, requirements=superseded))
    asked = {item["id"]: item for item in row["sections"]["open_questions"]}
    answered = [
        item
        for item in sections["open_questions"]
        if item["answer"] and item["id"] in asked and not asked[item["id"]]["answer"]
    ]
    if answered:
        await emit(tx, events.ANSWERED, events.about(text, questions=answered))


def _current(row: asyncpg.Record) -> dict[str, Any]:
    sections: dict[str, Any] = row["sections"]
    return {name: row[name] for name in (*OWN, "status")} | sections


def _checked(sections: dict[str, Any], within: str) -> dict[str, Any]:
    """The sections as they are stored. Raises Invalid with a pointer at each field."""
    empty = Sections().model_dump()
    given = {name: empty[name] if value is None else value for name, value in sections.items()}
    try:
        checked: dict[str, Any] = Sections.model_validate(given).model_dump()
    except ValidationError as error:
        raise refused(error, within) from None
    return checked


def _read_anew(before: dict[str, Any], sections: dict[str, Any]) -> None:
    """A requirement whose wording changed, and whose numbers had been read from the old wording, is read anew."""
    old = {row["id"]: row for row in before["requirements"]}
    for row in sections["requirements"]:
        known = old.get(row["id"])
        if known is None or known["text"] == row["text"]:
            continue
        if all(row[name] == known[name] for name in TARGET) and _says(known):
            row.update(dict.fromkeys(TARGET) | target(row["text"]))
    anew = Sections.model_validate({"requirements": sections["requirements"]})
    sections["requirements"] = anew.model_dump()["requirements"]


def _says(requirement: dict[str, Any]) -> bool:
    """Whether its numbers are those of its text."""
    read = target(requirement["text"])
    return all(requirement[name] == read.get(name) for name in TARGET)


async def has_decisions(tx: Transaction, ids: list[UUID]) -> bool:
    """Whether all of these decisions are here."""
    return bool(await tx.value(_COUNTS["decision_ids"], ids=ids) == len(ids))


async def _check_links(
    tx: Transaction, own: dict[str, Any], sections: dict[str, Any], changed: set[str] | None = None
) -> None:
    """What it names is here, and named once."""
    for name, statement in _COUNTS.items():
        ids = own[name]
        if not ids or (changed is not None and name not in changed):
            continue
        if len(set(ids)) != len(ids):
            raise invalid_field(f"/{name}", "names something twice", "duplicate")
        if await tx.value(statement, ids=ids) != len(ids):
            raise invalid_field(f"/{name}", "names something that is not here", f"unknown_{name.removesuffix('_ids')}")
    bought = sections["build_vs_buy"] or {}
    if bought.get("decision_id") and (changed is None or "build_vs_buy" in changed):
        decision = PrdCreate.model_validate({"title": "-", "decision_ids": [bought["decision_id"]]}).decision_ids
        if not await has_decisions(tx, decision):
            raise invalid_field("/build_vs_buy/decision_id", "is no decision here", "unknown_decision")


async def _keep_version(
    tx: Transaction, prd_id: UUID, number_: int, title: str, status: str, sections: dict[str, Any], changed: list[str]
) -> None:
    await tx.run(
        _KEEP_VERSION,
        id=uuid7(),
        prd_id=prd_id,
        number=number_,
        title=title,
        status=status,
        sections=json.dump(sections),
        changed=changed,
    )
