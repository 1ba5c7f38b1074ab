"""Endpoints, events, deliveries and the catalogue over HTTP."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import func, select

from api import json
from api.accounts.auth import CallerOf, WorkspaceRoute
from api.accounts.tenancy import one
from api.db import wire_id
from api.http.etags import IfMatch, fresh
from api.http.pagination import Listing, PageQuery
from api.http.reply import Reply, all_of, computed, created, no_content
from api.http.reply import one as one_reply
from api.http.route import OpenRoute, OpenStores, Tx, operation
from api.stores import Prepared
from api.webhooks import catalogue
from api.webhooks.log import DELIVERIES, DELIVERY_WITH_ATTEMPTS
from api.webhooks.probe import outcome, send_test
from api.webhooks.redeliver import redeliver
from api.webhooks.rotate import LIVE, as_jwks, rotate, shown_with_secret, take_back
from api.webhooks.schemas import (
    CatalogShown,
    DeliveryId,
    DeliveryQuery,
    DeliveryShown,
    DeliveryWithAttempts,
    EndpointCreate,
    EndpointCreated,
    EndpointId,
    EndpointPatch,
    EndpointShown,
    EndpointStats,
    JwksShown,
    RotateSecret,
    SecretCreated,
    SecretId,
    SecretShown,
    TestRequest,
)
from api.webhooks.stats import STATS
from api.webhooks.subscribe import ENDPOINT, change, subscribe

_ENDPOINTS = Listing(ENDPOINT.shape)
# A log of a million deliveries goes in ten seconds, which is what any other statement may take.
_PATIENTLY = Prepared(select(func.set_config("statement_timeout", "60s", True)))

router = APIRouter(route_class=WorkspaceRoute, tags=["webhooks"])
open_router = APIRouter(route_class=OpenRoute, tags=["webhooks"])


@router.post("/endpoints", **operation("create_endpoint", scope="webhooks:write", returns=EndpointCreated, status=201))
async def create_endpoint(tx: Tx, request: Request, endpoint: EndpointCreate) -> Reply:
    """Subscribe a URL to event types. Its signing secret is told once, here."""
    state = request.app.state
    endpoint_id, row, secret = await subscribe(tx, state.target_policy, state.sealer, endpoint)
    text = f'{row["json"][:-1]},"secret":{json.dump(secret)}}}'
    return created(text, f"/v1/endpoints/{wire_id('ep', endpoint_id)}", row["version"])


@router.get("/endpoints", **operation("list_endpoints", scope="webhooks:read", returns=EndpointShown, many=True))
async def list_endpoints(tx: Tx, request: Request, query: Annotated[PageQuery, Query()]) -> Reply:
    """The endpoints of this workspace and mode, newest first."""
    return await _ENDPOINTS.page(tx, request, query)


@router.get("/endpoints/{id}", **operation("get_endpoint", scope="webhooks:read", returns=EndpointShown))
async def get_endpoint(tx: Tx, request: Request, id: EndpointId) -> Response:
    """One endpoint, without its secret."""
    return fresh(request, await ENDPOINT.read(tx, id))


@router.patch("/endpoints/{id}", **operation("update_endpoint", scope="webhooks:write", returns=EndpointShown))
async def update_endpoint(
    tx: Tx, request: Request, id: EndpointId, patch: EndpointPatch, precondition: IfMatch
) -> Response:
    """Change an endpoint by merge patch. Disabling it holds what it would get; enabling it sends that."""
    state = request.app.state
    row = await change(tx, state.target_policy, state.sealer, id, patch, precondition)
    return one_reply(row["json"], row["version"])


@router.delete("/endpoints/{id}", **operation("delete_endpoint", scope="webhooks:write", status=204))
async def delete_endpoint(tx: Tx, id: EndpointId, precondition: IfMatch) -> Response:
    """Delete an endpoint with its deliveries. To pause it, disable it instead."""
    await tx.value(_PATIENTLY)
    row = await ENDPOINT.remove(tx, id)
    precondition.check(row["version"])
    return no_content()


@router.get("/endpoints/{id}/stats", **operation("get_endpoint_stats", scope="webhooks:read", returns=EndpointStats))
async def get_stats(tx: Tx, id: EndpointId) -> Reply:
    """How deliveries to an endpoint have gone, and how it stands."""
    return Reply((await one(tx, STATS, id, "endpoint", "ep"))["json"])


@router.post(
    "/endpoints/{id}/secrets", **operation("rotate_secret", scope="webhooks:write", returns=SecretCreated, status=201)
)
async def rotate_secret(tx: Tx, request: Request, id: EndpointId, wanted: RotateSecret) -> Reply:
    """Add a signing key. Until the others expire every request carries the signatures of all."""
    text, secret = await rotate(tx, request.app.state.sealer, id, wanted)
    # A key by itself has no GET: it stands in the list of them.
    return created(shown_with_secret(text, secret), request.url.path)


@router.get(
    "/endpoints/{id}/secrets", **operation("list_secrets", scope="webhooks:read", returns=SecretShown, many=True)
)
async def list_secrets(tx: Tx, id: EndpointId) -> Reply:
    """The live signing keys, oldest first, without their secrets: ten at most."""
    await ENDPOINT.read(tx, id)
    rows = await tx.all(LIVE, endpoint_id=id)
    return Reply(all_of([row["json"] for row in rows]))


@router.delete("/endpoints/{id}/secrets/{key_id}", **operation("delete_secret", scope="webhooks:write", status=204))
async def delete_secret(tx: Tx, id: EndpointId, key_id: SecretId) -> Response:
    """End a signing key now. The last one cannot be ended."""
    await take_back(tx, id, key_id)
    return no_content()


@router.get("/endpoints/{id}/jwks", **operation("get_jwks", scope="webhooks:read", returns=JwksShown))
async def get_jwks(tx: Tx, id: EndpointId) -> Reply:
    """The live ed25519 keys as a JSON Web Key Set."""
    await ENDPOINT.read(tx, id)
    return computed(as_jwks(await tx.all(LIVE, endpoint_id=id)))


@router.post("/endpoints/{id}/test", **operation("test_endpoint", scope="webhooks:write", returns=DeliveryWithAttempts))
async def post_test(
    tx: Tx, caller: CallerOf, stores: OpenStores, id: EndpointId, wanted: TestRequest | None = None
) -> Reply:
    """Send an event type's example through the real path; the answer has the attempt. 202 when it has not ended yet."""
    event_type = (wanted or TestRequest.model_validate({})).event_type
    delivery_id = await send_test(tx, id, event_type)
    sent = Reply((await one(tx, DELIVERY_WITH_ATTEMPTS, delivery_id, "delivery", "dlv"))["json"], 202)

    async def attempted() -> Reply:
        row = await outcome(stores, caller.scope, id, delivery_id, stores.settings.delivery_timeout_s + 1)
        return Reply(row["json"], 200 if row["attempted"] else 202)

    sent.then = attempted
    return sent


@router.get("/deliveries", **operation("list_deliveries", scope="webhooks:read", returns=DeliveryShown, many=True))
async def list_deliveries(tx: Tx, request: Request, query: Annotated[DeliveryQuery, Query()]) -> Reply:
    """Deliveries, newest first. `status=dead` lists the dead letters."""
    return await DELIVERIES.page(tx, request, query)


@router.get("/deliveries/{id}", **operation("get_delivery", scope="webhooks:read", returns=DeliveryWithAttempts))
async def get_delivery(tx: Tx, id: DeliveryId) -> Reply:
    """One delivery with its attempts, newest first."""
    return Reply((await one(tx, DELIVERY_WITH_ATTEMPTS, id, "delivery", "dlv"))["json"])


@router.post(
    "/deliveries/{id}/redeliver", **operation("redeliver", scope="webhooks:write", returns=DeliveryShown, status=202)
)
async def post_redeliver(tx: Tx, id: DeliveryId) -> Reply:
    """Send a delivered or dead delivery again, under the same webhook-id."""
    return Reply(await redeliver(tx, id), 202)


@open_router.get("/catalog", **operation("get_catalog", scope=None, returns=CatalogShown))
async def get_catalog() -> Reply:
    """Every event type, with the JSON Schema of its data and an example."""
    data = [_shown(event_type) for event_type in catalogue.every_type()]
    return computed({"object": "list", "data": data, "has_more": False, "next_cursor": None})


def _shown(event_type: catalogue.EventType) -> dict[str, Any]:
    return {
        "name": event_type.name,
        "description": event_type.description,
        "since": event_type.since,
        "data_schema": event_type.data.model_json_schema(mode="serialization"),
        "example": event_type.whole_example,
    }
