"""Syncs and blockers over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api import json
from api.accounts.auth import WorkspaceRoute
from api.db import wire_id
from api.http.etags import IfMatch, fresh, fresh_as_seen
from api.http.negotiation import MARKDOWN, as_markdown_page, negotiated, prefers
from api.http.pagination import Listing
from api.http.reply import Reply, created, one
from api.http.route import Tx, operation
from api.syncs.agenda import SYNC, build, settle
from api.syncs.block import BLOCKER, change, open_blocker
from api.syncs.schemas import (
    BlockerCreate,
    BlockerId,
    BlockerPatch,
    BlockerQuery,
    BlockerShown,
    SyncCreate,
    SyncId,
    SyncPatch,
    SyncQuery,
    SyncShown,
)

_SYNCS = Listing(SYNC.shape, filters=("status",))
_BLOCKERS = Listing(BLOCKER.shape, filters=("status", "severity"))
_AS_MARKDOWN = {"200": {"content": {"text/markdown": {"schema": {"type": "string"}}}}}

router = APIRouter(route_class=WorkspaceRoute, tags=["syncs"])


@router.post("/syncs", **operation("create_sync", scope="syncs:write", returns=SyncShown, status=201))
async def create_sync(tx: Tx, wanted: SyncCreate) -> Reply:
    """Build the agenda of a week's sync: what shipped, the priorities, what blocks, what comes."""
    sync_id, row = await build(tx, wanted)
    return created(row["json"], f"/v1/syncs/{wire_id('sync', sync_id)}", row["version"])


@router.get("/syncs", **operation("list_syncs", scope="syncs:read", returns=SyncShown, many=True))
async def list_syncs(tx: Tx, request: Request, query: Annotated[SyncQuery, Query()]) -> Reply:
    """Syncs, newest first."""
    return await _SYNCS.page(tx, request, query)


@router.get("/syncs/{id}", **operation("get_sync", scope="syncs:read", returns=SyncShown, responses=_AS_MARKDOWN))
async def get_sync(tx: Tx, request: Request, id: SyncId) -> Response:
    """One sync; with `Accept: text/markdown` its agenda as a page."""
    row = await SYNC.read(tx, id)
    if not prefers(request, MARKDOWN):
        return negotiated(fresh(request, row))
    return as_markdown_page(request, row["version"], json.load(row["json"])["markdown"])


@router.patch("/syncs/{id}", **operation("update_sync", scope="syncs:write", returns=SyncShown))
async def update_sync(tx: Tx, id: SyncId, patch: SyncPatch, precondition: IfMatch) -> Reply:
    """Write down notes and actions, and that it was held."""
    row = await settle(tx, id, patch, precondition)
    return one(row["json"], row["version"])


@router.post("/blockers", **operation("create_blocker", scope="syncs:write", returns=BlockerShown, status=201))
async def create_blocker(tx: Tx, blocker: BlockerCreate) -> Reply:
    """Say what is in the way."""
    blocker_id, row = await open_blocker(tx, blocker)
    return created(row["json"], f"/v1/blockers/{wire_id('blk', blocker_id)}", row["version"])


@router.get("/blockers", **operation("list_blockers", scope="syncs:read", returns=BlockerShown, many=True))
async def list_blockers(tx: Tx, request: Request, query: Annotated[BlockerQuery, Query()]) -> Reply:
    """Blockers, newest first."""
    return await _BLOCKERS.page(tx, request, query)


@router.get("/blockers/{id}", **operation("get_blocker", scope="syncs:read", returns=BlockerShown))
async def get_blocker(tx: Tx, request: Request, id: BlockerId) -> Response:
    """One blocker, with its age now."""
    return fresh_as_seen(request, await BLOCKER.read(tx, id))


@router.patch("/blockers/{id}", **operation("update_blocker", scope="syncs:write", returns=BlockerShown))
async def update_blocker(tx: Tx, id: BlockerId, patch: BlockerPatch, precondition: IfMatch) -> Reply:
    """Put it right, escalate it by `escalated_to`, or resolve it by a `resolution`."""
    row = await change(tx, id, patch, precondition)
    return one(row["json"], row["version"])
