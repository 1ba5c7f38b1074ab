"""The service as processes of its own, driven from outside: started, killed, frozen and started again."""

import base64
import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from api.local import Servers, die_with_parent

ROOT = Path(__file__).resolve().parent.parent.parent
READY_TIMEOUT_S = 60.0
_SECRET = base64.b64encode(bytes(range(32))).decode()


class Program:
    """One `roadbed serve` or `roadbed worker`. Made in the main thread it dies with this process, kill -9 included."""

    def __init__(self, word: str, environment: Mapping[str, str], log_path: Path, command: list[str] | None = None):
        self.word = word
        self._command = command or [sys.executable, "-P", "-m", "api.cli", word]
        self._environment = dict(environment)
        self.log_path = log_path
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> "Program":
        with self.log_path.open("ab") as log, warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # a fork beside threads, as in api/local.py
            self._process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509
            )
        return self

    def kill(self) -> None:
        """SIGKILL, and collect it."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self, within_s: float = 20) -> int:
        """SIGTERM, and its exit code. Raises TimeoutExpired when it does not end."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(within_s)

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def close(self) -> None:
        """Make sure that it is gone, whatever state it is in."""
        if self.alive:
            self.kill()

    def said(self) -> str:
        """The end of its log."""
        return self.log_path.read_text(errors="replace")[-2000:]


@dataclass
class Service:
    """Some APIs and some workers over one Postgres and one Valkey."""

    servers: Servers
    folder: Path
    settings: Mapping[str, object] = field(default_factory=dict)
    apis: list[Program] = field(default_factory=list)
    workers: list[Program] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)

    def add_api(self) -> str:
        """Start one more API on a port of its own and wait until it is ready. Gives its URL."""
        port = free_port()
        log_path = self.folder / f"api{len(self.apis)}.log"
        self.apis.append(Program("serve", self.environment(ROADBED_PORT=str(port)), log_path).start())
        self.urls.append(f"http://127.0.0.1:{port}")
        wait_until_ready(self.urls[-1], self.apis[-1])
        return self.urls[-1]

    def add_worker(self, **settings: object) -> Program:
        """Start one more worker."""
        log_path = self.folder / f"worker{len(self.workers)}.log"
        self.workers.append(Program("worker", self.environment(**_named(settings)), log_path).start())
        return self.workers[-1]

    def migrate(self) -> None:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "api.cli", "migrate"],
            cwd=ROOT,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"The migration failed: {done.stderr[-2000:]}")

    def environment(self, **more: str) -> dict[str, str]:
        """This shell's without anything of Roadbed's or Postgres's, and ours. Receivers on loopback are allowed."""
        shell = {name: value for name, value in os.environ.items() if not name.startswith(("ROADBED_", "PG"))}
        ours = {
            "ROADBED_DATABASE_URL": self.servers.database_url,
            "ROADBED_REDIS_URL": self.servers.redis_url,
            "ROADBED_PEPPER": _SECRET,
            "ROADBED_SEALING_KEYS": f"k1:{_SECRET}",
            "ROADBED_TARGET_ALLOW": "127.0.0.0/8,::1/128",
            "ROADBED_TARGET_HTTP": "1",
            "ROADBED_LOG_LEVEL": "warning",
            # Load is what these processes are for; the limits have tests of their own.
            "ROADBED_RATE_PER_S": "1000000",
            "ROADBED_RATE_BURST": "1000000",
            "ROADBED_WORKSPACE_RATE_PER_S": "1000000",
            "ROADBED_OPEN_RATE_PER_S": "100000",
            "ROADBED_FREE_CALLS": "1000000000",
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
        }
        return shell | ours | _named(self.settings) | more

    def programs(self) -> Iterable[Program]:
        return [*self.apis, *self.workers]

    def close(self) -> None:
        for program in self.programs():
            program.close()

    def __enter__(self) -> "Service":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def wait_until_ready(url: str, program: Program | None = None, timeout_s: float = READY_TIMEOUT_S) -> None:
    """Until GET /ready is 200. Raises RuntimeError with the program's last words."""
    deadline = time.monotonic() + timeout_s
    while not answers(url, "/ready"):
        if (program is not None and not program.alive) or time.monotonic() > deadline:
            raise RuntimeError(f"{url} did not become ready: {program.said() if program else ''}")
        time.sleep(0.03)


def answers(url: str, path: str) -> bool:
    """Whether GET gives 200."""
    with contextlib.closing(http.client.HTTPConnection(url.removeprefix("http://"), timeout=5)) as connection:
        try:
            connection.request("GET", path)
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def children(pid: int) -> list[int]:
    """The processes that this one started (Linux)."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                # The name in brackets may hold blanks; the parent is the second word after it.
                if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                    found.append(int(entry.name))
    return found


def peak_memory_mb(pid: int) -> float:
    """The most memory that a process has held (Linux)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _named(settings: Mapping[str, object]) -> dict[str, str]:
    return {f"ROADBED_{name.upper()}" if name.islower() else name: str(value) for name, value in settings.items()}
