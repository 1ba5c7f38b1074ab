"""Deliver what is due: claim a batch with a lease, send each with no transaction open, write the results in one go.

Two loops share a queue. The claimer takes as many due deliveries as there is room for, and sleeps until the bell, the
next due time or the sweep. The recorder writes whatever attempts have ended since it last wrote, so that a slow
receiver never holds back the result of another.
"""

import asyncio
import contextlib
import functools
import heapq
import json as text_json
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

import structlog

from api import bells, json
from api.db import wire_id
from api.problems import Problem, Unavailable
from api.settings import Settings
from api.stores import WORKER_ROLE, Busy, Scope, Stores, Transaction
from api.webhooks import signing
from api.webhooks.backoff import DEFAULT_SCHEDULE, MAX_RETRY_AFTER_S, Result, Schedule, judge, next_delay, retry_after_s
from api.webhooks.claims import (
    MOST_LANES,
    NO_LANE,
    Claimed,
    Lane,
    claim_due,
    claim_from,
    claim_ordered,
    share,
    walk_lanes,
)
from api.webhooks.deliveries import (
    Completed,
    complete,
    disable,
    read_health,
    release,
    write_health,
)
from api.webhooks.events import DISABLED
from api.webhooks.health import Answered, Health, after, out_of_patience
from api.webhooks.outbox import BELL_CHANNEL, emit, thin
from api.webhooks.sealing import Sealer, SealingError
from api.webhooks.subscribe import ENDPOINT, header_context
from workers import lanes
from workers.bell import Bell
from workers.metrics import IN_FLIGHT, LATENCY, count_ended
from workers.sender import Outcome, Outgoing, Sender, header_lines

log = structlog.get_logger()

RETRY_STORE_S = 0.5
LAST_WRITES_S = 5.0
MOST_ASIDE_AT_ONCE = 3
MOST_RECORDED = 500
# So many retries are remembered here; the others are found in the database, at the latest by the sweep.
MOST_WAKES = 10_000
RUN_IN_ORDER = 64
THROTTLE_S = 5.0
# So long before its lease ends a delivery must have been sent, or it is given back.
MARGIN_S = 1.0
# After so long all that is due is looked at again, where a look did not come by all of it.
WHOLE_LOOK_S = 0.25
# A claim costs nearly as much for one delivery as for fifty: that long it waits for room for more.
GATHER_S = 0.005
# Made for each attempt, whatever the endpoint's own headers are.
_PER_ATTEMPT = ("traceparent", signing.ID_HEADER, signing.TIMESTAMP_HEADER, signing.SIGNATURE_HEADER)
# What went wrong on our own machine says nothing of the endpoint.
_OUR_FAULT = frozenset({"overloaded", "internal", "cannot_sign"})


class Ended(NamedTuple):
    """What one attempt came to. `gone` is a 410, `answered` what the endpoint's health learns, if anything."""

    completed: Completed
    gone: bool
    answered: Answered | None


class Own(NamedTuple):
    """What each attempt at an endpoint has: whole header lines, and the names of those that are the endpoint's own."""

    lines: str
    names: str


class Courier:
    """One worker's deliveries. `run` ends after `stop` is set, once the attempts under way are recorded. It raises
    nothing: what cannot be recorded then is due again when its lease ends.

    `jitter` gives 0 to 1; `clock` the unix time that is signed; `tell` hears of each attempt that ended.
    """

    def __init__(
        self,
        stores: Stores,
        sender: Sender,
        sealer: Sealer,
        *,
        jitter: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.time,
        tell: Callable[[Claimed, Outcome], None] | None = None,
    ) -> None:
        self._stores = stores
        self._tell = tell
        self._settings: Settings = stores.settings
        # A lease outlives the longest attempt, whatever the settings say.
        self._lease_s = max(self._settings.delivery_lease_s, self._settings.delivery_timeout_s + 2 * MARGIN_S)
        self._sender = sender
        self._keys = functools.lru_cache(4096)(functools.partial(_opened_keys, sealer))
        self._own = functools.lru_cache(4096)(functools.partial(_opened_lines, sealer))
        self._jitter = jitter
        self._clock = clock
        self.bell = Bell()
        # What was sent, with its result, and what was claimed and is given back unsent.
        self._ended: list[Ended] = []
        self._unsent: list[Claimed] = []
        self._to_write = asyncio.Event()
        self._written = asyncio.Event()
        self._written.set()
        # What cannot be written with the others, by lane: one endpoint's trouble is its own.
        self._aside: defaultdict[Lane, set[asyncio.Task[None]]] = defaultdict(set)
        self._aside_at_once = asyncio.Semaphore(MOST_ASIDE_AT_ONCE)
        self._stopping = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._freed = asyncio.Event()
        self._lanes = lanes.Lanes()
        self._in_flight = 0
        IN_FLIGHT.set_function(lambda: self._in_flight)
        self._room_wanted = 1
        self._walked: Lane = NO_LANE
        # When to look at everything again, whatever happens, and when what failed is due again, as a heap; those that
        # go in an order have no lane here.
        self._look_at = 0.0
        self._wakes: list[tuple[float, Lane]] = []

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until `stop`. Then what is under way is finished, what waits for its turn is given back, and all of
        it is written. The lease of what cannot be written then, or of all at a hard stop, simply runs out."""
        recorder = asyncio.create_task(self._record_for_ever())
        try:
            while not stop.is_set():
                if not await self._claim_some() and not stop.is_set():
                    await self._wait(stop)
            self._stopping = True
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=self._settings.delivery_timeout_s + MARGIN_S)
            await self._write_the_last()
        finally:
            writing = [recorder, *self._put_aside]
            for task in writing:
                task.cancel()
            await asyncio.wait(writing)

    async def _write_the_last(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WRITES_S):
                await self._written.wait()
                while self._put_aside:
                    await asyncio.wait(self._put_aside)
                return
        log.warning("stopped_with_unwritten_results", of_endpoints=len(self._aside))

    # -- claiming ----------------------------------------------------------------------------------------------------

    async def _claim_some(self) -> bool:
        """Take what is due and start sending it. Says whether to look again at once.

        Endpoints that were named come first, so that what is new for them never waits behind a backlog of others.
        """
        await self._until_worth_it()
        self._ring_for_what_time_brings()
        named, in_order, everything = self.bell.take(everything=time.monotonic() >= self._look_at)
        try:
            if named:
                await self._claim_named(named)
            if everything:
                return await self._claim_of_all()
            if in_order:
                await self._claim_in_order()
        except Exception as error:
            _log_failure("claim_failed", error)
            await asyncio.sleep(RETRY_STORE_S)
            self._look_at = time.monotonic()
        return False

    def _ring_for_what_time_brings(self) -> None:
        """For what failed and is due again, and for what a rate held back."""
        now = time.monotonic()
        while self._wakes and self._wakes[0][0] <= now:
            _, lane = heapq.heappop(self._wakes)
            if lane == NO_LANE:
                self.bell.in_order()
            else:
                self.bell.name(lane)
        for lane in self._lanes.calling():
            self.bell.call(lane)

    async def _until_worth_it(self) -> None:
        """Until more may be under way. In full swing, half a batch is waited for, though not for long."""
        worth = min(self._settings.delivery_batch, self._settings.delivery_concurrency) // 2
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GATHER_S):
                await self._until_room(worth)
        await self._until_room(1)

    @property
    def _most(self) -> int:
        return min(self._settings.delivery_concurrency - self._in_flight, self._settings.delivery_batch)

    async def _until_room(self, wanted: int) -> None:
        while self._settings.delivery_concurrency - self._in_flight < wanted:
            self._room_wanted = wanted
            self._freed.clear()
            await self._freed.wait()

    async def _claim_named(self, named: Sequence[Lane]) -> None:
        """From these endpoints, as far as they have room."""
        lanes, most = self._lanes.with_room(named), self._most
        claimed = await self._claim_from(lanes, most)
        given = {delivery.endpoint_id for delivery in claimed}
        for lane in lanes:
            if lane[2] in given:
                continue
            if len(claimed) >= most:
                self.bell.name(lane)
            else:
                # Somebody else was faster, or it is blocked and a look at everything says until when.
                self._look_at = min(self._look_at, time.monotonic() + WHOLE_LOOK_S)

    async def _claim_from(self, lanes: Sequence[Lane], most: int) -> list[Claimed]:
        """Those that gave all that they could may have more."""
        if not lanes or most < 1:
            return []
        for lane in lanes:
            self._lanes.relieve(lane)
        async with self._stores.by_keys() as tx:
            claimed = await claim_from(tx, lanes, most, self._lease_s, self._lanes.room_of(lanes))
            await tx.commit()
        self._start(claimed)
        given = Counter(delivery.endpoint_id for delivery in claimed)
        each = share(most, len(lanes))
        self._lanes.crowd(one for one, count in given.items() if count >= each or self._lanes.is_full(one))
        return claimed

    async def _claim_of_all(self) -> bool:
        """What has waited longest. Says whether to go on at once."""
        most = self._most
        if most == 0:
            return True
        async with self._stores.by_keys() as tx:
            claimed, looked = await claim_due(tx, most, self._lease_s, self._lanes.room())
            await tx.commit()
        self._start(claimed)
        if not looked.more:
            self._lanes.relieve_all()
        self._lanes.crowd(looked.crowded)
        if looked.in_order:
            await self._claim_in_order()
        seen_all = not looked.more
        if looked.more and len(claimed) < most:
            in_turn, seen_all = await self._claim_in_turn()
            claimed = claimed + in_turn
        again = len(claimed) >= most or (looked.more and bool(claimed))
        waits = [self._settings.sweep_s]
        if looked.next_s is not None:
            waits.append(looked.next_s)
        if not seen_all:
            waits.append(WHOLE_LOOK_S)
        self._look_at = time.monotonic() + (0.0 if again else min(waits))
        return again

    async def _claim_in_turn(self) -> tuple[list[Claimed], bool]:
        """Past a backlog that cannot be served now, endpoint by endpoint from where the last walk stopped. Says whether
        it came by all of them: those that have no room call when they have some."""
        began = self._walked
        async with self._stores.by_keys() as tx:
            walked = await walk_lanes(tx, began)
        self._walked = walked[-1] if len(walked) == MOST_LANES else NO_LANE
        claimed = await self._claim_from(self._lanes.with_room(walked), self._most)
        return claimed, began == self._walked == NO_LANE

    async def _claim_in_order(self) -> None:
        async with self._stores.by_keys() as tx:
            claimed = await claim_ordered(tx, RUN_IN_ORDER, self._lease_s, list(self._lanes.ordered))
            await tx.commit()
        self._start_runs(_runs(claimed))

    async def _wait(self, stop: asyncio.Event) -> None:
        """Until the bell rings, something becomes due or free to go, or the sweep."""
        now = time.monotonic()
        times = [self._look_at - now, *(at - now for at, _ in self._wakes[:1]), *self._lanes.until_token_s()]
        waits = [asyncio.create_task(self.bell.wait()), asyncio.create_task(stop.wait())]
        await asyncio.wait(waits, timeout=max(0.001, min(times)), return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    # -- sending -----------------------------------------------------------------------------------------------------

    def _start(self, claimed: Sequence[Claimed]) -> None:
        """Each by itself."""
        self._start_runs([[delivery] for delivery in claimed])

    def _start_runs(self, runs: Sequence[list[Claimed]]) -> None:
        """One task for each run; a run of one is a delivery that goes by itself."""
        give_back_at = time.monotonic() + self._lease_s - MARGIN_S
        for run in runs:
            lane = self._lanes.of(run[0])
            if run[0].order_key is None and not lane.spend():
                # More than its rate lets through now: the claim knew nothing of this endpoint yet.
                self._keep(run[0])
                continue
            lane.take(len(run))
            self._in_flight += len(run)
            if run[0].order_key is not None:
                self._lanes.ordered.add(run[0].endpoint_id)
            task = asyncio.create_task(self._send_run(run, lane, give_back_at))
            self._tasks.add(task)
            task.add_done_callback(self._let_go)

    def _let_go(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("attempt_failed", exc_info=task.exception())

    async def _send_run(self, run: list[Claimed], lane: lanes.Lane, give_back_at: float) -> None:
        """One after the other; after one that failed, or when the lease nears its end, the rest is given back."""
        rest = run
        try:
            for position, delivery in enumerate(run):
                rest = run[position:]
                # In an order each waits for its turn and for the rate; the others had theirs before.
                in_time = give_back_at - self._settings.delivery_timeout_s
                if delivery.order_key is not None and not await lane.pass_rate(in_time):
                    break
                ended = await self._attempt(delivery, lane, give_back_at)
                if ended is None:
                    break
                self._keep(ended)
                if ended.completed.status in ("pending", "held"):
                    rest = run[position + 1 :]
                    break
            else:
                rest = []
        finally:
            for delivery in rest:
                self._free(lane, None)
                self._keep(delivery)
            self._lanes.ordered.discard(run[0].endpoint_id)

    async def _attempt(self, delivery: Claimed, lane: lanes.Lane, give_back_at: float) -> Ended | None:
        """Send it when its lane has a place. None when that comes too late, or the lane is shut."""
        await lane.enter()
        try:
            too_late = time.monotonic() + self._settings.delivery_timeout_s > give_back_at
            if lane.shut or self._stopping or too_late:
                return None
            ended = await self._sent(delivery)
            if ended.answered is not None:
                lane.learn(
                    delivery.attempt_id, failed=ended.answered.failed, throttled=ended.answered.pause_s is not None
                )
        finally:
            lane.leave()
        self._free(lane, ended.completed.latency_ms / 1000)
        return ended

    async def _sent(self, delivery: Claimed) -> Ended:
        receiver, message = delivery.receiver, delivery.message
        body = (thin(message.body) if receiver.payload == "thin" else message.body).encode()
        at_s = int(self._clock())
        try:
            headers = self._signed(delivery, body, at_s)
        except (SealingError, signing.SignatureError, ValueError) as error:
            log.error("cannot_sign", endpoint=wire_id("ep", delivery.endpoint_id), error=str(error))
            outcome = Outcome(None, "cannot_sign", str(error), 0.0, {}, b"", False, None, None)
        else:
            outgoing = Outgoing(receiver.url, body, headers, self._settings.delivery_timeout_s)
            outcome = await self._sender.send(outgoing)
        if self._tell is not None:
            self._tell(delivery, outcome)
        return self._judged(delivery, outcome, at_s)

    def _signed(self, delivery: Claimed, body: bytes, at_s: int) -> str:
        """The header lines of one attempt: the endpoint's own, and those that are made anew each time."""
        receiver, message = delivery.receiver, delivery.message
        keys = self._keys(tuple(receiver.sealed), delivery.endpoint_id.bytes)
        return (
            f"{self._own(receiver.sealed_headers, delivery.endpoint_id).lines}"
            f"traceparent: 00-{message.trace_id or delivery.event_id.hex}-{delivery.attempt_id.hex[16:]}-01\r\n"
            f"{signing.ID_HEADER}: {message.id}\r\n"
            f"{signing.TIMESTAMP_HEADER}: {at_s}\r\n"
            f"{signing.SIGNATURE_HEADER}: {signing.sign(keys, message.id, at_s, body)}\r\n"
        )

    def _judged(self, delivery: Claimed, outcome: Outcome, at_s: int) -> Ended:
        """The delivery's next state, and what the endpoint's health learns of it."""
        verdict = judge(outcome)
        LATENCY.observe(outcome.latency_ms / 1000)
        status, delay_s = "delivered", 0.0
        if verdict.result is Result.GONE:
            status = "held"
        elif not verdict.delivered:
            status, delay_s = self._after_failure(delivery, outcome.retry_after)
        completed = Completed(
            delivery=delivery,
            status=status,
            delay_s=delay_s,
            failed=not verdict.delivered,
            status_code=outcome.status_code,
            error=verdict.reason,
            signed_at_s=at_s,
            own_headers=self._own_names(delivery, outcome),
            latency_ms=outcome.latency_ms,
            response_headers=_told(outcome.response_headers),
            response_body=_storable(outcome.response_body),
        )
        pause_s = _pause_s(outcome) if verdict.result is Result.THROTTLED else None
        learns = (completed.failed or delivery.watched) and outcome.error not in _OUR_FAULT
        answered = Answered(completed.failed, delivery.probe, pause_s) if learns else None
        return Ended(completed, verdict.result is Result.GONE, answered)

    def _own_names(self, delivery: Claimed, outcome: Outcome) -> str | None:
        """What the log tells of the endpoint's own headers, where a request was made."""
        sealed = delivery.receiver.sealed_headers
        if sealed is None or outcome.error == "cannot_sign":
            return None
        return self._own(sealed, delivery.endpoint_id).names

    def _after_failure(self, delivery: Claimed, retry_after: str | None) -> tuple[str, float]:
        asked = delivery.receiver.schedule
        schedule = DEFAULT_SCHEDULE if asked is None else Schedule(tuple(asked))
        delay_s = next_delay(
            schedule,
            delivery.failures + 1,
            random=self._jitter,
            now=datetime.now(UTC),
            retry_after=retry_after,
        )
        return ("dead", 0.0) if delay_s is None else ("pending", delay_s)

    def _free(self, lane: lanes.Lane, latency_s: float | None) -> None:
        lane.give_back(latency_s)
        self._in_flight -= 1
        if self._settings.delivery_concurrency - self._in_flight >= self._room_wanted:
            self._freed.set()
        if lane.calls:
            self.bell.call(lane.endpoint)

    def _look_when_due(self, ended: Sequence[Ended]) -> None:
        """Once a result is written, what failed is due again after its delay, and what waits behind it in an order may
        go: then, or at once."""
        now = time.monotonic()
        for completed in (one.completed for one in ended):
            in_order = completed.delivery.order_key is not None
            if completed.status == "pending" and len(self._wakes) < MOST_WAKES:
                lane = NO_LANE if in_order else completed.delivery.lane
                heapq.heappush(self._wakes, (now + completed.delay_s, lane))
            if in_order:
                self.bell.in_order()

    # -- recording ---------------------------------------------------------------------------------------------------

    def _keep(self, one: Ended | Claimed) -> None:
        if isinstance(one, Ended):
            self._ended.append(one)
        else:
            self._unsent.append(one)
        self._written.clear()
        self._to_write.set()

    async def _record_for_ever(self) -> None:
        while True:
            await self._to_write.wait()
            sent, self._ended = self._ended[:MOST_RECORDED], self._ended[MOST_RECORDED:]
            unsent, self._unsent = self._unsent[:MOST_RECORDED], self._unsent[MOST_RECORDED:]
            if self._aside:
                # Behind what is aside already, or it would keep the others waiting again.
                both: list[Ended | Claimed] = [*sent, *unsent]
                self._set_aside([one for one in both if _lane(one) in self._aside])
                sent = [one for one in sent if _lane(one) not in self._aside]
                unsent = [one for one in unsent if _lane(one) not in self._aside]
            await self._write_together(sent, unsent)
            if not self._ended and not self._unsent:
                self._to_write.clear()
                self._written.set()

    async def _write_together(self, sent: Sequence[Ended], unsent: Sequence[Claimed]) -> None:
        """Again and again while Postgres is away: what was sent must not be forgotten. Where Postgres is there and yet
        does not take it, each endpoint's results are written for themselves, and nobody waits for another's."""
        while (failure := await self._failure(sent, unsent)) is not None:
            if not isinstance(failure, Unavailable) or isinstance(failure, Busy):
                self._set_aside([*sent, *unsent])
                return
            await asyncio.sleep(RETRY_STORE_S)
        self._after_writing(sent, unsent)

    def _set_aside(self, results: Sequence[Ended | Claimed]) -> None:
        by_lane: defaultdict[Lane, list[Ended | Claimed]] = defaultdict(list)
        for one in results:
            by_lane[_lane(one)].append(one)
        for lane, of_lane in by_lane.items():
            self._lanes.count_unwritten(lane[2], len(of_lane))
            task = asyncio.create_task(self._write_aside(lane, of_lane))
            self._aside[lane].add(task)
            task.add_done_callback(functools.partial(self._not_aside, lane))

    @property
    def _put_aside(self) -> list["asyncio.Task[None]"]:
        return [task for tasks in self._aside.values() for task in tasks]

    def _not_aside(self, lane: Lane, task: "asyncio.Task[None]") -> None:
        self._aside[lane].discard(task)
        if not self._aside[lane]:
            del self._aside[lane]
        if not task.cancelled() and task.exception() is not None:
            log.error("record_failed", exc_info=task.exception())
        self.bell.set()

    async def _write_aside(self, lane: Lane, results: Sequence[Ended | Claimed]) -> None:
        """All of one endpoint together, until its rows are free. What Postgres does not take at all is written one by
        one, at last without what the receiver answered. What then still fails is due again when its lease ends."""
        try:
            if await self._taken(results):
                return
            for one in results:
                if not await self._taken([one]) and not await self._taken([_bare(one)]):
                    log.error("record_given_up", endpoint=wire_id("ep", lane[2]))
                    self._lanes.reopen([one.completed.delivery if isinstance(one, Ended) else one])
        finally:
            self._lanes.count_unwritten(lane[2], -len(results))

    async def _taken(self, results: Sequence[Ended | Claimed]) -> bool:
        """Whether Postgres took them, once it has looked."""
        sent = [one for one in results if isinstance(one, Ended)]
        unsent = [one for one in results if isinstance(one, Claimed)]
        while True:
            async with self._aside_at_once:
                failure = await self._failure(sent, unsent)
            if failure is None:
                self._after_writing(sent, unsent)
                return True
            if not isinstance(failure, Unavailable):
                return False
            await asyncio.sleep(RETRY_STORE_S)

    async def _failure(self, sent: Sequence[Ended], unsent: Sequence[Claimed]) -> Exception | None:
        """Write them in one transaction. Gives what it failed with."""
        if not sent and not unsent:
            return None
        try:
            async with self._stores.by_keys() as tx:
                if unsent:
                    await release(tx, unsent)
                if sent:
                    await _record(tx, sent)
                await tx.commit()
        except Exception as error:
            _log_failure("record_failed", error)
            return error
        return None

    def _after_writing(self, sent: Sequence[Ended], unsent: Sequence[Claimed]) -> None:
        count_ended(one.completed.error or "delivered" for one in sent)
        for lane in self._lanes.reopen(one.completed.delivery for one in sent):
            self.bell.call(lane)
        self._look_when_due(sent)
        if unsent:
            self.bell.set()


def _lane(one: Ended | Claimed) -> Lane:
    return one.completed.delivery.lane if isinstance(one, Ended) else one.lane


def _bare(one: Ended | Claimed) -> Ended | Claimed:
    """Without what the receiver answered."""
    if isinstance(one, Claimed):
        return one
    return one._replace(completed=one.completed._replace(response_headers="[]", response_body=""))


def _log_failure(event: str, error: Exception) -> None:
    if isinstance(error, Problem):
        log.warning(event, error=error.message)
    else:
        log.error(event, exc_info=error)


async def _record(tx: Transaction, ended: Sequence[Ended]) -> None:
    """The results, then the health of the endpoints that they say something about, in the order of their ids."""
    await complete(tx, [one.completed for one in ended])
    told: defaultdict[Lane, list[Ended]] = defaultdict(list)
    for one in ended:
        if one.answered is not None:
            told[one.completed.delivery.lane].append(one)
    for lane in sorted(told):
        health = await _learn(tx, lane, [one.answered for one in told[lane] if one.answered is not None])
        if any(one.gone for one in told[lane]):
            await _stop(tx, lane, "gone")
        elif health is not None:
            await _stop(tx, lane, "failing")


async def _learn(tx: Transaction, lane: Lane, answers: Sequence[Answered]) -> Health | None:
    """Write the new health. Gives it when patience has ended."""
    before, now = await read_health(tx, lane)
    health = after(before, answers, now)
    await write_health(tx, lane, health)
    if health.breaker != before.breaker:
        log.info("breaker", endpoint=wire_id("ep", lane[2]), state=health.breaker)
    return health if out_of_patience(health, now) else None


async def _stop(tx: Transaction, lane: Lane, reason: str) -> None:
    """Disable the endpoint, and tell the workspace's others."""
    if not await disable(tx, lane, reason):
        return
    log.warning("endpoint_disabled", endpoint=wire_id("ep", lane[2]), reason=reason)
    await tx.speak_for(Scope(lane[0], lane[1]))
    await emit(tx, DISABLED, (await ENDPOINT.read(tx, lane[2]))["json"])


async def listen(settings: Settings, bell: Bell) -> None:
    """Ring the bell at each NOTIFY, and whenever the connection stands anew."""
    await bells.listen(settings, WORKER_ROLE, BELL_CHANNEL, bell.hear)


def _runs(claimed: Sequence[Claimed]) -> list[list[Claimed]]:
    """Deliveries that go in order, by endpoint and key. They come in order already."""
    runs: defaultdict[tuple[object, str], list[Claimed]] = defaultdict(list)
    for delivery in claimed:
        if delivery.order_key is not None:
            runs[delivery.lane, delivery.order_key].append(delivery)
    return list(runs.values())


def _pause_s(outcome: Outcome) -> float:
    """How long a throttling answer (429, 502, 504) keeps us away."""
    asked_s = retry_after_s(outcome.retry_after, now=datetime.now(UTC))
    return THROTTLE_S if asked_s is None else min(asked_s, MAX_RETRY_AFTER_S)


def _opened_keys(sealer: Sealer, sealed: tuple[bytes, ...], context: bytes) -> tuple[signing.SigningKey, ...]:
    return tuple(signing.parse_signing_key(sealer.open(secret, context=context).decode()) for secret in sealed)


def _opened_lines(sealer: Sealer, sealed: bytes | None, endpoint_id: UUID) -> Own:
    """The header lines that every attempt at this endpoint has."""
    own = {} if sealed is None else json.load(sealer.open(sealed, context=header_context(endpoint_id)))
    fixed = {name: value for name, value in own.items() if name.lower() not in _PER_ATTEMPT}
    return Own(header_lines({**fixed, "content-type": "application/json"}), ",".join(fixed))


def _told(headers: dict[str, str]) -> str:
    return text_json.dumps(list(headers.items())) if headers else "[]"


def _storable(body: bytes) -> str:
    """What a receiver answered, as text that Postgres keeps."""
    return body.decode("utf-8", "replace").replace("\x00", "\ufffd")
