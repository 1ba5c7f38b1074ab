"""An entry as callers see it. The log keeps rows as Postgres has them, which the chain's hashes cover.

Ids are shown with their prefix and times in UTC with `Z`, like everywhere: the models say which columns are which.
"""

from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Uuid

from api import json
from api.db import Base, wire_id
from api.http.reply import Reply

Columns = dict[str, Any]


def shown(page: Reply) -> Reply:
    """The same page of entries, `before` and `after` in the wire form."""
    body = json.load(bytes(page.body))
    for entry in body["data"]:
        for side in ("before", "after"):
            if entry[side] is not None:
                entry[side] = _in_wire_form(entry["resource"], entry[side])
    kept = {name: value for name, value in page.headers.items() if name == "link"}
    return Reply(json.dump(body), page.status_code, kept)


def _in_wire_form(resource: str, row: Columns) -> Columns:
    prefixes, times = _columns_of(resource)
    return {
        name: _id(prefixes[name], value) if name in prefixes else _time(value) if name in times else value
        for name, value in row.items()
    }


@cache
def _columns_of(resource: str) -> tuple[dict[str, str], frozenset[str]]:
    """The prefixes of its columns with ids, and its columns with times. A table that is no more has none."""
    table = Base.metadata.tables.get(resource)
    columns = [] if table is None else list(table.columns)
    ids = [column for column in columns if isinstance(_element(column.type), Uuid)]
    return (
        {column.name: column.info["prefix"] for column in ids if "prefix" in column.info},
        frozenset(column.name for column in columns if isinstance(column.type, DateTime)),
    )


def _element(kind: Any) -> Any:
    return kind.item_type if isinstance(kind, ARRAY) else kind


def _id(prefix: str, value: Any) -> Any:
    if isinstance(value, list):
        return [_id(prefix, one) for one in value]
    return None if value is None else wire_id(prefix, UUID(value))


def _time(value: Any) -> Any:
    """
    >>> _time("2026-11-23T09:30:00+00:00")
    '2026-11-23T09:30:00.000000Z'
    """
    if value is None:
        return None
    moment = datetime.fromisoformat(value).astimezone(UTC)
    return moment.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"
