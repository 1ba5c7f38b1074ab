"""What one worker knows of the endpoints that it is sending to: how much room each has, and how fast it may go.

A lane is an endpoint. It takes `max_in_flight` requests at once, and beyond them as many waiting ones as it gets
through in about a second, so that a fast endpoint is served in large batches and a slow one holds nothing up.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from uuid import UUID

from api.webhooks.claims import Claimed, Room
from api.webhooks.claims import Lane as Endpoint
from api.webhooks.health import FAILURES_IN_ROW

MOST_WAITING = 512
WORTH_S = 1.0
# A rate may be run ahead of by so much: a tenth of a second's worth, so that no second sees much more than its own.
BURST_S = 0.1
MOST_LANES = 20_000
_SMOOTHING = 0.2


class Lane:
    """One endpoint's room. `latency_s` is a running mean, None before the first answer.

    `shut` sends back what waits: the endpoint has just failed too often or asked for a pause, and the database, which
    blocks it for every worker, does not know yet; or what it answered cannot be written for now, which `unwritten`
    counts. `crowded` says that more is due for it than it had room for. `endpoint` is whose it is.
    """

    def __init__(self, endpoint: Endpoint, max_in_flight: int, rate_per_s: int | None) -> None:
        self.endpoint = endpoint
        self.max_in_flight = max_in_flight
        self.rate_per_s = rate_per_s
        self._running = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self.taken = 0
        self.unwritten = 0
        self.crowded = False
        self.latency_s: float | None = None
        self._shut_by: UUID | None = None
        self._failures_in_row = 0
        # Nobody knows of it yet: it had nothing for a while.
        self._tokens = 0.0 if rate_per_s is None else _most_tokens(rate_per_s)
        self._filled_at = time.monotonic()

    @property
    def shut(self) -> bool:
        return self._shut_by is not None or self.unwritten > 0

    @property
    def capacity(self) -> int:
        """How many it may have claimed at once."""
        if self.latency_s is None:
            return self.max_in_flight
        waiting = int(self.max_in_flight * WORTH_S / max(self.latency_s, 0.001))
        return self.max_in_flight + min(MOST_WAITING, waiting) if self.latency_s < WORTH_S else self.max_in_flight

    @property
    def left(self) -> int:
        """How many more it takes now."""
        left = 0 if self.shut else self.capacity - self.taken
        return max(0, left if self.rate_per_s is None else min(left, int(self._refilled())))

    @property
    def calls(self) -> bool:
        """Whether it has room again, and worth a claim, for what is due."""
        return self.crowded and self.taken <= self.capacity // 2 and self.left > 0

    @property
    def says_nothing(self) -> bool:
        """Whether it takes as many as one that nobody knows."""
        return self.taken == 0 and self.rate_per_s is None and self.left == self.max_in_flight

    @property
    def until_token_s(self) -> float | None:
        """How long until its rate lets one more through; None when the rate does not hold it."""
        if self.rate_per_s is None or (tokens := self._refilled()) >= 1:
            return None
        return (1 - tokens) / self.rate_per_s

    async def enter(self) -> None:
        """A place among the `max_in_flight`. A semaphore would do, and costs a look at every waiter each time."""
        if self._running < self.max_in_flight and not self._waiting:
            self._running += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave()
            raise

    def leave(self) -> None:
        """Hand the place to the next who waits."""
        self._running -= 1
        while self._waiting and self._running < self.max_in_flight:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                self._running += 1

    def pace(self, rate_per_s: int | None) -> None:
        """From now on at this rate."""
        self.rate_per_s = rate_per_s
        self._tokens = 0.0
        self._filled_at = time.monotonic()

    def take(self, count: int) -> None:
        self.taken += count

    def spend(self) -> bool:
        """A token for one request, if its rate lets one through now."""
        if self.rate_per_s is None:
            return True
        if self._refilled() < 1:
            return False
        self._tokens -= 1
        return True

    async def pass_rate(self, by: float) -> bool:
        """Wait for a token. False when none comes by then, in monotonic seconds."""
        while not self.spend():
            wait_s = self.until_token_s or 0.0
            if time.monotonic() + wait_s > by:
                return False
            await asyncio.sleep(wait_s)
        return True

    @property
    def idle(self) -> bool:
        """Whether nothing would be lost by forgetting it."""
        spent = self.rate_per_s is not None and self._refilled() < _most_tokens(self.rate_per_s)
        return not (self.taken or self.unwritten or self.crowded or spent)

    def give_back(self, latency_s: float | None) -> None:
        self.taken -= 1
        if latency_s is not None:
            known = latency_s if self.latency_s is None else self.latency_s
            self.latency_s = known + _SMOOTHING * (latency_s - known)

    def learn(self, attempt_id: UUID, *, failed: bool, throttled: bool) -> None:
        """What the answer to an attempt was. Ours is only a quick guess at what `webhooks/health` will say of it."""
        self._failures_in_row = self._failures_in_row + 1 if failed else 0
        if throttled or self._failures_in_row >= FAILURES_IN_ROW:
            self._shut_by = attempt_id

    def written(self, attempt_id: UUID) -> None:
        """The database knows of this attempt by now. If it was the one that shut us, it says when we are tried again;
        those recorded while that one was still under way say nothing of it."""
        if self._shut_by == attempt_id:
            self._shut_by = None

    def _refilled(self) -> float:
        assert self.rate_per_s is not None
        now = time.monotonic()
        self._tokens = min(_most_tokens(self.rate_per_s), self._tokens + (now - self._filled_at) * self.rate_per_s)
        self._filled_at = now
        return self._tokens


class Lanes:
    """All lanes of this worker, by endpoint id."""

    def __init__(self) -> None:
        self._lanes: dict[UUID, Lane] = {}
        self._crowded: dict[UUID, Lane] = {}
        self.ordered: set[UUID] = set()

    def of(self, delivery: Claimed) -> Lane:
        """The lane of a delivery, made or changed to what its endpoint asks for now."""
        asked = delivery.receiver
        lane = self._lanes.get(delivery.endpoint_id)
        if lane is None:
            lane = Lane(delivery.lane, asked.max_in_flight, asked.rate_per_s)
            self._lanes[delivery.endpoint_id] = lane
        lane.max_in_flight = asked.max_in_flight
        if lane.rate_per_s != asked.rate_per_s:
            lane.pace(asked.rate_per_s)
        return lane

    def room(self) -> Room:
        """For the claim: what each known lane has left."""
        if len(self._lanes) > MOST_LANES:
            self._forget_idle()
        return _room(self._lanes.values())

    def room_of(self, endpoints: Iterable[Endpoint]) -> Room:
        """The same of these alone."""
        return _room(lane for endpoint in endpoints if (lane := self._lanes.get(endpoint[2])) is not None)

    def with_room(self, endpoints: Iterable[Endpoint]) -> list[Endpoint]:
        """Those of them that take any. The others are crowded from now on."""
        full = {endpoint[2] for endpoint in endpoints if self.is_full(endpoint[2])}
        self.crowd(full)
        return [endpoint for endpoint in endpoints if endpoint[2] not in full]

    def is_full(self, endpoint_id: UUID) -> bool:
        lane = self._lanes.get(endpoint_id)
        return lane is not None and lane.left == 0

    def crowd(self, endpoint_ids: Iterable[UUID]) -> None:
        """For these more is due, or may be, than they have room for."""
        for endpoint_id in endpoint_ids:
            crowded = self._lanes.get(endpoint_id)
            if crowded is not None and not crowded.crowded:
                crowded.crowded = True
                self._crowded[endpoint_id] = crowded

    def relieve(self, endpoint: Endpoint) -> None:
        """All that is due for it is looked at now."""
        crowded = self._crowded.pop(endpoint[2], None)
        if crowded is not None:
            crowded.crowded = False

    def relieve_all(self) -> None:
        for crowded in self._crowded.values():
            crowded.crowded = False
        self._crowded.clear()

    def until_token_s(self) -> Iterable[float]:
        """When rates let the next one through, for those lanes that more is due for."""
        return (until for lane in self._crowded.values() if (until := lane.until_token_s) is not None)

    def calling(self) -> list[Endpoint]:
        """Of those that a rate holds back, which may go on by now."""
        return [lane.endpoint for lane in self._crowded.values() if lane.rate_per_s is not None and lane.calls]

    def reopen(self, deliveries: Iterable[Claimed]) -> list[Endpoint]:
        """Their results are written: lanes that one of them shut are the database's matter again. Gives those for which
        more may be due."""
        for delivery in deliveries:
            if (lane := self._lanes.get(delivery.endpoint_id)) is not None:
                lane.written(delivery.attempt_id)
        return [lane.endpoint for lane in self._crowded.values() if lane.calls] if self._crowded else []

    def count_unwritten(self, endpoint_id: UUID, more: int) -> None:
        """So many results of it more, or less, cannot be written with the others'."""
        if (lane := self._lanes.get(endpoint_id)) is not None:
            lane.unwritten = max(0, lane.unwritten + more)

    def _forget_idle(self) -> None:
        self._lanes = {endpoint_id: lane for endpoint_id, lane in self._lanes.items() if not lane.idle}


def _room(lanes: Iterable[Lane]) -> Room:
    return {str(lane.endpoint[2]): lane.left for lane in lanes if not lane.says_nothing}


def _most_tokens(rate_per_s: int) -> float:
    return max(1.0, rate_per_s * BURST_S)
