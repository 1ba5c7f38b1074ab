"""The chain of recorded decisions: each hash covers the hash before it and the row's whole content.

Any single row that is changed, removed, put in or moved afterwards, also by the database's superuser, is found by
recomputing it. Sources: S. Haber and W. S. Stornetta, "How to Time-Stamp a Digital Document", Journal of Cryptology 3,
1991. Somebody who can rewrite every row after it can rewrite the chain too: `decision.recorded` carries the hash out to
subscribers, and a head that was kept elsewhere proves more than the database alone can.
"""

import hashlib
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    DateTime,
    Text,
    Uuid,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    null,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB

from api.accounts.tenancy import insert_owned, owned
from api.db import wire_id
from api.decisions.models import Decision, DecisionChained, DecisionHead, DecisionLink
from api.stores import Prepared, Transaction

START = bytes(32)
MOST_FAULTS = 100
PAGE = 500
# What a hash covers. A column that is added later gets a new list beside these, and never changes them.
_DECISION = (
    "id",
    "number",
    "aliases",
    "title",
    "kind",
    "context",
    "options",
    "criteria",
    "ratings",
    "missing_ratings",
    "analysis",
    "fixed",
    "assumptions",
    "triggers",
    "checklist",
    "estimate",
    "assessment",
    "status",
    "chosen",
    "rationale",
    "decided_by",
    "decided_at",
    "confidence",
    "votes",
    "review_at",
    "recorded_at",
    "source_format",
    "source_text",
    "version",
    "created_at",
    "updated_at",
)
_LINK = ("id", "kind", "from_id", "to_id", "created_at")


def _content(model: Any, names: tuple[str, ...]) -> ColumnElement[Any]:
    """The row as canonical JSON text: Postgres's jsonb has one order of keys and one spelling of each value."""
    pairs: list[Any] = []
    for name in names:
        column = getattr(model, name)
        shown = column
        if isinstance(column.type, DateTime):
            shown = func.roadbed_time(column)
        elif isinstance(column.type, ARRAY):
            shown = func.to_jsonb(column)
        elif isinstance(column.type, Uuid):
            shown = cast(column, Text)
        pairs += [literal_column(f"'{name}'"), shown]
    return cast(func.jsonb_build_object(*pairs, type_=JSONB), Text)


_decision, _link = _content(Decision, _DECISION), _content(DecisionLink, _LINK)
_LOCK = Prepared(select(func.pg_advisory_xact_lock(bindparam("lock"))))
_LOCK_SHARED = Prepared(select(func.pg_advisory_xact_lock_shared(bindparam("lock"))))
_HEAD = Prepared(select(DecisionHead.length, DecisionHead.head, DecisionHead.last_number).where(owned(DecisionHead)))
_CONTENT_OF = {
    "decision": Prepared(select(_decision).where(owned(Decision), Decision.id == bindparam("id"))),
    "link": Prepared(select(_link).where(owned(DecisionLink), DecisionLink.id == bindparam("id"))),
}
_APPEND = Prepared(insert_owned(DecisionChained.__table__, "position", "kind", "subject_id", "previous", "hash"))
_ADVANCE = Prepared(
    update(DecisionHead).values(length=bindparam("length"), head=bindparam("hash")).where(owned(DecisionHead))
)
_of_entry = (DecisionChained.workspace_id == bindparam("workspace_id")) & (
    DecisionChained.livemode == bindparam("livemode")
)
_ENTRIES = Prepared(
    select(
        DecisionChained.position,
        DecisionChained.kind,
        DecisionChained.subject_id,
        DecisionChained.previous,
        DecisionChained.hash,
        case((DecisionChained.kind == "decision", _decision), (DecisionChained.kind == "link", _link)).label("content"),
        Decision.status,
        (Decision.id.is_not(None) | DecisionLink.id.is_not(None)).label("exists"),
    )
    .select_from(DecisionChained)
    .outerjoin(
        Decision,
        (Decision.workspace_id == DecisionChained.workspace_id)
        & (Decision.livemode == DecisionChained.livemode)
        & (Decision.id == DecisionChained.subject_id)
        & (DecisionChained.kind == "decision"),
    )
    .outerjoin(
        DecisionLink,
        (DecisionLink.workspace_id == DecisionChained.workspace_id)
        & (DecisionLink.livemode == DecisionChained.livemode)
        & (DecisionLink.id == DecisionChained.subject_id)
        & (DecisionChained.kind == "link"),
    )
    .where(_of_entry, DecisionChained.position > bindparam("after"))
    .order_by(DecisionChained.position)
    .limit(bindparam("most"))
)
_HASH_AT = Prepared(select(DecisionChained.hash).where(_of_entry, DecisionChained.position == bindparam("position")))


def _unchained(model: Any, kind: str, *conditions: Any) -> Prepared:
    entry = select(DecisionChained.position).where(
        DecisionChained.workspace_id == model.workspace_id,
        DecisionChained.livemode == model.livemode,
        DecisionChained.subject_id == model.id,
        DecisionChained.kind == kind,
    )
    return Prepared(select(model.id).where(owned(model), *conditions, ~entry.exists()).limit(MOST_FAULTS))


_UNCHAINED = {
    "decision": _unchained(Decision, "decision", Decision.status == "recorded"),
    "link": _unchained(DecisionLink, "link", null().is_(None)),
}
_MOST_NUMBER = Prepared(select(func.max(Decision.number)).where(owned(Decision)))


async def append(tx: Transaction, kind: str, subject_id: UUID) -> None:
    """Put the row, as it is now, at the end of the chain. The caller holds the chain's lock (`hold`)."""
    head = await tx.first(_HEAD)
    assert head is not None, "a decision that exists has taken a number, and so made the head"
    content = await tx.value(_CONTENT_OF[kind], id=subject_id)
    position, previous = head["length"] + 1, head["head"] or START
    hash_ = entry_hash(previous, position, kind, subject_id, content)
    await tx.run(_APPEND, position=position, kind=kind, subject_id=subject_id, previous=previous, hash=hash_)
    await tx.run(_ADVANCE, length=position, hash=hash_)


async def hold(tx: Transaction, *, shared: bool = False) -> None:
    """One at a time appends in a workspace and mode; those that read the whole chain share the lock."""
    await tx.value(_LOCK_SHARED if shared else _LOCK, lock=_lock_of(tx))


async def verify(tx: Transaction, *, after: int = 0, most: int = 1_000_000) -> dict[str, Any]:
    """Recompute the chain behind `after`, `most` entries of it, and look for recorded rows that are not in it."""
    await hold(tx, shared=True)
    head = await tx.first(_HEAD)
    length, end = (head["length"], head["head"] or START) if head else (0, START)
    walk = _Walk(after, await tx.value(_HASH_AT, position=after) if after else START)
    while walk.checked < most:
        wanted = min(PAGE, most - walk.checked)
        rows = await tx.all(_ENTRIES, after=walk.position, most=wanted)
        for row in rows:
            walk.step(row)
        if len(rows) < wanted:
            walk.at_end = True
            break
    if walk.at_end or walk.position >= length:
        await _check_ends(tx, walk, head, length, end)
    return {
        "object": "decision_chain",
        "length": length,
        "head": end.hex(),
        "checked_from": after + 1,
        "checked_to": walk.position,
        "intact": not walk.faults,
        "faults": walk.faults[:MOST_FAULTS],
        "next_after": None if walk.at_end or walk.position >= length else walk.position,
    }


def entry_hash(previous: bytes, position: int, kind: str, subject_id: UUID, content: str) -> bytes:
    """SHA-256 over everything that an entry says. No part holds a newline but the last, so that none runs into another.

    >>> entry_hash(START, 1, "decision", UUID(int=1), "{}").hex()[:8]
    '77d83bb9'
    """
    head = "\n".join([previous.hex(), str(position), kind, str(subject_id)])
    return hashlib.sha256(f"{head}\n{content}".encode()).digest()


class _Walk:
    """Along the chain, entry by entry. After a fault it goes on from what the entry says, to name each fault once."""

    def __init__(self, position: int, before: bytes | None) -> None:
        self.position = position
        self.before = before
        self.checked = 0
        self.at_end = False
        self.faults: list[dict[str, Any]] = []

    def step(self, row: Any) -> None:
        position, kind, subject = row["position"], row["kind"], row["subject_id"]
        if position != self.position + 1:
            self.fault(self.position + 1, None, f"positions {self.position + 1} to {position - 1} are missing")
        elif self.before is None or row["previous"] != self.before:
            self.fault(position, named(kind, subject), "does not follow the entry before it")
        if not row["exists"]:
            self.fault(position, named(kind, subject), f"the {kind} is gone")
        elif kind == "decision" and row["status"] != "recorded":
            self.fault(position, named(kind, subject), "the decision is no longer recorded")
        elif entry_hash(row["previous"], position, kind, subject, row["content"]) != row["hash"]:
            self.fault(position, named(kind, subject), f"the {kind} or its entry was changed")
        self.position, self.before = position, row["hash"]
        self.checked += 1

    def fault(self, position: int | None, subject: str | None, problem: str) -> None:
        self.faults.append({"position": position, "subject": subject, "problem": problem})


async def _check_ends(tx: Transaction, walk: _Walk, head: Any, length: int, end: bytes) -> None:
    """The head tells where the chain must end; a row that was recorded past us has no entry."""
    if walk.position != length or (walk.before or START) != end:
        walk.fault(None, None, f"the chain ends at {walk.position}, and its head says {length}")
    for kind, statement in _UNCHAINED.items():
        for row in await tx.all(statement):
            walk.fault(None, named(kind, row["id"]), f"the {kind} is in no entry of the chain")
    most_number = await tx.value(_MOST_NUMBER) or 0
    if most_number > (head["last_number"] if head else 0):
        walk.fault(None, None, f"decision {most_number} has a number that was never given")


def named(kind: str, subject_id: UUID) -> str:
    return wire_id("dec", subject_id) if kind == "decision" else str(subject_id)


def _lock_of(tx: Transaction) -> int:
    assert tx.scope.workspace_id is not None
    return (tx.scope.workspace_id.int ^ (0xDEC << 4 | bool(tx.scope.livemode))) % 2**63
