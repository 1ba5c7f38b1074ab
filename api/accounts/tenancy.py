"""The one door to a tenant's rows. Row-level security stands behind it (migrations/tenancy.py).

Statements are built once, at import; the workspace and the mode come from the transaction's scope.
"""

from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import (
    ColumnElement,
    Delete,
    Insert,
    Select,
    Table,
    Update,
    and_,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)

from api.db import wire_id
from api.http.representation import Representation
from api.problems import NotFound
from api.stores import Prepared, Transaction, binds


def owned(table: Any) -> ColumnElement[bool]:
    """The rows of the transaction's workspace and mode."""
    columns = getattr(table, "c", table)
    return and_(columns.workspace_id == bindparam("workspace_id"), columns.livemode == bindparam("livemode"))


async def one(
    tx: Transaction, statement: Prepared, resource_id: UUID, kind: str, prefix: str, /, **values: Any
) -> asyncpg.Record:
    """The row that the statement finds, or changes, by `id`. Raises NotFound, for another workspace's rows too."""
    row = await tx.first(statement, id=resource_id, **values)
    if row is None:
        raise NotFound(f"There is no {kind} {wire_id(prefix, resource_id)} here.")
    return row


class Resource:
    """The four statements that every resource needs, each showing the row as JSON with its version.

    They are for plain rows: what writes more than one row, or tells of it, is a verb of its slice.
    """

    def __init__(self, shape: Representation) -> None:
        self.shape = shape
        self.table: Table = shape.table
        self.kind = shape.kind
        self.prefix = str(self.table.c.id.info["prefix"])
        self._read = Prepared(self.select())
        self._delete = Prepared(self.delete())

    async def read(self, tx: Transaction, resource_id: UUID) -> asyncpg.Record:
        """`json` and `version`. Raises NotFound."""
        return await one(tx, self._read, resource_id, self.kind, self.prefix)

    async def remove(self, tx: Transaction, resource_id: UUID) -> asyncpg.Record:
        """Deletes, and gives the last `json` and `version`. Raises NotFound."""
        return await one(tx, self._delete, resource_id, self.kind, self.prefix)

    def select(self, *columns: ColumnElement[Any]) -> Select[Any]:
        """Read by `id`."""
        return select(*self._shown, *columns).where(owned(self.table), self.table.c.id == bindparam("id"))

    def lock(self, *names: str) -> Prepared:
        """Read columns by `id` and hold the row until the transaction ends."""
        columns = [self.table.c[name] for name in names]
        where = (owned(self.table), self.table.c.id == bindparam("id"))
        return Prepared(select(self.table.c.version, *columns).where(*where).with_for_update())

    def insert(self, *names: str) -> Prepared:
        """Write these columns, the tenant's added."""
        return Prepared(insert_owned(self.table, *names).returning(*self._shown))

    def update(self, *names: str) -> Prepared:
        """Write these columns of the row with this `id`; its version goes up by one."""
        statement: Update = update(self.table).values(binds(*names))
        statement = statement.values(version=self.table.c.version + 1, updated_at=func.now())
        return Prepared(statement.where(owned(self.table), self.table.c.id == bindparam("id")).returning(*self._shown))

    def delete(self) -> Delete:
        statement = delete(self.table).where(owned(self.table), self.table.c.id == bindparam("id"))
        return statement.returning(*self._shown)  # type: ignore[return-value]

    @property
    def _shown(self) -> tuple[ColumnElement[Any], ...]:
        return self.shape.text(), self.table.c.version


def insert_owned(table: Any, *names: str) -> Insert:
    """An INSERT of these columns into the transaction's workspace and mode."""
    return insert(table).values(binds("workspace_id", "livemode", *names))
