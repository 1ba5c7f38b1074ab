"""The state machine of a delivery, as statements over many rows at once. Only workers run them.

    emit ──► pending ──claim──► pending, leased ──complete──► delivered
                ▲                     │                   ├──► dead       (the schedule is used up)
                │                     │ lease ends        ├──► held       (410: the endpoint was disabled)
                └─────────────────────┴───────────────────┴──► pending    (due again later)

A claim writes the attempt's row before its request leaves, and its id is the fence: a worker that was away past its
lease cannot complete what another has claimed since.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Float,
    Integer,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    column,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, aggregate_order_by

from api.db import seconds
from api.stores import Prepared, Transaction
from api.webhooks.models import Attempt, Delivery, Endpoint, EndpointSecret, Event


@dataclass(frozen=True)
class Claimed:
    """A delivery to send now. `attempt_id` is the claim; `sealed` are the endpoint's live keys, oldest first."""

    workspace_id: UUID
    livemode: bool
    delivery_id: UUID
    attempt_id: UUID
    endpoint_id: UUID
    event_id: UUID
    number: int
    failures: int
    url: str
    body: str
    sealed: list[bytes]


@dataclass(frozen=True)
class Completed:
    """How an attempt ended. `status` is the delivery's next; `delay_s` is when it is due again, if it stays pending."""

    workspace_id: UUID
    livemode: bool
    delivery_id: UUID
    attempt_id: UUID
    status: str
    delay_s: float
    failed: bool
    status_code: int | None
    error: str | None
    latency_ms: float
    response_headers: str
    response_body: str


# Written out, not a parameter: a generic plan can then use the partial index of what is due.
_PENDING: ColumnElement[str] = literal_column("'pending'")


def _same_row(left: Any, right: Any) -> ColumnElement[bool]:
    return and_(*(getattr(left, name) == getattr(right, name) for name in ("workspace_id", "livemode", "id")))


_due = (
    select(Delivery.workspace_id, Delivery.livemode, Delivery.id)
    .where(Delivery.status == _PENDING, Delivery.due_at <= func.now())
    .order_by(Delivery.due_at)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
    .cte("due")
)
_claimed = (
    update(Delivery)
    .values(
        due_at=func.now() + seconds(bindparam("lease_s", type_=Float)),
        claim=func.uuidv7(),
        attempt_count=Delivery.attempt_count + 1,
    )
    .where(_same_row(Delivery, _due.c))
    .returning(Delivery)
    .cte("claimed")
)
_logged = (
    insert(Attempt)
    .from_select(
        ["workspace_id", "livemode", "id", "delivery_id", "endpoint_id", "number"],
        select(
            _claimed.c.workspace_id,
            _claimed.c.livemode,
            _claimed.c.claim,
            _claimed.c.id,
            _claimed.c.endpoint_id,
            _claimed.c.attempt_count,
        ),
    )
    .cte("logged")
)
_keys = (
    select(func.array_agg(aggregate_order_by(EndpointSecret.sealed, EndpointSecret.id)))
    .where(
        EndpointSecret.workspace_id == _claimed.c.workspace_id,
        EndpointSecret.livemode == _claimed.c.livemode,
        EndpointSecret.endpoint_id == _claimed.c.endpoint_id,
        or_(EndpointSecret.expires_at.is_(None), EndpointSecret.expires_at > func.now()),
    )
    .scalar_subquery()
)
_CLAIM = Prepared(
    select(
        _claimed.c.workspace_id,
        _claimed.c.livemode,
        _claimed.c.id.label("delivery_id"),
        _claimed.c.claim.label("attempt_id"),
        _claimed.c.endpoint_id,
        _claimed.c.event_id,
        _claimed.c.attempt_count.label("number"),
        _claimed.c.failures,
        Endpoint.url,
        Event.body,
        _keys.label("sealed"),
    )
    .select_from(_claimed)
    .join(
        Event,
        and_(
            Event.workspace_id == _claimed.c.workspace_id,
            Event.livemode == _claimed.c.livemode,
            Event.id == _claimed.c.event_id,
        ),
    )
    .join(
        Endpoint,
        and_(
            Endpoint.workspace_id == _claimed.c.workspace_id,
            Endpoint.livemode == _claimed.c.livemode,
            Endpoint.id == _claimed.c.endpoint_id,
        ),
    )
    .add_cte(_logged)
)

_results = (
    func.unnest(
        bindparam("workspaces", type_=ARRAY(Uuid)),
        bindparam("modes", type_=ARRAY(Boolean)),
        bindparam("delivery_ids", type_=ARRAY(Uuid)),
        bindparam("attempt_ids", type_=ARRAY(Uuid)),
        bindparam("statuses", type_=ARRAY(Text)),
        bindparam("delays_s", type_=ARRAY(Float)),
        bindparam("failed", type_=ARRAY(Integer)),
        bindparam("status_codes", type_=ARRAY(Integer)),
        bindparam("errors", type_=ARRAY(Text)),
        bindparam("latencies_ms", type_=ARRAY(Float)),
        bindparam("headers", type_=ARRAY(Text)),
        bindparam("bodies", type_=ARRAY(Text)),
    )
    .table_valued(
        column("workspace_id", Uuid),
        column("livemode", Boolean),
        column("delivery_id", Uuid),
        column("attempt_id", Uuid),
        column("status", Text),
        column("delay_s", Float),
        column("failed", Integer),
        column("status_code", Integer),
        column("error", Text),
        column("latency_ms", Float),
        column("headers", Text),
        column("body", Text),
        name="result",
    )
    .render_derived(name="result")
)


def _of_result(table: Any) -> ColumnElement[bool]:
    return and_(table.workspace_id == _results.c.workspace_id, table.livemode == _results.c.livemode)


_finished = (
    update(Attempt)
    .values(
        finished_at=func.clock_timestamp(),
        status_code=_results.c.status_code,
        error=_results.c.error,
        latency_ms=_results.c.latency_ms,
        response_headers=_results.c.headers.cast(JSONB),
        response_body=_results.c.body,
    )
    .where(_of_result(Attempt), Attempt.id == _results.c.attempt_id)
    .returning(Attempt.id)
    .cte("finished")
)
_at_rest = or_(_results.c.status == "delivered", _results.c.status == "dead")
_COMPLETE = Prepared(
    update(Delivery)
    .values(
        # An endpoint that was disabled while the request was under way keeps what it did not get.
        status=case(
            (and_(_results.c.status == "pending", Delivery.status == "held"), literal("held")), else_=_results.c.status
        ),
        due_at=func.now() + seconds(_results.c.delay_s),
        claim=None,
        failures=Delivery.failures + _results.c.failed,
        last_status_code=_results.c.status_code,
        last_error=_results.c.error,
        finished_at=case((_at_rest, func.clock_timestamp())),
    )
    .where(_of_result(Delivery), Delivery.id == _results.c.delivery_id, Delivery.claim == _results.c.attempt_id)
    .returning(Delivery.id)
    .add_cte(_finished)
)
_NEXT_DUE = Prepared(
    select(func.extract("epoch", func.min(Delivery.due_at) - func.now()).cast(Float)).where(Delivery.status == _PENDING)
)
_DISABLE = Prepared(
    update(Endpoint)
    .values(enabled=False, disabled_reason=bindparam("reason"), version=Endpoint.version + 1, updated_at=func.now())
    .where(
        Endpoint.workspace_id == bindparam("workspace"),
        Endpoint.livemode == bindparam("mode"),
        Endpoint.id == bindparam("endpoint_id"),
        Endpoint.enabled,
    )
)
_HOLD = Prepared(
    update(Delivery)
    .values(status="held")
    .where(
        Delivery.workspace_id == bindparam("workspace"),
        Delivery.livemode == bindparam("mode"),
        Delivery.endpoint_id == bindparam("endpoint_id"),
        Delivery.status == _PENDING,
    )
)
_RESUME = Prepared(
    update(Delivery)
    .values(status="pending", due_at=func.now())
    .where(
        Delivery.workspace_id == bindparam("workspace"),
        Delivery.livemode == bindparam("mode"),
        Delivery.endpoint_id == bindparam("endpoint_id"),
        Delivery.status == "held",
    )
)


async def claim(tx: Transaction, most: int, lease_s: float) -> list[Claimed]:
    """Take up to `most` due deliveries, oldest first, for `lease_s`. Those that another worker takes are left to it."""
    rows = await tx.all(_CLAIM, most=most, lease_s=lease_s)
    return [Claimed(**{**row, "sealed": row["sealed"] or []}) for row in map(dict, rows)]


async def complete(tx: Transaction, results: Sequence[Completed]) -> int:
    """Write how these attempts ended. Gives how many deliveries were still ours; the others were claimed by another."""
    rows = await tx.all(
        _COMPLETE,
        workspaces=[result.workspace_id for result in results],
        modes=[result.livemode for result in results],
        delivery_ids=[result.delivery_id for result in results],
        attempt_ids=[result.attempt_id for result in results],
        statuses=[result.status for result in results],
        delays_s=[result.delay_s for result in results],
        failed=[int(result.failed) for result in results],
        status_codes=[result.status_code for result in results],
        errors=[result.error for result in results],
        latencies_ms=[result.latency_ms for result in results],
        headers=[result.response_headers for result in results],
        bodies=[result.response_body for result in results],
    )
    return len(rows)


async def seconds_to_next(tx: Transaction) -> float | None:
    """Until the next delivery is due: below 0 when one is late, None when none is pending."""
    value: float | None = await tx.value(_NEXT_DUE)
    return value


async def disable(tx: Transaction, workspace_id: UUID, livemode: bool, endpoint_id: UUID, reason: str) -> None:
    """Stop an endpoint. What waits for it is held, and goes on when it is enabled again."""
    await tx.run(_DISABLE, workspace=workspace_id, mode=livemode, endpoint_id=endpoint_id, reason=reason)
    await hold(tx, workspace_id, livemode, endpoint_id)


async def hold(tx: Transaction, workspace_id: UUID, livemode: bool, endpoint_id: UUID) -> None:
    await tx.run(_HOLD, workspace=workspace_id, mode=livemode, endpoint_id=endpoint_id)


async def resume(tx: Transaction, workspace_id: UUID, livemode: bool, endpoint_id: UUID) -> None:
    """Make due what was held."""
    await tx.run(_RESUME, workspace=workspace_id, mode=livemode, endpoint_id=endpoint_id)
    tx.ring_on_commit()
