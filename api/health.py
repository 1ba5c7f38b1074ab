"""Whether the process lives, whether it can work, and how it does."""

from pathlib import Path

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import column, select, table

from api.http.reply import Reply, computed
from api.problems import Problem, Unavailable
from api.stores import Prepared, Stores

_VERSIONS = Path(__file__).resolve().parent.parent / "migrations" / "versions"
_AT = Prepared(select(column("version_num")).select_from(table("alembic_version")))

router = APIRouter(include_in_schema=False)


@router.get("/health")
async def health() -> Reply:
    """The process answers."""
    return computed({"status": "ok"})


@router.get("/ready")
async def ready(request: Request) -> Reply:
    """Postgres and Redis answer, and the migrations are up to date. 503 names each that does not."""
    stores: Stores = request.app.state.stores
    checks = {"postgres": await _postgres(stores), "redis": await _redis(stores)}
    fine = all(check == "ok" for check in checks.values())
    return computed({"status": "ok" if fine else "unavailable", "checks": checks}, 200 if fine else 503)


@router.get("/metrics")
async def metrics() -> Response:
    """For Prometheus."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


def newest_migration() -> str:
    """The revision that the code was written for."""
    # The names say it: the chain is one line of numbered files (tests/test_migrations.py), and alembic is slow to load.
    return max(path.name[:4] for path in _VERSIONS.glob("[0-9]*_*.py"))


_NEWEST = newest_migration()


async def _postgres(stores: Stores) -> str:
    try:
        async with stores.transaction() as tx:
            found = await tx.value(_AT)
    except Problem as problem:
        return problem.message
    except Exception:
        return "The tables are not there, or not ours to read. Run `roadbed migrate`."
    if found != _NEWEST:
        return f"The tables are at migration {found}, the code at {_NEWEST}. Run `roadbed migrate`."
    return "ok"


async def _redis(stores: Stores) -> str:
    try:
        redis = await stores.redis()
        await redis.ping()
    except Unavailable as problem:
        return problem.message
    except Exception:
        return "Redis does not answer."
    return "ok"
