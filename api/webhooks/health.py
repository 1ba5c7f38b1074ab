"""How an endpoint is judged by its answers: a breaker, and when patience ends. Pure: results in, state out.

The breaker opens after 5 failures in a row, or when 10 of the last 20 failed. While it is open nothing is sent and
nothing that waits uses up its schedule. After 30 s, doubled each time up to an hour, one delivery goes out as a probe;
its success closes the breaker. An endpoint that has only failed for 5 days is disabled.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

FAILURES_IN_ROW = 5
WINDOW = 20
FAILURES_IN_WINDOW = 10
FIRST_PAUSE_S = 30
LONGEST_PAUSE_S = 3600
PATIENCE = timedelta(days=5)
_MASK = (1 << WINDOW) - 1


@dataclass(frozen=True, slots=True)
class Answered:
    """One result. `pause_s` is how long the receiver asked us to stay away; `probe` that it was let through alone."""

    failed: bool
    probe: bool = False
    pause_s: float | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """`recent` holds the last 20 results as bits, the newest lowest, 1 for a failure; `recent_count` are known."""

    breaker: str = "closed"
    failures_in_row: int = 0
    recent: int = 0
    recent_count: int = 0
    openings: int = 0
    blocked_until: datetime | None = None
    failing_since: datetime | None = None

    @property
    def clean(self) -> bool:
        """Whether nothing is left to remember."""
        return self.breaker == "closed" and self.recent == 0 and self.blocked_until is None


def after(health: Health, results: Sequence[Answered], now: datetime) -> Health:
    """The state after these results, in their order.

    >>> now = datetime(2026, 11, 23)
    >>> after(Health(), [Answered(failed=True)] * 5, now).breaker
    'open'
    >>> after(after(Health(), [Answered(failed=True)] * 5, now), [Answered(failed=False)], now).clean
    True
    """
    for result in results:
        health = _failed(health, result, now) if result.failed else _succeeded(health)
        if result.pause_s is not None:
            health = replace(health, blocked_until=_later(health.blocked_until, now, result.pause_s))
    return health


def out_of_patience(health: Health, now: datetime) -> bool:
    """Whether there has been nothing but failure for five days."""
    return health.failing_since is not None and now - health.failing_since >= PATIENCE


def _succeeded(health: Health) -> Health:
    if health.breaker == "open":
        return Health()
    recent = health.recent << 1 & _MASK
    return Health(recent=recent, recent_count=min(WINDOW, health.recent_count + 1))


def _failed(health: Health, result: Answered, now: datetime) -> Health:
    health = replace(
        health,
        failures_in_row=health.failures_in_row + 1,
        recent=(health.recent << 1 | 1) & _MASK,
        recent_count=min(WINDOW, health.recent_count + 1),
        failing_since=health.failing_since or now,
    )
    if health.breaker == "closed":
        return _opened(health, now) if _trips(health) else health
    # Those that were under way when it opened tell nothing new; only the probe does.
    return _opened(health, now) if result.probe else health


def _trips(health: Health) -> bool:
    many = health.recent_count == WINDOW and health.recent.bit_count() >= FAILURES_IN_WINDOW
    return health.failures_in_row >= FAILURES_IN_ROW or many


def _opened(health: Health, now: datetime) -> Health:
    pause_s = min(FIRST_PAUSE_S * 2**health.openings, LONGEST_PAUSE_S)
    openings = min(health.openings + 1, 10)
    return replace(health, breaker="open", openings=openings, blocked_until=now + timedelta(seconds=pause_s))


def _later(until: datetime | None, now: datetime, pause_s: float) -> datetime:
    asked = now + timedelta(seconds=min(pause_s, LONGEST_PAUSE_S))
    return asked if until is None else max(until, asked)
