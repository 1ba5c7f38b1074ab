"""What wakes the claimer, and what it is told to look at.

A bell that only rings makes whoever hears it look at all that is due, and a backlog that nobody has room for is then
looked at for each event of the others. So it says for whom it rings, where that is few.
"""

import asyncio
from uuid import UUID

from api.webhooks.claims import MOST_LANES, Lane
from api.webhooks.outbox import IN_ORDER


class Bell(asyncio.Event):
    """`set` asks to look at everything, as does a ring that nobody can read; `name` at one endpoint alone, since there
    is news for it, and `call` since it has room again for what waits."""

    def __init__(self) -> None:
        super().__init__()
        self._lanes: dict[Lane, None] = {}
        self._calling: dict[Lane, None] = {}
        self._in_order = False
        self._everything = False

    def set(self) -> None:
        self._everything = True
        super().set()

    def name(self, lane: Lane) -> None:
        """Something may be due for this endpoint. More than can be looked at one by one are everything."""
        self._lanes[lane] = None
        if len(self._lanes) > MOST_LANES:
            self.set()
        super().set()

    def call(self, lane: Lane) -> None:
        """An endpoint has room again. A look at everything serves it as well."""
        self._calling[lane] = None
        super().set()

    def in_order(self) -> None:
        """Something that goes in an order may be due."""
        self._in_order = True
        super().set()

    def hear(self, payload: str | None) -> None:
        """A NOTIFY of the outbox, or None when some may have been missed."""
        workspace, _, rest = (payload or "").partition("/")
        mode, _, endpoints = rest.partition("/")
        endpoints, _, order = endpoints.partition("/")
        try:
            lanes = [(UUID(workspace), mode == "true", UUID(one)) for one in endpoints.split(",") if one]
        except ValueError:
            lanes, order = [], ""
        for lane in lanes:
            self.name(lane)
        if order == IN_ORDER:
            self.in_order()
        if not lanes and order != IN_ORDER:
            self.set()

    def take(self, *, everything: bool = False) -> tuple[list[Lane], bool, bool]:
        """The endpoints to look at, whether to look at what goes in an order, and whether at everything, as may be
        asked besides. All of it is forgotten."""
        everything = everything or self._everything
        lanes = list(self._lanes if everything else (self._lanes | self._calling))[:MOST_LANES]
        taken = lanes, self._in_order, everything
        self._lanes, self._calling, self._in_order, self._everything = {}, {}, False, False
        self.clear()
        return taken
