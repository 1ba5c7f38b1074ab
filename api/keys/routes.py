"""Keys over HTTP, and where GitHub tells of leaked ones."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response

from api import json
from api.accounts.auth import CallerOf, WorkspaceRoute
from api.accounts.schemas import KeyCreate, KeyCreated, KeyId, KeyShown
from api.http.etags import IfMatch, fresh_as_seen
from api.http.pagination import Listing, PageQuery
from api.http.reply import Reply, computed, created, no_content
from api.http.route import OpenRoute, OpenStores, Tx, operation
from api.keys.scanning import check_signature, revoke_leaked
from api.keys.schemas import Rotate
from api.keys.write import KEY, create, revoke, rotate
from api.problems import Invalid

_LIST = Listing(KEY.shape)

router = APIRouter(route_class=WorkspaceRoute, tags=["accounts"])
# For GitHub alone, in the form that GitHub prescribes: no part of the contract.
scanner = APIRouter(route_class=OpenRoute, include_in_schema=False)


@router.post("/keys", **operation("create_key", scope="keys:admin", returns=KeyCreated, status=201))
async def create_key(tx: Tx, caller: CallerOf, stores: OpenStores, key: KeyCreate) -> Reply:
    """Make a key for this workspace and mode. Its secret is told once, here."""
    return _told_once(*await create(tx, stores.settings.pepper_bytes, key, caller.scopes))


@router.get("/keys", **operation("list_keys", scope="keys:admin", returns=KeyShown, many=True))
async def list_keys(tx: Tx, request: Request, query: Annotated[PageQuery, Query()]) -> Reply:
    """The keys of this workspace and mode, newest first."""
    return await _LIST.page(tx, request, query)


@router.get("/keys/{id}", **operation("get_key", scope="keys:admin", returns=KeyShown))
async def get_key(tx: Tx, request: Request, id: KeyId) -> Response:
    """One key, without its secret."""
    return fresh_as_seen(request, await KEY.read(tx, id))


@router.post("/keys/{id}/rotate", **operation("rotate_key", scope="keys:admin", returns=KeyCreated, status=201))
async def rotate_key(
    tx: Tx, caller: CallerOf, stores: OpenStores, id: KeyId, given: Rotate, precondition: IfMatch
) -> Reply:
    """Make a new key with the same name and scopes; the old one works for `overlap_s` more seconds."""
    pepper = stores.settings.pepper_bytes
    return _told_once(*await rotate(tx, pepper, id, given.overlap_s, caller.scopes, precondition))


@router.delete("/keys/{id}", **operation("revoke_key", scope="keys:admin", status=204))
async def revoke_key(tx: Tx, id: KeyId, precondition: IfMatch) -> Response:
    """Revoke a key. It is refused everywhere within a second; its row stays, for the record."""
    await revoke(tx, id, precondition)
    return no_content()


@scanner.post("/secret-scanning/github", **operation("report_leaked_keys", scope=None))
async def report_leaked_keys(
    tx: Tx,
    request: Request,
    stores: OpenStores,
    identifier: Annotated[str, Header(alias="Github-Public-Key-Identifier", max_length=200)],
    signature: Annotated[str, Header(alias="Github-Public-Key-Signature", max_length=400)],
) -> Reply:
    """Take what GitHub's secret scanning found: keys of ours are revoked at once, and their workspaces told."""
    check_signature(stores.settings.github_scanning_keys, identifier, signature, await request.body())
    parsed = await request.json()
    if parsed is None:
        raise Invalid("The body is empty.")
    return computed(await revoke_leaked(tx, stores.settings.pepper_bytes, parsed, request.state.request_id))


def _told_once(text: str, secret: str) -> Reply:
    shown = json.load(text)
    return created(f'{text[:-1]},"secret":{json.dump(secret)}}}', f"/v1/keys/{shown['id']}", shown["version"])
