"""A new version of an own model: no score changes, and a reprioritisation computes from the inputs that are there."""

from typing import Any

from tests.scores.test_models import FORMULA
from tests.support.workspace import Workspace, made

KEY = FORMULA["key"]


async def scored(workspace: Workspace, title: str, **more: Any) -> dict[str, Any]:
    feature = await workspace.feature(title)
    inputs = {"value": 6, "urgency": 5, "effort": 2} | more.pop("inputs", {})
    await made(workspace.live, f"/v1/features/{feature['id']}/scores", {"framework": KEY, "inputs": inputs, **more})
    return feature


async def ranked(workspace: Workspace, **more: Any) -> dict[str, Any]:
    return await made(workspace.live, "/v1/roadmap/reprioritize", {"framework": KEY, **more})


async def test_a_published_version_changes_no_score_and_no_ranking(workspace: Workspace) -> None:
    await made(workspace.live, "/v1/scores/models", FORMULA)
    await scored(workspace, "Dark mode")
    before = (await workspace.live.get("/v1/scores")).text
    first = await ranked(workspace)
    await made(workspace.live, "/v1/scores/models", FORMULA | {"expression": "value * urgency / effort"})
    assert (await workspace.live.get("/v1/scores")).text == before
    assert (await workspace.live.get(f"/v1/roadmap/revisions/{first['id']}")).json() == first
    again = await ranked(workspace, model_version=1)
    assert (again["ranking"], again["moves"], again["carried_over"]) == (first["ranking"], [], 0)


async def test_ranking_by_the_new_version_computes_from_the_older_inputs_and_says_so(workspace: Workspace) -> None:
    await made(workspace.live, "/v1/scores/models", FORMULA)
    old = await scored(workspace, "Scored by the first")
    await made(workspace.live, "/v1/scores/models", FORMULA | {"expression": "value * urgency / effort"})
    new = await scored(workspace, "Scored by the second", inputs={"urgency": 6})
    scores = (await workspace.live.get("/v1/scores")).text
    told = await ranked(workspace)
    assert [(row["feature_id"], row["value"]) for row in told["ranking"]] == [(new["id"], 18), (old["id"], 15)]
    assert (told["model_version"], told["carried_over"], told["outdated"]) == (2, 1, 0)
    assert (await workspace.live.get("/v1/scores")).text == scores


async def test_the_newest_inputs_count_and_a_score_by_the_new_version_before_them(workspace: Workspace) -> None:
    await made(workspace.live, "/v1/scores/models", FORMULA)
    feature = await scored(workspace, "Dark mode")
    await made(workspace.live, "/v1/scores/models", FORMULA | {"expression": "value * urgency"})
    path = f"/v1/features/{feature['id']}/scores"
    again = {"framework": KEY, "model_version": 1, "inputs": {"value": 1, "urgency": 5, "effort": 2}}
    await made(workspace.live, path, again)
    assert [row["value"] for row in (await ranked(workspace))["ranking"]] == [5]
    await made(workspace.live, path, {"framework": KEY, "inputs": {"value": 2, "urgency": 2, "effort": 2}})
    told = await ranked(workspace)
    assert ([row["value"] for row in told["ranking"]], told["carried_over"]) == ([4], 0)


async def test_inputs_that_the_new_version_does_not_take_are_counted_and_not_ranked(workspace: Workspace) -> None:
    await made(workspace.live, "/v1/scores/models", FORMULA)
    await scored(workspace, "Dark mode")
    inputs = [{"name": "value", "minimum": 0, "maximum": 10}, {"name": "delight", "minimum": 0, "maximum": 10}]
    changed = {"key": KEY, "title": "New", "kind": "formula", "expression": "value * delight", "inputs": inputs}
    await made(workspace.live, "/v1/scores/models", changed)
    told = await ranked(workspace)
    assert (told["ranking"], told["carried_over"], told["outdated"]) == ([], 0, 1)


async def test_features_that_are_closed_are_not_carried_over(workspace: Workspace) -> None:
    await made(workspace.live, "/v1/scores/models", FORMULA)
    feature = await scored(workspace, "Dark mode")
    await workspace.live.patch(f"/v1/features/{feature['id']}", json={"status": "dropped"})
    await made(workspace.live, "/v1/scores/models", FORMULA | {"expression": "value * urgency"})
    told = await ranked(workspace)
    assert (told["ranking"], told["carried_over"], told["outdated"]) == ([], 0, 0)
