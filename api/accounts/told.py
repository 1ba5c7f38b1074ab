"""The workspace's version, where an event tells of the workspace itself."""

from sqlalchemy import text

from api.stores import Prepared, Transaction

_NEXT = Prepared(text("UPDATE workspaces SET version = version + 1 WHERE id = :workspace_id RETURNING version"))


async def next_version(tx: Transaction) -> int:
    """For the next event about the transaction's workspace: higher than that of every one before, whatever it told.

    The row stays locked until the transaction ends, so that who has the higher version also commits later.
    """
    version: int = await tx.value(_NEXT)
    return version
