"""A sandbox without signing up: a workspace for seven days, with a test key and no owner until somebody claims it."""

from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, insert, literal_column, update

from api.accounts.models import Workspace
from api.accounts.signup import WORKSPACE, NewKey, first_key
from api.db import uuid7, wire_id
from api.problems import Conflict
from api.sandbox.schemas import Claim
from api.stores import Prepared, Scope, Transaction, binds

NAME = "Sandbox"
_until = func.now() + literal_column("interval '7 days'")
_INSERT = Prepared(
    insert(Workspace).values(**binds("id", "name", "email"), claim_until=_until).returning(Workspace.claim_until)
)
_CLAIM = Prepared(
    update(Workspace)
    .values(**binds("name", "email"), claim_until=None, version=Workspace.version + 1, updated_at=func.now())
    .where(Workspace.id == bindparam("workspace_id"), Workspace.claim_until > func.now())
    .returning(WORKSPACE.text())
)


class NotClaimable(Conflict):
    """The workspace has an owner, or its seven days are over."""

    code, title = "not_claimable", "The sandbox cannot be claimed"


async def open_sandbox(tx: Transaction, pepper: bytes) -> dict[str, Any]:
    """Gives the workspace's id, the test key with its secret, and until when it can be claimed."""
    workspace_id = uuid7()
    await tx.speak_for(Scope(workspace_id, livemode=False))
    until: datetime = await tx.value(_INSERT, id=workspace_id, name=NAME, email="")
    return {
        "object": "sandbox",
        "workspace_id": wire_id("ws", workspace_id),
        "test_key": shown(await first_key(tx, pepper, "test")),
        "claim_until": until.isoformat().replace("+00:00", "Z"),
    }


async def claim(tx: Transaction, pepper: bytes, given: Claim) -> tuple[str, NewKey]:
    """Give the workspace an owner and a live key. Its test data stays. Raises NotClaimable."""
    workspace = await tx.value(_CLAIM, name=given.workspace, email=given.email)
    if workspace is None:
        raise NotClaimable(
            "This workspace has an owner already, or its seven days are over. POST /v1/signup makes one."
        )
    asked_for = tx.scope
    await tx.speak_for(Scope(asked_for.workspace_id, True, key_id=asked_for.key_id, request_id=asked_for.request_id))
    return workspace, await first_key(tx, pepper, "live")


def shown(key: NewKey) -> dict[str, str]:
    return {"id": wire_id("key", key.id), "secret": key.secret}
