"""Signup and keys over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import bindparam, func, update

from api import json
from api.accounts import secrets
from api.accounts.auth import CallerOf, WorkspaceRoute
from api.accounts.models import Key
from api.accounts.schemas import KeyCreate, KeyCreated, KeyId, KeyShown, SignedUp, Signup
from api.accounts.scopes import covers
from api.accounts.signup import sign_up
from api.accounts.tenancy import Resource, one, owned
from api.db import uuid7, wire_id
from api.http.etags import fresh
from api.http.pagination import Listing, PageQuery
from api.http.reply import Reply, created, no_content
from api.http.representation import Representation
from api.http.route import OpenRoute, OpenStores, Tx, operation
from api.problems import InsufficientScope, Pointer
from api.stores import Prepared

KEY = Resource(Representation(KeyShown, Key.__table__, "key"))
_INSERT = KEY.insert("id", "name", "hint", "digest", "scopes", "expires_at")
_REVOKE = Prepared(
    update(Key)
    .values(revoked_at=func.coalesce(Key.revoked_at, func.now()), version=Key.version + 1, updated_at=func.now())
    .where(owned(Key), Key.id == bindparam("id"))
    .returning(Key.version)
)
_LIST = Listing(KEY.shape)

open_router = APIRouter(route_class=OpenRoute, tags=["accounts"])
router = APIRouter(route_class=WorkspaceRoute, tags=["accounts"])


@open_router.post("/signup", **operation("sign_up", scope=None, returns=SignedUp, status=201))
async def post_signup(tx: Tx, stores: OpenStores, signup: Signup) -> Reply:
    """Make a workspace with a live key and a test key. The secrets are told once, here."""
    workspace, live, test = await sign_up(tx, stores.settings.pepper_bytes, signup)
    keys = {
        name: {"id": wire_id("key", key.id), "secret": key.secret}
        for name, key in (("live_key", live), ("test_key", test))
    }
    return Reply(f'{{"workspace":{workspace},{json.dump(keys)[1:]}', 201)


@router.post("/keys", **operation("create_key", scope="keys:admin", returns=KeyCreated, status=201))
async def create_key(tx: Tx, caller: CallerOf, stores: OpenStores, key: KeyCreate) -> Reply:
    """Make a key for this workspace and mode. Its secret is told once, here."""
    if not covers(caller.scopes, key.scopes):
        message = "A key cannot hand on scopes that it does not have."
        raise InsufficientScope(message, errors=(Pointer("insufficient_scope", message, "field", "/scopes"),))
    secret = secrets.new_secret(caller.livemode)
    row = await tx.first(
        _INSERT,
        id=(key_id := uuid7()),
        name=key.name,
        hint=secret[-4:],
        digest=secrets.digest(secret, stores.settings.pepper_bytes),
        scopes=sorted(set(key.scopes)),
        expires_at=key.expires_at,
    )
    assert row is not None
    text = f'{row["json"][:-1]},"secret":{json.dump(secret)}}}'
    return created(text, f"/v1/keys/{wire_id('key', key_id)}", row["version"])


@router.get("/keys", **operation("list_keys", scope="keys:admin", returns=KeyShown, many=True))
async def list_keys(tx: Tx, request: Request, query: Annotated[PageQuery, Query()]) -> Reply:
    """The keys of this workspace and mode, newest first."""
    return await _LIST.page(tx, request, query)


@router.get("/keys/{id}", **operation("get_key", scope="keys:admin", returns=KeyShown))
async def get_key(tx: Tx, request: Request, id: KeyId) -> Response:
    """One key, without its secret."""
    return fresh(request, await KEY.read(tx, id))


@router.delete("/keys/{id}", **operation("revoke_key", scope="keys:admin", status=204))
async def revoke_key(tx: Tx, id: KeyId) -> Response:
    """Revoke a key. It is refused everywhere within a second; its row stays, for the record."""
    await one(tx, _REVOKE, id, "key", "key")
    return no_content()
