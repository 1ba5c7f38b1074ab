"""Make and change debts, and tell of it."""

import datetime as dates
from collections.abc import Callable
from typing import Any
from uuid import UUID

import asyncpg
from pydantic import ValidationError
from sqlalchemy import ColumnElement, func, literal_column

from api import json
from api.accounts.tenancy import Resource, one
from api.db import uuid7
from api.debts import events
from api.debts.models import Debt
from api.debts.schemas import DebtCreate, DebtPatch, DebtShown
from api.debts.tell import tell
from api.http.etags import Precondition
from api.http.findings import refused
from api.http.representation import Columns, Representation
from api.stores import Prepared, Transaction
from api.webhooks.outbox import deleted, emit

_COLUMNS = ("title", "status", "verdict", "payback_months")
_FACTS = tuple(name for name in DebtCreate.model_fields if name not in ("title", "status"))
_TOLD = ("reasons", "payback", "symptom_told", "phased_told", "reserved", "ceiling_gain", "velocity_trend", "findings")


def _inside(column: str, name: str) -> Callable[[Columns], ColumnElement[Any]]:
    return lambda columns: func.jsonb_extract_path(columns[column], literal_column(f"'{name}'"))


DEBT = Resource(
    Representation(
        DebtShown,
        Debt.__table__,
        "debt",
        {name: _inside("facts", name) for name in _FACTS} | {name: _inside("told", name) for name in _TOLD},
    )
)
_INSERT = DEBT.insert("id", *_COLUMNS, "facts", "told")
_UPDATE = DEBT.update(*_COLUMNS, "facts", "told")
_LOCK = DEBT.lock("title", "status", "facts", "verdict")


async def create(tx: Transaction, debt: DebtCreate) -> tuple[UUID, asyncpg.Record]:
    """Gives the id and the row. Raises Invalid."""
    debt_id = uuid7()
    row = await one(tx, _INSERT, debt_id, "debt", "debt", **_columns(debt))
    await emit(tx, events.CREATED, row["json"])
    if debt.reservations:
        await emit(tx, events.RESERVED, row["json"])
    return debt_id, row


async def revise(tx: Transaction, debt_id: UUID, patch: DebtPatch, precondition: Precondition) -> asyncpg.Record:
    """Apply a merge patch; one that changes nothing tells nobody. Raises NotFound, PreconditionFailed, Invalid."""
    row = await one(tx, _LOCK, debt_id, "debt", "debt")
    precondition.check(row["version"])
    current = {"title": row["title"], "status": row["status"]} | row["facts"]
    debt = _checked(patch.merged(current))
    values = _columns(debt)
    after = {"title": debt.title, "status": debt.status} | json.load(values["facts"])
    changed = sorted(name for name, value in after.items() if value != current.get(name))
    if not changed:
        return await DEBT.read(tx, debt_id)
    revised = await one(tx, _UPDATE, debt_id, "debt", "debt", **values)
    await emit(tx, events.UPDATED, f'{revised["json"][:-1]},"changed":{json.dump(changed)}}}')
    if values["verdict"] != row["verdict"]:
        await emit(tx, events.VERDICT_CHANGED, f'{revised["json"][:-1]},"verdict_before":{json.dump(row["verdict"])}}}')
    if "reservations" in changed and debt.reservations:
        await emit(tx, events.RESERVED, revised["json"])
    return revised


async def remove(tx: Transaction, debt_id: UUID, precondition: Precondition) -> None:
    """Raises NotFound, PreconditionFailed."""
    row = await DEBT.remove(tx, debt_id)
    precondition.check(row["version"])
    await emit(tx, events.DELETED, deleted(row["json"]))


def _columns(debt: DebtCreate) -> dict[str, Any]:
    facts = debt.model_dump(by_alias=True)
    told = tell(facts)
    return {
        "title": facts.pop("title"),
        "status": facts.pop("status"),
        "verdict": told["verdict"],
        "payback_months": told["payback_months"],
        "facts": json.dump(_plain(facts)),
        "told": json.dump({name: told[name] for name in _TOLD}),
    }


def _plain(value: Any) -> Any:
    """Dates as JSON has them."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, dates.date) else value


def _checked(whole: dict[str, Any]) -> DebtCreate:
    """What a merge made, held to the same rules as a new debt. Raises Invalid."""
    try:
        return DebtCreate.model_validate(_plain(whole))
    except ValidationError as error:
        raise refused(error) from None


FACTS = Prepared(DEBT.select(DEBT.table.c.title, DEBT.table.c.facts, DEBT.table.c.told))
