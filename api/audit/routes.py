"""The audit log over HTTP."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from sqlalchemy import ColumnElement, func, literal_column

from api.accounts.auth import WorkspaceRoute
from api.audit.chain import check
from api.audit.models import AuditEntry
from api.audit.schemas import AuditChainShown, AuditQuery, AuditShown
from api.audit.show import shown
from api.http.pagination import Listing
from api.http.reply import Reply, computed
from api.http.representation import Columns, Representation
from api.http.route import Tx, operation


def _hash(columns: Columns) -> ColumnElement[Any]:
    return func.encode(columns.hash, literal_column("'hex'"))


ENTRY = Representation(AuditShown, AuditEntry.__table__, "audit_entry", {"hash": _hash})
_ENTRIES = Listing(ENTRY, filters=("resource", "resource_id", "request_id", "key_id", "action", "at_gte", "at_lte"))

router = APIRouter(route_class=WorkspaceRoute, tags=["accounts"])


@router.get("/audit", **operation("list_audit", scope="audit:read", returns=AuditShown, many=True))
async def list_audit(tx: Tx, request: Request, query: Annotated[AuditQuery, Query()]) -> Reply:
    """Who changed what, newest first."""
    return shown(await _ENTRIES.page(tx, request, query))


@router.get("/audit/chain", **operation("check_audit_chain", scope="audit:read", returns=AuditChainShown))
async def get_chain(tx: Tx) -> Reply:
    """Compute the chain again: whether any entry was changed, dropped, added or moved since it was sealed."""
    return computed(await check(tx))
