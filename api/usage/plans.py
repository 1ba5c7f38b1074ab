"""Plans: what a month includes, and what happens beyond it."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache

from api.http.ratelimit import TooManyRequests
from api.settings import Settings

THRESHOLDS = (80, 100)
UPGRADES = {"free": "growth"}


class QuotaExceeded(TooManyRequests):
    """The month's calls are used up, and the workspace's policy is to stop there."""

    code, title = "quota_exceeded", "The month's calls are used up"


@dataclass(frozen=True, slots=True)
class Plan:
    """`calls` a month, in the calendar of UTC."""

    name: str
    calls: int


def plan_of(name: str, settings: Settings) -> Plan:
    """The plan with this name. Free is 10,000 calls a month unless the installation says otherwise."""
    calls = {"free": settings.free_calls, "growth": settings.growth_calls}
    return Plan(name, calls[name])


def month_of(moment: datetime) -> date:
    """The first day of its month, which names it.

    >>> month_of(datetime(2026, 11, 23, tzinfo=UTC))
    datetime.date(2026, 11, 1)
    """
    return moment.astimezone(UTC).date().replace(day=1)


def seconds_left(moment: datetime) -> int:
    """From a moment in UTC until the next month begins.

    >>> seconds_left(datetime(2026, 11, 30, 23, 59, 50, tzinfo=UTC))
    10
    """
    return int(_month_ends(moment.year, moment.month) - moment.timestamp())


@lru_cache(24)
def _month_ends(year: int, month: int) -> float:
    return datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC).timestamp()


def thresholds_crossed(before: int, after: int, calls: int) -> list[int]:
    """Which of 80 and 100 percent lie between two counts.

    >>> thresholds_crossed(7_999, 8_000, 10_000), thresholds_crossed(0, 20_000, 10_000)
    ([80], [80, 100])
    """
    return [percent for percent in THRESHOLDS if before * 100 < percent * calls <= after * 100]
