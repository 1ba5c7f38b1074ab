"""What is told of plans."""

from typing import Any

from pydantic import Field

from api.plans.schemas import PlanShown
from api.webhooks.catalogue import declare

_EXAMPLE: dict[str, Any] = {
    "id": "plan_01h455vb4pex5vsknk084sn02q",
    "object": "plan",
    "livemode": True,
    "title": "From 1,000 to 10,000 users",
    "description": None,
    "demand": {"unit": "requests/s", "current": 50, "users": 1000, "target_users": 10000, "growth": None},
    "components": [{"key": "api", "title": "API server", "limit": 100, "current": None}],
    "phases": [],
    "fixes": [],
    "thresholds": None,
    "needed": 500,
    "stages": [
        {
            "phase": None,
            "capacity": 100,
            "held_by": ["api"],
            "gain": None,
            "supports_growth": 2,
            "supports_users": 2000,
            "reaches_target": False,
        }
    ],
    "reaches_target": False,
    "bottlenecks": [
        {
            "component": "api",
            "limit": 100,
            "current": 50,
            "utilisation": 0.5,
            "headroom": 50,
            "breached": False,
            "breach_at_growth": 2,
        }
    ],
    "measures": [],
    "fix_order": [],
    "due": [],
    "findings": [
        {
            "code": "target_not_reached",
            "pointer": "/phases",
            "message": "After all phases it takes 100 requests/s, and 500 are needed: api holds it there.",
        }
    ],
    "loadtests": [],
    "version": 1,
    "created_at": "2026-11-23T09:30:00.000000Z",
    "updated_at": "2026-11-23T09:30:00.000000Z",
}


class PlanChanged(PlanShown):
    """A plan, and which of its fields are different now."""

    changed: list[str]


class PlanMoved(PlanShown):
    """A plan, and the phase, part or load test that it is about."""

    key: str = Field(description="Of the phase or the component; the load test's id.")


CREATED = declare("plan.created", data=PlanShown, example=_EXAMPLE, since="2026-11-23", description="A plan was made.")
UPDATED = declare(
    "plan.updated",
    data=PlanChanged,
    example=_EXAMPLE | {"version": 2, "changed": ["demand"]},
    since="2026-11-23",
    description="A plan was changed, and what follows from it computed again.",
)
DELETED = declare(
    "plan.deleted",
    data=PlanShown,
    example=_EXAMPLE,
    since="2026-11-23",
    description="A plan was deleted; the data is its last state, under the version after it.",
)
PHASE_DONE = declare(
    "plan.phase_done",
    data=PlanMoved,
    example=_EXAMPLE | {"version": 2, "key": "quick_wins"},
    since="2026-11-23",
    description="A phase of a plan is done.",
)
DEFERRAL_DUE = declare(
    "plan.deferral_due",
    data=PlanMoved,
    example=_EXAMPLE | {"version": 2, "key": "replicas"},
    since="2026-11-23",
    description="A phase was put off until a number of users or a demand, and that has come.",
)
BREACHED = declare(
    "plan.bottleneck_breached",
    data=PlanMoved,
    example=_EXAMPLE | {"version": 2, "key": "api"},
    since="2026-11-23",
    description="A part is asked for more than its limit.",
)
MEASURED = declare(
    "plan.load_test_recorded",
    data=PlanMoved,
    example=_EXAMPLE | {"version": 2, "key": "load_01h455vb4pex5vsknk084sn02q"},
    since="2026-11-23",
    description="A load test's result was taken in.",
)
