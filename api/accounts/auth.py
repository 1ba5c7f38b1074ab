"""Who is calling: from the Authorization header to a Caller, at the edge."""

import functools
import hashlib
import time
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Annotated, Protocol
from uuid import UUID

import asyncpg
import structlog
from fastapi import Depends, Request
from sqlalchemy import bindparam, func, literal, or_, select, update

from api.accounts import scopes, secrets
from api.accounts.models import Key
from api.accounts.tenancy import owned
from api.db import seconds, wire_id
from api.http.once import Once
from api.http.route import Route
from api.problems import InsufficientScope, Problem, Unauthenticated
from api.stores import Prepared, Scope, Stores, Transaction

log = structlog.get_logger()

_MOST_CACHED = 10_000
_HELP = "Send one header `Authorization: Bearer rb_live_…`. Keys are made by POST /v1/signup and POST /v1/keys."

_BY_DIGEST = Prepared(
    select(Key.id, Key.workspace_id, Key.livemode, Key.name, Key.scopes, Key.expires_at, Key.revoked_at).where(
        Key.digest == bindparam("digest")
    )
)
_MARK_USED = Prepared(
    update(Key)
    .values(last_used_at=func.now())
    .where(
        owned(Key),
        Key.id == bindparam("id"),
        or_(Key.last_used_at.is_(None), Key.last_used_at < func.now() - seconds(literal(60))),
    )
)


@dataclass(frozen=True)
class Caller:
    """The key that a request came with."""

    workspace_id: UUID
    livemode: bool
    key_id: UUID
    key_name: str
    scopes: frozenset[str]
    expires_at: datetime | None

    @cached_property
    def scope(self) -> Scope:
        return Scope(self.workspace_id, self.livemode)

    @cached_property
    def tenant(self) -> tuple[UUID, bool]:
        """Whose calls are counted together."""
        return self.workspace_id, self.livemode

    @cached_property
    def buckets(self) -> tuple[str, str]:
        """The names of what its rate limits are taken from: its own bucket, and the workspace's."""
        return f"key:{self.key_id}", f"ws:{self.workspace_id}"


class Gate(Protocol):
    """What a caller has to pass besides: limits and quota (usage/gate)."""

    async def refresh(self, tx: Transaction, caller: Caller) -> None: ...

    async def admit(self, request: Request, caller: Caller) -> None: ...

    async def admit_stranger(self, request: Request) -> None: ...


class Keyring:
    """Callers that this process has looked up. Trusted for `key_cache_s`: a revocation holds within it."""

    def __init__(self, seconds: float, gate: "Gate") -> None:
        self._seconds = seconds
        self._gate = gate
        self._callers: dict[bytes, tuple[float, Caller]] = {}
        self._looking: Once[Caller] = Once()

    async def caller(self, secret: str, stores: Stores) -> Caller:
        """Raises Unauthenticated. A malformed key costs no query, a known one neither."""
        # Not the secret itself, and not our digest of it, which takes ten times as long.
        name = hashlib.sha256(secret.encode()).digest()
        now = time.monotonic()
        until, caller = self._callers.get(name, (0.0, None))
        if caller is None or until < now:
            if not secrets.is_well_formed(secret):
                raise _refused("The key is malformed or mistyped: its checksum is wrong.")
            digest = secrets.digest(secret, stores.settings.pepper_bytes)
            caller = await self._looking.ask(digest, functools.partial(self._look, stores, name, digest))
        if _has_expired(caller):
            raise _refused("The key has expired.")
        return caller

    async def _look(self, stores: Stores, name: bytes, digest: bytes) -> Caller:
        # From before the look on: a key that is revoked while we look is trusted no longer than one seen before.
        until = time.monotonic() + self._seconds
        caller = await _look_up(stores, digest, self._gate)
        if len(self._callers) >= _MOST_CACHED:
            self._callers.clear()
        self._callers[name] = (until, caller)
        return caller


class WorkspaceRoute(Route):
    """A route for callers with a key."""

    async def admit(self, request: Request, stores: Stores) -> Scope:
        keyring: Keyring = request.app.state.keyring
        gate: Gate = request.app.state.gate
        try:
            caller = await keyring.caller(bearer(request), stores)
        except Unauthenticated:
            await gate.admit_stranger(request)
            raise
        request.state.caller = caller
        await gate.admit(request, caller)
        needed = self.scope_needed
        if needed is None or needed not in caller.scopes:
            raise _insufficient(needed)
        if request.method == "GET":
            return caller.scope
        return Scope(
            caller.workspace_id,
            caller.livemode,
            key_id=caller.key_id,
            request_id=request.state.request_id,
            sandbox="shared",
        )


async def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


CallerOf = Annotated[Caller, Depends(_caller)]


def bearer(request: Request) -> str:
    """The key of the Authorization header. Raises Unauthenticated for none, for two, for another scheme."""
    headers = request.headers.getlist("authorization")
    if len(headers) != 1:
        raise _refused("More than one Authorization header was sent." if headers else "The request has no key.")
    scheme, _, secret = headers[0].partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise _refused("The Authorization header is not a bearer key.")
    return secret.strip()


async def _look_up(stores: Stores, digest: bytes, gate: "Gate") -> Caller:
    async with stores.transaction(Scope(key_digest=digest)) as tx:
        row = await tx.first(_BY_DIGEST, digest=digest)
    if row is None:
        raise _refused("The key is not known.")
    if row["revoked_at"] is not None:
        raise _refused("The key was revoked.")
    caller = Caller(
        workspace_id=row["workspace_id"],
        livemode=row["livemode"],
        key_id=row["id"],
        key_name=row["name"],
        scopes=frozenset(scopes.EVERY_SCOPE if "*" in row["scopes"] else row["scopes"]),
        expires_at=row["expires_at"],
    )
    async with stores.transaction(caller.scope) as tx:
        await gate.refresh(tx, caller)
        if not _has_expired(caller):
            await _mark_used(tx, caller)
    return caller


def _has_expired(caller: Caller) -> bool:
    return caller.expires_at is not None and caller.expires_at.timestamp() <= time.time()


async def _mark_used(tx: Transaction, caller: Caller) -> None:
    """Not worth a refusal: where nothing can be written (a full disk, a standby) what is there can still be read."""
    try:
        await tx.run(_MARK_USED, id=caller.key_id)
        await tx.commit()
    except (Problem, asyncpg.PostgresError) as error:
        log.warning("key_not_marked", key=wire_id("key", caller.key_id), error=repr(error))


def _refused(reason: str) -> Unauthenticated:
    return Unauthenticated(f"{reason} {_HELP}", headers={"WWW-Authenticate": 'Bearer realm="roadbed"'})


def _insufficient(needed: str | None) -> InsufficientScope:
    challenge = f'Bearer realm="roadbed", error="insufficient_scope", scope="{needed}"'
    message = f"The key does not have the scope {needed}. Make one that has it with POST /v1/keys."
    return InsufficientScope(message, headers={"WWW-Authenticate": challenge})
