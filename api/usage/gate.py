"""What stands between a key and the work: its rate, and the month's quota. Also what every answer says of them."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime

from fastapi import Request

from api.accounts.auth import Caller, bearer
from api.http.ratelimit import Rate, RateLimiter, TooManyRequests
from api.http.reply import RawHeaders
from api.http.route import address_of
from api.settings import Settings
from api.stores import Stores, Transaction
from api.usage.meter import READ_MONTH, Meter, Tenant, remember
from api.usage.plans import Plan, QuotaExceeded, plan_of, seconds_left
from api.usage.uptime import Pulse

MONTH_S = 2_592_000
POLICY, LIMIT = b"ratelimit-policy", b"ratelimit"


@dataclass(frozen=True, slots=True)
class _Terms:
    """What a workspace has agreed to, as it was last read."""

    plan: Plan
    policy: str
    limits: bytes


class Gate:
    """The limits and the meter of one process."""

    def __init__(self, settings: Settings, stores: Stores) -> None:
        self._settings = settings
        self._stores = stores
        self._limiter = RateLimiter(stores)
        self.meter = Meter(stores)
        self.pulse = Pulse(stores)
        self._key_rate = Rate(settings.rate_per_s, settings.rate_burst)
        per_s = settings.workspace_rate_per_s
        self._workspace_rate = Rate(per_s, 2 * per_s, "workspace", "over all keys of the workspace")
        self._open_rate = Rate(settings.open_rate_per_s, 10 * settings.open_rate_per_s, of="from this address")
        self._terms: dict[Tenant, _Terms] = {}

    async def refresh(self, tx: Transaction, caller: Caller) -> None:
        """Read the workspace's plan and month, in the transaction that looks a key up."""
        row = await tx.first(READ_MONTH)
        assert row is not None, "a key belongs to a workspace"
        tenant = (caller.workspace_id, caller.livemode)
        self.meter.learn(tenant, row["calls"])
        plan = plan_of(row["plan"], self._settings)
        remember(self._terms, tenant, _Terms(plan, row["quota_policy"], _limits(self._key_rate, plan)))

    async def admit(self, request: Request, caller: Caller) -> None:
        """Raises TooManyRequests or QuotaExceeded. Either way the answer tells the limits, and the call is counted."""
        tenant = caller.tenant
        terms = self._terms[tenant]
        began = time.perf_counter()
        state = request.state
        state.terms = terms
        state.answered = lambda status: self._count(request, caller, status, began)
        used, left = self.meter.used(tenant), 0
        own, whole = caller.buckets
        rate = self._key_rate
        try:
            left = await self._limiter.take({own: rate, whole: self._workspace_rate})
        except TooManyRequests as refusal:
            rate = refusal.rate or rate
            raise
        finally:
            state.limit_headers = self._headers(terms, used, rate, left)
        if used >= terms.plan.calls and not _is_remedy(request):
            self._refuse(terms, caller, "All {calls:,} calls of this month are used.")

    def admit_items(self, request: Request, caller: Caller, items: int) -> None:
        """A batch counts its items. Raises QuotaExceeded when the month has fewer calls left than that."""
        terms: _Terms = request.state.terms
        left = terms.plan.calls - self.meter.used(caller.tenant)
        if items > left:
            self._refuse(
                terms, caller, f"The batch has {items:,} items, and {max(0, left):,} calls of {{calls:,}} are left."
            )
        request.state.units = items

    def _refuse(self, terms: _Terms, caller: Caller, message: str) -> None:
        if caller.livemode and terms.policy == "block":
            message = f"{message.format(calls=terms.plan.calls)} PATCH /v1/usage to upgrade by itself."
            raise QuotaExceeded(message, headers={"Retry-After": str(seconds_left(datetime.now(UTC)))})

    async def admit_stranger(self, request: Request) -> None:
        """By address: whoever has no key that is right, or asks for what is not there. Raises TooManyRequests."""
        left = 0
        try:
            left = await self._limiter.take({f"ip:{address_of(request)}": self._open_rate})
        finally:
            told = f'"second";r={left};t=1'.encode()
            request.state.limit_headers = ((POLICY, self._open_rate.policy.encode()), (LIMIT, told))

    async def admit_anyone(self, request: Request) -> None:
        """For routes without a key. Raises TooManyRequests, and Unauthenticated for a key that is wrong."""
        await self.admit_stranger(request)
        if "authorization" in request.headers:
            # None is needed, but one that was mistyped or revoked is better told here than at the next call.
            await request.app.state.keyring.caller(bearer(request), self._stores)

    def _headers(self, terms: _Terms, used: int, rate: Rate, left: int) -> RawHeaders:
        """Of the key's rate and the month; the workspace's rate takes the place of the key's where it refuses."""
        of_month = f'"month";r={max(0, terms.plan.calls - used)};t={seconds_left(datetime.now(UTC))}'
        limits = terms.limits if rate is self._key_rate else _limits(rate, terms.plan)
        return (POLICY, limits), (LIMIT, f'"{rate.name}";r={left};t=1, {of_month}'.encode())

    def _count(self, request: Request, caller: Caller, status: int, began: float) -> None:
        operation = getattr(request.scope.get("route"), "operation_id", None) or "none"
        units = getattr(request.state, "units", 1)
        self.pulse.count(status)
        self.meter.count(caller.tenant, caller.key_id, operation, status, time.perf_counter() - began, units)


def _limits(rate: Rate, plan: Plan) -> bytes:
    return f'{rate.policy}, "month";q={plan.calls};w={MONTH_S}'.encode()


def _is_remedy(request: Request) -> bool:
    """What a workspace without calls left still needs: to see its usage, to change its policy, to revoke a key."""
    return getattr(request.scope.get("route"), "scope_needed", None) in ("usage:read", "keys:admin")
