"""Technical debts over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api import json
from api.accounts.auth import WorkspaceRoute
from api.db import wire_id
from api.debts.pitch import pitch
from api.debts.schemas import DebtCreate, DebtId, DebtPatch, DebtQuery, DebtShown, Pitch
from api.debts.write import DEBT, create, remove, revise
from api.http.etags import IfMatch, fresh
from api.http.negotiation import MARKDOWN, as_markdown_page, negotiated, prefers
from api.http.pagination import Listing
from api.http.reply import Reply, created, no_content, one
from api.http.route import Tx, operation

_DEBTS = Listing(DEBT.shape, filters=("status", "verdict"))
_AS_MARKDOWN = {
    "200": {
        "headers": {"ETag": {"$ref": "#/components/headers/ETag"}},
        "content": {"text/markdown": {"schema": {"type": "string"}}},
    }
}

router = APIRouter(route_class=WorkspaceRoute, tags=["debts"])


@router.post("/debts", **operation("create_debt", scope="debts:write", returns=DebtShown, status=201))
async def create_debt(tx: Tx, debt: DebtCreate) -> Reply:
    """Write down a debt. Its payback, the verdict and the reasons are computed at once."""
    debt_id, row = await create(tx, debt)
    return created(row["json"], f"/v1/debts/{wire_id('debt', debt_id)}", row["version"])


@router.get("/debts", **operation("list_debts", scope="debts:read", returns=DebtShown, many=True))
async def list_debts(tx: Tx, request: Request, query: Annotated[DebtQuery, Query()]) -> Reply:
    """Debts, newest first."""
    return await _DEBTS.page(tx, request, query)


@router.get("/debts/{id}", **operation("get_debt", scope="debts:read", returns=DebtShown))
async def get_debt(tx: Tx, request: Request, id: DebtId) -> Response:
    """One debt."""
    return fresh(request, await DEBT.read(tx, id))


@router.patch("/debts/{id}", **operation("update_debt", scope="debts:write", returns=DebtShown))
async def update_debt(tx: Tx, id: DebtId, patch: DebtPatch, precondition: IfMatch) -> Reply:
    """Change a debt by merge patch; `null` removes a field. What follows from it is computed again."""
    row = await revise(tx, id, patch, precondition)
    return one(row["json"], row["version"])


@router.delete("/debts/{id}", **operation("delete_debt", scope="debts:write", status=204))
async def delete_debt(tx: Tx, id: DebtId, precondition: IfMatch) -> Response:
    """Delete a debt."""
    await remove(tx, id, precondition)
    return no_content()


@router.get("/debts/{id}/pitch", **operation("pitch_debt", scope="debts:read", returns=Pitch, responses=_AS_MARKDOWN))
async def pitch_debt(tx: Tx, request: Request, id: DebtId) -> Response:
    """The case for leadership with its arithmetic; with `Accept: text/markdown` as a page."""
    written, version = await pitch(tx, id)
    if prefers(request, MARKDOWN):
        return as_markdown_page(request, version, written["markdown"])
    return negotiated(fresh(request, {"json": json.dump(written), "version": version}))
