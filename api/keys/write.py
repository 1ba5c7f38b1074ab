"""Make, rotate and revoke keys, and tell of it."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import bindparam, case, func, update

from api import json
from api.accounts import secrets
from api.accounts.models import Key
from api.accounts.schemas import KeyCreate, KeyShown
from api.accounts.scopes import EVERY_SCOPE, covers
from api.accounts.tenancy import Resource, one, owned
from api.db import seconds, uuid7, wire_id
from api.http.etags import Precondition
from api.http.representation import Representation
from api.keys import events
from api.problems import Conflict, InsufficientScope, Pointer
from api.stores import Prepared, Transaction
from api.webhooks.outbox import emit

KEY = Resource(Representation(KeyShown, Key.__table__, "key"))
_INSERT = KEY.insert("id", "name", "hint", "digest", "scopes", "expires_at", "lifetime_s")
_LOCK = KEY.lock("name", "scopes", "expires_at", "lifetime_s", "revoked_at")
_changed = {"version": Key.version + 1, "updated_at": func.now()}
_REVOKE = Prepared(
    update(Key)
    .values(revoked_at=func.now(), **_changed)
    .where(owned(Key), Key.id == bindparam("id"), Key.revoked_at.is_(None))
    .returning(KEY.shape.text())
)
# An overlap never makes a key live longer than it would have.
_until = func.now() + seconds(bindparam("overlap_s", type_=Key.version.type))
_END = Prepared(
    update(Key)
    .values(expires_at=case((Key.expires_at < _until, Key.expires_at), else_=_until), **_changed)
    .where(owned(Key), Key.id == bindparam("id"))
    .returning(KEY.shape.text())
)


class KeyEnded(Conflict):
    """The key is revoked or has expired: there is nothing to hand over."""

    code, title = "key_ended", "The key works no more"


async def create(tx: Transaction, pepper: bytes, key: KeyCreate, held: frozenset[str]) -> tuple[str, str]:
    """Gives the key as JSON text, and its secret. Raises InsufficientScope for what `held` lacks."""
    _check_scopes(held, key.scopes, "/scopes")
    lifetime_s = None if key.expires_at is None else round((key.expires_at - await _now(tx)).total_seconds())
    text, secret = await _insert(tx, pepper, key.name, sorted(set(key.scopes)), key.expires_at, lifetime_s)
    await emit(tx, events.CREATED, text)
    return text, secret


async def rotate(
    tx: Transaction, pepper: bytes, key_id: UUID, overlap_s: int, held: frozenset[str], precondition: Precondition
) -> tuple[str, str]:
    """Make a key with the same name and scopes, and let the old one expire after the overlap (seconds).

    A key that was made to last 90 days gets a successor that lasts 90 days, also when it is rotated a second time
    because the first successor's secret was lost. Gives what `create` gives.
    Raises NotFound, PreconditionFailed, KeyEnded, InsufficientScope.
    """
    old = await one(tx, _LOCK, key_id, "key", "key")
    precondition.check(old["version"])
    now = await _now(tx)
    if old["revoked_at"] is not None or (old["expires_at"] is not None and old["expires_at"] <= now):
        raise KeyEnded(f"{wire_id('key', key_id)} is revoked or has expired. Make a new key with POST /v1/keys.")
    _check_scopes(held, EVERY_SCOPE if "*" in old["scopes"] else old["scopes"], "/id")
    lifetime_s = old["lifetime_s"]
    expires_at = None if lifetime_s is None else now + timedelta(seconds=lifetime_s)
    text, secret = await _insert(tx, pepper, old["name"], old["scopes"], expires_at, lifetime_s)
    ended = await tx.value(_END, id=key_id, overlap_s=overlap_s)
    about = {"id": wire_id("key", key_id), "object": "key_rotation", "version": json.load(ended)["version"]}
    told = f'{json.dump(about)[:-1]},"key":{text},"old":{ended}}}'
    await emit(tx, events.ROTATED, told)
    return text, secret


async def revoke(tx: Transaction, key_id: UUID, precondition: Precondition) -> None:
    """Refused on every process within a second. Again changes nothing and tells nobody.

    Raises NotFound, PreconditionFailed.
    """
    precondition.check((await one(tx, _LOCK, key_id, "key", "key"))["version"])
    await end(tx, key_id, "requested", None)


async def end(tx: Transaction, key_id: UUID, reason: str, source_url: str | None) -> bool:
    """Revoke a key of the transaction's workspace and mode and say why; False when it was no live one."""
    text = await tx.value(_REVOKE, id=key_id)
    if text is None:
        return False
    why = json.dump({"reason": reason, "source_url": source_url})
    await emit(tx, events.REVOKED, f"{text[:-1]},{why[1:]}")
    return True


_NOW = Prepared(func.now().select())


async def _now(tx: Transaction) -> datetime:
    now: datetime = await tx.value(_NOW)
    return now


async def _insert(
    tx: Transaction,
    pepper: bytes,
    name: str,
    scopes: list[str],
    expires_at: datetime | None,
    lifetime_s: int | None,
) -> tuple[str, str]:
    assert tx.scope.livemode is not None
    secret, key_id = secrets.new_secret(tx.scope.livemode), uuid7()
    row = await tx.first(
        _INSERT,
        id=key_id,
        name=name,
        hint=secret[-4:],
        digest=secrets.digest(secret, pepper),
        scopes=scopes,
        expires_at=expires_at,
        lifetime_s=lifetime_s,
    )
    assert row is not None
    return row["json"], secret


def _check_scopes(held: frozenset[str], wanted: Iterable[str], where: str) -> None:
    if not covers(held, wanted):
        message = "A key cannot hand on scopes that it does not have."
        kind = "field" if where == "/scopes" else "parameter"
        pointer = Pointer("insufficient_scope", message, kind, where if kind == "field" else "id")  # type: ignore[arg-type]
        raise InsufficientScope(message, errors=(pointer,))
