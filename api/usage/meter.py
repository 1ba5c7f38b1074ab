"""What was called, by whom, and how it went: counted in memory, written every second, exact in Postgres.

A process that is killed loses what it counted since the last write, a second at most; one that is stopped writes first.
Every call with a key counts one (a batch its items), except 304, 429 and 5xx.
"""

import asyncio
import contextlib
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import accumulate
from typing import TypeVar
from uuid import UUID

import structlog
from sqlalchemy import text

from api import json
from api.accounts.told import next_version
from api.db import wire_id
from api.problems import Problem
from api.stores import Prepared, Scope, Stores, Transaction
from api.usage import events
from api.usage.plans import UPGRADES, month_of, plan_of, thresholds_crossed
from api.webhooks.outbox import emit

log = structlog.get_logger()

FLUSH_S = 1.0
# Upper ends of the latency buckets in milliseconds; the last one is open.
MOST_REMEMBERED = 100_000
BUCKETS_MS = (1, 2, 5, 10, 20, 50, 100, 150, 200, 300, 500, 1000, 2000, 5000, 10_000)

# Twice as many callers as a process trusts without asking: whoever is trusted is remembered.
MOST_TENANTS = 20_000

Tenant = tuple[UUID, bool]
T = TypeVar("T")
Line = tuple[UUID, bool, UUID, str, int]

_WRITE_DAYS = Prepared(
    text(
        """
INSERT INTO usage_days AS kept (workspace_id, livemode, day, key_id, operation, status, calls, latency)
SELECT line.workspace_id, line.livemode, (now() AT TIME ZONE 'UTC')::date, line.key_id, line.operation, line.status,
       line.calls, string_to_array(line.latency, ',')::bigint[]
FROM unnest(
    CAST(:workspaces AS uuid[]), CAST(:modes AS boolean[]), CAST(:keys AS uuid[]), CAST(:operations AS text[]),
    CAST(:statuses AS integer[]), CAST(:calls AS bigint[]), CAST(:latencies AS text[])
) AS line (workspace_id, livemode, key_id, operation, status, calls, latency)
ON CONFLICT (workspace_id, livemode, day, key_id, operation, status) DO UPDATE
SET calls = kept.calls + excluded.calls,
    latency = (
        SELECT array_agg(was + more ORDER BY place)
        FROM unnest(kept.latency, excluded.latency) WITH ORDINALITY AS bucket (was, more, place)
    )"""
    )
)
_WRITE_MONTHS = Prepared(
    text(
        """
INSERT INTO usage_months AS kept (workspace_id, livemode, month, calls)
SELECT * FROM unnest(CAST(:workspaces AS uuid[]), CAST(:modes AS boolean[]), CAST(:months AS date[]),
                     CAST(:calls AS bigint[]))
ON CONFLICT (workspace_id, livemode, month) DO UPDATE SET calls = kept.calls + excluded.calls
RETURNING workspace_id, livemode, calls"""
    )
)
READ_MONTH = Prepared(
    text(
        """
SELECT workspace.plan, workspace.quota_policy, coalesce(month.calls, 0) AS calls
FROM workspaces AS workspace
LEFT JOIN usage_months AS month
  ON month.workspace_id = workspace.id AND month.livemode = :livemode
 AND month.month = date_trunc('month', now() AT TIME ZONE 'UTC')::date
WHERE workspace.id = :workspace_id"""
    )
)
_FIRST_CALLS = Prepared(
    text(
        """
INSERT INTO first_calls (workspace_id, livemode, key_id, at)
SELECT * FROM unnest(CAST(:workspaces AS uuid[]), CAST(:modes AS boolean[]), CAST(:keys AS uuid[]),
                     CAST(:times AS timestamptz[]))
ON CONFLICT DO NOTHING"""
    )
)
_UPGRADE = Prepared(
    text(
        "UPDATE workspaces SET plan = :plan, version = version + 1, updated_at = now() "
        "WHERE id = :workspace_id AND plan = :was RETURNING version"
    )
)


@dataclass(slots=True)
class _Count:
    calls: int = 0
    latency: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_MS) + 1))


class Meter:
    """The counts of one process that Postgres does not have yet, and what it has of the month."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._lines: defaultdict[Line, _Count] = defaultdict(_Count)
        self._units: defaultdict[Tenant, int] = defaultdict(int)
        self._being_written: dict[Tenant, int] = {}
        self._known: dict[Tenant, int] = {}
        self._firsts: dict[tuple[UUID, bool, UUID], datetime] = {}
        self._called: set[UUID] = set()

    def learn(self, tenant: Tenant, calls: int) -> None:
        """What Postgres has of this month."""
        remember(self._known, tenant, calls)

    def used(self, tenant: Tenant) -> int:
        """Calls of this month: those that are written and those that are not yet."""
        return self._known.get(tenant, 0) + self._being_written.get(tenant, 0) + self._units.get(tenant, 0)

    def count(self, tenant: Tenant, key_id: UUID, operation: str, status: int, seconds: float, units: int = 1) -> None:
        """One call that was answered."""
        line = self._lines[*tenant, key_id, operation, status]
        line.calls += 1
        line.latency[bisect_left(BUCKETS_MS, seconds * 1000)] += 1
        if counts(status):
            self._units[tenant] += units
        if 200 <= status < 300 and key_id not in self._called:
            self._remember(tenant, key_id)

    async def keep_writing(self) -> None:
        """Every second, until cancelled."""
        while True:
            await asyncio.sleep(FLUSH_S)
            with contextlib.suppress(Problem):
                await self.write()

    async def write(self) -> None:
        """Write what was counted; all of it stays for the next time when that fails."""
        if not self._lines:
            return
        lines, units, firsts = self._lines, self._units, self._firsts
        self._lines, self._units, self._firsts = defaultdict(_Count), defaultdict(int), {}
        self._being_written = dict(units)
        try:
            async with self._stores.transaction(Scope(metering=True)) as tx:
                await self._write_days(tx, lines)
                if firsts:
                    await self._write_firsts(tx, firsts)
                await self._write_months(tx, units)
                await tx.commit()
        except BaseException:
            self._firsts = firsts | self._firsts
            self._put_back(lines, units)
            raise
        finally:
            self._being_written = {}

    async def _write_days(self, tx: Transaction, lines: dict[Line, _Count]) -> None:
        ordered = sorted(lines)
        await tx.run(
            _WRITE_DAYS,
            workspaces=[line[0] for line in ordered],
            modes=[line[1] for line in ordered],
            keys=[line[2] for line in ordered],
            operations=[line[3] for line in ordered],
            statuses=[line[4] for line in ordered],
            calls=[lines[line].calls for line in ordered],
            latencies=[",".join(map(str, lines[line].latency)) for line in ordered],
        )

    def _remember(self, tenant: Tenant, key_id: UUID) -> None:
        """Of each key this process looks once: Postgres knows whether the call was the first of all."""
        if len(self._called) >= MOST_REMEMBERED:
            self._called.clear()
        self._called.add(key_id)
        self._firsts[*tenant, key_id] = datetime.now(UTC)

    async def _write_firsts(self, tx: Transaction, firsts: dict[tuple[UUID, bool, UUID], datetime]) -> None:
        ordered = sorted(firsts)
        await tx.run(
            _FIRST_CALLS,
            workspaces=[line[0] for line in ordered],
            modes=[line[1] for line in ordered],
            keys=[line[2] for line in ordered],
            times=[firsts[line] for line in ordered],
        )

    async def _write_months(self, tx: Transaction, units: dict[Tenant, int]) -> None:
        tenants = sorted(tenant for tenant, calls in units.items() if calls)
        month = month_of(datetime.now(UTC))
        rows = await tx.all(
            _WRITE_MONTHS,
            workspaces=[tenant[0] for tenant in tenants],
            modes=[tenant[1] for tenant in tenants],
            months=[month for _ in tenants],
            calls=[units[tenant] for tenant in tenants],
        )
        for row in rows:
            tenant = (row["workspace_id"], row["livemode"])
            if tenant in self._known:
                self._known[tenant] = row["calls"]
            self._being_written.pop(tenant, None)
            if row["livemode"]:
                await self._tell_thresholds(tx, tenant, row["calls"] - units[tenant], row["calls"])

    async def _tell_thresholds(self, tx: Transaction, tenant: Tenant, before: int, after: int) -> None:
        """Told in the transaction that crossed them, so once: of two processes each sees the other's count."""
        await tx.speak_for(Scope(*tenant, metering=True))
        row = await tx.first(READ_MONTH)
        if row is None:
            return
        plan = plan_of(row["plan"], self._stores.settings)
        for percent in thresholds_crossed(before, after, plan.calls):
            told = {"object": "quota", "plan": plan.name, "percent": percent, "limit": plan.calls, "used": after}
            about = {"id": wire_id("ws", tenant[0]), "version": await next_version(tx)}
            await emit(tx, events.THRESHOLD_REACHED, json.dump(about | told))
        # Beyond the limit, and not only where it is crossed: the policy may have been changed after that.
        if after >= plan.calls and row["quota_policy"] == "auto_upgrade" and plan.name in UPGRADES:
            await self._upgrade(tx, tenant, plan.name)

    async def _upgrade(self, tx: Transaction, tenant: Tenant, was: str) -> None:
        wanted = UPGRADES[was]
        version = await tx.value(_UPGRADE, plan=wanted, was=was)
        if version is not None:
            limit = plan_of(wanted, self._stores.settings).calls
            told = {"object": "plan", "was": was, "plan": wanted, "limit": limit}
            await emit(tx, events.PLAN_UPGRADED, json.dump({"id": wire_id("ws", tenant[0]), "version": version} | told))

    def _put_back(self, lines: dict[Line, _Count], units: dict[Tenant, int]) -> None:
        for line, count in lines.items():
            kept = self._lines[line]
            kept.calls += count.calls
            kept.latency = [was + more for was, more in zip(kept.latency, count.latency, strict=True)]
        for tenant, calls in units.items():
            self._units[tenant] += calls


def remember(kept: dict[Tenant, T], tenant: Tenant, value: T) -> None:
    """As the latest; whoever was told of the longest ago is forgotten where that would be too many."""
    kept.pop(tenant, None)
    kept[tenant] = value
    if len(kept) > MOST_TENANTS:
        del kept[next(iter(kept))]


def counts(status: int) -> bool:
    """Whether a call with this answer uses quota."""
    return status not in (304, 429) and status < 500


def percentile(latency: Iterable[int], share: float) -> float | None:
    """The latency in ms below which this share of the calls lies, as the upper end of its bucket. None without calls.

    >>> percentile([0, 0, 98, 2] + [0] * 12, 0.95), percentile([0] * 16, 0.95)
    (5.0, None)
    """
    seen = list(accumulate(latency))
    if not seen or not seen[-1]:
        return None
    place = bisect_left(seen, share * seen[-1])
    return float(BUCKETS_MS[min(place, len(BUCKETS_MS) - 1)])
