"""Hearing NOTIFY: one connection of its own that is made again whenever it is lost."""

import asyncio
import contextlib
from collections.abc import Callable

import asyncpg
import structlog

from api.settings import Settings

log = structlog.get_logger()

RECONNECT_S = 0.5


async def listen(settings: Settings, role: str, channel: str, hear: Callable[[str | None], None]) -> None:
    """Call `hear` with the payload of each NOTIFY on the channel, for ever.

    It is called with None each time the connection stands anew: what was told meanwhile is lost, so look at everything.
    `LISTEN` needs a session of its own, which a pooler in transaction mode does not give.
    """
    while True:
        try:
            await _listen_once(settings, role, channel, hear)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
            log.warning("bell_lost", channel=channel, error=repr(error))
        await asyncio.sleep(RECONNECT_S)


async def _listen_once(settings: Settings, role: str, channel: str, hear: Callable[[str | None], None]) -> None:
    lost = asyncio.Event()
    connection = await asyncpg.connect(
        settings.database_url, timeout=5, server_settings={"role": role, "application_name": f"{role}_bell"}
    )
    try:
        connection.add_termination_listener(lambda _: lost.set())
        await connection.add_listener(channel, lambda _connection, _pid, _channel, payload: hear(str(payload)))
        hear(None)
        await lost.wait()
    finally:
        # Shielded by a bound, not by a wait: a server that is gone answers no goodbye.
        with contextlib.suppress(Exception):
            await connection.close(timeout=1)
