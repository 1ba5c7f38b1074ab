from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from api.prds.bring_in import understand
from api.prds.lint import lint_reading
from api.prds.markdown import read
from api.prds.number import number
from api.prds.render import keep, markdown
from api.prds.schemas import SECTIONS
from tests.prds.support import CLEAN, DOCUMENTS, GUIDE, changed
from tests.support.workspace import Workspace, made


def kept(document: str) -> tuple[str, dict[str, Any], list[dict[str, Any]]]:
    """Title, sections and segments of a document, as they are stored."""
    brought = understand(document, "prd")
    assert brought.prd is not None
    assert brought.segments is not None
    sections = brought.prd.model_dump(include=set(SECTIONS))
    number(sections, {}, imported=True)
    return brought.prd.title, sections, keep(brought.prd.title, sections, brought.segments)


@pytest.mark.parametrize("name", ["guide_prd", "clean_prd", "api_v2_prd", "webhooks_prd", "good_story"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_what_is_not_changed_comes_back_byte_for_byte(name: str, end: str) -> None:
    document = (DOCUMENTS / f"{name}.md").read_text().replace("\n", end)
    assert markdown(*kept(document)) == document


def test_the_guides_prd_is_read_into_its_sections() -> None:
    title, sections, _ = kept(GUIDE)
    assert title == "Real-Time Collaboration (Google Docs-style)"
    assert sections["problem"]["evidence"][0]["value"] == 40
    assert sections["problem"]["evidence"][0]["population"] == "users"
    assert [story["i_can"] for story in sections["user_stories"]] == [
        "see others' cursors and edits in real-time",
        "don't lose my edits when someone else is typing",
        "see who else is viewing the document",
    ]
    assert [(row["id"], row["kind"], row["value"]) for row in sections["requirements"]] == [
        ("FR-001", "functional", 200),
        ("FR-002", "functional", None),
        ("FR-003", "functional", None),
        ("FR-004", "functional", None),
        ("NFR-001", "performance", 200),
        ("NFR-002", "scalability", 50),
        ("NFR-003", "reliability", sections["requirements"][6]["value"]),
        ("NFR-004", "security", None),
    ]
    assert sections["requirements"][6]["downtime_minutes"] == sections["requirements"][6]["value"].__class__("43.2")
    assert [row["technology"] for row in sections["stack"]] == ["Yjs", "Node.js", "Socket.IO", "PostgreSQL", "Redis"]
    assert sections["risks"][1]["mitigation"] == "Extensive testing + fallback to last-write-wins"
    assert [option["verdict"] for option in sections["build_vs_buy"]["options"]] == ["rejected", "chosen", "fallback"]
    assert [row["weeks"] for row in sections["release_phases"]] == [2, 4, 2]
    assert [row["category"] for row in sections["success_metrics"]] == ["product", "technical", "technical", "business"]
    assert len(sections["open_questions"]) == 3


def test_the_diagram_is_kept_to_the_byte() -> None:
    start = GUIDE.index("Client (Browser)")
    assert kept(GUIDE)[1]["architecture"] == GUIDE[start : GUIDE.index("\n```", start)]


def test_a_changed_section_is_rendered_alone() -> None:
    title, sections, source = kept(GUIDE)
    sections["risks"].append(sections["risks"][0] | {"description": "It costs too much", "mitigation": "A budget"})
    lines = markdown(title, sections, source).splitlines()
    before = GUIDE.splitlines()
    start, end = before.index("### Technical Risks"), before.index("## Build vs. Buy Analysis")
    assert lines[: start + 1] == before[: start + 1]
    assert lines[-len(before[end:]) :] == before[end:]
    assert "4. It costs too much" in lines
    assert "   - Mitigation: A budget" in lines


def test_a_section_that_the_document_did_not_have_is_put_in_its_place() -> None:
    document = "# PRD: Search\n\n## Solution\nAn index.\n\n## Open Questions\n1. Why?\n"
    title, sections, source = kept(document)
    sections["risks"] = [{"description": "It is slow", "mitigation": "Cache"}]
    assert markdown(title, sections, source) == (
        "# PRD: Search\n\n## Solution\nAn index.\n\n## Technical Risks\n1. It is slow\n   - Mitigation: Cache\n\n"
        "## Open Questions\n1. Why?\n"
    )


def test_text_that_is_no_item_survives_a_change_of_its_section() -> None:
    document = "# A\n\n## Risks\nWe met on Monday.\n\n1. It is slow\n\n## Appendix\nNumbers.\n"
    title, sections, source = kept(document)
    sections["risks"][0]["mitigation"] = "Cache"
    text = markdown(title, sections, source)
    assert "We met on Monday." in text
    assert text.endswith("\n\n## Appendix\nNumbers.\n")


def test_what_is_not_understood_is_kept_and_told() -> None:
    reading = read("# A\n\n## Appendix\nNumbers.\n\n## Risks\n1. Slow\n\n## Risks\n1. Twice\n")
    assert [line for line, _ in reading.skipped] == [3, 9]
    assert [risk["description"] for risk in reading.sections["risks"]] == ["Slow"]


def test_headings_within_a_fence_begin_no_section() -> None:
    reading = read("# A\n\n## Architecture\n```\n## Risks\n1. none\n```\n")
    assert reading.sections == {"architecture": "## Risks\n1. none"}


def test_the_template_is_read_back_as_it_was_written() -> None:
    for document in (GUIDE, CLEAN):
        title, sections, _ = kept(document)
        again = kept(markdown(title, sections))
        assert again[:2] == (title, sections)


async def test_a_prd_made_over_http_is_given_as_markdown(workspace: Workspace) -> None:
    body = {"title": "Search", "problem": "Lost.", "requirements": [{"text": "Found"}], "architecture": "A → B"}
    prd = await made(workspace.live, "/v1/prds", body)
    answer = await workspace.live.get(f"/v1/prds/{prd['id']}", headers={"Accept": "text/markdown"})
    assert answer.headers["content-type"].startswith("text/markdown")
    assert answer.text == (
        "# PRD: Search\n\n## Problem Statement\nLost.\n\n## Technical Requirements\n\n### Functional\n"
        "- **FR-001:** Found\n\n## Technical Approach\n\n### Architecture\n```\nA → B\n```\n"
    )
    headers = {"Accept": "text/markdown", "If-None-Match": answer.headers["etag"]}
    assert (await workspace.live.get(f"/v1/prds/{prd['id']}", headers=headers)).status_code == 304


async def test_the_guides_prd_goes_in_and_comes_out_the_same(workspace: Workspace) -> None:
    report = await made(workspace.live, "/v1/imports", {"format": "prd", "content": GUIDE})
    assert (report["created"], report["skipped"]) == (1, [])
    [prd] = (await workspace.live.get("/v1/prds")).json()["data"]
    path = f"/v1/prds/{prd['id']}"
    assert (await workspace.live.get(path, headers={"Accept": "text/markdown"})).content == GUIDE.encode()
    again = await made(workspace.live, "/v1/imports", {"format": "prd", "content": GUIDE})
    assert (again["created"], again["updated"], again["unchanged"]) == (0, 0, 1)
    await changed(workspace, prd, solution="Buy it.")
    text = (await workspace.live.get(path, headers={"Accept": "text/markdown"})).text
    assert text == GUIDE.replace(
        "Implement real-time collaborative editing with operational transforms (OT) or CRDTs.", "Buy it."
    )


async def test_a_new_edition_of_a_document_keeps_the_ids(workspace: Workspace) -> None:
    await made(workspace.live, "/v1/imports", {"format": "prd", "content": GUIDE})
    edition = GUIDE.replace("- Presence awareness (show active users)\n", "- Cursors are shown\n")
    report = await made(workspace.live, "/v1/imports", {"format": "prd", "content": edition})
    assert report["updated"] == 1
    [prd] = (await workspace.live.get("/v1/prds")).json()["data"]
    assert [row["id"] for row in prd["requirements"][:4]] == ["FR-001", "FR-002", "FR-005", "FR-004"]
    answer = await workspace.live.get(f"/v1/prds/{prd['id']}", headers={"Accept": "text/markdown"})
    assert answer.text == edition
    diff = (await workspace.live.get(f"/v1/prds/{prd['id']}/diff", params={"from": 1})).json()
    assert diff["summary"] == {"added": 1, "removed": 1}


WORDS = st.text(alphabet="abc XYZ äßñ 你好 عربى 😀 \\|*_`#>-+.:()[]<>\"'0123456789%\n\r\t~", max_size=200)
HEADINGS = st.sampled_from([line for line in GUIDE.splitlines() if line.startswith("#")])
LINES = st.one_of(WORDS, HEADINGS, st.sampled_from(GUIDE.splitlines()), st.sampled_from(["```", "|a|b|", "- ", "> "]))
PIECES = st.lists(LINES, max_size=25).map("\n".join)


@settings(max_examples=80, deadline=None)
@given(PIECES)
@example("")
@example("\x00\ufeff# \x00")
@example("# " + "a" * 5_000)
@example("## Risks\n" + "1. x\n" * 300)
@example("| " * 2_000)
def test_no_document_is_refused_or_changed_on_the_way(document: str) -> None:
    lint_reading(read(document))
    brought = understand(document, "prd")
    if brought.prd is None:
        assert brought.skipped
        return
    assert markdown(*kept(document)) == document.replace("\x00", "\ufffd")


@settings(max_examples=60, deadline=None)
@given(
    st.binary(max_size=400).map(lambda raw: raw.decode("utf-8", "replace")), st.sampled_from(["speckit", "taskmaster"])
)
def test_no_bytes_break_a_reader(document: str, format: Any) -> None:
    brought = understand(document, format)
    assert brought.prd is not None or brought.skipped


@pytest.mark.parametrize(
    "document",
    [
        "# A\n## User Stories\n" + "As a user, I " + "so so " * 60_000,
        "# A\n## Requirements\n" + "- " + "1,000 " * 60_000,
        "# A\n## User Stories\n" + "- Given a when b " * 20_000,
        "# A\n" + "## Risks\n1. a\n" * 10_000,
        "# A\n## Functional\n" + "- sync\n" * 4_000 + "## Release Plan\n" + "- **P:** sync, search\n" * 4_000,
        "**" * 200_000,
        "|" * 400_000,
        "> " * 200_000,
        "<!--" * 100_000,
        "x" * 600_000,
    ],
    ids=["so", "numbers", "scenarios", "headings", "phases", "stars", "bars", "quotes", "comments", "too long"],
)
def test_hostile_documents_are_read(document: str) -> None:
    """Each would take minutes if a reader looked at anything twice for each thing that it finds."""
    brought = understand(document, "prd")
    understand(document, "speckit")
    understand(document, "taskmaster")
    report = lint_reading(read(document))
    assert brought.skipped or report.findings
