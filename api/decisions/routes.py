"""Decisions over HTTP."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import ARRAY, Boolean, ColumnElement, Text, any_, bindparam, select
from sqlalchemy.sql.expression import BindParameter

from api.accounts.auth import WorkspaceRoute
from api.db import wire_id
from api.decisions.chain import verify
from api.decisions.cost import total_cost
from api.decisions.draft import DECISION, draft, revise
from api.decisions.export import as_markdown
from api.decisions.link import link
from api.decisions.models import Decision, DecisionReview
from api.decisions.observe import observe
from api.decisions.record import record
from api.decisions.schemas import (
    Chain,
    ChainQuery,
    DecisionCreate,
    DecisionId,
    DecisionLinkCreate,
    DecisionObservationCreate,
    DecisionObservationShown,
    DecisionPatch,
    DecisionQuery,
    DecisionShown,
    DecisionView,
    Tco,
    TcoQuestion,
    Verdict,
)
from api.http.etags import IfMatch, fresh
from api.http.negotiation import MARKDOWN, as_markdown_page, negotiated, prefers
from api.http.pagination import Listing
from api.http.reply import Reply, computed, created, one
from api.http.route import Tx, operation
from api.search.query import matches, understand


def _has_alias(given: BindParameter[Any]) -> ColumnElement[bool]:
    found: ColumnElement[bool] = Decision.aliases.overlap(bindparam(given.key, type_=ARRAY(Text)))
    return found


def _is_due(given: BindParameter[Any]) -> ColumnElement[bool]:
    review = select(DecisionReview.key).where(
        DecisionReview.workspace_id == Decision.workspace_id,
        DecisionReview.livemode == Decision.livemode,
        DecisionReview.decision_id == Decision.id,
    )
    is_due: ColumnElement[bool] = review.exists() == any_(bindparam(given.key, type_=ARRAY(Boolean)))
    return is_due


_DECISIONS = Listing(
    DECISION.shape,
    filters=("status", "kind", "number"),
    conditions={"alias": _has_alias, "review_due": _is_due},
    sources=(matches(DECISION.table),),
)
_AS_MARKDOWN = {"200": {"content": {"text/markdown": {"schema": {"type": "string"}}}}}

router = APIRouter(route_class=WorkspaceRoute, tags=["decisions"])


@router.post("/decisions", **operation("create_decision", scope="decisions:write", returns=DecisionShown, status=201))
async def create_decision(tx: Tx, decision: DecisionCreate) -> Reply:
    """Draft a decision. Its matrix is analysed once every cell is rated."""
    decision_id, row = await draft(tx, decision)
    return created(row["json"], f"/v1/decisions/{wire_id('dec', decision_id)}", row["version"])


@router.get("/decisions", **operation("list_decisions", scope="decisions:read", returns=DecisionShown, many=True))
async def list_decisions(tx: Tx, request: Request, query: Annotated[DecisionQuery, Query()]) -> Reply:
    """Decisions, newest first. `review_due=true` gives those to look at again."""
    given = (await understand(tx, query.q)).values if query.q is not None else {}
    return await _DECISIONS.page(tx, request, query, **given)


@router.get("/decisions/chain", **operation("verify_decisions", scope="decisions:read", returns=Chain))
async def verify_decisions(tx: Tx, query: Annotated[ChainQuery, Query()]) -> Reply:
    """Recompute the chain of recorded decisions from the rows, and tell every fault."""
    return computed(await verify(tx, after=query.after, most=query.limit))


@router.get(
    "/decisions/{id}",
    **operation("get_decision", scope="decisions:read", returns=DecisionShown, responses=_AS_MARKDOWN),
)
async def get_decision(tx: Tx, request: Request, id: DecisionId, view: Annotated[DecisionView, Query()]) -> Response:
    """One decision; with `Accept: text/markdown` as a record of the format that it came in, or another."""
    if not prefers(request, MARKDOWN):
        return negotiated(fresh(request, await DECISION.read(tx, id)))
    text, version = await as_markdown(tx, id, view.format)
    return as_markdown_page(request, version, text)


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


@router.post("/decisions/{id}/links", **operation("link_decision", scope="decisions:write", returns=DecisionShown))
async def link_decision(tx: Tx, id: DecisionId, wanted: DecisionLinkCreate, precondition: IfMatch) -> Reply:
    """Say that this decision supersedes or amends an earlier one. Both stay as they were recorded."""
    row = await link(tx, id, wanted, precondition)
    return one(row["json"], row["version"])


@router.post(
    "/decisions/{id}/observations",
    **operation("observe_decision", scope="decisions:write", returns=DecisionObservationShown),
)
async def observe_decision(tx: Tx, id: DecisionId, seen: DecisionObservationCreate) -> Reply:
    """Tell a metric's value, or that an assumption fell. What that makes due for review is told once."""
    _, text = await observe(tx, id, seen)
    return Reply(text)


@router.post("/decisions/{id}/tco", **operation("compute_decision_tco", scope="decisions:read", returns=Tco))
async def compute_decision_tco(tx: Tx, id: DecisionId, question: TcoQuestion) -> Reply:
    """Total cost of ownership of the options over a horizon: cost, present value, break-even, crossover volume."""
    return computed(await total_cost(tx, id, question))
