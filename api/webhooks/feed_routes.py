"""Events over HTTP: the list, the feed with long-poll, and the stream."""

import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from starlette.responses import StreamingResponse

from api import json
from api.accounts.auth import CallerOf, Keyring, WorkspaceRoute
from api.accounts.tenancy import one
from api.http.pagination import Cursors
from api.http.reply import Reply
from api.http.route import OpenStores, Tx, operation
from api.problems import InsufficientScope, Problem
from api.stores import Scope, Stores
from api.webhooks.feed import EventBell, Follower, Look, Position, Told, cursor_of, position_of
from api.webhooks.feed_schemas import EventQuery, StreamQuery
from api.webhooks.log import EVENT_BY_ID, EVENTS
from api.webhooks.schemas import EventId, EventShown

SCOPE = "webhooks:read"
STREAM_PAGE = 100
RECHECK_S = 1.0
RETRY_MS = 1000

router = APIRouter(route_class=WorkspaceRoute, tags=["webhooks"])


@router.get("/events", **operation("list_events", scope=SCOPE, returns=EventShown, many=True))
async def list_events(
    tx: Tx, request: Request, caller: CallerOf, stores: OpenStores, query: Annotated[EventQuery, Query()]
) -> Reply:
    """What happened, each as it was sent: newest first, or with `after` oldest first, where no event is ever skipped.

    Poll with the `next_cursor` of the answer before; it is given even when nothing has come. `wait_s` holds the
    request until something has.
    """
    if query.after is None:
        return await EVENTS.page(tx, request, query)
    state = request.app.state
    start = await position_of(stores, caller.scope, state.cursors, query.after, "after")
    bell: EventBell = state.event_bell
    with bell.hearing(caller.scope) as news:
        found = await Follower(stores, caller.scope, news, start, query.type).next(query.limit, query.wait_s)
    return _page(state.cursors, caller.scope, found)


_STREAM: Any = {
    200: {
        "description": "Events as they come, each with its cursor as `id`. Ends after some minutes: connect again.",
        # A string, not itemSchema: that is a word of OpenAPI 3.2, which tools for 3.1 refuse.
        "content": {
            "text/event-stream": {
                "schema": {"type": "string", "maxLength": 1_000_000},
                "example": 'id: AbC…\nevent: decision.recorded\ndata: {"id":"evt_…"}\n\n',
            }
        },
    }
}


@router.get("/events/stream", **operation("stream_events", scope=SCOPE), responses=_STREAM)
async def stream_events(
    request: Request,
    caller: CallerOf,
    stores: OpenStores,
    query: Annotated[StreamQuery, Query()],
    last_event_id: Annotated[
        str | None,
        Header(
            alias="Last-Event-ID", min_length=1, max_length=1000, description="The `id` of the last event that came."
        ),
    ] = None,
) -> Response:
    """Events as server-sent events, from `Last-Event-ID`, else from `after`, else from now on."""
    state = request.app.state
    after, name = (query.after, "after") if last_event_id is None else (last_event_id, "Last-Event-ID")
    start = await position_of(stores, caller.scope, state.cursors, after, name)
    bell: EventBell = state.event_bell
    bell.check_room(caller.scope)
    lines = _Stream(request, stores, caller.scope).lines(bell, start, query.type)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(lines, headers=headers, media_type="text/event-stream")


@router.get("/events/{id}", **operation("get_event", scope=SCOPE, returns=EventShown))
async def get_event(tx: Tx, id: EventId) -> Reply:
    """One event, as it was sent."""
    return Reply((await one(tx, EVENT_BY_ID, id, "event", "evt"))["json"])


class _Stream:
    """One open stream: how long it lasts, when its heart beats, and whether its key is still good."""

    def __init__(self, request: Request, stores: Stores, scope: Scope) -> None:
        self._keyring: Keyring = request.app.state.keyring
        self._cursors: Cursors = request.app.state.cursors
        self._secret = request.headers["authorization"].partition(" ")[2].strip()
        self._stores = stores
        self._scope = scope

    async def lines(self, bell: EventBell, start: Position, types: list[str] | None) -> AsyncIterator[str]:
        """What is sent, until the stream's time is over, its key is refused, or Postgres is away."""
        yield f"retry: {RETRY_MS}\n\n"
        try:
            with bell.hearing(self._scope) as news:
                async for text in self._events(Follower(self._stores, self._scope, news, start, types)):
                    yield text
        except Problem as problem:
            # The client connects again, where it was.
            yield f": {problem.code}\n\n"

    async def _events(self, follower: Follower) -> AsyncIterator[str]:
        settings = self._stores.settings
        until, beat_at = time.monotonic() + settings.stream_s, 0.0
        while (now := time.monotonic()) < until:
            if (problem := await self._refusal()) is not None:
                yield f"event: error\ndata: {json.dump({'code': problem.code, 'message': problem.message})}\n\n"
                return
            if now >= beat_at:
                beat_at = now + settings.stream_heartbeat_s
                yield ": here\n\n"
            found = await follower.next(STREAM_PAGE, max(min(RECHECK_S, until - now, beat_at - now), 0))
            if found.events:
                beat_at = time.monotonic() + settings.stream_heartbeat_s
                yield "".join(self._message(told) for told in found.events)

    async def _refusal(self) -> Problem | None:
        """Why the key may no longer read, looked at every second; the keyring asks Postgres at most twice as often."""
        try:
            caller = await self._keyring.caller(self._secret, self._stores)
        except Problem as problem:
            if problem.status >= 500:
                raise
            return problem
        return None if SCOPE in caller.scopes else InsufficientScope(f"The key does not have the scope {SCOPE}.")

    def _message(self, told: Told) -> str:
        cursor = cursor_of(self._cursors, self._scope, told.position)
        return f"id: {cursor}\nevent: {told.type}\ndata: {told.json}\n\n"


def _page(cursors: Cursors, scope: Scope, found: Look) -> Reply:
    cursor = json.dump(cursor_of(cursors, scope, found.position))
    events = ",".join(told.json for told in found.events)
    more = "true" if found.more else "false"
    return Reply(f'{{"object":"list","data":[{events}],"has_more":{more},"next_cursor":{cursor}}}')
