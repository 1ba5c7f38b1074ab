"""What is told of quotas and plans."""

from typing import Any

from api.usage.schemas import FirstCallMade, PlanUpgraded, ThresholdReached
from api.webhooks.catalogue import declare

_EXAMPLE: dict[str, Any] = {"id": "ws_01h455vb4pex5vsknk084sn02q", "version": 3}

THRESHOLD_REACHED = declare(
    "quota.threshold_reached",
    data=ThresholdReached,
    example=_EXAMPLE | {"object": "quota", "plan": "free", "percent": 80, "limit": 10_000, "used": 8_000},
    since="2026-11-23",
    description="80 or 100 percent of the month's calls are used. Each is told once a month.",
)
PLAN_UPGRADED = declare(
    "plan.upgraded",
    data=PlanUpgraded,
    example=_EXAMPLE | {"object": "plan", "was": "free", "plan": "growth", "limit": 1_000_000},
    since="2026-11-23",
    description="The workspace reached its limit, and its policy is `auto_upgrade`.",
)
FIRST_CALL = declare(
    "onboarding.first_call",
    data=FirstCallMade,
    example=_EXAMPLE | {"object": "first_call", "key_id": "key_01h455vb4pex5vsknk084sn02q", "after_s": 41.5},
    since="2026-11-23",
    description="A key of the workspace was answered with success for the first time. Told once for each mode.",
)
