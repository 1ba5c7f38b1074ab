"""Batches of features, and features by their name in another tool."""

from collections.abc import Sequence
from typing import Any

from api.db import wire_id
from api.features.schemas import FeatureBatch, FeatureContent, FeatureCreate, Refused
from api.features.upsert import Outcome, upsert
from api.features.write import FEATURE
from api.http.etags import Precondition
from api.problems import Invalid, Pointer
from api.stores import Transaction

_STATUS = {"created": 201, "updated": 200, "unchanged": 200, "refused": 400}


async def write_batch(tx: Transaction, batch: FeatureBatch) -> dict[str, Any]:
    """The results, in the order of the items. Raises Invalid that points into the items when the batch is atomic."""
    items: list[FeatureCreate | Refused] = list(batch.items)
    valid = {place: item for place, item in enumerate(items) if isinstance(item, FeatureCreate)}
    written = await upsert(tx, list(valid.values()))
    outcomes = dict(zip(valid, written, strict=True))
    for place, item in enumerate(items):
        if isinstance(item, Refused):
            outcomes[place] = Outcome("refused", errors=item.errors)
    if batch.atomic:
        _refuse_all([outcomes[place] for place in range(len(items))])
    results = [_result(items[place], outcomes[place]) for place in range(len(items))]
    counts = {status: sum(one.status == status for one in outcomes.values()) for status in _STATUS}
    return {"object": "batch", **counts, "results": results}


async def write_external(
    tx: Transaction, source: str, external_id: str, content: FeatureContent, precondition: Precondition
) -> tuple[bool, str, int]:
    """Create or update the feature of this name: whether it is new, its JSON text and its version. Raises Invalid."""
    given = {name: getattr(content, name) for name in content.model_fields_set}
    item = FeatureCreate.model_construct(
        {*given, "source", "external_id"},
        **content.model_dump() | given | {"source": source, "external_id": external_id},
    )
    [outcome] = await upsert(tx, [item], precondition=precondition)
    if outcome.errors:
        [error] = outcome.errors
        raise Invalid(f"{error.name}: {error.message}", errors=outcome.errors)
    assert outcome.feature_id is not None
    row = outcome.row or await FEATURE.read(tx, outcome.feature_id)
    return outcome.status == "created", row["json"], row["version"]


def _refuse_all(outcomes: Sequence[Outcome]) -> None:
    pointers = tuple(
        Pointer(error.code, error.message, "field", f"/items/{place}{error.name}")
        for place, outcome in enumerate(outcomes)
        for error in outcome.errors
    )
    if pointers:
        message = (
            f"{pointers[0].name}: {pointers[0].message}. Nothing was written: mend the items, or send atomic: false."
        )
        raise Invalid(message, errors=pointers)


def _result(item: FeatureCreate | Refused, outcome: Outcome) -> dict[str, Any]:
    return {
        "status": _STATUS[outcome.status],
        "outcome": outcome.status,
        "id": wire_id("feat", outcome.feature_id) if outcome.feature_id else None,
        "version": outcome.version,
        "external_id": item.external_id,
        "source": item.source,
        "problem": _problem(outcome.errors) if outcome.errors else None,
    }


def _problem(errors: Sequence[Pointer]) -> dict[str, Any]:
    return {
        "code": "invalid_request",
        "detail": "; ".join(f"{error.name or 'item'}: {error.message}" for error in errors[:3]),
        "errors": [
            {"code": error.code, "message": error.message, "target": {"type": error.type, "name": error.name}}
            for error in errors
        ],
    }
