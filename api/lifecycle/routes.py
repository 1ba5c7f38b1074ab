"""The changelog for anyone, and for a workspace what it has to move away from."""

from functools import cache
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request

from api import json
from api.accounts.auth import WorkspaceRoute
from api.http.reply import Reply, all_of
from api.http.route import OpenRoute, Tx, operation
from api.lifecycle.plan import deprecated_operations, migration_plans
from api.lifecycle.schemas import ContractRelease, DeprecationPlan

_CHANGELOG = Path(__file__).resolve().parent.parent / "openapi" / "changelog.json"
_MOST_RELEASES = 100

open_router = APIRouter(route_class=OpenRoute, tags=["accounts"])
router = APIRouter(route_class=WorkspaceRoute, tags=["accounts"])


@open_router.get("/changelog", **operation("list_releases", scope=None, returns=ContractRelease, many=True))
async def list_releases() -> Reply:
    """The releases of the contract, newest first, each with what is different; derived from the contracts."""
    return Reply(_releases())


@router.get("/deprecations", **operation("list_deprecations", scope="usage:read", returns=DeprecationPlan, many=True))
async def list_deprecations(tx: Tx, request: Request) -> Reply:
    """The operations that will go, with the keys that still call them and how far each has moved."""
    plans = await migration_plans(tx, deprecated_operations(request.app))
    return Reply(all_of([json.dump(plan) for plan in plans]))


@cache
def _releases() -> str:
    kept: list[Any] = json.load(_CHANGELOG.read_text())
    return all_of([json.dump(one) for one in kept[:_MOST_RELEASES]])
