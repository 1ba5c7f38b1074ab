"""The worker's side of an operation: claim it with a lease, write each step under the claim, end it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, ColumnElement, Float, Text, and_, bindparam, case, func, literal_column, select, update
from sqlalchemy.dialects.postgresql import ARRAY

from api import json
from api.accounts.tenancy import owned
from api.db import seconds
from api.operations.models import Operation
from api.operations.start import OPERATION, Moved, Tell, Work
from api.stores import Prepared, Scope, Transaction

# Written out, so that the partial index of what is due serves a generic plan.
_DUE: ColumnElement[bool] = literal_column("status IN ('pending', 'running')", Boolean)


class ClaimLost(Exception):
    """The operation was paused, cancelled, or claimed by another worker since: what this step did must not last."""


@dataclass(frozen=True)
class Claimed:
    """An operation that this worker may advance until its lease ends. `failures` counts this claim already."""

    scope: Scope
    claim: UUID
    kind: str
    failures: int
    work: Work


_due = (
    select(Operation.workspace_id, Operation.livemode, Operation.id)
    .where(
        _DUE,
        Operation.due_at <= func.now(),
        Operation.kind == func.any(bindparam("kinds", type_=ARRAY(Text))),
    )
    .order_by(Operation.due_at)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
    .cte("due")
)
_CLAIM = Prepared(
    update(Operation)
    .values(
        status="running",
        claim=func.uuidv7(),
        due_at=func.now() + seconds(bindparam("lease_s", type_=Float)),
        failures=Operation.failures + 1,
        started_at=func.coalesce(Operation.started_at, func.now()),
    )
    .where(and_(*(getattr(Operation, name) == _due.c[name] for name in ("workspace_id", "livemode", "id"))))
    .returning(
        Operation.workspace_id,
        Operation.livemode,
        Operation.id,
        Operation.claim,
        Operation.kind,
        Operation.params,
        Operation.state,
        Operation.done,
        Operation.total,
        Operation.failures,
    )
)
_NEXT_DUE = Prepared(select(func.extract("epoch", func.min(Operation.due_at) - func.now()).cast(Float)).where(_DUE))


def _write(**values: Any) -> Prepared:
    """Written only while the claim holds: that is the fence."""
    statement = (
        update(Operation)
        .values(version=Operation.version + 1, updated_at=func.clock_timestamp(), **values)
        .where(
            owned(Operation),
            Operation.id == bindparam("id"),
            Operation.claim == bindparam("held_claim"),
            Operation.status == "running",
        )
        .returning(OPERATION.shape.text())
    )
    return Prepared(statement)


_kept = bindparam("kept", type_=Boolean)
_delay = seconds(bindparam("delay_s", type_=Float))
_MOVE = _write(
    state=bindparam("state"),
    done=bindparam("done"),
    total=bindparam("total"),
    result=bindparam("result"),
    failures=0,
    due_at=func.clock_timestamp() + _delay,
    claim=case((_kept, Operation.claim), else_=None),
)
_SUCCEED = _write(
    state=bindparam("state"),
    done=bindparam("done"),
    total=bindparam("total"),
    result=bindparam("result"),
    failures=0,
    status="succeeded",
    claim=None,
    finished_at=func.clock_timestamp(),
)
_FAIL = _write(status="failed", error=bindparam("error"), claim=None, finished_at=func.clock_timestamp())
_RELEASE = _write(due_at=func.clock_timestamp() + _delay, claim=None)


async def claim(tx: Transaction, kinds: Sequence[str], most: int, lease_s: float) -> list[Claimed]:
    """Take up to `most` due operations of these kinds, the longest due first. Run by the worker's role."""
    rows = await tx.all(_CLAIM, kinds=list(kinds), most=most, lease_s=lease_s)
    return [
        Claimed(
            scope=Scope(row["workspace_id"], row["livemode"], sandbox="shared"),
            claim=row["claim"],
            kind=row["kind"],
            failures=row["failures"],
            work=Work(row["id"], row["params"], row["state"], row["done"], row["total"]),
        )
        for row in rows
    ]


async def seconds_to_next(tx: Transaction) -> float | None:
    """Until the next operation is due, or a lease ends: below 0 when one is late, None when there is none."""
    value: float | None = await tx.value(_NEXT_DUE)
    return value


async def write_step(tx: Transaction, claimed: Claimed, moved: Moved, tell: Tell, *, keep_s: float) -> None:
    """Write a step's progress in the step's own transaction, and end the operation if that was the last.

    `keep_s` above 0 keeps the claim for the next step, with a new lease; 0 lets go of it, until `moved.wait_s` is over.
    Raises ClaimLost, and then the transaction must be rolled back.
    """
    values: dict[str, Any] = {
        "id": claimed.work.operation_id,
        "held_claim": claimed.claim,
        "state": json.dump(moved.state),
        "done": moved.done,
        "total": moved.total,
        "result": None if moved.result is None else json.dump(moved.result),
    }
    if moved.finished:
        await tell(tx, await _written(tx, _SUCCEED, values))
    else:
        await _written(tx, _MOVE, {**values, "kept": keep_s > 0, "delay_s": keep_s or moved.wait_s})


async def fail(tx: Transaction, claimed: Claimed, code: str, message: str, tell: Tell) -> None:
    """End it as failed. Raises ClaimLost."""
    values = {"id": claimed.work.operation_id, "held_claim": claimed.claim}
    await tell(tx, await _written(tx, _FAIL, {**values, "error": json.dump({"code": code, "message": message})}))


async def release(tx: Transaction, claimed: Claimed, delay_s: float) -> None:
    """Let go of it, due again in `delay_s`. Raises ClaimLost."""
    await _written(tx, _RELEASE, {"id": claimed.work.operation_id, "held_claim": claimed.claim, "delay_s": delay_s})


async def _written(tx: Transaction, statement: Prepared, values: dict[str, Any]) -> str:
    text: str | None = await tx.value(statement, **values)
    if text is None:
        raise ClaimLost
    return text
