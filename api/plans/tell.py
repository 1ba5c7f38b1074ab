"""What follows from a plan: the capacity after each phase, what breaks first, and which claims do not hold."""

from collections.abc import Mapping
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from api.formulas import capacity, value_effort
from api.formulas.exact import FormulaError, exact, rounded
from api.problems import invalid_field

Facts = Mapping[str, Any]
_ORDER = ("quick win", "big bet", "fill-in", "money pit")


def tell(facts: Facts) -> dict[str, Any]:
    """Everything that follows. Raises Invalid."""
    try:
        return _told(facts)
    except FormulaError as error:
        raise invalid_field("/" + error.field.replace(".", "/"), error.message) from None


def _told(facts: Facts) -> dict[str, Any]:
    findings: list[dict[str, Any]] = []
    needed = needed_demand(facts["demand"])
    stages = _stages(facts, needed, findings)
    _check_limits(facts, findings)
    if not stages[-1]["reaches_target"]:
        message = (
            f"After all phases it takes {stages[-1]['capacity']} {facts['demand']['unit']}, and {needed} are needed: "
            f"{', '.join(stages[-1]['held_by'])} holds it there."
        )
        findings.append(_finding("target_not_reached", "/phases", message))
    return {
        "needed": needed,
        "stages": stages,
        "reaches_target": stages[-1]["reaches_target"],
        "bottlenecks": _bottlenecks(facts),
        "measures": _measures(facts, findings),
        "fix_order": _fixes(facts),
        "due": _due(facts),
        "findings": findings,
    }


def needed_demand(demand: Facts) -> Decimal:
    """The demand of the target, in its unit."""
    if demand["growth"] is not None:
        return rounded(exact(demand["current"], "demand.current") * exact(demand["growth"], "demand.growth"))
    return capacity.needed(demand["current"], demand["users"], demand["target_users"])


def _stages(facts: Facts, needed: Decimal, findings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Now, and after each phase; a part without a limit does not hold the system, and a finding says so."""
    demand = facts["demand"]
    limits = {part["key"]: part["limit"] for part in facts["components"] if part["limit"] is not None}
    steps: list[dict[str, Any]] = []
    for phase in facts["phases"]:
        step: dict[str, Any] = {}
        for effect in phase["effects"]:
            if effect["component"] in limits:
                step[effect["component"]] = exact(step.get(effect["component"], 1), "multiplier") * exact(
                    effect["multiplier"], "multiplier"
                )
        steps.append(step)
    stages = capacity.stages(limits, steps, demand["current"])
    for index, (phase, stage) in enumerate(zip(facts["phases"], stages[1:], strict=True)):
        _check_claim(phase, index, stage, demand, findings)
    return [
        {
            "phase": phase and phase["key"],
            "capacity": stage.capacity,
            "held_by": stage.held_by,
            "gain": stage.gain,
            "supports_growth": stage.supports_growth,
            "supports_users": _users(stage.capacity, demand),
            "reaches_target": stage.capacity >= needed,
        }
        for phase, stage in zip([None, *facts["phases"]], stages, strict=True)
    ]


def _users(most: Decimal, demand: Facts) -> Decimal | None:
    if demand["users"] is None:
        return None
    return rounded(exact(most, "capacity") * exact(demand["users"], "users") / exact(demand["current"], "current"))


def _check_claim(
    phase: Facts, index: int, stage: capacity.Stage, demand: Facts, findings: list[dict[str, Any]]
) -> None:
    claim, place = phase["claim"], f"/phases/{index}/claim"
    if claim is None:
        return
    held = ", ".join(stage.held_by)
    if claim["capacity"] is not None and claim["capacity"] != stage.capacity:
        message = (
            f"{phase['title']} reaches {stage.capacity} {demand['unit']}, not {claim['capacity']}: {held} holds it."
        )
        findings.append(_finding("claimed_capacity_differs", f"{place}/capacity", message))
    if claim["gain"] is not None and claim["gain"] != stage.gain:
        message = f"{phase['title']} makes {stage.gain} times the capacity, not {claim['gain']} times."
        findings.append(_finding("claimed_gain_differs", f"{place}/gain", message))
    if claim["users"] is not None and demand["users"] is not None:
        asked = capacity.needed(demand["current"], demand["users"], claim["users"])
        if asked > stage.capacity:
            message = (
                f"{claim['users']} users need {asked} {demand['unit']}, and {phase['title']} reaches {stage.capacity}."
            )
            findings.append(_finding("claimed_users_not_served", f"{place}/users", message))


def _check_limits(facts: Facts, findings: list[dict[str, Any]]) -> None:
    for index, part in enumerate(facts["components"]):
        if part["limit"] is None:
            message = f"{part['title']} has no limit: the capacity holds only if it takes more. Measure it."
            findings.append(_finding("limit_unknown", f"/components/{index}/limit", message))


def _bottlenecks(facts: Facts) -> list[dict[str, Any]]:
    found = []
    for part in facts["components"]:
        current = part["current"] if part["current"] is not None else facts["demand"]["current"]
        unknown = {"utilisation": None, "headroom": None, "breached": False, "breach_at_growth": None}
        told = unknown if part["limit"] is None else asdict(capacity.headroom(part["limit"], current))
        found.append({"component": part["key"], "limit": part["limit"], "current": current, **told})
    return sorted(found, key=lambda part: -(part["utilisation"] or 0))


def _measures(facts: Facts, findings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    told = []
    for index, phase in enumerate(facts["phases"]):
        for number, measure in enumerate(phase["measures"]):
            times, gone = capacity.change(measure["before"], measure["after"])
            told.append({"phase": phase["key"], "metric": measure["metric"], "times_better": times, "share_gone": gone})
            claimed = measure["claimed_share"]
            if claimed is not None and abs(claimed - gone) > Decimal("0.005"):
                place = f"/phases/{index}/measures/{number}/claimed_share"
                message = f"{measure['metric']} falls by {gone}, not by {claimed}."
                findings.append(_finding("claimed_share_differs", place, message))
    return told


def _fixes(facts: Facts) -> list[dict[str, Any]]:
    """Quick wins first, money pits last; within a quadrant by value for each effort."""
    if not facts["fixes"]:
        return []
    items = {fix["key"]: (fix["value"], fix["effort"]) for fix in facts["fixes"]}
    given = facts["thresholds"]
    lines = value_effort.Thresholds(**given) if given else value_effort.median_thresholds(items)
    titles = {fix["key"]: fix["title"] for fix in facts["fixes"]}
    ratio = {key: exact(value, "value") / (exact(effort, "effort") or 1) for key, (value, effort) in items.items()}
    placed = value_effort.placements(items, lines)
    placed.sort(key=lambda one: (_ORDER.index(one.quadrant), -ratio[one.id]))
    return [
        {"key": one.id, "title": titles[one.id], "quadrant": one.quadrant, "nearest": one.nearest} for one in placed
    ]


def _due(facts: Facts) -> list[str]:
    """Deferred phases whose metric has come to where they were put off to."""
    now = {"users": facts["demand"]["users"], "demand": facts["demand"]["current"]}
    return [
        phase["key"]
        for phase in facts["phases"]
        if (wait := phase["deferred_until"])
        and phase["status"] == "deferred"
        and now[wait["metric"]] is not None
        and now[wait["metric"]] >= wait["at_least"]
    ]


def _finding(code: str, pointer: str, message: str) -> dict[str, Any]:
    return {"code": code, "pointer": pointer, "message": message}
