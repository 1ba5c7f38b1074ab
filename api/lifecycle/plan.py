"""Who still calls what will go, and how far they have moved."""

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from sqlalchemy import text

from api.db import wire_id
from api.http.deprecation import Deprecation
from api.http.route import Route
from api.stores import Prepared, Transaction

# One statement for all deprecated operations: each key's calls of the last 30 days, by operation.
_CALLS = Prepared(
    text(
        """
        SELECT usage_days.operation, usage_days.key_id, keys.name, sum(usage_days.calls)::bigint AS calls,
               max(usage_days.day) AS last_day
        FROM usage_days
        JOIN keys ON keys.workspace_id = usage_days.workspace_id AND keys.livemode = usage_days.livemode
             AND keys.id = usage_days.key_id
        WHERE usage_days.workspace_id = :workspace_id AND usage_days.livemode = :livemode
          AND usage_days.day > current_date - 30 AND usage_days.operation = ANY(CAST(:operations AS text[]))
        GROUP BY 1, 2, 3 ORDER BY 4 DESC, 2 LIMIT 2000
        """
    )
)


def deprecated_operations(app: FastAPI) -> dict[str, Deprecation]:
    """By operation id, as the routes declare them."""
    found: dict[str, Deprecation] = {}
    for context in iter_route_contexts(app.router.routes):
        route = context.original_route
        if isinstance(route, Route) and (deprecation := route.deprecation) is not None:
            found[str(route.operation_id)] = deprecation
    return found


async def migration_plans(tx: Transaction, deprecated: Mapping[str, Deprecation]) -> list[dict[str, Any]]:
    """A plan for each deprecated operation, in the order of their sunsets. One statement, none when there is none."""
    if not deprecated:
        return []
    names = sorted({*deprecated, *(one.successor for one in deprecated.values() if one.successor)})
    rows = await tx.all(_CALLS, operations=names)
    ordered = sorted(deprecated.items(), key=lambda one: (one[1].sunset, one[0]))
    return [_plan(operation, deprecation, rows) for operation, deprecation in ordered]


def _plan(operation: str, deprecation: Deprecation, rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    rows = list(rows)
    old = {row["key_id"]: row for row in rows if row["operation"] == operation}
    new = {row["key_id"]: row["calls"] for row in rows if row["operation"] == deprecation.successor}
    keys = [
        {
            "key_id": wire_id("key", key_id),
            "name": row["name"],
            "calls": row["calls"],
            "successor_calls": new.get(key_id, 0),
            "moved_share": _share(row["calls"], new.get(key_id, 0)),
            "last_called_on": row["last_day"].isoformat(),
        }
        for key_id, row in old.items()
    ]
    calls, moved = sum(row["calls"] for row in old.values()), sum(new.values())
    return {
        "object": "deprecation",
        "operation": operation,
        "announced": deprecation.announced.isoformat(),
        "sunset": deprecation.sunset.isoformat(),
        "successor": deprecation.successor,
        "moved_share": _share(calls, moved) if calls + moved else None,
        "keys": keys[:1000],
    }


def _share(calls: int, moved: int) -> float:
    return round(moved / (calls + moved), 6)
