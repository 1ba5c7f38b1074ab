"""Importing over HTTP: what comes in, what is told, and that the second time nothing happens."""

import base64
import json
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.imports.formats import READERS, read
from api.imports.guide import DECISION_MATRIX_MARKDOWN, RICE_TABLE_MARKDOWN
from api.imports.reading import Options
from tests.support.workspace import Workspace

SAMPLES = Path(__file__).parent / "samples"
RICE_DISCREPANCIES = [
    {"line": 4, "field": "score", "printed": "10", "computed": "100"},
    {"line": 5, "field": "score", "printed": "15", "computed": "1.5"},
    {
        "line": 8,
        "field": "order",
        "printed": "Real-time collab → Performance (50% faster) → API v2 → Dark mode",
        "computed": "Real-time collab → Dark mode → Performance (50% faster) → API v2",
    },
]


async def bring(workspace: Workspace, content: str, format: str | None = None, **fields: Any) -> dict[str, Any]:
    body = {"content": content, **({"format": format} if format else {}), **fields}
    answer = await workspace.live.post("/v1/imports", json=body)
    assert answer.status_code == (200 if fields.get("dry_run") else 201), answer.text
    shown: dict[str, Any] = answer.json()
    return shown


def counts(report: dict[str, Any]) -> tuple[int, int, int]:
    return report["created"], report["updated"], report["unchanged"]


async def listed(workspace: Workspace, **params: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await workspace.live.get("/v1/features", params={"limit": 100, **params})).json()[
        "data"
    ]
    return found


# --- The guide --------------------------------------------------------------------------------------------------------


async def test_the_guides_table_gives_its_features_scores_and_every_wrong_figure(workspace: Workspace) -> None:
    report = await bring(workspace, RICE_TABLE_MARKDOWN, "markdown")
    assert counts(report) == (4, 0, 0)
    assert report["discrepancies"] == RICE_DISCREPANCIES
    assert report["skipped"] == []
    order = [
        (one["title"], one["latest_score"]["value"])
        for one in await listed(workspace, sort="-score", expand="latest_score")
    ]
    assert order == [
        ("Real-time collab", 12000),
        ("Dark mode", 10000),
        ("Performance (50% faster)", 5250),
        ("API v2", 150),
    ]


async def test_the_guides_matrix_becomes_a_draft_decision_with_right_totals(workspace: Workspace) -> None:
    report = await bring(workspace, DECISION_MATRIX_MARKDOWN, title="Build or buy real-time collaboration")
    assert counts(report) == (1, 0, 0)
    assert [(one["field"], one["printed"], one["computed"]) for one in report["discrepancies"]] == [
        ("totals.Build", "6.6", "6.7"),
        ("totals.Buy", "6.2", "5.5"),
    ]
    [decision_id] = report["decision_ids"]
    decision = (await workspace.live.get(f"/v1/decisions/{decision_id}")).json()
    assert (decision["title"], decision["kind"], decision["status"]) == (
        "Build or buy real-time collaboration",
        "build_vs_buy",
        "draft",
    )
    assert decision["analysis"]["totals"] == {"build": 6.7, "buy": 5.5}


async def test_one_document_may_hold_both(workspace: Workspace) -> None:
    report = await bring(workspace, f"# Plan\n\n{RICE_TABLE_MARKDOWN}\n\n{DECISION_MATRIX_MARKDOWN}")
    assert counts(report) == (5, 0, 0)
    assert len(report["discrepancies"]) == 5
    assert report["skipped"] == []


# --- Again, and before ------------------------------------------------------------------------------------------------


async def test_the_same_document_again_changes_nothing_and_tells_nobody(
    workspace: Workspace, owner: asyncpg.Connection
) -> None:
    document = f"{RICE_TABLE_MARKDOWN}\n\n{DECISION_MATRIX_MARKDOWN}"
    await bring(workspace, document)
    before = await owner.fetchval("SELECT count(*) FROM events")
    again = await bring(workspace, document)
    assert counts(again) == (0, 0, 5)
    assert again["discrepancies"] == [*RICE_DISCREPANCIES, *again["discrepancies"][3:]]
    assert await owner.fetchval("SELECT count(*) FROM events") == before
    assert await owner.fetchval("SELECT count(*) FROM scores") == 4


async def test_a_changed_row_is_updated_alone(workspace: Workspace) -> None:
    await bring(workspace, RICE_TABLE_MARKDOWN)
    report = await bring(workspace, RICE_TABLE_MARKDOWN.replace("| 500 |", "| 900 |"))
    assert counts(report) == (0, 1, 3)
    [api] = [one for one in await listed(workspace, expand="latest_score") if one["title"] == "API v2"]
    assert api["latest_score"]["value"] == 270
    history = (await workspace.live.get("/v1/scores", params={"feature_id": api["id"]})).json()["data"]
    assert [one["value"] for one in history] == [270, 150]


async def test_a_dry_run_tells_what_the_import_does_and_writes_nothing(
    workspace: Workspace, owner: asyncpg.Connection
) -> None:
    document = f"{RICE_TABLE_MARKDOWN}\n\n{DECISION_MATRIX_MARKDOWN}\n\n| Feature | Effort |\n|--|--|\n| Odd | big |\n"
    preview = await bring(workspace, document, dry_run=True)
    for table in ("features", "scores", "decisions", "events", "imports"):
        assert await owner.fetchval(f"SELECT count(*) FROM {table}") == 0, table
    done = await bring(workspace, document)
    differs = {name for name in done if done[name] != preview[name]}
    assert differs == {"id", "created_at", "decision_ids"}
    assert preview["id"] is None


async def test_a_recorded_decision_is_left_as_it_was_decided(workspace: Workspace) -> None:
    report = await bring(workspace, DECISION_MATRIX_MARKDOWN, title="Ours")
    verdict = {"chosen": "build", "rationale": "It sets us apart."}
    answer = await workspace.live.post(f"/v1/decisions/{report['decision_ids'][0]}/record", json=verdict)
    assert answer.status_code == 200
    again = await bring(workspace, DECISION_MATRIX_MARKDOWN.replace("| 10 | 2 |", "| 9 | 2 |"), title="Ours")
    assert counts(again) == (0, 0, 0)
    assert "decided already" in again["skipped"][0]["reason"]


# --- What is doubtful -------------------------------------------------------------------------------------------------


async def test_high_medium_and_low_are_refused_with_the_way_to_map_them(workspace: Workspace) -> None:
    document = "Feature,Reach,Impact,Confidence,Effort\nDark mode,5000,High,100%,0.5\n"
    report = await bring(workspace, document, "csv")
    assert counts(report) == (1, 0, 0)
    assert (report["skipped"][0]["line"], report["skipped"][0]["column"]) == (2, "impact")
    assert "say what the word stands for" in report["skipped"][0]["reason"]
    mapped = await bring(workspace, document, "csv", mapping={"words": {"impact": {"HIGH": 2}}})
    assert (counts(mapped), mapped["skipped"]) == ((0, 1, 0), [])
    [feature] = await listed(workspace, expand="latest_score")
    assert feature["latest_score"]["value"] == 20000


async def test_columns_and_statuses_are_mapped(workspace: Workspace) -> None:
    document = "What,Phase,Weird\nDark mode,Cooking,x\n"
    mapping = {"columns": {"what": "title", "Phase": "status"}, "status": {"cooking": "in_progress"}}
    report = await bring(workspace, document, "csv", mapping=mapping)
    assert counts(report) == (1, 0, 0)
    assert any("Weird" in note for note in report["notes"])
    [feature] = await listed(workspace)
    assert (feature["title"], feature["status"]) == ("Dark mode", "in_progress")


async def test_an_unknown_status_is_told_and_left_alone(workspace: Workspace) -> None:
    report = await bring(workspace, "Title,Status\nDark mode,Cooking\n")
    assert "'Cooking'" in report["notes"][0]
    assert [one["status"] for one in await listed(workspace)] == ["candidate"]


async def test_a_title_that_stands_twice_is_taken_once(workspace: Workspace) -> None:
    report = await bring(workspace, "Title,Status\nDark mode,Planned\nDark mode,Done\n", "csv")
    assert counts(report) == (1, 0, 0)
    assert [one["line"] for one in report["skipped"]] == [3]


@pytest.mark.parametrize("format", [None, "csv", "markdown", "json", "jira", "linear", "github"])
@pytest.mark.parametrize(
    "content", [" ", "\ufeff", "{", "[]", '{"issues": 7}', "[[[[", "null", "\n\n|", ",,,\n,,,", "é" * 50]
)
async def test_what_is_no_document_is_reported_and_never_breaks(
    workspace: Workspace, format: str | None, content: str
) -> None:
    report = await bring(workspace, content, format)
    assert counts(report) == (0, 0, 0)
    assert report["skipped"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
async def test_other_encodings_come_in_base64(workspace: Workspace, encoding: str) -> None:
    content = base64.b64encode("Titel;Status\nMenü für Gäste;Geplant\n".encode(encoding)).decode()
    report = await bring(workspace, content, encoding="base64")
    assert counts(report) == (1, 0, 0)
    assert [one["title"] for one in await listed(workspace)] == ["Menü für Gäste"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "/content"),
        ({"content": ""}, "/content"),
        ({"content": "x", "format": "xls"}, "/format"),
        ({"content": "?", "encoding": "base64"}, "/content"),
        ({"content": "x", "mapping": {"words": {"impact": {"high": "2"}}}}, "/mapping/words/impact/high"),
        ({"content": "x", "mapping": {"columns": {"a": "price"}}}, "/mapping/columns/a"),
    ],
)
async def test_a_wrong_request_is_named(workspace: Workspace, body: dict[str, Any], field: str) -> None:
    answer = await workspace.live.post("/v1/imports", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["target"]["name"]) == (400, field)


# --- Other tools ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize(
    ("sample", "format", "ids"),
    [
        ("jira.csv", "jira", ["SHOP-12", "SHOP-15", "SHOP-19"]),
        ("jira.json", "jira", ["SHOP-12", "SHOP-15"]),
        ("linear.csv", "linear", ["ENG-7", "ENG-9"]),
        ("linear.json", "linear", ["ENG-7", "ENG-9"]),
        ("github.csv", "github", ["acme/app#3", "acme/app#8"]),
        ("github.json", "github", ["acme/app#3", "acme/app#8"]),
    ],
)
async def test_exports_of_other_tools_are_recognised_by_their_shape(
    workspace: Workspace, sample: str, format: str, ids: list[str], named: bool
) -> None:
    content = (SAMPLES / sample).read_text()
    report = await bring(workspace, content, format if named else None)
    assert (report["format"], report["source"]) == (format, format)
    assert counts(report) == (len(ids), 0, 0), report
    found = await listed(workspace, sort="created_at")
    assert sorted(one["external_id"] for one in found) == ids
    assert {one["source"] for one in found} == {format}
    first = next(one for one in found if one["external_id"] == ids[0])
    assert (first["title"], first["status"]) == (
        "Guests can pay without an account",
        "in_progress" if format != "github" else "candidate",
    )
    assert first["labels"] == ["checkout", "growth"]
    assert first["description"].startswith("Half of the carts are left")
    assert counts(await bring(workspace, content)) == (0, 0, len(ids))


async def test_an_issue_that_moved_on_is_updated_by_its_key(workspace: Workspace) -> None:
    content = (SAMPLES / "jira.csv").read_text()
    await bring(workspace, content)
    report = await bring(workspace, content.replace("In Progress", "Done"))
    assert counts(report) == (0, 1, 2)
    found = {one["external_id"]: one["status"] for one in await listed(workspace)}
    assert found["SHOP-12"] == "shipped"


async def test_pull_requests_are_no_features(workspace: Workspace) -> None:
    report = await bring(workspace, (SAMPLES / "github.json").read_text())
    assert report["notes"] == ["Pull requests are no features and were left out."]


async def test_rice_inputs_in_custom_fields_of_jira_are_scored(workspace: Workspace) -> None:
    await bring(workspace, (SAMPLES / "jira.csv").read_text())
    found = {one["external_id"]: one["latest_score"] for one in await listed(workspace, expand="latest_score")}
    assert found["SHOP-12"]["value"] == 1600
    assert found["SHOP-15"] is None


# --- The report -------------------------------------------------------------------------------------------------------


async def test_reports_are_kept_and_listed_newest_first(workspace: Workspace, other_workspace: Workspace) -> None:
    first = await bring(workspace, RICE_TABLE_MARKDOWN)
    second = await bring(workspace, DECISION_MATRIX_MARKDOWN)
    assert (await workspace.live.get(f"/v1/imports/{first['id']}")).json() == first
    page = (await workspace.live.get("/v1/imports")).json()["data"]
    assert [one["id"] for one in page] == [second["id"], first["id"]]
    assert (await other_workspace.live.get(f"/v1/imports/{first['id']}")).status_code == 404


async def test_a_large_document_is_brought_in_whole(workspace: Workspace) -> None:
    rows = "".join(f"Feature {n},{n},1,1,2\n" for n in range(6_000))
    report = await bring(workspace, "Title,Reach,Impact,Confidence,Effort\n" + rows)
    assert (counts(report), report["skipped"]) == ((6_000, 0, 0), [])
    last = (await workspace.live.get("/v1/features?sort=-score&limit=2")).json()["data"]
    assert [one["title"] for one in last] == ["Feature 5999", "Feature 5998"]


@pytest.mark.parametrize("counted", ["ANALYZE", "VACUUM ANALYZE"])
async def test_what_a_row_costs_does_not_grow_with_the_import(
    workspace: Workspace, owner: asyncpg.Connection, counted: str
) -> None:
    """Plans that were made while the tables were empty would read all rows so far for each new one."""
    head = "Title,Reach,Impact,Confidence,Effort\n"
    for turn in range(8):
        await bring(workspace, head + "".join(f"Old{turn}x{n},1,1,1,2\n" for n in range(30)))
    for table in ("latest_scores", "scores", "features", "search_words"):
        await owner.execute(f"DELETE FROM {table}")
    await owner.execute(counted)
    read = (
        "SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)) FROM pg_stat_user_tables "
        "WHERE relname IN ('features', 'scores', 'latest_scores', 'search_words')"
    )
    await owner.execute("SELECT pg_stat_force_next_flush()")
    before = await owner.fetchval(read)
    await bring(workspace, head + "".join(f"New{n},1,1,1,2\n" for n in range(4_000)))
    await bring(workspace, head + "One more,1,1,1,2\n")
    assert await owner.fetchval(read) - before < 4_000 * 50


async def test_a_title_that_stands_twice_far_apart_is_taken_once(workspace: Workspace) -> None:
    rows = [f"Feature {n},{n + 1},1,1,2" for n in range(1_500)]
    rows += ["Feature 3,99,1,1,2"]
    report = await bring(workspace, "Title,Reach,Impact,Confidence,Effort\n" + "\n".join(rows))
    assert (counts(report), len(report["skipped"])) == ((1_500, 0, 0), 1)
    assert report["skipped"][0]["line"] == 1_502
    assert "the first was taken" in report["skipped"][0]["reason"]


async def test_a_large_document_is_bounded_and_says_so(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.imports.bring.MOST_FEATURES", 5)
    rows = "".join(f"Feature {n},planned\n" for n in range(6))
    report = await bring(workspace, "Title,Status\n" + rows, dry_run=True)
    assert counts(report) == (5, 0, 0)
    assert "Only the first 5 features" in report["skipped"][0]["reason"]
    too_large = await workspace.live.post("/v1/imports", json={"content": "x" * 1_100_000})
    assert too_large.status_code == 413


# --- Never crash ------------------------------------------------------------------------------------------------------

_CELLS = st.text(st.sampled_from("abcR,;|\"'=\n\r\t\\*_[]()%0123456789.-–→ é需\ud800\x00"), max_size=12)
_LINES = st.lists(
    st.one_of(
        st.sampled_from(
            ["Title,Reach,Impact,Confidence,Effort", "| Feature | RICE |", "|--|--|", "Issue key,Summary", "{", "["]
        ),
        st.lists(_CELLS, max_size=6).map(",".join),
        st.lists(_CELLS, max_size=6).map("|".join),
    ),
    max_size=12,
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(_LINES.map("\n".join), st.sampled_from([None, "json", *READERS]))
def test_no_text_breaks_a_reader(text: str, format: str | None) -> None:
    _, reading = read(text, format, Options())
    assert all(one.fields["title"] for one in reading.features)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400), st.sampled_from([None, *READERS]))
def test_no_bytes_break_a_reader(content: bytes, format: str | None) -> None:
    read(content, format, Options())


_NAMES = [
    "issues",
    "nodes",
    "data",
    "key",
    "fields",
    "summary",
    "title",
    "number",
    "identifier",
    "labels",
    "features",
    "name",
    "state",
    "status",
    "content",
    "text",
    "type",
    "description",
    "id",
    "reach",
    "metadata",
]
_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(_NAMES),
            inner,
            max_size=5,
        ),
    ),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None)
@given(_JSON, st.sampled_from([None, "json", "jira", "linear", "github"]))
def test_no_json_breaks_a_reader(document: Any, format: str | None) -> None:
    read(json.dumps(document), format, Options())


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_LINES.map("\n".join))
async def test_no_text_breaks_the_route(workspace: Workspace, text: str) -> None:
    content = text.replace("\x00", "").encode("utf-8", "replace").decode() or "x"
    answer = await workspace.live.post("/v1/imports", json={"content": content, "dry_run": True})
    assert answer.status_code == 200, answer.text
