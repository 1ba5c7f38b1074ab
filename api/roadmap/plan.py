"""Plan: what fits into a capacity, by rank and at best."""

import asyncio
from fractions import Fraction
from typing import Any
from uuid import UUID

from sqlalchemy import Uuid, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from api.accounts.tenancy import owned
from api.db import wire_id
from api.features.models import Feature
from api.formulas.exact import FormulaError, rounded
from api.formulas.planning import MAX_ITEMS, Chosen, Item, Plan, Rules, plan
from api.problems import Invalid, Pointer, Problem, invalid_field
from api.roadmap.candidates import candidates
from api.roadmap.policy import policy
from api.roadmap.schemas import PlanRequest
from api.scores.frameworks import method
from api.stores import Prepared, Transaction

_WHOLE = "all"
_SHIPPED = Prepared(
    select(Feature.id).where(
        owned(Feature), Feature.id == func.any(bindparam("ids", type_=ARRAY(Uuid))), Feature.status == "shipped"
    )
)
# One solver at a time in a process: the others are told to come back, rather than wait with a connection in hand.
_busy = asyncio.Semaphore(1)


class PlanTooLarge(Invalid):
    """More features than a plan can take."""

    code, title = "plan_too_large", "The plan is too large"


class PlannerBusy(Problem):
    """Another plan is being solved in this process."""

    status, code, title = 503, "planner_busy", "The planner is busy"

    def __init__(self) -> None:
        super().__init__("Another plan is being solved. Send the request again.", headers={"Retry-After": "2"})


async def planned(tx: Transaction, wanted: PlanRequest) -> dict[str, Any]:
    """The greedy plan, the exact one, and the gap. Raises Invalid, NothingScored, PlanTooLarge, PlannerBusy."""
    way = await method(tx, wanted.framework, wanted.variant, wanted.model_version)
    rules = await _rules(tx, wanted)
    rows = await candidates(tx, way, MAX_ITEMS)
    if len(rows) > MAX_ITEMS:
        message = f"A plan takes {MAX_ITEMS} features, and more are open and scored. Drop or ship some first."
        raise PlanTooLarge(message, errors=(Pointer("too_large", message, "field", "/framework"),))
    items, left_out = await _items(tx, wanted, rows, rules)
    if _busy.locked():
        raise PlannerBusy
    async with _busy:
        try:
            told = await asyncio.to_thread(plan, items, rules)
        except FormulaError as error:
            place = "/periods" if error.field in ("items", "teams") else f"/{error.field}"
            raise invalid_field(place, error.message) from None
    return {
        "object": "roadmap_plan",
        "livemode": tx.scope.livemode,
        "framework": way.framework,
        "series": way.series,
        **_shown(told, rules),
        "items": _shown_items(told, items, rows),
        "left_out": left_out,
    }


async def _rules(tx: Transaction, wanted: PlanRequest) -> Rules:
    if wanted.capacity is not None and wanted.periods is not None:
        raise invalid_field("/capacity", "give capacity or periods, not both", "extra_forbidden")
    capacity: dict[str, dict[str, Fraction]] = {}
    if wanted.periods is None:
        months = wanted.capacity if wanted.capacity is not None else (await policy(tx)).capacity_months
        if months is None:
            raise invalid_field("/capacity", "say how many person-months there are, here or in the policy", "missing")
        capacity[_WHOLE] = {_WHOLE: Fraction(months)}
    for number, period in enumerate(wanted.periods or ()):
        if period.key in capacity:
            raise invalid_field(f"/periods/{number}/key", "stands twice", "duplicate")
        teams = {team.team: Fraction(team.capacity_months) for team in period.teams or ()}
        capacity[period.key] = teams or {_WHOLE: Fraction(period.capacity_months or 0)}
    shares: dict[str, tuple[Fraction, Fraction]] = {}
    for number, share in enumerate(wanted.shares):
        if share.bucket in shares:
            raise invalid_field(f"/shares/{number}/bucket", "stands twice", "duplicate")
        if share.minimum > share.maximum:
            raise invalid_field(f"/shares/{number}/maximum", "must be at least the minimum")
        shares[share.bucket] = (Fraction(share.minimum), Fraction(share.maximum))
    return Rules(capacity, shares)


async def _items(
    tx: Transaction, wanted: PlanRequest, rows: list[Any], rules: Rules
) -> tuple[list[Item], list[dict[str, str]]]:
    """The features as items of a plan, and those that cannot be planned with the reason."""
    ids = {row["id"] for row in rows}
    for name in ("fixed_in", "fixed_out"):
        for number, id in enumerate(getattr(wanted, name)):
            if id not in ids:
                message = "is not an open feature with a score of the framework"
                raise invalid_field(f"/{name}/{number}", message, "unknown_feature")
    both = set(wanted.fixed_in) & set(wanted.fixed_out)
    if both:
        raise invalid_field("/fixed_out", f"{wire_id('feat', both.pop())} is fixed in as well", "duplicate")
    known = {row["id"] for row in rows if row["effort_months"]}
    needed = {id for row in rows for id in row["depends_on"]} - known
    shipped = {row["id"] for row in await tx.all(_SHIPPED, ids=list(needed))} if needed else set()
    by_team = any(set(teams) != {_WHOLE} for teams in rules.capacity.values())
    left_out = [_left(row["id"], "effort_unknown") for row in rows if row["id"] not in known]
    blocked = _blocked(rows, known, shipped)
    left_out += [_left(row["id"], "needs_what_is_not_planned") for row in rows if row["id"] in blocked]
    for number, id in enumerate(wanted.fixed_in):
        if id not in known or id in blocked:
            raise invalid_field(f"/fixed_in/{number}", "cannot be planned: see left_out without it", "not_plannable")
    items = [
        Item(
            wire_id("feat", row["id"]),
            max(Fraction(row["worth"]), Fraction(0)),
            Fraction(row["effort_months"]),
            row["bucket"],
            (row["team"] or wanted.default_team) if by_team else _WHOLE,
            tuple(wire_id("feat", id) for id in row["depends_on"] if id not in shipped),
            "in" if row["id"] in wanted.fixed_in else "out" if row["id"] in wanted.fixed_out else None,
        )
        for row in rows
        if row["id"] in known and row["id"] not in blocked
    ]
    return items, left_out


def _blocked(rows: list[Any], known: set[UUID], shipped: set[UUID]) -> set[UUID]:
    """Features that need, directly or not, one that is neither shipped nor in the plan."""
    blocked: set[UUID] = set()
    while True:
        more = {
            row["id"]
            for row in rows
            if row["id"] in known - blocked and any(id not in shipped | known - blocked for id in row["depends_on"])
        }
        if not more:
            return blocked
        blocked |= more


def _left(id: UUID, reason: str) -> dict[str, str]:
    return {"feature_id": wire_id("feat", id), "reason": reason}


def _shown(told: Plan, rules: Rules) -> dict[str, Any]:
    total = sum((amount for teams in rules.capacity.values() for amount in teams.values()), Fraction(0))
    status = "optimal" if told.proven else "feasible"
    if told.optimum is None:
        status = "infeasible" if told.proven else "unknown"
    share = None
    if told.gap is not None and told.optimum is not None and told.optimum.worth:
        share = rounded(Fraction(told.gap) / Fraction(told.optimum.worth))
    return {
        "status": status,
        "capacity_months": rounded(total),
        "cut_line": told.line_rank,
        "greedy": _shown_chosen(told.greedy),
        "optimum": told.optimum and _shown_chosen(told.optimum),
        "gap": told.gap,
        "gap_share": share,
        "relax": [{"constraint": one.constraint, "message": one.message} for one in told.relax],
    }


def _shown_chosen(chosen: Chosen) -> dict[str, Any]:
    return {
        "features": len(chosen.periods),
        "worth": chosen.worth,
        "effort_months": chosen.effort_months,
        "shares_met": chosen.shares_met,
    }


def _shown_items(told: Plan, items: list[Item], rows: list[Any]) -> list[dict[str, Any]]:
    places = {wire_id("feat", row["id"]): (rank, row) for rank, row in enumerate(rows, 1)}
    return [
        {
            "feature_id": item.id,
            "title": places[item.id][1]["title"],
            "rank": places[item.id][0],
            "bucket": item.bucket,
            "team": item.team,
            "value": places[item.id][1]["value"],
            "worth": rounded(item.worth),
            "effort_months": rounded(item.effort_months),
            "greedy": told.verdicts[item.id],
            "greedy_period": told.greedy.periods.get(item.id),
            "optimum_period": told.optimum.periods.get(item.id) if told.optimum else None,
        }
        for item in items
    ]
