"""The chain over the audit log: sealing it in the order of transactions, and checking that it holds."""

from collections import defaultdict
from typing import Any
from uuid import UUID

from sqlalchemy import text

from api.db import wire_id
from api.stores import Prepared, Transaction

STEP = 1000

# What a hash covers, spelled the same way whoever asks: text of every column but the hash itself.
_COVERED = (
    "concat_ws(E'\\x1f', {row}.sequence, {row}.id, extract(epoch FROM {row}.at), {row}.key_id, {row}.request_id, "
    "{row}.resource, {row}.resource_id, {row}.action, coalesce({row}.before::text, ''), "
    "coalesce({row}.after::text, ''), {row}.xid)"
)
_LOCK = Prepared(text("SELECT pg_try_advisory_xact_lock(7236201843)"))
_UNSEALED = Prepared(
    text(
        """
SELECT workspace_id, livemode, id FROM audit_log
WHERE hash IS NULL AND xid < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY xid, id LIMIT :step"""
    )
)
_SEAL = Prepared(
    text(
        f"""
WITH RECURSIVE head AS (
    SELECT coalesce(max(sequence), 0) AS sequence FROM audit_log
    WHERE workspace_id = :workspace AND livemode = :mode AND hash IS NOT NULL
), given AS (
    SELECT id, place FROM unnest(CAST(:ids AS uuid[])) WITH ORDINALITY AS given (id, place)
), numbered AS (
    SELECT entry.workspace_id, entry.livemode, entry.id, entry.at, entry.key_id, entry.request_id, entry.resource,
           entry.resource_id, entry.action, entry.before, entry.after, entry.xid, given.place,
           head.sequence + given.place AS sequence
    FROM given CROSS JOIN head
    JOIN audit_log AS entry ON entry.workspace_id = :workspace AND entry.livemode = :mode AND entry.id = given.id
), chain AS (
    SELECT 0::bigint AS place, NULL::uuid AS id, head.sequence,
           coalesce((SELECT last.hash FROM audit_log AS last WHERE last.workspace_id = :workspace
                     AND last.livemode = :mode AND last.sequence = head.sequence), ''::bytea) AS hash
    FROM head
    UNION ALL
    SELECT numbered.place, numbered.id, numbered.sequence,
           sha256(chain.hash || convert_to({_COVERED.format(row="numbered")}, 'UTF8'))
    FROM chain JOIN numbered ON numbered.place = chain.place + 1
)
UPDATE audit_log AS entry SET sequence = chain.sequence, hash = chain.hash
FROM chain
WHERE chain.id = entry.id AND entry.workspace_id = :workspace AND entry.livemode = :mode AND entry.hash IS NULL"""
    )
)
_CHECK = Prepared(
    text(
        f"""
WITH entry AS (
    SELECT *, lag(hash) OVER in_order AS hash_before, lag(sequence) OVER in_order AS sequence_before
    FROM audit_log
    WHERE workspace_id = :workspace_id AND livemode = :livemode AND hash IS NOT NULL
    WINDOW in_order AS (ORDER BY sequence)
)
SELECT id, sequence, CASE WHEN coalesce(sequence_before, 0) <> sequence - 1 THEN 'missing_before' ELSE 'changed' END
    AS reason
FROM entry
WHERE coalesce(sequence_before, 0) <> sequence - 1
   OR hash <> sha256(coalesce(hash_before, ''::bytea) || convert_to({_COVERED.format(row="entry")}, 'UTF8'))
ORDER BY sequence LIMIT 1"""
    )
)
_COUNT = Prepared(
    text(
        """
SELECT count(*) FILTER (WHERE hash IS NOT NULL) AS sealed, count(*) FILTER (WHERE hash IS NULL) AS unsealed,
       (SELECT encode(hash, 'hex') FROM audit_log
        WHERE workspace_id = :workspace_id AND livemode = :livemode AND hash IS NOT NULL
        ORDER BY sequence DESC LIMIT 1) AS head
FROM audit_log WHERE workspace_id = :workspace_id AND livemode = :livemode"""
    )
)


async def seal(tx: Transaction) -> int:
    """Give up to a thousand entries their place and hash, one worker at a time. Gives how many.

    Entries come in the order of their transactions, and only once no older transaction can add one before them.
    """
    if not await tx.value(_LOCK):
        return 0
    rows = await tx.all(_UNSEALED, step=STEP)
    tenants: defaultdict[tuple[UUID, bool], list[UUID]] = defaultdict(list)
    for row in rows:
        tenants[row["workspace_id"], row["livemode"]].append(row["id"])
    for (workspace, mode), ids in sorted(tenants.items()):
        await tx.run(_SEAL, workspace=workspace, mode=mode, ids=ids)
    return len(rows)


async def check(tx: Transaction) -> dict[str, Any]:
    """Compute every hash of the workspace's chain again. Finds an entry that was changed, dropped, added or moved."""
    counted = await tx.first(_COUNT)
    assert counted is not None
    broken = await tx.first(_CHECK)
    return {
        "object": "audit_chain",
        "livemode": tx.scope.livemode,
        "intact": broken is None,
        "sealed": counted["sealed"],
        "unsealed": counted["unsealed"],
        "head": counted["head"],
        "broken": broken
        and {"id": wire_id("aud", broken["id"]), "sequence": broken["sequence"], "reason": broken["reason"]},
    }
