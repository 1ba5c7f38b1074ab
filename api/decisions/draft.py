"""Make and change drafts; each is analysed as it is written."""

from typing import Any
from uuid import UUID

import asyncpg
from pydantic import ValidationError
from sqlalchemy import ColumnElement, and_, case, func, literal_column, or_, select, type_coerce
from sqlalchemy.dialects.postgresql import JSON, aggregate_order_by
from sqlalchemy.dialects.postgresql import insert as postgres_insert

from api import json
from api.accounts.tenancy import Resource, one
from api.db import uuid7, wire_id
from api.decisions.analyse import analyse, check_ratings, missing_ratings
from api.decisions.assess import assess
from api.decisions.models import Decision, DecisionChained, DecisionHead, DecisionLink, DecisionReview
from api.decisions.schemas import DecisionCreate, DecisionPatch, DecisionShown
from api.http.etags import Precondition
from api.http.findings import refused
from api.http.representation import Columns, Representation
from api.problems import Conflict
from api.stores import Prepared, Transaction, binds


def _same_tenant(table: Any, columns: Columns) -> ColumnElement[bool]:
    return and_(table.workspace_id == columns.workspace_id, table.livemode == columns.livemode)


def _list(*pairs: Any, order: Any, where: Any) -> ColumnElement[Any]:
    item = func.json_build_object(*pairs, type_=JSON)
    shown = select(func.json_agg(aggregate_order_by(item, order))).where(where).scalar_subquery()
    return func.coalesce(shown, literal_column("'[]'::json"))


def _links(columns: Columns) -> ColumnElement[Any]:
    """Both directions, each from the point of view of this decision."""
    ours = DecisionLink.from_id == columns.id
    passive = case((DecisionLink.kind == "supersedes", "superseded_by"), else_="amended_by")
    return _list(
        literal_column("'kind'"),
        case((ours, DecisionLink.kind), else_=passive),
        literal_column("'decision_id'"),
        func.roadbed_id(literal_column("'dec'"), case((ours, DecisionLink.to_id), else_=DecisionLink.from_id)),
        literal_column("'created_at'"),
        func.roadbed_time(DecisionLink.created_at),
        order=DecisionLink.id,
        where=_same_tenant(DecisionLink, columns) & or_(ours, DecisionLink.to_id == columns.id),
    )


def _reviews(columns: Columns) -> ColumnElement[Any]:
    names = ("cause", "key", "reason")
    pairs: list[Any] = []
    for name in names:
        pairs += [literal_column(f"'{name}'"), getattr(DecisionReview, name)]
    return _list(
        *pairs,
        literal_column("'raised_at'"),
        func.roadbed_time(DecisionReview.raised_at),
        order=DecisionReview.raised_at,
        where=_same_tenant(DecisionReview, columns) & (DecisionReview.decision_id == columns.id),
    )


def _chained(columns: Columns) -> ColumnElement[Any]:
    shown = func.json_build_object(
        literal_column("'position'"),
        DecisionChained.position,
        literal_column("'hash'"),
        func.encode(DecisionChained.hash, literal_column("'hex'")),
        type_=JSON,
    )
    # Limited, since somebody who got past us may have put in a second entry: then `verify` tells, and reading works.
    found = select(shown).where(
        _same_tenant(DecisionChained, columns),
        DecisionChained.subject_id == columns.id,
        DecisionChained.kind == "decision",
    )
    return type_coerce(found.order_by(DecisionChained.position).limit(1).scalar_subquery(), JSON)


DECISION = Resource(
    Representation(
        DecisionShown,
        Decision.__table__,
        "decision",
        {"links": _links, "reviews": _reviews, "chained": _chained},
    )
)
_JSON = ("options", "criteria", "ratings", "assumptions", "triggers", "checklist", "estimate")
WRITABLE = ("title", "kind", "context", "fixed", "aliases", *_JSON)
_DERIVED = ("missing_ratings", "analysis", "assessment")
_INSERT = DECISION.insert("id", "number", "status", "source_format", "source_text", *WRITABLE, *_DERIVED)
_LOCK = DECISION.lock("status", *WRITABLE)
_UPDATE = DECISION.update(*WRITABLE, *_DERIVED)
_NEXT_NUMBER = Prepared(
    postgres_insert(DecisionHead)
    .values({**binds("workspace_id", "livemode"), "last_number": literal_column("1")})
    .on_conflict_do_update(
        index_elements=["workspace_id", "livemode"], set_={"last_number": DecisionHead.last_number + 1}
    )
    .returning(DecisionHead.last_number)
)


class DecisionFrozen(Conflict):
    """A recorded decision is never edited."""

    code, title = "decision_frozen", "The decision is recorded and cannot change"


async def draft(
    tx: Transaction, decision: DecisionCreate, *, source: tuple[str, str] | None = None
) -> tuple[UUID, asyncpg.Record]:
    """Gives the id and the row. `source` is the format and the text of an imported file. Raises Invalid."""
    decision_id = uuid7()
    values = _columns(decision.model_dump())
    source_format, source_text = source or (None, None)
    row = await one(
        tx,
        _INSERT,
        decision_id,
        "decision",
        "dec",
        number=await tx.value(_NEXT_NUMBER),
        status="draft",
        source_format=source_format,
        source_text=source_text,
        **values,
    )
    return decision_id, row


async def revise(
    tx: Transaction, decision_id: UUID, patch: DecisionPatch, precondition: Precondition
) -> asyncpg.Record:
    """Apply a merge patch to a draft. Raises NotFound, DecisionFrozen, PreconditionFailed, Invalid."""
    row = await lock_draft(tx, decision_id, _LOCK)
    if row is None:
        name = wire_id("dec", decision_id)
        raise DecisionFrozen(f"{name} is recorded: it stays as it was decided. Draft a new decision to replace it.")
    precondition.check(row["version"])
    current = {name: row[name] for name in WRITABLE}
    changes = patch.changes(current)
    if not changes:
        return await DECISION.read(tx, decision_id)
    whole = {name: value for name, value in (current | changes).items() if value is not None}
    return await one(tx, _UPDATE, decision_id, "decision", "dec", **_columns(_checked(whole)))


async def lock_draft(tx: Transaction, decision_id: UUID, lock: Prepared) -> asyncpg.Record | None:
    """The locked row, or None when the decision is recorded. Raises NotFound.

    Postgres lets the application's role lock only what it may change, and a recorded row it may not.
    """
    row = await tx.first(lock, id=decision_id)
    if row is None:
        await DECISION.read(tx, decision_id)
        return None
    return None if row["status"] == "recorded" else row


def _checked(whole: dict[str, Any]) -> dict[str, Any]:
    """What a merge made, held to the same rules as a new draft. Raises Invalid."""
    try:
        return DecisionCreate.model_validate(whole).model_dump()
    except ValidationError as error:
        raise refused(error) from None


def _columns(values: dict[str, Any]) -> dict[str, Any]:
    """The columns of these values, with what follows from them."""
    matrix = values["options"], values["criteria"], values["ratings"]
    missing = missing_ratings(*matrix)
    check_ratings(values["ratings"])
    analysis = analyse(*matrix) if values["criteria"] and not missing else None
    shown = {name: None if values[name] is None else json.dump(values[name]) for name in _JSON}
    derived = {
        "missing_ratings": json.dump(missing),
        "analysis": analysis and json.dump(analysis),
        "assessment": json.dump(assess(values, analysis)),
    }
    return values | shown | derived
