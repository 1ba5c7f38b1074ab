"""What follows from a draft beyond its matrix: the checklist, the estimate, the price of work, and what cannot be."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from api.decisions.cost import model_of, yearly
from api.formulas import tco, tradeoff
from api.formulas.exact import FormulaError
from api.problems import invalid_field

Values = Mapping[str, Any]
SIDES = ("scope", "time", "quality")
HORIZON_MONTHS = 24
_METRICS = {"yearly_cost": 12, "monthly_cost": 1}


def assess(values: Values, analysis: Values | None) -> dict[str, Any]:
    """Everything that follows, with findings that point at what does not add up. Raises Invalid.

    Of scope, time and quality at most two can be fixed: with all three fixed there is nothing left to decide.
    """
    if len(values["fixed"]) == len(SIDES):
        raise invalid_field("/fixed", "scope, time and quality: pick two, the third has to give", "pick_two")
    findings: list[dict[str, Any]] = []
    rates = _rates(values["options"])
    _check_rates(values["options"], rates, findings)
    _check_stated_totals(values["options"], analysis, findings)
    _check_stated_costs(values["options"], findings)
    _check_triggers(values, findings)
    return {
        "findings": findings,
        "checklist": _checklist(values, analysis, findings),
        "estimate": _estimate(values["estimate"], findings),
        "monthly_rates": rates,
        "beaten": _beaten(values["options"]),
        "flexible": [side for side in SIDES if side not in values["fixed"]] if values["fixed"] else [],
    }


def finding(code: str, pointer: str, message: str) -> dict[str, Any]:
    return {"code": code, "pointer": pointer, "message": message}


def _rates(options: Sequence[Values]) -> dict[str, Decimal]:
    """What a person-month costs in each option that has both a one-off cost and an effort."""
    return {
        option["key"]: tradeoff.monthly_rate(
            option["cost"]["one_off"], effort["people"], effort["duration"], effort["unit"]
        )
        for option in options
        if (effort := option["effort"]) and option["cost"] and option["cost"]["one_off"]
    }


def _check_rates(options: Sequence[Values], rates: Mapping[str, Decimal], findings: list[dict[str, Any]]) -> None:
    odd = tradeoff.odd_rates(rates)
    for index, option in enumerate(options):
        if option["key"] in odd:
            rate, usual = round(rates[option["key"]]), round(odd[option["key"]])
            message = f"{option['key']} costs {rate:,} for each person-month, the others {usual:,}."
            findings.append(finding("rates_differ", f"/options/{index}/cost/one_off", message))


def _check_stated_totals(options: Sequence[Values], analysis: Values | None, findings: list[dict[str, Any]]) -> None:
    for index, option in enumerate(options):
        if analysis is None or option["stated_total"] is None:
            continue
        total = analysis["totals"][option["key"]]
        if Decimal(option["stated_total"]) != Decimal(total):
            message = f"{option['key']} totals {total}, and {option['stated_total']} was printed."
            findings.append(finding("stated_total_differs", f"/options/{index}/stated_total", message))


def _check_stated_costs(options: Sequence[Values], findings: list[dict[str, Any]]) -> None:
    for index, option in enumerate(options):
        stated = option["cost"] and option["cost"]["stated_yearly"]
        if stated is None:
            continue
        computed = yearly(option["cost"])
        if abs(stated - computed) > computed / 20:
            times = f", {round(stated / computed, 1)} times as much" if computed else ""
            prices = f"{option['key']} runs at {computed.normalize():f} a year by its own prices"
            message = f"{prices}, and {stated} was printed{times}."
            findings.append(finding("stated_cost_differs", f"/options/{index}/cost/stated_yearly", message))


def _check_triggers(values: Values, findings: list[dict[str, Any]]) -> None:
    """A trigger on an option's cost that its own model reaches would fire on the first day."""
    options = {option["key"]: option for option in values["options"]}
    for index, trigger in enumerate(values["triggers"]):
        key, months = trigger["option"], _METRICS.get(trigger["metric"])
        if key is None:
            continue
        if key not in options:
            raise invalid_field(f"/triggers/{index}/option", "is not the key of an option", "unknown_option")
        if months is None or not options[key]["cost"]:
            continue
        expected = yearly(options[key]["cost"]) * months / 12
        if expected == trigger["value"] or crossed(trigger["op"], expected, trigger["value"]):
            cost = f"{key} is expected to cost {expected.normalize():f}"
            message = f"{cost}: the trigger at {trigger['value']} fires at the expected scale."
            findings.append(finding("trigger_at_expected_scale", f"/triggers/{index}/value", message))


def crossed(op: str, value: Decimal, line: Decimal) -> bool:
    """
    >>> crossed("gt", Decimal(120), Decimal(120)), crossed("gte", Decimal(120), Decimal(120))
    (False, True)
    """
    return {"gt": value > line, "gte": value >= line, "lt": value < line, "lte": value <= line}[op]


def _checklist(values: Values, analysis: Values | None, findings: list[dict[str, Any]]) -> dict[str, Any] | None:
    answers = values["checklist"]
    if answers is None:
        return None
    build, buy = list(answers["build"].values()), list(answers["buy"].values())
    leans = (
        "even" if build.count(True) == buy.count(True) else "build" if build.count(True) > buy.count(True) else "buy"
    )
    option = None if leans == "even" else answers[f"{leans}_option"]
    leader = analysis["leader"] if analysis else None
    conflict = None if option is None or leader is None else option != leader
    if conflict:
        message = f"The checklist leans to {option}, and the matrix to {leader}."
        findings.append(finding("checklist_against_matrix", "/checklist", message))
    return {
        "build": build.count(True),
        "buy": buy.count(True),
        "answered": sum(answer is not None for answer in build + buy),
        "leans": leans,
        "conflict": conflict,
    }


def _estimate(estimate: Values | None, findings: list[dict[str, Any]]) -> dict[str, Any] | None:
    if estimate is None:
        return None
    parts = [(phase["amount"], phase["unit"]) for phase in estimate["breakdown"]]
    total = estimate["total"]
    told = tradeoff.breakdown(parts, (total["amount"], total["unit"]) if total else None)
    if told.agrees is False:
        message = f"The phases sum to {told.months} months, and {told.stated_months} were said."
        findings.append(finding("estimate_sum_differs", "/estimate/total", message))
    return {"months": told.months, "stated_months": told.stated_months, "agrees": told.agrees}


def _beaten(options: Sequence[Values]) -> list[dict[str, Any]]:
    """Options that have both a cost and a duration, compared on cost over two years and on time."""
    measures: dict[str, dict[str, Decimal]] = {}
    for option in options:
        if option["cost"] and option["effort"]:
            effort = option["effort"]
            try:
                [cost] = tco.compare([model_of(option)], HORIZON_MONTHS)
                months = tradeoff.breakdown([(effort["duration"], effort["unit"])]).months
            except FormulaError as error:
                raise invalid_field("/options", error.message) from None
            lost = Decimal(len(option["scope_lost"]))
            measures[option["key"]] = {"cost": cost.total, "months": months, "scope_lost": lost}
    return [{"option": option, "by": by} for option, by in tradeoff.beaten(measures).items()]
