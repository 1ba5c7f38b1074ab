"""`./run bench scale`: the webhook log, an event for very many endpoints, and order, at the sizes that break others.

    ./run bench scale            a million attempts, 2,000 endpoints, 10,000 events in order: about two minutes
    ./run bench scale --long     50 million attempts (25 GB of disk, half an hour), 10,000 endpoints, 100,000 events

* `log`: pages of deliveries over HTTP, of 100 unless the name says otherwise, with so many attempts behind them, each
  five to a delivery, over 30 days; then a day of retention is dropped. The log is written by Postgres itself, as the
  worker would have left it.
* `fan_out`: one event, from its commit to the last endpoint's request, and what the worker's memory came to.
* `order`: endpoints that take events one by one while 5 % of the requests fail. The receiver knows the number that has
  to come next; any other than that or one that came before is an inversion.

The last line on stdout is one JSON object.
"""

import argparse
import asyncio
import contextlib
import json
import random
import sys
import tempfile
import time
import urllib.parse
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx

from api.db import parse_id, wire_id
from api.features import events
from api.local import LocalServers
from api.settings import Settings
from api.stores import WORKER_ROLE, Scope, open_stores
from api.webhooks.outbox import emit
from api.webhooks.sealing import Sealer
from bench.machine import described, spread_ms
from tests.support.caller import call
from tests.support.endpoints import multiply
from tests.support.hooks import FAILED, NO_CONTENT, Hit, HookProtocol
from tests.support.processes import Service, peak_memory_mb
from workers.prune import forget

DAYS = 30
EACH = 5  # attempts of a delivery
STEP = 20_000  # deliveries of one statement of the load
LANES = 50  # endpoints in order
FAILING = 0.05
PAGES = 200
EMITTERS = 4


@dataclass(frozen=True)
class Plan:
    attempts: int
    endpoints: int
    events: int


SHORT = Plan(1_000_000, 2_000, 10_000)
LONG = Plan(50_000_000, 10_000, 100_000)


@dataclass(frozen=True)
class Stage:
    service: Service
    url: str
    settings: Settings

    def workspace(self, name: str) -> tuple[str, Scope]:
        """A new one: its live key, and its scope."""
        told = call(self.url, None, "POST", "/v1/signup", {"email": "ada@example.com", "workspace": name})
        return told["live_key"]["secret"], Scope(parse_id("ws", told["workspace"]["id"]), True)

    async def owner(self) -> asyncpg.Connection:
        return await asyncpg.connect(self.service.servers.database_url)


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(
        "./run bench scale", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print only the last line")
    parser.add_argument("--long", action="store_true", help="the sizes that are asked for")
    parser.add_argument("--only", choices=list(PARTS), action="append", help="only this part; may be repeated")
    options = parser.parse_args(words)
    plan = LONG if options.long else SHORT
    figures: dict[str, Any] = {}
    for name in options.only or PARTS:
        with tempfile.TemporaryDirectory(prefix="roadbed-bench-") as folder, _set_up(Path(folder)) as stage:
            figures[name] = asyncio.run(PARTS[name](stage, plan))
            say(f"{name}: {figures[name]}")
    told = {"bench": "scale", "long": options.long, **figures, "machine": described()}
    if not options.json:
        print(json.dumps(told, indent=2))
    print(json.dumps(told), flush=True)
    return 0


@contextlib.contextmanager
def _set_up(folder: Path) -> Iterator[Stage]:
    folder.chmod(0o755)
    with LocalServers.start(folder / "data") as local, Service(local.servers, folder) as service:
        service.migrate()
        url = service.add_api()
        ours = service.environment()
        names = ("database_url", "redis_url", "pepper", "sealing_keys", "target_allow", "target_http")
        yield Stage(service, url, Settings.model_validate({name: ours[f"ROADBED_{name.upper()}"] for name in names}))


# -- the log -----------------------------------------------------------------------------------------------------------

_LOAD = """
WITH written AS (
    INSERT INTO deliveries (workspace_id, livemode, id, event_id, event_type, endpoint_id, status, due_at,
                            attempt_count, failures, last_status_code, created_at, finished_at)
    SELECT $1, true, id, id, 'feature.created', ($2::uuid[])[1 + number % cardinality($2::uuid[])],
           CASE WHEN number % 10000 = 0 THEN 'dead' ELSE 'delivered' END, at, $6, $6 - 1, 204, at, at
    FROM (
        SELECT number, $3::timestamptz + number * $5::interval AS at,
               uuidv7($3::timestamptz + number * $5::interval - clock_timestamp()) AS id
        FROM generate_series(1, $4::bigint) AS number
    ) AS numbered
    RETURNING id, endpoint_id, created_at
), told AS (
    INSERT INTO events (workspace_id, livemode, id, type, body, created_at)
    SELECT $1, true, id, 'feature.created', '{"id":"","type":"feature.created","data":{}}', created_at FROM written
)
INSERT INTO attempts (workspace_id, livemode, id, delivery_id, endpoint_id, number, started_at, finished_at,
                      status_code, latency_ms, response_headers, response_body)
SELECT $1, true, uuidv7(created_at - clock_timestamp() + try * interval '1 second'), id, endpoint_id, try, created_at,
       created_at, CASE try WHEN $6 THEN 204 ELSE 500 END, 12.5, '[["server", "receiver"]]',
       CASE try WHEN $6 THEN '' ELSE 'try again later' END
FROM written, generate_series(1, $6::integer) AS try"""
_PARTITION = """
CREATE TABLE attempts_{day:%Y%m%d} PARTITION OF attempts
FOR VALUES FROM ('{first}') TO ('{last}') WITH (fillfactor = 70)"""


async def log(stage: Stage, plan: Plan) -> dict[str, Any]:
    """Pages of the log over HTTP, then a day less of it."""
    key, scope = stage.workspace("Log")
    wanted = {"url": "http://127.0.0.1:8999/hook", "event_types": ["decision.*"]}
    made = [call(stage.url, key, "POST", "/v1/endpoints", wanted)["id"] for _ in range(LANES)]
    owner = await stage.owner()
    began = time.monotonic()
    await _fill(owner, scope, [UUID(str(parse_id("ep", one))) for one in made], plan.attempts)
    told: dict[str, Any] = {"attempts": await owner.fetchval("SELECT count(*) FROM attempts")}
    told |= {"load_s": round(time.monotonic() - began, 1)}
    say(f"log: {told}")
    ids = [
        wire_id("dlv", row["id"])
        for row in await owner.fetch(
            f"SELECT id FROM deliveries TABLESAMPLE SYSTEM (1) ORDER BY random() LIMIT {PAGES}"
        )
    ]
    async with httpx.AsyncClient(base_url=stage.url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as client:
        told["pages"] = {
            "newest": await _walked(client, "/v1/deliveries"),
            "of_an_endpoint": await _walked(client, "/v1/deliveries", endpoint_id=made[7]),
            "of_an_endpoint_by_20": await _walked(client, "/v1/deliveries", endpoint_id=made[23], limit="20"),
            "dead": await _walked(client, "/v1/deliveries", status="dead"),
            "pending": await _walked(client, "/v1/deliveries", status="pending"),
            "dead_of_an_endpoint": await _walked(client, "/v1/deliveries", endpoint_id=made[9], status="dead"),
            "events": await _walked(client, "/v1/events"),
            "one_with_its_attempts": await _each(client, [f"/v1/deliveries/{one}" for one in ids]),
        }
    began = time.monotonic()
    dropped = await owner.fetchval("SELECT roadbed_rotate_attempts($1, 7)", DAYS - 1)
    told["drop_day"] = {"partitions": dropped, "seconds": round(time.monotonic() - began, 3)}
    before = await owner.fetchval("SELECT count(*) FROM deliveries")
    shorter = stage.settings.model_copy(update={"log_days": DAYS - 2})
    async with open_stores(shorter, role=WORKER_ROLE) as stores:
        began = time.monotonic()
        await forget(stores)
        seconds = round(time.monotonic() - began, 2)
    told["prune"] = {"deliveries": before - await owner.fetchval("SELECT count(*) FROM deliveries"), "seconds": seconds}
    await owner.close()
    return told


async def _fill(owner: asyncpg.Connection, scope: Scope, endpoint_ids: list[UUID], attempts: int) -> None:
    """As many attempts, evenly over the days up to now. Raises if a day has less than one step."""
    await owner.execute("SET synchronous_commit = off")
    today = datetime.now(UTC).date()
    for back in range(2, DAYS + 1):
        day = today - timedelta(days=back)
        first, last = [
            await owner.fetchval("SELECT roadbed_first_id($1)", one) for one in (day, day + timedelta(days=1))
        ]
        await owner.execute(_PARTITION.format(day=day, first=first, last=last))
    steps = max(1, attempts // EACH // STEP)
    every = timedelta(days=DAYS - 1) / (steps * STEP)
    start = datetime.now(UTC) - timedelta(days=DAYS - 1)
    for step in range(steps):
        await owner.execute(_LOAD, scope.workspace_id, endpoint_ids, start + step * STEP * every, STEP, every, EACH)
        if step % 20 == 19:
            say(f"log: {(step + 1) * STEP * EACH:,} of {attempts:,} attempts")
    for table in ("deliveries", "events", "attempts"):
        await owner.execute(f"VACUUM ANALYZE {table}")


async def _walked(client: httpx.AsyncClient, path: str, **query: str) -> dict[str, Any]:
    """Milliseconds of page after page; of the first one again and again where there is only one."""
    seconds, cursor, rows = [], None, 0
    for _ in range(PAGES):
        words = urllib.parse.urlencode({"limit": "100", **query, **({"cursor": cursor} if cursor else {})})
        began = time.monotonic()
        page = (await client.get(f"{path}?{words}")).raise_for_status().json()
        seconds.append(time.monotonic() - began)
        rows += len(page["data"])
        cursor = page["next_cursor"]
    return {**spread_ms(seconds), "rows": rows}


async def _each(client: httpx.AsyncClient, paths: list[str]) -> dict[str, Any]:
    seconds = []
    for path in paths:
        began = time.monotonic()
        shown = (await client.get(path)).raise_for_status().json()
        seconds.append(time.monotonic() - began)
        if len(shown["attempts"]) != EACH:
            raise RuntimeError(f"{path} shows {len(shown['attempts'])} attempts")
    return spread_ms(seconds)


# -- one event for very many -------------------------------------------------------------------------------------------


async def fan_out(stage: Stage, plan: Plan) -> dict[str, Any]:
    """One event: when its transaction had ended, and when the last endpoint had it."""
    arrived: list[float] = []

    def on_hit(hit: Hit) -> bytes:
        arrived.append(hit.first_byte_at)
        return NO_CONTENT

    async with _receiver(on_hit) as url:
        key, scope = stage.workspace("Many")
        wanted = {"url": f"{url}/0", "event_types": ["feature.created"]}
        first = call(stage.url, key, "POST", "/v1/endpoints", wanted)
        owner = await stage.owner()
        await multiply(owner, _sealer(stage), first, url, plan.endpoints)
        await owner.execute("ANALYZE endpoints")
        await owner.close()
        worker = stage.service.add_worker()
        async with open_stores(stage.settings) as stores:
            await asyncio.sleep(3)  # the worker is up
            began = time.monotonic()
            async with stores.transaction(scope) as tx:
                await emit(tx, events.CREATED, json.dumps({"id": "feat_0", "title": "Told to all"}))
                await tx.commit()
            committed = time.monotonic()
        await _until(lambda: len(arrived) >= plan.endpoints, 300)
        memory_mb = peak_memory_mb(worker.pid)
    return {
        "endpoints": plan.endpoints,
        "insert_ms": round((committed - began) * 1000, 1),
        "delivered_s": round(max(arrived) - committed, 2),
        "worker_peak_mb": round(memory_mb),
    }


# -- order -------------------------------------------------------------------------------------------------------------


class Ordered:
    """A receiver that knows which number comes next at each path, and fails one request in twenty."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._delivered: dict[str, int] = {}
        self.done = self.inversions = self.repeats = self.failed = 0

    def on_hit(self, hit: Hit) -> bytes:
        number = json.loads(hit.body)["data"]["number"]
        delivered = self._delivered.get(hit.path, -1)
        if number <= delivered:
            self.repeats += 1
            return NO_CONTENT
        if number > delivered + 1:
            self.inversions += 1
        if self._random.random() < FAILING:
            self.failed += 1
            return FAILED
        self._delivered[hit.path] = number
        self.done += 1
        return NO_CONTENT


async def order(stage: Stage, plan: Plan) -> dict[str, Any]:
    """Each lane is a workspace with one endpoint in order, and has one writer."""
    receiver = Ordered(7)
    each = plan.events // LANES
    async with _receiver(receiver.on_hit) as url, open_stores(stage.settings) as stores:
        lanes = []
        for number in range(LANES):
            key, scope = stage.workspace(f"Lane {number}")
            wanted = {"url": f"{url}/{number}", "event_types": ["feature.created"], "ordering": "endpoint"}
            call(stage.url, key, "POST", "/v1/endpoints", {**wanted, "schedule": [0, 0, 0, 0, 0, 0, 0, 0]})
            lanes.append(scope)
        stage.service.add_worker()
        began = time.monotonic()
        writers = asyncio.Semaphore(EMITTERS)

        async def write(scope: Scope) -> None:
            for number in range(each):
                async with writers, stores.transaction(scope) as tx:
                    await emit(tx, events.CREATED, json.dumps({"id": "feat_0", "number": number}))
                    await tx.commit()

        await asyncio.gather(*map(write, lanes))
        written_s = time.monotonic() - began
        await _until(lambda: receiver.done >= each * LANES, 1800)
        seconds = time.monotonic() - began
    return {
        "events": each * LANES,
        "endpoints": LANES,
        "failed": receiver.failed,
        "inversions": receiver.inversions,
        "repeats": receiver.repeats,
        "written_s": round(written_s, 1),
        "seconds": round(seconds, 1),
    }


@contextlib.asynccontextmanager
async def _receiver(on_hit: Callable[[Hit], bytes | None]) -> AsyncIterator[str]:
    server = await asyncio.get_running_loop().create_server(lambda: HookProtocol(on_hit), "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def _sealer(stage: Stage) -> Sealer:
    return Sealer.from_setting(stage.settings.sealing_keys.get_secret_value())


async def _until(reached: Callable[[], bool], within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while not reached():
        if time.monotonic() > deadline:
            raise SystemExit(f"It did not end within {within_s} s.")
        await asyncio.sleep(0.05)


PARTS: dict[str, Callable[[Stage, Plan], Coroutine[Any, Any, dict[str, Any]]]] = {
    "log": log,
    "fan_out": fan_out,
    "order": order,
}


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
