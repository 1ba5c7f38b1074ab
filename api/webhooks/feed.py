"""The pull feed: the same events as webhooks, oldest first, none left out, for those who cannot receive.

A position is (xid, id). What waits for news holds no database connection: one connection a process listens for all,
and a follower looks only when its workspace has been named, or when something is there that is not yet settled.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Text, Uuid, bindparam, case, func, or_, select

from api.accounts.tenancy import owned
from api.bells import listen
from api.db import parse_id
from api.http.pagination import Cursors, InvalidCursor
from api.http.ratelimit import TooManyRequests
from api.problems import Invalid, Pointer, Unavailable
from api.settings import Settings
from api.stores import APP_ROLE, Prepared, Scope, Stores
from api.webhooks.log import EVENT
from api.webhooks.models import Event

CHANNEL = "roadbed_events"
MOST_FOLLOWERS = 2000
MOST_OF_A_WORKSPACE = 200
# One look reads at most so many events, however few of them are of a wanted type.
MOST_SCANNED = 1000
# Looking this often anyway costs little, and mends whatever a lost ring left.
LOOK_ANYWAY_S = 5.0
FIRST_PAUSE_S = 0.01
LONGEST_PAUSE_S = 0.5

# Every transaction below it has ended, and what it wrote is seen.
HORIZON = func.pg_snapshot_xmin(func.pg_current_snapshot()).cast(Text).cast(BigInteger)
_BEYOND = func.row(Event.xid, Event.id) > func.row(
    bindparam("after_xid", type_=BigInteger), bindparam("after_id", type_=Uuid)
)
_types = bindparam("types", type_=ARRAY(Text))
_LOOK = Prepared(
    select(
        Event.xid,
        Event.id,
        Event.type,
        case((or_(_types.is_(None), Event.type == func.any(_types)), EVENT.json())).label("json"),
    )
    .where(owned(Event), _BEYOND, Event.xid < HORIZON)
    .order_by(Event.xid, Event.id)
    .limit(bindparam("most"))
)
_UNSETTLED = Prepared(select(select(Event.id).where(owned(Event), _BEYOND).limit(1).exists()))
_NOW = Prepared(select(HORIZON - 1))
_POSITION_OF = Prepared(select(Event.xid, Event.id).where(owned(Event), Event.id == bindparam("id")))


@dataclass(frozen=True)
class Position:
    """Just after this event of this transaction."""

    xid: int
    event_id: UUID


START = Position(0, UUID(int=0))


@dataclass(frozen=True)
class Told:
    """An event as JSON text, its type, and the position after it."""

    json: str
    type: str
    position: Position


@dataclass(frozen=True)
class Look:
    """What one look found. `position` is where the next begins; `more` says that it may find something at once."""

    events: list[Told]
    position: Position
    more: bool
    unsettled: bool


class EventBell:
    """Tells followers that their workspace has a new event, over one connection for the whole process.

    Behind a pooler (`ROADBED_BELL=redis`) nothing can be listened to: everyone is told twice a second instead.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._followers: dict[str, set[asyncio.Event]] = {}
        self._of_workspace: Counter[UUID | None] = Counter()
        self.waiting = 0  # how many follow now
        self._listening: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def hearing(self, scope: Scope) -> Iterator[asyncio.Event]:
        """An event that is set at each news for this workspace and mode. Raises Unavailable when too many wait."""
        self.check_room(scope)
        if self._listening is None or self._listening.done():
            self._listening = asyncio.create_task(self._listen())
        name = f"{scope.workspace_id}/{str(scope.livemode).lower()}"
        news = asyncio.Event()
        self._followers.setdefault(name, set()).add(news)
        self._of_workspace[scope.workspace_id] += 1
        self.waiting += 1
        try:
            yield news
        finally:
            self.waiting -= 1
            self._of_workspace[scope.workspace_id] -= 1
            if not self._of_workspace[scope.workspace_id]:
                del self._of_workspace[scope.workspace_id]
            followers = self._followers[name]
            followers.discard(news)
            if not followers:
                del self._followers[name]

    def check_room(self, scope: Scope) -> None:
        """Raises TooManyRequests when as many wait as may for this workspace, and Unavailable for all of them."""
        if self._of_workspace[scope.workspace_id] >= MOST_OF_A_WORKSPACE:
            message = (
                f"{MOST_OF_A_WORKSPACE} requests of this workspace wait for events already. "
                "One stream for each process of yours is enough: close some, or ask again in a second."
            )
            raise TooManyRequests(message, headers={"Retry-After": "1"})
        if self.waiting >= MOST_FOLLOWERS:
            raise Unavailable(f"{MOST_FOLLOWERS} requests wait for events already. Ask again in a second.")

    async def close(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.wait([self._listening])

    async def _listen(self) -> None:
        if self._settings.bell == "notify":
            await listen(self._settings, APP_ROLE, CHANNEL, self._hear)
        while True:
            self._hear(None)
            await asyncio.sleep(LONGEST_PAUSE_S)

    def _hear(self, name: str | None) -> None:
        named = self._followers.values() if name is None else [self._followers.get(name, set())]
        for followers in named:
            for news in followers:
                news.set()


class Follower:
    """Reads on from a position, and waits for what comes. Use it within `EventBell.hearing`."""

    def __init__(
        self, stores: Stores, scope: Scope, news: asyncio.Event, position: Position, types: list[str] | None
    ) -> None:
        self._stores = stores
        self._scope = scope
        self._news = news
        self._types = types
        self._look_at = 0.0
        self._pause_s = FIRST_PAUSE_S
        self.position = position

    async def next(self, limit: int, wait_s: float) -> Look:
        """The next events, up to `limit`, once there are any; none when `wait_s` is over."""
        deadline = time.monotonic() + wait_s
        found = Look([], self.position, more=False, unsettled=False)
        while True:
            if self._news.is_set() or time.monotonic() >= self._look_at:
                found = await self._look(limit)
                if found.events:
                    return found
            now = time.monotonic()
            if now >= deadline:
                return found
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(min(deadline, self._look_at) - now, 0)):
                    await self._news.wait()

    async def _look(self, limit: int) -> Look:
        self._news.clear()
        found = await look(self._stores, self._scope, self.position, self._types, limit)
        self.position = found.position
        if found.events or found.more:
            self._look_at, self._pause_s = 0.0, FIRST_PAUSE_S
        elif found.unsettled:
            # Committed, but an older transaction still runs: its end rings no bell of ours.
            self._look_at = time.monotonic() + self._pause_s
            self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)
        else:
            self._look_at, self._pause_s = time.monotonic() + LOOK_ANYWAY_S, FIRST_PAUSE_S
        return found


async def look(stores: Stores, scope: Scope, position: Position, types: list[str] | None, limit: int) -> Look:
    """What stands after the position and is settled, oldest first. One bounded statement, two when it finds nothing."""
    most = limit + 1 if types is None else MOST_SCANNED
    async with stores.transaction(scope) as tx:
        rows = await tx.all(_LOOK, after_xid=position.xid, after_id=position.event_id, types=types, most=most)
        wanted = [row for row in rows if row["json"] is not None]
        unsettled = not rows and await tx.value(_UNSETTLED, after_xid=position.xid, after_id=position.event_id)
    cut = len(wanted) > limit
    events = [Told(row["json"], row["type"], Position(row["xid"], row["id"])) for row in wanted[:limit]]
    if cut:
        position = events[-1].position
    elif rows:
        position = Position(rows[-1]["xid"], rows[-1]["id"])
    return Look(events, position, more=cut or len(rows) == most, unsettled=bool(unsettled))


async def position_of(stores: Stores, scope: Scope, cursors: Cursors, after: str, name: str) -> Position:
    """The position that a caller means: `start`, `now`, an event's id, or a cursor of this feed. Raises Invalid.

    `name` is the parameter that held it, or the header `Last-Event-ID`.
    """
    kind: Literal["header", "parameter"] = "header" if name == "Last-Event-ID" else "parameter"
    if after == "start":
        return START
    if after == "now":
        async with stores.transaction(scope) as tx:
            return Position(await tx.value(_NOW), UUID(int=2**128 - 1))
    event_id = parse_id("evt", after)
    if event_id is None:
        try:
            xid, last_id = cursors.read(after, _binding(scope))
        except InvalidCursor as error:
            place = Pointer("invalid_cursor", "is not a cursor of this feed", kind, name)
            raise InvalidCursor(error.message, errors=(place,)) from None
        return Position(xid, last_id)
    async with stores.transaction(scope) as tx:
        row = await tx.first(_POSITION_OF, id=event_id)
    if row is None:
        message = f"There is no event {after} here, or it is no longer kept. Use next_cursor, or `start`."
        raise Invalid(message, errors=(Pointer("unknown_event", message, kind, name),))
    return Position(row["xid"], row["id"])


def cursor_of(cursors: Cursors, scope: Scope, position: Position) -> str:
    """Opaque text for a position; whatever types are asked for, it is good for all."""
    return cursors.write([position.xid, position.event_id], _binding(scope))


def _binding(scope: Scope) -> bytes:
    return f"event feed {scope.workspace_id} {scope.livemode}".encode()
