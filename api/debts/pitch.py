"""The case for leadership: why to pay a debt down, with the arithmetic and what it rests on."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from api.accounts.tenancy import one
from api.db import wire_id
from api.debts.write import FACTS
from api.formulas import payback
from api.stores import Transaction

Facts = Mapping[str, Any]
_QUESTIONS = (
    ("velocity_impact", "How much slower are we? Nobody has measured it."),
    ("monthly_benefit", "What is a month of the new state worth? Without that there is no payback."),
    ("prevention", "How likely is the loss that it prevents? Nobody has said."),
)


async def pitch(tx: Transaction, debt_id: UUID) -> tuple[dict[str, Any], int]:
    """The pitch and the debt's version. Raises NotFound."""
    row = await one(tx, FACTS, debt_id, "debt", "debt")
    facts, told = row["facts"], row["told"]
    verdict = "pay_down" if any(reason["favours"] == "pay_down" for reason in told["reasons"]) else "defer"
    lines = [*_money(facts, told), *_prevention(facts), *_phased(facts, told)]
    written = {
        "object": "debt_pitch",
        "debt_id": wire_id("debt", debt_id),
        "headline": _headline(row["title"], facts, told, verdict),
        "argument": [reason["sentence"] for reason in told["reasons"] if reason["favours"] == verdict],
        "arithmetic": lines,
        "probability": facts["prevention"] and facts["prevention"]["probability"],
        "caveats": _caveats(facts, told),
    }
    return written | {"markdown": _markdown(written)}, row["version"]


def _headline(title: str, facts: Facts, told: Facts, verdict: str) -> str:
    cost = f"{told['payback']['investment']:,} ({facts['effort_months']} person-months)"
    if verdict == "defer":
        return f"{title}: defer it for now; it would cost {cost}."
    months = told["payback"]["months_from_start"]
    back = f", and it is paid back {_short(months)} months after the start" if months is not None else ""
    return f"{title}: pay it down; it costs {cost}{back}."


def _money(facts: Facts, told: Facts) -> list[dict[str, Any]]:
    paid = told["payback"]
    lines = [
        _line("Investment", f"{facts['effort_months']} person-months × {facts['cost_per_month']:,}", paid["investment"])
    ]
    if paid["net_monthly_benefit"] is not None:
        benefit = f"{facts['monthly_benefit']:,} − {facts['monthly_running_cost']:,}"
        lines.append(_line("Net benefit a month", benefit, paid["net_monthly_benefit"]))
    if paid["months_from_completion"] is not None:
        division = f"{paid['investment']:,} ÷ {paid['net_monthly_benefit']:,}"
        lines.append(_line("Months to pay back, from completion", division, paid["months_from_completion"]))
        clock = f"{_short(paid['build_months'])} + {_short(paid['months_from_completion'])}"
        lines.append(_line("Months to pay back, from the start", clock, paid["months_from_start"]))
    return lines


def _prevention(facts: Facts) -> list[dict[str, Any]]:
    """ "20 % now prevents losing 30 %" is repaid once the drop has lasted so many periods."""
    plan = facts["prevention"]
    if plan is None:
        return []
    likely = plan["probability"] or Decimal(1)
    periods = payback.periods_to_recoup(plan["invested_share"], plan["prevented_drop"], likely)
    formula = f"{plan['invested_share']} ÷ ({plan['prevented_drop']} × {likely})"
    return [_line("Periods of the prevented drop that repay one period of investing", formula, periods)]


def _phased(facts: Facts, told: Facts) -> list[dict[str, Any]]:
    plan, phased = facts["phased"], told["phased_told"]
    if plan is None:
        return []
    formula = f"{plan['share']} × {plan['sprints']} sprints × {plan['sprint_weeks']} weeks ÷ (52 ÷ 12)"
    lines = [_line("Team-months that the phased plan delivers", formula, phased["team_months"])]
    equal = f"{plan['big_bang_months']} team-months ÷ what a sprint delivers"
    lines.append(_line("Sprints that would be the same work as all at once", equal, phased["equal_sprints"]))
    if phased["sprints_to_break_even"] is not None:
        even = f"{plan['share']} × {plan['sprints']} ÷ {plan['gain']}"
        lines.append(_line("Sprints after it until the gain has made up for it", even, phased["sprints_to_break_even"]))
    return lines


def _caveats(facts: Facts, told: Facts) -> list[str]:
    caveats = [finding["message"] for finding in told["findings"]]
    caveats += [question for name, question in _QUESTIONS if facts[name] is None]
    if facts["prevention"] and facts["prevention"]["probability"] is None:
        caveats.append("The prevented drop is taken as certain: nobody has stated its probability.")
    return caveats


def _markdown(written: Facts) -> str:
    parts = [f"# {written['headline']}", ""]
    if written["argument"]:
        parts += ["## Why", "", *(f"- {sentence}" for sentence in written["argument"]), ""]
    parts += ["## The arithmetic", "", "| What | How | Result |", "|---|---|---|"]
    parts += [f"| {line['label']} | {line['formula']} | {_short(line['value'])} |" for line in written["arithmetic"]]
    if written["probability"] is not None:
        parts += ["", f"It rests on a probability of {written['probability']} that the drop comes without the work."]
    if written["caveats"]:
        parts += ["", "## What it does not show", "", *(f"- {caveat}" for caveat in written["caveats"])]
    return "\n".join(parts) + "\n"


def _line(label: str, formula: str, value: Any) -> dict[str, Any]:
    return {"label": label, "formula": formula, "value": value}


def _short(value: Any) -> str:
    """
    >>> _short(Decimal("3.0000")), _short(Decimal("0.666667")), _short(Decimal("150000"))
    ('3', '0.67', '150,000')
    """
    number = round(Decimal(value), 2)
    return f"{number.normalize():,f}"
