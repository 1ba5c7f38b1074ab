"""When to try again, and what an answer means. Pure: numbers and text in, a verdict out.

The default schedule and the meaning of the answers are those that Standard Webhooks 1.0.0 recommends.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Protocol

MINUTE_S = 60
HOUR_S = 3600
DAY_S = 86_400

MAX_ATTEMPTS = 20
MAX_DELAY_S = 7 * DAY_S
MAX_RETRY_AFTER_S = DAY_S
JITTER = 0.2


class ScheduleInvalid(ValueError):
    """A schedule has 1 to 20 attempts, each 0 s to 7 days after the one before."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """The pause before each attempt in seconds, the first counted from the event.

    Raises ScheduleInvalid.
    """

    delays_s: tuple[int, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.delays_s) <= MAX_ATTEMPTS:
            raise ScheduleInvalid(f"A schedule has 1 to {MAX_ATTEMPTS} attempts; this one has {len(self.delays_s)}.")
        for delay_s in self.delays_s:
            if type(delay_s) is not int or not 0 <= delay_s <= MAX_DELAY_S:
                raise ScheduleInvalid(f"Each pause is a whole number of seconds from 0 to {MAX_DELAY_S} (7 days).")

    @property
    def attempts(self) -> int:
        return len(self.delays_s)

    @property
    def total_s(self) -> int:
        """From the event to the last attempt, without jitter."""
        return sum(self.delays_s)


# 10 attempts over 75 h 35 min 5 s.
DEFAULT_SCHEDULE = Schedule(
    (0, 5, 5 * MINUTE_S, 30 * MINUTE_S, *(hours * HOUR_S for hours in (2, 5, 10, 14, 20, 24))),
)


def next_delay(
    schedule: Schedule,
    attempts_made: int,
    *,
    random: Callable[[], float],
    now: datetime,
    retry_after: str | None = None,
) -> float | None:
    """Seconds from `now` to the next attempt, or None when the schedule is exhausted.

    The pause is the schedule's, 20 % shorter or longer: `random` gives 0 to 1, so 0.5 leaves it as it is. A
    `Retry-After` that can be read makes it longer, up to a day, and never shorter.

    >>> next_delay(DEFAULT_SCHEDULE, 2, random=lambda: 0.5, now=datetime.now(UTC))
    300.0
    """
    if attempts_made >= schedule.attempts:
        return None
    delay_s = schedule.delays_s[attempts_made] * (1 - JITTER + 2 * JITTER * random())
    asked_s = retry_after_s(retry_after, now=now)
    return delay_s if asked_s is None else max(delay_s, min(asked_s, MAX_RETRY_AFTER_S))


# -- Retry-After -----------------------------------------------------------------------------------------------------

_SECONDS = re.compile(r"[0-9]{1,18}", re.ASCII)
# RFC 9110, 5.6.7: a recipient accepts all three; only the first may be sent.
_HTTP_DATES = ("%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y")


def retry_after_s(value: str | None, *, now: datetime) -> float | None:
    """Seconds that a `Retry-After` asks for (RFC 9110, 10.2.3), 0 or more, or None when it cannot be read.

    >>> retry_after_s("120", now=datetime(2026, 1, 1, tzinfo=UTC))
    120.0
    >>> retry_after_s("Thu, 01 Jan 2026 00:01:00 GMT", now=datetime(2026, 1, 1, tzinfo=UTC))
    60.0
    """
    if value is None or len(value) > 100 or not value.isascii():
        return None
    value = value.strip()
    if _SECONDS.fullmatch(value):
        return float(value)
    moment = _http_date(value)
    return None if moment is None else max(0.0, (moment - now).total_seconds())


def _http_date(value: str) -> datetime | None:
    for form in _HTTP_DATES:
        try:
            return datetime.strptime(value, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None


# -- what an answer means --------------------------------------------------------------------------------------------


class Answer(Protocol):
    """What `judge` looks at. `error` is the sender's stable code, set when no whole answer came."""

    @property
    def status_code(self) -> int | None: ...
    @property
    def error(self) -> str | None: ...


class Result(StrEnum):
    DELIVERED = "delivered"
    GONE = "gone"  # disable the endpoint
    THROTTLED = "throttled"  # a failure, and slow down
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`reason` is None when delivered, otherwise a stable code: `http_500`, `redirect`, `timeout`, `dns` ..."""

    result: Result
    reason: str | None = None

    @property
    def delivered(self) -> bool:
        return self.result is Result.DELIVERED


_DELIVERED = Verdict(Result.DELIVERED)


def judge(answer: Answer) -> Verdict:
    """2xx is delivered, 410 is gone, 429, 502 and 504 are throttled, and everything else failed.

    A redirect is a failure and is never followed. An answer that broke off failed whatever its status was, since
    the receiver may not have meant what we read of it.
    """
    if answer.error is not None:
        return Verdict(Result.FAILED, answer.error)
    status = answer.status_code
    if status is None:
        return Verdict(Result.FAILED, "no_answer")
    if 200 <= status <= 299:
        return _DELIVERED
    if status == 410:
        return Verdict(Result.GONE, "http_410")
    if status in (429, 502, 504):
        return Verdict(Result.THROTTLED, f"http_{status}")
    if 300 <= status <= 399:
        return Verdict(Result.FAILED, "redirect")
    return Verdict(Result.FAILED, f"http_{status}")
