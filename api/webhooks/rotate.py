"""An endpoint's signing keys: add one while the others end, take one back, show the public ones."""

import base64
from typing import Any
from uuid import UUID

import asyncpg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import Float, bindparam, func, or_, select, update

from api import json
from api.accounts.tenancy import one, owned
from api.db import seconds, uuid7, wire_id
from api.http.representation import Representation
from api.problems import Conflict, invalid_field
from api.stores import Prepared, Transaction
from api.webhooks import events, signing
from api.webhooks.models import EndpointSecret
from api.webhooks.outbox import emit
from api.webhooks.schemas import RotateSecret, SecretShown
from api.webhooks.sealing import Sealer
from api.webhooks.subscribe import ENDPOINT, INSERT_SECRET

MOST_LIVE = 5

SECRET = Representation(SecretShown, EndpointSecret.__table__, "endpoint_secret")
_live = or_(EndpointSecret.expires_at.is_(None), EndpointSecret.expires_at > func.now())
_of_endpoint = (owned(EndpointSecret), EndpointSecret.endpoint_id == bindparam("endpoint_id"))
LIVE = Prepared(
    select(SECRET.text(), EndpointSecret.id, EndpointSecret.public_key)
    .where(*_of_endpoint, _live)
    .order_by(EndpointSecret.id)
    .limit(2 * MOST_LIVE)
)
_LOCK_ENDPOINT = ENDPOINT.lock("url")
_END = Prepared(
    update(EndpointSecret)
    # One that ends sooner already is not given more time.
    .values(expires_at=func.least(EndpointSecret.expires_at, func.now() + seconds(bindparam("overlap_s", type_=Float))))
    .where(*_of_endpoint, _live)
)
_END_ONE = Prepared(
    update(EndpointSecret)
    .values(expires_at=func.now())
    .where(*_of_endpoint, EndpointSecret.id == bindparam("id"), _live)
    .returning(EndpointSecret.id)
)
_BY_ID = Prepared(select(SECRET.text()).where(*_of_endpoint, EndpointSecret.id == bindparam("id")))
# Nothing that is shown of it, and yet a change that is told.
_ROTATED = ENDPOINT.update()


class TooManySecrets(Conflict):
    """An endpoint signs with five keys at most."""

    code, title = "too_many_secrets", "The endpoint has too many live keys"


class LastSecret(Conflict):
    """Nothing can be sent unsigned."""

    code, title = "last_secret", "It is the endpoint's last live key"


async def rotate(tx: Transaction, sealer: Sealer, endpoint_id: UUID, wanted: RotateSecret) -> tuple[str, str]:
    """Add a key, and let those there end after the overlap; until then every request carries the signatures of all.

    Gives the key as JSON text and its secret, which nobody can read again. Raises NotFound, TooManySecrets, Invalid.
    """
    await one(tx, _LOCK_ENDPOINT, endpoint_id, "endpoint", "ep")
    live = await tx.all(LIVE, endpoint_id=endpoint_id)
    if len(live) >= MOST_LIVE:
        raise TooManySecrets(f"It has {len(live)} live keys. Delete one of them first.")
    secret, kind, public_key = _new(wanted)
    if wanted.overlap_s is not None:
        await tx.run(_END, endpoint_id=endpoint_id, overlap_s=wanted.overlap_s)
    secret_id = uuid7()
    await tx.run(
        INSERT_SECRET,
        id=secret_id,
        endpoint_id=endpoint_id,
        kind=kind,
        public_key=public_key,
        sealed=sealer.seal(secret.encode(), context=endpoint_id.bytes),
    )
    rotated = await one(tx, _ROTATED, endpoint_id, "endpoint", "ep")
    await emit(tx, events.SECRET_ROTATED, rotated["json"])
    return await tx.value(_BY_ID, endpoint_id=endpoint_id, id=secret_id), secret


async def take_back(tx: Transaction, endpoint_id: UUID, secret_id: UUID) -> None:
    """End a key now. Raises NotFound, LastSecret."""
    await one(tx, _LOCK_ENDPOINT, endpoint_id, "endpoint", "ep")
    live = await tx.all(LIVE, endpoint_id=endpoint_id)
    if [row["id"] for row in live] == [secret_id]:
        raise LastSecret(f"{wire_id('whs', secret_id)} is the only live key. Add another first.")
    await one(tx, _END_ONE, secret_id, "live secret", "whs", endpoint_id=endpoint_id)


def as_jwks(rows: list[asyncpg.Record]) -> dict[str, Any]:
    """The public keys of these secrets (RFC 7517, RFC 8037)."""
    return {"keys": [_jwk(row["id"], row["public_key"]) for row in rows if row["public_key"] is not None]}


def _jwk(secret_id: UUID, public_key: str) -> dict[str, str]:
    parsed = signing.parse_key(public_key)
    assert isinstance(parsed, signing.PublicKey)
    key: Ed25519PublicKey = parsed.key
    raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    x = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    return {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": wire_id("whs", secret_id), "x": x}


def _new(wanted: RotateSecret) -> tuple[str, str, str | None]:
    """The secret, its kind, and its public key where it has one."""
    made = signing.new_secret() if wanted.kind == "hmac" else signing.new_private_key()
    secret = wanted.secret or made
    try:
        key = signing.parse_signing_key(secret)
    except signing.SignatureError as error:
        raise invalid_field("/secret", str(error), error.code) from None
    if isinstance(key, signing.SharedKey):
        return secret, "hmac", None
    return secret, "ed25519", signing.public_key_of(secret)


def shown_with_secret(text: str, secret: str) -> str:
    return f'{text[:-1]},"secret":{json.dump(secret)}}}'
