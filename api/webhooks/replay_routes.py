"""Sending again, expunging, triggering and explaining, over HTTP."""

from fastapi import APIRouter, Request

from api.accounts.auth import CallerOf, WorkspaceRoute
from api.db import wire_id
from api.http.reply import Reply, computed
from api.http.route import Tx, operation
from api.operations.reply import accepted
from api.operations.schemas import OperationShown
from api.webhooks.explain import explain
from api.webhooks.expunge import expunge
from api.webhooks.replay import redeliver_many, replay
from api.webhooks.replay_schemas import (
    RedeliverMany,
    ReplayRequest,
    Trigger,
    Triggered,
    Verification,
    VerifyRequest,
)
from api.webhooks.schemas import EndpointId, EventId, EventShown
from api.webhooks.trigger import trigger

router = APIRouter(route_class=WorkspaceRoute, tags=["webhooks"])


@router.post(
    "/deliveries/redeliver",
    **operation("redeliver_many", scope="webhooks:write", returns=OperationShown, status=202),
)
async def post_redeliver_many(tx: Tx, wanted: RedeliverMany) -> Reply:
    """Send dead letters again, or whatever else fits the filter; the operation tells how far it is."""
    return accepted(*await redeliver_many(tx, wanted))


@router.post(
    "/endpoints/{id}/replay", **operation("replay", scope="webhooks:write", returns=OperationShown, status=202)
)
async def post_replay(tx: Tx, id: EndpointId, wanted: ReplayRequest) -> Reply:
    """Send an endpoint the events of a time again, or those it never got; the operation can be paused."""
    return accepted(*await replay(tx, id, wanted))


@router.post("/events/trigger", **operation("trigger_event", scope="webhooks:write", returns=Triggered, status=201))
async def post_trigger(tx: Tx, caller: CallerOf, wanted: Trigger) -> Reply:
    """Send an event type's example to every endpoint that wants it, through the real path."""
    made = await trigger(tx, wanted.type)
    event_id = wire_id("evt", made.event_id)
    body = {
        "object": "trigger",
        "event_id": event_id,
        "type": wanted.type,
        "livemode": caller.livemode,
        "deliveries": made.deliveries,
    }
    reply = computed(body, 201)
    reply.headers["Location"] = f"/v1/events/{event_id}"
    return reply


@router.post("/events/{id}/expunge", **operation("expunge_event", scope="webhooks:write", returns=EventShown))
async def post_expunge(tx: Tx, id: EventId) -> Reply:
    """Remove an event's payload for good. Its deliveries stay on record, and it can never be sent again."""
    return Reply((await expunge(tx, id))["json"])


@router.post("/webhooks/verify", **operation("verify_webhook", scope="webhooks:read", returns=Verification))
async def post_verify(tx: Tx, request: Request, wanted: VerifyRequest) -> Reply:
    """Why does it not verify? Give what your receiver got, and learn which clause fails."""
    verdict = await explain(
        tx,
        request.app.state.sealer,
        wanted.endpoint_id,
        wanted.headers,
        wanted.body.encode("utf-8", "surrogatepass"),
        wanted.received_at,
        wanted.tolerance_s,
    )
    return computed(verdict)
