"""The versions of events about a recorded decision, whose own version stays as it was recorded."""

from uuid import UUID

from sqlalchemy import text

from api.stores import Prepared, Transaction

_TAKE_TURNS = Prepared(text("SELECT pg_advisory_xact_lock(hashtextextended('roadbed told ' || CAST(:id AS uuid), 0))"))
_MINE = "workspace_id = :workspace_id AND livemode = :livemode"
_VERSION = Prepared(
    text(
        f"""
SELECT version + (SELECT count(*) FROM decision_links WHERE {_MINE} AND to_id = :id)
               + (SELECT count(*) FROM decision_reviews WHERE {_MINE} AND decision_id = :id)
FROM decisions WHERE {_MINE} AND id = :id"""  # noqa: S608 - put together from constants
    )
)


async def told_version(tx: Transaction, decision_id: UUID) -> int:
    """Of the event that tells what this transaction has just written about the decision: a link to it, or a review.

    It is the decision's own version, and one more for each link and review up to this one. The lock lasts until the
    transaction ends, so that who has the higher version also commits later.
    """
    await tx.run(_TAKE_TURNS, id=decision_id)
    version: int = await tx.value(_VERSION, id=decision_id)
    return version
