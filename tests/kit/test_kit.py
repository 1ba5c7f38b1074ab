"""The receiver kit: both languages agree, real traffic verifies, and only its own error ever comes out."""

import base64
import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.fuzz_kit import fuzz
from tests.kit.make_vectors import BODY, PATH, PRIVATE, PUBLIC, SHARED, TIME_S, cases, signed
from tests.support.kit import checked_by_node, node, python_kit
from tests.support.receiver import Receiver
from tests.support.workspace import Workspace
from workers.deliver import Courier

VECTORS: list[dict[str, Any]] = json.loads(PATH.read_text())
kit = python_kit()


def said(case: dict[str, Any]) -> str:
    try:
        kit.verify_webhook(case["headers"], base64.b64decode(case["body"]), case["secrets"], now=case["now"])
    except kit.WebhookVerificationError as error:
        return str(error.code)
    return "ok"


def test_the_vectors_are_those_that_the_script_writes() -> None:
    assert cases() == VECTORS


@pytest.mark.parametrize("case", VECTORS, ids=[case["name"] for case in VECTORS])
def test_python_says_what_each_vector_expects(case: dict[str, Any]) -> None:
    assert said(case) == case["expected"]


def test_typescript_says_what_each_vector_expects() -> None:
    answers = checked_by_node(VECTORS)
    found = {case["name"]: answer.get("code", "ok") for case, answer in zip(VECTORS, answers, strict=True)}
    assert found == {case["name"]: case["expected"] for case in VECTORS}


async def test_real_traffic_verifies_in_both_languages(
    workspace: Workspace, receiver: Receiver, courier: Courier
) -> None:
    endpoint = await workspace.endpoint(receiver.url, "feature.*")
    for title in ("Dark mode", "Größe ✓", '"quoted" \\ / \u2028'):
        await workspace.feature(title)
    arrived = await receiver.count(3)
    secrets = [endpoint["secret"]]
    for one in arrived:
        event = kit.verify_webhook(one.headers, one.body, secrets)
        assert (event.id, event.type) == (one.headers["webhook-id"], "feature.created")
        assert event.payload == json.loads(one.body)
    requests = [
        {"headers": one.headers, "body": base64.b64encode(one.body).decode(), "secrets": secrets, "now": time.time()}
        for one in arrived
    ]
    assert [answer["id"] for answer in checked_by_node(requests)] == [one.headers["webhook-id"] for one in arrived]


def test_headers_are_taken_as_frameworks_give_them() -> None:
    good = signed(SHARED)
    asgi = [(name.encode(), value.encode()) for name, value in good.items()]
    for headers in (good, list(good.items()), asgi, {name: [value] for name, value in good.items()}):
        assert kit.verify_webhook(headers, BODY.encode(), SHARED, now=TIME_S).type == "decision.recorded"
    assert kit.verify_webhook(good, BODY, SHARED, now=TIME_S).data == {"title": "Größe ✓"}


def test_without_cryptography_shared_secrets_verify_and_public_keys_say_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    assert kit.verify_webhook(signed(SHARED), BODY, SHARED, now=TIME_S).type == "decision.recorded"
    with pytest.raises(kit.WebhookVerificationError) as caught:
        kit.verify_webhook(signed(PRIVATE), BODY, PUBLIC, now=TIME_S)
    assert caught.value.code == "ed25519_unavailable"


@pytest.mark.parametrize("case", [case for case in VECTORS if case["expected"] != "ok" and case["secrets"]])
def test_no_message_repeats_a_secret(case: dict[str, Any]) -> None:
    with pytest.raises(kit.WebhookVerificationError) as caught:
        kit.verify_webhook(case["headers"], base64.b64decode(case["body"]), case["secrets"], now=case["now"])
    assert not any(len(secret) > 10 and secret[6:] in str(caught.value) for secret in case["secrets"])


def test_python_is_one_file_of_the_standard_library() -> None:
    text = Path(kit.__file__ or "").read_text()
    imported = {
        line.split()[1].partition(".")[0] for line in text.splitlines() if line.startswith(("import ", "from "))
    }
    assert imported <= set(sys.stdlib_module_names)


def test_fuzzed_input_raises_nothing_but_its_own_error_in_python() -> None:
    found = fuzz(20_000, seed=int(time.time()))
    assert (found["leaked"], found["forged"], found["example"]) == (0, 0, "")
    assert found["accepted"] > 0
    assert len(found["refused"]) >= 10


def test_fuzzed_input_raises_nothing_but_its_own_error_in_typescript() -> None:
    done = node("fuzz.ts", "5000", str(int(time.time())))
    assert done.returncode == 0, done.stdout + done.stderr
