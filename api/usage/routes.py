"""Usage and the quota over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy import text

from api.accounts.auth import WorkspaceRoute
from api.http.reply import Reply, computed
from api.http.route import OpenStores, Tx, operation
from api.problems import Problem
from api.stores import Prepared
from api.usage.read import read_quota, read_usage
from api.usage.schemas import QuotaPolicyPatch, QuotaShown, UsageQuery, UsageShown

_SET_POLICY = Prepared(
    text(
        "UPDATE workspaces SET quota_policy = :policy, version = version + 1, updated_at = now() "
        "WHERE id = :workspace_id AND quota_policy <> :policy"
    )
)


class LiveOnly(Problem):
    """What a test key does stays in the sandbox; this is about the workspace itself."""

    status, code, title = 403, "live_only", "Only a live key may do this"


router = APIRouter(route_class=WorkspaceRoute, tags=["accounts"])


@router.get("/usage", **operation("get_usage", scope="usage:read", returns=UsageShown))
async def get_usage(tx: Tx, stores: OpenStores, query: Annotated[UsageQuery, Query()]) -> Reply:
    """Calls, errors and latency by day, operation, key or status, the month's quota, and the service's uptime."""
    return computed(await read_usage(tx, stores.settings, query))


@router.patch("/usage", **operation("set_quota_policy", scope="keys:admin", returns=QuotaShown))
async def set_policy(tx: Tx, stores: OpenStores, patch: QuotaPolicyPatch) -> Reply:
    """Say what happens when the month's calls are used up. With a live key: it is live calls that have a quota."""
    if not tx.scope.livemode:
        raise LiveOnly("The quota is of live calls. Send this with a live key (rb_live_…) of the workspace.")
    await tx.run(_SET_POLICY, policy=patch.policy)
    return computed(await read_quota(tx, stores.settings))
