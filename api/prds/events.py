"""What is told of PRDs. A change is at most one event of each type, however many sections and items it has."""

from typing import Any

from pydantic import Field

from api import json
from api.http.schema import Shown, Version
from api.prds.schemas import (
    ObservationShown,
    OpenQuestion,
    PrdId,
    PrdProblem,
    PrdShown,
    PrdStatus,
    Requirement,
    ReviewAnswered,
)
from api.webhooks.catalogue import WrittenOnce, declare

_ID = "prd_01h455vb4pex5vsknk084sn02q"
_SINCE = "2026-11-23"
_REQUIREMENT = Requirement(
    id="NFR-001", kind="performance", text="Edits reach the others in under 200 ms at p95."
).model_dump(mode="json")
_REQUIREMENT["value"] = 200
EXAMPLE: dict[str, Any] = {
    "id": _ID,
    "object": "prd",
    "livemode": True,
    "title": "Real-time collaboration",
    "status": "draft",
    "approvals_required": 1,
    "feature_ids": [],
    "decision_ids": [],
    "problem": PrdProblem(statement="People lose edits when two of them work on one document.").model_dump(),
    "solution": None,
    "user_stories": [],
    "requirements": [_REQUIREMENT],
    "approach": None,
    "architecture": None,
    "stack": [],
    "rationale": [],
    "risks": [],
    "build_vs_buy": None,
    "success_metrics": [],
    "release_phases": [],
    "open_questions": [],
    "content_version": 1,
    "version": 1,
    "created_at": "2026-11-23T09:30:00.000000Z",
    "updated_at": "2026-11-23T09:30:00.000000Z",
}


class ReviewSubmitted(WrittenOnce, ReviewAnswered):
    """A new review, and what it did."""


class MetricObserved(WrittenOnce, ObservationShown):
    """What a success metric was found to be."""


class PrdChanged(PrdShown):
    """A PRD, and which of its sections the change made different."""

    changed: list[str] = Field(description="Names of the fields that are different now.")


class PrdMoved(PrdShown):
    """A PRD, and the status that it had."""

    previous_status: PrdStatus


class PrdItems(Shown):
    """The PRD, and the items that this is about."""

    id: PrdId
    object: str
    livemode: bool
    title: str
    version: Version


class Superseded(PrdItems):
    requirements: list[Requirement] = Field(max_length=500)


class Answered(PrdItems):
    questions: list[OpenQuestion] = Field(max_length=200)


def moved(text: str, previous: str) -> str:
    """The PRD's JSON with the status that it had."""
    return f'{text[:-1]},"previous_status":{json.dump(previous)}}}'


def about(text: str, **items: list[dict[str, Any]]) -> str:
    """The head of the PRD's JSON with some of its items."""
    shown = json.load(text)
    return json.dump({name: shown[name] for name in PrdItems.model_fields} | items)


_ITEMS_EXAMPLE = {name: EXAMPLE[name] for name in PrdItems.model_fields} | {"version": 4}

CREATED = declare("prd.created", data=PrdShown, example=EXAMPLE, since=_SINCE, description="A PRD was drafted.")
UPDATED = declare(
    "prd.updated",
    data=PrdChanged,
    example=EXAMPLE | {"version": 2, "content_version": 2, "changed": ["requirements"]},
    since=_SINCE,
    description="A PRD was changed; one event for a change, however many sections it has.",
)
STATUS_CHANGED = declare(
    "prd.status_changed",
    data=PrdMoved,
    example=EXAMPLE | {"version": 2, "status": "in_review", "previous_status": "draft"},
    since=_SINCE,
    description="A PRD moved on or back. That it was approved, or no longer is, has events of its own.",
)
APPROVED = declare(
    "prd.approved",
    data=PrdMoved,
    example=EXAMPLE | {"version": 3, "status": "approved", "previous_status": "in_review"},
    since=_SINCE,
    description="Enough reviewers approve what the PRD says; it is approved.",
)
APPROVAL_INVALIDATED = declare(
    "prd.approval_invalidated",
    data=PrdMoved,
    example=EXAMPLE | {"version": 4, "content_version": 4, "status": "in_review", "previous_status": "approved"},
    since=_SINCE,
    description="A PRD that had approvals says something else now: it is in review, and they no longer count.",
)
SUPERSEDED = declare(
    "requirement.superseded",
    data=Superseded,
    example=_ITEMS_EXAMPLE | {"requirements": [_REQUIREMENT | {"status": "superseded", "superseded_by": "NFR-002"}]},
    since=_SINCE,
    description="Requirements of a PRD were replaced by others.",
)
ANSWERED = declare(
    "question.answered",
    data=Answered,
    example=_ITEMS_EXAMPLE
    | {"questions": [OpenQuestion(id="Q-001", text="Do we need audit logs?", answer="Yes, 90 days.").model_dump()]},
    since=_SINCE,
    description="Open questions of a PRD were answered.",
)
REVIEWED = declare(
    "review.submitted",
    data=ReviewSubmitted,
    example={
        "id": "rvw_01h455vb4pex5vsknk084sn02q",
        "object": "review",
        "livemode": True,
        "prd_id": _ID,
        "content_version": 1,
        "verdict": "approve",
        "reviewer": "Ada Lovelace",
        "body": None,
        "comments": [],
        "created_at": "2026-11-23T09:30:00.000000Z",
        "prd_status": "approved",
        "approval": {
            "required": 1,
            "approved_by": ["Ada Lovelace"],
            "changes_requested_by": [],
            "blocking_questions": [],
        },
        "version": 1,
    },
    since=_SINCE,
    description="Somebody reviewed a PRD.",
)
OBSERVED = declare(
    "metric.observed",
    data=MetricObserved,
    example={
        "id": "obs_01h455vb4pex5vsknk084sn02q",
        "object": "observation",
        "livemode": True,
        "prd_id": _ID,
        "metric_id": "SC-001",
        "value": 84,
        "progress_percent": 105,
        "met": True,
        "source": "Product analytics",
        "observed_at": "2027-02-01T00:00:00.000000Z",
        "created_at": "2027-02-01T09:30:00.000000Z",
        "version": 1,
    },
    since=_SINCE,
    description="A success metric of a PRD was observed; `met` says whether it reaches its target.",
)
