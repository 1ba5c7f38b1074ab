"""Decision records as Markdown: in, out, and back to the byte."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.decisions import records
from api.decisions.export import as_shown
from tests.support.workspace import Workspace, made

MADR_4 = """---
status: "accepted"
date: 2026-01-15
decision-makers: Ada Lovelace
---

# Use Postgres for the outbox

## Context and Problem Statement

Where do events wait?

```
## not a heading
```

## Decision Drivers

* No event may be lost

## Considered Options

* Postgres
* Redis

## Decision Outcome

Chosen option: "Postgres", because it commits with the change.

### Consequences

* Good, because one store

## Pros and Cons of the Options

### Postgres

* Good, because it is there
* Neutral, because it is known
* Bad, because it polls

### Redis

* Bad, because it forgets

## More Information

Odd   spacing,\ttabs.
"""
MADR_2 = (
    MADR_4.split("---\n", 2)[2]
    .lstrip()
    .replace("## Context", "* Status: accepted\n* Deciders: Ada Lovelace\n* Date: 2026-01-15\n\n## Context", 1)
)
LOG4BRAINS = MADR_2.replace("* Date: 2026-01-15", "- Date: 2026-01-15\n- Tags: store")
NYGARD = """# 7. Use Postgres

Date: 2026-01-15

## Status

Accepted

Supersedes [ADR-0003](0003-use-redis.md)

## Context

Where do events wait?

## Decision

We use Postgres.

## Consequences

One store less.
"""
ALL = {"madr": [MADR_4, MADR_2], "log4brains": [LOG4BRAINS], "nygard": [NYGARD]}
EVERY = [(format_, text) for format_, texts in ALL.items() for text in texts]


async def brought(workspace: Workspace, text: str, format_: str) -> dict[str, Any]:
    told = await made(workspace.live, "/v1/imports", {"format": format_, "content": text})
    assert told["created"] == 1, told
    return (await workspace.live.get(f"/v1/decisions/{told['decision_ids'][0]}")).json()


async def exported(workspace: Workspace, decision: dict[str, Any], format_: str | None = None) -> str:
    params = {"format": format_} if format_ else {}
    path = f"/v1/decisions/{decision['id']}"
    answer = await workspace.live.get(path, params=params, headers={"Accept": "text/markdown"})
    assert answer.headers["content-type"].startswith("text/markdown")
    return answer.text


@pytest.mark.parametrize(("format_", "text"), EVERY)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
async def test_a_record_comes_back_to_the_byte(format_: str, text: str, newline: str, workspace: Workspace) -> None:
    text = text.replace("\n", newline)
    decision = await brought(workspace, text, format_)
    assert (decision["status"], decision["source_format"]) == ("recorded", format_)
    assert decision["decided_at"].startswith("2026-01-15")
    assert await exported(workspace, decision) == text
    again = await made(workspace.live, "/v1/imports", {"format": format_, "content": text})
    assert (again["created"], again["unchanged"]) == (0, 1)


async def test_a_madr_gives_options_with_their_points_and_the_choice(workspace: Workspace) -> None:
    decision = await brought(workspace, MADR_4, "madr")
    assert [(one["title"], one["pros"], one["cons"]) for one in decision["options"]] == [
        ("Postgres", ["it is there"], ["it polls"]),
        ("Redis", [], ["it forgets"]),
    ]
    assert (decision["chosen"], decision["decided_by"]) == ("option_1", "Ada Lovelace")
    assert decision["rationale"].startswith("it commits with the change.")
    assert "Where do events wait?" in decision["context"]


async def test_a_nygard_record_has_a_number_of_ours_its_own_as_alias_and_supersedes(workspace: Workspace) -> None:
    await brought(
        workspace,
        NYGARD.replace("# 7. Use Postgres", "# 3. Use Redis").replace("Supersedes [ADR-0003]", "See [x]"),
        "nygard",
    )
    decision = await brought(workspace, NYGARD, "nygard")
    assert (decision["number"], decision["aliases"], decision["title"]) == (2, ["ADR-0007"], "Use Postgres")
    assert [link["kind"] for link in decision["links"]] == ["supersedes"]
    other = await made(workspace.live, "/v1/imports", {"format": "nygard", "content": NYGARD + "\nMore.\n"})
    assert other["created"] == 0
    assert "another text" in other["skipped"][0]["reason"]


async def test_only_the_changed_section_of_an_imported_draft_is_rewritten(workspace: Workspace) -> None:
    text = MADR_4.replace('"accepted"', '"proposed"')
    decision = await brought(workspace, text, "madr")
    assert decision["status"] == "draft"
    assert await exported(workspace, decision) == text
    await workspace.live.patch(f"/v1/decisions/{decision['id']}", json={"context": "Where do they wait?"})
    changed = await exported(workspace, decision)
    head, tail = text.index("Where do events wait?"), text.index("## Decision Drivers")
    assert changed == text[:head] + "Where do they wait?\n\n" + text[tail:]


@pytest.mark.parametrize("format_", ["madr", "nygard", "log4brains"])
async def test_a_decision_made_here_is_written_in_each_format_and_read_again(
    format_: str, workspace: Workspace
) -> None:
    options = [{"key": "a", "title": "Postgres", "pros": ["one store"]}, {"key": "b", "title": "Redis"}]
    draft = await made(workspace.live, "/v1/decisions", {"title": "Store", "kind": "scope", "options": options})
    verdict = {"chosen": "a", "rationale": "It is there."}
    decision = await made(workspace.live, f"/v1/decisions/{draft['id']}/record", verdict)
    told = records.read(await exported(workspace, decision, format_))
    assert (told.title, told.status, told.skipped) == ("Store", "accepted", [])
    assert told.rationale is not None
    assert "It is there." in told.rationale
    assert told.format == format_


@pytest.mark.parametrize(
    "text", ["", "# ", "no title", "# T\n", "\ufeff# T\n## Decision\n", "# 标题\n\n## 决定\n\n用它\n"]
)
async def test_what_is_not_understood_is_told_and_nothing_is_invented(text: str, workspace: Workspace) -> None:
    for format_ in ("madr", "nygard", "log4brains"):
        body = {"format": format_, "content": text or " "}
        told = await made(workspace.live, "/v1/imports", body)
        assert (told["created"], bool(told["skipped"])) == (0, True)


pieces = st.lists(
    st.sampled_from(
        [
            "# ",
            "## ",
            "### ",
            "Context",
            "Decision",
            "Considered Options",
            "Decision Outcome",
            "Status",
            "\n",
            "\r\n",
            "* ",
            "- ",
            "---\n",
            "```\n",
            "~~~",
            'Chosen option: "',
            "a",
            ", because ",
            "Good, because ",
            "status: ",
            "é",
        ]
    ),
    max_size=60,
).map("".join)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(max_size=200) | pieces)
def test_no_document_makes_the_reader_fail_and_its_sections_are_the_document(text: str) -> None:
    assert "".join(section.head + section.body for section in records.cut(text)) == text
    for format_ in (None, "madr", "nygard", "log4brains"):
        told = records.read(text, format_)
        was = as_shown(told)
        assert records.rewrite(text, told.format, was, was) == text


@given(pieces, st.text(alphabet="xyz ", min_size=1, max_size=20).map(str.strip).filter(bool))
def test_a_new_context_leaves_every_other_section_as_it_was(text: str, context: str) -> None:
    whole = f"# T\n\n## Context and Problem Statement\n\nold\n\n## Other\n\n{text}"
    told = records.read(whole, "madr")
    was = as_shown(told)
    now = was | {"context": context, "number": 1, "criteria": [], "decided_by": None, "decided_at": None}
    now |= {"recorded_at": None, "created_at": "2026-01-01"}
    if was["context"] != context and whole.count("## Context") == 1:
        out = records.rewrite(whole, "madr", was, now)
        assert [s.head + s.body for s in records.cut(out) if s.title == "Other"][:1] == [
            s.head + s.body for s in records.cut(whole) if s.title == "Other"
        ][:1]


@pytest.mark.parametrize(
    "text", ["#" * 200_000, "# " + " " * 400_000 + "x", "[" * 400_000, "* " * 200_000, "```" * 100_000]
)
def test_a_huge_document_is_read_in_bounded_time(text: str) -> None:
    records.read("# T\n## Considered Options\n" + text + "\n## Decision Outcome\n" + text)
