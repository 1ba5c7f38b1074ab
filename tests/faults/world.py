"""The world around the service: a recording receiver and a steady load of writes, which no fault touches.

It runs in a thread of its own. What was acknowledged is appended to a file and flushed to the disk before anything
else is done, so that the log is as independent of the service as a bank statement.
"""

import asyncio
import contextlib
import json
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tests.support.hooks import FAILED, NO_CONTENT, Hit, HookProtocol

REQUEST_TIMEOUT_S = 15.0
MOST_OUTSTANDING = 150


@dataclass(frozen=True)
class Tenant:
    """A workspace and the secrets of its endpoints by the path that they post to."""

    id: str
    key: str
    secrets: dict[str, str]


@dataclass
class Write:
    """One feature that must exist once. `answers` are the ids that 2xx answers to its idempotency key named."""

    title: str
    tenant: Tenant
    sent_at: float
    acknowledged_at: float | None = None
    answers: set[str] = field(default_factory=set)
    refused: str | None = None


@dataclass(frozen=True)
class Arrival:
    """One request at the receiver, and whether it was answered with a 2xx."""

    path: str
    webhook_id: str
    timestamp: str
    signature: str
    body: bytes
    at: float
    unix: float
    accepted: bool

    @property
    def event(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.body)
        return parsed


class World:
    """`start`, let it write, `finish` (no new writes; the unanswered ones are asked again until they are), `close`."""

    def __init__(self, log_path: Path, *, writes_per_s: float, failing: float, seed: int) -> None:
        self.log_path = log_path
        self.writes: dict[str, Write] = {}
        self.arrivals: list[Arrival] = []
        self.statuses: Counter[str] = Counter()
        self._writes_per_s = writes_per_s
        self._failing = failing
        self._random = random.Random(seed)
        self._seen: set[tuple[str, str]] = set()
        self._first_arrival: list[tuple[float, float]] = []
        self._writing = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="world", daemon=True)
        self._under_way: set[asyncio.Task[None]] = set()

    def open(self) -> int:
        """Listen. Gives the receiver's port."""
        self._thread.start()
        return asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    def start(self, url: str, tenants: list[Tenant]) -> None:
        """Begin to write."""
        self._writing.set()
        self._writer = asyncio.run_coroutine_threadsafe(self._write_on(url, tenants), self._loop)

    def finish(self, within_s: float) -> None:
        """Begin no more writes, and wait for the last answer. What has none by then stays unacknowledged."""
        self._writing.clear()
        with contextlib.suppress(TimeoutError):
            self._writer.result(within_s)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def recovered_at(self, after: float) -> float | None:
        """When the first event arrived whose write was sent after that moment; None when none has yet."""
        return next((at for at, sent_at in reversed_until(self._first_arrival, after) if sent_at > after), None)

    # -- the receiver ------------------------------------------------------------------------------------------------

    async def _listen(self) -> int:
        self._server = await self._loop.create_server(lambda: HookProtocol(self._on_hit), "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def _on_hit(self, hit: Hit) -> bytes:
        webhook_id = hit.header("webhook-id")
        once = (hit.path, webhook_id)
        # Some first attempts fail, so that retries are a part of what the faults hit.
        accepted = once in self._seen or self._random.random() >= self._failing
        arrival = Arrival(
            hit.path, webhook_id, hit.header("webhook-timestamp"), hit.header("webhook-signature"), hit.body,
            hit.whole_at, time.time(), accepted,
        )  # fmt: skip
        self.arrivals.append(arrival)
        if once not in self._seen:
            self._seen.add(once)
            with contextlib.suppress(ValueError, KeyError, TypeError):
                self._first_arrival.append((hit.whole_at, self.writes[arrival.event["data"]["title"]].sent_at))
        return NO_CONTENT if accepted else FAILED

    # -- the load ----------------------------------------------------------------------------------------------------

    async def _write_on(self, url: str, tenants: list[Tenant]) -> None:
        file = os.open(self.log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S)
        try:
            async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as session:
                due = time.monotonic()
                while self._writing.is_set():
                    if len(self._under_way) < MOST_OUTSTANDING:
                        self._begin(session, url, tenants, file)
                    due = max(due + 1 / self._writes_per_s, time.monotonic() - 1)
                    await asyncio.sleep(max(0.0, due - time.monotonic()))
                while self._under_way:
                    await asyncio.wait(self._under_way)
        finally:
            os.close(file)

    def _begin(self, session: aiohttp.ClientSession, url: str, tenants: list[Tenant], file: int) -> None:
        number = len(self.writes)
        write = Write(f"write {number:06}", tenants[number % len(tenants)], time.monotonic())
        self.writes[write.title] = write
        task = self._loop.create_task(self._write(session, url, write, file))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _write(self, session: aiohttp.ClientSession, url: str, write: Write, file: int) -> None:
        """Ask until there is an answer that settles it, always under the same key."""
        headers = {"Authorization": f"Bearer {write.tenant.key}", "Idempotency-Key": write.title.replace(" ", "-")}
        while write.acknowledged_at is None and write.refused is None:
            pause_s = 0.2 + self._random.random() * 0.3
            try:
                body = {"title": write.title}
                async with session.post(f"{url}/v1/features", json=body, headers=headers) as answer:
                    text = await answer.read()
                    self.statuses[str(answer.status)] += 1
                    if answer.ok:
                        self._acknowledge(write, json.loads(text), file)
                    elif answer.status not in (409, 429) and answer.status < 500:
                        write.refused = f"{answer.status} {text[:300]!r}"
                    pause_s = max(pause_s, float(answer.headers.get("Retry-After", 0)) if answer.status == 429 else 0)
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                self.statuses[type(error).__name__] += 1
            if write.acknowledged_at is None and write.refused is None:
                await asyncio.sleep(pause_s)
            elif self._random.random() < 0.05:
                await self._ask_again(session, url, write, headers)

    async def _ask_again(self, session: aiohttp.ClientSession, url: str, write: Write, headers: dict[str, str]) -> None:
        """A client that lost the answer to a request that was carried out."""
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
            async with session.post(f"{url}/v1/features", json={"title": write.title}, headers=headers) as answer:
                if answer.ok:
                    write.answers.add((await answer.json())["id"])

    def _acknowledge(self, write: Write, shown: dict[str, Any], file: int) -> None:
        line = {"workspace": write.tenant.id, "title": write.title, "id": shown["id"], "unix": time.time()}
        os.write(file, json.dumps(line).encode() + b"\n")
        os.fsync(file)
        write.answers.add(shown["id"])
        write.acknowledged_at = time.monotonic()

    async def _stop(self) -> None:
        for task in list(self._under_way):
            task.cancel()
        self._server.close()
        await asyncio.sleep(0)


def reversed_until(arrivals: list[tuple[float, float]], after: float) -> list[tuple[float, float]]:
    """The arrivals past a moment, oldest first, without going through all that came before."""
    start = len(arrivals)
    while start and arrivals[start - 1][0] > after:
        start -= 1
    return arrivals[start:]


def wait_for(condition: Callable[[], bool], within_s: float, every_s: float = 0.01) -> bool:
    """Whether it came true in time."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(every_s)
    return True
