"""`./run up`: the real supervisor and real servers around an API and a worker that do nothing."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

CLI = """
import os, sys, time
from http.server import BaseHTTPRequestHandler, HTTPServer

class Ready(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/ready" else 404)
        self.end_headers()

match sys.argv[1]:
    case "up":
        from api.settings import Settings
        from api.up import run_up
        sys.exit(run_up(Settings()))
    case "migrate" if os.environ.get("BREAK_MIGRATIONS"):
        sys.exit("error: column missing")
    case "serve":
        HTTPServer((os.environ["ROADBED_HOST"], int(os.environ["ROADBED_PORT"])), Ready).serve_forever()
    case "worker":
        time.sleep(600)
"""

DEMO = """
import os
from pathlib import Path
from types import SimpleNamespace

def seed(url):
    with (Path(os.environ["ROADBED_DATA_DIR"]) / "seeded").open("a") as file:
        file.write(url)
    return SimpleNamespace(live_key="rb_live_1", test_key="rb_test_1", inbox=url + "/inbox", report=["12 features"])
"""


class Up:
    """One `up` in a checkout of its own, with what it printed."""

    def __init__(self, checkout: Path, **environment: str) -> None:
        self.data_dir = checkout / ".roadbed"
        self.run_file = self.data_dir / "run.json"
        self.output = checkout / "output"
        with self.output.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "api.cli", "up"],
                cwd=checkout,
                env={
                    **os.environ,
                    "PYTHONPATH": str(checkout),
                    "ROADBED_DATA_DIR": str(self.data_dir),
                    "ROADBED_PORT": str(free_port()),
                    **environment,
                },
                stdout=file,
                stderr=file,
            )

    def said(self) -> str:
        return self.output.read_text()

    def ready(self) -> dict[str, str]:
        wait_until(lambda: self.run_file.exists() or self.process.poll() is not None)
        assert self.process.poll() is None, self.said()
        told: dict[str, str] = json.loads(self.run_file.read_text())
        return told

    def child(self, mark: str) -> int | None:
        """The process of ours whose command line holds `mark`."""
        found = subprocess.run(
            ["ps", "-ww", "-eo", "pid=,ppid=,stat=,args="], capture_output=True, text=True, check=True
        )
        for line in found.stdout.splitlines():
            pid, parent, state, words = line.split(None, 3)
            if int(parent) == self.process.pid and mark in words and not state.startswith("Z"):
                return int(pid)
        return None

    def fell(self, mark: str) -> int:
        pid = self.child(mark)
        assert pid
        os.kill(pid, signal.SIGKILL)
        return pid

    def is_back(self, mark: str, instead_of: int) -> bool:
        return self.child(mark) not in (None, instead_of)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(holds: Callable[[], bool], timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(scope="module")
def checkout() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="rb-up-"))
    folder.chmod(0o755)
    (folder / "api").mkdir()
    for name in ("__init__.py", "local.py", "settings.py", "up.py"):
        shutil.copy(ROOT / "api" / name, folder / "api" / name)
    (folder / "api" / "cli.py").write_text(CLI)
    (folder / "api" / "demo.py").write_text(DEMO)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running(checkout: Path, **environment: str) -> Iterator[Up]:
    up = Up(checkout, **environment)
    try:
        yield up
    finally:
        up.process.terminate()
        up.process.wait(60)


@pytest.fixture(scope="module")
def up(checkout: Path) -> Iterator[Up]:
    with running(checkout) as up:
        up.ready()
        yield up


def test_run_json_gives_the_address_and_the_demo_keys_to_its_owner_alone(up: Up) -> None:
    told = up.ready()
    assert told["url"].startswith("http://127.0.0.1:")
    assert (told["live_key"], told["test_key"], told["inbox"]) == ("rb_live_1", "rb_test_1", told["url"] + "/inbox")
    for name in ("run.json", "demo.json", "secrets.json"):
        assert (up.data_dir / name).stat().st_mode & 0o777 == 0o600


def test_the_banner_has_a_command_to_paste_and_the_way_out(up: Up) -> None:
    url = up.ready()["url"]
    command = f"curl {url}/v1/roadmap -H 'Authorization: Bearer rb_live_1'"
    for part in (command, f"{url}/docs", f"{url}/console/", "12 features", "Ctrl-C"):
        assert part in up.said()


def test_a_second_up_on_the_same_data_is_refused_and_leaves_the_first_alone(up: Up, checkout: Path) -> None:
    environment = {**os.environ, "ROADBED_DATA_DIR": str(up.data_dir), "ROADBED_PORT": str(free_port())}
    command = [sys.executable, "-m", "api.cli", "up"]
    done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"is in use by process {up.process.pid}" in done.stderr
    assert up.run_file.exists()


def test_whatever_is_killed_comes_back_and_is_spoken_of(up: Up) -> None:
    marks = {
        "The API": "api.cli serve",
        "The worker": "api.cli worker",
        "Postgres": "bin/postgres",
        "Redis": "valkey-server",
    }
    fallen = {mark: up.fell(mark) for mark in marks.values()}
    for name, mark in marks.items():
        wait_until(lambda mark=mark: up.is_back(mark, instead_of=fallen[mark]))  # type: ignore[misc]
        assert f"{name} stopped; starting it again in 1 s." in up.said()


def test_a_stop_is_clean_and_a_second_signal_is_harmless(up: Up) -> None:
    up.process.send_signal(signal.SIGINT)
    time.sleep(0.05)
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(30) == 0
    assert up.said().endswith("Stopped.\n")
    assert not up.run_file.exists()


def test_a_later_start_keeps_keys_and_secrets_and_a_killed_one_leaves_no_process(up: Up, checkout: Path) -> None:
    assert up.process.poll() is not None
    secrets = (up.data_dir / "secrets.json").read_text()
    with running(checkout) as again:
        assert again.ready()["live_key"] == "rb_live_1"
        assert (up.data_dir / "secrets.json").read_text() == secrets
        assert (up.data_dir / "seeded").read_text().count("http") == 1
        children = [again.child(mark) for mark in ("api.cli serve", "api.cli worker", "bin/postgres", "valkey-server")]
        assert all(children)
        again.process.kill()
        if sys.platform == "linux":  # elsewhere the next start clears up
            wait_until(lambda: not any(is_running(pid) for pid in children))


def is_running(pid: int | None) -> bool:
    """Not counting a zombie that the machine's init never collects."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")


def test_migrations_that_fail_end_in_one_sentence_with_their_reason(checkout: Path) -> None:
    with running(checkout, BREAK_MIGRATIONS="1") as up:
        assert up.process.wait(60) == 1
        assert up.said().startswith("roadbed: The database could not be migrated: error: column missing (log: ")
        assert not up.run_file.exists()
