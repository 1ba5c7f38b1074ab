"""Operations over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api.accounts.auth import WorkspaceRoute
from api.http.etags import IfMatch, fresh
from api.http.pagination import Listing
from api.http.reply import Reply, one
from api.http.route import Tx, operation
from api.operations import start
from api.operations.schemas import OperationId, OperationQuery, OperationShown

_OPERATIONS = Listing(start.OPERATION.shape, filters=("kind", "status"))

router = APIRouter(route_class=WorkspaceRoute, tags=["operations"])


@router.get("/operations", **operation("list_operations", scope="operations:read", returns=OperationShown, many=True))
async def list_operations(tx: Tx, request: Request, query: Annotated[OperationQuery, Query()]) -> Reply:
    """Long work of this workspace and mode, newest first."""
    return await _OPERATIONS.page(tx, request, query)


@router.get("/operations/{id}", **operation("get_operation", scope="operations:read", returns=OperationShown))
async def get_operation(tx: Tx, request: Request, id: OperationId) -> Response:
    """One operation: its status, how far it is, and what came of it."""
    return fresh(request, await start.OPERATION.read(tx, id))


@router.post("/operations/{id}/pause", **operation("pause_operation", scope="operations:write", returns=OperationShown))
async def pause_operation(tx: Tx, id: OperationId, precondition: IfMatch) -> Reply:
    """Stop before the next step. What was done stays."""
    row = await start.pause(tx, id, precondition)
    return one(row["json"], row["version"])


@router.post(
    "/operations/{id}/resume", **operation("resume_operation", scope="operations:write", returns=OperationShown)
)
async def resume_operation(tx: Tx, id: OperationId, precondition: IfMatch) -> Reply:
    """Go on where it was paused."""
    row = await start.resume(tx, id, precondition)
    return one(row["json"], row["version"])


@router.post(
    "/operations/{id}/cancel", **operation("cancel_operation", scope="operations:write", returns=OperationShown)
)
async def cancel_operation(tx: Tx, request: Request, id: OperationId, precondition: IfMatch) -> Reply:
    """End it where it is. What was done stays."""
    row = await start.cancel(tx, id, request.app.state.tell_finished, precondition)
    return one(row["json"], row["version"])
