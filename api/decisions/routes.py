"""Decisions over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api.accounts.auth import WorkspaceRoute
from api.db import wire_id
from api.decisions.draft import DECISION, draft, revise
from api.decisions.record import record
from api.decisions.schemas import DecisionCreate, DecisionId, DecisionPatch, DecisionQuery, DecisionShown, Verdict
from api.http.etags import IfMatch, fresh
from api.http.pagination import Listing
from api.http.reply import Reply, created, one
from api.http.route import Tx, operation
from api.search.query import matches, understand

_DECISIONS = Listing(DECISION.shape, filters=("status", "kind"), sources=(matches(DECISION.table),))

router = APIRouter(route_class=WorkspaceRoute, tags=["decisions"])


@router.post("/decisions", **operation("create_decision", scope="decisions:write", returns=DecisionShown, status=201))
async def create_decision(tx: Tx, decision: DecisionCreate) -> Reply:
    """Draft a decision. Its matrix is analysed once every cell is rated."""
    decision_id, row = await draft(tx, decision)
    return created(row["json"], f"/v1/decisions/{wire_id('dec', decision_id)}", row["version"])


@router.get("/decisions", **operation("list_decisions", scope="decisions:read", returns=DecisionShown, many=True))
async def list_decisions(tx: Tx, request: Request, query: Annotated[DecisionQuery, Query()]) -> Reply:
    """Decisions, newest first."""
    given = (await understand(tx, query.q)).values if query.q is not None else {}
    return await _DECISIONS.page(tx, request, query, **given)


@router.get("/decisions/{id}", **operation("get_decision", scope="decisions:read", returns=DecisionShown))
async def get_decision(tx: Tx, request: Request, id: DecisionId) -> Response:
    """One decision."""
    return fresh(request, await DECISION.read(tx, id))


@router.patch("/decisions/{id}", **operation("update_decision", scope="decisions:write", returns=DecisionShown))
async def update_decision(tx: Tx, id: DecisionId, patch: DecisionPatch, precondition: IfMatch) -> Reply:
    """Change a draft by merge patch. A recorded decision answers 409."""
    row = await revise(tx, id, patch, precondition)
    return one(row["json"], row["version"])


@router.post("/decisions/{id}/record", **operation("record_decision", scope="decisions:write", returns=DecisionShown))
async def record_decision(tx: Tx, id: DecisionId, verdict: Verdict, precondition: IfMatch) -> Reply:
    """Freeze the decision with what was chosen and why. The second time answers 409."""
    row = await record(tx, id, verdict, precondition)
    return one(row["json"], row["version"])
