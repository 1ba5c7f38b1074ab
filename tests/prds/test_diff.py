from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.prds.diff import diff
from api.prds.schemas import Sections
from tests.prds.support import changed, drafted
from tests.support.workspace import Workspace


def sections(*requirements: dict[str, Any], **others: Any) -> dict[str, Any]:
    return Sections.model_validate({"requirements": list(requirements), **others}).model_dump()


def requirement(text: str, code: str = "NFR-001", kind: str = "performance", **fields: Any) -> dict[str, Any]:
    return {"id": code, "kind": kind, "text": text, **fields}


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ("Answers in <200ms p95", "Answers in <300ms p95", "relaxed"),
        ("Answers in <200ms p95", "Answers in <100ms p95", "tightened"),
        ("Answers in <200ms p95", "Answers in <200ms p99", "tightened"),
        ("Answers in <200ms p99", "Answers in <200ms p95", "relaxed"),
        ("Answers in <200ms p95", "Answers in <=200ms p95", "relaxed"),
        ("Answers in <200ms p95", "Answers in <300ms p99", "retargeted"),
        ("Answers in <200ms p95", "Replies in <200ms p95", "reworded"),
        ("Answers in <200ms p95", "Answers in <0.2s p95", "reworded"),
        ("99.9% uptime", "99.5% uptime", "relaxed"),
        ("99.9% uptime", "99.95% uptime", "tightened"),
        ("Support 50 concurrent editors", "Support 200 concurrent editors", "tightened"),
        ("Answers fast", "Answers in <200ms p95", "tightened"),
        ("Answers in <200ms p95", "Answers fast", "relaxed"),
        ("Answers in <200ms p95", "99.9% uptime", "retargeted"),
    ],
)
def test_a_requirement_is_relaxed_or_tightened_by_what_it_asks_for(before: str, after: str, change: str) -> None:
    [found] = diff("A", sections(requirement(before)), "A", sections(requirement(after)))
    assert (found.section, found.id, found.change) == ("requirements", "NFR-001", change)


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.sampled_from(["<", "<=", ">", ">="]))
def test_relaxing_back_is_tightening(first: int, second: int, op: str) -> None:
    one, other = (sections(requirement("x", op=op, value=Decimal(value), unit="ms")) for value in (first, second))
    there, back = diff("A", one, "A", other), diff("A", other, "A", one)
    if first == second:
        assert there == back == []
    else:
        assert {there[0].change, back[0].change} == {"relaxed", "tightened"}
        looser = max(first, second) if op[0] == "<" else min(first, second)
        assert (there[0].change == "relaxed") == (second == looser)


def test_what_is_new_what_is_gone_and_what_was_replaced() -> None:
    before = sections(requirement("A", "FR-001", "functional"), requirement("B", "FR-002", "functional"))
    replaced = requirement("A", "FR-001", "functional", status="superseded", superseded_by="FR-003")
    after = sections(replaced, requirement("C", "FR-003", "functional"))
    found = [(change.id, change.change) for change in diff("A", before, "A", after)]
    assert found == [("FR-002", "removed"), ("FR-001", "superseded"), ("FR-003", "added")]


def test_the_other_sections_are_compared_by_item() -> None:
    before = sections(
        risks=[{"description": "The index is stale at night"}], user_stories=[{"text": "As a user, I can x"}]
    )
    after = sections(
        risks=[{"description": "The index is stale at noon", "mitigation": "Refresh"}, {"description": "Too dear"}],
        solution="An index",
        open_questions=[{"id": "Q-001", "text": "Why?"}],
    )
    found = [(change.section, change.change) for change in diff("A", before, "B", after)]
    assert found == [
        ("title", "changed"),
        ("open_questions", "added"),
        ("solution", "added"),
        ("user_stories", "removed"),
        ("risks", "reworded"),
        ("risks", "added"),
    ]


def test_a_metric_whose_target_moves_is_relaxed() -> None:
    metric = {"id": "SC-001", "name": "Adoption", "target": 80, "unit": "percent"}
    [found] = diff("A", sections(success_metrics=[metric]), "A", sections(success_metrics=[metric | {"target": 60}]))
    assert (found.change, found.detail) == ("relaxed", ">= 80 percent → >= 60 percent")


def test_nothing_changed_is_no_change() -> None:
    one = sections(requirement("Answers in <200ms p95"), solution="An index")
    assert diff("A", one, "A", one) == []


async def test_two_versions_are_compared_over_http(workspace: Workspace) -> None:
    prd = await drafted(workspace)
    rows = prd["requirements"]
    slower = rows[1] | {"text": "Search answers in <500ms p95"}
    await changed(workspace, prd, requirements=[rows[0], slower, {"text": "Typos are forgiven"}])
    answer = (await workspace.live.get(f"/v1/prds/{prd['id']}/diff", params={"from": 1, "to": 2})).json()
    assert answer["summary"] == {"added": 1, "relaxed": 1, "removed": 1}
    [relaxed] = [change for change in answer["changes"] if change["change"] == "relaxed"]
    assert relaxed["detail"] == "< 200 ms p95 → < 500 ms p95"
    assert (await workspace.live.get(f"/v1/prds/{prd['id']}/diff", params={"from": 1})).json() == answer
    assert (await workspace.live.get(f"/v1/prds/{prd['id']}/diff", params={"from": 1, "to": 9})).status_code == 404
    assert (await workspace.live.get(f"/v1/prds/{prd['id']}/diff", params={"from": 0})).status_code == 400
