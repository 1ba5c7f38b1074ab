"""PRDs that tests begin with, and short ways to them."""

from pathlib import Path
from typing import Any

from tests.support.workspace import Workspace, made

DOCUMENTS = Path(__file__).parent / "documents"
GUIDE = (DOCUMENTS / "guide_prd.md").read_text()
CLEAN = (DOCUMENTS / "clean_prd.md").read_text()
GOOD_STORY = (DOCUMENTS / "good_story.md").read_text()
BAD_STORY = (DOCUMENTS / "bad_story.md").read_text()

SEARCH: dict[str, Any] = {
    "title": "Search",
    "problem": {"statement": "People cannot find their documents."},
    "requirements": [
        {"text": "Results are ranked by relevance"},
        {"kind": "performance", "text": "Search answers in <200ms p95"},
        {"kind": "reliability", "text": "99.9% uptime"},
    ],
    "success_metrics": [
        {"category": "product", "name": "Searches with a click", "baseline": 20, "target": 60, "unit": "percent"}
    ],
    "open_questions": [{"text": "How long is the index kept?"}],
}


async def drafted(workspace: Workspace, **fields: Any) -> dict[str, Any]:
    """A PRD about search, with other fields where given."""
    return await made(workspace.live, "/v1/prds", SEARCH | fields)


async def changed(workspace: Workspace, prd: dict[str, Any], **patch: Any) -> dict[str, Any]:
    """PATCH, and the PRD after it."""
    answer = await workspace.live.patch(f"/v1/prds/{prd['id']}", json=patch)
    assert answer.is_success, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


async def reviewed(
    workspace: Workspace, prd: dict[str, Any], reviewer: str, verdict: str = "approve"
) -> dict[str, Any]:
    return await made(workspace.live, f"/v1/prds/{prd['id']}/reviews", {"verdict": verdict, "reviewer": reviewer})


async def told(workspace: Workspace) -> list[dict[str, Any]]:
    """Every event of the workspace about PRDs, oldest first."""
    answer = await workspace.live.get("/v1/events", params={"limit": 100})
    assert answer.is_success, answer.text
    return sorted(answer.json()["data"], key=lambda event: event["id"])
