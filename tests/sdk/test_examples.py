"""The examples and the blocks of docs/sdks.md: they type-check, and they run against the live service."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from openapi.sdk.generate import HERE as SDK
from openapi.sdk.generate import TOOLS
from tests.sdk.conftest import Packages
from tests.sdk.test_conformance import NODE
from tests.support.workspace import sign_up

PAGE = Path(__file__).resolve().parents[2] / "docs" / "sdks.md"
RUNNER = Path(__file__).with_name("runner.ts")
TIMEOUT_S = 90.0
SAID = {
    "prioritize.py": "1. Real-time collaboration (12000)\n2. Dark mode (10000)\n3. API v2 (150)\n",
    "prioritize.ts": "1. Real-time collaboration (12000)\n2. Dark mode (10000)\n3. API v2 (150)\n",
    "sync_issues.py": "25 features from the tracker\n",
    "receive_webhooks.py": "feature.created: Dark mode\n",
    "receive_webhooks.ts": "feature.created: Dark mode\n",
}


@pytest.fixture(scope="session")
def programs(packages: Packages) -> dict[str, Path]:
    """Every program by its name, where its package can be imported: the examples and the blocks of the page."""
    found = {}
    for path in sorted((SDK / "examples").iterdir()):
        if path.suffix in (".py", ".ts"):
            found[path.name] = Path(shutil.copy(path, packages.node))
    for number, (language, code) in enumerate(re.findall(r"^```(py|ts)\n(.*?)^```$", PAGE.read_text(), re.M | re.S)):
        name = f"page_{number}.{language}"
        found[name] = packages.node / name
        found[name].write_text(code)
    return found


def test_every_example_is_expected_to_say_something(programs: dict[str, Path]) -> None:
    assert {name for name in programs if not name.startswith("page_")} == set(SAID)
    assert len(programs) - len(SAID) >= 12


async def test_the_programs_run(service_url: str, packages: Packages, programs: dict[str, Path]) -> None:
    async with httpx.AsyncClient(base_url=service_url) as client:
        ends = [_run(name, path, client, packages) for name, path in programs.items()]
        slots = asyncio.Semaphore(3)

        async def within(one: "asyncio.Future[str]") -> str:
            async with slots:
                return await one

        wrong = [why for why in await asyncio.gather(*(within(asyncio.ensure_future(end)) for end in ends)) if why]
    assert not wrong, "\n".join(wrong)


def test_the_typescript_programs_compile(packages: Packages, programs: dict[str, Path]) -> None:
    shutil.copy(RUNNER, packages.node)
    tsc = [str(NODE), str(TOOLS / "node_modules/typescript/bin/tsc"), "--noEmit", "--strict", "--skipLibCheck"]
    tsc += ["--target", "ES2023", "--module", "NodeNext", "--types", "node"]
    tsc += ["--typeRoots", str(TOOLS / "node_modules/@types")]
    sources = [str(path) for name, path in programs.items() if name.endswith(".ts")]

    done = subprocess.run([*tsc, *sources, "runner.ts"], cwd=packages.node, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


def test_the_python_programs_and_the_package_are_strictly_typed(packages: Packages, programs: dict[str, Path]) -> None:
    mypy = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir", str(packages.node / "cache")]
    scripts = [str(path) for name, path in programs.items() if name.endswith(".py")]
    run = [*mypy, "--scripts-are-modules", *scripts, str(packages.python / "roadbed")]

    done = subprocess.run(
        run,
        cwd=packages.node,
        env=os.environ | {"MYPYPATH": str(packages.python)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


async def _run(name: str, path: Path, client: httpx.AsyncClient, packages: Packages) -> str:
    """Each in a workspace of its own. What went wrong, or nothing."""
    async with sign_up(client) as workspace:
        key = workspace.live_secret
    ours = {"ROADBED_API_KEY": key, "ROADBED_BASE_URL": str(client.base_url), "PYTHONPATH": str(packages.python)}
    program = [str(NODE), "--disable-warning=ExperimentalWarning"] if path.suffix == ".ts" else [sys.executable, "-P"]
    warned = ["-W", "error"] if path.suffix == ".py" else []
    running = await asyncio.create_subprocess_exec(
        *program,
        *warned,
        str(path),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=os.environ | ours,
    )
    try:
        async with asyncio.timeout(TIMEOUT_S):
            output, _ = await running.communicate()
    except TimeoutError:
        running.kill()
        await running.wait()
        return f"{name} did not end"
    said = output.decode()
    if running.returncode or SAID.get(name, "") not in said:
        return f"{name}: {said[-3000:]}"
    return ""
