"""Plans over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api.accounts.auth import WorkspaceRoute
from api.db import wire_id
from api.http.etags import IfMatch, fresh
from api.http.pagination import Listing
from api.http.reply import Reply, created, no_content, one
from api.http.route import Tx, operation
from api.plans.schemas import LoadTestImport, PlanCreate, PlanId, PlanPatch, PlanQuery, PlanShown
from api.plans.write import PLAN, create, remove, revise, take_in

_PLANS = Listing(PLAN.shape)

router = APIRouter(route_class=WorkspaceRoute, tags=["plans"])


@router.post("/plans", **operation("create_plan", scope="plans:write", returns=PlanShown, status=201))
async def create_plan(tx: Tx, plan: PlanCreate) -> Reply:
    """Make a growth or performance plan. What it takes after each phase is computed, and claims are held against it."""
    plan_id, row = await create(tx, plan)
    return created(row["json"], f"/v1/plans/{wire_id('plan', plan_id)}", row["version"])


@router.get("/plans", **operation("list_plans", scope="plans:read", returns=PlanShown, many=True))
async def list_plans(tx: Tx, request: Request, query: Annotated[PlanQuery, Query()]) -> Reply:
    """Plans, newest first."""
    return await _PLANS.page(tx, request, query)


@router.get("/plans/{id}", **operation("get_plan", scope="plans:read", returns=PlanShown))
async def get_plan(tx: Tx, request: Request, id: PlanId) -> Response:
    """One plan."""
    return fresh(request, await PLAN.read(tx, id))


@router.patch("/plans/{id}", **operation("update_plan", scope="plans:write", returns=PlanShown))
async def update_plan(tx: Tx, id: PlanId, patch: PlanPatch, precondition: IfMatch) -> Reply:
    """Change a plan by merge patch: its demand of now, a phase's status, a part's limit."""
    row = await revise(tx, id, patch, precondition)
    return one(row["json"], row["version"])


@router.delete("/plans/{id}", **operation("delete_plan", scope="plans:write", status=204))
async def delete_plan(tx: Tx, id: PlanId, precondition: IfMatch) -> Response:
    """Delete a plan."""
    await remove(tx, id, precondition)
    return no_content()


@router.post("/plans/{id}/loadtests", **operation("import_load_test", scope="plans:write", returns=PlanShown))
async def import_load_test(tx: Tx, id: PlanId, given: LoadTestImport, precondition: IfMatch) -> Reply:
    """Take in what k6 or JMeter measured, and hold it against the target."""
    row = await take_in(tx, id, given, precondition)
    return one(row["json"], row["version"])
