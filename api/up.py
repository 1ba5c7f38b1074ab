"""`roadbed up`: everything on this machine, from an empty folder to a service that answers, until Ctrl-C."""

import base64
import contextlib
import errno
import http.client
import importlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType
from typing import Protocol

from api.local import CannotStart, LocalServers, die_with_parent, fresh_log, last_line
from api.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 12.0  # the API lets requests finish for 10 s first
LONGEST_PAUSE_S = 10.0  # between two restarts of what keeps dying
STEADY_S = 60.0  # what ran this long is well again; its next pause is short
LOG_LIMIT_BYTES = 5_000_000
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # SIGHUP: the terminal was closed


class CannotRun(Exception):
    """Roadbed cannot come up; the message says why and what to do."""


@dataclass(frozen=True)
class Demo:
    """What the demo workspace is reached by; kept in `demo.json` so that it is made once."""

    live_key: str
    test_key: str
    inbox: str


def run_up(settings: Settings) -> int:
    """Run Postgres, Redis, the API and the worker until told to stop; returns the exit code.

    A Postgres or a Redis that the environment names is used instead of one of ours.
    """
    _stop_on_signals()
    try:
        _run(settings)
    except _Stop:
        _say("Stopped.")
        return 0
    except (CannotRun, CannotStart) as error:
        _ignore_signals()
        _say(f"roadbed: {error}", to=2)
        return 1
    return 0


def _run(settings: Settings) -> None:
    began = time.monotonic()
    data_dir = settings.data_dir.absolute()
    _check_port(settings.host, settings.port)
    with contextlib.ExitStack() as beside:
        if not data_dir.exists():
            beside.enter_context(_compiling())
        _serve_until_told(settings, data_dir, beside, began)


def _serve_until_told(settings: Settings, data_dir: Path, beside: contextlib.ExitStack, began: float) -> None:
    """What runs `beside` the start is over when the API is ready."""
    with _local_servers(settings, data_dir) as local, _run_file(data_dir) as run_file:
        environment = _environment(settings, data_dir, local)
        _migrate(environment, data_dir)
        with _Programs(environment, data_dir) as programs:
            _wait_until_ready(settings, programs)
            beside.close()
            demo, report = _demo(_url(settings), data_dir)
            keys = asdict(demo) if demo else {}
            found = {"url": _url(settings), **keys, "database_url": local.servers.database_url, "pid": os.getpid()}
            _write_private(run_file, found)
            _say(_banner(_url(settings), demo, report, data_dir, time.monotonic() - began))
            _keep_running([*programs.kept(), *_kept_servers(local)], data_dir)


class _Stop(BaseException):
    """Raised in the main thread by the first signal; unwinding stops everything in the right order."""


def _stop_on_signals() -> None:
    for number in _STOP_SIGNALS:
        # nohup asks for SIGHUP to be ignored; a shell's `&` ignores SIGINT, yet `kill -INT` should stop us.
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)


def _stop(number: int, frame: FrameType | None) -> None:
    _ignore_signals()
    raise _Stop


def _ignore_signals() -> None:
    """Once stopping, further signals are harmless, to the last instant of the interpreter's own end."""
    for number in _STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def _compiling() -> Iterator[None]:
    """Python compiles what the API and the worker import, on the core that has nothing to do meanwhile.

    Both would do it as soon as they start: this is only sooner, so nobody asks whether it went well.
    """
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", "import api.main, workers.run"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _check_port(host: str, port: int) -> None:
    """Take the port for an instant, before anything is started."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except socket.gaierror:
        raise CannotRun(f"ROADBED_HOST is {host}, which is no address: leave it out for 127.0.0.1.") from None
    except OSError as error:
        raise CannotRun(_port_sentence(host, port, error)) from None


def _port_sentence(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} on {host} is taken by another program (perhaps an earlier ./run): stop that one, "
            f"or choose another port with ROADBED_PORT={port + 1 if port < 65535 else 8000} ./run"
        )
    if error.errno == errno.EACCES:
        return f"Port {port} is kept for root: choose one above 1023 with ROADBED_PORT."
    return f"Cannot listen on {host} port {port} ({error.strerror}): set ROADBED_HOST and ROADBED_PORT."


def _local_servers(settings: Settings, data_dir: Path) -> LocalServers:
    given = settings.model_fields_set
    return LocalServers.start(
        data_dir,
        database_url=settings.database_url if "database_url" in given else None,
        redis_url=settings.redis_url if "redis_url" in given else None,
    )


@contextlib.contextmanager
def _run_file(data_dir: Path) -> Iterator[Path]:
    """`run.json` stands only while all is ready, so that nobody reads the address of a run that is over."""
    path = data_dir / "run.json"
    path.unlink(missing_ok=True)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _environment(settings: Settings, data_dir: Path, local: LocalServers) -> dict[str, str]:
    """What the API and the worker are told. Loopback receivers are allowed: they are the caller's own."""
    # PGPORT and its like are read by the driver and would override the address given here.
    shell = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    kept = _secrets(data_dir)
    defaults = {"ROADBED_TARGET_ALLOW": "127.0.0.0/8,::1/128", "ROADBED_TARGET_HTTP": "1"}
    ours = {
        "ROADBED_DATABASE_URL": local.servers.database_url,
        "ROADBED_REDIS_URL": local.servers.redis_url,
        "ROADBED_HOST": settings.host,
        "ROADBED_PORT": str(settings.port),
        "ROADBED_DATA_DIR": str(data_dir),
        "ROADBED_EMBEDDED": "1",
        "ROADBED_PEPPER": settings.pepper.get_secret_value() or kept["pepper"],
        "ROADBED_SEALING_KEYS": settings.sealing_keys.get_secret_value() or kept["sealing_keys"],
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
    }
    return defaults | shell | ours


def _secrets(data_dir: Path) -> dict[str, str]:
    """The pepper and the sealing keys of this data folder, made at its first start. Lost, no key of it works again."""
    path = data_dir / "secrets.json"
    if not path.exists():
        _write_private(path, {"pepper": _random_key(), "sealing_keys": f"k1:{_random_key()}"})
    kept: dict[str, str] = json.loads(path.read_text())
    return kept


def _random_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def _write_private(path: Path, content: dict[str, str] | dict[str, object]) -> None:
    """Written beside and renamed, readable by the owner alone from its first byte on."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(content, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)


def _migrate(environment: dict[str, str], data_dir: Path) -> None:
    log_path = data_dir / "logs" / "migrate.log"
    with fresh_log(log_path) as log:
        done = subprocess.run(
            _command("migrate"), cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True, check=False,
        )  # fmt: skip
    if done.returncode:
        raise CannotRun(f"The database could not be migrated: {last_line(log_path.read_text())} (log: {log_path})")


def _command(word: str) -> list[str]:
    return [sys.executable, "-P", "-m", "api.cli", word]


class _Program:
    """One child process of ours: `serve` or `worker`."""

    def __init__(self, name: str, word: str, environment: dict[str, str], data_dir: Path) -> None:
        self.name = name
        self.log_path = data_dir / "logs" / f"{word}.log"
        self._word = word
        self._environment = environment
        self._log = fresh_log(self.log_path)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # a fork beside threads; see local.py
            self._process = subprocess.Popen(
                _command(self._word),
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509
            )

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def last_words(self) -> str:
        return last_line(self.log_path.read_text(errors="replace"))

    def ask_to_stop(self) -> None:
        if self._process and self.alive():
            self._process.terminate()

    def make_stop(self, deadline: float) -> None:
        if self._process is None:
            return
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._log.close()


class _Programs:
    """The API and the worker, started together and stopped together."""

    def __init__(self, environment: dict[str, str], data_dir: Path) -> None:
        self.api = _Program("API", "serve", environment, data_dir)
        self.worker = _Program("worker", "worker", environment, data_dir)
        self._all = (self.api, self.worker)

    def __enter__(self) -> "_Programs":
        try:
            for program in self._all:
                program.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for program in self._all:
            program.ask_to_stop()
        deadline = time.monotonic() + STOP_TIMEOUT_S
        for program in self._all:
            program.make_stop(deadline)

    def kept(self) -> "list[_Kept]":
        return [_Kept(f"The {program.name}", program.alive, program.start) for program in self._all]

    def fallen(self) -> list[_Program]:
        return [program for program in self._all if not program.alive()]


def _wait_until_ready(settings: Settings, programs: _Programs) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while not _answers_ready(_reachable(settings.host), settings.port):
        for program in programs.fallen():
            raise CannotRun(f"The {program.name} did not start: {program.last_words()} (log: {program.log_path})")
        if time.monotonic() > deadline:
            raise CannotRun(f"The API was not ready after {READY_TIMEOUT_S:.0f} seconds (log: {programs.api.log_path})")
        time.sleep(0.05)


def _answers_ready(host: str, port: int) -> bool:
    with contextlib.closing(http.client.HTTPConnection(host, port, timeout=5)) as connection:
        try:
            connection.request("GET", "/ready")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False


def _url(settings: Settings) -> str:
    host = _reachable(settings.host)
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def _reachable(host: str) -> str:
    """The address to call when listening on all of them."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound


class _Seeded(Protocol):
    """What `api.demo.seed` gives back."""

    live_key: str
    test_key: str
    inbox: str
    report: list[str]


def _demo(url: str, data_dir: Path) -> tuple[Demo | None, list[str]]:
    """The demo workspace: made over HTTP at the first start, remembered afterwards."""
    path = data_dir / "demo.json"
    if path.exists():
        return Demo(**json.loads(path.read_text())), []
    try:
        # Imported here because only a first start needs it.
        seeded: _Seeded = importlib.import_module("api.demo").seed(url)
    except Exception as error:  # a service without its demo is still a service
        return None, [f"The demo workspace could not be made ({error}); the next start tries again."]
    demo = Demo(seeded.live_key, seeded.test_key, seeded.inbox)
    _write_private(path, asdict(demo))
    return demo, seeded.report


def _banner(url: str, demo: Demo | None, report: list[str], data_dir: Path, took_s: float) -> str:
    lines = [f"Roadbed is ready at {url} ({took_s:.1f} s).", *(f"  {line}" for line in report), ""]
    if demo:
        lines += [
            "Ask for the roadmap:",
            "",
            f"  curl {url}/v1/roadmap -H 'Authorization: Bearer {demo.live_key}'",
            "",
            f"  live key  {demo.live_key}",
            f"  test key  {demo.test_key}",
            f"  inbox     {demo.inbox}",
        ]
    else:
        lines.append(f"  sign up   POST {url}/v1/signup with an email and a workspace name")
    lines += [
        f"  docs      {url}/docs",
        f"  console   {url}/console/",
        f"  data      {data_dir} (logs in logs/; delete the folder to start afresh)",
        "  stop      Ctrl-C",
    ]
    return "\n".join(lines)


@dataclass
class _Kept:
    """Something that must run: how to see that it does, how to start it, and when it fell."""

    name: str
    alive: Callable[[], bool]
    start: Callable[[], None]
    falls: int = 0
    due_at: float | None = None
    since: float = field(default_factory=time.monotonic)

    def tend(self, now: float) -> None:
        if self.due_at is not None:
            if now >= self.due_at:
                self._start_again(now)
        elif not self.alive():
            self._fall(now, "stopped")
        elif now - self.since > STEADY_S:
            self.falls = 0

    def _fall(self, now: float, what: str) -> None:
        pause_s = min(2.0**self.falls, LONGEST_PAUSE_S)
        self.falls += 1
        self.due_at = now + pause_s
        _say(f"{self.name} {what}; starting it again in {pause_s:.0f} s.")

    def _start_again(self, now: float) -> None:
        try:
            self.start()
        except CannotStart as error:
            self._fall(now, f"did not start ({error})")
        else:
            self.due_at, self.since = None, now


def _kept_servers(local: LocalServers) -> list[_Kept]:
    """Servers of ours alone: `fallen` never names one that was given by its address."""
    return [
        _Kept("Postgres", lambda: "postgres" not in local.fallen(), local.restart_postgres),
        _Kept("Redis", lambda: "redis" not in local.fallen(), local.restart_redis),
    ]


def _keep_running(everything: list[_Kept], data_dir: Path) -> None:
    """Restart what dies and cut what grows, until a signal raises _Stop."""
    cut_at = 0.0
    while True:
        now = time.monotonic()
        for kept in everything:
            kept.tend(now)
        if now >= cut_at:
            _cut_logs(data_dir / "logs")
            cut_at = now + 5
        time.sleep(0.2)


def _cut_logs(folder: Path) -> None:
    """Keep one older part of each log. Their writers append, so that a file may be emptied under them."""
    for path in folder.glob("*.log"):
        if path.stat().st_size > LOG_LIMIT_BYTES:
            shutil.copyfile(path, path.with_name(path.name + ".1"))
            os.truncate(path, 0)


def _say(text: str, to: int = 1) -> None:
    """Straight to the descriptor: a closed terminal or pipe must not keep us from stopping cleanly."""
    with contextlib.suppress(OSError):
        os.write(to, f"{text}\n".encode())
