"""Scenarios: what they would do, and that promoting one gives exactly that."""

from typing import Any

import pytest

from tests.support.workspace import GUIDE, Workspace, made

SCENARIOS = "/v1/roadmap/scenarios"
WEIGHTED = {
    "key": "fit",
    "title": "Strategic fit",
    "kind": "weighted",
    "criteria": [{"name": "strategy", "weight": 0.8}, {"name": "ease", "weight": 0.2}],
}


async def guide(workspace: Workspace) -> dict[str, dict[str, Any]]:
    features = {title: await workspace.scored(title) for title in GUIDE}
    await made(workspace.live, "/v1/roadmap/reprioritize", {})
    return features


def order(revision: dict[str, Any]) -> list[tuple[int, str, float]]:
    return [(row["rank"], row["title"], row["value"]) for row in revision["ranking"]]


async def test_promoting_a_scenario_gives_the_result_that_its_diff_showed(workspace: Workspace) -> None:
    features = await guide(workspace)
    changes = {
        "inputs": [{"feature_id": features["API v2"]["id"], "inputs": {"reach": 100000, "effort": 2}}],
        "capacity_months": 4,
    }
    scenario = await made(workspace.live, SCENARIOS, {"title": "A bigger API", "changes": changes})
    path = f"{SCENARIOS}/{scenario['id']}"
    diff = (await workspace.live.get(f"{path}/diff")).json()
    assert [move["feature_id"] for move in diff["revision"]["moves"]] == [features["API v2"]["id"]]
    assert order(diff["revision"])[0] == (1, "API v2", 90000)
    assert (diff["cut_line"]["rank"], diff["base_cut_line"]) == (2, None)
    assert (await workspace.live.get("/v1/roadmap")).json()["ranking"][0]["title"] == "Real-time collab"

    promoted = await made(workspace.live, f"{path}/promote", {"digest": diff["digest"]})
    assert (order(promoted), promoted["moves"]) == (order(diff["revision"]), diff["revision"]["moves"])
    assert promoted["scenario_id"] == scenario["id"]
    roadmap = (await workspace.live.get("/v1/roadmap")).json()
    assert (roadmap["ranking"][0]["title"], roadmap["cut_line"]["rank"]) == ("API v2", 2)
    shown = (await workspace.live.get(path)).json()
    assert (shown["status"], shown["revision_id"]) == ("promoted", promoted["id"])
    told = (await workspace.live.get("/v1/events", params={"type": "scenario.promoted"})).json()["data"]
    assert [event["data"]["id"] for event in told] == [scenario["id"]]
    again = await workspace.live.post(f"{path}/promote", json={})
    assert (again.status_code, again.json()["code"]) == (409, "scenario_promoted")


async def test_a_result_that_changed_since_is_not_promoted_unseen(workspace: Workspace) -> None:
    features = await guide(workspace)
    changes = {"inputs": [{"feature_id": features["API v2"]["id"], "inputs": {"effort": 1}}]}
    scenario = await made(workspace.live, SCENARIOS, {"title": "A smaller API", "changes": changes})
    path = f"{SCENARIOS}/{scenario['id']}"
    diff = (await workspace.live.get(f"{path}/diff")).json()
    body = {"framework": "rice", "inputs": GUIDE["Dark mode"] | {"reach": 90000}}
    await made(workspace.live, f"/v1/features/{features['Dark mode']['id']}/scores", body)
    stale = await workspace.live.post(f"{path}/promote", json={"digest": diff["digest"]})
    assert (stale.status_code, stale.json()["code"]) == (409, "scenario_stale")
    assert (await workspace.live.get(path)).json()["status"] == "open"


async def test_weights_are_tried_and_promoted_as_the_next_version_of_the_model(workspace: Workspace) -> None:
    await made(workspace.live, "/v1/scores/models", WEIGHTED)
    for title, ratings in {"bold": (9, 1), "easy": (4, 9)}.items():
        feature = await workspace.feature(title)
        body = {"framework": "fit", "inputs": {"strategy": ratings[0], "ease": ratings[1]}}
        await made(workspace.live, f"/v1/features/{feature['id']}/scores", body)
    base = await made(workspace.live, "/v1/roadmap/reprioritize", {"framework": "fit"})
    assert [row["title"] for row in base["ranking"]] == ["bold", "easy"]
    body = {"title": "Ease first", "framework": "fit", "changes": {"weights": {"strategy": 0.2, "ease": 0.8}}}
    scenario = await made(workspace.live, SCENARIOS, body)
    diff = (await workspace.live.get(f"{SCENARIOS}/{scenario['id']}/diff")).json()
    assert order(diff["revision"]) == [(1, "easy", 8), (2, "bold", 2.6)]
    promoted = await made(workspace.live, f"{SCENARIOS}/{scenario['id']}/promote", {})
    assert order(promoted) == order(diff["revision"])
    assert promoted["model_version"] == 2
    models = (await workspace.live.get("/v1/scores/models", params={"key": "fit"})).json()["data"]
    assert [model["version"] for model in models] == [2, 1]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({}, "/changes"),
        ({"inputs": [{"feature_id": "feat_01h455vb4pex5vsknk084sn02q", "inputs": {"effort": 1}}]}, None),
        ({"inputs": [{"feature_id": "dark", "inputs": {"effort": 0}}]}, "/changes/inputs/0/inputs/effort"),
        ({"inputs": [{"feature_id": "dark", "inputs": {"cost": 1}}]}, "/changes/inputs/0/inputs/cost"),
        ({"weights": {"reach": 1}}, "/changes/weights"),
    ],
)
async def test_a_scenario_that_cannot_be_worked_out_is_refused(
    workspace: Workspace, changes: dict[str, Any], pointer: str | None
) -> None:
    features = await guide(workspace)
    for change in changes.get("inputs", []):
        if change["feature_id"] == "dark":
            change["feature_id"] = features["Dark mode"]["id"]
    answer = await workspace.live.post(SCENARIOS, json={"title": "Wrong", "changes": changes})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["target"]["name"] == (pointer or "/changes/inputs/0/feature_id")
