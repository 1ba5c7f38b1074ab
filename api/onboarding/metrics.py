"""The API's own figures as a product, against the guide's targets: errors under 1 %, p95 under 200 ms, 99.9 % uptime.

All are of the workspace and mode but uptime, which is the service's (api/usage/uptime.py says what it means).
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text

from api.stores import Prepared, Transaction
from api.usage.meter import percentile
from api.usage.uptime import read_uptime

DAYS = 30
MOST_DELIVERIES = 100_000
_MINE = "workspace_id = :workspace_id AND livemode = :livemode"
_SINCE = f"(now() AT TIME ZONE 'UTC')::date - {DAYS - 1}"
_KEYS = Prepared(
    text(
        """
SELECT count(*) AS issued, count(first.at) AS called,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM first.at - key.created_at))::float8 AS median_s
FROM keys AS key
LEFT JOIN first_calls AS first
  ON first.workspace_id = key.workspace_id AND first.livemode = key.livemode AND first.key_id = key.id
WHERE key.workspace_id = :workspace_id AND key.livemode = :livemode"""
    )
)
_CALLS = Prepared(
    text(
        f"""
SELECT coalesce(sum(calls), 0)::bigint AS calls, count(DISTINCT key_id) AS keys,
       coalesce(sum(calls) FILTER (WHERE status >= 500), 0)::bigint AS errors,
       least({DAYS}, 1 + (now() AT TIME ZONE 'UTC')::date - min(day)) AS days
FROM usage_days WHERE {_MINE} AND day >= {_SINCE}"""
    )
)
_LATENCY = Prepared(
    text(
        f"""
SELECT sum(bucket)::bigint AS calls
FROM usage_days, unnest(latency) WITH ORDINALITY AS bucket (bucket, place)
WHERE {_MINE} AND day >= {_SINCE}
GROUP BY place ORDER BY place"""
    )
)
_DELIVERIES = Prepared(
    text(
        f"""
SELECT count(*) FILTER (WHERE status = 'delivered') AS delivered, count(*) AS rest
FROM (
    SELECT status FROM deliveries
    WHERE {_MINE} AND status IN ('delivered', 'dead') AND created_at >= now() - interval '{DAYS} days'
    ORDER BY id DESC LIMIT {MOST_DELIVERIES}
) AS newest"""
    )
)


async def api_metrics(tx: Transaction) -> dict[str, Any]:
    """Each figure with its unit, its target and how much it stands on. The last second of calls may lack."""
    keys, calls, deliveries = await tx.first(_KEYS), await tx.first(_CALLS), await tx.first(_DELIVERIES)
    assert keys is not None
    assert calls is not None
    assert deliveries is not None
    p95_ms = percentile([row["calls"] for row in await tx.all(_LATENCY)], 0.95)
    today = datetime.now(UTC).date()
    uptime = await read_uptime(tx, today - timedelta(days=DAYS - 1), today)
    made, issued = calls["calls"], keys["issued"]
    figures = [
        _figure("keys_issued", issued, "keys", issued),
        _figure("active_integrations", calls["keys"], "keys", issued),
        _figure("calls_a_day", _share(made, calls["days"] or 0), "calls", made),
        _figure("error_rate", _share(calls["errors"], made), "share", made, ("lt", 0.01)),
        _figure("p95_ms", p95_ms, "ms", made, ("lt", 200)),
        _figure("uptime", uptime["share"], "share", uptime["minutes"], ("gte", 0.999)),
        _figure("time_to_first_call_s", _rounded(keys["median_s"]), "s", keys["called"], ("lt", 300)),
        _figure("activation", _share(keys["called"], issued), "share", issued),
        _figure(
            "webhook_success",
            _share(deliveries["delivered"], deliveries["rest"]),
            "share",
            deliveries["rest"],
            ("gte", 0.995),
        ),
    ]
    return {"object": "api_metrics", "livemode": tx.scope.livemode, "days": DAYS, "data": figures}


def _figure(
    name: str, value: float | None, unit: str, of: int, target: tuple[str, float] | None = None
) -> dict[str, Any]:
    met = None
    if value is not None and target is not None:
        met = value < target[1] if target[0] == "lt" else value >= target[1]
    shown = None if target is None else {"op": target[0], "value": target[1]}
    return {"name": name, "value": value, "unit": unit, "target": shown, "met": met, "of": of}


def _share(part: int, whole: int) -> float | None:
    return _rounded(part / whole) if whole else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
