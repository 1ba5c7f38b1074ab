"""Why does it not verify? Each clause that can fail is named, with what to do."""

import json
import time
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from api.webhooks import signing
from api.webhooks.difference import first_difference
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


WRITINGS = {
    "compact": lambda text: json.dumps(json.loads(text), separators=(",", ":")),
    "spaced": lambda text: json.dumps(json.loads(text)),
    "indented": lambda text: json.dumps(json.loads(text), indent=2, ensure_ascii=False),
    "sorted": lambda text: json.dumps(json.loads(text), sort_keys=True),
    "with a line's end": lambda text: text + "\r\n",
    "with a byte order mark": lambda text: "\ufeff" + text,
}


# A thin body is compact already.
BODIES = [
    (payload, writing)
    for payload in ("full", "thin")
    for writing in WRITINGS
    if (payload, writing) != ("thin", "compact")
]


@pytest.mark.parametrize(("payload", "writing"), BODIES)
async def test_a_real_body_is_known_again_however_it_was_written(
    workspace: Workspace, receiver: Receiver, courier: Courier, writing: str, payload: str
) -> None:
    endpoint = await workspace.endpoint(receiver.url, "feature.*", payload=payload)
    await workspace.feature("Dunkler Modus für alle")
    [arrived] = await receiver.count(1)
    shown = await explained(workspace, endpoint, arrived.headers, WRITINGS[writing](arrived.body.decode()))
    assert (shown["verified"], shown["code"]) == (False, "body_rewritten")
    passed = {clause["name"]: clause["passed"] for clause in shown["clauses"]}
    assert passed == {"headers": True, "clock": True, "format": True, "body": False, "signature": True}
    # Also of what was sent before the endpoint asked for another payload.
    other = "thin" if payload == "full" else "full"
    await workspace.live.patch(f"/v1/endpoints/{endpoint['id']}", json={"payload": other})
    shown = await explained(workspace, endpoint, arrived.headers, WRITINGS[writing](arrived.body.decode()))
    assert shown["code"] == "body_rewritten"


CHANGES = {
    "/data/title": lambda event: event["data"].update(title="Light mode"),
    "/data/version": lambda event: event["data"].update(version=True),
    "/data/labels/1": lambda event: event["data"]["labels"].pop(),
    "/data/metadata/a~1b": lambda event: event["data"]["metadata"].pop("a/b"),
    "/more": lambda event: event.update(more={"deep": [1]}),
    "/type": lambda event: event.pop("type"),
}


@pytest.mark.parametrize("pointer", CHANGES)
async def test_a_body_with_another_content_is_told_with_the_place(
    workspace: Workspace, receiver: Receiver, courier: Courier, pointer: str
) -> None:
    endpoint = await workspace.endpoint(receiver.url, "feature.*")
    await workspace.feature(labels=["a", "b"], metadata={"a/b": "c"})
    [arrived] = await receiver.count(1)
    event = json.loads(arrived.body)
    CHANGES[pointer](event)
    shown = await explained(workspace, endpoint, arrived.headers, json.dumps(event))
    assert (shown["code"], shown["hints"]["differs_at"]) == ("body_changed", pointer)
    assert pointer in shown["message"]
    assert shown["clauses"][-1]["passed"] is True


async def test_numbers_are_compared_exactly_and_a_rounded_one_is_told(
    workspace: Workspace, receiver: Receiver, courier: Courier
) -> None:
    endpoint = await workspace.endpoint(receiver.url, "feature.*")
    sent = '{"title": "Exact", "metadata": {"half": 1.50, "long": 0.12345678901234567890123}}'
    await workspace.live.post("/v1/features", content=sent, headers={"Content-Type": "application/json"})
    [arrived] = await receiver.count(1)
    shown = await explained(workspace, endpoint, arrived.headers, json.dumps(json.loads(arrived.body)))
    assert (shown["code"], shown["hints"]["differs_at"]) == ("body_changed", "/data/metadata/long")
    assert "rounded" in shown["message"]
    exact = arrived.body.decode().replace("1.50", "1.5").replace(" ", "")
    assert (await explained(workspace, endpoint, arrived.headers, exact))["code"] == "body_rewritten"


async def test_what_is_not_json_was_changed_and_a_pointer_stays_short(
    workspace: Workspace, receiver: Receiver, courier: Courier
) -> None:
    endpoint = await workspace.endpoint(receiver.url, "feature.*")
    await workspace.feature(metadata={"k" * 40: "v" * 500})
    [arrived] = await receiver.count(1)
    for body in (arrived.body.decode()[:-1], "", '{"n": NaN}', "[" * 5000):
        shown = await explained(workspace, endpoint, arrived.headers, body)
        assert (shown["code"], shown["hints"]["differs_at"]) == ("body_changed", "")
    event = json.loads(arrived.body)
    event["data"]["metadata"]["k" * 40] = "w" * 500
    shown = await explained(workspace, endpoint, arrived.headers, json.dumps(event))
    assert len(shown["message"]) < 300
    sent: Any = 1
    for _ in range(50):
        sent = {"y" * 20: sent}
    difference = first_difference(sent, json.loads(json.dumps(sent).replace("1", "2")))
    assert difference is not None
    assert difference.pointer == ("/" + "y" * 20) * 9


async def test_two_faults_at_once_are_both_told(
    workspace: Workspace, receiver: Receiver, courier: Courier, owner: asyncpg.Connection
) -> None:
    endpoint = await workspace.endpoint(receiver.url, "feature.*")
    other = await workspace.endpoint("http://127.0.0.1:59999/other", "prd.*")
    await workspace.feature()
    [arrived] = await receiver.count(1)
    shown = await explained(workspace, other, arrived.headers, json.dumps(json.loads(arrived.body)))
    codes = {clause["name"]: clause["code"] for clause in shown["clauses"]}
    assert (codes["body"], codes["signature"]) == ("body_rewritten", "secret_of_another_endpoint")
    assert (await explained(workspace, other, arrived.headers, arrived.body.decode()))["code"] == codes["signature"]
    await owner.execute("UPDATE endpoint_secrets SET expires_at = now() - interval '1 minute'")
    shown = await explained(workspace, endpoint, arrived.headers, arrived.body.decode())
    assert shown["code"] == "secret_retired"


async def test_an_event_that_is_not_there_or_was_expunged_leaves_the_body_open(
    workspace: Workspace, other_workspace: Workspace, receiver: Receiver, courier: Courier
) -> None:
    endpoint = await workspace.endpoint(receiver.url, "feature.*")
    await workspace.feature()
    [arrived] = await receiver.count(1)
    elsewhere = await other_workspace.endpoint("http://127.0.0.1:59999/hook", "prd.*")
    changed = arrived.body.decode().replace("Dark", "Bright")
    shown = await explained(other_workspace, elsewhere, arrived.headers, changed)
    assert (shown["code"], shown["clauses"][3]["passed"]) == ("no_matching_signature", None)
    await made(workspace.live, f"/v1/events/{arrived.headers['webhook-id']}/expunge", {})
    shown = await explained(workspace, endpoint, arrived.headers, changed)
    assert (shown["code"], shown["clauses"][3]["passed"]) == ("no_matching_signature", None)


async def test_the_clock_is_judged_beside_the_signature(workspace: Workspace, endpoint: dict[str, Any]) -> None:
    old = time.time() - 4000
    shown = await explained(workspace, endpoint, signed(endpoint["secret"], at=old))
    assert (shown["code"], shown["hints"]["age_s"] >= 4000) == ("timestamp_too_old", True)
    assert [clause["passed"] for clause in shown["clauses"]] == [True, False, True, True, True]
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
