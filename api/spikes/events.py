"""What is told of spikes."""

from typing import Any

from api.spikes.schemas import SpikeShown
from api.webhooks.catalogue import declare

_REQUESTED: dict[str, Any] = {
    "id": "spike_01h455vb4pex5vsknk084sn02q",
    "object": "spike",
    "livemode": True,
    "question": "Can Yjs merge the edits of 50 people in one document within 200 ms?",
    "context": None,
    "timebox_days": 2,
    "owner": "Ada Lovelace",
    "feature_id": "feat_01h455vb4pex5vsknk084sn02q",
    "status": "requested",
    "started_at": None,
    "due_at": None,
    "overran_at": None,
    "concluded_at": None,
    "feasibility": None,
    "estimate": None,
    "risks": [],
    "recommendation": None,
    "summary": None,
    "decision_id": None,
    "version": 1,
    "created_at": "2026-11-23T09:30:00.000000Z",
    "updated_at": "2026-11-23T09:30:00.000000Z",
}
_STARTED = _REQUESTED | {
    "status": "started",
    "started_at": "2026-11-23T10:00:00.000000Z",
    "due_at": "2026-11-25T10:00:00.000000Z",
    "version": 2,
}

REQUESTED = declare(
    "spike.requested", data=SpikeShown, example=_REQUESTED, since="2026-11-23", description="A spike was asked for."
)
STARTED = declare(
    "spike.started",
    data=SpikeShown,
    example=_STARTED,
    since="2026-11-23",
    description="Somebody looks into it: the timebox runs.",
)
OVERRAN = declare(
    "spike.overran",
    data=SpikeShown,
    example=_STARTED | {"overran_at": "2026-11-25T10:00:30.000000Z", "version": 3},
    since="2026-11-23",
    description="The timebox has run out without a conclusion. Told once.",
)
CONCLUDED = declare(
    "spike.concluded",
    data=SpikeShown,
    example=_STARTED
    | {
        "status": "concluded",
        "concluded_at": "2026-11-25T09:00:00.000000Z",
        "feasibility": "feasible",
        "estimate": {"low": 3, "likely": 4, "high": 6, "unit": "weeks"},
        "risks": ["Large documents may be slow."],
        "recommendation": "build",
        "decision_id": "dec_01h455vb4pex5vsknk084sn02q",
        "version": 3,
    },
    since="2026-11-23",
    description="A spike has answered its four questions, and drafted the decision that they lead to.",
)
