"""Telling a workspace of its first successful call: the meter writes when it was, a worker tells it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from api import json
from api.accounts.told import next_version
from api.db import wire_id
from api.stores import Prepared, Transaction
from api.usage import events
from api.webhooks.outbox import emit

# A workspace and mode takes this step once, whichever of its keys and of our processes was first.
_STEP = Prepared(
    text(
        """
WITH step AS (
    INSERT INTO onboarding_steps (workspace_id, livemode, step, completed_at)
    VALUES (:workspace_id, :livemode, 'first_call', :at) ON CONFLICT DO NOTHING RETURNING completed_at
)
SELECT extract(epoch FROM step.completed_at - workspace.created_at)::float8
FROM step, workspaces AS workspace WHERE workspace.id = :workspace_id"""
    )
)


async def tell_first_call(tx: Transaction, key_id: UUID, at: datetime) -> bool:
    """Emit `onboarding.first_call` unless the transaction's workspace and mode had one. Gives whether it did."""
    after_s = await tx.value(_STEP, at=at)
    if after_s is None:
        return False
    assert tx.scope.workspace_id is not None
    told = {"object": "first_call", "key_id": wire_id("key", key_id), "after_s": round(after_s, 3)}
    about = {"id": wire_id("ws", tx.scope.workspace_id), "version": await next_version(tx)}
    await emit(tx, events.FIRST_CALL, json.dump(about | told))
    return True
