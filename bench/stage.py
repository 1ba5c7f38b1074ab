"""What the webhook bench plays on: real servers, the API, workspaces, a receiver process, three kinds of senders."""

import asyncio
import contextlib
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import asyncpg
from arq import create_pool
from arq.connections import ArqRedis, RedisSettings

from api.db import parse_id, uuid7, wire_id
from api.features import events
from api.local import LocalServers, Servers
from api.settings import Settings
from api.stores import Scope, Stores, open_stores
from api.webhooks.outbox import emit
from bench.controls import naive
from tests.support.caller import call
from tests.support.processes import ROOT, Program, Service

ENDPOINTS = 50


@dataclass(frozen=True)
class Hits:
    """What the receiver got: (webhook-id, path, monotonic seconds of the first byte)."""

    rows: list[tuple[str, str, float]]

    def first(self) -> dict[str, float]:
        """The first arrival of each id."""
        first: dict[str, float] = {}
        for webhook_id, _, at in self.rows:
            first.setdefault(webhook_id, at)
        return first


class Receiver:
    """The receiver process. `hook` and `hole` are the beginnings of its URLs, on two ports."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.receiver"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        ports = self._process.stdout.readline().split()
        self.hook, self.hole = (f"http://127.0.0.1:{port}" for port in ports)

    def count(self) -> tuple[int, float, float]:
        """How many requests came, and when the first and the last did."""
        count, first, last = self._ask("count")
        return int(count), float(first), float(last)

    def take(self) -> Hits:
        return Hits([(webhook_id, path, at) for webhook_id, path, at in self._ask("take")])

    def wait_for(self, count: int, within_s: float) -> bool:
        """Whether so many came in time."""
        deadline = time.monotonic() + within_s
        while self.count()[0] < count:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)

    def _ask(self, word: str) -> Any:
        with urllib.request.urlopen(f"{self.hook}/-/{word}", timeout=30) as answer:
            return json.load(answer)


@dataclass(frozen=True)
class Subscriber:
    """A workspace of the product; an event emitted for it goes to each of its endpoints."""

    key: str
    scope: Scope
    endpoint_ids: tuple[str, ...]


@dataclass
class Stage:
    """`data` is a feature of about 1 KB, as it stands in an event."""

    local: LocalServers
    service: Service
    receiver: Receiver
    folder: Path
    api_url: str
    settings: Settings
    data: str
    body: bytes
    naive_url: str
    fan: Subscriber
    late: Subscriber
    single: list[Subscriber] = field(default_factory=list)

    def subscriber(self, *urls: str) -> Subscriber:
        """A new workspace with an endpoint for each URL."""
        wanted = {"email": "ada@example.com", "workspace": "Bench"}
        told = call(self.api_url, None, "POST", "/v1/signup", wanted)
        workspace_id = parse_id("ws", told["workspace"]["id"])
        key = told["live_key"]["secret"]
        made = [
            call(self.api_url, key, "POST", "/v1/endpoints", {"url": url, "event_types": ["feature.created"]})["id"]
            for url in urls
        ]
        return Subscriber(key, Scope(workspace_id, True), tuple(made))

    @contextlib.contextmanager
    def worker(self) -> Iterator[Program]:
        """One worker process of the product."""
        program = self.service.add_worker()
        try:
            yield program
        finally:
            program.stop(40)

    @contextlib.contextmanager
    def naive_worker(self, max_jobs: int) -> Iterator[Program]:
        """The control's worker process."""
        command = [sys.executable, "-m", "bench.controls.naive", self.naive_url, self.local.redis_url, str(max_jobs)]
        program = Program("naive", self.service.environment(), self.folder / "naive.log", command).start()
        try:
            yield program
        finally:
            program.kill()

    def preload(self, count: int) -> int:
        """Leave at least so many deliveries due, over all endpoints of `fan`. Gives how many."""
        rounds = -(-count // ENDPOINTS)
        asyncio.run(self._preload(rounds))
        return rounds * ENDPOINTS

    def preload_naive(self, count: int) -> None:
        asyncio.run(self._preload_naive(count))

    async def _preload(self, rounds: int) -> None:
        async with open_stores(self.settings) as stores, stores.transaction(self.fan.scope) as tx:
            for _ in range(rounds):
                await emit(tx, events.CREATED, self.data)
            await tx.commit()

    async def _preload_naive(self, count: int) -> None:
        async with naive_sender(self) as sender:
            for number in range(count):
                await sender.send(number % ENDPOINTS)


class Sender:
    """Sends one event to one endpoint by its number. Gives the webhook-id and the moment of the commit."""

    async def send(self, number: int) -> tuple[str, float]:
        raise NotImplementedError


class Ours(Sender):
    """The product's outbox."""

    def __init__(self, stores: Stores, subscribers: list[Subscriber], data: str) -> None:
        self._stores, self._subscribers, self._data = stores, subscribers, data

    async def send(self, number: int) -> tuple[str, float]:
        async with self._stores.transaction(self._subscribers[number].scope) as tx:
            event_id = await emit(tx, events.CREATED, self._data)
            await tx.commit()
            return wire_id("evt", event_id), time.monotonic()


class Naive(Sender):
    """Commit, then enqueue a job."""

    def __init__(self, pool: asyncpg.Pool, redis: ArqRedis, body: str) -> None:
        self._pool, self._redis, self._body = pool, redis, body

    async def send(self, number: int) -> tuple[str, float]:
        key: UUID = uuid7()
        await self._pool.execute(naive.WRITE, key, self._body, number)
        at = time.monotonic()
        await self._redis.enqueue_job("deliver", str(key))
        return str(key), at


class Loop(Sender):
    """The limit: POST at once, with no commit to wait for."""

    def __init__(self, session: aiohttp.ClientSession, url: str, body: bytes) -> None:
        self._session, self._url, self._body = session, url, body

    async def send(self, number: int) -> tuple[str, float]:
        webhook_id, at = f"loop_{uuid7()}", time.monotonic()
        headers = {"content-type": "application/json", "webhook-id": webhook_id}
        async with self._session.post(self._url, data=self._body, headers=headers) as answer:
            await answer.read()
        return webhook_id, at


@contextlib.asynccontextmanager
async def our_sender(stage: Stage, subscribers: list[Subscriber] | None = None) -> AsyncIterator[Sender]:
    async with open_stores(stage.settings) as stores:
        yield Ours(stores, subscribers or stage.single, stage.data)


@contextlib.asynccontextmanager
async def naive_sender(stage: Stage) -> AsyncIterator[Sender]:
    redis = await create_pool(RedisSettings.from_dsn(stage.local.redis_url))
    try:
        async with asyncpg.create_pool(stage.naive_url, min_size=4, max_size=4) as pool:
            yield Naive(pool, redis, stage.body.decode())
    finally:
        await redis.aclose()


@contextlib.asynccontextmanager
async def loop_sender(stage: Stage) -> AsyncIterator[Sender]:
    async with aiohttp.ClientSession() as session:
        yield Loop(session, f"{stage.receiver.hook}/hook", stage.body)


@contextlib.contextmanager
def set_up(folder: Path) -> Iterator[Stage]:
    """Everything started and subscribed; no worker runs yet."""
    folder.chmod(0o755)
    with contextlib.ExitStack() as stack:
        local = stack.enter_context(LocalServers.start(folder / "data"))
        service = stack.enter_context(Service(local.servers, folder))
        service.migrate()
        api_url = service.add_api()
        receiver = Receiver()
        stack.callback(receiver.close)
        data = _feature(api_url)
        naive_url = asyncio.run(_naive_database(local.servers, receiver))
        empty = Subscriber("", Scope(), ())
        stage = Stage(
            local, service, receiver, folder, api_url, _settings(service), data, _body(data), naive_url, empty, empty
        )
        stage.fan = stage.subscriber(*(f"{receiver.hook}/hook/{number}" for number in range(ENDPOINTS)))
        stage.late = stage.subscriber(*(f"{receiver.hook}/late/{number}" for number in range(ENDPOINTS)))
        stage.single = [stage.subscriber(f"{receiver.hook}/hook/single/{number}") for number in range(ENDPOINTS)]
        yield stage


def _settings(service: Service) -> Settings:
    """Those of the processes, for the outbox that the bench itself writes to."""
    ours = service.environment()
    return Settings.model_validate(
        {
            name: ours[f"ROADBED_{name.upper()}"]
            for name in ("database_url", "redis_url", "pepper", "sealing_keys", "target_allow", "target_http")
        }
    )


def _feature(api_url: str) -> str:
    """A feature as the API shows it, with a description that makes its event about 1 KB."""
    told = call(api_url, None, "POST", "/v1/signup", {"email": "ada@example.com", "workspace": "Bench"})
    wanted = {"title": "Real-time collaboration", "description": "Several people, one document. " * 15}
    return json.dumps(call(api_url, told["live_key"]["secret"], "POST", "/v1/features", wanted))


def _body(data: str) -> bytes:
    """As large as the product's own body."""
    head = events.CREATED.whole_example | {"data": None}
    return json.dumps(head).encode()[:-5] + data.encode() + b"}"


async def _naive_database(servers: Servers, receiver: Receiver) -> str:
    """A database of the control's own in the same Postgres. Its last endpoint is the black hole."""
    head, _, query = servers.database_url.partition("?")
    owner = await asyncpg.connect(servers.database_url)
    await owner.execute("CREATE DATABASE naive")
    await owner.close()
    url = f"{head.rpartition('/')[0]}/naive?{query}"
    connection = await asyncpg.connect(url)
    await connection.execute(naive.TABLES)
    rows = [(number, f"{receiver.hook}/hook/{number}", naive.SECRET) for number in range(ENDPOINTS)]
    rows += [(ENDPOINTS, f"{receiver.hole}/hole", naive.SECRET), (ENDPOINTS + 1, f"{receiver.hook}/late", naive.SECRET)]
    await connection.executemany("INSERT INTO endpoints VALUES ($1, $2, $3)", rows)
    await connection.close()
    return url
