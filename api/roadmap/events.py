"""What is told of the roadmap."""

from typing import Any, Literal

from pydantic import Field

from api.roadmap.schemas import (
    AllocationPart,
    ChurnShown,
    OverrideShown,
    RevisionId,
    RevisionShown,
    ScenarioShown,
    ViewSummary,
)
from api.webhooks.catalogue import WrittenOnce, declare

# So many of each go into an event, whose body stays under 20 kB; the revision itself has the rest.
MOST_TOLD = 50

_HEAD: dict[str, Any] = {
    "id": "rev_01h455vb4pex5vsknk084sn02q",
    "object": "roadmap_revision",
    "livemode": True,
    "version": 1,
}
_CHURN = {"share": 0.5, "inverted": 3, "pairs": 6, "entered": 0, "left": 0}


class Reprioritized(WrittenOnce, RevisionShown):
    """A new revision of the ranking."""


class Published(WrittenOnce, ViewSummary):
    """A new view of the roadmap."""


class _OfRevision(WrittenOnce):
    id: RevisionId
    object: Literal["roadmap_revision"]
    livemode: bool


class ChurnExceeded(_OfRevision):
    churn: ChurnShown
    limit: float = Field(ge=0, le=1)
    reason: str | None


class AllocationDrifted(_OfRevision):
    allocation: AllocationPart


REPRIORITIZED = declare(
    "roadmap.reprioritized",
    data=Reprioritized,
    example={
        **_HEAD,
        "framework": "rice",
        "variant": None,
        "model_version": None,
        "reason": "Weekly sync of 23 November",
        "author": "First live key",
        "created_at": "2026-11-23T09:30:00.000000Z",
        "ranking": [
            {
                "rank": 1,
                "feature_id": "feat_01h455vb4pex5vsknk084sn02q",
                "title": "Real-time collaboration",
                "value": 12000,
                "computed_rank": 1,
            }
        ],
        "ranking_total": 1,
        "moves": [{"feature_id": "feat_01h455vb4pex5vsknk084sn02q", "from": None, "to": 1, "cause": "new"}],
        "moves_total": 1,
        "churn": {"share": 0, "inverted": 0, "pairs": 0, "entered": 1, "left": 0},
        "frozen": False,
        "overridden": 0,
        "carried_over": 0,
        "outdated": 0,
        "scenario_id": None,
    },
    since="2026-11-23",
    description=(
        "The ranking changed. One event for a revision: at most 50 entries of the ranking and of the moves, with the "
        "totals; GET the revision for the rest. A reprioritisation that moves nothing is not told."
    ),
)
CHURN_EXCEEDED = declare(
    "roadmap.churn_exceeded",
    data=ChurnExceeded,
    example={**_HEAD, "churn": _CHURN, "limit": 0.2, "reason": None},
    since="2026-11-23",
    description="More pairs of features changed their order than the policy's churn_limit.",
)
DRIFTED = declare(
    "allocation.drifted",
    data=AllocationDrifted,
    example={
        **_HEAD,
        "allocation": {
            "total_months": 12.5,
            "tolerance": 0.05,
            "drifted": True,
            "buckets": [
                {
                    "bucket": "technical",
                    "effort_months": 4,
                    "share": 0.32,
                    "target": 0.2,
                    "drift": 0.12,
                    "drift_months": 1.5,
                    "drifted": True,
                    "to_add_months": 0,
                }
            ],
        },
    },
    since="2026-11-23",
    description="The effort of the ranking went beyond the tolerance of its targets. Told once, until it is back.",
)
OVERRIDE_SET = declare(
    "roadmap.override_set",
    data=OverrideShown,
    example={
        "id": "ovr_01h455vb4pex5vsknk084sn02q",
        "object": "roadmap_override",
        "livemode": True,
        "feature_id": "feat_01h455vb4pex5vsknk084sn02q",
        "rank": 1,
        "reason": "Promised to the board",
        "author": "First live key",
        "expires_at": None,
        "version": 1,
        "created_at": "2026-11-23T09:30:00.000000Z",
    },
    since="2026-11-23",
    description="Somebody set a rank by hand. It takes effect with the next reprioritisation.",
)
PUBLISHED = declare(
    "roadmap.published",
    data=Published,
    example={
        "id": "view_01h455vb4pex5vsknk084sn02q",
        "object": "roadmap_view",
        "livemode": True,
        "title": "Roadmap for customers, 2027",
        "audience": "customers",
        "revision_id": "rev_01h455vb4pex5vsknk084sn02q",
        "author": "First live key",
        "created_at": "2026-11-23T09:30:00.000000Z",
        "version": 1,
    },
    since="2026-11-23",
    description="A view of the roadmap was published.",
)
PROMOTED = declare(
    "scenario.promoted",
    data=ScenarioShown,
    example={
        "id": "scen_01h455vb4pex5vsknk084sn02q",
        "object": "roadmap_scenario",
        "livemode": True,
        "title": "What if collaboration takes four months",
        "framework": "rice",
        "series": "rice",
        "changes": {
            "inputs": [{"feature_id": "feat_01h455vb4pex5vsknk084sn02q", "inputs": {"effort": 4}}],
            "weights": {},
            "capacity_months": None,
        },
        "status": "promoted",
        "author": "First live key",
        "revision_id": "rev_01h455vb4pex5vsknk084sn02q",
        "version": 2,
        "created_at": "2026-11-23T09:30:00.000000Z",
        "updated_at": "2026-11-23T09:40:00.000000Z",
    },
    since="2026-11-23",
    description="A scenario became the roadmap.",
)
