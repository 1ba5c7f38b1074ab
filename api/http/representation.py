"""How a row becomes JSON: one place says which columns a resource shows.

The fields of the response model name the columns; Postgres builds the JSON text in the statement that reads or writes
the row, so that statement and model cannot drift and no row is turned into objects on the way.
"""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel
from sqlalchemy import (
    ColumnCollection,
    ColumnElement,
    DateTime,
    Numeric,
    Table,
    Text,
    Uuid,
    cast,
    func,
    literal_column,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import JSON

Columns = ColumnCollection[str, ColumnElement[Any]]
Expression = Callable[[Columns], ColumnElement[Any]]


class Representation:
    """The JSON of one kind of resource.

    Each field of `model` shows the column of its name: ids with their prefix, times in UTC with `Z`, numbers without
    trailing zeros. `object` is the kind. A field that is no column has an expression in `computed`.
    """

    def __init__(
        self,
        model: type[BaseModel],
        table: Any,
        kind: str,
        computed: Mapping[str, Expression] | None = None,
    ) -> None:
        self.model = model
        self.table: Table = table
        self.kind = kind
        self._computed = dict(computed or {})

    def json(self, source: Columns | None = None) -> ColumnElement[Any]:
        """The JSON object, as an SQL expression over the table's columns, or those of an alias or a CTE."""
        columns = self.table.c if source is None else source
        pairs: list[Any] = []
        for field in self.model.model_fields:
            pairs += [literal_column(f"'{field}'"), self._shown(field, columns)]
        return func.json_build_object(*pairs, type_=JSON)

    def text(
        self, source: Columns | None = None, plus: Mapping[str, ColumnElement[Any]] | None = None
    ) -> ColumnElement[str]:
        """The same as text, labelled `json`. `plus` are JSON fields that only this statement shows."""
        shown: ColumnElement[str] = cast(self.json(source), Text)
        if plus:
            shown = func.left(shown, -1)
            for field, expression in plus.items():
                shown = shown + f',"{field}":' + func.coalesce(cast(expression, Text), "null")
            shown = shown + "}"
        return shown.label("json")

    def _shown(self, field: str, columns: Columns) -> ColumnElement[Any]:
        if field in self._computed:
            return self._computed[field](columns)
        if field == "object":
            return literal_column(f"'{self.kind}'")
        if field == "id" and "wire_id" in self.table.c:
            return columns.wire_id
        return shown(columns[field], self.table.c[field].info.get("prefix"))


def shown(column: ColumnElement[Any], prefix: str | None = None) -> ColumnElement[Any]:
    """One column in its wire form."""
    if isinstance(column.type, Uuid):
        assert prefix is not None, f"{column} has no prefix: declare it with identity() or reference()"
        return func.roadbed_id(literal_column(f"'{prefix}'"), column)
    if isinstance(column.type, DateTime):
        return func.roadbed_time(column)
    if isinstance(column.type, Numeric):
        return func.trim_scale(column)
    return type_coerce(column, column.type)
