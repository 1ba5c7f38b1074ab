"""What the options of a decision cost over time: the arithmetic is `formulas/tco`."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select

from api.accounts.tenancy import one, owned
from api.db import wire_id
from api.decisions.models import Decision
from api.decisions.schemas import TcoQuestion
from api.formulas import tco
from api.formulas.exact import FormulaError
from api.problems import invalid_field
from api.stores import Prepared, Transaction

Values = Mapping[str, Any]
MOST_PAIRS = 100
_OPTIONS = Prepared(select(Decision.options).where(owned(Decision), Decision.id == bindparam("id")))


async def total_cost(tx: Transaction, decision_id: UUID, question: TcoQuestion) -> dict[str, Any]:
    """Total cost, present value, break-even and crossover of the options with a cost model. Raises NotFound, Invalid.

    A monthly cost that nobody has put a number to counts as nothing, and a finding says so with the threshold.
    """
    row = await one(tx, _OPTIONS, decision_id, "decision", "dec")
    options = [option for option in row["options"] if option.get("cost")]
    try:
        told = _told(options, question) if options else _nothing()
    except FormulaError as error:
        raise invalid_field("/annual_discount", error.message) from None
    return {
        "object": "tco",
        "decision_id": wire_id("dec", decision_id),
        "horizon_months": question.horizon_months,
        "annual_discount": question.annual_discount,
        **told,
        "without_cost": [option["key"] for option in row["options"] if not option.get("cost")],
    }


def model_of(option: Values) -> tco.Option:
    """The option as the formula takes it."""
    cost = option["cost"]
    return tco.Option(
        id=option["key"],
        one_off=cost["one_off"],
        monthly=cost["monthly"] or 0,
        unit_price=cost["unit_price"],
        units_per_month=cost["units_per_month"],
        monthly_growth=cost["monthly_growth"],
    )


def yearly(cost: Values) -> Decimal:
    """The running cost of the first twelve months at the first month's volume."""
    return 12 * (Decimal(cost["monthly"] or 0) + Decimal(cost["unit_price"]) * Decimal(cost["units_per_month"]))


def _nothing() -> dict[str, Any]:
    return {"costs": [], "cheapest": None, "break_even": [], "cheapest_over_time": [], "findings": []}


def _told(options: Sequence[Values], question: TcoQuestion) -> dict[str, Any]:
    models = {option["key"]: model_of(option) for option in options}
    costs = tco.compare(list(models.values()), question.horizon_months, question.annual_discount)
    tied = len(costs) > 1 and costs[0].present_value == costs[1].present_value
    return {
        "costs": [_cost(cost, models[cost.id], question.horizon_months) for cost in costs],
        "cheapest": None if tied else costs[0].id,
        "break_even": _break_even(options, models, question.horizon_months),
        "cheapest_over_time": _over_time(models, question.horizon_months),
        "findings": _findings(options),
    }


def _cost(cost: tco.Cost, model: tco.Option, horizon: int) -> dict[str, Any]:
    def spent(months: int) -> Decimal:
        return tco.compare([model], months)[0].total if months else Decimal(str(model.one_off))

    return {
        "option": cost.id,
        "total": cost.total,
        "present_value": cost.present_value,
        "first_year": spent(12) - Decimal(str(model.one_off)),
        "last_month": spent(horizon) - spent(horizon - 1),
    }


def _break_even(options: Sequence[Values], models: Mapping[str, tco.Option], horizon: int) -> list[dict[str, Any]]:
    """Each pair, the one that costs more to start with first; the first hundred."""
    pairs = [
        (dear, cheap) for dear in options for cheap in options if dear["cost"]["one_off"] > cheap["cost"]["one_off"]
    ]
    return [_pair(dear, cheap, models, horizon) for dear, cheap in pairs[:MOST_PAIRS]]


def _pair(dear: Values, cheap: Values, models: Mapping[str, tco.Option], horizon: int) -> dict[str, Any]:
    first, second = models[dear["key"]], models[cheap["key"]]
    by_volume = first.monthly_growth == second.monthly_growth and first.unit_price != second.unit_price
    unknown = dear["cost"]["monthly"] is None
    return {
        "dear": dear["key"],
        "cheap": cheap["key"],
        "month": tco.break_even_month(first, second),
        "crossover_units_per_month": tco.crossover_volume(first, second, horizon) if by_volume else None,
        "never_above_monthly": yearly(cheap["cost"]) / 12 if unknown else None,
    }


def _over_time(models: Mapping[str, tco.Option], horizon: int) -> list[dict[str, Any]]:
    """Which option has cost least by each month, where that changes: looked at for five years or the horizon."""
    told: list[dict[str, Any]] = []
    cheapest: str | None = None
    for month in _months(horizon, len(models)):
        costs = tco.compare(list(models.values()), month)
        best = min(costs, key=lambda cost: (cost.total, cost.id != cheapest))
        if best.id != cheapest:
            cheapest = best.id
            told.append({"from_month": month, "option": best.id})
    return told


def _months(horizon: int, options: int) -> range:
    """At most 600 sums of all options, so that fifty options over fifty years are looked at in longer steps."""
    last = max(horizon, 60)
    return range(1, last + 1, -(-last * options // 600))


def _findings(options: Sequence[Values]) -> list[dict[str, Any]]:
    return [
        {
            "code": "no_running_cost",
            "pointer": f"/options/{index}/cost/monthly",
            "message": f"{option['key']} has a one-off cost and no number for what it costs to run. "
            "It counts as 0 here; break_even says above which monthly cost it never pays back.",
        }
        for index, option in enumerate(options)
        if option["cost"]["monthly"] is None and option["cost"]["one_off"] and not option["cost"]["unit_price"]
    ]
