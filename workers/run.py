"""The worker process: the courier, the bell, and arq beside them."""

import asyncio
import contextlib
import signal

import structlog

from api.settings import Settings
from api.stores import WORKER_ROLE, open_stores
from api.webhooks.sealing import Sealer
from api.webhooks.subscribe import target_policy
from workers.deliver import Courier, listen
from workers.sender import Sender
from workers.settings import keep_working

log = structlog.get_logger()


async def run_worker(settings: Settings, stop: asyncio.Event | None = None) -> None:
    """Work until SIGTERM or SIGINT, or until `stop` is set; what is under way is finished and recorded first."""
    stop = stop or _stopped_by_signals()
    sealer = Sealer.from_setting(settings.sealing_keys.get_secret_value())
    async with open_stores(settings, role=WORKER_ROLE) as stores, Sender(target_policy(settings)) as sender:
        courier = Courier(stores, sender, sealer)
        beside = [asyncio.create_task(keep_working(settings, stores, courier.bell))]
        if settings.bell == "notify":
            beside.append(asyncio.create_task(listen(settings, courier.bell)))
        log.info("worker_started", bell=settings.bell)
        try:
            await courier.run(stop)
        finally:
            for task in beside:
                task.cancel()
            for task in beside:
                with contextlib.suppress(asyncio.CancelledError):
                    await task
    log.info("worker_stopped")


def _stopped_by_signals() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop
