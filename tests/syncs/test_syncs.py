"""The weekly sync, built from data, and blockers."""

from typing import Any

import asyncpg
import pytest

from tests.support.workspace import GUIDE, Workspace, made

BLOCKER = {"title": "The vendor's limit", "owner": "Ada", "severity": "high"}


def section(sync: dict[str, Any], name: str) -> list[str]:
    return [item["title"] for part in sync["agenda"] if part["section"] == name for item in part["items"]]


async def test_the_agenda_takes_30_minutes_in_four_parts_built_from_data(workspace: Workspace) -> None:
    features = {title: await workspace.scored(title) for title in GUIDE}
    await made(workspace.live, "/v1/roadmap/reprioritize", {"framework": "rice"})
    await workspace.feature("Later", status="planned")
    shipped = await workspace.feature("Search", status="in_progress")
    await workspace.live.patch(f"/v1/features/{shipped['id']}", json={"status": "shipped"})
    blocker = await made(workspace.live, "/v1/blockers", BLOCKER | {"feature_id": features["API v2"]["id"]})
    sync = await made(workspace.live, "/v1/syncs", {})
    assert [(part["section"], part["minutes"]) for part in sync["agenda"]] == [
        ("shipped", 5),
        ("priorities", 10),
        ("blockers", 10),
        ("ahead", 5),
    ]
    assert sync["minutes"] == 30
    assert section(sync, "shipped") == ["Search"]
    assert section(sync, "priorities") == ["Real-time collab", "Dark mode", "Performance", "API v2"]
    assert section(sync, "blockers") == [blocker["title"]]
    assert section(sync, "ahead") == ["Later"]
    page = await workspace.live.get(f"/v1/syncs/{sync['id']}", headers={"Accept": "text/markdown"})
    assert page.text == sync["markdown"]
    for words in ("(30 min)", "## 1. Shipped last week (5 min)", "- Search (shipped", "rank 1"):
        assert words in page.text


async def test_what_was_told_as_shipped_is_not_told_again_next_week(workspace: Workspace) -> None:
    feature = await workspace.feature("Search", status="shipped")
    first = await made(workspace.live, "/v1/syncs", {"week": "2026-W01"})
    await workspace.live.patch(f"/v1/features/{feature['id']}", json={"title": "Search, renamed"})
    again = await made(workspace.live, "/v1/syncs", {"week": "2026-W01"})
    second = await made(workspace.live, "/v1/syncs", {"week": "2026-W02"})
    assert (section(first, "shipped"), section(again, "shipped")) == (["Search"], ["Search, renamed"])
    assert section(second, "shipped") == []


async def test_priorities_that_changed_outside_a_sync_are_listed(
    workspace: Workspace, owner: asyncpg.Connection
) -> None:
    for title in ("API v2", "Dark mode"):
        await workspace.scored(title)
    await made(workspace.live, "/v1/roadmap/reprioritize", {})
    await made(workspace.live, "/v1/syncs", {"week": "2026-W01"})
    await workspace.scored("Real-time collab")
    await made(workspace.live, "/v1/roadmap/reprioritize", {"reason": "A customer called"})
    agreed = await made(workspace.live, "/v1/syncs", {"week": "2026-W02"})
    assert agreed["surprises"] == [], "within two hours of a sync, it was spoken of there"
    await owner.execute("UPDATE syncs SET created_at = created_at - interval '7 days'")
    sync = await made(workspace.live, "/v1/syncs", {"week": "2026-W03"})
    surprise = sync["surprises"][0]
    assert (surprise["reason"], surprise["moves"][0]["title"], surprise["moves"][0]["to"]) == (
        "A customer called",
        "Real-time collab",
        1,
    )
    assert "Changed outside a sync" in sync["markdown"]
    assert "A customer called" in sync["markdown"]


async def test_what_is_not_done_is_carried_over(workspace: Workspace) -> None:
    first = await made(workspace.live, "/v1/syncs", {"week": "2026-W10"})
    actions = [{"text": "Ask the vendor", "owner": "Ada"}, {"text": "Write it down", "done": True}]
    body = {"status": "held", "notes": "Short.", "actions": actions}
    held = (await workspace.live.patch(f"/v1/syncs/{first['id']}", json=body)).json()
    assert (held["status"], held["notes"]) == ("held", "Short.")
    assert held["held_at"] is not None
    back = await workspace.live.patch(f"/v1/syncs/{first['id']}", json={"status": "planned"})
    assert (back.status_code, back.json()["code"]) == (409, "sync_held")
    second = await made(workspace.live, "/v1/syncs", {"week": "2026-03-12"})
    assert second["week"] == "2026-W11"
    assert [action["text"] for action in second["carried_over"]] == ["Ask the vendor"]
    assert "- [ ] Ask the vendor (Ada)" in second["markdown"]


@pytest.mark.parametrize("week", ["2026-W54", "2026-W00", "2026-02-30", "next", "2026-11"])
async def test_a_week_that_is_none_is_refused(week: str, workspace: Workspace) -> None:
    answer = await workspace.live.post("/v1/syncs", json={"week": week})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["target"]["name"] == "/week"


async def test_a_blocker_is_opened_escalated_and_resolved(workspace: Workspace, owner: asyncpg.Connection) -> None:
    blocker = await made(workspace.live, "/v1/blockers", BLOCKER)
    path = f"/v1/blockers/{blocker['id']}"
    assert (blocker["status"], blocker["age_days"], blocker["overdue"]) == ("open", 0, False)
    await owner.execute("UPDATE blockers SET created_at = created_at - interval '3 days'")
    old = (await workspace.live.get(path)).json()
    assert (old["age_days"], old["overdue"]) == (3, True)
    sync = await made(workspace.live, "/v1/syncs", {})
    assert "open for 3 days, with Ada, overdue: resolve or escalate" in sync["markdown"]
    escalated = (await workspace.live.patch(path, json={"escalated_to": "Grace"})).json()
    assert (escalated["status"], escalated["escalated_to"]) == ("escalated", "Grace")
    resolved = (await workspace.live.patch(path, json={"resolution": "They raised it."})).json()
    assert (resolved["status"], resolved["overdue"]) == ("resolved", False)
    again = await workspace.live.patch(path, json={"title": "Other"})
    assert (again.status_code, again.json()["code"]) == (409, "blocker_resolved")
    types = [event["type"] for event in (await workspace.live.get("/v1/events")).json()["data"]]
    assert sorted(types) == ["blocker.escalated", "blocker.opened", "blocker.resolved", "sync.generated"]
    assert (await workspace.live.get("/v1/blockers", params={"status": "open"})).json()["data"] == []
