"""Writing features over HTTP; `api/browse` has how they are read."""

from fastapi import APIRouter, Request, Response

from api import json
from api.accounts.auth import WorkspaceRoute
from api.db import wire_id
from api.features.batch import write_batch, write_external
from api.features.schemas import (
    BatchShown,
    FeatureBatch,
    FeatureContent,
    FeatureCreate,
    FeatureId,
    FeaturePatch,
    FeatureShown,
)
from api.features.write import create, delete, revise
from api.http.etags import IfMatch, IfMatchOrNone
from api.http.reply import Reply, computed, created, no_content, one
from api.http.route import Tx, operation
from api.http.schema import ExternalId, Slug

router = APIRouter(route_class=WorkspaceRoute, tags=["features"])


@router.post("/features", **operation("create_feature", scope="features:write", returns=FeatureShown, status=201))
async def create_feature(tx: Tx, feature: FeatureCreate) -> Reply:
    """Make a feature."""
    feature_id, row = await create(tx, feature)
    return created(row["json"], f"/v1/features/{wire_id('feat', feature_id)}", row["version"])


@router.post(
    "/features/batch",
    **operation("write_features", scope="features:write", returns=BatchShown),
    responses={207: {"model": BatchShown, "description": "A result for each item, since `atomic` is false"}},
)
async def write_features(tx: Tx, request: Request, batch: FeatureBatch) -> Reply:
    """Make up to 1,000 features, or update those whose `source` and `external_id` are given, at once.

    All or nothing (200) unless `atomic` is false: then 207, with a result for each item.
    """
    request.app.state.gate.admit_items(request, request.state.caller, len(batch.items))
    return computed(await write_batch(tx, batch), 200 if batch.atomic else 207)


@router.put(
    "/features/external/{source}/{external_id:path}",
    **operation("upsert_feature", scope="features:write", returns=FeatureShown),
    responses={201: {"model": FeatureShown, "description": "Created"}},
)
async def upsert_feature(
    tx: Tx, source: Slug, external_id: ExternalId, content: FeatureContent, precondition: IfMatchOrNone
) -> Reply:
    """Create the feature of this name in another tool (201), or update what the body gives (200).

    Sent again it changes nothing, so an integration needs to keep no ids of ours.
    """
    is_new, text, version = await write_external(tx, source, external_id, content, precondition)
    if not is_new:
        return one(text, version)
    return created(text, f"/v1/features/{json.load(text)['id']}", version)


@router.patch("/features/{id}", **operation("update_feature", scope="features:write", returns=FeatureShown))
async def update_feature(tx: Tx, id: FeatureId, patch: FeaturePatch, precondition: IfMatch) -> Reply:
    """Change a feature by merge patch; `null` removes a field."""
    row = await revise(tx, id, patch, precondition)
    return one(row["json"], row["version"])


@router.delete("/features/{id}", **operation("delete_feature", scope="features:write", status=204))
async def delete_feature(tx: Tx, id: FeatureId, precondition: IfMatch) -> Response:
    """Delete a feature with its scores; published rankings keep it. 409 while other features depend on it."""
    await delete(tx, id, precondition)
    return no_content()
