"""The built-in receiver: an address for each workspace and mode that takes webhooks, checks and shows them."""

import hashlib
import hmac
import time
from uuid import UUID

import asyncpg
from sqlalchemy import Text, bindparam, cast, delete, func, literal, select

from api import json
from api.accounts.tenancy import insert_owned, owned
from api.db import parse_id, wire_id
from api.http.representation import Representation
from api.inbox.models import InboxMessage
from api.inbox.schemas import MessageShown
from api.stores import Prepared, Scope, Transaction
from api.webhooks import signing
from api.webhooks.models import EndpointSecret
from api.webhooks.sealing import Sealer

MOST_KEPT = 200
MOST_BODY_BYTES = 65_536
MOST_SECRETS = 50
_SHOWN_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature", "content-type", "user-agent", "traceparent")

MESSAGE = Representation(MessageShown, InboxMessage.__table__, "inbox_message")
_INSERT = Prepared(insert_owned(InboxMessage.__table__, "headers", "body", "verified", "answered"))
_beyond = (
    select(InboxMessage.id).where(owned(InboxMessage)).order_by(InboxMessage.id.desc()).offset(MOST_KEPT).limit(1000)
)
# Of those that arrive together one drops: each would lock the same rows, in no order that they agree on.
_name = (
    literal("roadbed inbox ").concat(cast(bindparam("workspace_id"), Text)).concat(cast(bindparam("livemode"), Text))
)
_alone = select(func.pg_try_advisory_xact_lock(func.hashtextextended(_name, 0))).scalar_subquery()
_TRIM = Prepared(delete(InboxMessage).where(owned(InboxMessage), _alone, InboxMessage.id.in_(_beyond)))
_SECRETS = Prepared(
    select(EndpointSecret.endpoint_id, EndpointSecret.sealed)
    .where(owned(EndpointSecret))
    .order_by(EndpointSecret.id.desc())
    .limit(MOST_SECRETS)
)
NEWEST = Prepared(
    select(MESSAGE.text()).where(owned(InboxMessage)).order_by(InboxMessage.id.desc()).limit(bindparam("most"))
)


def address_of(scope: Scope, pepper: bytes) -> str:
    """The path segment of a workspace's inbox: its id, its mode, and a MAC that nobody can guess."""
    assert scope.workspace_id is not None
    head = f"{'live' if scope.livemode else 'test'}-{wire_id('ws', scope.workspace_id)}"
    return f"{head}-{_mac(head, pepper)}"


def scope_of(address: str, pepper: bytes) -> Scope | None:
    """Whose inbox it is, or None for an address that we never gave."""
    head, _, mac = address.rpartition("-")
    if not mac.isascii() or not hmac.compare_digest(mac, _mac(head, pepper)):
        return None
    mode, _, workspace = head.partition("-")
    workspace_id: UUID | None = parse_id("ws", workspace)
    return Scope(workspace_id, livemode=mode == "live") if workspace_id else None


async def receive(tx: Transaction, sealer: Sealer, headers: dict[str, str], body: bytes, answered: int) -> None:
    """Keep a request, and say whether a secret of this workspace signed it. The oldest beyond 200 are dropped."""
    rows = await tx.all(_SECRETS)
    kept = {name: headers[name][:1000] for name in _SHOWN_HEADERS if name in headers}
    await tx.run(
        _INSERT,
        headers=json.dump(kept),
        body=body[:MOST_BODY_BYTES].decode("utf-8", "replace").replace("\x00", "\ufffd"),
        verified=_verified(rows, sealer, headers, body),
        answered=answered,
    )
    await tx.run(_TRIM)


def _verified(rows: list[asyncpg.Record], sealer: Sealer, headers: dict[str, str], body: bytes) -> bool:
    secrets = [sealer.open(row["sealed"], context=row["endpoint_id"].bytes).decode() for row in rows]
    try:
        signing.verify(headers, body, secrets, now_s=time.time())
    except signing.SignatureError:
        return False
    return True


def _mac(head: str, pepper: bytes) -> str:
    return hmac.digest(pepper, b"roadbed inbox v1" + head.encode(), hashlib.sha256).hex()[:32]
