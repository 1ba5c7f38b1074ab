"""`roadbed export`: all of a workspace, digit for digit, and back again."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.commands.export import LEFT_OUT, candidates, chosen
from api.main import create_app
from api.openapi import contract
from api.settings import Settings
from tests.commands.test_against_a_service import ended
from tests.support.serving import serving
from tests.support.workspace import Workspace, made, sign_up

DIGITS = "1234567.12345678901234567890"


@asynccontextmanager
async def team_of(settings: Settings, **changed: Any) -> AsyncIterator[tuple[str, Workspace]]:
    """A service on a port of its own, and a workspace in it."""
    app = create_app(Settings(**settings.model_dump() | changed))
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(app.router.lifespan_context(app))
        url = await stack.enter_async_context(serving(app))
        caller = await stack.enter_async_context(httpx.AsyncClient(base_url=url, trust_env=False))
        yield url, await stack.enter_async_context(sign_up(caller))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def filled(team: Workspace) -> dict[str, Any]:
    """Something in most lists."""
    body = '{"title":"Größe","metadata":{"share":' + DIGITS + ',"zeros":1.50}}'
    answer = await team.live.post("/v1/features", content=body, headers={"Content-Type": "application/json"})
    feature = answer.json()
    inputs = {"reach": 1000, "impact": 2, "confidence": 0.8, "effort": 3}
    await made(team.live, f"/v1/features/{feature['id']}/scores", {"framework": "rice", "inputs": inputs})
    prd = await made(team.live, "/v1/prds", {"title": "Search", "problem": "Nothing is found."})
    options = [{"key": "build", "title": "Build"}, {"key": "buy", "title": "Buy"}]
    decision = await made(team.live, "/v1/decisions", {"title": "Which", "kind": "architecture", "options": options})
    verdict = {"chosen": "build", "rationale": "It is ours."}
    await made(team.live, f"/v1/decisions/{decision['id']}/record", verdict)
    endpoint = await made(team.live, "/v1/endpoints", {"url": "http://127.0.0.1:59999/x", "event_types": ["*"]})
    await made(team.live, "/v1/roadmap/reprioritize", {"framework": "rice"})
    return {"feature": feature, "prd": prd, "decision": decision, "endpoint": endpoint}


async def test_a_file_holds_every_part_digit_for_digit(settings: Settings, client: object, tmp_path: Path) -> None:
    async with team_of(settings) as (url, team):
        there = await filled(team)
        file = tmp_path / "all.jsonl"
        code, out, err = await ended("export", str(file), ROADBED_URL=url, ROADBED_KEY=team.live_secret)
        assert (code, out) == (0, ""), err
        code, out, _ = await ended("export", ROADBED_URL=url, ROADBED_KEY=team.live_secret)
    text = file.read_text()
    head, *rows = [json.loads(line) for line in text.splitlines()]
    assert out.splitlines()[1:] == text.splitlines()[1:]
    assert (head["object"], head["livemode"]) == ("export", True)
    assert head["left_out"] == dict(LEFT_OUT)
    assert {row["id"] for row in rows if "id" in row} >= {row["id"] for row in there.values()}
    objects = {row["object"] for row in rows}
    assert objects >= {"feature", "score", "prd", "prd_version", "decision", "endpoint", "roadmap_policy"}
    [revision] = [row for row in rows if row["object"] == "roadmap_revision"]
    assert [place["feature_id"] for place in revision["ranking"]] == [there["feature"]["id"]]
    assert f'"share":{DIGITS}' in text
    assert '"zeros":1.50' in text
    assert "whsec_" not in text
    assert "Größe" in text
    assert names(tmp_path) == {"all.jsonl"}


async def test_what_a_folder_holds_can_be_imported_again(
    settings: Settings, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    folder = tmp_path / "backup"
    async with team_of(settings) as (url, team):
        there = await filled(team)
        remote = {"ROADBED_URL": url, "ROADBED_KEY": team.live_secret}
        code, _, err = await ended("export", str(folder), **remote)
        assert code == 0, err
        code, _, err = await ended("export", str(folder), **remote)
        assert (code, "is not empty" in err) == (1, True)
    kept = {"export.json", "features.csv", "features.jsonl", "prds_versions.jsonl", "endpoints.jsonl"}
    assert kept <= names(folder)
    async with sign_up(client, "Elsewhere") as fresh:
        for path, format in (
            (folder / "features.csv", "csv"),
            (folder / "prds" / f"{there['prd']['id']}.md", "prd"),
            (folder / "decisions" / f"{there['decision']['id']}.md", "madr"),
        ):
            report = await made(fresh.live, "/v1/imports", {"format": format, "content": path.read_text()})
            assert (report["created"] >= 1, report["skipped"]) == (True, []), format
        [feature] = (await fresh.live.get("/v1/features?expand=latest_score")).json()["data"]
        assert (feature["title"], feature["latest_score"]["inputs"]["reach"]) == ("Größe", 1000)
        assert DIGITS in (await fresh.live.get(f"/v1/features/{feature['id']}")).text


async def test_it_waits_where_the_service_is_asked_too_fast(settings: Settings, client: object, tmp_path: Path) -> None:
    async with team_of(settings, rate_per_s=8, rate_burst=8) as (url, team):
        await made(team.live, "/v1/features", {"title": "Dark mode"})
        file = tmp_path / "all.jsonl"
        code, _, err = await ended("export", str(file), ROADBED_URL=url, ROADBED_KEY=team.live_secret)
        assert code == 0, err
        refused = (await team.live.get("/v1/usage?group_by=status")).text
    assert json.loads(file.read_text().splitlines()[0])["parts"]
    assert "Dark mode" in file.read_text()
    assert "429" in refused, "the limit was not reached, so that nothing was tested"


async def test_a_part_that_the_key_may_not_read_is_named_and_can_be_left_out(
    settings: Settings, client: object, tmp_path: Path
) -> None:
    async with team_of(settings) as (url, team):
        await made(team.live, "/v1/features", {"title": "Dark mode"})
        key = await made(team.live, "/v1/keys", {"name": "Reader", "scopes": ["features:read"]})
        file = tmp_path / "all.jsonl"
        remote = {"ROADBED_URL": url, "ROADBED_KEY": key["secret"]}
        code, _, err = await ended("export", str(file), **remote)
        assert (code, "--without list_decisions" in err, file.exists()) == (1, True, False)
        others = [part.operation for part in chosen(json.loads(contract())) if part.operation != "list_features"]
        code, _, err = await ended("export", str(file), *(f"--without={name}" for name in others), **remote)
        assert code == 0, err
        assert json.loads(file.read_text().splitlines()[1])["title"] == "Dark mode"
        code, _, err = await ended("export", "--also", "list_cats", **remote)
        assert (code, "list_cats is no part" in err) == (1, True)


def test_every_list_of_the_contract_is_exported_or_left_out_for_a_reason() -> None:
    document = json.loads(contract())
    known = {part.operation for part in candidates(document)}
    exported = {part.operation for part in chosen(document)}
    lists = {item["get"]["operationId"] for item in document["paths"].values() if "get" in item}
    assert {name for name in lists if name.startswith("list_")} <= known
    assert known == exported | set(LEFT_OUT), "name a new list in LEFT_OUT with a reason, or let it be exported"
    assert not exported & set(LEFT_OUT)
    assert all(LEFT_OUT.values())
    kept = {"features", "scores", "prds", "decisions", "debts", "spikes", "blockers", "endpoints", "imports"}
    assert {f"list_{name}" for name in kept} <= exported


def test_a_new_list_is_exported_without_being_named() -> None:
    document = json.loads(contract())
    document["paths"]["/cats"] = {"get": document["paths"]["/features"]["get"] | {"operationId": "list_cats"}}
    document["paths"]["/cats/{id}/lives"] = {"get": document["paths"]["/features"]["get"] | {"operationId": "list_l"}}
    parts = {part.operation: part for part in chosen(document)}
    assert (parts["list_cats"].name, parts["list_cats"].paged) == ("cats", True)
    assert (parts["list_l"].name, parts["list_l"].parent) == ("cats_lives", "/cats")


@pytest.mark.parametrize("name", ["missing/all.jsonl", "file.txt/all.jsonl"])
async def test_a_place_that_cannot_be_written_is_told(
    settings: Settings, client: object, tmp_path: Path, name: str
) -> None:
    (tmp_path / "file.txt").write_text("")
    async with team_of(settings) as (url, team):
        code, _, err = await ended("export", str(tmp_path / name), ROADBED_URL=url, ROADBED_KEY=team.live_secret)
    assert (code, "cannot be written" in err, "Traceback" in err) == (1, True, False)
