"""What is told of syncs and blockers."""

from typing import Any

from api.syncs.schemas import BlockerShown, SyncShown
from api.webhooks.catalogue import declare

_SYNC: dict[str, Any] = {
    "id": "sync_01h455vb4pex5vsknk084sn02q",
    "object": "sync",
    "livemode": True,
    "week": "2026-W48",
    "status": "planned",
    "since": "2026-11-16T09:00:00.000000Z",
    "agenda": [
        {
            "section": "shipped",
            "title": "Shipped last week",
            "minutes": 5,
            "items": [
                {
                    "kind": "feature",
                    "id": "feat_01h455vb4pex5vsknk084sn02q",
                    "title": "Dark mode",
                    "detail": "shipped 2026-11-20",
                }
            ],
        },
        {"section": "priorities", "title": "Priorities this week", "minutes": 10, "items": []},
        {"section": "blockers", "title": "Blockers", "minutes": 10, "items": []},
        {"section": "ahead", "title": "Looking ahead", "minutes": 5, "items": []},
    ],
    "minutes": 30,
    "surprises": [],
    "carried_over": [],
    "markdown": "# Weekly sync 2026-W48 (30 min)\n",
    "actions": [],
    "notes": None,
    "held_at": None,
    "version": 1,
    "created_at": "2026-11-23T09:30:00.000000Z",
    "updated_at": "2026-11-23T09:30:00.000000Z",
}
_BLOCKER: dict[str, Any] = {
    "id": "blk_01h455vb4pex5vsknk084sn02q",
    "object": "blocker",
    "livemode": True,
    "title": "The vendor's API limits us to 10 calls a second",
    "description": None,
    "owner": "Ada Lovelace",
    "severity": "high",
    "feature_id": None,
    "status": "open",
    "escalated_to": None,
    "escalated_at": None,
    "resolution": None,
    "resolved_at": None,
    "age_days": 0,
    "overdue": False,
    "version": 1,
    "created_at": "2026-11-23T09:30:00.000000Z",
    "updated_at": "2026-11-23T09:30:00.000000Z",
}
_ESCALATED = _BLOCKER | {
    "status": "escalated",
    "escalated_to": "Grace Hopper",
    "escalated_at": "2026-11-26T09:30:00.000000Z",
    "age_days": 3,
    "overdue": True,
    "version": 2,
}


class BlockerChanged(BlockerShown):
    """A blocker, and which of its fields are different now."""

    changed: list[str]


GENERATED = declare(
    "sync.generated", data=SyncShown, example=_SYNC, since="2026-11-23", description="A sync's agenda was built."
)
SYNC_UPDATED = declare(
    "sync.updated",
    data=SyncShown,
    example=_SYNC | {"notes": "Dark mode first.", "version": 2},
    since="2026-11-23",
    description="Notes or actions of a sync were changed.",
)
HELD = declare(
    "sync.held",
    data=SyncShown,
    example=_SYNC | {"status": "held", "held_at": "2026-11-23T10:00:00.000000Z", "version": 2},
    since="2026-11-23",
    description="A sync was held.",
)
OPENED = declare(
    "blocker.opened", data=BlockerShown, example=_BLOCKER, since="2026-11-23", description="Something is in the way."
)
BLOCKER_UPDATED = declare(
    "blocker.updated",
    data=BlockerChanged,
    example=_BLOCKER | {"version": 2, "changed": ["severity"]},
    since="2026-11-23",
    description="A blocker was put right, neither escalated nor resolved.",
)
ESCALATED = declare(
    "blocker.escalated",
    data=BlockerShown,
    example=_ESCALATED,
    since="2026-11-23",
    description="A blocker was handed to somebody who can do more.",
)
RESOLVED = declare(
    "blocker.resolved",
    data=BlockerShown,
    example=_BLOCKER
    | {
        "status": "resolved",
        "resolution": "They raised the limit.",
        "resolved_at": "2026-11-24T09:30:00.000000Z",
        "age_days": 1,
        "version": 2,
    },
    since="2026-11-23",
    description="It is out of the way.",
)
