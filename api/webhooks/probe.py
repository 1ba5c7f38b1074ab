"""Test an endpoint: an example through the real path, and what came of it."""

import asyncio
from uuid import UUID

import asyncpg

from api import json
from api.accounts.tenancy import one
from api.db import wire_id
from api.problems import Conflict, invalid_field
from api.stores import Scope, Stores, Transaction
from api.webhooks import catalogue
from api.webhooks.log import DELIVERY_WITH_ATTEMPTS
from api.webhooks.outbox import emit_to_one
from api.webhooks.subscribe import ENDPOINT, enable_after_test

POLL_S = 0.05


class EndpointDisabled(Conflict):
    """Nothing is sent to an endpoint that its owner disabled, tests neither. One that we disabled can be tried."""

    code, title = "endpoint_disabled", "The endpoint is disabled"


async def send_test(tx: Transaction, endpoint_id: UUID, event_type: str) -> UUID:
    """Send the type's example. Gives the delivery's id; a worker sees it once this is committed.

    Raises NotFound, Invalid, EndpointDisabled.
    """
    found = catalogue.find(event_type)
    if found is None:
        raise invalid_field(
            "/event_type", f"there is no {event_type}; GET /v1/catalog lists them all", "unknown_event_type"
        )
    endpoint = json.load((await ENDPOINT.read(tx, endpoint_id))["json"])
    if not endpoint["enabled"] and endpoint["disabled_reason"] is None:
        raise EndpointDisabled(f"{wire_id('ep', endpoint_id)} is disabled. Enable it by PATCH first.")
    return await emit_to_one(tx, found, json.dump(found.example), endpoint_id)


async def outcome(stores: Stores, scope: Scope, endpoint_id: UUID, delivery_id: UUID, wait_s: float) -> asyncpg.Record:
    """The test's delivery with its attempts, after up to `wait_s`: still pending when that was too short.

    It has transactions of its own and waits with none open. An endpoint that we disabled and that answers goes on.
    """
    row = await _attempted(stores, scope, delivery_id, wait_s)
    if row["delivered"]:
        async with stores.transaction(scope) as tx:
            await enable_after_test(tx, endpoint_id)
            await tx.commit()
    return row


async def _attempted(stores: Stores, scope: Scope, delivery_id: UUID, wait_s: float) -> asyncpg.Record:
    deadline = asyncio.get_running_loop().time() + wait_s
    while True:
        async with stores.transaction(scope) as tx:
            row = await one(tx, DELIVERY_WITH_ATTEMPTS, delivery_id, "delivery", "dlv")
        if row["attempted"] or asyncio.get_running_loop().time() >= deadline:
            return row
        await asyncio.sleep(POLL_S)
