"""What is told of PRDs."""

from typing import Any

from pydantic import Field

from api.prds.schemas import PrdShown
from api.webhooks.catalogue import declare

EXAMPLE: dict[str, Any] = {
    "id": "prd_01h455vb4pex5vsknk084sn02q",
    "object": "prd",
    "livemode": True,
    "title": "Real-time collaboration",
    "status": "draft",
    "problem": "People lose edits when two of them work on one document.",
    "solution": None,
    "user_stories": [],
    "requirements": [{"kind": "performance", "text": "Edits reach the others in under 200 ms at p95."}],
    "approach": None,
    "stack": [],
    "rationale": None,
    "risks": [],
    "success_metrics": [],
    "release_phases": [],
    "open_questions": [],
    "version": 1,
    "created_at": "2026-11-23T09:30:00.000000Z",
    "updated_at": "2026-11-23T09:30:00.000000Z",
}


class PrdChanged(PrdShown):
    """A PRD, and which of its sections the change made different."""

    changed: list[str] = Field(description="Names of the fields that are different now.")


CREATED = declare("prd.created", data=PrdShown, example=EXAMPLE, since="2026-11-23", description="A PRD was drafted.")
UPDATED = declare(
    "prd.updated",
    data=PrdChanged,
    example=EXAMPLE | {"version": 2, "changed": ["requirements"]},
    since="2026-11-23",
    description="A PRD was changed; one event for a change, however many sections it has.",
)
