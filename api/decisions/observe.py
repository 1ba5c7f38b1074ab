"""What is observed after a decision, and when that means to look at it again. Each cause is told once."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import bindparam, func, literal, select
from sqlalchemy.dialects.postgresql import insert as postgres_insert

from api import json
from api.accounts.tenancy import insert_owned, one, owned
from api.db import uuid7, wire_id
from api.decisions import events
from api.decisions.assess import crossed
from api.decisions.models import Decision, DecisionObservation, DecisionReview
from api.decisions.schemas import DecisionObservationCreate
from api.decisions.told import told_version
from api.problems import invalid_field
from api.stores import Prepared, Scope, Transaction, binds
from api.webhooks.outbox import emit

BATCH = 200
_DECISION = Prepared(
    select(
        Decision.status, Decision.number, Decision.title, Decision.chosen, Decision.triggers, Decision.assumptions
    ).where(owned(Decision), Decision.id == bindparam("id"))
)
_INSERT = Prepared(
    insert_owned(
        DecisionObservation.__table__,
        "id",
        "decision_id",
        "metric",
        "value",
        "assumption",
        "holds",
        "note",
        "observed_at",
    )
)
_of_metric = (
    owned(DecisionObservation)
    & (DecisionObservation.decision_id == bindparam("decision_id"))
    & (DecisionObservation.metric == bindparam("metric"))
)
_NEWEST = Prepared(
    select(DecisionObservation.value, DecisionObservation.observed_at)
    .where(_of_metric)
    .order_by(DecisionObservation.observed_at.desc(), DecisionObservation.id.desc())
    .limit(1)
)
_WINDOW = Prepared(
    select(func.avg(DecisionObservation.value).label("mean"), func.sum(DecisionObservation.value).label("sum")).where(
        _of_metric,
        DecisionObservation.observed_at > bindparam("since"),
        DecisionObservation.observed_at <= bindparam("until"),
    )
)
_RAISE = Prepared(
    postgres_insert(DecisionReview)
    .values(binds("workspace_id", "livemode", "decision_id", "cause", "key", "reason"))
    .on_conflict_do_nothing()
    .returning(DecisionReview.decision_id)
)
_told_before = (
    select(literal(1))
    .where(
        DecisionReview.workspace_id == Decision.workspace_id,
        DecisionReview.livemode == Decision.livemode,
        DecisionReview.decision_id == Decision.id,
        DecisionReview.cause == "date",
    )
    .exists()
)
# The worker's: over all workspaces.
_DUE = Prepared(
    select(
        Decision.workspace_id,
        Decision.livemode,
        Decision.id,
        Decision.number,
        Decision.title,
        Decision.chosen,
        Decision.review_at,
    )
    .where(Decision.review_at <= func.now(), Decision.status == "recorded", ~_told_before)
    .order_by(Decision.review_at)
    .limit(BATCH)
)


async def observe(tx: Transaction, decision_id: UUID, seen: DecisionObservationCreate) -> tuple[UUID, str]:
    """Keep the observation, and raise a review for each trigger that it crosses or assumption that fell.

    A draft's triggers wait until it is recorded. Raises NotFound, Invalid for an assumption that is not one of its own.
    """
    decision = await one(tx, _DECISION, decision_id, "decision", "dec")
    keys = [item["key"] for item in decision["assumptions"]]
    if seen.assumption is not None and seen.assumption not in keys:
        raise invalid_field("/assumption", f"is none of the decision's: {', '.join(keys) or 'it has none'}", "unknown")
    observation_id, at = uuid7(), seen.observed_at or datetime.now(UTC)
    values = seen.model_dump() | {"observed_at": at}
    await tx.run(_INSERT, id=observation_id, decision_id=decision_id, **values)
    raised = await _raised(tx, decision_id, decision, seen) if decision["status"] == "recorded" else []
    shown = {
        "id": wire_id("obs", observation_id),
        "object": "observation",
        "livemode": tx.scope.livemode,
        "decision_id": wire_id("dec", decision_id),
        **seen.model_dump(exclude={"observed_at"}),
        "observed_at": at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "raised": raised,
    }
    return observation_id, json.dump(shown)


async def raise_due_reviews(tx: Transaction) -> int:
    """The worker's: `decision.review_due` for each recorded decision whose review date has come. Gives how many.

    At most a batch: the rest is found by the next round.
    """
    due = await tx.all(_DUE)
    for row in due:
        await tx.speak_for(Scope(row["workspace_id"], row["livemode"]))
        reason = f"It was to be looked at again on {row['review_at'].astimezone(UTC):%Y-%m-%d}."
        await _raise(tx, row["id"], row, "date", "", reason)
    return len(due)


async def _raised(
    tx: Transaction, decision_id: UUID, decision: asyncpg.Record, seen: DecisionObservationCreate
) -> list[str]:
    if seen.assumption is not None:
        if seen.holds:
            return []
        text = next(item["text"] for item in decision["assumptions"] if item["key"] == seen.assumption)
        reason = f"An assumption fell: {text}"
        told = await _raise(tx, decision_id, decision, "assumption", seen.assumption, reason)
        return [seen.assumption] if told else []
    raised = []
    for trigger in decision["triggers"]:
        if trigger["metric"] != seen.metric:
            continue
        value = await _statistic(tx, decision_id, trigger)
        if value is not None and crossed(trigger["op"], value, Decimal(trigger["value"])):
            reason = f"{trigger['metric']} is {value.normalize():f}, the line is {trigger['value']}."
            if await _raise(tx, decision_id, decision, "trigger", trigger["key"], reason):
                raised.append(trigger["key"])
    return raised


async def _statistic(tx: Transaction, decision_id: UUID, trigger: dict[str, Any]) -> Decimal | None:
    """The newest value, or the mean or sum of the days up to the newest."""
    newest = await tx.first(_NEWEST, decision_id=decision_id, metric=trigger["metric"])
    if newest is None or trigger["statistic"] == "latest":
        return newest and newest["value"]
    until = newest["observed_at"]
    since = until - timedelta(days=int(trigger["window_days"]))
    row = await tx.first(_WINDOW, decision_id=decision_id, metric=trigger["metric"], since=since, until=until)
    return row and round(row[trigger["statistic"]], 6)


async def _raise(tx: Transaction, decision_id: UUID, decision: Any, cause: str, key: str, reason: str) -> bool:
    """Whether this is the first time."""
    if await tx.value(_RAISE, decision_id=decision_id, cause=cause, key=key, reason=reason) is None:
        return False
    told = {
        "id": wire_id("dec", decision_id),
        "object": "decision_review",
        "version": await told_version(tx, decision_id),
        "livemode": tx.scope.livemode,
        "number": decision["number"],
        "title": decision["title"],
        "chosen": decision["chosen"],
        "cause": cause,
        "key": key,
        "reason": reason,
    }
    await emit(tx, events.REVIEW_DUE, json.dump(told))
    return True
