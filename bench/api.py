"""`./run bench api`: reading and writing over HTTP, beside a limit and a usual service on the same Postgres.

    ./run bench api             three rounds of everything, a few minutes
    ./run bench api --short     one small round

One process each: ours with all that the product does (key, row-level security, rate limits, quota, metering, ETags; a
POST with its idempotency key, event, delivery and audit line), the limit (controls/limit.py: bare ASGI and asyncpg) and
a service as it is usually written (controls/drf.py: Django REST Framework). All figures are of the same run, rounds are
interleaved, medians taken. Machines are shared, so what is compared is requests per CPU second of app and Postgres.
"""

import argparse
import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from api.db import parse_id, wire_id
from api.local import LocalServers
from bench import batch
from bench.load import Job, request
from bench.machine import cpu_s, described, family_cpu_s, median, spread_ms
from tests.support.caller import call
from tests.support.processes import ROOT, Program, Service, free_port

BARS = {
    "get_vs_limit": 0.35,
    "list_vs_limit": 0.7,
    "get_vs_drf": 8.0,
    "list_vs_drf": 5.0,
    "post_vs_drf": 6.0,
    "batch_vs_single": 10.0,
}
KINDS = ("get", "list", "post", "batch")
PAGE = 50
READ_IDS = 2_000
READY_S = 60


@dataclass(frozen=True)
class Plan:
    """How much of each. `seconds` is how long each load runs; the rows of the batch bench are for one round."""

    rounds: int
    features: int
    seconds: float
    single: int
    batched: int


WHOLE = Plan(rounds=3, features=100_000, seconds=4.0, single=2_000, batched=20_000)
SHORT = Plan(rounds=1, features=5_000, seconds=1.0, single=300, batched=3_000)


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="./run bench api", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="no table, only the last line")
    parser.add_argument("--short", action="store_true", help="one small round")
    parser.add_argument("--rounds", type=int, help="how many rounds, instead of 3")
    parser.add_argument("--only", choices=KINDS, action="append", help="only these; may be repeated")
    options = parser.parse_args(words)
    plan = SHORT if options.short else WHOLE
    told = measure(plan, options.rounds or plan.rounds, options.only or KINDS)
    if not options.json:
        _print_table(told)
    print(json.dumps(told), flush=True)
    return 0


def measure(plan: Plan, rounds: int, kinds: Collection[str]) -> dict[str, Any]:
    began = time.monotonic()
    figures: dict[str, Any] = {}
    if set(kinds) - {"batch"}:
        with tempfile.TemporaryDirectory(prefix="roadbed-bench-") as folder, _stage(Path(folder), plan) as stage:
            say(f"Postgres, Valkey and three services are up, {plan.features:,} features each; {rounds} rounds.")
            loads = {name: load for name, load in stage.loads.items() if name.partition("_")[0] in kinds}
            figures = _rounds(loads, rounds, plan.seconds)
    ratios = {name: _ratio(figures, name) for name in BARS if f"{name.partition('_')[0]}_ours" in figures}
    if "batch" in kinds:
        with tempfile.TemporaryDirectory(prefix="roadbed-bench-") as folder:
            batches = batch.measure(Path(folder), plan.single, plan.batched, rounds)
        figures["batch"] = batches["rows_per_cpu_s"]
        ratios["batch_vs_single"] = batches["batch_vs_single"]
    return {
        "bench": "api",
        "short": plan is SHORT,
        **ratios,
        "bars": BARS,
        "met": {name: ratio >= BARS[name] for name, ratio in ratios.items()},
        "figures": figures,
        "features": plan.features,
        "rounds": rounds,
        "machine": described("django", "djangorestframework", "gunicorn", "psycopg", "fastapi", "uvicorn"),
        "seconds": round(time.monotonic() - began, 1),
    }


def _rounds(loads: "dict[str, _Load]", rounds: int, seconds: float) -> dict[str, dict[str, float]]:
    """Each load in turn and all of them again, so that the machine's mood falls on all."""
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in loads}
    for load in loads.values():
        load.warm_up()
    for number in range(rounds):
        for name, load in loads.items():
            taken[name].append(load.take(seconds))
            say(f"round {number + 1}: {name:12} {_line(taken[name][-1])}")
    return {
        name: {figure: round(median(one[figure] for one in done) or 0, 4) for figure in done[0]}
        for name, done in taken.items()
    }


def _ratio(figures: dict[str, dict[str, float]], name: str) -> float:
    """`get_vs_drf` is requests per CPU second of `get_ours` over those of `get_drf`."""
    what, _, control = name.partition("_vs_")
    return round(figures[f"{what}_ours"]["per_cpu_s"] / figures[f"{what}_{control}"]["per_cpu_s"], 3)


# -- loads -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Load:
    """Requests of one kind to one service. `app` gives the CPU seconds that it has used, `postgres` those of all."""

    port: int
    status: int
    requests: Callable[[], list[bytes]]
    app: Callable[[], float]
    postgres: Callable[[], float]

    def warm_up(self) -> None:
        self._send(Job(self.port, self.status, count=300), self.requests())

    def take(self, seconds: float) -> dict[str, float]:
        requests = self.requests()
        app, postgres = self.app(), self.postgres()
        told = self._send(Job(self.port, self.status, seconds=seconds), requests)
        app, postgres = self.app() - app, self.postgres() - postgres
        answered, spread = told["answered"], spread_ms(told["latencies_s"])
        return {
            "app_s_per_1000": app / answered * 1000,
            "pg_s_per_1000": postgres / answered * 1000,
            "per_cpu_s": answered / (app + postgres),
            "per_s": answered / told["elapsed_s"],
            "p50_ms": spread["p50_ms"] or 0,
            "p95_ms": spread["p95_ms"] or 0,
            "answered": answered,
            "bytes": told["bytes"] / answered,
        }

    def _send(self, job: Job, requests: list[bytes]) -> dict[str, Any]:
        lines = [json.dumps(asdict(job)), *(json.dumps(one.decode()) for one in requests)]
        done = subprocess.run(
            [sys.executable, "-m", "bench.load"],
            cwd=ROOT,
            input="\n".join(lines).encode(),
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stderr.decode()[-2000:])
        told: dict[str, Any] = json.loads(done.stdout)
        return told


@dataclass(frozen=True)
class _Stage:
    loads: dict[str, _Load]


@contextlib.contextmanager
def _stage(folder: Path, plan: Plan) -> Iterator[_Stage]:
    """Ours, the limit and the usual service, each with the same features, on one Postgres."""
    folder.chmod(0o755)
    with (
        LocalServers.start(folder / "data") as local,
        Service(local.servers, folder) as service,
        contextlib.ExitStack() as stack,
    ):
        service.migrate()
        url = service.add_api()
        told = call(url, None, "POST", "/v1/signup", {"email": "ada@example.com", "workspace": "Bench"})
        secret, workspace_id = told["live_key"]["secret"], parse_id("ws", told["workspace"]["id"])
        assert workspace_id is not None
        # No worker runs, so that none of its CPU is counted: what is counted is writing the delivery.
        call(url, secret, "POST", "/v1/endpoints", {"url": "http://127.0.0.1:8098/", "event_types": ["feature.*"]})
        ids = asyncio.run(_fill(local.database_url, workspace_id, plan.features))
        limit = stack.enter_context(_limit(folder, local, workspace_id))
        drf, drf_secret, drf_ids = stack.enter_context(_drf(folder, local, plan.features))
        ours = service.apis[0]
        ports = {"ours": int(url.rpartition(":")[2]), "limit": limit[1], "drf": drf[1]}
        app: dict[str, Callable[[], float]] = {
            "ours": lambda: cpu_s(ours.pid),
            "limit": lambda: cpu_s(limit[0].pid),
            "drf": lambda: family_cpu_s(drf[0].pid),
        }
        kinds = {
            "get_limit": ("limit", lambda: _gets("/features/", [str(one) for one in ids], {})),
            "get_ours": ("ours", lambda: _gets("/v1/features/", [wire_id("feat", one) for one in ids], _key(secret))),
            "get_drf": ("drf", lambda: _gets("/features/", [str(one) for one in drf_ids], _key(drf_secret))),
            "list_limit": ("limit", lambda: [request("GET", f"/features?limit={PAGE}", {})]),
            "list_ours": ("ours", lambda: [request("GET", f"/v1/features?limit={PAGE}", _key(secret))]),
            "list_drf": ("drf", lambda: [request("GET", f"/features?limit={PAGE}", _key(drf_secret))]),
            "post_ours": ("ours", lambda: _posts("/v1/features", secret, idempotent=True)),
            "post_drf": ("drf", lambda: _posts("/features", drf_secret, idempotent=False)),
        }
        yield _Stage(
            {
                name: _Load(
                    port=ports[service_name],
                    status=201 if name.startswith("post") else 200,
                    requests=requests,
                    app=app[service_name],
                    postgres=lambda: family_cpu_s(local.postgres_pid),
                )
                for name, (service_name, requests) in kinds.items()
            }
        )


# -- requests ----------------------------------------------------------------------------------------------------------

_numbers = count(1_000_000)
_MOST_POSTS = 30_000  # more than are answered in the time of a round


def _key(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def _gets(path: str, ids: list[str], headers: dict[str, str]) -> list[bytes]:
    return [request("GET", f"{path}{one}", headers) for one in ids[:READ_IDS]]


def _posts(path: str, secret: str, *, idempotent: bool) -> list[bytes]:
    requests = []
    for number in (next(_numbers) for _ in range(_MOST_POSTS)):
        headers = _key(secret) | {"Content-Type": "application/json"}
        if idempotent:
            headers["Idempotency-Key"] = f"bench-{number}"
        requests.append(request("POST", path, headers, json.dumps(_feature(number))))
    return requests


def _feature(number: int) -> dict[str, Any]:
    """About 400 bytes, with a name of its own in another tool."""
    return {
        "title": f"Feature {number} of the editor",
        "description": "People see each other's cursors and edits as they happen, and nothing is lost. " * 2,
        "labels": ["collaboration", "editor"],
        "source": "bench",
        "external_id": f"B-{number}",
    }


# -- services ----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _limit(folder: Path, local: LocalServers, workspace_id: UUID) -> Iterator[tuple[Program, int]]:
    port = free_port()
    command = [sys.executable, "-m", "bench.controls.limit", local.database_url, str(workspace_id), str(port)]
    with _running("limit", folder, command, dict(os.environ), port) as program:
        yield program, port


@contextlib.contextmanager
def _drf(folder: Path, local: LocalServers, features: int) -> Iterator[tuple[tuple[Program, int], str, list[UUID]]]:
    """The usual service on a database of its own in the same Postgres. Gives it, its key, and ids of its features."""
    url = asyncio.run(_drf_database(local.database_url))
    environment = os.environ | {"DRF_DATABASE_URL": url, "PYTHONPATH": str(ROOT)}
    made = subprocess.run(
        [sys.executable, "-m", "bench.controls.drf", "tables"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise RuntimeError(made.stderr[-2000:])
    told = json.loads(made.stdout)
    ids = asyncio.run(_fill_drf(url, UUID(told["workspace_id"]), features))
    port = free_port()
    # Threads, since gunicorn's plain worker keeps no connection alive, which costs a request more than they do.
    options = ["--workers", "1", "--threads", "4", "--worker-connections", "100", "--keep-alive", "65"]
    options += ["--bind", f"127.0.0.1:{port}", "--log-level", "warning", "--no-control-socket"]
    command = [sys.executable, "-m", "gunicorn", *options, "bench.controls.drf:service"]
    with _running("drf", folder, command, environment, port) as program:
        yield (program, port), told["secret"], ids


@contextlib.contextmanager
def _running(name: str, folder: Path, command: list[str], environment: dict[str, str], port: int) -> Iterator[Program]:
    """A control's process, once it listens."""
    program = Program(name, environment, folder / f"{name}.log", command).start()
    try:
        deadline = time.monotonic() + READY_S
        while not _listens(port):
            if not program.alive or time.monotonic() > deadline:
                raise RuntimeError(f"{name} did not start: {program.said()}")
            time.sleep(0.05)
        yield program
    finally:
        program.stop()


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


# -- data --------------------------------------------------------------------------------------------------------------


async def _fill(database_url: str, workspace_id: UUID, features: int) -> list[UUID]:
    """Features of about 400 bytes; ids of some of them, from all over the table."""
    owner = await asyncpg.connect(database_url)
    await owner.execute("SET session_replication_role = replica")  # no audit lines of what nobody did
    await owner.execute(_FILL.format(columns="livemode, workspace_id", values=f"true, '{workspace_id}'", rows=features))
    ids = await _settled(owner)
    await owner.close()
    return ids


async def _fill_drf(url: str, workspace_id: UUID, features: int) -> list[UUID]:
    owner = await asyncpg.connect(url)
    await owner.execute("ALTER TABLE bench_feature RENAME TO features")
    await owner.execute(_FILL.format(columns="version, workspace_id", values=f"1, '{workspace_id}'", rows=features))
    ids = await _settled(owner)
    await owner.execute("ALTER TABLE features RENAME TO bench_feature")
    await owner.close()
    return ids


_FILL = """
INSERT INTO features (id, title, description, status, bucket, labels, metadata, source, external_id, depends_on,
                      created_at, updated_at, {columns})
SELECT uuidv7(), 'Feature ' || n || ' of the editor',
       repeat('People see each other''s cursors and edits as they happen, and nothing is lost. ', 2), 'candidate',
       (ARRAY['product', 'technical', 'innovation'])[1 + n % 3], ARRAY['collaboration', 'editor'], '{{}}', 'bench',
       'S-' || n, '{{}}', now() - n * interval '1 second', now() - n * interval '1 second', {values}
FROM generate_series(1, {rows}) AS n
"""


async def _settled(owner: asyncpg.Connection) -> list[UUID]:
    """Nothing is left for Postgres to do in the background while it is measured."""
    await owner.execute("VACUUM ANALYZE features")
    await owner.execute("CHECKPOINT")
    rows = await owner.fetch("SELECT id FROM features ORDER BY md5(id::text) LIMIT $1", READ_IDS)
    return [row["id"] for row in rows]


async def _drf_database(database_url: str) -> str:
    head, _, query = database_url.partition("?")
    owner = await asyncpg.connect(database_url)
    await owner.execute("CREATE DATABASE drf")
    await owner.close()
    return f"{head.rpartition('/')[0]}/drf?{query}"


# -- words -------------------------------------------------------------------------------------------------------------


def _line(figures: dict[str, float]) -> str:
    return (
        f"{figures['per_s']:8,.0f}/s  p50 {figures['p50_ms']:7.2f} ms  p95 {figures['p95_ms']:7.2f} ms  "
        f"CPU s for 1,000: app {figures['app_s_per_1000']:.3f} + pg {figures['pg_s_per_1000']:.3f}"
    )


def _print_table(told: dict[str, Any]) -> None:
    for name, figures in told["figures"].items():
        if "per_s" in figures:
            print(f"{name:12} {_line(figures)}")
    for name in told["met"]:
        bar = told["bars"][name]
        print(f"{name:18} {told[name]:8.2f}  bar {bar:5.2f}  {'met' if told['met'][name] else 'NOT MET'}")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
