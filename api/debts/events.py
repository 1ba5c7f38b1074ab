"""What is told of technical debt."""

from typing import Any

from pydantic import Field

from api.debts.schemas import DebtShown, DebtVerdict
from api.webhooks.catalogue import declare

EXAMPLE: dict[str, Any] = {
    "id": "debt_01h455vb4pex5vsknk084sn02q",
    "object": "debt",
    "livemode": True,
    "title": "Monolith to services",
    "description": None,
    "status": "open",
    "effort_months": 6,
    "people": 3,
    "cost_per_month": 25000,
    "monthly_benefit": 50000,
    "monthly_running_cost": 0,
    "claimed_payback_months": 3,
    "horizon_months": 12,
    "symptom": None,
    "velocity_impact": 0.3,
    "wasted_share": None,
    "risks": [],
    "higher_priorities": None,
    "phased": None,
    "prevention": None,
    "reservations": [{"team": "Platform", "people": 10, "share": 0.3, "from": "2026-12-01", "to": "2027-01-31"}],
    "velocity": [],
    "payback_months": 3,
    "verdict": "pay_down",
    "reasons": [
        {
            "rule": "velocity",
            "favours": "pay_down",
            "sentence": "It costs 30 % of velocity, more than the rule's 20 %.",
        }
    ],
    "payback": {
        "investment": 150000,
        "build_months": 2,
        "net_monthly_benefit": 50000,
        "months_from_completion": 3,
        "months_from_start": 5,
        "roi": 3,
        "within_rule": True,
        "implied_monthly_benefit": 50000,
    },
    "symptom_told": None,
    "phased_told": None,
    "reserved": {"needed_months": 6, "reserved_months": 6.115068, "enough": True, "implied_team": 9.81},
    "ceiling_gain": None,
    "velocity_trend": None,
    "findings": [],
    "version": 1,
    "created_at": "2026-11-23T09:30:00.000000Z",
    "updated_at": "2026-11-23T09:30:00.000000Z",
}


class DebtChanged(DebtShown):
    """A debt, and which of its fields are different now."""

    changed: list[str]


class VerdictChanged(DebtShown):
    """A debt whose verdict turned."""

    verdict_before: DebtVerdict = Field(description="What it was.")


CREATED = declare(
    "debt.created",
    data=DebtShown,
    example=EXAMPLE,
    since="2026-11-23",
    description="A technical debt was written down.",
)
UPDATED = declare(
    "debt.updated",
    data=DebtChanged,
    example=EXAMPLE | {"version": 2, "changed": ["monthly_benefit"]},
    since="2026-11-23",
    description="A debt was changed; one event for a change.",
)
VERDICT_CHANGED = declare(
    "debt.verdict_changed",
    data=VerdictChanged,
    example=EXAMPLE | {"version": 2, "verdict_before": "defer"},
    since="2026-11-23",
    description="A change turned the verdict: pay it down, or defer it.",
)
DELETED = declare(
    "debt.deleted",
    data=DebtShown,
    example=EXAMPLE,
    since="2026-11-23",
    description="A debt was deleted; the data is its last state, under the version after it.",
)
RESERVED = declare(
    "capacity.reserved",
    data=DebtShown,
    example=EXAMPLE,
    since="2026-11-23",
    description="Capacity was set aside for a debt, or what is set aside has changed.",
)
