"""What is told of decisions. Drafts are not told: nobody acts on what is not decided."""

from typing import Any

from api.decisions.schemas import DecisionShown, Linked, ReviewDue
from api.webhooks.catalogue import declare

_OPTION: dict[str, Any] = {
    "pros": [],
    "cons": [],
    "cost": None,
    "effort": None,
    "exit_cost": None,
    "sla": None,
    "scope_kept": [],
    "scope_lost": [],
    "stated_total": None,
}
EXAMPLE: dict[str, Any] = {
    "id": "dec_01h455vb4pex5vsknk084sn02q",
    "object": "decision",
    "livemode": True,
    "number": 7,
    "aliases": ["ADR-0007"],
    "title": "Build or buy the editor's collaboration",
    "kind": "build_vs_buy",
    "context": None,
    "options": [
        {"key": "build", "title": "Build it", **_OPTION},
        {"key": "buy", "title": "Buy it", **_OPTION},
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
        "dominated": [{"option": "build", "by": "buy"}],
        "sensitivity": {
            "crossovers": [{"criterion": "speed", "weight": 1, "below": None, "above": None}],
            "smallest_flip": None,
            "win_probability": {"buy": 1, "build": 0},
            "concentration": 20,
            "draws": 20000,
            "robustness": "robust",
        },
    },
    "fixed": [],
    "assumptions": [],
    "triggers": [],
    "checklist": None,
    "estimate": None,
    "assessment": {
        "findings": [],
        "checklist": None,
        "estimate": None,
        "monthly_rates": {},
        "beaten": [],
        "flexible": [],
    },
    "status": "recorded",
    "chosen": "buy",
    "rationale": "We need it this quarter.",
    "decided_by": "Ada Lovelace",
    "decided_at": None,
    "confidence": 0.8,
    "votes": [{"who": "Ada Lovelace", "role": "engineering", "choice": "buy", "comment": None}],
    "review_at": "2027-05-23T00:00:00.000000Z",
    "recorded_at": "2026-11-23T09:30:00.000000Z",
    "source_format": None,
    "links": [],
    "reviews": [],
    "chained": {"position": 12, "hash": "9c56cc51b374c3ba189210d5b6d4bf57790d351c96c47c02190ecf1e430635ab"},
    "version": 2,
    "created_at": "2026-11-23T09:00:00.000000Z",
    "updated_at": "2026-11-23T09:30:00.000000Z",
}
_LINKED: dict[str, Any] = {
    "id": "dec_01h455vb4pex5vsknk084sn02q",
    "object": "decision_link",
    "version": 3,
    "livemode": True,
    "kind": "superseded_by",
    "number": 7,
    "title": "Build or buy the editor's collaboration",
    "by_id": "dec_01h455vb4pex5vsknk084sn03r",
    "by_number": 12,
    "by_title": "Host the editor's collaboration ourselves",
}

RECORDED = declare(
    "decision.recorded",
    data=DecisionShown,
    example=EXAMPLE,
    since="2026-11-23",
    description="A decision was recorded; from now on it never changes. Its hash is a witness that you hold.",
)
SUPERSEDED = declare(
    "decision.superseded",
    data=Linked,
    example=_LINKED,
    since="2026-11-23",
    description="A later decision took the place of a recorded one.",
)
AMENDED = declare(
    "decision.amended",
    data=Linked,
    example=_LINKED | {"kind": "amended_by"},
    since="2026-11-23",
    description="A later decision amends a recorded one, which holds on otherwise.",
)
REVIEW_DUE = declare(
    "decision.review_due",
    data=ReviewDue,
    example={
        "id": "dec_01h455vb4pex5vsknk084sn02q",
        "object": "decision_review",
        "version": 3,
        "livemode": True,
        "number": 7,
        "title": "Build or buy the editor's collaboration",
        "chosen": "buy",
        "cause": "trigger",
        "key": "too_expensive",
        "reason": "yearly_cost is 130000, the line is 120000.",
    },
    since="2026-11-23",
    description="A review date has come, a trigger was crossed, or an assumption fell. Each cause is told once.",
)
