"""Every event says which version of its entity it tells of, so that a subscriber can put two of them in order."""

from collections import defaultdict
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from api.stores import Stores
from api.webhooks.catalogue import every_type
from tests.support.receiver import Receiver
from tests.support.told import settled
from tests.support.workspace import Workspace, made
from workers.deliver import Courier

DRAFT = {
    "title": "Firebase or Yjs",
    "kind": "build_vs_buy",
    "options": [{"key": "firebase", "title": "Firebase"}, {"key": "yjs", "title": "Yjs"}],
    "triggers": [{"key": "dear", "metric": "yearly_cost", "op": "gt", "value": 120000}],
}


@pytest.mark.parametrize("event_type", every_type(), ids=lambda one: one.name)
def test_the_schema_of_each_type_asks_for_a_version(event_type: Any) -> None:
    schema = event_type.data.model_json_schema(mode="serialization")
    assert "version" in schema["required"]
    version = schema["properties"]["version"]
    assert version["type"] == "integer"
    assert version.get("minimum", version.get("const")) >= 1
    assert event_type.data.model_validate(event_type.example).version == event_type.example["version"]


@pytest.mark.parametrize("payload", ["full", "thin"])
async def test_each_type_arrives_with_its_version(
    workspace: Workspace, receiver: Receiver, courier: Courier, payload: str
) -> None:
    await workspace.endpoint(receiver.url, "*", payload=payload)
    for event_type in every_type():
        await made(workspace.live, "/v1/events/trigger", {"type": event_type.name})
    arrived = {one.event["type"]: one.event["data"] for one in await receiver.count(len(every_type()))}
    assert {name: data["version"] for name, data in arrived.items()} == {
        event_type.name: event_type.example["version"] for event_type in every_type()
    }


async def test_the_events_of_a_resource_can_be_put_in_order_up_to_its_deletion(
    workspace: Workspace, stores: Stores
) -> None:
    for path, body, patch in (
        ("/v1/features", {"title": "Dark mode"}, {"title": "Light mode"}),
        (
            "/v1/debts",
            {"title": "Old driver", "effort_months": 2, "monthly_benefit": 1, "cost_per_month": 10000},
            {"title": "Older driver"},
        ),
    ):
        one = await made(workspace.live, path, body)
        await workspace.live.patch(f"{path}/{one['id']}", json=patch)
        await workspace.live.delete(f"{path}/{one['id']}")
        assert [version for _, version in (await _versions(stores, workspace.live))[one["id"]]] == [1, 2, 3]


async def test_each_rotation_of_an_endpoints_secret_is_a_version(workspace: Workspace, stores: Stores) -> None:
    endpoint = await workspace.endpoint("http://127.0.0.1:59999/hook", "prd.*")
    for _ in range(2):
        await made(workspace.live, f"/v1/endpoints/{endpoint['id']}/secrets", {})
    await workspace.live.patch(f"/v1/endpoints/{endpoint['id']}", json={"enabled": False})
    await workspace.live.patch(f"/v1/endpoints/{endpoint['id']}", json={"enabled": True})
    assert (await _versions(stores, workspace.live))[endpoint["id"]] == [
        ("webhook_endpoint.secret_rotated", 2),
        ("webhook_endpoint.secret_rotated", 3),
        ("webhook_endpoint.enabled", 5),
    ]


async def test_what_is_told_of_a_recorded_decision_has_versions_of_its_own(
    workspace: Workspace, stores: Stores
) -> None:
    first, *later = [await _recorded(workspace) for _ in range(4)]
    for kind, decision in zip(("amends", "amends", "supersedes"), later, strict=True):
        body = {"kind": kind, "decision_id": first["id"]}
        await made(workspace.live, f"/v1/decisions/{decision['id']}/links", body)
    seen = {"metric": "yearly_cost", "value": 130000}
    await made(workspace.live, f"/v1/decisions/{first['id']}/observations", seen)
    told = (await _versions(stores, workspace.live))[first["id"]]
    assert [name for name, _ in told] == [
        "decision.recorded",
        "decision.amended",
        "decision.amended",
        "decision.superseded",
        "decision.review_due",
    ]
    assert [version for _, version in told] == list(range(first["version"], first["version"] + 5))


async def test_a_rotation_of_a_key_comes_after_its_making_and_before_its_end(
    workspace: Workspace, stores: Stores
) -> None:
    key = await made(workspace.live, "/v1/keys", {"name": "CI", "scopes": ["features:read"]})
    await made(workspace.live, f"/v1/keys/{key['id']}/rotate", {"overlap_s": 60})
    await workspace.live.delete(f"/v1/keys/{key['id']}")
    assert (await _versions(stores, workspace.live))[key["id"]] == [
        ("key.created", 1),
        ("key.rotated", 2),
        ("key.revoked", 3),
    ]


async def test_what_is_told_of_a_workspace_can_be_put_in_order(
    workspace: Workspace, application: FastAPI, owner: asyncpg.Connection
) -> None:
    caller, meter = workspace.live, application.state.gate.meter
    await caller.patch("/v1/usage", json={"policy": "auto_upgrade"})
    for title in ("Dark mode", "Light mode"):
        await workspace.feature(title)
        await caller.get("/v1/tutorial")
        await workspace.endpoint("http://127.0.0.1:59999/hook", "prd.*")
    await meter.write()
    for share in (0.8, 1):
        await owner.execute(
            "UPDATE usage_months SET calls = $1 WHERE livemode", int(meter._stores.settings.free_calls * share) - 1
        )
        await caller.get("/v1/features")
        await meter.write()
    # Not through the API, where the month's calls are used up until the key is looked up anew.
    told = await owner.fetch(
        "SELECT type, (body::jsonb #>> '{data,version}')::integer FROM events "
        "WHERE body::jsonb #>> '{data,id}' = $1 ORDER BY xid, id",
        workspace.id,
    )
    assert [name for name, _ in told] == [
        *["tutorial.step_completed"] * 3,
        *["quota.threshold_reached"] * 2,
        "plan.upgraded",
    ]
    versions = [version for _, version in told]
    assert versions == sorted(set(versions))


async def _recorded(workspace: Workspace) -> dict[str, Any]:
    draft = await made(workspace.live, "/v1/decisions", DRAFT)
    verdict = {"chosen": "firebase", "rationale": "It is quick."}
    return await made(workspace.live, f"/v1/decisions/{draft['id']}/record", verdict)


async def _versions(stores: Stores, caller: httpx.AsyncClient) -> dict[str, list[tuple[str, int]]]:
    """Of each entity, the types and versions of its events, as the feed has them."""
    await settled(stores)
    page = (await caller.get("/v1/events", params={"after": "start", "limit": 100})).json()
    told: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
    for event in page["data"]:
        told[event["data"]["id"]].append((event["type"], event["data"]["version"]))
    return told
