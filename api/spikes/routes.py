"""Spikes over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api.accounts.auth import WorkspaceRoute
from api.db import wire_id
from api.http.etags import IfMatch, fresh
from api.http.pagination import Listing
from api.http.reply import Reply, created, one
from api.http.route import Tx, operation
from api.spikes.schemas import SpikeConclusion, SpikeCreate, SpikeId, SpikeQuery, SpikeShown
from api.spikes.work import SPIKE, conclude, request, start

_SPIKES = Listing(SPIKE.shape, filters=("status", "feature_id"))

router = APIRouter(route_class=WorkspaceRoute, tags=["spikes"])


@router.post("/spikes", **operation("create_spike", scope="spikes:write", returns=SpikeShown, status=201))
async def create_spike(tx: Tx, spike: SpikeCreate) -> Reply:
    """Ask for a spike. It needs a timebox, and a question that can be looked into."""
    spike_id, row = await request(tx, spike)
    return created(row["json"], f"/v1/spikes/{wire_id('spike', spike_id)}", row["version"])


@router.get("/spikes", **operation("list_spikes", scope="spikes:read", returns=SpikeShown, many=True))
async def list_spikes(tx: Tx, request: Request, query: Annotated[SpikeQuery, Query()]) -> Reply:
    """Spikes, newest first."""
    return await _SPIKES.page(tx, request, query)


@router.get("/spikes/{id}", **operation("get_spike", scope="spikes:read", returns=SpikeShown))
async def get_spike(tx: Tx, request: Request, id: SpikeId) -> Response:
    """One spike."""
    return fresh(request, await SPIKE.read(tx, id))


@router.post("/spikes/{id}/start", **operation("start_spike", scope="spikes:write", returns=SpikeShown))
async def start_spike(tx: Tx, id: SpikeId, precondition: IfMatch) -> Reply:
    """Let the timebox run."""
    row = await start(tx, id, precondition)
    return one(row["json"], row["version"])


@router.post("/spikes/{id}/conclude", **operation("conclude_spike", scope="spikes:write", returns=SpikeShown))
async def conclude_spike(tx: Tx, id: SpikeId, conclusion: SpikeConclusion, precondition: IfMatch) -> Reply:
    """Answer feasibility, estimate, risks and recommendation; the decision that they lead to is drafted."""
    row = await conclude(tx, id, conclusion, precondition)
    return one(row["json"], row["version"])
