"""Request, start and conclude spikes, and tell of those that run over."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import asyncpg
from sqlalchemy import bindparam, func, select, update

from api import json
from api.accounts.tenancy import Resource, one, owned
from api.db import uuid7, wire_id
from api.decisions.draft import draft
from api.decisions.schemas import DecisionCreate
from api.features.models import Feature
from api.http.etags import Precondition
from api.http.representation import Representation
from api.problems import Conflict, Invalid, Pointer, invalid_field
from api.spikes import events
from api.spikes.models import Spike
from api.spikes.schemas import SpikeConclusion, SpikeCreate, SpikeShown
from api.stores import Prepared, Scope, Transaction
from api.webhooks.outbox import emit

BATCH = 200
SPIKE = Resource(Representation(SpikeShown, Spike.__table__, "spike"))
_INSERT = SPIKE.insert("id", "question", "context", "timebox_days", "owner", "feature_id", "status")
_LOCK = SPIKE.lock("status", "timebox_days", "question", "started_at", "due_at")
_START = SPIKE.update("status", "started_at", "due_at")
_CONCLUDE = SPIKE.update(
    "status",
    "started_at",
    "due_at",
    "concluded_at",
    "feasibility",
    "estimate",
    "risks",
    "recommendation",
    "summary",
    "decision_id",
)
_FEATURE = Prepared(select(Feature.id).where(owned(Feature), Feature.id == bindparam("id")))
# The worker's: over all workspaces.
_OVER = Prepared(
    select(Spike.workspace_id, Spike.livemode, Spike.id)
    .where(Spike.status == "started", Spike.overran_at.is_(None), Spike.due_at < func.now())
    .order_by(Spike.due_at)
    .limit(BATCH)
    .with_for_update(skip_locked=True)
)
_MARK_OVER = Prepared(
    update(Spike)
    .values(overran_at=func.now(), version=Spike.version + 1, updated_at=func.now())
    .where(owned(Spike), Spike.id == bindparam("id"))
    .returning(SPIKE.shape.text())
)
# What asks for a date and for nothing that could be looked into.
_ONLY_HOW_LONG = re.compile(
    r"\bjust tell (me|us)\b"
    r"|\bhow long (will|would|does|is|should) (this|that|it)\b"
    r"|\bwhen (will|can|could|would) (this|that|it|you)\b"
    r"|\b(need|want|give (me|us)) (an?|the) (estimate|date|deadline|number)\b",
    re.IGNORECASE,
)
_ASK_INSTEAD = (
    "asks for a number before anyone has looked. Ask what would make it easy or hard, such as: "
    '"Can we do a 2-day spike to prototype the approach?"; its conclusion has the estimate, with a range'
)


class SpikeUnderWay(Conflict):
    """It was started before."""

    code, title = "spike_started", "The spike was started already"


class SpikeConcluded(Conflict):
    """Its conclusion stands."""

    code, title = "spike_concluded", "The spike is concluded"


async def request(tx: Transaction, spike: SpikeCreate) -> tuple[UUID, asyncpg.Record]:
    """Gives the id and the row. Raises Invalid for a question that only asks how long, or a feature not here."""
    if _ONLY_HOW_LONG.search(spike.question):
        raise invalid_field("/question", _ASK_INSTEAD, "asks_only_how_long")
    if spike.feature_id is not None and await tx.value(_FEATURE, id=spike.feature_id) is None:
        raise invalid_field("/feature_id", "there is no such feature here", "unknown_feature")
    spike_id = uuid7()
    row = await one(tx, _INSERT, spike_id, "spike", "spike", status="requested", **spike.model_dump())
    await emit(tx, events.REQUESTED, row["json"])
    return spike_id, row


async def start(tx: Transaction, spike_id: UUID, precondition: Precondition) -> asyncpg.Record:
    """The clock runs. Raises NotFound, PreconditionFailed, SpikeUnderWay, SpikeConcluded."""
    row = await one(tx, _LOCK, spike_id, "spike", "spike")
    precondition.check(row["version"])
    if row["status"] == "started":
        raise SpikeUnderWay(f"{wire_id('spike', spike_id)} was started before; it is due at {row['due_at']:%Y-%m-%d}.")
    _refuse_concluded(spike_id, row)
    now = datetime.now(UTC)
    due = timebox_end(now, row["timebox_days"])
    started = await one(tx, _START, spike_id, "spike", "spike", status="started", started_at=now, due_at=due)
    await emit(tx, events.STARTED, started["json"])
    return started


async def conclude(
    tx: Transaction, spike_id: UUID, conclusion: SpikeConclusion, precondition: Precondition
) -> asyncpg.Record:
    """Answer the four questions, and draft the decision that they lead to.

    Raises NotFound, PreconditionFailed, SpikeConcluded, Invalid.
    """
    row = await one(tx, _LOCK, spike_id, "spike", "spike")
    precondition.check(row["version"])
    _refuse_concluded(spike_id, row)
    if conclusion.feasibility == "infeasible" and conclusion.recommendation == "build":
        message = "cannot be to build what is infeasible"
        raise Invalid(
            f"/recommendation: {message}", errors=(Pointer("contradiction", message, "field", "/recommendation"),)
        )
    now = datetime.now(UTC)
    started = row["started_at"] or now
    decision_id, _ = await draft(tx, _decision(row["question"], conclusion))
    values = conclusion.model_dump()
    concluded = await one(
        tx,
        _CONCLUDE,
        spike_id,
        "spike",
        "spike",
        **values | {"estimate": json.dump(values["estimate"])},
        status="concluded",
        started_at=started,
        due_at=row["due_at"] or timebox_end(started, row["timebox_days"]),
        concluded_at=now,
        decision_id=decision_id,
    )
    await emit(tx, events.CONCLUDED, concluded["json"])
    return concluded


async def tell_overruns(tx: Transaction) -> int:
    """The worker's: `spike.overran`, once, for each spike whose timebox has run out. Gives how many, of a batch."""
    over = await tx.all(_OVER)
    for row in over:
        await tx.speak_for(Scope(row["workspace_id"], row["livemode"]))
        text = await tx.value(_MARK_OVER, id=row["id"])
        await emit(tx, events.OVERRAN, text)
    return len(over)


def timebox_end(start: datetime, days: Decimal) -> datetime:
    """So many working days later, Saturdays and Sundays left out; a part of a day is a part of 24 hours.

    >>> timebox_end(datetime(2026, 11, 20, 9, tzinfo=UTC), Decimal(2)).isoformat()
    '2026-11-24T09:00:00+00:00'
    """
    end = start
    whole = int(days)
    while whole:
        end += timedelta(days=1)
        whole -= end.weekday() < 5
    end += timedelta(days=float(days - int(days)))
    while end.weekday() >= 5:
        end += timedelta(days=1)
    return end


def _refuse_concluded(spike_id: UUID, row: asyncpg.Record) -> None:
    if row["status"] == "concluded":
        raise SpikeConcluded(f"{wire_id('spike', spike_id)} is concluded. Request another spike for another question.")


def _decision(question: str, conclusion: SpikeConclusion) -> DecisionCreate:
    """Build, buy or defer, with what the spike found beside what it recommends."""
    estimate = conclusion.estimate
    span = f"{estimate.low} to {estimate.high} {estimate.unit}"
    context = [
        f"A spike asked: {question}",
        f"Feasibility: {conclusion.feasibility.replace('_', ' ')}. Estimate: {span}.",
        f"It recommends to {conclusion.recommendation}.",
        *([conclusion.summary] if conclusion.summary else []),
    ]
    titles = {"build": "Build it", "buy": "Buy it", "defer": "Defer it"}
    options = [
        {
            "key": key,
            "title": title,
            "pros": ["Recommended by the spike"] if key == conclusion.recommendation else [],
            "cons": conclusion.risks if key == conclusion.recommendation else [],
        }
        for key, title in titles.items()
    ]
    return DecisionCreate.model_validate(
        {
            "title": question,
            "kind": "build_vs_buy",
            "context": "\n\n".join(context)[:50_000],
            "options": options,
        }
    )
