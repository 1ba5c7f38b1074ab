"""The worker process: the courier, the bell, and arq beside them."""

import asyncio
import contextlib
import functools
import gc
import signal

import structlog
from prometheus_client import start_http_server

from api import otel
from api.bells import listen as hear
from api.operations.start import CHANNEL
from api.settings import Settings
from api.stores import WORKER_ROLE, open_stores
from api.webhooks.sealing import Sealer
from api.webhooks.subscribe import target_policy
from workers import attempts
from workers.deliver import Courier, listen
from workers.first_calls import keep_telling
from workers.holding import keep_holding
from workers.metrics import keep_counting, keep_counting_workspaces
from workers.operations import Operator
from workers.sandboxes import keep_pruning
from workers.seal import keep_sealing
from workers.sender import Sender
from workers.settings import keep_working

log = structlog.get_logger()


async def run_worker(settings: Settings, stop: asyncio.Event | None = None) -> None:
    """Work until SIGTERM or SIGINT, or until `stop` is set; what is under way is finished and recorded first."""
    stop = stop or _stopped_by_signals()
    sealer = Sealer.from_setting(settings.sealing_keys.get_secret_value())
    async with (
        open_stores(settings, role=WORKER_ROLE) as stores,
        open_stores(settings) as app_stores,
        Sender(target_policy(settings)) as sender,
    ):
        exported = otel.exported("roadbed-worker")
        tell = None if exported is None else functools.partial(attempts.tell, exported)
        courier = Courier(stores, sender, sealer, tell=tell)
        operator = Operator(stores, app_stores)
        beside = [
            asyncio.create_task(keep_working(settings, stores, _Chime(courier.bell, operator.bell))),
            asyncio.create_task(operator.run(stop)),
        ]
        if settings.bell == "notify":
            beside.append(asyncio.create_task(listen(settings, courier.bell)))
            beside.append(asyncio.create_task(hear(settings, WORKER_ROLE, CHANNEL, lambda _: operator.bell.set())))
        beside.append(asyncio.create_task(keep_counting(stores)))
        beside.append(asyncio.create_task(keep_counting_workspaces(app_stores)))
        beside.append(asyncio.create_task(keep_sealing(stores)))
        beside.append(asyncio.create_task(keep_holding(stores)))
        beside.append(asyncio.create_task(keep_pruning(stores, app_stores)))
        beside.append(asyncio.create_task(keep_telling(stores, app_stores)))
        if settings.worker_metrics_port:
            start_http_server(settings.worker_metrics_port, settings.host)
        # What lives as long as the process is not looked at by each collection.
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 20)
        log.info("worker_started", bell=settings.bell)
        try:
            await courier.run(stop)
            await beside[1]
        finally:
            for task in beside:
                task.cancel()
            for task in beside:
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            if exported is not None:
                await asyncio.to_thread(exported.close)
    log.info("worker_stopped")


class _Chime(asyncio.Event):
    """Redis has one bell for all: whoever rings it rings each."""

    def __init__(self, *bells: asyncio.Event) -> None:
        super().__init__()
        self._bells = bells

    def set(self) -> None:
        for bell in self._bells:
            bell.set()


def _stopped_by_signals() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop
