"""Make, change and delete features, and tell of it."""

from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import ColumnElement, Uuid, bindparam, case, func, literal_column, select

from api import json
from api.accounts.tenancy import Resource, one, owned
from api.db import uuid7, wire_id
from api.features import events
from api.features.models import Feature
from api.features.schemas import FeatureCreate, FeaturePatch, FeatureShown
from api.http.etags import Precondition
from api.http.representation import Columns, Representation
from api.problems import Conflict, invalid_field
from api.stores import Prepared, Transaction
from api.webhooks.outbox import deleted, emit


class FeatureNeeded(Conflict):
    """Other features depend on it: deleting it would leave them waiting for nothing."""

    code, title = "feature_needed", "Other features depend on this one"


class ExternalIdTaken(Conflict):
    """Another feature has this source and external id."""

    code, title = "external_id_taken", "The external id is taken"


def _depends_on(columns: Columns) -> ColumnElement[Any]:
    # Most features depend on none, and even a subquery that is not asked costs a statement as much as its row.
    none = columns.depends_on == literal_column("'{}'::uuid[]")
    ids = func.roadbed_ids(literal_column("'feat'"), columns.depends_on)
    return case((none, literal_column("'[]'::json")), else_=ids)


FEATURE = Resource(Representation(FeatureShown, Feature.__table__, "feature", {"depends_on": _depends_on}))
WRITABLE = (
    "title",
    "description",
    "status",
    "bucket",
    "labels",
    "metadata",
    "external_id",
    "source",
    "depends_on",
)
_INSERT = FEATURE.insert("id", *WRITABLE)
_LOCK = FEATURE.lock(*WRITABLE)
_UPDATE = FEATURE.update(*WRITABLE)
_COUNT = Prepared(
    select(func.count()).where(owned(Feature), Feature.id == func.any(bindparam("ids", type_=Feature.depends_on.type)))
)
_LOCK_DEPENDENCIES = Prepared(select(func.pg_advisory_xact_lock(bindparam("lock"))))
_NAMED_AT_MOST = 3
_NEEDED_BY = Prepared(
    select(Feature.id)
    .where(
        owned(Feature),
        bindparam("id", type_=Uuid) == func.any(Feature.depends_on),
        # Nothing new is said by this, but that the index of those which depend on something serves.
        Feature.depends_on != literal_column("'{}'::uuid[]"),
    )
    .order_by(Feature.id)
    .limit(_NAMED_AT_MOST + 1)
)


async def create(tx: Transaction, feature: FeatureCreate) -> tuple[UUID, asyncpg.Record]:
    """Gives the id and the row. Raises Invalid for a dependency that does not exist, ExternalIdTaken."""
    if feature.depends_on:
        await lock_dependencies(tx)
    await _check_dependencies(tx, feature.depends_on)
    feature_id = uuid7()
    row = await _written(tx, _INSERT, feature_id, feature.model_dump())
    await emit(tx, events.CREATED, row["json"])
    return feature_id, row


async def revise(tx: Transaction, feature_id: UUID, patch: FeaturePatch, precondition: Precondition) -> asyncpg.Record:
    """Apply a merge patch; one that changes nothing leaves the version as it is, and tells nobody.

    Raises NotFound, PreconditionFailed, Invalid, ExternalIdTaken.
    """
    if patch.depends_on:
        await lock_dependencies(tx)
    row = await one(tx, _LOCK, feature_id, "feature", "feat")
    precondition.check(row["version"])
    current = {name: row[name] for name in WRITABLE}
    changes = patch.changes(current)
    if not changes:
        return await FEATURE.read(tx, feature_id)
    values = current | changes
    values["metadata"] = values["metadata"] or {}
    if (values["external_id"] is None) != (values["source"] is None):
        missing = "/source" if values["source"] is None else "/external_id"
        raise invalid_field(missing, "is needed: external_id and source go together", "incomplete")
    if "depends_on" in changes:
        await _check_dependencies(tx, values["depends_on"], feature_id)
    changed = await _written(tx, _UPDATE, feature_id, values)
    await emit(tx, events.UPDATED, f'{changed["json"][:-1]},"changed":{json.dump(sorted(changes))}}}')
    return changed


async def delete(tx: Transaction, feature_id: UUID, precondition: Precondition) -> None:
    """Delete a feature with its scores. Rankings that were published keep it.

    Raises NotFound, PreconditionFailed, FeatureNeeded.
    """
    await lock_dependencies(tx)
    needed_by = [wire_id("feat", row["id"]) for row in await tx.all(_NEEDED_BY, id=feature_id)]
    if needed_by:
        more = " and others" if len(needed_by) > _NAMED_AT_MOST else ""
        message = (
            f"{', '.join(needed_by[:_NAMED_AT_MOST])}{more} depend on it. Take it out of their depends_on first, or "
            "set its status to dropped."
        )
        raise FeatureNeeded(message)
    row = await FEATURE.remove(tx, feature_id)
    precondition.check(row["version"])
    await emit(tx, events.DELETED, deleted(row["json"]))


async def lock_dependencies(tx: Transaction) -> None:
    """One change of who depends on whom at a time, in a workspace and mode: two that are fine each could make a cycle.

    Taken before any row is locked, so that nobody who holds it waits for somebody who wants it.
    """
    assert tx.scope.workspace_id is not None
    await tx.value(
        _LOCK_DEPENDENCIES, lock=(tx.scope.workspace_id.int ^ (0xDE9 << 1 | bool(tx.scope.livemode))) % 2**63
    )


async def _written(tx: Transaction, statement: Prepared, feature_id: UUID, values: dict[str, Any]) -> asyncpg.Record:
    values = values | {"metadata": json.dump(values["metadata"])}
    try:
        return await one(tx, statement, feature_id, "feature", "feat", **values)
    except asyncpg.UniqueViolationError:
        message = f"{values['source']} {values['external_id']} is another feature already. Change that one by its id."
        raise ExternalIdTaken(message) from None


async def _check_dependencies(tx: Transaction, ids: list[UUID], feature_id: UUID | None = None) -> None:
    """Each exists here, none is twice, and none leads back."""
    if not ids:
        return
    if feature_id in ids:
        raise invalid_field("/depends_on", "a feature cannot depend on itself", "dependency_cycle")
    if len(set(ids)) != len(ids):
        raise invalid_field("/depends_on", "names a feature twice", "duplicate")
    if await tx.value(_COUNT, ids=ids) != len(ids):
        raise invalid_field("/depends_on", "names a feature that is not here", "unknown_feature")
    if feature_id is not None and await tx.value(_LEADS_TO, ids=ids, id=feature_id):
        message = f"what it names depends on {wire_id('feat', feature_id)} already"
        raise invalid_field("/depends_on", message, "dependency_cycle")


def _leads_to() -> Prepared:
    """Whether one of `ids` reaches `id` through what it depends on."""
    array = Feature.depends_on.type
    start = select(func.unnest(bindparam("ids", type_=array)).label("id")).cte("reached", recursive=True)
    step = select(func.unnest(Feature.depends_on)).where(owned(Feature), Feature.id == start.c.id)
    reached = start.union(step)
    return Prepared(select(func.bool_or(reached.c.id == bindparam("id"))))


_LEADS_TO = _leads_to()
