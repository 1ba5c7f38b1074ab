"""Rate limits: token buckets in Redis, taken a handful at a time.

A process leases tokens of a bucket and hands them out itself, so that a busy caller costs one Redis round trip for many
requests. While Redis is away each process goes on with a bucket of its own.
"""

import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from api.http.once import Once
from api.problems import Problem, Unavailable
from api.stores import Stores

log = structlog.get_logger()

LEASE_S = 1.0
MOST_LEASED = 100
MOST_LEASES = 50_000
AWAY_S = 1.0

# One round trip for all buckets of a request: each is refilled by the time that has passed, and gives what all of them
# can. Answers, for each, what was given, what is left, and the milliseconds until the next token.
_TAKE = """
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local given = tonumber(ARGV[1])
local buckets = {}
for i, key in ipairs(KEYS) do
    local rate, burst = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
    local kept = redis.call('HMGET', key, 't', 'at')
    local tokens = tonumber(kept[1]) or burst
    local at = tonumber(kept[2]) or now
    tokens = math.min(burst, tokens + math.max(0, now - at) * rate)
    buckets[i] = {tokens, rate, burst}
    given = math.min(given, math.floor(tokens))
end
local answer = {given}
for i, key in ipairs(KEYS) do
    local tokens, rate, burst = buckets[i][1] - given, buckets[i][2], buckets[i][3]
    redis.call('HSET', key, 't', tostring(tokens), 'at', tostring(now))
    redis.call('PEXPIRE', key, math.ceil(burst / rate * 1000) + 1000)
    answer[#answer + 1] = math.floor(tokens)
    answer[#answer + 1] = tokens >= 1 and 0 or math.ceil((1 - tokens) / rate * 1000)
end
return answer
"""


class TooManyRequests(Problem):
    """The caller is faster than its limit. `Retry-After` says when the next request is taken.

    `rate` is what refused, where it was one.
    """

    status, code, title = 429, "rate_limited", "Too many requests"
    rate: "Rate | None" = None


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests a second, and so many at once after a pause. `of` says whose, in the words of a refusal."""

    per_s: int
    burst: int
    name: str = "second"
    of: str = "with this key"

    @property
    def policy(self) -> str:
        """A `RateLimit-Policy` item (draft-ietf-httpapi-ratelimit-headers-11)."""
        return f'"{self.name}";q={self.per_s};w=1'


@dataclass(slots=True)
class _Lease:
    tokens: int
    left: int
    until: float
    taken: int


class RateLimiter:
    """The limits of one process."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._leases: dict[str, _Lease] = {}
        self._asking: Once[None] = Once()
        self._away_until = 0.0
        self._own: dict[str, tuple[float, float]] = {}

    async def take(self, buckets: dict[str, Rate]) -> int:
        """Take one token of each bucket; the first names the caller. Gives how many are left of the first.

        Raises TooManyRequests when one of them is empty.
        """
        name = next(iter(buckets))
        while (lease := self._leases.get(name)) is None or lease.until < time.monotonic() or lease.tokens == 0:
            # All who come while the tokens are asked for are served by the same lease, as far as it goes.
            await self._asking.ask(name, functools.partial(self._lease, buckets, name, lease))
        lease.tokens -= 1
        lease.taken += 1
        return lease.left + lease.tokens

    async def _lease(self, buckets: dict[str, Rate], name: str, last: _Lease | None) -> None:
        """As many tokens as the caller has lately used in a second, so that an idle one leaves none lying about."""
        now = time.monotonic()
        recent = last.taken if last is not None and last.until > now - LEASE_S else 0
        wanted = min(MOST_LEASED, 1 + recent)
        given, left, waits_ms = await self._ask(buckets, wanted)
        if given < 1:
            raise _refusal(list(buckets.values()), waits_ms)
        if len(self._leases) >= MOST_LEASES:
            self._leases.clear()
        self._leases[name] = _Lease(given, left, now + LEASE_S, recent // 2 if recent > MOST_LEASED else recent)

    async def _ask(self, buckets: dict[str, Rate], wanted: int) -> tuple[int, int, list[int]]:
        """How many of each are given, how many are left of the first, and the milliseconds to the next of each."""
        if time.monotonic() >= self._away_until:
            try:
                return await self._ask_redis(buckets, wanted)
            except Unavailable as problem:
                self._go_on_alone(problem.message)
            except Exception as error:
                self._go_on_alone(repr(error))
        return self._ask_own(buckets, wanted)

    async def _ask_redis(self, buckets: dict[str, Rate], wanted: int) -> tuple[int, int, list[int]]:
        redis = await self._stores.redis()
        keys = [f"roadbed:rate:{name}" for name in buckets]
        figures = [str(figure) for rate in buckets.values() for figure in (rate.per_s, rate.burst)]
        asked: Any = redis.eval(_TAKE, len(keys), *keys, str(wanted), *figures)
        answer: list[Any] = await asked
        return int(answer[0]), int(answer[1]), [int(wait) for wait in answer[2::2]]

    def _go_on_alone(self, reason: str) -> None:
        self._away_until = time.monotonic() + AWAY_S
        log.warning("rate_limit_alone", error=reason)

    def _ask_own(self, buckets: dict[str, Rate], wanted: int) -> tuple[int, int, list[int]]:
        """The same buckets, in this process alone."""
        now = time.monotonic()
        if len(self._own) >= MOST_LEASES:
            self._own.clear()
        filled: dict[str, float] = {}
        for name, rate in buckets.items():
            tokens, at = self._own.get(name, (float(rate.burst), now))
            filled[name] = min(float(rate.burst), tokens + (now - at) * rate.per_s)
        given = min(wanted, *(int(tokens) for tokens in filled.values()))
        self._own.update({name: (tokens - given, now) for name, tokens in filled.items()})
        left = filled[next(iter(buckets))] - given
        waits_ms = [
            0 if filled[name] - given >= 1 else int((1 - filled[name] + given) / rate.per_s * 1000) + 1
            for name, rate in buckets.items()
        ]
        return given, int(left), waits_ms


def _refusal(rates: Sequence[Rate], waits_ms: Sequence[int]) -> TooManyRequests:
    """By the rate that has to be waited for the longest: until then none of the others helps."""
    wait_ms, rate = max(zip(waits_ms, rates, strict=True), key=lambda pair: pair[0])
    message = f"More than {rate.per_s} requests a second {rate.of}. Wait {wait_ms} ms, or spread them."
    refusal = TooManyRequests(message, headers={"Retry-After": str(max(1, -(-wait_ms // 1000)))})
    refusal.rate = rate
    return refusal
