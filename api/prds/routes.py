"""PRDs over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api.accounts.auth import WorkspaceRoute
from api.db import wire_id
from api.http.etags import IfMatch, fresh
from api.http.pagination import Listing
from api.http.reply import Reply, created, one
from api.http.route import Tx, operation
from api.prds.schemas import PrdCreate, PrdId, PrdPatch, PrdQuery, PrdShown
from api.prds.write import PRD, create, revise
from api.search.query import matches, understand

_PRDS = Listing(PRD.shape, filters=("status",), sources=(matches(PRD.table),))

router = APIRouter(route_class=WorkspaceRoute, tags=["prds"])


@router.post("/prds", **operation("create_prd", scope="prds:write", returns=PrdShown, status=201))
async def create_prd(tx: Tx, prd: PrdCreate) -> Reply:
    """Draft a PRD."""
    prd_id, row = await create(tx, prd)
    return created(row["json"], f"/v1/prds/{wire_id('prd', prd_id)}", row["version"])


@router.get("/prds", **operation("list_prds", scope="prds:read", returns=PrdShown, many=True))
async def list_prds(tx: Tx, request: Request, query: Annotated[PrdQuery, Query()]) -> Reply:
    """PRDs, newest first."""
    given = (await understand(tx, query.q)).values if query.q is not None else {}
    return await _PRDS.page(tx, request, query, **given)


@router.get("/prds/{id}", **operation("get_prd", scope="prds:read", returns=PrdShown))
async def get_prd(tx: Tx, request: Request, id: PrdId) -> Response:
    """One PRD."""
    return fresh(request, await PRD.read(tx, id))


@router.patch("/prds/{id}", **operation("update_prd", scope="prds:write", returns=PrdShown))
async def update_prd(tx: Tx, id: PrdId, patch: PrdPatch, precondition: IfMatch) -> Reply:
    """Change a PRD by merge patch."""
    row = await revise(tx, id, patch, precondition)
    return one(row["json"], row["version"])
