"""Who depends on whom stays a graph without cycles and without loose ends, whoever writes at the same time."""

import asyncio

import asyncpg

from tests.support.problems import problem
from tests.support.workspace import Workspace


async def test_two_writes_at_once_cannot_close_a_cycle(workspace: Workspace) -> None:
    for number in range(10):
        first, second = [await workspace.feature(f"{name} {number}") for name in ("One", "Two")]
        answers = await asyncio.gather(
            workspace.live.patch(f"/v1/features/{first['id']}", json={"depends_on": [second["id"]]}),
            workspace.live.patch(f"/v1/features/{second['id']}", json={"depends_on": [first["id"]]}),
        )
        assert sorted(answer.status_code for answer in answers) == [200, 400]
        [refused] = [answer for answer in answers if answer.status_code == 400]
        assert refused.json()["errors"][0]["code"] == "dependency_cycle"


async def test_a_batch_and_a_patch_at_once_cannot_close_a_cycle(workspace: Workspace) -> None:
    for number in range(5):
        first = await workspace.feature("One", source="jira", external_id=f"one-{number}")
        second = await workspace.feature("Two", source="jira", external_id=f"two-{number}")
        item = {"title": "One", "source": "jira", "external_id": f"one-{number}", "depends_on": [second["id"]]}
        answers = await asyncio.gather(
            workspace.live.post("/v1/features/batch", json={"atomic": True, "items": [item]}),
            workspace.live.patch(f"/v1/features/{second['id']}", json={"depends_on": [first["id"]]}),
        )
        assert sorted(answer.status_code for answer in answers) == [200, 400]


async def test_a_feature_that_others_depend_on_is_not_deleted(workspace: Workspace) -> None:
    needed = await workspace.feature("Login")
    users = [await workspace.feature(f"Needs it {number}", depends_on=[needed["id"]]) for number in range(5)]

    refused = await workspace.live.delete(f"/v1/features/{needed['id']}")

    told = problem(refused, 409, "feature_needed")
    assert [user["id"] in told["detail"] for user in users] == [True, True, True, False, False]
    assert (await workspace.live.get(f"/v1/features/{needed['id']}")).status_code == 200
    for user in users:
        freed = await workspace.live.patch(f"/v1/features/{user['id']}", json={"depends_on": []})
        assert freed.status_code == 200
    assert (await workspace.live.delete(f"/v1/features/{needed['id']}")).status_code == 204


async def test_a_feature_is_not_deleted_while_another_begins_to_depend_on_it(
    workspace: Workspace, owner: asyncpg.Connection
) -> None:
    for number in range(10):
        needed = await workspace.feature(f"Login {number}")
        await asyncio.gather(
            workspace.live.delete(f"/v1/features/{needed['id']}"),
            workspace.live.post("/v1/features", json={"title": "Needs it", "depends_on": [needed["id"]]}),
        )
    loose = await owner.fetchval(
        "SELECT count(*) FROM features AS user_, unnest(user_.depends_on) AS needed (id) "
        "WHERE NOT EXISTS (SELECT 1 FROM features WHERE features.id = needed.id)"
    )
    assert loose == 0
