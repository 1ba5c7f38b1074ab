"""The API and the worker as processes of their own, as a reader of the pages has them."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import httpx
import pytest

from api.local import Servers
from tests.conftest import TEMPLATE, _database

ROOT = Path(__file__).resolve().parents[2]
READY_TIMEOUT_S = 120.0  # a busy machine takes its time to import


@pytest.fixture(scope="session")
async def served(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The address of a served API, a worker beside it, on a database of their own."""
    name = f"roadbed_docs_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    await _ask(servers.database_url, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    environment = _environment(_database(servers.database_url, name), servers.redis_url)
    log = tmp_path_factory.mktemp("served") / "log"
    processes = [_started(word, environment, log) for word in ("serve", "worker")]
    url = f"http://127.0.0.1:{environment['ROADBED_PORT']}"
    try:
        await _wait_until_ready(url, processes, log)
        yield url
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(20)
        await _ask(servers.database_url, f"DROP DATABASE {name} WITH (FORCE)")


def _started(word: str, environment: dict[str, str], log: Path) -> "subprocess.Popen[bytes]":
    with log.open("ab") as file:
        command = [sys.executable, "-P", "-m", "api.cli", word]
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file, stderr=file)


def _environment(database_url: str, redis_url: str) -> dict[str, str]:
    """Settings like those of `./run`: receivers on loopback, and plain http."""
    shell = {name: value for name, value in os.environ.items() if not name.startswith(("ROADBED_", "PG"))}
    secret = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    return shell | {
        "PYTHONPATH": str(ROOT),
        "ROADBED_DATABASE_URL": database_url,
        "ROADBED_REDIS_URL": f"{redis_url}?db=9",
        "ROADBED_PORT": str(_free_port()),
        "ROADBED_PEPPER": secret,
        "ROADBED_SEALING_KEYS": f"k1:{secret}",
        "ROADBED_TARGET_ALLOW": "127.0.0.0/8,::1/128",
        "ROADBED_TARGET_HTTP": "1",
    }


async def _wait_until_ready(url: str, processes: list["subprocess.Popen[bytes]"], log: Path) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    told = "nothing"
    async with httpx.AsyncClient(trust_env=False) as client:
        while True:
            if any(process.poll() is not None for process in processes) or time.monotonic() > deadline:
                pytest.fail(f"The service did not come up. /ready says {told}.\n{_read(log)}")
            try:
                answer = await client.get(f"{url}/ready")
                if answer.status_code == 200:
                    return
                told = answer.text
            except httpx.HTTPError:
                pass
            await asyncio.sleep(0.1)


def _read(log: Path) -> str:
    return log.read_text(errors="replace")


async def _ask(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
