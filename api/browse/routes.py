"""Reading over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from starlette.responses import StreamingResponse

from api.accounts.auth import CallerOf, WorkspaceRoute
from api.browse.everything import search_all
from api.browse.export import export
from api.browse.features import browse, view
from api.browse.schemas import (
    ExportQuery,
    FeatureExpanded,
    FeatureExport,
    FeatureSearch,
    FeatureView,
    MatchesShown,
    SearchQuery,
)
from api.features.schemas import FeatureId
from api.http.reply import Reply
from api.http.route import OpenStores, Tx, operation

_TEXT = {"type": "string", "maxLength": 2**31 - 1}
_AS_FILE = {
    "200": {
        "content": {
            "text/csv": {"schema": _TEXT, "example": "id,title,status,score\r\nfeat_01h…,Bulk export,idea,12000\r\n"},
            "text/markdown": {
                "schema": _TEXT,
                "example": "| id | title |\n| --- | --- |\n| feat_01h… | Bulk export |\n",
            },
        }
    }
}

router = APIRouter(route_class=WorkspaceRoute, tags=["features"])


@router.get("/features", **operation("list_features", scope="features:read", returns=FeatureExpanded, many=True))
async def list_features(tx: Tx, request: Request, query: Annotated[FeatureSearch, Query()]) -> Reply:
    """Features, newest first unless searched or sorted otherwise."""
    return await browse(tx, request, query)


@router.get(
    "/features/export",
    **operation("export_features", scope="features:read", returns=FeatureExport, responses=_AS_FILE),
)
async def export_features(
    stores: OpenStores, caller: CallerOf, query: Annotated[ExportQuery, Query()]
) -> StreamingResponse:
    """Every feature with its latest score, as a file. It can be imported again, here or elsewhere."""
    return export(stores, caller.scope, query)


@router.get("/features/{id}", **operation("get_feature", scope="features:read", returns=FeatureExpanded))
async def get_feature(tx: Tx, request: Request, id: FeatureId, how: Annotated[FeatureView, Query()]) -> Response:
    """One feature, with what `expand` asks for."""
    return await view(tx, request, id, how)


@router.get("/search", **operation("search", scope="features:read", returns=MatchesShown))
async def search(tx: Tx, request: Request, caller: CallerOf, query: Annotated[SearchQuery, Query()]) -> Reply:
    """Features, PRDs and decisions that match, best first; of what the key may read."""
    return await search_all(tx, request, caller, query)
