"""Uptime, as the service itself can tell it honestly: the share of minutes in which it took calls and answered them.

A minute is up when an API process wrote a heartbeat in it, so that it ran and Postgres took a write, and at most 5 % of
the calls that were answered in it failed by our fault (5xx). A minute without any row is down: a process that is away
leaves none. It begins with the first heartbeat of the installation. An outage of less than a minute, or one between the
caller and this process, is not seen from here.
"""

import asyncio
import contextlib
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import text

from api.problems import Problem
from api.stores import Prepared, Scope, Stores, Transaction

BEAT_S = 10.0
# More than so many minutes of an outage are not worth the memory.
MOST_KEPT = 1_440

_BEAT = Prepared(
    text(
        """
INSERT INTO service_minutes AS kept (minute, beats, calls, errors)
SELECT to_timestamp(counted.minute * 60), counted.beats, counted.calls, counted.errors
FROM unnest(CAST(:minutes AS bigint[]), CAST(:beats AS bigint[]), CAST(:calls AS bigint[]), CAST(:errors AS bigint[]))
    AS counted (minute, beats, calls, errors)
ON CONFLICT (minute) DO UPDATE
SET beats = kept.beats + excluded.beats, calls = kept.calls + excluded.calls, errors = kept.errors + excluded.errors"""
    )
)
_UPTIME = Prepared(
    text(
        """
WITH span AS (
    SELECT greatest((SELECT min(minute) FROM service_minutes), CAST(:since AS timestamptz)) AS since,
           least(date_trunc('minute', now()), CAST(:until AS timestamptz)) AS until
)
SELECT greatest(0, (extract(epoch FROM until - since) / 60)::bigint) AS minutes,
       (SELECT count(*) FROM service_minutes
        WHERE minute >= since AND minute < until AND beats > 0 AND errors * 20 <= calls) AS up
FROM span"""
    )
)


@dataclass(slots=True)
class _Minute:
    calls: int = 0
    errors: int = 0


class Pulse:
    """The heartbeat of one process, with the calls that it has answered since the last."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._minutes: dict[int, _Minute] = {}
        self._place, self._minute = -1, _Minute()

    def count(self, status: int) -> None:
        """One call that was answered."""
        place = int(time.time()) // 60
        if place != self._place:
            self._place, self._minute = place, self._minutes.setdefault(place, _Minute())
        self._minute.calls += 1
        if status >= 500:
            self._minute.errors += 1

    async def keep_beating(self) -> None:
        """At once, and then every ten seconds, until cancelled."""
        while True:
            with contextlib.suppress(Problem):
                await self.beat()
            await asyncio.sleep(BEAT_S)

    async def beat(self) -> None:
        """Say that this minute is up. What was answered in earlier ones is told too, but it makes none of them up."""
        now = int(time.time()) // 60
        counted, self._minutes, self._place = self._minutes, {}, -1
        counted.setdefault(now, _Minute())
        minutes = sorted(counted)[-MOST_KEPT:]
        try:
            async with self._stores.transaction(Scope(metering=True)) as tx:
                await tx.run(
                    _BEAT,
                    minutes=minutes,
                    beats=[int(minute == now) for minute in minutes],
                    calls=[counted[minute].calls for minute in minutes],
                    errors=[counted[minute].errors for minute in minutes],
                )
                await tx.commit()
        except BaseException:
            for minute in minutes:
                kept = self._minutes.setdefault(minute, _Minute())
                kept.calls += counted[minute].calls
                kept.errors += counted[minute].errors
            raise


async def read_uptime(tx: Transaction, since: date, until: date) -> dict[str, Any]:
    """Of the whole minutes from the first of these days to the end of the last, or to now. UTC."""
    end = datetime.combine(min(until, date(9999, 12, 30)), datetime.min.time(), UTC) + timedelta(days=1)
    row = await tx.first(_UPTIME, since=datetime.combine(since, datetime.min.time(), UTC), until=end)
    assert row is not None
    minutes, up = row["minutes"] or 0, row["up"]
    return {"minutes": minutes, "up": up, "share": round(up / minutes, 6) if minutes else None}
