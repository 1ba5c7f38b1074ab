"""Usage by day, operation, key or status."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import text

from api.db import wire_id
from api.problems import Invalid, Pointer
from api.settings import Settings
from api.stores import Prepared, Transaction
from api.usage.meter import READ_MONTH, percentile
from api.usage.plans import plan_of, seconds_left
from api.usage.schemas import Group, UsageQuery
from api.usage.uptime import read_uptime

MOST_DAYS = 92
MOST_GROUPS = 1000

# The buckets of all rows of a group, added up place by place.
_SUM = """
SELECT grouped, sum(calls)::bigint AS calls,
       coalesce(sum(calls) FILTER (WHERE status >= 500), 0)::bigint AS errors,
       coalesce(sum(calls) FILTER (WHERE status BETWEEN 400 AND 499), 0)::bigint AS refusals,
       array_agg(array_to_string(latency, ',')) AS latencies
FROM (
    SELECT {group} AS grouped, status, sum(calls) AS calls,
           ARRAY(
               SELECT sum(bucket)::bigint FROM unnest(array_agg(latency)) WITH ORDINALITY AS bucket (bucket, place)
               GROUP BY (place - 1) % 16 ORDER BY (place - 1) % 16
           ) AS latency
    FROM usage_days
    WHERE workspace_id = :workspace_id AND livemode = :livemode AND day BETWEEN :since AND :until
    GROUP BY {group}, status
) AS by_status
GROUP BY grouped ORDER BY {order} LIMIT 1000"""
_COLUMNS: dict[Group, str] = {"day": "day", "operation": "operation", "key": "key_id", "status": "status"}
_BY: dict[Group, Prepared] = {
    group: Prepared(text(_SUM.format(group=column, order="1" if group == "day" else "2 DESC, 1")))
    for group, column in _COLUMNS.items()
}


async def read_usage(tx: Transaction, settings: Settings, query: UsageQuery) -> dict[str, Any]:
    """The usage of at most 92 days, and the month's quota. Raises Invalid for a longer or an empty span."""
    until = query.until or datetime.now(UTC).date()
    since = query.since or date.fromordinal(max(1, until.toordinal() - 30))
    if not 0 <= (until - since).days < MOST_DAYS:
        message = f"since and until are 1 to {MOST_DAYS} days apart, since first."
        raise Invalid(message, errors=(Pointer("invalid", message, "parameter", "since"),))
    rows = await tx.all(_BY[query.group_by], since=since, until=until)
    lines = [_line(_named(query.group_by, row["grouped"]), [row]) for row in rows]
    return {
        "object": "usage",
        "livemode": tx.scope.livemode,
        "quota": await read_quota(tx, settings),
        "uptime": await read_uptime(tx, since, until),
        "total": _line("all", rows),
        "data": lines,
    }


async def read_quota(tx: Transaction, settings: Settings) -> dict[str, Any]:
    """What the month includes, and what of it is used; other processes' calls of the last second may lack."""
    row = await tx.first(READ_MONTH)
    assert row is not None
    plan, now = plan_of(row["plan"], settings), datetime.now(UTC)
    resets_at = (now + timedelta(seconds=seconds_left(now) + 1)).replace(minute=0, second=0, microsecond=0)
    return {
        "plan": plan.name,
        "policy": row["quota_policy"],
        "limit": plan.calls,
        "used": row["calls"],
        "remaining": max(0, plan.calls - row["calls"]),
        "resets_at": resets_at.isoformat().replace("+00:00", "Z"),
    }


def _line(name: str, rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    rows = list(rows)
    calls, errors = sum(row["calls"] for row in rows), sum(row["errors"] for row in rows)
    latency = _added(buckets for row in rows for buckets in row["latencies"])
    return {
        "group": name,
        "calls": calls,
        "errors": errors,
        "refusals": sum(row["refusals"] for row in rows),
        "error_rate": round(errors / calls, 6) if calls else 0,
        "p50_ms": percentile(latency, 0.5),
        "p95_ms": percentile(latency, 0.95),
    }


def _added(latencies: Iterable[str]) -> list[int]:
    added: list[int] = []
    for buckets in latencies:
        counts = [int(count) for count in buckets.split(",")]
        added = [was + more for was, more in zip(added, counts, strict=True)] if added else counts
    return added


def _named(group: Group, value: Any) -> str:
    if group == "key":
        return wire_id("key", value)
    return value.isoformat() if isinstance(value, date) else str(value)
