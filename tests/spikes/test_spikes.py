"""Spikes: a question, a timebox, an owner; four answers at the end, and an overrun that is told."""

from typing import Any

import asyncpg
import pytest

from api.settings import Settings
from api.stores import WORKER_ROLE, open_stores
from tests.support.workspace import Workspace, made
from workers.reviews import review

SPIKE = {
    "question": "Can Yjs merge the edits of 50 people within 200 ms?",
    "timebox_days": 2,
    "owner": "Ada Lovelace",
}
CONCLUSION = {
    "feasibility": "feasible",
    "estimate": {"low": 3, "high": 6, "unit": "weeks"},
    "risks": ["Large documents may be slow."],
    "recommendation": "build",
}


async def types(workspace: Workspace) -> list[str]:
    return [event["type"] for event in (await workspace.live.get("/v1/events")).json()["data"]]


@pytest.mark.parametrize("missing", ["timebox_days", "owner", "question"])
async def test_a_spike_needs_a_question_a_timebox_and_an_owner(missing: str, workspace: Workspace) -> None:
    body = {name: value for name, value in SPIKE.items() if name != missing}
    answer = await workspace.live.post("/v1/spikes", json=body)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["target"]["name"] == f"/{missing}"


@pytest.mark.parametrize(
    "question",
    [
        "Just tell me how long this will take.",
        "How long will this take?",
        "When can you finish it?",
        "I need an estimate for search",
    ],
)
async def test_a_request_that_only_asks_how_long_is_refused_with_what_to_ask(
    question: str, workspace: Workspace
) -> None:
    answer = await workspace.live.post("/v1/spikes", json=SPIKE | {"question": question})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "asks_only_how_long")
    assert "Can we do a 2-day spike to prototype the approach?" in answer.json()["detail"]


async def test_the_guides_good_request_is_taken(workspace: Workspace) -> None:
    question = "Can we do a 2-day spike to prototype the approach? Then we'll have a better estimate."
    assert (await made(workspace.live, "/v1/spikes", SPIKE | {"question": question}))["status"] == "requested"
    assert (await workspace.live.post("/v1/spikes", json=SPIKE | {"timebox_days": 11})).status_code == 400


async def test_a_spike_is_started_concluded_and_drafts_a_decision(workspace: Workspace) -> None:
    spike = await made(workspace.live, "/v1/spikes", SPIKE)
    started = await made(workspace.live, f"/v1/spikes/{spike['id']}/start", {})
    assert (started["status"], started["version"]) == ("started", 2)
    assert started["due_at"] > started["started_at"]
    again = await workspace.live.post(f"/v1/spikes/{spike['id']}/start", json={})
    assert (again.status_code, again.json()["code"]) == (409, "spike_started")
    concluded = await made(workspace.live, f"/v1/spikes/{spike['id']}/conclude", CONCLUSION)
    assert (concluded["status"], concluded["recommendation"]) == ("concluded", "build")
    decision = (await workspace.live.get(f"/v1/decisions/{concluded['decision_id']}")).json()
    assert (decision["status"], decision["kind"]) == ("draft", "build_vs_buy")
    assert [option["key"] for option in decision["options"]] == ["build", "buy", "defer"]
    assert decision["options"][0]["cons"] == ["Large documents may be slow."]
    assert "3 to 6 weeks" in decision["context"]
    twice = await workspace.live.post(f"/v1/spikes/{spike['id']}/conclude", json=CONCLUSION)
    assert (twice.status_code, twice.json()["code"]) == (409, "spike_concluded")
    assert await types(workspace) == ["spike.concluded", "spike.started", "spike.requested"]


@pytest.mark.parametrize("missing", sorted(CONCLUSION))
async def test_a_conclusion_answers_all_four_questions(missing: str, workspace: Workspace) -> None:
    spike = await made(workspace.live, "/v1/spikes", SPIKE)
    body = {name: value for name, value in CONCLUSION.items() if name != missing}
    answer = await workspace.live.post(f"/v1/spikes/{spike['id']}/conclude", json=body)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["target"]["name"] == f"/{missing}"


@pytest.mark.parametrize(
    "wrong",
    [
        {"estimate": {"low": 6, "high": 3}},
        {"estimate": {"low": 3, "likely": 9, "high": 6}},
        {"risks": []},
        {"feasibility": "infeasible"},
    ],
)
async def test_a_conclusion_that_contradicts_itself_is_refused(wrong: dict[str, Any], workspace: Workspace) -> None:
    spike = await made(workspace.live, "/v1/spikes", SPIKE)
    answer = await workspace.live.post(f"/v1/spikes/{spike['id']}/conclude", json=CONCLUSION | wrong)
    assert answer.status_code == 400


async def test_an_overrun_is_told_once(workspace: Workspace, owner: asyncpg.Connection, settings: Settings) -> None:
    spikes = [await made(workspace.live, "/v1/spikes", SPIKE) for _ in range(2)]
    for spike in spikes:
        await made(workspace.live, f"/v1/spikes/{spike['id']}/start", {})
    await owner.execute(
        "UPDATE spikes SET due_at = now() - interval '1 hour' WHERE roadbed_id('spike', id) = $1", spikes[0]["id"]
    )
    async with open_stores(settings, role=WORKER_ROLE) as stores:
        for _ in range(2):
            await review({"stores": stores})
    assert (await types(workspace)).count("spike.overran") == 1
    over, fine = [(await workspace.live.get(f"/v1/spikes/{spike['id']}")).json() for spike in spikes]
    assert over["overran_at"] is not None
    assert fine["overran_at"] is None


async def test_a_spike_for_a_feature_that_is_not_here_is_refused(
    workspace: Workspace, other_workspace: Workspace
) -> None:
    theirs = await other_workspace.feature()
    answer = await workspace.live.post("/v1/spikes", json=SPIKE | {"feature_id": theirs["id"]})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "unknown_feature")
