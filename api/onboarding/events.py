"""What is told of the tutorial."""

from api.onboarding.schemas import StepCompleted
from api.webhooks.catalogue import declare

STEP_COMPLETED = declare(
    "tutorial.step_completed",
    data=StepCompleted,
    example={
        "id": "ws_01h455vb4pex5vsknk084sn02q",
        "object": "tutorial_step",
        "version": 3,
        "step": "feature",
        "completed_at": "2026-11-23T09:30:00.000000Z",
        "completed": 2,
        "total": 8,
    },
    since="2026-11-23",
    description="GET /v1/tutorial found a step done that was not before. Each is told once.",
)
