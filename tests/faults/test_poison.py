"""What is odd in an event or in an answer hurts nobody else: neither the batch that it is in nor those after it."""

import json
from typing import Any

from standardwebhooks import Webhook

from tests.support.receiver import Answer, Arrived, Receiver
from tests.support.workspace import Workspace, made
from workers.deliver import Courier

ODD_FEATURES: dict[str, dict[str, Any]] = {
    "no letters": {"title": "\u202e\u2028\u2029\ufeff\u200f"},
    "beyond the basic plane": {"title": "👩\u200d👩\u200d👧\u200d👦 𝕏 ﷽"},
    "markup": {"title": "<script>alert(1)</script> ${jndi:ldap://x} %s {0} '; DROP TABLE deliveries; --"},
    "quotes": {"title": "a\"b\\c'd\\u0000e", "description": '"}],"data":null}\r\n\r\nHTTP/1.1 200 OK'},
    "exact numbers": {"title": "numbers", "metadata": {"a": "0.1", "b": "1e308"}},
    "many": {"title": "many", "labels": [f"label {number}" for number in range(10)]},
    "as large as it may be": {"title": "large", "description": "ø" * 9_000},
}
ODD_ANSWERS = (
    Answer(200, body=b"\x00\xff\xfe\xed\xa0\x80\x00"),
    Answer(200, {"x-odd": "caf\xe9 \x7f", "x-empty": ""}, b'{"a":"\\u0000"}'),
    Answer(200, body=b"\xf0\x9f\x91" * 9_000),
    Answer(299, {"content-type": "application/\xff"}, "\u202e\ufffe".encode()),
    Answer(200, body=b"'; DELETE FROM attempts; --"),
)


async def test_odd_payloads_arrive_signed_as_they_are_and_hold_nothing_up(
    workspace: Workspace, receiver: Receiver, courier: Courier
) -> None:
    endpoint = await workspace.endpoint(receiver.url, "feature.created")
    made_ids = {name: (await made(workspace.live, "/v1/features", body))["id"] for name, body in ODD_FEATURES.items()}
    ordinary = await workspace.feature("Ordinary")

    arrived = await receiver.count(len(ODD_FEATURES) + 1, within_s=20)

    told = {one.event["data"]["id"]: one for one in arrived}
    assert set(told) == {*made_ids.values(), ordinary["id"]}
    for one in arrived:
        Webhook(endpoint["secret"]).verify(one.body, one.headers)
        assert len(one.body) <= 20_000
    for name, feature_id in made_ids.items():
        data = told[feature_id].event["data"]
        assert data.get("thin") or data["title"] == ODD_FEATURES[name]["title"]


async def test_odd_answers_are_logged_and_the_others_of_their_batch_too(
    workspace: Workspace, receiver: Receiver, courier: Courier
) -> None:
    def answer(arrived: Arrived) -> Answer:
        number: int = json.loads(arrived.body)["data"]["metadata"]["number"]
        return ODD_ANSWERS[number % len(ODD_ANSWERS)] if number % 2 else Answer()

    receiver.answer = answer
    await workspace.endpoint(receiver.url, "feature.created")
    items = [{"title": f"Feature {number}", "metadata": {"number": number}} for number in range(20)]
    for item in items:
        await made(workspace.live, "/v1/features", item)
    await receiver.count(len(items), within_s=20)
    await receiver.quiet()

    listed = (await workspace.live.get("/v1/deliveries?limit=100")).json()["data"]

    # A control character in a header is no HTTP: that answer counts as a failure, and is tried again.
    not_http = {number for number in range(20) if number % 2 and number % len(ODD_ANSWERS) == 1}
    expected = ["pending" if number in not_http else "delivered" for number in reversed(range(20))]
    assert [delivery["status"] for delivery in listed] == expected
    for delivery in listed:
        shown = (await workspace.live.get(f"/v1/deliveries/{delivery['id']}")).json()
        [attempt] = shown["attempts"]
        assert attempt["finished_at"] is not None
        assert "\x00" not in attempt["response_body"]
        assert len(attempt["response_body"].encode()) <= 4 * 16_384
    assert len(receiver.arrived) == len(items)
