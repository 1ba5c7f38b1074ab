"""The sandbox over HTTP."""

from dataclasses import replace

from fastapi import APIRouter, Request

from api import json
from api.accounts.auth import CallerOf, WorkspaceRoute
from api.http.reply import Reply, computed, created
from api.http.route import OpenRoute, OpenStores, Tx, operation
from api.inbox.receive import address_of
from api.sandbox.reset import reset
from api.sandbox.schemas import Claim, ClaimedShown, ResetShown, SandboxShown, SeedShown
from api.sandbox.seed import seed
from api.sandbox.temporary import claim, open_sandbox, shown
from api.stores import Scope, Stores


class AloneRoute(WorkspaceRoute):
    """A route whose transaction has the sandbox for itself."""

    async def admit(self, request: Request, stores: Stores) -> Scope:
        return replace(await super().admit(request, stores), sandbox="alone")


router = APIRouter(route_class=WorkspaceRoute, tags=["accounts"])
resetter = APIRouter(route_class=AloneRoute, tags=["accounts"])
open_router = APIRouter(route_class=OpenRoute, tags=["accounts"])


@resetter.post("/sandbox/reset", **operation("reset_sandbox", scope="sandbox:write", returns=ResetShown))
async def reset_sandbox(tx: Tx) -> Reply:
    """Delete everything in the sandbox but its keys. With a test key only: live data is never touched.

    Writing requests that meet it are answered 503 with `Retry-After`, and so is a second reset.
    """
    deleted, complete = await reset(tx)
    return computed({"object": "sandbox_reset", "deleted": deleted, "complete": complete})


@router.post("/sandbox/seed", **operation("seed_sandbox", scope="sandbox:write", returns=SeedShown))
async def seed_sandbox(tx: Tx, request: Request, caller: CallerOf, stores: OpenStores) -> Reply:
    """Fill the sandbox with the examples of the guide, and point an endpoint at its inbox."""
    settings, state = stores.settings, request.app.state
    inbox_url = f"{settings.base_url}/inbox/{address_of(caller.scope, settings.pepper_bytes)}"
    return computed(await seed(tx, caller, state.target_policy, state.sealer, inbox_url))


@open_router.post("/sandboxes", **operation("open_sandbox", scope=None, returns=SandboxShown, status=201))
async def post_sandbox(tx: Tx, stores: OpenStores) -> Reply:
    """Have a sandbox at once, without signing up. Claim it within seven days, or it is deleted.

    `Location` is its key.
    """
    opened = await open_sandbox(tx, stores.settings.pepper_bytes)
    return created(json.dump(opened), f"/v1/keys/{opened['test_key']['id']}")


@router.post("/sandboxes/claim", **operation("claim_sandbox", scope="keys:admin", returns=ClaimedShown))
async def claim_sandbox(tx: Tx, stores: OpenStores, given: Claim) -> Reply:
    """Make the sandbox of this test key a workspace of yours. Its data stays; it gets a live key, told once, here."""
    workspace, live = await claim(tx, stores.settings.pepper_bytes, given)
    return Reply(f'{{"object":"claimed_sandbox","workspace":{workspace},"live_key":{json.dump(shown(live))}}}')
