"""Why does it not verify? Each clause that can fail is named, with what to do."""

import json
import time
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from api.webhooks import signing
from tests.support.receiver import Receiver
from tests.support.workspace import Workspace, made
from workers.deliver import Courier

BODY = '{"type": "decision.recorded", "data": {"n": 1.50}}'


async def explained(
    workspace: Workspace, endpoint: dict[str, Any], headers: dict[str, str], body: str = BODY, **fields: Any
) -> dict[str, Any]:
    asked = {"endpoint_id": endpoint["id"], "headers": headers, "body": body, **fields}
    answer = await workspace.live.post("/v1/webhooks/verify", json=asked)
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


def signed(secret: str, body: str = BODY, at: float | None = None) -> dict[str, str]:
    key = signing.parse_signing_key(secret)
    return signing.headers([key], "evt_1", int(at or time.time()), body.encode())


@pytest.fixture
async def endpoint(workspace: Workspace) -> dict[str, Any]:
    return await workspace.endpoint("http://127.0.0.1:59999/hook", "*")


async def test_real_traffic_verifies(workspace: Workspace, receiver: Receiver, courier: Courier) -> None:
    endpoint = await workspace.endpoint(receiver.url, "feature.*")
    await workspace.feature("Dark mode")
    [arrived] = await receiver.count(1)
    shown = await explained(workspace, endpoint, arrived.headers, arrived.body.decode())
    assert (shown["verified"], shown["code"], shown["version"]) == (True, None, "v1")
    assert all(clause["passed"] for clause in shown["clauses"])


CASES = {
    "header_missing": lambda good: {name: value for name, value in good.items() if name != "webhook-id"},
    "timestamp_malformed": lambda good: good | {"webhook-timestamp": "today"},
    "no_known_version": lambda good: good | {"webhook-signature": "v9,abc"},
    "signature_malformed": lambda good: good | {"webhook-signature": "v1,not base64!"},
    "no_matching_signature": lambda good: good | {"webhook-id": "evt_2"},
}


@pytest.mark.parametrize("code", CASES)
async def test_the_clause_that_fails_is_named(workspace: Workspace, endpoint: dict[str, Any], code: str) -> None:
    shown = await explained(workspace, endpoint, CASES[code](signed(endpoint["secret"])))
    assert (shown["verified"], shown["code"]) == (False, code)
    assert len(shown["message"]) > 20


async def test_a_body_that_was_parsed_and_written_again_is_told_apart(
    workspace: Workspace, endpoint: dict[str, Any]
) -> None:
    compact = '{"type":"decision.recorded","data":{"n":1}}'
    headers = signed(endpoint["secret"], compact)
    shown = await explained(workspace, endpoint, headers, json.dumps(json.loads(compact), indent=2))
    assert shown["code"] == "body_rewritten"


async def test_the_clock_is_judged_beside_the_signature(workspace: Workspace, endpoint: dict[str, Any]) -> None:
    old = time.time() - 4000
    shown = await explained(workspace, endpoint, signed(endpoint["secret"], at=old))
    assert (shown["code"], shown["hints"]["age_s"] >= 4000) == ("timestamp_too_old", True)
    assert [clause["passed"] for clause in shown["clauses"]] == [True, False, True, True]
    then = datetime.fromtimestamp(old + 10, UTC).isoformat()
    assert (await explained(workspace, endpoint, signed(endpoint["secret"], at=old), received_at=then))["verified"]
    ahead = signed(endpoint["secret"], at=time.time() + 4000)
    assert (await explained(workspace, endpoint, ahead))["code"] == "timestamp_in_future"


async def test_another_endpoints_secret_and_a_retired_one_are_told_apart(
    workspace: Workspace, endpoint: dict[str, Any], owner: asyncpg.Connection
) -> None:
    other = await workspace.endpoint("http://127.0.0.1:59999/other", "*")
    assert (await explained(workspace, endpoint, signed(other["secret"])))["code"] == "secret_of_another_endpoint"
    headers = signed(endpoint["secret"])
    await owner.execute("UPDATE endpoint_secrets SET expires_at = now() - interval '1 minute'")
    assert (await explained(workspace, endpoint, headers))["code"] == "secret_retired"


async def test_secrets_are_never_told_and_nobody_elses_endpoint_is_asked_about(
    workspace: Workspace, other_workspace: Workspace, endpoint: dict[str, Any]
) -> None:
    asked = {"endpoint_id": endpoint["id"], "headers": signed(endpoint["secret"]), "body": BODY}
    assert endpoint["secret"] not in str(await made(workspace.live, "/v1/webhooks/verify", asked))
    for client in (other_workspace.live, workspace.test):
        assert (await client.post("/v1/webhooks/verify", json=asked)).status_code == 404
