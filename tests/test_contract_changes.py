"""The contract's promise: what breaks is found, deprecations are said a year ahead, the changelog follows."""

import copy
import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI

from api import openapi
from api.http import errors
from api.http.deprecation import Deprecation, TooShortNotice
from api.http.reply import Reply
from api.http.route import Route, operation
from api.http.schema import Shown
from api.http.telemetry import Telemetry
from api.lifecycle.plan import deprecated_operations, migration_plans
from api.openapi.changes import Change, changes
from api.settings import Settings
from api.stores import Scope, Stores
from openapi import gate
from tests.support.document import document
from tests.support.workspace import Workspace

TODAY = date(2026, 11, 23)
NOTICE = Deprecation(date(2027, 1, 1), date(2028, 1, 1), successor="new_thing")


def planted(edit: Any) -> list[Change]:
    changed = copy.deepcopy(document())
    edit(changed)
    return changes(document(), changed, TODAY)


def breaking(found: list[Change]) -> list[str]:
    return [change.where for change in found if change.breaking]


def test_a_contract_is_not_different_from_itself() -> None:
    assert changes(document(), document(), TODAY) == []


def test_an_operation_that_goes_without_a_word_breaks() -> None:
    found = planted(lambda new: new["paths"]["/features"].pop("post"))
    assert breaking(found) == ["POST /features"]


def test_an_operation_may_go_after_its_announced_sunset() -> None:
    old = copy.deepcopy(document())
    old["paths"]["/features"]["post"]["x-deprecation"] = {"sunset": "2026-11-23"}
    new = copy.deepcopy(document())
    del new["paths"]["/features"]["post"]
    assert breaking(changes(old, new, TODAY)) == []
    assert breaking(changes(old, new, TODAY - timedelta(days=1))) == ["POST /features"]


def test_an_event_type_that_goes_breaks() -> None:
    assert breaking(planted(lambda new: new["webhooks"].pop("feature.created"))) == ["feature.created"]


def test_a_field_that_is_shown_no_more_breaks_and_a_new_one_does_not() -> None:
    def edit(new: dict[str, Any]) -> None:
        feature = new["components"]["schemas"]["Feature"]
        del feature["properties"]["title"]
        feature["properties"]["colour"] = {"type": "string"}

    found = planted(edit)
    assert "PATCH /features/{} title" in breaking(found)
    added = [change for change in found if change.kind == "added"]
    assert added
    assert not any(change.breaking for change in added)


def test_a_tighter_bound_of_what_is_written_breaks_and_a_looser_one_does_not() -> None:
    def bound(longest: int) -> Any:
        def edit(new: dict[str, Any]) -> None:
            new["components"]["schemas"]["FeatureCreate"]["properties"]["title"]["maxLength"] = longest

        return edit

    assert "POST /features title" in breaking(planted(bound(10)))
    assert breaking(planted(bound(10_000))) == []


def test_a_field_that_has_to_be_written_breaks() -> None:
    def edit(new: dict[str, Any]) -> None:
        new["components"]["schemas"]["FeatureCreate"]["required"].append("description")

    assert "POST /features description" in breaking(planted(edit))


def test_a_new_parameter_breaks_only_where_it_is_required() -> None:
    def with_parameter(required: bool) -> Any:
        one = {"name": "colour", "in": "query", "required": required, "schema": {"type": "string"}}
        return lambda new: new["paths"]["/features"]["get"]["parameters"].append(one)

    assert breaking(planted(with_parameter(True))) == ["GET /features colour"]
    assert breaking(planted(with_parameter(False))) == []


def test_the_present_contract_breaks_nothing_that_was_released() -> None:
    found = gate.since_release(json.loads(gate.CONTRACT.read_text()), date.today())
    assert [change for change in found if change.breaking] == []


def test_the_first_release_is_kept_with_its_entry_and_its_page() -> None:
    kept = gate.releases()
    entries = json.loads(gate.CHANGELOG.read_text())
    assert [path.stem for path in kept] == [entry["version"] for entry in reversed(entries)]
    assert kept, "nothing is released"
    assert json.loads(kept[-1].read_text())["info"]["version"] == entries[0]["version"]


@pytest.mark.parametrize(
    "edit",
    [
        lambda new: new["paths"]["/features"].pop("post"),
        lambda new: new["webhooks"].pop("roadmap.reprioritized"),
        lambda new: new["components"]["schemas"]["Decision"]["properties"].pop("status"),
        lambda new: new["components"]["schemas"]["FeatureCreate"]["required"].append("description"),
        lambda new: new["components"]["schemas"]["EndpointCreate"]["properties"]["url"].update(maxLength=10),
    ],
    ids=["operation", "event", "shown field", "required field", "bound"],
)
def test_the_gate_is_shut_for_a_breaking_change_that_was_not_announced(
    edit: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    released = gate.CONTRACT.read_text()
    contract = json.loads(released)
    edit(contract)
    monkeypatch.setattr(gate, "CONTRACT", tmp_path / "v1.json")
    monkeypatch.setattr(gate, "RELEASED", tmp_path / "released")
    gate.RELEASED.mkdir()
    (gate.RELEASED / "1.0.0.json").write_text(released)
    gate.CONTRACT.write_text(json.dumps(contract))
    assert gate.main([]) == 1
    told = capsys.readouterr().out
    assert "BREAKING" in told
    assert json.loads(told.splitlines()[-1])["ok"] is False
    assert gate.main(["--release", "1.0.0"]) == 1
    assert (gate.RELEASED / "1.0.0.json").read_text() == released


def test_a_release_has_the_version_that_the_contract_says(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        gate.main(["--release", "9.9.9"])
    assert "9.9.9" not in {path.stem for path in gate.releases()}
    assert "api/openapi/__init__.py" in capsys.readouterr().err


def test_a_release_keeps_the_contract_and_tells_its_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "RELEASED", tmp_path)
    monkeypatch.setattr(gate, "CHANGELOG", tmp_path / "changelog")
    monkeypatch.setattr(gate, "CONTRACT", tmp_path / "contract")
    monkeypatch.setattr(gate.tables, "write", list)
    gate.CHANGELOG.write_text("[]")
    gate.CONTRACT.write_text(json.dumps({"paths": {}, "webhooks": {}}))
    gate.release("1.9.0", TODAY)
    gate.CONTRACT.write_text(
        json.dumps({"paths": {"/x": {"get": {"summary": "New", "responses": {}}}}, "webhooks": {}})
    )
    gate.release("1.10.0", TODAY)

    assert [path.stem for path in gate.releases()] == ["1.9.0", "1.10.0"]
    newest, oldest = json.loads(gate.CHANGELOG.read_text())
    assert newest["changes"] == [{"kind": "added", "where": "GET /x", "text": "New"}]
    assert oldest["changes"] == []


@pytest.mark.parametrize("days", [0, 30, 364])
def test_a_sunset_sooner_than_a_year_is_refused(days: int) -> None:
    with pytest.raises(TooShortNotice, match=f"{days} days"):
        Deprecation(TODAY, TODAY + timedelta(days=days))


class Thing(Shown):
    """A thing."""

    name: str


class Anyone(Route):
    async def admit(self, request: Any, stores: Stores) -> Scope:
        return Scope()


@pytest.fixture
def small(settings: Settings, stores: Stores) -> FastAPI:
    """An application of this test's own, with an operation that will go."""
    router = APIRouter(prefix="/v1", route_class=Anyone, tags=["features"])

    @router.get("/old", **operation("old_thing", scope="features:read", returns=Thing, deprecated=NOTICE))
    async def old_thing() -> Reply:
        return Reply('{"name":"old"}', headers={"Link": '</v1/old?cursor=x>; rel="next"'})

    @router.get("/new", **operation("new_thing", scope="features:read", returns=Thing))
    async def new_thing() -> Reply:
        return Reply('{"name":"new"}')

    app = FastAPI(openapi_url=None)
    app.state.settings, app.state.stores = settings, stores
    app.include_router(router)
    errors.install(app)
    app.add_middleware(Telemetry, origin=settings.base_url)
    return app


async def test_a_deprecated_operation_says_so_in_every_answer(small: FastAPI) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(small), base_url="http://roadbed.test") as client:
        old, new = await client.get("/v1/old"), await client.get("/v1/new")

    assert old.headers["Deprecation"] == "@1798761600"
    assert old.headers["Sunset"] == "Sat, 01 Jan 2028 00:00:00 GMT"
    link = old.headers["Link"]
    assert 'rel="next"' in link
    assert 'rel="deprecation"' in link
    assert '/docs/api#new_thing>; rel="successor-version"' in link
    assert "Deprecation" not in new.headers


def test_a_deprecated_operation_is_marked_in_the_document(small: FastAPI) -> None:
    paths = openapi.build(small)["paths"]
    old = paths["/old"]["get"]
    assert old["deprecated"] is True
    assert old["x-deprecation"] == {"announced": "2027-01-01", "sunset": "2028-01-01", "successor": "new_thing"}
    assert {"Deprecation", "Sunset", "Link"} <= old["responses"]["200"]["headers"].keys()
    assert "deprecated" not in paths["/new"]["get"]


async def test_a_migration_plan_tells_who_still_calls_and_how_far_each_has_moved(
    small: FastAPI, workspace: Workspace, stores: Stores, application: FastAPI
) -> None:
    caller = await application.state.keyring.caller(workspace.live_secret, stores)
    meter = application.state.gate.meter
    tenant = (caller.workspace_id, caller.livemode)
    for operation_id, calls in (("old_thing", 3), ("new_thing", 1), ("list_features", 7)):
        for _ in range(calls):
            meter.count(tenant, caller.key_id, operation_id, 200, 0.01, 1)
    await meter.write()

    async with stores.transaction(caller.scope) as tx:
        (plan,) = await migration_plans(tx, deprecated_operations(small))
    (key,) = plan["keys"]
    assert (plan["operation"], plan["sunset"], plan["successor"]) == ("old_thing", "2028-01-01", "new_thing")
    assert (key["calls"], key["successor_calls"], key["moved_share"]) == (3, 1, 0.25)
    assert plan["moved_share"] == 0.25


async def test_the_changelog_is_there_for_anyone(client: httpx.AsyncClient, workspace: Workspace) -> None:
    kept = json.loads(gate.CHANGELOG.read_text())
    answer = await client.get("/v1/changelog")
    assert answer.status_code == 200
    assert answer.json()["data"] == kept
    assert (await workspace.live.get("/v1/deprecations")).json()["data"] == []


async def test_the_changelog_is_a_page_and_markdown(client: httpx.AsyncClient) -> None:
    newest = json.loads(gate.CHANGELOG.read_text())[0]
    page, markdown = await client.get("/docs/changelog"), await client.get("/docs/changelog.md")
    for answer, kind in ((page, "text/html"), (markdown, "text/markdown")):
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(kind)
        assert f"{newest['version']}, {newest['released_on']}" in answer.text
        assert "Traces and metrics over OTLP" in answer.text
    assert 'href="/docs/versioning"' in page.text
