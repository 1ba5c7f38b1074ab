"""Make and change endpoints: the target is judged, the secret sealed, what is waiting is held or goes on."""

from typing import Any
from uuid import UUID

import asyncpg

from api import json
from api.accounts.tenancy import Resource, insert_owned, one
from api.db import uuid7
from api.http.etags import Precondition
from api.http.representation import Representation
from api.problems import invalid_field
from api.settings import Settings
from api.stores import Prepared, Transaction
from api.webhooks import deliveries, signing
from api.webhooks.catalogue import unknown_patterns
from api.webhooks.models import Endpoint, EndpointSecret
from api.webhooks.schemas import EndpointCreate, EndpointPatch, EndpointShown
from api.webhooks.sealing import Sealer
from api.webhooks.targets import NameUnresolved, TargetError, TargetPolicy

RESOLVE_TIMEOUT_S = 2.0

ENDPOINT = Resource(Representation(EndpointShown, Endpoint.__table__, "endpoint"))
_WRITABLE = ("url", "event_types", "description", "enabled", "metadata")
_INSERT = ENDPOINT.insert("id", *_WRITABLE)
_LOCK = ENDPOINT.lock(*_WRITABLE, "disabled_reason")
_UPDATE = ENDPOINT.update(*_WRITABLE, "disabled_reason")
_INSERT_SECRET = Prepared(insert_owned(EndpointSecret.__table__, "endpoint_id", "sealed"))


def target_policy(settings: Settings) -> TargetPolicy:
    """Where webhooks may go: one verdict for creating, testing and sending."""
    return TargetPolicy(settings.target_allow, settings.target_http)


async def subscribe(
    tx: Transaction, policy: TargetPolicy, sealer: Sealer, endpoint: EndpointCreate
) -> tuple[UUID, asyncpg.Record, str]:
    """Make an endpoint. Gives its id, its row and its secret, which nobody can read again.

    Raises Invalid for a URL that webhooks may not go to, and for event types that do not exist.
    """
    _check_patterns(endpoint.event_types)
    await _check_target(policy, endpoint.url)
    endpoint_id = uuid7()
    row = await tx.first(
        _INSERT,
        id=endpoint_id,
        url=endpoint.url,
        event_types=_unique(endpoint.event_types),
        description=endpoint.description,
        enabled=endpoint.enabled,
        metadata=json.dump(endpoint.metadata),
    )
    assert row is not None
    secret = signing.new_secret()
    await tx.run(
        _INSERT_SECRET, endpoint_id=endpoint_id, sealed=sealer.seal(secret.encode(), context=endpoint_id.bytes)
    )
    return endpoint_id, row, secret


async def change(
    tx: Transaction, policy: TargetPolicy, endpoint_id: UUID, patch: EndpointPatch, precondition: Precondition
) -> asyncpg.Record:
    """Apply a merge patch. Disabling holds what waits for the endpoint; enabling makes it due.

    Raises NotFound, PreconditionFailed, Invalid.
    """
    row = await one(tx, _LOCK, endpoint_id, "endpoint", "ep")
    precondition.check(row["version"])
    current = {name: row[name] for name in _WRITABLE}
    changes = patch.changes(current)
    if not changes:
        return await ENDPOINT.read(tx, endpoint_id)
    if "event_types" in changes:
        _check_patterns(changes["event_types"])
    if "url" in changes:
        await _check_target(policy, changes["url"])
    values = current | changes
    values["metadata"] = json.dump(values["metadata"] or {})
    values["event_types"] = _unique(values["event_types"])
    values["disabled_reason"] = None if values["enabled"] else row["disabled_reason"]
    changed = await one(tx, _UPDATE, endpoint_id, "endpoint", "ep", **values)
    await _hold_or_resume(tx, endpoint_id, changes)
    return changed


async def _hold_or_resume(tx: Transaction, endpoint_id: UUID, changes: dict[str, Any]) -> None:
    workspace_id, livemode = tx.scope.workspace_id, tx.scope.livemode
    assert workspace_id is not None
    assert livemode is not None
    if changes.get("enabled") is False:
        await deliveries.hold(tx, workspace_id, livemode, endpoint_id)
    elif changes.get("enabled"):
        await deliveries.resume(tx, workspace_id, livemode, endpoint_id)


def _check_patterns(patterns: list[str]) -> None:
    unknown = unknown_patterns(patterns)
    if unknown:
        message = f"no event type matches {', '.join(unknown)}; GET /v1/catalog lists them all"
        raise invalid_field("/event_types", message, "unknown_event_type")


async def _check_target(policy: TargetPolicy, url: str) -> None:
    """The URL, and every address that its name has now. A name without an address may get one later."""
    try:
        target = policy.check_url(url)
        await policy.resolve(target.host, target.port, timeout_s=RESOLVE_TIMEOUT_S)
    except NameUnresolved:
        return
    except TargetError as error:
        raise invalid_field("/url", str(error), error.code) from None


def _unique(patterns: list[str]) -> list[str]:
    return list(dict.fromkeys(patterns))
