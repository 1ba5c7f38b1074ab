"""Write many features in a handful of statements: make them, or update those that `source` and `external_id` name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

import asyncpg
from sqlalchemy import Boolean, Text, bindparam, cast, column, func, literal_column, select, true, union_all, update
from sqlalchemy.dialects.postgresql import ARRAY, JSON
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.sql.selectable import TableValuedAlias

from api import json
from api.accounts.tenancy import owned
from api.db import uuid7, wire_id
from api.features import events
from api.features.models import Feature
from api.features.schemas import FeatureCreate
from api.features.write import FEATURE, WRITABLE, lock_dependencies
from api.http.etags import ANY, Precondition
from api.problems import Pointer, Unavailable
from api.stores import Prepared, Transaction
from api.webhooks.outbox import emit_many

MOST_ROUNDS = 3
MOST_REACHED = 100_000
Status = Literal["created", "updated", "unchanged", "refused"]


@dataclass(slots=True)
class Outcome:
    """What became of one item. `row` is the feature as it is now (`id`, `version`, `json`), where it was written."""

    status: Status
    feature_id: UUID | None = None
    version: int | None = None
    row: asyncpg.Record | None = None
    changed: list[str] = field(default_factory=list)
    errors: tuple[Pointer, ...] = ()


async def upsert(
    tx: Transaction,
    items: Sequence[FeatureCreate],
    ids: Mapping[int, UUID] | None = None,
    precondition: Precondition | None = None,
) -> list[Outcome]:
    """Create each item, or update the feature with its source and external id; one outcome for each, in their order.

    An update sets the fields that the item gives and keeps the rest; one that changes nothing leaves the version and
    tells nobody. `ids` names features by place instead, whose source and external id then stay. A refused item is not
    written; the others are: who wants all or nothing rolls back. Raises PreconditionFailed.
    """
    outcomes: dict[int, Outcome] = _refuse_twins(items)
    if any(item.depends_on for item in items):
        await lock_dependencies(tx)
    if len(items) > 1:
        await tx.run(_BY_KEYS)
    for _ in range(MOST_ROUNDS):
        left = [place for place in range(len(items)) if place not in outcomes]
        if not left:
            break
        outcomes |= await _write(tx, {place: items[place] for place in left}, ids or {}, precondition or ANY)
    else:
        raise Unavailable("Others are writing the same external ids. Send the request again in a second.")
    if len(items) > 1:
        # What is told is many rows of one statement, each of which asks for its endpoint: with a plan that is kept.
        await tx.run(_AS_USUAL)
    await _tell(tx, items, outcomes)
    if len(items) > 1:
        # Whoever writes so many may write more of them, and what goes with them.
        await tx.run(_BY_KEYS)
    return [outcomes[place] for place in range(len(items))]


async def _write(
    tx: Transaction, items: Mapping[int, FeatureCreate], ids: Mapping[int, UUID], precondition: Precondition
) -> dict[int, Outcome]:
    """One round. An item that somebody else creates meanwhile has no outcome: the next round updates it."""
    found = await _found(tx, items, ids)
    changes: dict[int, dict[str, Any]] = {}
    if len(found) < len(items):
        precondition.check(None)
    for place, row in found.items():
        precondition.check(row["version"])
        changes[place] = _changes(items[place], row, named_by_id=place in ids)
    outcomes = {
        place: Outcome("unchanged", row["id"], row["version"]) for place, row in found.items() if not changes[place]
    }
    outcomes |= await _refuse_dependencies(tx, items, found, changes)
    new = {place: item for place, item in items.items() if place not in found and place not in outcomes}
    changed = {place: row for place, row in found.items() if place not in outcomes}
    return outcomes | await _insert(tx, new) | await _update(tx, changed, changes)


async def _insert(tx: Transaction, items: Mapping[int, FeatureCreate]) -> dict[int, Outcome]:
    if not items:
        return {}
    places = {uuid7(): place for place in items}
    rows = [{"id": str(id_), **_storable(items[place].model_dump())} for id_, place in places.items()]
    written = await tx.all(_INSERT_MANY, rows=json.dump(rows))
    return {places[row["id"]]: Outcome("created", row["id"], row["version"], row) for row in written}


async def _update(
    tx: Transaction, rows: Mapping[int, asyncpg.Record], changes: Mapping[int, dict[str, Any]]
) -> dict[int, Outcome]:
    if not rows:
        return {}
    places = {row["id"]: place for place, row in rows.items()}
    values = [
        {"id": str(row["id"]), **_storable({name: row[name] for name in WRITABLE} | changes[place])}
        for place, row in rows.items()
    ]
    written = await tx.all(_UPDATE_MANY, rows=json.dump(values))
    return {
        places[row["id"]]: Outcome("updated", row["id"], row["version"], row, sorted(changes[places[row["id"]]]))
        for row in written
    }


def _storable(values: Mapping[str, Any]) -> dict[str, Any]:
    dependencies = [str(id_) for id_ in values["depends_on"]]
    return {**values, "metadata": values["metadata"] or {}, "depends_on": dependencies}


async def _found(
    tx: Transaction, items: Mapping[int, FeatureCreate], ids: Mapping[int, UUID]
) -> dict[int, asyncpg.Record]:
    """The features that the items mean, locked until the end, in one order: twins cannot deadlock."""
    by_name = {(items[place].source, items[place].external_id): place for place in items if place not in ids}
    names = [name for name in by_name if name[1] is not None]
    by_id = {ids[place]: place for place in items if place in ids}
    if not names and not by_id:
        return {}
    rows = await tx.all(
        _LOCK_MANY,
        sources=[source for source, _ in names],
        external_ids=[external_id for _, external_id in names],
        ids=list(by_id),
    )
    found = {}
    for row in rows:
        place = by_id.get(row["id"], by_name.get((row["source"], row["external_id"])))
        if place is not None:
            found[place] = row
    return found


def _changes(item: FeatureCreate, row: asyncpg.Record, *, named_by_id: bool) -> dict[str, Any]:
    """The fields that the item gives and the feature has otherwise."""
    given = item.model_dump(include=item.model_fields_set)
    if named_by_id:
        given = {name: value for name, value in given.items() if name not in ("source", "external_id")}
    return {name: value for name, value in given.items() if value != row[name]}


def _refuse_twins(items: Sequence[FeatureCreate]) -> dict[int, Outcome]:
    """The second item of a name: which of the two is meant cannot be known."""
    seen: dict[tuple[str | None, str | None], int] = {}
    twins = {}
    for place, item in enumerate(items):
        if item.external_id is None:
            continue
        first = seen.setdefault((item.source, item.external_id), place)
        if first != place:
            message = f"has the source and external_id of item {first}"
            twins[place] = Outcome("refused", errors=(Pointer("duplicate", message, "field", "/external_id"),))
    return twins


async def _refuse_dependencies(
    tx: Transaction,
    items: Mapping[int, FeatureCreate],
    found: Mapping[int, asyncpg.Record],
    changes: Mapping[int, dict[str, Any]],
) -> dict[int, Outcome]:
    """Each dependency exists, none is twice, and none leads back; two statements at most."""
    wanted = {
        place: list(item.depends_on)
        for place, item in items.items()
        if item.depends_on and (place not in found or "depends_on" in changes[place])
    }
    if not wanted:
        return {}
    named = list({id_ for ids in wanted.values() for id_ in ids})
    known = {row["id"] for row in await tx.all(_KNOWN, ids=named)}
    # Only a feature that is there already can be led back to.
    graph = {}
    if any(place in found for place in wanted):
        graph = {row["id"]: set(row["depends_on"]) for row in await tx.all(_REACHED, ids=named)}
    refused = {}
    for place, ids in wanted.items():
        own = found[place]["id"] if place in found else None
        wrong = _wrong_dependency(ids, own, known, graph)
        if wrong is not None:
            refused[place] = Outcome("refused", errors=(wrong,))
        elif own is not None:
            graph[own] = set(ids)
    return refused


def _wrong_dependency(
    ids: list[UUID], own: UUID | None, known: set[UUID], graph: dict[UUID, set[UUID]]
) -> Pointer | None:
    if len(set(ids)) != len(ids):
        return Pointer("duplicate", "names a feature twice", "field", "/depends_on")
    if not known.issuperset(ids):
        return Pointer("unknown_feature", "names a feature that is not here", "field", "/depends_on")
    if own is not None and _leads_to(ids, own, graph):
        message = f"what it names depends on {wire_id('feat', own)} already, or is it"
        return Pointer("dependency_cycle", message, "field", "/depends_on")
    return None


def _leads_to(ids: list[UUID], own: UUID, graph: Mapping[UUID, set[UUID]]) -> bool:
    pending, seen = list(ids), set(ids)
    while pending:
        current = pending.pop()
        if current == own:
            return True
        fresh = graph.get(current, set()) - seen
        seen |= fresh
        pending.extend(fresh)
    return False


async def _tell(tx: Transaction, items: Sequence[FeatureCreate], outcomes: Mapping[int, Outcome]) -> None:
    told = [outcomes[place] for place in range(len(items)) if outcomes[place].row is not None]
    await emit_many(tx, events.CREATED, [one.row["json"] for one in told if one.row and one.status == "created"])
    updated = [(one.row["json"], one.changed) for one in told if one.row and one.status == "updated"]
    await emit_many(tx, events.UPDATED, [f'{text[:-1]},"changed":{json.dump(changed)}}}' for text, changed in updated])


def _given() -> TableValuedAlias:
    """The features of a JSON array as rows."""
    table = Feature.__table__.c
    columns = (column(name, table[name].type) for name in ("id", *WRITABLE))
    rows = func.json_to_recordset(cast(bindparam("rows", type_=Text), JSON))
    return rows.table_valued(*columns).render_derived(name="given", with_types=True)


def _insert_many() -> Prepared:
    given = _given()
    tenant = (bindparam("workspace_id", type_=Feature.workspace_id.type), bindparam("livemode", type_=Boolean))
    rows = select(*tenant, *(given.c[name] for name in ("id", *WRITABLE)))
    statement = postgres_insert(FEATURE.table).from_select(["workspace_id", "livemode", "id", *WRITABLE], rows)
    return Prepared(statement.on_conflict_do_nothing().returning(*_SHOWN))


def _update_many() -> Prepared:
    given, table = _given(), FEATURE.table
    values = {name: given.c[name] for name in WRITABLE}
    statement = update(table).values(**values, version=table.c.version + 1, updated_at=func.now())
    return Prepared(statement.where(owned(table), table.c.id == given.c.id).returning(*_SHOWN))


def _lock_many() -> Prepared:
    """Each feature is looked up by itself, in the order of the ids.

    Postgres plans by what it last counted, and a large import outgrows that while it runs: told of few rows, a plain
    join would compare all of a workspace with all of the names. The limit makes it look each up.
    """
    table = Feature.__table__
    arrays = (bindparam("sources", type_=ARRAY(Text)), bindparam("external_ids", type_=ARRAY(Text)))
    names = func.unnest(*arrays).table_valued(column("source", Text), column("external_id", Text))
    names = names.render_derived(name="names")
    named = (
        select(table.c.id)
        .where(
            owned(table),
            table.c.source == names.c.source,
            table.c.external_id == names.c.external_id,
        )
        .limit(1)
        .lateral("named")
    )
    by_name = select(named.c.id).join_from(names, named, true())
    ids = func.unnest(bindparam("ids", type_=table.c.depends_on.type))
    wanted = union_all(by_name, select(ids)).subquery().select().order_by("id").subquery("wanted")
    held = (
        select(table.c.id, table.c.version, *(table.c[name] for name in WRITABLE))
        .where(owned(table), table.c.id == wanted.c.id)
        .limit(1)
        .with_for_update()
        .lateral("held")
    )
    return Prepared(select(*held.c).join_from(wanted, held, true()))


def _reached() -> Prepared:
    """What `ids` depend on, with what those depend on, and so on."""
    array = Feature.depends_on.type
    start = select(func.unnest(bindparam("ids", type_=array)).label("id")).cte("reached", recursive=True)
    step = select(func.unnest(Feature.depends_on)).where(owned(Feature), Feature.id == start.c.id)
    reached = start.union(step)
    rows = select(Feature.id, Feature.depends_on).where(owned(Feature), Feature.id == reached.c.id)
    return Prepared(rows.limit(MOST_REACHED))


# Postgres keeps a plan that it made while a table was nearly empty, and a large import outgrows it while it runs: a
# scan of the whole table for each row. A thousand rows at once are worth a plan of their own, by index.
_BY_KEYS, _AS_USUAL = (
    Prepared(
        select(
            *(
                func.set_config(literal_column(f"'{name}'"), literal_column(f"'{value}'"), literal_column("true"))
                for name, value in (("plan_cache_mode", mode), ("enable_seqscan", scans))
            )
        )
    )
    for mode, scans in (("force_custom_plan", "off"), ("auto", "on"))
)
_SHOWN = (Feature.id, Feature.version, FEATURE.shape.text())
_INSERT_MANY = _insert_many()
_UPDATE_MANY = _update_many()
_LOCK_MANY = _lock_many()
_REACHED = _reached()
_KNOWN = Prepared(
    select(Feature.id).where(owned(Feature), Feature.id == func.any(bindparam("ids", type_=Feature.depends_on.type)))
)
