"""From the first key to a recorded decision: what is done is seen in the data, never in what somebody says.

This reads the tables of other slices by one statement of its own and imports none of them.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import text

from api import json
from api.accounts.told import next_version
from api.db import wire_id
from api.onboarding import events
from api.onboarding.samples import samples
from api.stores import Prepared, Transaction
from api.webhooks.outbox import emit

_MINE = "workspace_id = :workspace_id AND livemode = :livemode"
# When each step was first taken, and the newest ids that the next request needs.
_FACTS = Prepared(
    text(
        f"""
SELECT (SELECT created_at FROM keys WHERE {_MINE} ORDER BY id LIMIT 1) AS key,
       (SELECT created_at FROM features WHERE {_MINE} ORDER BY id LIMIT 1) AS feature,
       (SELECT created_at FROM scores WHERE {_MINE} ORDER BY id LIMIT 1) AS score,
       (SELECT created_at FROM endpoints WHERE {_MINE} ORDER BY id LIMIT 1) AS endpoint,
       (SELECT created_at FROM roadmap_revisions WHERE {_MINE} ORDER BY id LIMIT 1) AS roadmap,
       (SELECT finished_at FROM deliveries WHERE {_MINE} AND status = 'delivered' ORDER BY id LIMIT 1) AS webhook,
       (SELECT created_at FROM decisions WHERE {_MINE} ORDER BY id LIMIT 1) AS decision,
       (SELECT recorded_at FROM decisions WHERE {_MINE} AND status = 'recorded' ORDER BY id LIMIT 1) AS record,
       (SELECT id FROM features WHERE {_MINE} ORDER BY id DESC LIMIT 1) AS feature_id,
       (SELECT id FROM endpoints WHERE {_MINE} ORDER BY id DESC LIMIT 1) AS endpoint_id,
       (SELECT id FROM decisions WHERE {_MINE} AND status = 'draft' ORDER BY id DESC LIMIT 1) AS decision_id"""
    )
)
_STEPS = Prepared(text(f"SELECT step, completed_at FROM onboarding_steps WHERE {_MINE} LIMIT 100"))
_COMPLETE = Prepared(
    text(
        """
INSERT INTO onboarding_steps (workspace_id, livemode, step, completed_at)
SELECT :workspace_id, :livemode, * FROM unnest(CAST(:steps AS text[]), CAST(:times AS timestamptz[]))
ON CONFLICT DO NOTHING RETURNING step"""
    )
)

_TITLES = {
    "key": ("Have a key", "Signing up gave you one for live data and one for the sandbox."),
    "feature": ("Make a feature", "What may be built is a resource, with an id that other tools can keep."),
    "score": ("Score it", "RICE is reach, impact, confidence and effort; the value is computed exactly, and kept."),
    "endpoint": ("Subscribe an endpoint", "Be told instead of asking. The inbox is a receiver that is built in."),
    "roadmap": ("Rank the roadmap", "One call ranks everything by its latest scores and tells what moved."),
    "webhook": ("Receive a webhook", "Signed, in order if you wish, and sent again until it arrives."),
    "decision": (
        "Draft a decision",
        "Options, criteria and ratings; the arithmetic is done for you.",
    ),
    "record": ("Record it", "What was chosen and why is frozen, and your endpoints are told."),
}
_DECISION = {
    "title": "Build or buy the editor",
    "kind": "build_vs_buy",
    "options": [{"key": "build", "title": "Build"}, {"key": "buy", "title": "Buy"}],
    "criteria": [
        {"key": "core", "title": "Core differentiator", "weight": 0.6},
        {"key": "speed", "title": "Time to market", "weight": 0.4},
    ],
    "ratings": {"build": {"core": 9, "speed": 3}, "buy": {"core": 2, "speed": 9}},
}


async def tutorial(tx: Transaction, base_url: str, inbox_url: str) -> dict[str, Any]:
    """The steps in order, each with whether the data shows it done. A step that was done stays so.

    What is found done for the first time is written down, and told by `tutorial.step_completed`.
    """
    facts = await tx.first(_FACTS)
    assert facts is not None
    kept = {row["step"]: row["completed_at"] for row in await tx.all(_STEPS)}
    done: dict[str, datetime] = {
        step: kept.get(step) or facts[step] for step in _TITLES if kept.get(step) or facts[step]
    }
    await _complete(tx, done, [step for step in done if step not in kept])
    ids = {
        "feature": wire_id("feat", facts["feature_id"]) if facts["feature_id"] else "FEATURE_ID",
        "endpoint": wire_id("ep", facts["endpoint_id"]) if facts["endpoint_id"] else "ENDPOINT_ID",
        "decision": wire_id("dec", facts["decision_id"]) if facts["decision_id"] else "DECISION_ID",
    }
    return {
        "object": "tutorial",
        "livemode": tx.scope.livemode,
        "completed": len(done),
        "total": len(_TITLES),
        "next": next((step for step in _TITLES if step not in done), None),
        "steps": [_shown(step, done.get(step), _request(step, ids, inbox_url), base_url) for step in _TITLES],
    }


async def _complete(tx: Transaction, done: dict[str, datetime], fresh: list[str]) -> None:
    if not fresh:
        return
    rows = await tx.all(_COMPLETE, steps=fresh, times=[done[step] for step in fresh])
    written = {row["step"] for row in rows}
    assert tx.scope.workspace_id is not None
    whose = {"id": wire_id("ws", tx.scope.workspace_id), "object": "tutorial_step"}
    for step in (step for step in fresh if step in written):
        place = len(done) - len(fresh) + fresh.index(step) + 1
        told = {"step": step, "completed_at": _time(done[step]), "completed": place, "total": len(_TITLES)}
        version = {"version": await next_version(tx)}
        await emit(tx, events.STEP_COMPLETED, json.dump(whose | version | told))


def _request(step: str, ids: dict[str, str], inbox_url: str) -> tuple[str, str, dict[str, Any] | None]:
    requests: dict[str, tuple[str, str, dict[str, Any] | None]] = {
        "key": ("GET", "/v1/tutorial", None),
        "feature": ("POST", "/v1/features", {"title": "Dark mode"}),
        "score": (
            "POST",
            f"/v1/features/{ids['feature']}/scores",
            {"framework": "rice", "inputs": {"reach": 5000, "impact": 1, "confidence": 0.8, "effort": 0.5}},
        ),
        "endpoint": ("POST", "/v1/endpoints", {"url": inbox_url, "event_types": ["*"]}),
        "roadmap": ("POST", "/v1/roadmap/reprioritize", {"framework": "rice", "reason": "The tutorial"}),
        "webhook": ("POST", f"/v1/endpoints/{ids['endpoint']}/test", {"event_type": "webhook.test"}),
        "decision": ("POST", "/v1/decisions", _DECISION),
        "record": (
            "POST",
            f"/v1/decisions/{ids['decision']}/record",
            {"chosen": "build", "rationale": "The editor is what sets us apart."},
        ),
    }
    return requests[step]


def _shown(
    step: str, at: datetime | None, request: tuple[str, str, dict[str, Any] | None], base_url: str
) -> dict[str, Any]:
    method, path, body = request
    title, why = _TITLES[step]
    return {
        "key": step,
        "title": title,
        "why": why,
        "done": at is not None,
        "completed_at": None if at is None else _time(at),
        "request": {"method": method, "path": path, "body": body},
        "samples": samples(base_url, method, path, body),
    }


def _time(at: datetime) -> str:
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")
