"""The tutorial and the product's own metrics over HTTP."""

from fastapi import APIRouter

from api.accounts.auth import CallerOf, WorkspaceRoute
from api.http.reply import Reply, computed
from api.http.route import OpenStores, Tx, operation
from api.inbox.receive import address_of
from api.onboarding.metrics import api_metrics
from api.onboarding.schemas import ApiMetricsShown, TutorialShown
from api.onboarding.tutorial import tutorial

router = APIRouter(route_class=WorkspaceRoute, tags=["accounts"])


@router.get("/tutorial", **operation("get_tutorial", scope="usage:read", returns=TutorialShown))
async def get_tutorial(tx: Tx, caller: CallerOf, stores: OpenStores) -> Reply:
    """The way from the first key to a recorded decision: what is done, and the request that takes the next step."""
    settings = stores.settings
    inbox_url = f"{settings.base_url}/inbox/{address_of(caller.scope, settings.pepper_bytes)}"
    return computed(await tutorial(tx, settings.base_url, inbox_url))


@router.get("/metrics/api", **operation("get_api_metrics", scope="usage:read", returns=ApiMetricsShown))
async def get_api_metrics(tx: Tx) -> Reply:
    """Adoption, quality, time to first call and webhook success of the last 30 days, each against its target."""
    return computed(await api_metrics(tx))
