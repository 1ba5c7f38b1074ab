"""Features with what belongs to them, and lists by score and by time."""

import pytest

from tests.support.workspace import GUIDE, Workspace, made


async def titles(workspace: Workspace, **params: str) -> list[str]:
    answer = await workspace.live.get("/v1/features", params=params)
    assert answer.status_code == 200, answer.text
    return [one["title"] for one in answer.json()["data"]]


async def test_the_latest_score_is_shown_inside_a_feature(workspace: Workspace) -> None:
    feature = await workspace.scored("Dark mode")
    path = f"/v1/features/{feature['id']}"
    latest = await made(
        workspace.live, f"{path}/scores", {"framework": "rice", "inputs": {**GUIDE["Dark mode"], "effort": 1}}
    )
    plain = await workspace.live.get(path)
    assert "latest_score" not in plain.json()
    shown = await workspace.live.get(path, params={"expand": "latest_score"})
    assert shown.json() == {**plain.json(), "latest_score": latest}
    none = await workspace.live.get(path, params={"expand": "latest_score", "framework": "ice"})
    assert none.json()["latest_score"] is None


async def test_the_etag_of_an_expanded_feature_is_another_when_its_score_is_and_still_names_the_version(
    workspace: Workspace,
) -> None:
    feature = await workspace.scored("Dark mode")
    path = f"/v1/features/{feature['id']}"
    shown = {"expand": "latest_score"}
    first = await workspace.live.get(path, params=shown, headers={"If-None-Match": '"1"'})
    assert first.status_code == 200
    held = {"If-None-Match": first.headers["etag"]}
    assert (await workspace.live.get(path, params=shown, headers=held)).status_code == 304
    body = {"framework": "rice", "inputs": {**GUIDE["Dark mode"], "effort": 1}}
    await made(workspace.live, f"{path}/scores", body)
    second = await workspace.live.get(path, params=shown, headers=held)
    assert (second.status_code, second.json()["version"]) == (200, 1)
    for tag, status in ((second.headers["etag"], 200), (first.headers["etag"], 412)):
        changed = await workspace.live.patch(path, json={"title": "Darker"}, headers={"If-Match": tag})
        assert changed.status_code == status


async def test_a_list_expands_each_feature(workspace: Workspace) -> None:
    for title in GUIDE:
        await workspace.scored(title)
    await workspace.feature("Unscored")
    page = (await workspace.live.get("/v1/features", params={"expand": "latest_score"})).json()["data"]
    values = {one["title"]: one["latest_score"] and one["latest_score"]["value"] for one in page}
    assert values == {
        "Real-time collab": 12000,
        "Dark mode": 10000,
        "API v2": 150,
        "Performance": 5250,
        "Unscored": None,
    }


async def test_the_newest_prd_is_shown_inside_a_feature_and_in_a_list(workspace: Workspace) -> None:
    feature, bare = await workspace.feature("Dark mode"), await workspace.feature("Bare")
    await made(workspace.live, "/v1/prds", {"title": "First", "feature_ids": [feature["id"]]})
    newest = await made(workspace.live, "/v1/prds", {"title": "Second", "feature_ids": [bare["id"], feature["id"]]})
    shown = await workspace.live.get(f"/v1/features/{feature['id']}", params={"expand": "latest_score,prd"})
    assert (shown.json()["prd"], shown.json()["latest_score"]) == (newest, None)
    page = (await workspace.live.get("/v1/features", params={"expand": "prd", "sort": "title"})).json()["data"]
    assert [(one["title"], one["prd"]["title"]) for one in page] == [("Bare", "Second"), ("Dark mode", "Second")]


async def test_features_are_sorted_and_filtered_by_score_across_pages(workspace: Workspace) -> None:
    for title in GUIDE:
        await workspace.scored(title)
    await workspace.feature("Unscored")
    order = ["Real-time collab", "Dark mode", "Performance", "API v2"]
    assert await titles(workspace, sort="-score") == order
    assert await titles(workspace, sort="score") == order[::-1]
    assert await titles(workspace, sort="-score", score_gte="5250", score_lte="10000") == ["Dark mode", "Performance"]
    assert await titles(workspace, framework="rice", sort="title") == sorted(order)
    assert await titles(workspace, framework="ice") == []
    first = (await workspace.live.get("/v1/features", params={"sort": "-score", "limit": "3"})).json()
    params = {"sort": "-score", "limit": "3", "cursor": first["next_cursor"]}
    second = (await workspace.live.get("/v1/features", params=params)).json()
    assert [one["title"] for one in first["data"] + second["data"]] == order


async def test_what_was_updated_since_is_listed(workspace: Workspace) -> None:
    old = await workspace.feature("Old")
    new = await workspace.feature("New")
    assert await titles(workspace, updated_at_gte=new["updated_at"]) == ["New"]
    await workspace.live.patch(f"/v1/features/{old['id']}", json={"status": "planned"})
    assert set(await titles(workspace, updated_at_gte=new["updated_at"])) == {"Old", "New"}
    assert set(await titles(workspace, updated_since=new["updated_at"])) == {"Old", "New"}


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({"expand": "everything"}, "expand"),
        ({"expand": "latest_score,latest_score,latest_score"}, "expand"),
        ({"sort": "relevance"}, "sort"),
        ({"score_gte": "many"}, "score_gte"),
        ({"q": "x" * 201}, "q"),
        ({"framework": "No Such"}, "framework"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_a_wrong_parameter_is_named(workspace: Workspace, params: dict[str, str], name: str) -> None:
    answer = await workspace.live.get("/v1/features", params=params)
    assert (answer.status_code, answer.json()["errors"][0]["target"]["name"]) == (400, name)
