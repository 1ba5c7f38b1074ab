"""The roadmap over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from api.accounts.auth import CallerOf, WorkspaceRoute
from api.accounts.tenancy import one
from api.http.reply import Reply
from api.http.route import Tx, operation
from api.roadmap.read import REVISION_BY_ID, REVISIONS, current
from api.roadmap.reprioritize import reprioritize
from api.roadmap.schemas import Reprioritize, RevisionId, RevisionQuery, RevisionShown, RevisionSummary, RoadmapShown

router = APIRouter(route_class=WorkspaceRoute, tags=["roadmap"])


@router.get("/roadmap", **operation("get_roadmap", scope="roadmap:read", returns=RoadmapShown))
async def get_roadmap(tx: Tx) -> Reply:
    """The current ranking, with each feature as it is now."""
    return Reply(await current(tx))


@router.post("/roadmap/reprioritize", **operation("reprioritize", scope="roadmap:write", returns=RevisionShown))
async def post_reprioritize(tx: Tx, caller: CallerOf, wanted: Reprioritize | None = None) -> Reply:
    """Rank all open features by their latest scores. Told to subscribers when something moved."""
    return Reply(await reprioritize(tx, caller, wanted or Reprioritize()))


@router.get(
    "/roadmap/revisions",
    **operation("list_roadmap_revisions", scope="roadmap:read", returns=RevisionSummary, many=True),
)
async def list_revisions(tx: Tx, request: Request, query: Annotated[RevisionQuery, Query()]) -> Reply:
    """Every reprioritisation, newest first."""
    return await REVISIONS.page(tx, request, query)


@router.get("/roadmap/revisions/{id}", **operation("get_roadmap_revision", scope="roadmap:read", returns=RevisionShown))
async def get_revision(tx: Tx, id: RevisionId) -> Reply:
    """One revision, byte for byte as it was given."""
    return Reply((await one(tx, REVISION_BY_ID, id, "roadmap revision", "rev"))["json"])
