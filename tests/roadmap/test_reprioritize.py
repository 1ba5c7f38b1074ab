"""The roadmap: order, moves and their causes, overrides, freezes, churn, pages and views."""

from datetime import UTC, datetime, timedelta
from typing import Any

from api.webhooks.catalogue import find
from tests.support.workspace import GUIDE, Workspace, made

PATH = "/v1/roadmap/reprioritize"


async def rescored(workspace: Workspace, feature: dict[str, Any], **inputs: Any) -> None:
    body = {"framework": "rice", "inputs": GUIDE[feature["title"]] | inputs}
    await made(workspace.live, f"/v1/features/{feature['id']}/scores", body)


async def guide(workspace: Workspace) -> dict[str, dict[str, Any]]:
    return {title: await workspace.scored(title) for title in GUIDE}


def titles(revision: dict[str, Any]) -> list[str]:
    return [row["title"] for row in revision["ranking"]]


def causes(revision: dict[str, Any]) -> dict[str, str]:
    return {move["feature_id"]: move["cause"] for move in revision["moves"]}


async def events(workspace: Workspace, kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await workspace.live.get("/v1/events", params={"type": kind})).json()["data"]
    return found


async def test_a_dry_run_gives_exactly_what_the_commit_gives(workspace: Workspace) -> None:
    await guide(workspace)
    dry = await made(workspace.live, PATH, {"dry_run": True, "reason": "weekly"})
    real = await made(workspace.live, PATH, {"reason": "weekly"})
    assert dry["id"] is None
    differs = {name for name in real if dry[name] != real[name]}
    assert differs <= {"id", "created_at"}
    kept = await workspace.live.get(f"/v1/roadmap/revisions/{real['id']}")
    assert kept.json() == real


async def test_a_revision_is_read_byte_for_byte_whatever_happens_later(workspace: Workspace) -> None:
    features = await guide(workspace)
    given = await workspace.live.post(PATH, json={})
    await workspace.live.patch(f"/v1/features/{features['Dark mode']['id']}", json={"title": "Another name"})
    await rescored(workspace, features["API v2"], reach=10**6)
    await workspace.live.delete(f"/v1/features/{features['Performance']['id']}")
    await made(workspace.live, PATH, {})
    again = await workspace.live.get(f"/v1/roadmap/revisions/{given.json()['id']}")
    assert again.content == given.content


async def test_equal_values_are_ranked_by_age_whatever_the_order_of_scoring(workspace: Workspace) -> None:
    older, newer = await workspace.feature("Dark mode"), await workspace.feature("Dark mode")
    for feature in (newer, older):
        await rescored(workspace, feature)
    revision = await made(workspace.live, PATH, {})
    assert [row["feature_id"] for row in revision["ranking"]] == [older["id"], newer["id"]]


async def test_each_move_has_its_cause(workspace: Workspace) -> None:
    features = await guide(workspace)
    first = await made(workspace.live, PATH, {})
    assert set(causes(first).values()) == {"new"}
    await rescored(workspace, features["API v2"], reach=10**6)
    await workspace.live.patch(f"/v1/features/{features['Dark mode']['id']}", json={"status": "shipped"})
    await workspace.live.delete(f"/v1/features/{features['Performance']['id']}")
    fresh = await workspace.scored("Dark mode")
    assert causes(await made(workspace.live, PATH, {})) == {
        features["API v2"]["id"]: "score_changed",
        features["Dark mode"]["id"]: "status_changed",
        features["Performance"]["id"]: "left",
        fresh["id"]: "new",
    }
    await workspace.live.patch(f"/v1/features/{features['Dark mode']['id']}", json={"status": "planned"})
    assert causes(await made(workspace.live, PATH, {})) == {features["Dark mode"]["id"]: "status_changed"}


async def test_ranking_by_another_framework_says_so(workspace: Workspace) -> None:
    features = await guide(workspace)
    await made(workspace.live, PATH, {})
    for points, feature in enumerate(features.values(), 1):
        body = {"framework": "opportunity", "inputs": {"importance": points, "satisfaction": 0}}
        await made(workspace.live, f"/v1/features/{feature['id']}/scores", body)
    by_need = await made(workspace.live, PATH, {"framework": "opportunity"})
    assert titles(by_need) == list(reversed(GUIDE))
    assert set(causes(by_need).values()) == {"framework_changed"}


async def test_an_override_places_a_feature_and_keeps_the_computed_rank_beside_it(workspace: Workspace) -> None:
    features = await guide(workspace)
    await made(workspace.live, PATH, {})
    path = f"/v1/roadmap/overrides/{features['API v2']['id']}"
    set_ = await workspace.live.put(path, json={"rank": 1, "reason": "Promised to the board"})
    assert set_.status_code == 200
    revision = await made(workspace.live, PATH, {})
    assert [(row["title"], row["rank"], row["computed_rank"]) for row in revision["ranking"]] == [
        ("API v2", 1, 4),
        ("Real-time collab", 2, 1),
        ("Dark mode", 3, 2),
        ("Performance", 4, 3),
    ]
    assert (causes(revision), revision["overridden"]) == ({features["API v2"]["id"]: "override"}, 1)
    roadmap = (await workspace.live.get("/v1/roadmap")).json()
    assert [row["computed_rank"] for row in roadmap["ranking"]] == [4, 1, 2, 3]
    assert [event["data"]["reason"] for event in await events(workspace, "roadmap.override_set")] == [
        "Promised to the board"
    ]
    assert (await workspace.live.delete(path)).status_code == 204
    back = await made(workspace.live, PATH, {})
    assert titles(back)[0] == "Real-time collab"
    assert causes(back) == {features["API v2"]["id"]: "override"}
    assert (await workspace.live.delete(path)).status_code == 404


async def test_an_override_that_has_expired_does_nothing(workspace: Workspace) -> None:
    features = await guide(workspace)
    path = f"/v1/roadmap/overrides/{features['API v2']['id']}"
    past = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    await workspace.live.put(path, json={"rank": 1, "reason": "Once", "expires_at": past})
    assert titles(await made(workspace.live, PATH, {}))[-1] == "API v2"


async def test_while_frozen_a_change_needs_a_reason(workspace: Workspace) -> None:
    features = await guide(workspace)
    await made(workspace.live, PATH, {})
    now = datetime.now(UTC)
    freeze = {"from": (now - timedelta(hours=1)).isoformat(), "until": (now + timedelta(hours=1)).isoformat()}
    answer = await workspace.live.put("/v1/roadmap/policy", json={"freeze": freeze})
    assert answer.json()["frozen"] is True
    assert (await made(workspace.live, PATH, {}))["moves"] == []
    await rescored(workspace, features["API v2"], reach=10**6)
    refused = await workspace.live.post(PATH, json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "roadmap_frozen")
    assert (await made(workspace.live, PATH, {"dry_run": True}))["frozen"] is True
    assert titles(await made(workspace.live, PATH, {"reason": "An outage"}))[0] == "API v2"


async def test_churn_is_measured_and_told_beyond_its_limit(workspace: Workspace) -> None:
    features = await guide(workspace)
    await workspace.live.put("/v1/roadmap/policy", json={"churn_limit": 0.4})
    await made(workspace.live, PATH, {})
    assert await events(workspace, "roadmap.churn_exceeded") == []
    await rescored(workspace, features["API v2"], reach=10**6)
    moved = await made(workspace.live, PATH, {})
    assert moved["churn"] == {"share": 0.5, "inverted": 3, "pairs": 6, "entered": 0, "left": 0}
    assert [event["data"]["churn"]["share"] for event in await events(workspace, "roadmap.churn_exceeded")] == [0.5]


async def test_the_whole_ranking_of_a_revision_comes_in_pages_and_as_it_was(workspace: Workspace) -> None:
    items = [{"title": f"Feature {number}"} for number in range(30)]
    for item in items:
        feature = await workspace.feature(item["title"])
        await rescored(workspace, feature | {"title": "Dark mode"})
    revision = await made(workspace.live, PATH, {})
    path: str | None = f"/v1/roadmap/revisions/{revision['id']}/ranking?limit=7"
    rows = []
    while path:
        page = (await workspace.live.get(path)).json()
        rows += page["data"]
        cursor = page["next_cursor"]
        path = f"/v1/roadmap/revisions/{revision['id']}/ranking?limit=7&cursor={cursor}" if cursor else None
    assert rows == revision["ranking"]
    other = await made(workspace.live, PATH, {})
    foreign = await workspace.live.get(f"/v1/roadmap/revisions/{other['id']}/ranking", params={"cursor": "forged"})
    assert (foreign.status_code, foreign.json()["code"]) == (400, "invalid_cursor")


async def test_two_revisions_are_compared(workspace: Workspace) -> None:
    features = await guide(workspace)
    first = await made(workspace.live, PATH, {})
    await rescored(workspace, features["API v2"], reach=10**6)
    second = await made(workspace.live, PATH, {})
    moves = [{"feature_id": features["API v2"]["id"], "from": 4, "to": 1}]
    before = (await workspace.live.get(f"/v1/roadmap/revisions/{second['id']}/diff")).json()
    assert (before["from"], before["to"], before["moves"]) == (first["id"], second["id"], moves)
    path = f"/v1/roadmap/revisions/{first['id']}/diff"
    back = (await workspace.live.get(path, params={"against": second["id"]})).json()
    assert back["moves"] == [{"feature_id": features["API v2"]["id"], "from": 1, "to": 4}]
    assert (await workspace.live.get(path)).status_code == 404


async def test_the_roadmap_shows_its_cut_line_and_allocation(workspace: Workspace) -> None:
    features = await guide(workspace)
    await workspace.live.patch(f"/v1/features/{features['Performance']['id']}", json={"bucket": "technical"})
    await made(workspace.live, PATH, {})
    roadmap = (await workspace.live.get("/v1/roadmap")).json()
    assert (roadmap["cut_line"], roadmap["allocation"]["total_months"]) == (None, 12.5)
    await workspace.live.put("/v1/roadmap/policy", json={"capacity_months": 6})
    cut = (await workspace.live.get("/v1/roadmap")).json()
    # 2 + 0.5 months fit under 6, and Performance with its 4 does not.
    line = {"capacity_months": 6, "rank": 2, "effort_months": 2.5, "without_effort": 0}
    assert cut["cut_line"] == line
    assert [row["above_cut_line"] for row in cut["ranking"]] == [True, True, False, False]
    assert cut["allocation"]["total_months"] == 2.5


async def test_allocation_tells_drift_and_what_to_add(workspace: Workspace) -> None:
    features = await guide(workspace)
    await workspace.live.patch(f"/v1/features/{features['Performance']['id']}", json={"bucket": "technical"})
    told = (await workspace.live.get("/v1/roadmap/allocation")).json()
    rows = {row["bucket"]: row for row in told["buckets"]}
    assert (told["total_months"], told["drifted"], told["without_effort"]) == (12.5, True, 0)
    assert (rows["technical"]["share"], rows["technical"]["drift"], rows["innovation"]["to_add_months"]) == (
        0.32,
        0.12,
        2,
    )
    await made(workspace.live, PATH, {})
    await made(workspace.live, PATH, {})
    assert len(await events(workspace, "allocation.drifted")) == 1
    shipped = (await workspace.live.get("/v1/roadmap/allocation", params={"status": "shipped"})).json()
    assert (shipped["total_months"], shipped["drifted"]) == (0, False)


async def test_targets_that_do_not_sum_to_one_are_refused(workspace: Workspace) -> None:
    targets = {"product": 0.7, "technical": 0.2, "innovation": 0.2}
    answer = await workspace.live.put("/v1/roadmap/policy", json={"targets": targets})
    assert (answer.status_code, answer.json()["errors"][0]["target"]["name"]) == (400, "/targets")


async def test_the_policy_is_versioned(workspace: Workspace) -> None:
    first = await workspace.live.get("/v1/roadmap/policy")
    assert (first.headers["etag"], first.json()["targets"]["product"]) == ('"0"', 0.7)
    second = await workspace.live.put("/v1/roadmap/policy", json={"tolerance": 0.1}, headers={"If-Match": '"0"'})
    assert second.headers["etag"] == '"1"'
    stale = await workspace.live.put("/v1/roadmap/policy", json={}, headers={"If-Match": '"0"'})
    assert stale.status_code == 412


async def test_a_published_view_stays_as_its_readers_saw_it(workspace: Workspace) -> None:
    features = await guide(workspace)
    path = f"/v1/roadmap/items/{features['Dark mode']['id']}"
    assert (await workspace.live.put(path, json={"horizon": "now", "team": "web"})).status_code == 200
    assert (await workspace.live.put(path, json={"horizon": "someday"})).status_code == 400
    nothing = await workspace.live.post("/v1/roadmap/views", json={"title": "Early"})
    assert (nothing.status_code, nothing.json()["code"]) == (409, "nothing_ranked")
    await made(workspace.live, PATH, {})
    view = await workspace.live.post("/v1/roadmap/views", json={"title": "For customers", "horizons": ["now"]})
    assert view.status_code == 201
    [now] = view.json()["horizons"]
    assert now["features"] == [{"feature_id": features["Dark mode"]["id"], "title": "Dark mode", "status": "candidate"}]
    await workspace.live.put(path, json={"horizon": "2027-q1"})
    assert (await workspace.live.get(view.headers["location"])).content == view.content
    assert len(await events(workspace, "roadmap.published")) == 1
    planned = (await workspace.live.get("/v1/roadmap/items", params={"horizon": "2027-q1"})).json()["data"]
    assert [(row["id"], row["version"]) for row in planned] == [(features["Dark mode"]["id"], 2)]


async def test_nothing_of_the_roadmap_is_seen_from_another_workspace(
    workspace: Workspace, other_workspace: Workspace
) -> None:
    features = await guide(workspace)
    revision = await made(workspace.live, PATH, {})
    feature = features["Dark mode"]["id"]
    for path in (f"revisions/{revision['id']}", f"revisions/{revision['id']}/ranking"):
        assert (await other_workspace.live.get(f"/v1/roadmap/{path}")).status_code == 404
    for path in (f"overrides/{feature}", f"items/{feature}"):
        body = {"rank": 1, "reason": "mine"} if path.startswith("over") else {"horizon": "now"}
        assert (await other_workspace.live.put(f"/v1/roadmap/{path}", json=body)).status_code == 404
    assert (await workspace.test.get("/v1/roadmap")).json()["ranking_total"] == 0


async def test_every_event_of_the_roadmap_is_as_the_catalogue_says(workspace: Workspace) -> None:
    features = await guide(workspace)
    await workspace.live.put("/v1/roadmap/policy", json={"churn_limit": 0})
    await made(workspace.live, PATH, {})
    path = f"/v1/roadmap/overrides/{features['API v2']['id']}"
    await workspace.live.put(path, json={"rank": 1, "reason": "Promised"})
    await made(workspace.live, PATH, {})
    await made(workspace.live, "/v1/roadmap/views", {"title": "For customers"})
    changes = {"inputs": [{"feature_id": features["Dark mode"]["id"], "inputs": {"effort": 1}}]}
    scenario = await made(workspace.live, "/v1/roadmap/scenarios", {"title": "Slower", "changes": changes})
    await made(workspace.live, f"/v1/roadmap/scenarios/{scenario['id']}/promote", {})
    kinds = {"roadmap.reprioritized", "roadmap.churn_exceeded", "allocation.drifted", "roadmap.override_set"}
    for kind in kinds | {"roadmap.published", "scenario.promoted", "feature.scored"}:
        declared = find(kind)
        assert declared is not None
        told = await events(workspace, kind)
        assert told, kind
        for event in told:
            shown = declared.data.model_validate(event["data"])
            assert set(event["data"]) == {field.alias or name for name, field in type(shown).model_fields.items()}
