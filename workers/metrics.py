"""What a worker tells Prometheus, on `ROADBED_WORKER_METRICS_PORT` where that is set."""

import asyncio
import collections
import contextlib
import functools
from collections.abc import Iterable

from prometheus_client import Counter, Gauge, Histogram
from sqlalchemy import text

from api.problems import Problem
from api.stores import Prepared, Scope, Stores

COUNT_EVERY_S = 15
FUNNEL_EVERY_S = 60
MOST_RESULTS = 1000

ATTEMPTS = Counter("roadbed_delivery_attempts_total", "Attempts that ended", ["result"])
LATENCY = Histogram(
    "roadbed_delivery_attempt_seconds",
    "Time of one attempt",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30),
)
IN_FLIGHT = Gauge("roadbed_deliveries_in_flight", "Deliveries that this worker has claimed and not yet sent")
BACKLOG = Gauge("roadbed_deliveries_due", "Deliveries that are due and not claimed, counted up to 10,000")
BACKLOG_AGE = Gauge("roadbed_deliveries_due_age_seconds", "How long the oldest of them has waited")
WORKSPACES = Gauge(
    "roadbed_workspaces",
    "Workspaces that signed up, of these activated (a key had its first success), and paid (not on the free plan)",
    ["stage"],
)


def count_ended(results: Iterable[str]) -> None:
    """Count attempts by what they came to."""
    for result, count in collections.Counter(results).items():
        _ended_as(result).inc(count)


@functools.lru_cache(MOST_RESULTS)
def _ended_as(result: str) -> Counter:
    return ATTEMPTS.labels(result)


_DUE = Prepared(
    text(
        """
SELECT count(*) AS due, coalesce(extract(epoch FROM now() - min(due_at)), 0)::float8 AS age_s FROM (
    SELECT due_at FROM deliveries
    WHERE status = 'pending' AND order_key IS NULL AND due_at <= now()
      AND (leased_until IS NULL OR leased_until <= now())
    ORDER BY due_at LIMIT 10000
) AS waiting"""
    )
)


async def keep_counting(stores: Stores) -> None:
    """Count the backlog every 15 s."""
    while True:
        try:
            async with stores.transaction() as tx:
                row = await tx.first(_DUE)
        except Problem:
            row = None
        if row is not None:
            BACKLOG.set(row["due"])
            BACKLOG_AGE.set(row["age_s"])
        await asyncio.sleep(COUNT_EVERY_S)


_FUNNEL = Prepared(
    text(
        """
SELECT count(*) AS signed_up,
       count(*) FILTER (WHERE EXISTS (
           SELECT FROM first_calls AS first WHERE first.workspace_id = workspace.id AND first.livemode
       )) AS activated,
       count(*) FILTER (WHERE plan <> 'free') AS paid
FROM workspaces AS workspace WHERE claim_until IS NULL"""
    )
)


async def count_workspaces(app_stores: Stores) -> None:
    """How many have come how far: activation is activated over signed up, conversion paid over activated."""
    async with app_stores.transaction(Scope(metering=True)) as tx:
        row = await tx.first(_FUNNEL)
    for stage, count in (row or {}).items():
        WORKSPACES.labels(stage).set(count)


async def keep_counting_workspaces(app_stores: Stores) -> None:
    """Once a minute: it reads a row of each."""
    while True:
        with contextlib.suppress(Problem):
            await count_workspaces(app_stores)
        await asyncio.sleep(FUNNEL_EVERY_S)
