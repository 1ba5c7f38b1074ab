"""A workspace's own ways to score: published in versions, computed exactly, refused where they cannot work."""

from typing import Any

import pytest

from tests.support.workspace import Workspace, made

FORMULA = {
    "key": "platform_value",
    "title": "Value to the platform",
    "kind": "formula",
    "expression": "(value + 2 * urgency) / effort",
    "inputs": [
        {"name": "value", "maximum": 10},
        {"name": "urgency", "maximum": 10},
        {"name": "effort", "maximum": 100, "exclusive_minimum": True},
    ],
    "effort": "effort",
    "per_effort": True,
}
WEIGHTED = {
    "key": "fit",
    "title": "Strategic fit",
    "kind": "weighted",
    "criteria": [
        {"name": "strategy", "weight": 0.6},
        {"name": "risk", "weight": 0.4, "direction": "cost"},
    ],
}


async def test_a_formula_of_ones_own_scores_exactly(workspace: Workspace) -> None:
    model = await made(workspace.live, "/v1/scores/models", FORMULA)
    assert (model["key"], model["version"]) == ("platform_value", 1)
    feature = await workspace.feature()
    body = {"framework": "platform_value", "inputs": {"value": 1, "urgency": 0.1, "effort": 3}}
    shown = await made(workspace.live, f"/v1/features/{feature['id']}/scores", body)
    assert (shown["value"], shown["formula"], shown["model_version"]) == (0.4, "platform_value@1", 1)


async def test_a_new_version_leaves_the_old_one_and_its_scores_as_they_were(workspace: Workspace) -> None:
    first = await made(workspace.live, "/v1/scores/models", FORMULA)
    second = await made(workspace.live, "/v1/scores/models", FORMULA | {"expression": "value * urgency / effort"})
    assert second["version"] == 2
    assert (await workspace.live.get(f"/v1/scores/models/{first['id']}")).json() == first
    feature = await workspace.feature()
    inputs = {"value": 6, "urgency": 5, "effort": 2}
    path = f"/v1/features/{feature['id']}/scores"
    newest = await made(workspace.live, path, {"framework": "platform_value", "inputs": inputs})
    older = await made(workspace.live, path, {"framework": "platform_value", "model_version": 1, "inputs": inputs})
    assert (newest["value"], older["value"]) == (15, 8)
    ranked = await made(workspace.live, "/v1/roadmap/reprioritize", {"framework": "platform_value"})
    assert [row["value"] for row in ranked["ranking"]] == [15]


async def test_a_weighted_sum_turns_costs_round_and_tells_the_contributions(workspace: Workspace) -> None:
    await made(workspace.live, "/v1/scores/models", WEIGHTED)
    feature = await workspace.feature()
    body = {"framework": "fit", "inputs": {"strategy": 8, "risk": 3}}
    shown = await made(workspace.live, f"/v1/features/{feature['id']}/scores", body)
    assert shown["value"] == 7.6
    assert shown["outcome"] == {"contributions": {"strategy": 4.8, "risk": 2.8}}
    answer = await workspace.live.post(
        f"/v1/features/{feature['id']}/scores", json={"framework": "fit", "inputs": {"strategy": 11, "risk": 3}}
    )
    assert answer.json()["errors"][0]["target"]["name"] == "/inputs/strategy"


async def test_a_model_that_asks_for_a_period_refuses_a_score_without_one(workspace: Workspace) -> None:
    scale = {"name": "ours-1", "impact": {"big": 5, "small": 1}, "confidence": {"sure": 1, "half": 0.5}}
    model = {"key": "our_rice", "title": "Ours", "kind": "base", "base": "rice", "reach_period": "month"}
    await made(workspace.live, "/v1/scores/models", model | {"scale": scale})
    feature = await workspace.feature()
    path = f"/v1/features/{feature['id']}/scores"
    inputs = {"reach": 300, "impact": "big", "confidence": "half", "effort": 5}
    answer = await workspace.live.post(path, json={"framework": "our_rice", "inputs": inputs})
    assert [(e["target"]["name"], e["code"]) for e in answer.json()["errors"]] == [("/inputs/reach_period", "missing")]
    body = {"framework": "our_rice", "inputs": inputs | {"reach_period": "quarter"}}
    shown = await made(workspace.live, path, body)
    assert (shown["value"], shown["scale"]) == (50, "ours-1")
    off = await workspace.live.post(path, json=body | {"inputs": body["inputs"] | {"impact": 3}})
    assert [(e["target"]["name"], e["code"]) for e in off.json()["errors"]] == [("/inputs/impact", "off_scale")]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"key": "rice"}, "/key"),
        ({"expression": "value + nothing"}, "/expression"),
        ({"expression": "__import__('os').system('true')"}, "/expression"),
        ({"expression": "value.__class__"}, "/expression"),
        ({"expression": "value ** 99999999"}, "/expression"),
        ({"expression": "(" * 400 + "value" + ")" * 90}, "/expression"),
        ({"expression": "-" * 499 + "1"}, "/expression"),
        ({"expression": "[value for value in value]"}, "/expression"),
        ({"inputs": [{"name": "value"}, {"name": "value"}]}, "/inputs/1/name"),
        ({"inputs": [{"name": "value", "minimum": 5, "maximum": 5}]}, "/inputs/0/maximum"),
        ({"effort": "cost"}, "/effort"),
    ],
)
async def test_a_model_that_cannot_work_is_refused_where_it_is_wrong(
    workspace: Workspace, change: dict[str, Any], pointer: str
) -> None:
    answer = await workspace.live.post("/v1/scores/models", json=FORMULA | change)
    assert answer.status_code == 400, answer.text
    assert answer.json()["errors"][0]["target"]["name"] == pointer


async def test_a_formula_that_divides_by_nothing_is_a_400(workspace: Workspace) -> None:
    await made(workspace.live, "/v1/scores/models", FORMULA | {"expression": "value / (effort - urgency)"})
    feature = await workspace.feature()
    body = {"framework": "platform_value", "inputs": {"value": 1, "urgency": 3, "effort": 3}}
    answer = await workspace.live.post(f"/v1/features/{feature['id']}/scores", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["target"]["name"]) == (400, "/inputs")


async def test_models_of_another_workspace_are_not_there(workspace: Workspace, other_workspace: Workspace) -> None:
    model = await made(workspace.live, "/v1/scores/models", FORMULA)
    assert (await other_workspace.live.get(f"/v1/scores/models/{model['id']}")).status_code == 404
    assert (await other_workspace.live.get("/v1/scores/models")).json()["data"] == []
    assert (await workspace.test.get("/v1/scores/models")).json()["data"] == []
