"""The inbox over HTTP: a receiver that anyone may post to, its page, and its list."""

import asyncio
from dataclasses import replace
from html import escape
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from starlette.requests import ClientDisconnect
from starlette.responses import HTMLResponse

from api import json
from api.accounts.auth import CallerOf, WorkspaceRoute
from api.http.pagination import Listing, PageQuery
from api.http.reply import Reply, computed
from api.http.route import OpenStores, Tx, operation
from api.inbox.receive import MESSAGE, MOST_BODY_BYTES, NEWEST, address_of, receive, scope_of
from api.inbox.schemas import InboxShown, MessageShown
from api.problems import Invalid, NotFound, RequestTimeout, TooLarge
from api.stores import Scope

_MESSAGES = Listing(MESSAGE)
_MOST_ON_A_PAGE = 50
_LONGEST_DELAY_S = 30

router = APIRouter(route_class=WorkspaceRoute, tags=["webhooks"])
receiver = APIRouter(include_in_schema=False)


@router.get("/inbox", **operation("get_inbox", scope="webhooks:read", returns=InboxShown))
async def get_inbox(request: Request, caller: CallerOf, stores: OpenStores) -> Reply:
    """The address of this workspace's built-in receiver, to point an endpoint at."""
    address = address_of(caller.scope, stores.settings.pepper_bytes)
    return computed({"object": "inbox", "url": f"{stores.settings.base_url}/inbox/{address}"})


@router.get(
    "/inbox/messages", **operation("list_inbox_messages", scope="webhooks:read", returns=MessageShown, many=True)
)
async def list_messages(tx: Tx, request: Request, query: Annotated[PageQuery, Query()]) -> Reply:
    """What the inbox received, newest first: the last 200."""
    return await _MESSAGES.page(tx, request, query)


@receiver.post("/inbox/{address}")
async def post_message(
    request: Request,
    address: str,
    status: Annotated[int, Query(ge=200, le=599)] = 204,
    delay_s: Annotated[float, Query(ge=0, le=_LONGEST_DELAY_S)] = 0,
) -> Response:
    """Take a webhook. `?status=500` answers that, `?delay_s=5` waits first."""
    stores = request.app.state.stores
    scope = replace(_scope(request, address), sandbox="shared")
    body = await _body(request)
    await asyncio.sleep(delay_s)
    async with stores.transaction(scope) as tx:
        headers = {name.lower(): value for name, value in request.headers.items()}
        await receive(tx, request.app.state.sealer, headers, body, status)
        await tx.commit()
    return Response(status_code=status)


@receiver.get("/inbox/{address}")
async def show_messages(request: Request, address: str) -> Response:
    """The page: what arrived, newest first. It loads itself again every two seconds."""
    async with request.app.state.stores.transaction(_scope(request, address)) as tx:
        rows = await tx.all(NEWEST, most=_MOST_ON_A_PAGE)
    articles = "".join(_article(row["json"]) for row in rows) or "<p>Nothing has arrived yet.</p>"
    headers = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'", "Cache-Control": "no-store"}
    return HTMLResponse(_PAGE.replace("{{articles}}", articles), headers=headers)


def _scope(request: Request, address: str) -> Scope:
    scope = scope_of(address, request.app.state.settings.pepper_bytes)
    if scope is None:
        raise NotFound("There is no such inbox. GET /v1/inbox tells the address of yours.")
    return scope


async def _body(request: Request) -> bytes:
    body = b""
    try:
        async with asyncio.timeout(10):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MOST_BODY_BYTES:
                    raise TooLarge(f"The inbox takes {MOST_BODY_BYTES:,} bytes at most.")
    except TimeoutError:
        raise RequestTimeout("The body did not arrive within 10 s. Send it again.") from None
    except ClientDisconnect:
        raise Invalid("The request ended before its body did.") from None
    return body


def _article(text: str) -> str:
    """Everything in it came from outside: all of it is escaped."""
    message = json.load(text)
    headers = "".join(f"<tr><th>{escape(name)}<td>{escape(value)}" for name, value in message["headers"].items())
    state = "verified" if message["verified"] else "not verified"
    return (
        f'<article class="{state.replace(" ", "-")}"><h2>{escape(message["received_at"])} · signature {state} · '
        f"answered {message['answered']}</h2><table>{headers}</table><pre>{escape(message['body'])}</pre></article>"
    )


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Roadbed inbox</title><meta http-equiv="refresh" content="2">
<meta name="viewport" content="width=device-width"><style>
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c2733}
article{border:1px solid #d5dde5;border-left:4px solid #b3541e;border-radius:4px;padding:.5rem 1rem;margin:1rem 0}
article.verified{border-left-color:#1a7f4b}h2{font-size:1rem}th{text-align:left;padding-right:1rem;font-weight:500}
td{font-family:ui-monospace,monospace;font-size:.8rem;word-break:break-all}
pre{white-space:pre-wrap;word-break:break-word;background:#f5f7f9;padding:.75rem;border-radius:4px;font-size:.8rem}
</style></head><body><h1>Inbox</h1><p>Webhooks that arrived here, newest first. The page loads itself again.</p>
{{articles}}</body></html>"""
