"""Make and change endpoints: the target is judged, secrets are sealed, what is waiting is held or goes on."""

from collections.abc import Mapping
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
from api.webhooks import deliveries, events, signing
from api.webhooks.backoff import Schedule, ScheduleInvalid
from api.webhooks.catalogue import unknown_patterns
from api.webhooks.claims import Lane
from api.webhooks.headers import header_problem
from api.webhooks.models import Endpoint, EndpointSecret
from api.webhooks.outbox import emit
from api.webhooks.schemas import EndpointCreate, EndpointPatch, EndpointShown
from api.webhooks.sealing import Sealer
from api.webhooks.targets import NameUnresolved, TargetError, TargetPolicy

RESOLVE_TIMEOUT_S = 2.0
# Ours in every request, whatever an endpoint's own headers say.
_OURS = frozenset({"content-type", "traceparent", "webhook-id", "webhook-timestamp", "webhook-signature"})

ENDPOINT = Resource(
    Representation(EndpointShown, Endpoint.__table__, "endpoint", {"headers": lambda columns: columns.header_names})
)
_PLAIN = (
    "url",
    "event_types",
    "condition",
    "description",
    "enabled",
    "ordering",
    "payload",
    "schedule",
    "rate_per_s",
    "max_in_flight",
    "metadata",
)
_HEADERS = ("header_names", "sealed_headers")
_INSERT = ENDPOINT.insert("id", *_PLAIN, *_HEADERS)
_LOCK = ENDPOINT.lock(*_PLAIN, *_HEADERS, "disabled_reason")
_UPDATE = ENDPOINT.update(*_PLAIN, *_HEADERS, "disabled_reason")
INSERT_SECRET = Prepared(insert_owned(EndpointSecret.__table__, "id", "endpoint_id", "kind", "public_key", "sealed"))


def target_policy(settings: Settings) -> TargetPolicy:
    """Where webhooks may go: one verdict for creating, testing and sending."""
    return TargetPolicy(settings.target_allow, settings.target_http)


def header_context(endpoint_id: UUID) -> bytes:
    """What an endpoint's own headers are sealed for."""
    return endpoint_id.bytes + b" headers"


def lane_of(tx: Transaction, endpoint_id: UUID) -> Lane:
    """The endpoint as workers name it."""
    assert tx.scope.workspace_id is not None
    assert tx.scope.livemode is not None
    return tx.scope.workspace_id, tx.scope.livemode, endpoint_id


async def subscribe(
    tx: Transaction, policy: TargetPolicy, sealer: Sealer, endpoint: EndpointCreate
) -> tuple[UUID, asyncpg.Record, str]:
    """Make an endpoint. Gives its id, its row and its secret, which nobody can read again.

    Raises Invalid for a URL that webhooks may not go to, and for event types that do not exist.
    """
    given = endpoint.model_dump(exclude={"headers", "secret"})
    secret = endpoint.secret or signing.new_secret()
    key = _signing_key(secret)
    await _check(policy, given)
    endpoint_id = uuid7()
    headers = _sealed(sealer, endpoint_id, endpoint.headers)
    row = await one(tx, _INSERT, endpoint_id, "endpoint", "ep", **_columns(given), **headers)
    await tx.run(
        INSERT_SECRET,
        id=uuid7(),
        endpoint_id=endpoint_id,
        kind="hmac" if isinstance(key, signing.SharedKey) else "ed25519",
        public_key=None if isinstance(key, signing.SharedKey) else signing.public_key_of(secret),
        sealed=sealer.seal(secret.encode(), context=endpoint_id.bytes),
    )
    return endpoint_id, row, secret


async def change(
    tx: Transaction,
    policy: TargetPolicy,
    sealer: Sealer,
    endpoint_id: UUID,
    patch: EndpointPatch,
    precondition: Precondition,
) -> asyncpg.Record:
    """Apply a merge patch. Disabling holds what waits for the endpoint; enabling makes it due.

    Raises NotFound, PreconditionFailed, Invalid.
    """
    row = await one(tx, _LOCK, endpoint_id, "endpoint", "ep")
    precondition.check(row["version"])
    current = {name: row[name] for name in _PLAIN}
    changes = patch.changes(current)
    headers_given = changes.pop("headers", None)
    if headers_given is None and "headers" not in patch.model_fields_set and not changes:
        return await ENDPOINT.read(tx, endpoint_id)
    values = current | changes
    await _check(policy, values if "url" in changes else values | {"url": None})
    headers = {name: row[name] for name in _HEADERS}
    if "headers" in patch.model_fields_set:
        opened = _opened(sealer, endpoint_id, row["sealed_headers"])
        headers = _sealed(sealer, endpoint_id, _merged(opened, patch.headers))
    values["disabled_reason"] = None if values["enabled"] else row["disabled_reason"]
    changed = await one(tx, _UPDATE, endpoint_id, "endpoint", "ep", **_columns(values), **headers)
    if changes.get("enabled") is False:
        await deliveries.hold(tx, lane_of(tx, endpoint_id))
    elif changes.get("enabled"):
        await go_on(tx, endpoint_id, changed["json"])
    return changed


async def go_on(tx: Transaction, endpoint_id: UUID, shown: str) -> None:
    """Send what was held while the endpoint was disabled, and tell of it."""
    await deliveries.resume(tx, lane_of(tx, endpoint_id))
    await emit(tx, events.ENABLED, shown)


async def enable_after_test(tx: Transaction, endpoint_id: UUID) -> None:
    """An endpoint that we disabled has answered: it goes on."""
    row = await one(tx, _LOCK, endpoint_id, "endpoint", "ep")
    if row["enabled"] or row["disabled_reason"] is None:
        return
    values = {name: row[name] for name in (*_PLAIN, *_HEADERS)} | {"enabled": True, "disabled_reason": None}
    changed = await one(tx, _UPDATE, endpoint_id, "endpoint", "ep", **_columns(values))
    await go_on(tx, endpoint_id, changed["json"])


def _columns(values: dict[str, Any]) -> dict[str, Any]:
    condition = values["condition"]
    listed = {name: value if isinstance(value, list) else [value] for name, value in (condition or {}).items()}
    return values | {
        "metadata": json.dump(values["metadata"] or {}),
        "condition": json.dump(listed) if listed else None,
        "event_types": list(dict.fromkeys(values["event_types"])),
    }


async def _check(policy: TargetPolicy, values: Mapping[str, Any]) -> None:
    unknown = unknown_patterns(values["event_types"])
    if unknown:
        message = f"no event type matches {', '.join(unknown)}; GET /v1/catalog lists them all"
        raise invalid_field("/event_types", message, "unknown_event_type")
    if values["schedule"] is not None:
        try:
            Schedule(tuple(values["schedule"]))
        except ScheduleInvalid as error:
            raise invalid_field("/schedule", str(error)) from None
    if values["url"] is not None:
        await _check_target(policy, values["url"])


async def _check_target(policy: TargetPolicy, url: str) -> None:
    """The URL, and every address that its name has now. A name without an address may get one later."""
    try:
        target = policy.check_url(url)
        await policy.resolve(target.host, target.port, timeout_s=RESOLVE_TIMEOUT_S)
    except NameUnresolved:
        return
    except TargetError as error:
        raise invalid_field("/url", str(error), error.code) from None


def _signing_key(secret: str) -> signing.SigningKey:
    try:
        return signing.parse_signing_key(secret)
    except signing.SignatureError as error:
        raise invalid_field("/secret", str(error), error.code) from None


def _merged(current: Mapping[str, str], patch: Mapping[str, str | None] | None) -> dict[str, str]:
    merged: dict[str, str | None] = {} if patch is None else {**current, **{k.lower(): v for k, v in patch.items()}}
    return {name: value for name, value in merged.items() if value is not None}


def _sealed(sealer: Sealer, endpoint_id: UUID, headers: Mapping[str, str]) -> dict[str, Any]:
    for name, value in headers.items():
        problem = "is ours to set" if name.lower() in _OURS else header_problem(name, value)
        if problem is not None:
            raise invalid_field(f"/headers/{name[:200]}", problem)
    lowered = {name.lower(): value for name, value in headers.items()}
    sealed = sealer.seal(json.dump(lowered).encode(), context=header_context(endpoint_id)) if lowered else None
    return {"header_names": sorted(lowered), "sealed_headers": sealed}


def _opened(sealer: Sealer, endpoint_id: UUID, sealed: bytes | None) -> dict[str, str]:
    if sealed is None:
        return {}
    headers: dict[str, str] = json.load(sealer.open(sealed, context=header_context(endpoint_id)))
    return headers
