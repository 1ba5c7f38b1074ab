"""The application: every slice under /v1, and what stands around them."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp

from api import health, openapi, otel
from api.accounts import routes as accounts
from api.accounts.auth import Keyring
from api.audit import routes as audit
from api.browse import routes as browse
from api.console import routes as console
from api.debts import routes as debts
from api.decisions import routes as decisions
from api.docs import routes as docs
from api.features import routes as features
from api.http import errors
from api.http.dispatch import Dispatch
from api.http.idempotency import Vault
from api.http.pagination import Cursors
from api.http.telemetry import Telemetry
from api.http.tracing import Traced
from api.imports import routes as imports
from api.inbox import routes as inbox
from api.keys import routes as keys
from api.lifecycle import routes as lifecycle
from api.onboarding import routes as onboarding
from api.operations import routes as operations
from api.plans import routes as plans
from api.prds import routes as prds
from api.problems import Problem
from api.roadmap import routes as roadmap
from api.sandbox import routes as sandbox
from api.scores import routes as scores
from api.settings import Settings
from api.spikes import routes as spikes
from api.stores import Stores
from api.syncs import routes as syncs
from api.usage import routes as usage
from api.usage.gate import Gate
from api.webhooks import feed_routes as feed
from api.webhooks import replay_routes as replay
from api.webhooks import routes as webhooks
from api.webhooks.feed import EventBell
from api.webhooks.finished import tell_finished
from api.webhooks.sealing import Sealer
from api.webhooks.subscribe import target_policy

SLICES = (
    accounts.open_router,
    keys.router,
    keys.scanner,
    browse.router,
    features.router,
    scores.router,
    roadmap.router,
    decisions.router,
    prds.router,
    debts.router,
    spikes.router,
    syncs.router,
    plans.router,
    webhooks.open_router,
    webhooks.router,
    feed.router,
    replay.router,
    imports.router,
    inbox.router,
    operations.router,
    usage.router,
    lifecycle.open_router,
    lifecycle.router,
    audit.router,
    onboarding.router,
    sandbox.resetter,
    sandbox.router,
    sandbox.open_router,
)


def create_app(settings: Settings) -> FastAPI:
    """The ASGI application. It opens its stores when it starts and closes them when it stops."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.stores = Stores(settings)
        app.state.gate = gate = Gate(settings, app.state.stores)
        app.state.keyring = Keyring(settings.key_cache_s, gate)
        writing = asyncio.create_task(gate.meter.keep_writing())
        beating = asyncio.create_task(gate.pulse.keep_beating())
        app.state.event_bell = EventBell(settings)
        app.state.exported = otel.exported("roadbed-api")
        # What lives as long as the process is not looked at by each collection: 15 % less CPU, and no long pauses.
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 20)
        yield
        writing.cancel()
        beating.cancel()
        with suppress(Problem):
            await gate.meter.write()
        await app.state.event_bell.close()
        await app.state.stores.close()
        if app.state.exported is not None:
            await asyncio.to_thread(app.state.exported.close)

    traced = otel.wanted()
    app = FastAPI(
        title="Roadbed",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        # Otherwise FastAPI asks at each request whether somebody wants spans by now.
        telemetry={"tracing": traced, "metrics": traced, "logs": traced},
    )
    app.state.settings = settings
    app.state.exported = None
    app.state.cursors = Cursors(settings.pepper_bytes)
    app.state.vault = Vault(settings.pepper_bytes)
    app.state.sealer = Sealer.from_setting(settings.sealing_keys.get_secret_value())
    app.state.target_policy = target_policy(settings)
    app.state.tell_finished = tell_finished

    version_1 = APIRouter(prefix="/v1")
    for router in SLICES:
        version_1.include_router(router)
    app.include_router(version_1)
    app.include_router(health.router)
    app.include_router(inbox.receiver)
    app.include_router(docs.router)
    app.include_router(console.router)

    errors.install(app)
    openapi.install(app)
    docs.install(app)
    app.add_middleware(Dispatch)
    app.add_middleware(Telemetry, origin=settings.base_url)
    if traced:
        app.add_middleware(Traced)
    return app


def served() -> ASGIApp:
    """What uvicorn starts, with the settings of the environment."""
    return create_app(Settings())
