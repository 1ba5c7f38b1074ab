"""Start long work, and steer it: pause, resume, cancel.

How a slice gives its long work to an operation:

1. Write a step: `async def step(tx: Transaction, work: Work) -> Moved`. It does a bounded piece (a few hundred rows,
   a second or so), beginning at `work.state`, and says where the next begins. What it writes by `tx` commits together
   with its progress, under a fence: a step whose worker was killed, or that was paused, cancelled or overtaken
   meanwhile, is rolled back whole. So each piece is done once, and nothing needs to be undone or recognised again.
   `tx` speaks for the workspace that started it, with the application's role.
2. Name it: `REPLAY = Kind("replay", step)`, and add it to `KINDS` in workers/operations.py.
3. Start it in a request: `operation_id, row = await start(tx, REPLAY, {"since": …})`, and answer
   `accepted(operation_id, row)`: 202 with `Location`.

A step that raises a Problem below 500 fails the operation with its code and message. Any other error is tried again,
later each time, up to `MOST_FAILURES` times.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import ColumnElement, bindparam, func, literal_column, select, update

from api import json
from api.accounts.tenancy import Resource, one, owned
from api.db import uuid7, wire_id
from api.http.etags import Precondition
from api.http.representation import Columns, Representation
from api.operations.models import Operation
from api.operations.schemas import OperationShown
from api.problems import Conflict
from api.stores import Prepared, Transaction

CHANNEL = "roadbed_operations"
MOST_UNFINISHED = 50


@dataclass(frozen=True)
class Work:
    """Where a step begins. `state` is what the step before gave, `{}` for the first."""

    operation_id: UUID
    params: dict[str, Any]
    state: dict[str, Any]
    done: int
    total: int | None


@dataclass(frozen=True)
class Moved:
    """What a step did. `done` and `total` are the operation's; `wait_s` is how long to rest before the next step."""

    state: dict[str, Any] = field(default_factory=dict)
    done: int = 0
    total: int | None = None
    finished: bool = False
    result: dict[str, Any] | None = None
    wait_s: float = 0.0


Step = Callable[[Transaction, Work], Awaitable[Moved]]
Tell = Callable[[Transaction, str], Awaitable[None]]


@dataclass(frozen=True)
class Kind:
    """A kind of long work, by the name that callers see."""

    name: str
    step: Step


class TooManyOperations(Conflict):
    """The workspace has as many unfinished operations as it may have."""

    code, title = "too_many_operations", "Too many operations are unfinished"


class OperationEnded(Conflict):
    """What has ended cannot be steered."""

    code, title = "operation_ended", "The operation has ended"


def _progress(columns: Columns) -> ColumnElement[Any]:
    return func.json_build_object(literal_column("'done'"), columns.done, literal_column("'total'"), columns.total)


OPERATION = Resource(Representation(OperationShown, Operation.__table__, "operation", {"progress": _progress}))
_INSERT = OPERATION.insert("id", "kind", "params", "total")
_LOCK = OPERATION.lock("status")
_UNFINISHED = Prepared(select(func.count()).where(owned(Operation), Operation.finished_at.is_(None)))
_RING = Prepared(select(func.pg_notify(CHANNEL, "")))


def _steered(**values: Any) -> Prepared:
    """Without its claim a worker that is in the middle of a step cannot write it: what it did is rolled back."""
    statement = update(Operation).values(version=Operation.version + 1, updated_at=func.now(), claim=None, **values)
    return Prepared(
        statement.where(owned(Operation), Operation.id == bindparam("id")).returning(
            OPERATION.shape.text(), Operation.version
        )
    )


_PAUSE = _steered(status="paused")
_RESUME = _steered(status="pending", due_at=func.now(), failures=0)
_CANCEL = _steered(status="cancelled", finished_at=func.now())


async def start(
    tx: Transaction, kind: Kind, params: dict[str, Any], *, total: int | None = None
) -> tuple[UUID, asyncpg.Record]:
    """Put the work on record; a worker begins it once this is committed. Gives its id and its row.

    Raises TooManyOperations beyond 50 unfinished ones of this workspace and mode.
    """
    if await tx.value(_UNFINISHED) >= MOST_UNFINISHED:
        raise TooManyOperations(f"{MOST_UNFINISHED} operations are unfinished. Wait for one, or cancel one.")
    operation_id = uuid7()
    row = await tx.first(_INSERT, id=operation_id, kind=kind.name, params=json.dump(params), total=total)
    assert row is not None
    await _ring(tx)
    return operation_id, row


async def pause(tx: Transaction, operation_id: UUID, precondition: Precondition) -> asyncpg.Record:
    """Stop before the next step; the one under way is undone. Pausing twice is as good as once.

    Raises NotFound, PreconditionFailed, OperationEnded.
    """
    status = await _status(tx, operation_id, precondition)
    if status == "paused":
        return await OPERATION.read(tx, operation_id)
    return await one(tx, _PAUSE, operation_id, "operation", "op")


async def resume(tx: Transaction, operation_id: UUID, precondition: Precondition) -> asyncpg.Record:
    """Go on where it was paused. One that is not paused stays as it is.

    Raises NotFound, PreconditionFailed, OperationEnded.
    """
    status = await _status(tx, operation_id, precondition)
    if status != "paused":
        return await OPERATION.read(tx, operation_id)
    row = await one(tx, _RESUME, operation_id, "operation", "op")
    await _ring(tx)
    return row


async def cancel(tx: Transaction, operation_id: UUID, tell: Tell, precondition: Precondition) -> asyncpg.Record:
    """End it where it is; what its steps have done stays. Raises NotFound, PreconditionFailed, OperationEnded.

    `tell` emits `operation.finished`: this package is below webhooks and cannot.
    """
    await _status(tx, operation_id, precondition)
    row = await one(tx, _CANCEL, operation_id, "operation", "op")
    await tell(tx, row["json"])
    return row


async def _status(tx: Transaction, operation_id: UUID, precondition: Precondition) -> str:
    row = await one(tx, _LOCK, operation_id, "operation", "op")
    precondition.check(row["version"])
    status: str = row["status"]
    if status in ("succeeded", "failed", "cancelled"):
        raise OperationEnded(f"{wire_id('op', operation_id)} has ended: it is {status}. Start a new one.")
    return status


async def _ring(tx: Transaction) -> None:
    await tx.run(_RING)
    tx.ring_on_commit()
