"""Idempotency keys: a POST that is sent again with the same key is done once, and answered the same.

The key's row, with the fingerprint and the reply, commits in the transaction of the business rows. While the first
request runs its transaction holds an advisory lock on the key, so that a twin neither waits nor runs: it gets 409.
"""

import hashlib
import hmac
import os
import re
from datetime import datetime
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import LargeBinary, bindparam, delete, func, literal, literal_column, select, true
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.orm import Mapped, mapped_column
from starlette.responses import Response

from api import json
from api.db import Base, Tenant, seconds
from api.problems import Conflict, Invalid, Pointer, Problem
from api.stores import Prepared, Scope, Transaction, binds

HEADER = "idempotency-key"
_KEPT_HEADERS = ("content-type", "location", "etag", "link")
_NONCE_BYTES = 12
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class IdempotencyKey(Tenant, Base):
    """A reply, kept for the key of the request that it answered."""

    __tablename__ = "idempotency_keys"

    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    status: Mapped[int]
    headers: Mapped[str]
    body: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)


class Vault:
    """Encrypts kept replies (AES-256-GCM): one of POST /keys holds a secret, which the database is never to hold.

    The key is derived from the pepper, and a reply opens only in the workspace, mode and idempotency key it is for.
    """

    def __init__(self, pepper: bytes) -> None:
        self._cipher = AESGCM(hmac.digest(pepper, b"roadbed idempotency v1", hashlib.sha256))

    def close(self, tx: Transaction, key: str, body: bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, body, _name_of(tx, key))

    def open(self, tx: Transaction, key: str, closed: bytes) -> bytes:
        """Raises InvalidTag when the pepper is another one than it was: the reply cannot be told again."""
        return self._cipher.decrypt(closed[:_NONCE_BYTES], closed[_NONCE_BYTES:], _name_of(tx, key))


def scope_of_address(address: str, pepper: bytes) -> Scope:
    """Where replies are kept of requests that come without an API key: apart for each address that they come from.

    It is as if the address had a workspace. None has its id, since those are of version 7, and nobody who does not
    know the pepper can tell the address from it.
    """
    digest = hmac.digest(pepper, b"roadbed open idempotency v1 " + address.encode(), hashlib.sha256)
    return Scope(UUID(bytes=digest[:16], version=5), livemode=False)


class KeyReused(Problem):
    status, code, title = 422, "idempotency_key_reused", "The idempotency key was used for another request"


class StillRunning(Conflict):
    """The first request with this key has not ended."""

    code, title = "idempotency_in_progress", "The first request with this key is still running"


def _lock_and_look() -> Prepared:
    """One round trip. It sees what was there before the lock was had; `keep` finds what a twin kept in between."""
    lock = func.pg_try_advisory_xact_lock(bindparam("lock")).label("locked")
    locked = select(lock).offset(literal_column("0")).subquery("locked")
    kept = (
        select(IdempotencyKey.fingerprint, IdempotencyKey.status, IdempotencyKey.headers, IdempotencyKey.body)
        .where(
            IdempotencyKey.workspace_id == bindparam("workspace_id"),
            IdempotencyKey.livemode == bindparam("livemode"),
            # Two values rather than an array, so that Postgres keeps its plan.
            IdempotencyKey.key.in_([bindparam("key"), bindparam("promise")]),
        )
        # The reply itself before its promise.
        .order_by(func.length(IdempotencyKey.key))
        .limit(literal_column("1"))
        .lateral("kept")
    )
    return Prepared(select(locked.c.locked, *kept.c).select_from(locked.outerjoin(kept, true())))


_LOCK_AND_LOOK = _lock_and_look()
_KEEP = Prepared(
    postgres_insert(IdempotencyKey)
    .values(binds("workspace_id", "livemode", "key", "fingerprint", "status", "headers", "body"))
    .on_conflict_do_nothing()
    .returning(true())
)


def read_key(headers: list[str]) -> str | None:
    """The key of a request, bare or in double quotes. Raises Invalid unless it is 1 to 255 visible ASCII characters,
    and sent once."""
    if not headers:
        return None
    header = headers[0]
    key = header[1:-1] if len(header) >= 2 and header[0] == header[-1] == '"' else header
    if len(headers) > 1 or not _KEY.fullmatch(key):
        message = "Idempotency-Key takes, once, 1 to 255 visible ASCII characters; a UUID is a good one."
        raise Invalid(message, errors=(Pointer("invalid", message, "header", "Idempotency-Key"),))
    return key


def fingerprint(method: str, path: str, body: bytes) -> bytes:
    """What makes two requests the same: method, path with query, and body to the byte."""
    return hashlib.sha256(b"\x00".join([method.encode(), path.encode(), body])).digest()


async def replay(tx: Transaction, vault: Vault, key: str, print_: bytes) -> Response | None:
    """The kept reply, or None when this request is the first: then the key is locked until the transaction ends.

    Raises StillRunning while a twin runs, KeyReused when the key was kept for another request.
    """
    kept = await tx.first(_LOCK_AND_LOOK, lock=_lock_of(tx, key), key=key, promise=_promise_of(key))
    assert kept is not None
    if not kept["locked"]:
        raise StillRunning(
            "A request with this Idempotency-Key has not ended. Send it again in a second.",
            headers={"Retry-After": "1"},
        )
    if kept["fingerprint"] is None:
        return None
    if kept["fingerprint"] != print_:
        raise KeyReused(
            "This Idempotency-Key was sent with another method, path or body. Make a new key for a new request."
        )
    headers = dict(json.load(kept["headers"])) | {"Idempotency-Replayed": "true"}
    return Response(vault.open(tx, key, kept["body"]), kept["status"], headers)


async def keep(
    tx: Transaction, vault: Vault, key: str, print_: bytes, reply: Response, *, promised: bool = False
) -> bool:
    """Keep the reply in the same transaction as what it tells of. One that is `promised` serves until the reply that
    takes its place is kept: what was done is then not done again, although its outcome is not known yet.

    False when a twin's reply is kept already: it ended after this request had looked for it and before it had the lock.
    Then what this one did is to be undone.
    """
    headers = {name: reply.headers[name] for name in _KEPT_HEADERS if name in reply.headers}
    kept = await tx.value(
        _KEEP,
        key=_promise_of(key) if promised else key,
        fingerprint=print_,
        status=reply.status_code,
        headers=json.dump(headers),
        body=vault.close(tx, key, bytes(reply.body)),
    )
    return kept is not None


def expired(hours: int) -> Prepared:
    """The statement that forgets up to `step` replies older than so many hours and gives how many: the worker's."""
    age = seconds(literal(hours * 3600))
    own = (IdempotencyKey.workspace_id, IdempotencyKey.livemode, IdempotencyKey.key)
    old = select(*own).where(IdempotencyKey.created_at < func.now() - age).limit(bindparam("step")).cte("old")
    gone = delete(IdempotencyKey).where(*(key == old.c[key.name] for key in own)).cte("gone")
    return Prepared(select(func.count()).select_from(old).add_cte(gone))


def _promise_of(key: str) -> str:
    """No caller can send this one: a key has no blank in it."""
    return f"{key} promised"


def _lock_of(tx: Transaction, key: str) -> int:
    return int.from_bytes(hashlib.sha256(_name_of(tx, key)).digest()[:8], signed=True)


def _name_of(tx: Transaction, key: str) -> bytes:
    return f"{tx.scope.workspace_id}/{tx.scope.livemode}/{key}".encode()
