"""Test an endpoint: an example through the real path, and what came of it."""

import asyncio
from uuid import UUID

import asyncpg

from api import json
from api.accounts.tenancy import one
from api.db import wire_id
from api.problems import Conflict, invalid_field
from api.stores import Scope, Stores
from api.webhooks import catalogue
from api.webhooks.log import DELIVERY_WITH_ATTEMPTS
from api.webhooks.outbox import emit_to_one
from api.webhooks.subscribe import ENDPOINT, enable_after_test

POLL_S = 0.05


class EndpointDisabled(Conflict):
    """Nothing is sent to an endpoint that its owner disabled, tests neither. One that we disabled can be tried."""

    code, title = "endpoint_disabled", "The endpoint is disabled"


async def send_test(stores: Stores, scope: Scope, endpoint_id: UUID, event_type: str, wait_s: float) -> asyncpg.Record:
    """Send the type's example, and wait up to `wait_s` for the attempt to end.

    An endpoint that we disabled and that answers goes on.

    Gives the delivery with its attempts, still pending when the time was too short. It has transactions of its own:
    the event must be committed before a worker can see it. Raises NotFound, Invalid, EndpointDisabled.
    """
    found = catalogue.find(event_type)
    if found is None:
        raise invalid_field(
            "/event_type", f"there is no {event_type}; GET /v1/catalog lists them all", "unknown_event_type"
        )
    async with stores.transaction(scope) as tx:
        endpoint = json.load((await ENDPOINT.read(tx, endpoint_id))["json"])
        if not endpoint["enabled"] and endpoint["disabled_reason"] is None:
            raise EndpointDisabled(f"{wire_id('ep', endpoint_id)} is disabled. Enable it by PATCH first.")
        delivery_id = await emit_to_one(tx, found, json.dump(found.example), endpoint_id)
        await tx.commit()
    row = await _outcome(stores, scope, delivery_id, wait_s)
    if row["delivered"] and not endpoint["enabled"]:
        async with stores.transaction(scope) as tx:
            await enable_after_test(tx, endpoint_id)
            await tx.commit()
    return row


async def _outcome(stores: Stores, scope: Scope, delivery_id: UUID, wait_s: float) -> asyncpg.Record:
    deadline = asyncio.get_running_loop().time() + wait_s
    while True:
        async with stores.transaction(scope) as tx:
            row = await one(tx, DELIVERY_WITH_ATTEMPTS, delivery_id, "delivery", "dlv")
        if row["attempted"] or asyncio.get_running_loop().time() >= deadline:
            return row
        await asyncio.sleep(POLL_S)
