"""What a success metric was found to be, and how far that is on the way to its target."""

import operator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg

from api.accounts.tenancy import insert_owned, one
from api.db import uuid7
from api.formulas.exact import exact, rounded
from api.http.representation import Representation
from api.prds import events
from api.prds.models import Observation
from api.prds.schemas import ObservationCreate, ObservationShown
from api.prds.write import PRD
from api.problems import invalid_field
from api.stores import Prepared, Transaction
from api.webhooks.outbox import emit, written_once

OBSERVATION = Representation(ObservationShown, Observation.__table__, "observation")
_NAMES = ("id", "prd_id", "metric_id", "value", "progress_percent", "met", "source", "observed_at")
_INSERT = Prepared(insert_owned(Observation.__table__, *_NAMES).returning(OBSERVATION.text()))
_SECTIONS = Prepared(PRD.select(PRD.table.c.sections))
_OPERATORS = {"<": operator.lt, "<=": operator.le, "=": operator.eq, ">=": operator.ge, ">": operator.gt}


async def observe(tx: Transaction, prd_id: UUID, seen: ObservationCreate) -> tuple[UUID, asyncpg.Record]:
    """Keep the observation. It changes no approval. Raises NotFound, Invalid when the PRD has no such metric."""
    row = await one(tx, _SECTIONS, prd_id, "PRD", "prd")
    metrics = {metric["id"]: metric for metric in row["sections"]["success_metrics"]}
    if seen.metric_id not in metrics:
        known = ", ".join(metrics) or "none"
        raise invalid_field("/metric_id", f"is no success metric of this PRD; it has {known}", "unknown_id")
    metric = metrics[seen.metric_id]
    observation_id = uuid7()
    written = await tx.first(
        _INSERT,
        id=observation_id,
        prd_id=prd_id,
        metric_id=seen.metric_id,
        value=seen.value,
        progress_percent=progress(metric, seen.value),
        met=meets(metric, seen.value),
        source=seen.source,
        observed_at=seen.observed_at or datetime.now(UTC),
    )
    assert written is not None
    await emit(tx, events.OBSERVED, written_once(written["json"]))
    return observation_id, written


def progress(metric: dict[str, Any], value: Decimal) -> Decimal | None:
    """Percent of the way from the baseline to the target; None without both, or when they are the same.

    >>> progress({"baseline": 20, "target": 80}, Decimal(50))
    Decimal('50')
    """
    baseline, target = metric.get("baseline"), metric.get("target")
    if baseline is None or target is None or baseline == target:
        return None
    start, goal = exact(baseline, "baseline"), exact(target, "target")
    return rounded((exact(value, "value") - start) / (goal - start) * 100)


def meets(metric: dict[str, Any], value: Decimal) -> bool | None:
    """Whether the value reaches the target; None without one."""
    if metric.get("target") is None:
        return None
    return bool(_OPERATORS[metric.get("op") or ">="](value, Decimal(metric["target"])))
