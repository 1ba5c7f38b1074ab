import asyncio

import pytest

from tests.prds.support import changed, drafted, reviewed, told
from tests.support.workspace import Workspace, made


async def in_review(workspace: Workspace, **fields: object) -> dict:
    return await changed(workspace, await drafted(workspace, **fields), status="in_review")


async def status_of(workspace: Workspace, prd: dict) -> str:
    return (await workspace.live.get(f"/v1/prds/{prd['id']}")).json()["status"]


async def test_the_quorum_approves(workspace: Workspace) -> None:
    prd = await in_review(workspace, approvals_required=2)
    first = await reviewed(workspace, prd, "Ada")
    assert (first["prd_status"], first["approval"]["approved_by"]) == ("in_review", ["Ada"])
    second = await reviewed(workspace, prd, "Grace")
    assert (second["prd_status"], await status_of(workspace, prd)) == ("approved", "approved")
    types = [event["type"] for event in await told(workspace)]
    assert types == ["prd.created", "prd.status_changed", "review.submitted", "review.submitted", "prd.approved"]


async def test_one_reviewer_is_one_approval(workspace: Workspace) -> None:
    prd = await in_review(workspace, approvals_required=2)
    for _ in range(3):
        answer = await reviewed(workspace, prd, "Ada")
    assert (answer["approval"]["approved_by"], await status_of(workspace, prd)) == (["Ada"], "in_review")


async def test_who_asks_for_changes_holds_the_approval_until_he_approves(workspace: Workspace) -> None:
    prd = await in_review(workspace)
    await reviewed(workspace, prd, "Ada", "request_changes")
    held = await reviewed(workspace, prd, "Grace")
    assert (held["prd_status"], held["approval"]["changes_requested_by"]) == ("in_review", ["Ada"])
    assert (await reviewed(workspace, prd, "Ada"))["prd_status"] == "approved"


async def test_a_change_makes_the_approval_stale(workspace: Workspace) -> None:
    prd = await in_review(workspace)
    await reviewed(workspace, prd, "Ada")
    again = await changed(workspace, prd, solution="Something else.")
    assert (again["status"], again["content_version"], again["version"]) == ("in_review", 4, 4)
    assert [event["type"] for event in await told(workspace)][-2:] == ["prd.updated", "prd.approval_invalidated"]
    stale = await workspace.live.patch(f"/v1/prds/{prd['id']}", json={"status": "approved"})
    assert (stale.status_code, stale.json()["code"]) == (409, "not_approved")
    assert (await reviewed(workspace, prd, "Ada"))["prd_status"] == "approved"


async def test_half_of_a_quorum_goes_stale_too(workspace: Workspace) -> None:
    prd = await in_review(workspace, approvals_required=2)
    await reviewed(workspace, prd, "Ada")
    await changed(workspace, prd, solution="Something else.")
    assert (await reviewed(workspace, prd, "Grace"))["approval"]["approved_by"] == ["Grace"]


async def test_how_far_the_work_is_makes_no_approval_stale(workspace: Workspace) -> None:
    prd = await in_review(workspace)
    await reviewed(workspace, prd, "Ada")
    answer = await workspace.live.patch(f"/v1/prds/{prd['id']}/requirements/FR-001", json={"task_status": "done"})
    assert (answer.json()["status"], answer.json()["content_version"]) == ("approved", 1)


async def test_a_blocking_question_without_an_answer_blocks_the_approval(workspace: Workspace) -> None:
    prd = await in_review(workspace, open_questions=[{"text": "In which languages?", "blocking": True}])
    answer = await workspace.live.post(f"/v1/prds/{prd['id']}/reviews", json={"verdict": "approve", "reviewer": "Ada"})
    assert (answer.status_code, answer.json()["code"]) == (409, "blocking_questions")
    assert "Q-001" in answer.json()["detail"]
    await workspace.live.patch(f"/v1/prds/{prd['id']}/questions/Q-001", json={"answer": "English"})
    assert (await reviewed(workspace, prd, "Ada"))["prd_status"] == "approved"


async def test_reviews_wait_for_the_review(workspace: Workspace) -> None:
    prd = await drafted(workspace)
    path = f"/v1/prds/{prd['id']}/reviews"
    early = await workspace.live.post(path, json={"verdict": "approve"})
    assert (early.status_code, early.json()["code"]) == (409, "not_in_review")
    comment = {"verdict": "comment", "comments": [{"pointer": "/requirements/0", "text": "How?"}]}
    kept = await made(workspace.live, path, comment)
    assert kept["reviewer"]
    listed = (await workspace.live.get(path)).json()["data"]
    assert [(row["verdict"], row["comments"]) for row in listed] == [("comment", comment["comments"])]


async def test_a_prd_goes_all_the_way(workspace: Workspace) -> None:
    prd = await in_review(workspace)
    await reviewed(workspace, prd, "Ada")
    for status in ("shipped", "archived"):
        assert (await changed(workspace, prd, status=status))["status"] == status
    moves = [event["data"]["previous_status"] for event in await told(workspace) if "previous_status" in event["data"]]
    assert moves == ["draft", "in_review", "approved", "shipped"]


@pytest.mark.parametrize("status", ["approved", "shipped"])
async def test_no_status_is_skipped(workspace: Workspace, status: str) -> None:
    prd = await drafted(workspace)
    answer = await workspace.live.patch(f"/v1/prds/{prd['id']}", json={"status": status})
    assert (answer.status_code, answer.json()["code"]) == (409, "illegal_transition")


async def test_approved_is_not_taken_without_the_quorum(workspace: Workspace) -> None:
    prd = await in_review(workspace)
    answer = await workspace.live.patch(f"/v1/prds/{prd['id']}", json={"status": "approved"})
    assert (answer.status_code, answer.json()["code"]) == (409, "not_approved")


async def test_a_change_and_the_approval_of_what_was_before_do_not_go_together(workspace: Workspace) -> None:
    prd = await in_review(workspace, approvals_required=2)
    await reviewed(workspace, prd, "Ada")
    patch = {"approvals_required": 1, "solution": "Something else.", "status": "approved"}
    answer = await workspace.live.patch(f"/v1/prds/{prd['id']}", json=patch)
    assert (answer.status_code, answer.json()["code"]) == (409, "not_approved")
    assert (await changed(workspace, prd, approvals_required=1, status="approved"))["status"] == "approved"


async def test_what_shipped_is_not_rewritten(workspace: Workspace) -> None:
    prd = await in_review(workspace)
    await reviewed(workspace, prd, "Ada")
    await changed(workspace, prd, status="shipped")
    answer = await workspace.live.patch(f"/v1/prds/{prd['id']}", json={"solution": "Something else."})
    assert (answer.status_code, answer.json()["code"]) == (409, "prd_frozen")
    done = await workspace.live.patch(f"/v1/prds/{prd['id']}/requirements/FR-001", json={"task_status": "done"})
    assert done.status_code == 200
    await made(workspace.live, f"/v1/prds/{prd['id']}/observations", {"metric_id": "SC-001", "value": 61})
    await changed(workspace, prd, status="archived")
    assert (await workspace.live.patch(f"/v1/prds/{prd['id']}", json={"status": "draft"})).status_code == 409


async def test_two_last_approvals_at_once_approve_once(workspace: Workspace) -> None:
    prd = await in_review(workspace)
    path = f"/v1/prds/{prd['id']}/reviews"
    answers = await asyncio.gather(
        *(workspace.live.post(path, json={"verdict": "approve", "reviewer": name}) for name in ("Ada", "Grace", "Mary"))
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
    assert [event["type"] for event in await told(workspace)].count("prd.approved") == 1


async def test_a_change_from_an_older_version_is_refused(workspace: Workspace) -> None:
    prd = await drafted(workspace)
    await changed(workspace, prd, solution="An index.")
    path = f"/v1/prds/{prd['id']}/requirements"
    answer = await workspace.live.post(path, json={"text": "Ranked"}, headers={"If-Match": '"1"'})
    assert (answer.status_code, answer.headers["etag"]) == (412, '"2"')
