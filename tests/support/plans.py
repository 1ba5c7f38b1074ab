"""How Postgres would run a statement of ours: as the role of the application, for any values."""

from typing import Any

from sqlalchemy import func, select, text

from api.db import parse_id
from api.stores import Prepared, Scope, Transaction
from tests.support.workspace import Workspace

_ANY_VALUES = Prepared(
    select(
        # What it settles on once a statement has run five times.
        func.set_config("plan_cache_mode", "force_generic_plan", True),
        # Tables of tests are small enough to be read whole: whether an index could serve is the question.
        func.set_config("enable_seqscan", "off", True),
        func.set_config("enable_sort", "off", True),
        func.set_config("enable_bitmapscan", "off", True),
    )
)


async def plan_of(tx: Transaction, statement: Prepared, *, alone: bool = False) -> list[dict[str, Any]]:
    """The nodes of the plan, from the outermost on, each with its `Node Type` and conditions.

    `alone` is as it is asked without a transaction.
    """
    await tx.value(_ANY_VALUES)
    sql, names, *_ = statement._compiled
    if alone:
        assert statement.alone is not None
        sql = statement.alone
    sql = sql.replace(":", "\\:")
    await tx.run(text(f"PREPARE explained AS {sql}"))
    [row] = await tx.all(text(f"EXPLAIN (FORMAT JSON) EXECUTE explained ({', '.join(['NULL'] * len(names))})"))
    await tx.run(text("DEALLOCATE explained"))
    return list(_nodes(row[0][0]["Plan"]))


def scope_of(workspace: Workspace) -> Scope:
    """That of its live key."""
    workspace_id = parse_id("ws", workspace.id)
    assert workspace_id is not None
    return Scope(workspace_id, True)


def _nodes(plan: dict[str, Any]) -> Any:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner)
