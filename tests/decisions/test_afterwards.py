"""What happens to a decision once it is recorded: links, observations, reviews."""

from typing import Any

import asyncpg

from api.settings import Settings
from api.stores import WORKER_ROLE, open_stores
from tests.support.workspace import Workspace, made
from workers.reviews import review

DRAFT = {
    "title": "Firebase or Yjs",
    "kind": "build_vs_buy",
    "options": [{"key": "firebase", "title": "Firebase"}, {"key": "yjs", "title": "Yjs"}],
    "assumptions": [{"key": "small", "text": "Fewer than 50 people edit one document."}],
    "triggers": [
        {"key": "dear", "metric": "yearly_cost", "op": "gt", "value": 120000},
        {"key": "slow", "metric": "latency", "op": "gte", "value": 200, "statistic": "mean", "window_days": 7},
    ],
}
VERDICT = {"chosen": "firebase", "rationale": "It is quick."}


async def recorded(workspace: Workspace, **verdict: Any) -> dict[str, Any]:
    draft = await made(workspace.live, "/v1/decisions", DRAFT)
    return await made(workspace.live, f"/v1/decisions/{draft['id']}/record", VERDICT | verdict)


async def events(workspace: Workspace, type_: str) -> list[dict[str, Any]]:
    told = (await workspace.live.get("/v1/events", params={"limit": 100})).json()["data"]
    return [event for event in told if event["type"] == type_]


async def observe(workspace: Workspace, decision: dict[str, Any], **seen: Any) -> dict[str, Any]:
    return await made(workspace.live, f"/v1/decisions/{decision['id']}/observations", seen)


async def link(workspace: Workspace, later: dict[str, Any], kind: str, earlier: dict[str, Any]) -> Any:
    body = {"kind": kind, "decision_id": earlier["id"]}
    return await workspace.live.post(f"/v1/decisions/{later['id']}/links", json=body)


async def test_a_later_decision_supersedes_an_earlier_one_and_edits_neither(workspace: Workspace) -> None:
    first, second = await recorded(workspace), await recorded(workspace)
    assert (await link(workspace, second, "supersedes", first)).status_code == 200
    before = (await workspace.live.get(f"/v1/decisions/{first['id']}")).json()
    assert [(one["kind"], one["decision_id"]) for one in before["links"]] == [("superseded_by", second["id"])]
    assert {name: before[name] for name in before if name != "links"} == {
        name: first[name] for name in first if name != "links"
    }
    after = (await workspace.live.get(f"/v1/decisions/{second['id']}")).json()
    assert [(one["kind"], one["decision_id"]) for one in after["links"]] == [("supersedes", first["id"])]
    [told] = await events(workspace, "decision.superseded")
    assert (await workspace.live.get("/v1/decisions/chain")).json()["length"] == 3
    assert told["type"] == "decision.superseded"


async def test_links_that_lead_back_are_refused(workspace: Workspace) -> None:
    first, second, third = [await recorded(workspace) for _ in range(3)]
    await link(workspace, second, "amends", first)
    await link(workspace, third, "supersedes", second)
    for later, earlier in ((first, third), (first, second), (first, first)):
        answer = await link(workspace, later, "amends", earlier)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "cycle")


async def test_a_decision_is_superseded_once_and_only_by_what_is_recorded(workspace: Workspace) -> None:
    first, second, third = [await recorded(workspace) for _ in range(3)]
    draft = await made(workspace.live, "/v1/decisions", DRAFT)
    assert (await link(workspace, draft, "supersedes", first)).json()["code"] == "not_recorded"
    await link(workspace, second, "supersedes", first)
    again = await link(workspace, third, "supersedes", first)
    assert (again.status_code, again.json()["code"]) == (409, "already_superseded")
    other = await link(workspace, third, "amends", {"id": "dec_01h455vb4pex5vsknk084sn02q"})
    assert other.status_code == 400


async def test_a_metric_over_its_line_makes_a_review_due_once(workspace: Workspace) -> None:
    decision = await recorded(workspace)
    assert (await observe(workspace, decision, metric="yearly_cost", value=120000))["raised"] == []
    assert (await observe(workspace, decision, metric="yearly_cost", value=130000))["raised"] == ["dear"]
    assert (await observe(workspace, decision, metric="yearly_cost", value=140000))["raised"] == []
    assert len(await events(workspace, "decision.review_due")) == 1
    shown = (await workspace.live.get(f"/v1/decisions/{decision['id']}")).json()
    assert [(one["cause"], one["key"]) for one in shown["reviews"]] == [("trigger", "dear")]
    due = (await workspace.live.get("/v1/decisions", params={"review_due": "true"})).json()["data"]
    assert [one["id"] for one in due] == [decision["id"]]
    assert (await workspace.live.get("/v1/decisions", params={"review_due": "false"})).json()["data"] == []


async def test_a_windows_mean_looks_back_from_the_newest_observation(workspace: Workspace) -> None:
    decision = await recorded(workspace)
    seen = [("2026-11-01", 900), ("2026-11-20", 150), ("2026-11-22", 190), ("2026-11-23", 260)]
    raised = [
        (await observe(workspace, decision, metric="latency", value=value, observed_at=f"{day}T00:00:00Z"))["raised"]
        for day, value in seen[1:]
    ]
    assert raised == [[], [], ["slow"]]


async def test_an_old_outlier_outside_the_window_raises_nothing(workspace: Workspace) -> None:
    decision = await recorded(workspace)
    await observe(workspace, decision, metric="latency", value=100, observed_at="2026-11-23T00:00:00Z")
    late = await observe(workspace, decision, metric="latency", value=5000, observed_at="2026-11-01T00:00:00Z")
    assert late["raised"] == []


async def test_an_assumption_that_fell_makes_a_review_due(workspace: Workspace) -> None:
    decision = await recorded(workspace)
    assert (await observe(workspace, decision, assumption="small", holds=True))["raised"] == []
    assert (await observe(workspace, decision, assumption="small", holds=False))["raised"] == ["small"]
    bad = await workspace.live.post(
        f"/v1/decisions/{decision['id']}/observations", json={"assumption": "other", "holds": False}
    )
    assert bad.status_code == 400
    both = await workspace.live.post(f"/v1/decisions/{decision['id']}/observations", json={"metric": "x"})
    assert both.status_code == 400


async def test_a_drafts_triggers_wait_until_it_is_recorded(workspace: Workspace) -> None:
    draft = await made(workspace.live, "/v1/decisions", DRAFT)
    assert (await observe(workspace, draft, metric="yearly_cost", value=10**6))["raised"] == []


async def test_the_clock_tells_a_due_review_once(
    workspace: Workspace, other_workspace: Workspace, settings: Settings
) -> None:
    decision = await recorded(workspace, review_at="2026-01-01T00:00:00Z")
    await recorded(workspace, review_at="2996-01-01T00:00:00Z")
    theirs = await recorded(other_workspace, review_at="2026-01-01T00:00:00Z")
    async with open_stores(settings, role=WORKER_ROLE) as stores:
        for _ in range(2):
            await review({"stores": stores})
    assert len(await events(workspace, "decision.review_due")) == 1
    assert len(await events(other_workspace, "decision.review_due")) == 1
    for caller, id_ in ((workspace, decision["id"]), (other_workspace, theirs["id"])):
        shown = (await caller.live.get(f"/v1/decisions/{id_}")).json()
        assert [one["cause"] for one in shown["reviews"]] == ["date"]


async def test_dissent_is_kept_with_the_record(workspace: Workspace) -> None:
    votes = [{"who": "Ada", "role": "engineering", "choice": "yjs"}, {"who": "Grace", "choice": "firebase"}]
    decision = await recorded(workspace, votes=votes, confidence=0.6)
    assert [vote["choice"] for vote in decision["votes"]] == ["yjs", "firebase"]
    assert decision["confidence"] == 0.6
    draft = await made(workspace.live, "/v1/decisions", DRAFT)
    answer = await workspace.live.post(
        f"/v1/decisions/{draft['id']}/record", json=VERDICT | {"votes": [{"who": "Eve", "choice": "none"}]}
    )
    assert answer.status_code == 400


async def test_decisions_are_found_by_number_and_alias(workspace: Workspace, owner: asyncpg.Connection) -> None:
    await made(workspace.live, "/v1/decisions", DRAFT | {"aliases": ["ADR-0007"]})
    second = await made(workspace.live, "/v1/decisions", DRAFT)
    found = (await workspace.live.get("/v1/decisions", params={"alias": "ADR-0007"})).json()["data"]
    assert [one["number"] for one in found] == [1]
    found = (await workspace.live.get("/v1/decisions", params={"number": "2"})).json()["data"]
    assert [one["id"] for one in found] == [second["id"]]
