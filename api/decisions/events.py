"""What is told of decisions."""

from api.decisions.schemas import DecisionShown
from api.webhooks.catalogue import declare

RECORDED = declare(
    "decision.recorded",
    data=DecisionShown,
    example={
        "id": "dec_01h455vb4pex5vsknk084sn02q",
        "object": "decision",
        "livemode": True,
        "title": "Build or buy the editor's collaboration",
        "kind": "build_vs_buy",
        "context": None,
        "options": [
            {"key": "build", "title": "Build it", "pros": [], "cons": []},
            {"key": "buy", "title": "Buy it", "pros": [], "cons": []},
        ],
        "criteria": [{"key": "speed", "title": "Time to market", "weight": 1, "direction": "benefit"}],
        "ratings": {"build": {"speed": 2}, "buy": {"speed": 10}},
        "missing_ratings": [],
        "analysis": {
            "totals": {"buy": 10, "build": 2},
            "contributions": {"buy": {"speed": 10}, "build": {"speed": 2}},
            "weights": {"speed": 1},
            "weight_sum": 1,
            "normalised": False,
            "order": ["buy", "build"],
            "leader": "buy",
            "runner_up": "build",
            "margin": 8,
            "margin_share": 0.8,
        },
        "status": "recorded",
        "chosen": "buy",
        "rationale": "We need it this quarter.",
        "decided_by": "Ada Lovelace",
        "review_at": "2027-05-23T00:00:00.000000Z",
        "recorded_at": "2026-11-23T09:30:00.000000Z",
        "version": 2,
        "created_at": "2026-11-23T09:00:00.000000Z",
        "updated_at": "2026-11-23T09:30:00.000000Z",
    },
    since="2026-11-23",
    description="A decision was recorded; from now on it never changes.",
)
