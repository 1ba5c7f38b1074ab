"""arq's part: the doorbell where it is Redis, and the clock of what is done by the hour.

arq never holds what must not be lost. When Redis is away deliveries go on, since Postgres rings and the courier sweeps.
"""

import asyncio
import contextlib
from typing import Any

import structlog
from arq import Worker, cron
from arq.connections import RedisSettings
from arq.typing import WorkerCoroutine

from api import json
from api.settings import Settings
from api.stores import Stores
from workers.prune import prune
from workers.reviews import review

Context = dict[Any, Any]

log = structlog.get_logger()

# How often arq looks for a ring, and where Postgres rings only for what its clock says.
POLL_S = 0.05
CLOCK_POLL_S = 0.5
JOB_TIMEOUT_S = 30
RECONNECT_S = 1.0


async def keep_working(settings: Settings, stores: Stores, bell: asyncio.Event) -> None:
    """Run arq's worker, and again whenever Redis was away: arq itself ends when it loses it."""
    while True:
        worker = _worker(settings, stores, bell)
        try:
            await worker.async_run()
        except asyncio.CancelledError:
            with contextlib.suppress(Exception):
                await worker.close()
            raise
        except Exception as error:
            log.warning("arq_lost_redis", error=repr(error))
            with contextlib.suppress(Exception):
                await worker.close()
        await asyncio.sleep(RECONNECT_S)


async def ring(context: Context) -> None:
    """The bell of `ROADBED_BELL=redis`. Rings coalesce: they share one job id."""
    context["bell"].set()


async def sweep(context: Context) -> None:
    """Ring every so often, for whatever a lost ring left."""
    context["bell"].set()


def _job(coroutine: Any) -> WorkerCoroutine:
    """arq's protocol asks for a `__qualname__`, which mypy does not see on functions."""
    job: WorkerCoroutine = coroutine
    return job


def _worker(settings: Settings, stores: Stores, bell: asyncio.Event) -> Worker:
    redis = RedisSettings.from_dsn(settings.redis_url)
    redis.conn_retries, redis.conn_timeout = 0, 2
    return Worker(
        functions=[_job(ring)],
        cron_jobs=[
            cron(_job(sweep), second={0, 15, 30, 45}, run_at_startup=True, keep_result=0),
            cron(_job(prune), minute=7, second=0, timeout=JOB_TIMEOUT_S, keep_result=0),
            cron(_job(review), second=30, timeout=JOB_TIMEOUT_S, keep_result=0),
        ],
        redis_settings=redis,
        ctx={"bell": bell, "stores": stores},
        poll_delay=POLL_S if settings.bell == "redis" else CLOCK_POLL_S,
        job_timeout=JOB_TIMEOUT_S,
        keep_result=0,
        handle_signals=False,
        log_results=False,
        # arq pickles by default: what comes out of Redis must not be able to run.
        job_serializer=lambda job: json.dump(job).encode(),
        job_deserializer=json.load,
    )
