"""Signing up over HTTP; `api/keys` has the keys."""

from fastapi import APIRouter

from api import json
from api.accounts.schemas import SignedUp, Signup
from api.accounts.signup import sign_up
from api.db import wire_id
from api.http.reply import Reply, created
from api.http.route import OpenRoute, OpenStores, Tx, operation

open_router = APIRouter(route_class=OpenRoute, tags=["accounts"])


@open_router.post("/signup", **operation("sign_up", scope=None, returns=SignedUp, status=201))
async def post_signup(tx: Tx, stores: OpenStores, signup: Signup) -> Reply:
    """Make a workspace with a live key and a test key. The secrets are told once, here; `Location` is the live key."""
    workspace, live, test = await sign_up(tx, stores.settings.pepper_bytes, signup)
    keys = {
        name: {"id": wire_id("key", key.id), "secret": key.secret}
        for name, key in (("live_key", live), ("test_key", test))
    }
    location = f"/v1/keys/{keys['live_key']['id']}"
    return created(f'{{"workspace":{workspace},{json.dump(keys)[1:]}', location)
