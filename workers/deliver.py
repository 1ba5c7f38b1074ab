"""Deliver what is due: claim a batch with a lease, send each with no transaction open, write the results in one go.

Two loops share a queue. The claimer takes as many due deliveries as there is room for, and sleeps until the bell, the
next due time or the sweep. The recorder writes whatever attempts have ended since it last wrote, so that a slow
receiver never holds back the result of another.
"""

import asyncio
import functools
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime

import asyncpg
import structlog

from api import json
from api.db import wire_id
from api.problems import Problem
from api.settings import Settings
from api.stores import WORKER_ROLE, Stores
from api.webhooks import signing
from api.webhooks.backoff import DEFAULT_SCHEDULE, Result, judge, next_delay
from api.webhooks.deliveries import Claimed, Completed, claim, complete, disable, seconds_to_next
from api.webhooks.outbox import BELL_CHANNEL
from api.webhooks.sealing import Sealer, SealingError
from workers.sender import Outcome, Outgoing, Sender

log = structlog.get_logger()

RETRY_STORE_S = 0.5
MOST_RECORDED = 500


class Courier:
    """One worker's deliveries. `run` ends after `stop` is set, once the attempts under way are recorded."""

    def __init__(
        self,
        stores: Stores,
        sender: Sender,
        sealer: Sealer,
        *,
        bell: asyncio.Event | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._stores = stores
        self._settings: Settings = stores.settings
        self._sender = sender
        self._keys = functools.lru_cache(4096)(functools.partial(_opened, sealer))
        self._jitter = jitter
        self.bell = bell or asyncio.Event()
        self._ended: asyncio.Queue[tuple[Claimed, Completed, bool]] = asyncio.Queue()
        self._under_way: set[asyncio.Task[None]] = set()
        self._freed = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until `stop`. The lease of what is claimed but not yet recorded at a hard stop simply runs out."""
        recorder = asyncio.create_task(self._record_for_ever())
        try:
            while not stop.is_set():
                full = await self._claim_some()
                if not full and not stop.is_set():
                    await self._wait(stop)
            if self._under_way:
                await asyncio.wait(self._under_way, timeout=self._settings.delivery_timeout_s + 1)
            await asyncio.wait_for(self._ended.join(), timeout=5)
        finally:
            recorder.cancel()

    async def _claim_some(self) -> bool:
        """Take what is due and start sending it. Says whether there may be more at once."""
        room = self._settings.delivery_concurrency - len(self._under_way)
        if room <= 0:
            self._freed.clear()
            await self._freed.wait()
            return True
        self.bell.clear()
        most = min(room, self._settings.delivery_batch)
        try:
            async with self._stores.transaction() as tx:
                claimed = await claim(tx, most, self._settings.delivery_lease_s)
                await tx.commit()
        except Problem as problem:
            log.warning("claim_failed", error=problem.message)
            await asyncio.sleep(RETRY_STORE_S)
            return False
        for delivery in claimed:
            task = asyncio.create_task(self._attempt(delivery))
            self._under_way.add(task)
            task.add_done_callback(self._let_go)
        return len(claimed) == most

    async def _wait(self, stop: asyncio.Event) -> None:
        """Until the bell rings, the next delivery is due, or the sweep."""
        timeout = self._settings.sweep_s
        try:
            async with self._stores.transaction() as tx:
                until_due = await seconds_to_next(tx)
        except Problem:
            until_due = RETRY_STORE_S
        if until_due is not None:
            timeout = min(timeout, max(until_due, 0.001))
        waits = [asyncio.create_task(self.bell.wait()), asyncio.create_task(stop.wait())]
        await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    def _let_go(self, task: "asyncio.Task[None]") -> None:
        self._under_way.discard(task)
        self._freed.set()
        if not task.cancelled() and task.exception() is not None:
            log.error("attempt_failed", exc_info=task.exception())

    async def _attempt(self, delivery: Claimed) -> None:
        body = delivery.body.encode()
        try:
            keys = self._keys(tuple(delivery.sealed), delivery.endpoint_id.bytes)
            headers = signing.headers(keys, wire_id("evt", delivery.event_id), int(time.time()), body)
        except (SealingError, signing.SignatureError, ValueError) as error:
            log.error("cannot_sign", endpoint=wire_id("ep", delivery.endpoint_id), error=str(error))
            self._ended.put_nowait((delivery, self._failed(delivery, "cannot_sign"), False))
            return
        outgoing = Outgoing(
            delivery.url, body, {"content-type": "application/json", **headers}, self._settings.delivery_timeout_s
        )
        outcome = await self._sender.send(outgoing)
        self._ended.put_nowait((delivery, *self._completed(delivery, outcome)))

    def _completed(self, delivery: Claimed, outcome: Outcome) -> tuple[Completed, bool]:
        """The delivery's next state, and whether the endpoint said that it is gone (410)."""
        verdict = judge(outcome)
        status, delay_s = "delivered", 0.0
        if verdict.result is Result.GONE:
            status = "held"
        elif not verdict.delivered:
            status, delay_s = self._after_failure(delivery, outcome.retry_after)
        completed = Completed(
            workspace_id=delivery.workspace_id,
            livemode=delivery.livemode,
            delivery_id=delivery.delivery_id,
            attempt_id=delivery.attempt_id,
            status=status,
            delay_s=delay_s,
            failed=not verdict.delivered,
            status_code=outcome.status_code,
            error=verdict.reason,
            latency_ms=round(outcome.latency_ms, 3),
            response_headers=json.dump([[name, value] for name, value in outcome.response_headers.items()]),
            response_body=_storable(outcome.response_body),
        )
        return completed, verdict.result is Result.GONE

    def _failed(self, delivery: Claimed, error: str) -> Completed:
        """An attempt that never left."""
        status, delay_s = self._after_failure(delivery, None)
        return Completed(
            workspace_id=delivery.workspace_id,
            livemode=delivery.livemode,
            delivery_id=delivery.delivery_id,
            attempt_id=delivery.attempt_id,
            status=status,
            delay_s=delay_s,
            failed=True,
            status_code=None,
            error=error,
            latency_ms=0.0,
            response_headers="[]",
            response_body="",
        )

    def _after_failure(self, delivery: Claimed, retry_after: str | None) -> tuple[str, float]:
        delay_s = next_delay(
            DEFAULT_SCHEDULE,
            delivery.failures + 1,
            random=self._jitter,
            now=datetime.now(UTC),
            retry_after=retry_after,
        )
        return ("dead", 0.0) if delay_s is None else ("pending", delay_s)

    async def _record_for_ever(self) -> None:
        while True:
            ended = [await self._ended.get()]
            while len(ended) < MOST_RECORDED and not self._ended.empty():
                ended.append(self._ended.get_nowait())
            await self._record(ended)
            for _ in ended:
                self._ended.task_done()

    async def _record(self, ended: list[tuple[Claimed, Completed, bool]]) -> None:
        """Write the results, again and again while Postgres is away: nothing else may be forgotten meanwhile."""
        while True:
            try:
                async with self._stores.transaction() as tx:
                    for delivery, _, gone in ended:
                        if gone:
                            await disable(tx, delivery.workspace_id, delivery.livemode, delivery.endpoint_id, "gone")
                    await complete(tx, [completed for _, completed, _ in ended])
                    await tx.commit()
            except Problem as problem:
                log.warning("record_failed", error=problem.message, results=len(ended))
                await asyncio.sleep(RETRY_STORE_S)
            else:
                return


async def listen(settings: Settings, bell: asyncio.Event) -> None:
    """Ring the bell at each NOTIFY, over a connection of its own that is made again whenever it is lost."""
    while True:
        try:
            await _listen_once(settings, bell)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
            log.warning("bell_lost", error=repr(error))
        await asyncio.sleep(RETRY_STORE_S)


async def _listen_once(settings: Settings, bell: asyncio.Event) -> None:
    """Until the connection is lost. What was told before it stood is found by ringing once at the start."""
    lost = asyncio.Event()
    connection = await asyncpg.connect(settings.database_url, timeout=5, server_settings={"role": WORKER_ROLE})
    try:
        connection.add_termination_listener(lambda _: lost.set())
        await connection.add_listener(BELL_CHANNEL, lambda *_: bell.set())
        bell.set()
        await lost.wait()
    finally:
        await connection.close(timeout=1)


def _opened(sealer: Sealer, sealed: tuple[bytes, ...], context: bytes) -> tuple[signing.SigningKey, ...]:
    return tuple(signing.parse_signing_key(sealer.open(secret, context=context).decode()) for secret in sealed)


def _storable(body: bytes) -> str:
    """What a receiver answered, as text that Postgres keeps."""
    return body.decode("utf-8", "replace").replace("\x00", "\ufffd")
