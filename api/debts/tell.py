"""What follows from a debt's facts: payback by both clocks, the verdict with its reasons, and what does not add up."""

from collections.abc import Mapping
from dataclasses import asdict
from decimal import Decimal
from fractions import Fraction
from typing import Any

from api.formulas import debt, payback
from api.formulas.exact import FormulaError, exact, rounded
from api.formulas.tradeoff import RATE_TOLERANCE
from api.problems import invalid_field

Facts = Mapping[str, Any]
DAYS_PER_MONTH = Fraction(365, 12)


def tell(facts: Facts) -> dict[str, Any]:
    """Everything that follows. Raises Invalid that points at a fact that cannot be used."""
    try:
        return _told(facts)
    except FormulaError as error:
        raise invalid_field("/" + error.field.replace(".", "/"), error.message) from None


def _told(facts: Facts) -> dict[str, Any]:
    findings: list[dict[str, Any]] = []
    paid = _payback(facts, findings)
    symptom = _symptom(facts["symptom"], findings)
    impact = facts["velocity_impact"]
    if impact is None and symptom is not None and symptom["drop"] is not None:
        impact = max(Decimal(0), symptom["drop"])
    verdict = debt.verdict(
        impact,
        facts["risks"],
        paid["months_from_completion"],
        paid["months_from_start"],
        quantified=facts["monthly_benefit"] is not None,
        higher_priorities=facts["higher_priorities"],
    )
    return {
        "payback_months": paid["months_from_completion"],
        "verdict": verdict.verdict,
        "reasons": [asdict(reason) for reason in verdict.reasons],
        "payback": paid,
        "symptom_told": symptom,
        "phased_told": _phased(facts["phased"], facts["wasted_share"], findings),
        "reserved": _reserved(facts, findings),
        "ceiling_gain": None if facts["wasted_share"] is None else payback.ceiling_gain(facts["wasted_share"]),
        "velocity_trend": debt.trend([point["value"] for point in facts["velocity"]]),
        "findings": findings,
    }


def _payback(facts: Facts, findings: list[dict[str, Any]]) -> dict[str, Any]:
    investment = exact(facts["effort_months"], "effort_months") * exact(facts["cost_per_month"], "cost_per_month")
    build = exact(facts["effort_months"], "effort_months") / exact(facts["people"] or 1, "people")
    benefit, claimed = facts["monthly_benefit"], facts["claimed_payback_months"]
    implied = None if claimed is None else payback.implied_benefit(investment, claimed)
    told = {
        "investment": rounded(investment),
        "build_months": rounded(build),
        "net_monthly_benefit": None,
        "months_from_completion": None,
        "months_from_start": None,
        "roi": None,
        "within_rule": False,
        "implied_monthly_benefit": implied,
    }
    if benefit is None:
        message = "Nobody has put a number to the benefit, so there is no payback."
        if implied is not None:
            message += f" The claimed {claimed} months assert {implied:,} a month."
        findings.append(_finding("benefit_missing", "/monthly_benefit", message))
        return told
    computed = payback.payback(
        investment,
        benefit,
        build,
        monthly_cost=facts["monthly_running_cost"],
        horizon_months=facts["horizon_months"],
    )
    months = computed.months_from_completion
    if claimed is not None and (months is None or abs(months - claimed) > claimed / 20):
        message = f"It pays back in {'never' if months is None else months} months, and {claimed} were claimed."
        findings.append(_finding("claimed_payback_differs", "/claimed_payback_months", message))
    return told | {
        "net_monthly_benefit": computed.net_monthly_benefit,
        "months_from_completion": months,
        "months_from_start": computed.months_from_start,
        "roi": computed.roi,
        "within_rule": computed.within_rule_from_start,
    }


def _symptom(symptom: Facts | None, findings: list[dict[str, Any]]) -> dict[str, Any] | None:
    if symptom is None:
        return None
    baseline = symptom["baseline"] or symptom["before"]
    told = debt.drop(baseline, symptom["before"], symptom["target"], lower_is_better=symptom["lower_is_better"])
    if symptom["baseline"] is None:
        return {"drop": None, "improvement": told.improvement, "reaches_baseline": None}
    if told.reaches_baseline is False:
        message = f"The target of {symptom['target']} does not reach the {symptom['baseline']} that there once were."
        findings.append(_finding("target_below_baseline", "/symptom/target", message))
    return asdict(told)


def _phased(plan: Facts | None, wasted: Decimal | None, findings: list[dict[str, Any]]) -> dict[str, Any] | None:
    if plan is None:
        return None
    told = payback.phased(plan["share"], plan["sprints"], plan["sprint_weeks"], plan["big_bang_months"])
    if not told.equal:
        message = (
            f"{plan['sprints']} sprints at {plan['share']} are {round(told.team_months, 2)} team-months, not "
            f"{told.big_bang_months}: the same work takes {round(told.equal_sprints, 1)} sprints."
        )
        findings.append(_finding("phased_work_differs", "/phased/sprints", message))
    if plan["gain"] is not None and wasted is not None and plan["gain"] > (ceiling := payback.ceiling_gain(wasted)):
        message = f"A gain of {plan['gain']} is beyond the {round(ceiling, 3)} that wasting nothing would bring."
        findings.append(_finding("gain_above_ceiling", "/phased/gain", message))
    even = None
    if plan["gain"] is not None:
        even = payback.sprints_to_break_even(plan["share"], plan["sprints"], plan["gain"])
    return asdict(told) | {"sprints_to_break_even": even}


def _reserved(facts: Facts, findings: list[dict[str, Any]]) -> dict[str, Any] | None:
    """What is set aside against what is needed; a month is a twelfth of 365 days, and both ends count."""
    if not facts["reservations"]:
        return None
    reserved, first = Decimal(0), facts["reservations"][0]
    for reservation in facts["reservations"]:
        reserved += debt.delivered(reservation["people"], reservation["share"], _months(reservation))
    needed = Decimal(facts["effort_months"])
    # Calendar months differ by a few percent: two of them are never exactly a sixth of a year.
    enough = reserved >= needed * (1 - Decimal(RATE_TOLERANCE.numerator) / RATE_TOLERANCE.denominator / 5)
    team = payback.implied_team(needed, first["share"], _months(first))
    if not enough:
        message = f"What is reserved makes {round(reserved, 2)} person-months, and {needed} are needed."
        findings.append(_finding("capacity_too_small", "/reservations", message))
    return {"needed_months": needed, "reserved_months": reserved, "enough": enough, "implied_team": round(team, 2)}


def _months(reservation: Facts) -> Fraction:
    return Fraction((reservation["to"] - reservation["from"]).days + 1) / DAYS_PER_MONTH


def _finding(code: str, pointer: str, message: str) -> dict[str, Any]:
    return {"code": code, "pointer": pointer, "message": message}
