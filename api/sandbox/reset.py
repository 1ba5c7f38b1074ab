"""Empty a sandbox: every row of a workspace's test mode but its keys, its usage and the audit log.

Postgres lets the application's role do it to test rows alone, and only in a transaction that says that it resets.
"""

from sqlalchemy import Integer, Table, bindparam, delete, func, literal, select, text, tuple_

import api.models  # noqa: F401 - every slice's tables
from api.accounts.tenancy import owned
from api.db import Base
from api.problems import Conflict
from api.stores import Deadlocked, Prepared, Transaction

STEP = 5_000
MOST_DELETED = 100_000
MOST_TRIES = 3
_WORKERS_ORDER = {"attempts": 0, "deliveries": 1}
KEPT = frozenset({"keys", "usage_days", "usage_months", "first_calls", "audit_log"})
_RESETTING = Prepared(text("SELECT set_config('roadbed.resetting', 'on', true)"))
_DONE = Prepared(text("SELECT set_config('roadbed.resetting', '', true)"))


class SandboxOnly(Conflict):
    """Live data is never emptied."""

    code, title = "sandbox_only", "Only a test key may do this"


def check_sandbox(tx: Transaction) -> None:
    """Raises SandboxOnly for a live key."""
    if tx.scope.livemode is not False:
        raise SandboxOnly("This works on the sandbox alone. Send it with a test key (rb_test_…).")


async def reset(tx: Transaction, most: int = MOST_DELETED) -> tuple[int, bool]:
    """Delete up to `most` rows, a step at a time. Gives how many, and whether nothing is left. Raises SandboxOnly.

    The transaction has the sandbox for itself (`Scope.sandbox`), but for the workers, who write down in an order of
    their own what became of deliveries: should the two meet the wrong way round, it begins again.
    """
    check_sandbox(tx)
    for _ in range(MOST_TRIES - 1):
        try:
            return await _reset(tx, most)
        except Deadlocked:
            await tx.rollback()
    return await _reset(tx, most)


def emptied() -> list[Table]:
    """The tables that a reset empties; what refers to others comes first.

    Of the delivery system it is the order in which workers lock: attempts, deliveries, and then what they belong to.
    """
    tables = [
        table
        for table in reversed(Base.metadata.sorted_tables)
        if table.name not in KEPT and {"workspace_id", "livemode"} <= set(table.c.keys())
    ]
    return sorted(tables, key=lambda table: _WORKERS_ORDER.get(table.name, len(_WORKERS_ORDER)))


async def _reset(tx: Transaction, most: int) -> tuple[int, bool]:
    await tx.run(_RESETTING)
    deleted = 0
    for statement in _EMPTY:
        while (step := min(STEP, most - deleted)) > 0:
            gone: int = await tx.value(statement, step=step)
            deleted += gone
            if gone < step:
                break
    await tx.run(_DONE)
    return deleted, deleted < most


def _empty(table: Table) -> Prepared:
    key = list(table.primary_key.columns)
    some = select(*key).where(owned(table)).limit(bindparam("step", type_=Integer))
    gone = delete(table).where(tuple_(*key).in_(some)).returning(literal(1).label("one")).cte("gone")
    return Prepared(select(func.count()).select_from(gone))


_EMPTY = [_empty(table) for table in emptied()]
