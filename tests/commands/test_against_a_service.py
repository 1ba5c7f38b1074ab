"""The commands as people run them: own processes, against a service on a real port."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from fastapi import FastAPI

from api.commands import conformance
from api.settings import Settings
from api.webhooks import signing
from tests.support.kit import python_kit
from tests.support.operating import operating
from tests.support.receiver import Receiver
from tests.support.serving import serving
from tests.support.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
async def base_url(application: FastAPI) -> AsyncIterator[str]:
    async with serving(application) as url:
        yield url


@asynccontextmanager
async def running(*arguments: str, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """`roadbed …` in a process of its own, ended when the block ends."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ROADBED_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "api.cli", *arguments,
        cwd=ROOT, env={**kept, "PYTHONPATH": str(ROOT), **environment},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def ended(*arguments: str, **environment: str) -> tuple[int, str, str]:
    async with running(*arguments, **environment) as process:
        out, err = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()


async def line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await asyncio.wait_for(process.stdout.readline(), 30)).decode()


async def said(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    return (await asyncio.wait_for(process.stderr.readline(), 30)).decode()


async def test_listen_forwards_signed_events_and_survives_a_restart_of_the_service(
    workspace: Workspace, receiver: Receiver, application: FastAPI
) -> None:
    command = ("listen", "--forward-to", receiver.url, "--json", "--from", "start")
    async with AsyncExitStack() as stack:
        async with serving(application) as url:
            port = int(url.rpartition(":")[2])
            remote = {"ROADBED_URL": url, "ROADBED_KEY": workspace.live_secret}
            process = await stack.enter_async_context(running(*command, **remote))
            await said(process)
            secret = (await said(process)).split()[-1]
            await workspace.feature("Dark mode")
            told = json.loads(await line(process))
            assert (told["type"], told["status"], told["error"]) == ("feature.created", 204, None)
            [arrived] = await receiver.count(1)
            event = python_kit().verify_webhook(arrived.headers, arrived.body, secret)
            assert (event.id, event.data["title"]) == (told["event_id"], "Dark mode")
            assert "object" not in event.payload
        await workspace.feature("While it was away")
        async with serving(application, port):
            assert json.loads(await line(process))["type"] == "feature.created"
    assert [one.event["data"]["title"] for one in receiver.arrived] == ["Dark mode", "While it was away"]


async def test_tail_prints_the_events_themselves(workspace: Workspace, base_url: str) -> None:
    command = ("tail", "--json", "--from", "start", "--type", "feature.*")
    async with running(*command, "--url", base_url, "--key", workspace.live_secret) as process:
        await workspace.feature("Dark mode")
        assert json.loads(await line(process))["data"]["title"] == "Dark mode"


async def test_the_address_and_the_key_are_read_from_run_json(
    workspace: Workspace, base_url: str, tmp_path: Path
) -> None:
    run = {"url": base_url, "live_key": workspace.live_secret}
    (tmp_path / "run.json").write_text(json.dumps(run))
    code, out, err = await ended("trigger", "decision.recorded", "--json", ROADBED_DATA_DIR=str(tmp_path))
    assert (code, err) == (0, "")
    assert json.loads(out)["type"] == "decision.recorded"


async def test_replay_shows_what_came_of_it(workspace: Workspace, settings: Settings, base_url: str) -> None:
    await workspace.feature("Dark mode")
    endpoint = await workspace.endpoint("http://127.0.0.1:59999/hook", "feature.*", enabled=False)
    remote = ("--url", base_url, "--key", workspace.live_secret)
    async with operating(settings):
        code, out, err = await ended("replay", endpoint["id"], "--since", "1h", "--only-missing", *remote)
    assert (code, out, err) == (0, "1 matched, 1 sent.\n", "")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("trigger", "decision.eaten"), "there is no decision.eaten"),
        (("tail", "--type", "decision.eaten"), "no event type matches decision.eaten"),
        (("replay", "ep_1", "--since", "yesterday"), "yesterday is no time"),
        (("tail", "--key", "rb_live_nonsense"), "The key is malformed"),
    ],
)
async def test_what_cannot_be_is_told_in_a_sentence(
    workspace: Workspace, base_url: str, arguments: tuple[str, ...], sentence: str
) -> None:
    code, out, err = await ended(*arguments, ROADBED_URL=base_url, ROADBED_KEY=workspace.live_secret)
    assert (code, out) == (1, "")
    assert sentence in err
    assert "Traceback" not in err


async def test_without_a_service_the_way_to_one_is_told(tmp_path: Path) -> None:
    code, _, err = await ended("tail", ROADBED_DATA_DIR=str(tmp_path))
    assert code == 1
    assert "Start Roadbed with ./run" in err


async def test_every_clause_of_standard_webhooks_passes() -> None:
    results = await conformance.run()
    assert [result for result in results if not result["passed"]] == []
    assert {result["level"] for result in results} == {"MUST", "SHOULD"}
    assert len(results) >= 30


async def test_a_clause_that_does_not_hold_fails_the_report(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(signing, "TIMESTAMP_HEADER", "webhook-time")
    code = await asyncio.to_thread(conformance.report, True)
    told = json.loads(capsys.readouterr().out)
    assert (code, told["failed"] > 0) == (1, True)
    assert not told["clauses"][0]["passed"]
