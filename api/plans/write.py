"""Make and change plans, take in load tests, and tell of it."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
from pydantic import ValidationError
from sqlalchemy import ColumnElement, func, literal_column

from api import json
from api.accounts.tenancy import Resource, one
from api.db import uuid7, wire_id
from api.http.etags import Precondition
from api.http.findings import refused
from api.http.representation import Columns, Representation
from api.plans import events
from api.plans.loadtest import Result, read
from api.plans.models import Plan
from api.plans.schemas import LoadTestImport, PlanCreate, PlanPatch, PlanShown
from api.plans.tell import tell
from api.problems import Conflict, invalid_field
from api.stores import Transaction
from api.webhooks.outbox import deleted, emit

MOST_LOADTESTS = 100
_FACTS = tuple(name for name in PlanCreate.model_fields if name != "title")
_TOLD = ("needed", "stages", "reaches_target", "bottlenecks", "measures", "fix_order", "due", "findings")


def _inside(column: str, name: str) -> Callable[[Columns], ColumnElement[Any]]:
    return lambda columns: func.jsonb_extract_path(columns[column], literal_column(f"'{name}'"))


PLAN = Resource(
    Representation(
        PlanShown,
        Plan.__table__,
        "plan",
        {name: _inside("facts", name) for name in _FACTS} | {name: _inside("told", name) for name in _TOLD},
    )
)
_INSERT = PLAN.insert("id", "title", "facts", "told")
_UPDATE = PLAN.update("title", "facts", "told")
_LOCK = PLAN.lock("title", "facts", "told", "loadtests")
_MEASURE = PLAN.update("loadtests")


class TooManyLoadTests(Conflict):
    """A plan keeps a hundred."""

    code, title = "too_many_loadtests", "The plan has as many load tests as it keeps"


async def create(tx: Transaction, plan: PlanCreate) -> tuple[UUID, asyncpg.Record]:
    """Gives the id and the row. Raises Invalid."""
    plan_id = uuid7()
    row = await one(tx, _INSERT, plan_id, "plan", "plan", **_columns(plan))
    await emit(tx, events.CREATED, row["json"])
    return plan_id, row


async def revise(tx: Transaction, plan_id: UUID, patch: PlanPatch, precondition: Precondition) -> asyncpg.Record:
    """Apply a merge patch, and tell what that made happen: a phase done, a deferral due, a part over its limit."""
    row = await one(tx, _LOCK, plan_id, "plan", "plan")
    precondition.check(row["version"])
    current = {"title": row["title"]} | row["facts"]
    plan = _checked(patch.merged(current))
    values = _columns(plan)
    facts, told = json.load(values["facts"]), json.load(values["told"])
    after = {"title": plan.title} | facts
    changed = sorted(name for name, value in after.items() if value != current.get(name))
    if not changed:
        return await PLAN.read(tx, plan_id)
    revised = await one(tx, _UPDATE, plan_id, "plan", "plan", **values)
    await emit(tx, events.UPDATED, _with(revised["json"], changed=changed))
    done = _keys(facts["phases"], "status", "done") - _keys(row["facts"]["phases"], "status", "done")
    for key in sorted(done):
        await emit(tx, events.PHASE_DONE, _with(revised["json"], key=key))
    for key in sorted(set(told["due"]) - set(row["told"]["due"])):
        await emit(tx, events.DEFERRAL_DUE, _with(revised["json"], key=key))
    for key in sorted(_breached(told) - _breached(row["told"])):
        await emit(tx, events.BREACHED, _with(revised["json"], key=key))
    return revised


async def remove(tx: Transaction, plan_id: UUID, precondition: Precondition) -> None:
    """Raises NotFound, PreconditionFailed."""
    row = await PLAN.remove(tx, plan_id)
    precondition.check(row["version"])
    await emit(tx, events.DELETED, deleted(row["json"]))


async def take_in(tx: Transaction, plan_id: UUID, given: LoadTestImport, precondition: Precondition) -> asyncpg.Record:
    """Keep what a load test measured, held against the target.

    Raises NotFound, PreconditionFailed, TooManyLoadTests, Invalid.
    """
    row = await one(tx, _LOCK, plan_id, "plan", "plan")
    precondition.check(row["version"])
    if len(row["loadtests"]) >= MOST_LOADTESTS:
        raise TooManyLoadTests(f"{wire_id('plan', plan_id)} has {MOST_LOADTESTS}. Make a plan for the next round.")
    result = read(given.content, given.format)
    if not result.requests:
        reason = result.skipped[0] if result.skipped else "it has no requests in it"
        raise invalid_field("/content", f"holds no result: {reason}", "not_understood")
    shown = _shown(result, given, row["told"]["needed"])
    measured = await one(tx, _MEASURE, plan_id, "plan", "plan", loadtests=json.dump([*row["loadtests"], shown]))
    await emit(tx, events.MEASURED, _with(measured["json"], key=shown["id"]))
    return measured


def _shown(result: Result, given: LoadTestImport, needed: Decimal) -> dict[str, Any]:
    return {
        "id": wire_id("load", uuid7()),
        "name": given.name,
        "format": given.format,
        "requests": result.requests,
        "rate": result.rate,
        "p50_ms": result.p50_ms,
        "p95_ms": result.p95_ms,
        "p99_ms": result.p99_ms,
        "error_rate": result.error_rate,
        "headroom": None if result.rate is None else round(result.rate / Decimal(needed) - 1, 4),
        "reaches_target": None if result.rate is None else result.rate >= needed,
        "skipped": result.skipped,
        "imported_at": datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
    }


def _with(shown: str, **more: Any) -> str:
    return f"{shown[:-1]},{json.dump(more)[1:]}"


def _keys(items: list[dict[str, Any]], name: str, value: str) -> set[str]:
    return {item["key"] for item in items if item[name] == value}


def _breached(told: dict[str, Any]) -> set[str]:
    return {part["component"] for part in told["bottlenecks"] if part["breached"]}


def _columns(plan: PlanCreate) -> dict[str, Any]:
    facts = plan.model_dump()
    told = tell(facts)
    return {"title": facts.pop("title"), "facts": json.dump(facts), "told": json.dump(told)}


def _checked(whole: dict[str, Any]) -> PlanCreate:
    """What a merge made, held to the same rules as a new plan. Raises Invalid."""
    try:
        return PlanCreate.model_validate(whole)
    except ValidationError as error:
        raise refused(error) from None
