import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.prds import speckit, taskmaster
from api.prds.bring_in import understand
from api.prds.number import number
from api.prds.schemas import SECTIONS
from tests.prds.support import CLEAN, GUIDE, changed, drafted
from tests.support.workspace import Workspace, made

SPEC = """\
# Feature Specification: Photo albums

**Feature Branch**: `001-photo-albums`
**Status**: Draft

## User Scenarios & Testing *(mandatory)*

<!-- IMPORTANT: stories are journeys -->

### User Story 1 - Make an album (Priority: P1)

A visitor makes an album and puts photos into it.

**Why this priority**: Nothing works without albums.

**Acceptance Scenarios**:

1. **Given** 20 photos, **When** the visitor makes an album, **Then** it is shown in under 2 seconds
2. **Given** no photo, **When** the visitor makes an album, **Then** it is empty

---

### Edge Cases

- What happens when two albums have one name?

## Requirements *(mandatory)*

### Functional Requirements

- **FR-001**: System MUST let visitors make albums
- **FR-004**: System MUST sign visitors in via [NEEDS CLARIFICATION: password or SSO?]

### Key Entities *(include if feature involves data)*

- **Album**: a list of photos

## Success Criteria *(mandatory)*

### Measurable Outcomes

- **SC-001**: 90% of visitors make an album within a minute
"""


def sections_of(document: str, format: Any = "prd") -> tuple[str, dict[str, Any]]:
    brought = understand(document, format)
    assert brought.prd is not None
    sections = brought.prd.model_dump(include=set(SECTIONS))
    number(sections, {}, imported=True)
    return brought.prd.title, sections


def test_a_spec_has_what_agents_look_for() -> None:
    title, sections = sections_of(GUIDE)
    spec = speckit.write(title, sections)
    assert "# Feature Specification: Real-Time Collaboration (Google Docs-style)" in spec
    assert re.findall(r"### User Story (\d) - .* \(Priority: P2\)", spec) == ["1", "2", "3"]
    assert re.findall(r"\*\*(FR-\d+)\*\*", spec) == ["FR-001", "FR-002", "FR-003", "FR-004"]
    assert re.findall(r"\*\*(SC-\d+)\*\*", spec) == ["SC-001", "SC-002", "SC-003", "SC-004"]
    assert spec.count("[NEEDS CLARIFICATION: ") == 6
    assert "[NEEDS CLARIFICATION: How do we handle large documents (>10K words)?]" in spec


def test_scenarios_are_written_as_given_when_then() -> None:
    spec = speckit.write(*sections_of(CLEAN))
    assert "**Given** a document that I may not open, **When** I search for a phrase in it, **Then** 0 results" in spec


def test_a_spec_is_read_into_sections_and_what_has_no_place_is_told() -> None:
    title, sections = sections_of(SPEC, "speckit")
    assert title == "Photo albums"
    [story] = sections["user_stories"]
    assert (story["text"], story["priority"]) == ("A visitor makes an album and puts photos into it.", "p1")
    assert story["acceptance_criteria"][0]["when"] == "the visitor makes an album"
    assert [row["id"] for row in sections["requirements"]] == ["FR-001", "FR-004"]
    assert [(row["text"], row["blocking"]) for row in sections["open_questions"]] == [
        ("What happens when two albums have one name?", False),
        ("password or SSO?", True),
    ]
    assert sections["success_metrics"][0]["target"] == 90
    told = {
        reason.split("“")[-1].split("”")[0] for reason in (one.reason for one in understand(SPEC, "speckit").skipped)
    }
    assert "key entities" in told


@pytest.mark.parametrize("document", [GUIDE, CLEAN], ids=["guide", "clean"])
def test_a_spec_comes_back_as_the_sections_that_it_holds(document: str) -> None:
    title, sections = sections_of(document)
    again_title, again = sections_of(speckit.write(title, sections), "speckit")
    assert again_title == title
    for name, field in (("requirements", "text"), ("success_metrics", "text"), ("open_questions", "text")):
        assert [(row["id"], row[field]) for row in again[name]] == [(row["id"], row[field]) for row in sections[name]]
    texts = [[row["text"] for row in story["acceptance_criteria"]] for story in sections["user_stories"]]
    assert [[row["text"] for row in story["acceptance_criteria"]] for story in again["user_stories"]] == [
        [text.replace(", when", ", When").replace(", then", ", Then") for text in story] for story in texts
    ]
    assert set(speckit.lost(sections)) >= {"problem", "solution", "architecture", "stack", "risks", "release_phases"}


def test_tasks_are_one_for_each_requirement_and_keep_their_numbers() -> None:
    title, sections = sections_of(CLEAN)
    tasks = json.loads(taskmaster.write(title, sections, "prd_x"))["master"]["tasks"]
    assert [(task["id"], task["metadata"]["requirement"]) for task in tasks[:4]] == [
        (1, "FR-001"),
        (2, "FR-002"),
        (3, "FR-003"),
        (10_001, "NFR-001"),
    ]
    assert {
        "id",
        "title",
        "description",
        "status",
        "dependencies",
        "priority",
        "details",
        "testStrategy",
        "subtasks",
    } <= set(tasks[0])
    assert tasks[3]["testStrategy"] == "Check that p99 < 250 ms"
    del sections["requirements"][0]
    fewer = json.loads(taskmaster.write(title, sections, "prd_x"))["master"]["tasks"]
    assert [task["id"] for task in fewer[:2]] == [2, 3]


@pytest.mark.parametrize("tagged", [True, False])
def test_tasks_are_read_with_their_progress(tagged: bool) -> None:
    tasks = [
        {"id": 1, "title": "Index", "description": "Index every document", "status": "in-progress"},
        {"id": 2, "title": "Rank", "status": "somewhere", "subtasks": [{"id": 1}]},
        {"id": 3},
        "no task",
    ]
    document = {"master": {"tasks": tasks}} if tagged else {"tasks": tasks}
    brought = understand(json.dumps(document), "taskmaster")
    assert brought.prd is not None
    rows = [(row.text, row.task_status) for row in brought.prd.requirements]
    assert rows == [("Index every document", "in_progress"), ("Rank", "pending")]
    assert len(brought.skipped) == 5


async def test_progress_from_tasks_survives_a_second_export(workspace: Workspace) -> None:
    prd = await drafted(workspace)
    path = f"/v1/prds/{prd['id']}"
    answer = await workspace.live.get(f"{path}/export", params={"format": "taskmaster"})
    assert answer.headers["omitted-sections"] == "open_questions, problem, success_metrics"
    tasks = answer.json()
    tasks["master"]["tasks"][0]["status"] = "done"
    content = json.dumps(tasks)
    report = await made(workspace.live, "/v1/imports", {"format": "taskmaster", "content": content})
    assert (report["created"], report["updated"]) == (0, 1)
    after = (await workspace.live.get(path)).json()
    assert [row["task_status"] for row in after["requirements"]] == ["done", "pending", "pending"]
    assert [row["id"] for row in after["requirements"]] == [row["id"] for row in prd["requirements"]]
    assert (after["content_version"], after["problem"]) == (1, prd["problem"])
    again = await workspace.live.get(f"{path}/export", params={"format": "taskmaster"})
    assert again.json() == tasks
    same = await made(workspace.live, "/v1/imports", {"format": "taskmaster", "content": again.text})
    assert same["unchanged"] == 1


async def test_a_spec_goes_in_and_out_over_http(workspace: Workspace) -> None:
    report = await made(workspace.live, "/v1/imports", {"format": "speckit", "content": SPEC})
    assert report["created"] == 1
    assert [row["line"] for row in report["skipped"]]
    [prd] = (await workspace.live.get("/v1/prds")).json()["data"]
    assert prd["title"] == "Photo albums"
    exported = await workspace.live.get(f"/v1/prds/{prd['id']}/export", params={"format": "speckit"})
    assert exported.headers["content-type"].startswith("text/markdown")
    again = await made(workspace.live, "/v1/imports", {"format": "speckit", "content": exported.text})
    assert (again["unchanged"], again["skipped"]) == (1, [])


async def test_what_has_shipped_is_not_imported_over(workspace: Workspace) -> None:
    prd = await drafted(workspace)
    for status in ("in_review", "approved"):
        if status == "approved":
            await made(workspace.live, f"/v1/prds/{prd['id']}/reviews", {"verdict": "approve"})
        else:
            await changed(workspace, prd, status=status)
    await changed(workspace, prd, status="shipped")
    content = "# PRD: Search\n\n## Solution\nSomething else.\n"
    report = await made(workspace.live, "/v1/imports", {"format": "prd", "content": content})
    assert (report["created"], report["updated"], report["unchanged"]) == (0, 0, 0)
    assert "shipped" in report["skipped"][0]["reason"]


@pytest.mark.parametrize("format", ["prd", "speckit", "taskmaster"])
async def test_documents_that_say_nothing_are_reported(workspace: Workspace, format: str) -> None:
    for content in (" ", "[]", "null", "\ufeff", "日本語のテキスト", '{"master":{"tasks":7}}', "{" * 5_000):
        report = await made(workspace.live, "/v1/imports", {"format": format, "content": content})
        assert report["created"] == 0 or format == "prd", content
        assert report["skipped"], content
    assert (await workspace.live.get("/v1/prds")).json()["data"] == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["id", "title", "description", "status", "metadata", "phase", "kind"]), inner)
    ),
    max_leaves=8,
)


@settings(max_examples=40, deadline=None)
@given(st.lists(JSON, max_size=5))
def test_no_list_of_tasks_breaks_the_reader(tasks: list[Any]) -> None:
    brought = understand(json.dumps({"tasks": tasks}), "taskmaster")
    assert brought.prd is not None or brought.skipped
