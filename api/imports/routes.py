"""Imports over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from sqlalchemy import bindparam, select

from api import json
from api.accounts.auth import CallerOf, WorkspaceRoute
from api.accounts.tenancy import one, owned
from api.http.pagination import Listing, PageQuery
from api.http.reply import Reply, created
from api.http.representation import Representation
from api.http.route import Tx, operation
from api.imports.bring import IMPORT, bring
from api.imports.models import Import
from api.imports.schemas import ImportCreate, ImportId, ImportShown, ImportSummary
from api.stores import Prepared

_BY_ID = Prepared(select(IMPORT.text()).where(owned(Import), Import.id == bindparam("id")))
_IMPORTS = Listing(Representation(ImportSummary, Import.__table__, "import"))

router = APIRouter(route_class=WorkspaceRoute, tags=["imports"])


@router.post("/imports", **operation("create_import", scope="imports:write", returns=ImportShown, status=201))
async def create_import(tx: Tx, caller: CallerOf, given: ImportCreate) -> Reply:
    """Bring in features, their RICE scores and decision matrices, from CSV, Markdown, Jira, Linear or GitHub.

    Every printed score, rank, order and total is computed again, and each that differs is told. The same document
    again changes nothing. With `dry_run` (200) nothing is written, and the report is what the import would give.
    """
    text = await bring(tx, caller, given)
    return Reply(text) if given.dry_run else created(text, f"/v1/imports/{json.load(text)['id']}")


@router.get("/imports", **operation("list_imports", scope="imports:read", returns=ImportSummary, many=True))
async def list_imports(tx: Tx, request: Request, query: Annotated[PageQuery, Query()]) -> Reply:
    """Imports, newest first, without what each found."""
    return await _IMPORTS.page(tx, request, query)


@router.get("/imports/{id}", **operation("get_import", scope="imports:read", returns=ImportShown))
async def get_import(tx: Tx, id: ImportId) -> Reply:
    """The report of one import."""
    return Reply((await one(tx, _BY_ID, id, "import", "imp"))["json"])
