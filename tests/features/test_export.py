"""Features as a file, and the same file again."""

import csv
import io
import json

import asyncpg
import pytest

from api.browse import export as exporting
from tests.support.workspace import GUIDE, Workspace, made

HARD = [
    {"title": "=HYPERLINK(1)", "description": '+1, "quoted"\r\nnew line\n\n  indented ', "labels": ["a,b", "c"]},
    {"title": "@sum", "description": "'=already guarded", "labels": ["=x"], "metadata": {"size": 1.5, "in": ["é"]}},
    {"title": "Pipes | and *stars* [x](y) `code` <b> ~~z~~ \\ &amp;", "description": "-1", "status": "planned"},
    {"title": "two  spaces 需求 😀", "bucket": "technical", "source": "jira", "external_id": "P-1"},
    {"title": "'quoted", "description": "x" * 30_000, "labels": ["[json"]},
]  # fmt: skip


async def exported(workspace: Workspace, format: str) -> str:
    answer = await workspace.live.get("/v1/features/export", params={"format": format})
    assert answer.status_code == 200
    return answer.text


async def filled(workspace: Workspace) -> None:
    await made(workspace.live, "/v1/features/batch", {"items": HARD})
    for title in GUIDE:
        await workspace.scored(title)


@pytest.mark.parametrize("format", ["csv", "markdown", "json"])
async def test_our_own_export_comes_back_unchanged(
    workspace: Workspace, owner: asyncpg.Connection, format: str
) -> None:
    await filled(workspace)
    before = await owner.fetchval("SELECT count(*) FROM events")
    report = await made(workspace.live, "/v1/imports", {"content": await exported(workspace, format)})
    assert (report["created"], report["updated"], report["unchanged"]) == (0, 0, 9), report
    assert (report["skipped"], report["discrepancies"]) == ([], [])
    assert await owner.fetchval("SELECT count(*) FROM events") == before


@pytest.mark.parametrize("format", ["csv", "json"])
async def test_an_export_moves_to_another_workspace_once(
    workspace: Workspace, other_workspace: Workspace, format: str
) -> None:
    await filled(workspace)
    content = await exported(workspace, format)
    first = await made(other_workspace.live, "/v1/imports", {"content": content})
    assert (first["created"], first["skipped"]) == (9, [])
    again = await made(other_workspace.live, "/v1/imports", {"content": content})
    assert (again["created"], again["updated"], again["unchanged"]) == (0, 0, 9)
    theirs = (await other_workspace.live.get("/v1/features", params={"limit": 100})).json()["data"]
    ours = (await workspace.live.get("/v1/features", params={"limit": 100})).json()["data"]
    kept = ("title", "description", "status", "bucket", "labels", "metadata")
    assert sorted(str([one[name] for name in kept]) for one in theirs) == sorted(
        str([one[name] for name in kept]) for one in ours
    )


async def test_csv_is_rfc_4180_and_no_cell_is_a_formula(workspace: Workspace) -> None:
    await filled(workspace)
    text = await exported(workspace, "csv")
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert tuple(rows[0]) == exporting.COLUMNS
    assert len(rows) == 10
    assert {len(row) for row in rows} == {len(exporting.COLUMNS)}
    assert text.startswith("id,title,")
    assert text.endswith("\r\n")
    cells = [cell for row in rows for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


async def test_scores_stand_beside_their_features(workspace: Workspace) -> None:
    await filled(workspace)
    document = json.loads(await exported(workspace, "json"))
    scores = {one["title"]: one["score"] for one in document["features"] if one["score"] is not None}
    assert scores == {"Real-time collab": 12000, "Dark mode": 10000, "API v2": 150, "Performance": 5250}


async def test_an_export_has_every_feature_once_across_its_pages(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    await made(workspace.live, "/v1/features/batch", {"items": [{"title": f"F{n}"} for n in range(1000)]})
    await made(workspace.live, "/v1/features/batch", {"items": [{"title": f"G{n}"} for n in range(3)]})
    rows = list(csv.DictReader(io.StringIO(await exported(workspace, "csv"), newline="")))
    assert len({row["id"] for row in rows}) == len(rows) == 1003


async def test_an_empty_workspace_exports_a_header(workspace: Workspace, other_workspace: Workspace) -> None:
    await other_workspace.feature("Theirs")
    assert len((await exported(workspace, "csv")).splitlines()) == 1
    assert len((await exported(workspace, "markdown")).splitlines()) == 2
    assert json.loads(await exported(workspace, "json")) == {"object": "export", "features": []}


async def test_an_unknown_format_is_named(workspace: Workspace) -> None:
    answer = await workspace.live.get("/v1/features/export", params={"format": "xls"})
    assert (answer.status_code, answer.json()["errors"][0]["target"]["name"]) == (400, "format")
