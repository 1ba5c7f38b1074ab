"""What an endpoint can ask for: which events, how they look, what is sent along, which keys sign."""

import base64
from typing import Any

import asyncpg
import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook

from api.main import create_app
from api.settings import Settings
from api.webhooks import signing
from tests.support.receiver import Answer, Receiver
from tests.support.workspace import Workspace, made, sign_up
from workers.deliver import Courier


async def test_a_condition_narrows_events_by_their_data(
    workspace: Workspace, receiver: Receiver, courier: Courier
) -> None:
    condition = {"bucket": "technical", "labels": ["api", "search"]}
    endpoint = await workspace.endpoint(receiver.url, "feature.created", condition=condition)
    assert endpoint["condition"] == {"bucket": ["technical"], "labels": ["api", "search"]}
    await workspace.feature("Wrong bucket", labels=["api"])
    await workspace.feature("Wrong label", bucket="technical", labels=["docs"])
    await workspace.feature("Right", bucket="technical", labels=["docs", "search"])
    await receiver.count(1)
    assert [one.event["data"]["title"] for one in await receiver.quiet()] == ["Right"]


async def test_thin_payloads_carry_ids_and_are_signed_as_they_are(
    workspace: Workspace, receiver: Receiver, courier: Courier
) -> None:
    endpoint = await workspace.endpoint(receiver.url, "feature.updated", payload="thin")
    feature = await workspace.feature("Long", description="x" * 1000)
    await workspace.live.patch(f"/v1/features/{feature['id']}", json={"title": "Longer"})
    [told] = await receiver.count(1)
    Webhook(endpoint["secret"]).verify(told.body, told.headers)
    assert told.event["data"] == {
        "id": feature["id"],
        "object": "feature",
        "version": 2,
        "changed": ["title"],
        "thin": True,
    }


async def test_own_headers_are_sent_sealed_and_never_shown(
    workspace: Workspace, receiver: Receiver, courier: Courier, owner: asyncpg.Connection
) -> None:
    headers = {"X-Team": "roadmap", "Authorization": "Bearer very-secret"}
    endpoint = await workspace.endpoint(receiver.url, "feature.created", headers=headers)
    assert endpoint["headers"] == ["authorization", "x-team"]
    await workspace.feature()
    [told] = await receiver.count(1)
    assert (told.headers["authorization"], told.headers["x-team"]) == ("Bearer very-secret", "roadmap")
    assert b"very-secret" not in await owner.fetchval("SELECT sealed_headers FROM endpoints")

    patched = await workspace.live.patch(f"/v1/endpoints/{endpoint['id']}", json={"headers": {"x-team": None}})
    assert patched.json()["headers"] == ["authorization"]
    await workspace.feature("Second")
    told = (await receiver.count(2))[1]
    assert told.headers["authorization"] == "Bearer very-secret"
    assert "x-team" not in told.headers


@pytest.mark.parametrize("name", ["Host", "Content-Length", "webhook-signature", "bad name", "x\r\ny"])
async def test_headers_that_would_break_or_forge_a_request_are_refused(workspace: Workspace, name: str) -> None:
    body = {"url": "http://127.0.0.1:8099/hook", "event_types": ["*"], "headers": {name: "1"}}
    refused = await workspace.live.post("/v1/endpoints", json=body)
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["target"]["name"].startswith("/headers/")


async def test_an_endpoint_may_have_a_schedule_of_its_own(
    workspace: Workspace, receiver: Receiver, courier: Courier
) -> None:
    receiver.answer = lambda _: Answer(500)
    endpoint = await workspace.endpoint(receiver.url, "feature.created", schedule=[0, 0, 1])
    await workspace.feature()
    await receiver.count(3)
    await receiver.quiet(1)
    assert len({one.headers["webhook-id"] for one in receiver.arrived}) == 1
    [dead] = (await workspace.live.get(f"/v1/deliveries?endpoint_id={endpoint['id']}")).json()["data"]
    assert (dead["status"], dead["attempt_count"]) == ("dead", 3)


@pytest.mark.parametrize(
    "field",
    [
        {"schedule": []},
        {"schedule": [0] * 21},
        {"schedule": [-1]},
        {"schedule": [604_801]},
        {"rate_per_s": 0},
        {"max_in_flight": 0},
        {"max_in_flight": 1000},
        {"ordering": "sometimes"},
        {"payload": "fat"},
        {"condition": {"bucket": {"nested": 1}}},
        {"secret": "whsec_dG9vIHNob3J0"},
        {"event_types": ["feature.exploded"]},
        {"event_types": []},
    ],
)
async def test_what_an_endpoint_cannot_be_is_refused_with_a_pointer(
    workspace: Workspace, field: dict[str, Any]
) -> None:
    body = {"url": "http://127.0.0.1:8099/hook", "event_types": ["*"], **field}
    refused = await workspace.live.post("/v1/endpoints", json=body)
    assert refused.status_code == 400, refused.text
    assert refused.json()["errors"][0]["target"]["name"].startswith("/" + next(iter(field)))
    assert (await workspace.live.get("/v1/endpoints")).json()["data"] == []


async def test_the_trace_of_the_request_reaches_the_receiver(
    workspace: Workspace, receiver: Receiver, courier: Courier
) -> None:
    await workspace.endpoint(receiver.url, "feature.created")
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    await workspace.live.post("/v1/features", json={"title": "Traced"}, headers=headers)
    await workspace.live.post("/v1/features", json={"title": "Not"}, headers={"traceparent": "junk"})
    first, second = sorted(await receiver.count(2), key=lambda one: one.event["data"]["title"], reverse=True)
    assert first.headers["traceparent"].split("-")[1] == trace
    assert len(second.headers["traceparent"].split("-")[1]) == 32


async def test_a_later_rotation_gives_a_key_that_ends_already_no_more_time(workspace: Workspace) -> None:
    endpoint = await workspace.endpoint("https://hooks.example.com/in")
    path = f"/v1/endpoints/{endpoint['id']}/secrets"
    await made(workspace.live, path, {"overlap_s": 60})
    before = (await workspace.live.get(path)).json()["data"]

    await made(workspace.live, path, {"overlap_s": 604_800})

    after = (await workspace.live.get(path)).json()["data"]
    assert after[0] == before[0]
    assert [one["expires_at"] is None for one in after] == [False, False, True]


async def test_rotation_signs_with_old_and_new_until_the_old_one_ends(
    workspace: Workspace, receiver: Receiver, courier: Courier, owner: asyncpg.Connection
) -> None:
    endpoint = await workspace.endpoint(receiver.url, "feature.created")
    rotated = await made(workspace.live, f"/v1/endpoints/{endpoint['id']}/secrets", {"overlap_s": 3600})
    await workspace.feature("Both")
    [told] = await receiver.count(1)
    for secret in (endpoint["secret"], rotated["secret"]):
        Webhook(secret).verify(told.body, told.headers)

    await owner.execute("UPDATE endpoint_secrets SET expires_at = now() WHERE expires_at IS NOT NULL")
    await workspace.feature("New alone")
    told = (await receiver.count(2))[1]
    Webhook(rotated["secret"]).verify(told.body, told.headers)
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(endpoint["secret"]).verify(told.body, told.headers)
    listed = (await workspace.live.get(f"/v1/endpoints/{endpoint['id']}/secrets")).json()["data"]
    assert [one["id"] for one in listed] == [rotated["id"]]
    assert "secret" not in listed[0]


async def test_ed25519_signs_beside_hmac_and_its_public_key_is_published(
    workspace: Workspace, receiver: Receiver, courier: Courier
) -> None:
    endpoint = await workspace.endpoint(receiver.url, "feature.created")
    wanted = {"kind": "ed25519", "overlap_s": None}
    added = await made(workspace.live, f"/v1/endpoints/{endpoint['id']}/secrets", wanted)
    await workspace.feature()
    [told] = await receiver.count(1)
    assert [one.split(",")[0] for one in told.headers["webhook-signature"].split()] == ["v1", "v1a"]
    now_s = float(told.headers["webhook-timestamp"])
    assert signing.verify(told.headers, told.body, [added["public_key"]], now_s=now_s).version == "v1a"
    Webhook(endpoint["secret"]).verify(told.body, told.headers)

    [key] = (await workspace.live.get(f"/v1/endpoints/{endpoint['id']}/jwks")).json()["keys"]
    raw = base64.urlsafe_b64decode(key["x"] + "=")
    content = f"{told.headers['webhook-id']}.{told.headers['webhook-timestamp']}.".encode() + told.body
    signature = base64.b64decode(told.headers["webhook-signature"].split("v1a,")[1])
    Ed25519PublicKey.from_public_bytes(raw).verify(signature, content)
    assert (key["kid"], key["crv"]) == (added["id"], "Ed25519")


async def test_a_key_can_be_brought_along_five_live_at_most_and_never_none(
    workspace: Workspace, receiver: Receiver, courier: Courier
) -> None:
    own = "whsec_" + base64.b64encode(bytes(range(24))).decode()
    endpoint = await workspace.endpoint(receiver.url, "feature.created", secret=own)
    await workspace.feature()
    [told] = await receiver.count(1)
    Webhook(own).verify(told.body, told.headers)

    path = f"/v1/endpoints/{endpoint['id']}/secrets"
    for _ in range(4):
        last = await made(workspace.live, path, {"overlap_s": None})
    sixth = await workspace.live.post(path, json={"overlap_s": None})
    assert (sixth.status_code, sixth.json()["code"]) == (409, "too_many_secrets")
    for one in (await workspace.live.get(path)).json()["data"][:-1]:
        assert (await workspace.live.delete(f"{path}/{one['id']}")).status_code == 204
    refused = await workspace.live.delete(f"{path}/{last['id']}")
    assert (refused.status_code, refused.json()["code"]) == (409, "last_secret")


async def test_secrets_are_sealed_at_rest(workspace: Workspace, receiver: Receiver, owner: asyncpg.Connection) -> None:
    endpoint = await workspace.endpoint(receiver.url, "feature.created")
    sealed = await owner.fetchval("SELECT sealed FROM endpoint_secrets")
    assert endpoint["secret"].encode() not in sealed
    assert base64.b64decode(endpoint["secret"].removeprefix("whsec_")) not in sealed


async def test_stats_tell_how_an_endpoint_does(workspace: Workspace, receiver: Receiver, courier: Courier) -> None:
    answers = iter([204, 204, 500])
    receiver.answer = lambda _: Answer(next(answers, 204))
    endpoint = await workspace.endpoint(receiver.url, "feature.created", max_in_flight=1)
    for number in range(3):
        await workspace.feature(f"Feature {number}")
    await receiver.count(3)
    await receiver.quiet()
    stats = (await workspace.live.get(f"/v1/endpoints/{endpoint['id']}/stats")).json()
    assert (stats["attempts"], stats["success_rate"], stats["breaker"]) == (3, 0.6667, "closed")
    assert (stats["pending"], stats["held"], stats["dead"]) == (1, 0, 0)
    assert 0 < stats["p50_ms"] <= stats["p95_ms"]


async def test_an_endpoint_with_a_large_log_takes_its_time_to_be_deleted(
    client: httpx.AsyncClient, settings: Settings, owner: asyncpg.Connection
) -> None:
    hurried = create_app(settings.model_copy(update={"statement_timeout_ms": 300}))
    async with (
        hurried.router.lifespan_context(hurried),
        httpx.AsyncClient(transport=httpx.ASGITransport(hurried), base_url="http://roadbed.test") as calling,
        sign_up(calling) as workspace,
    ):
        endpoint = await workspace.endpoint("https://hooks.example.com/in", "feature.created")
        await workspace.feature()
        await owner.execute(
            """
            CREATE FUNCTION odd_slow() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN PERFORM pg_sleep(0.6); RETURN OLD; END $$;
            CREATE TRIGGER odd_slow BEFORE DELETE ON deliveries FOR EACH ROW EXECUTE FUNCTION odd_slow()
            """
        )
        try:
            deleted = await workspace.live.delete(f"/v1/endpoints/{endpoint['id']}")
        finally:
            await owner.execute("DROP TRIGGER odd_slow ON deliveries; DROP FUNCTION odd_slow()")
        assert deleted.status_code == 204
