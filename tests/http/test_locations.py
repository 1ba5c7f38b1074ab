"""Whatever makes something says where it is."""

import httpx
import pytest

from tests.support.document import Operation, operations
from tests.support.things import a_thing, body_of, url_of
from tests.support.workspace import Workspace

MAKES = [one for one in operations() if "201" in one.spec["responses"]]


@pytest.mark.parametrize("operation", MAKES, ids=str)
async def test_a_201_has_the_location_of_what_was_made(
    workspace: Workspace, client: httpx.AsyncClient, operation: Operation
) -> None:
    caller = client if operation.scope is None else workspace.live
    path = await _ready_for(workspace, operation)
    body = {"metric_id": "SC-001", "value": 1} if operation.id == "observe_metric" else body_of(operation)
    answer = await caller.request(operation.method, path, json=body)
    assert answer.status_code == 201, answer.text
    location = answer.headers["location"]
    assert location.startswith("/v1/")
    secret = _secret_of(answer) if operation.scope is None else workspace.live_secret
    found = await client.get(location, headers={"Authorization": f"Bearer {secret}"})
    assert found.status_code == 200, (location, found.text)


async def _ready_for(workspace: Workspace, operation: Operation) -> str:
    """The path, with what has to be there before."""
    if operation.id == "publish_view":
        await a_thing(workspace.live, "rev")
    path = await url_of(workspace.live, operation)
    prd = path.rpartition("/")[0]
    if operation.id == "review_prd":
        assert (await workspace.live.patch(prd, json={"status": "in_review"})).status_code == 200
    if operation.id == "observe_metric":
        metrics = {"success_metrics": [{"name": "Adoption"}]}
        assert (await workspace.live.patch(prd, json=metrics)).status_code == 200
    return path


def _secret_of(answer: httpx.Response) -> str:
    told = answer.json()
    return str((told.get("live_key") or told["test_key"])["secret"])
