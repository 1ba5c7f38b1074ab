"""Lists: keyset pages, signed cursors, filters and sorts by rule.

A page is one statement over (sort key, id). Its cursor holds the last row's keys under a MAC that is bound to the
workspace, the mode, the path, the filter and the sort: another list's cursor, or a forged one, is a 400.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ARRAY, ColumnElement, and_, any_, bindparam, func, or_, select
from sqlalchemy.sql.expression import BindParameter

from api import json
from api.http.reply import Reply
from api.http.representation import Representation
from api.http.schema import LONGEST_CURSOR
from api.problems import Invalid, Pointer
from api.stores import Prepared, Scope, Transaction

Condition = Callable[[BindParameter[Any]], ColumnElement[bool]]
MAC_BYTES = 16


class InvalidCursor(Invalid):
    """The cursor is not one that this list gave out."""

    code, title = "invalid_cursor", "The cursor is not one of this list"


class PageQuery(BaseModel):
    """What every list takes. A parameter that the list does not know is a 400."""

    model_config = ConfigDict(extra="forbid")
    limit: int = Field(20, ge=1, le=100, description="How many items a page has, 1 to 100.")
    cursor: str | None = Field(
        None,
        min_length=1,
        max_length=LONGEST_CURSOR,
        description="`next_cursor` of the page before. Leave it out for the first.",
    )


class Listing:
    """One list: what its items look like, what it can be filtered and sorted by.

    `filters` names the parameters of the query model that select rows; by rule `status` is equality (a list is any of
    them), `score_gte` and `score_lte` are ranges, on the column of that name. A filter that is something else brings
    its own condition. `sorts` are columns without nulls; `-` in front means descending. Ids ascend with time, so the
    default, newest first, reads the primary key backwards.
    """

    def __init__(
        self,
        representation: Representation,
        *,
        filters: tuple[str, ...] = (),
        conditions: Mapping[str, Condition] | None = None,
        sorts: tuple[str, ...] = (),
        default_sort: str = "-id",
        always: ColumnElement[bool] | None = None,
    ) -> None:
        self._shape = representation
        self._table = representation.table
        self._filters = {name: self._by_rule(name) for name in filters} | dict(conditions or {})
        self.sorts = sorts
        self._default_sort = default_sort
        self._always = always
        self._statements: dict[tuple[Any, ...], Prepared] = {}

    async def page(self, tx: Transaction, request: Request, query: PageQuery) -> Reply:
        """The page as a reply, with a `Link` header to the next one. One statement."""
        wanted = {name: value for name in self._filters if (value := getattr(query, name, None)) not in (None, [])}
        sort = self._sort(getattr(query, "sort", None))
        signer: Cursors = request.app.state.cursors
        binding = _binding(tx.scope, request.url.path, wanted, sort)
        after = signer.read(query.cursor, binding) if query.cursor else None
        statement = self._statement(tuple(sorted(wanted)), sort, after is not None)
        values: dict[str, Any] = {f"after_{number}": key for number, key in enumerate(after or [])}
        rows = await tx.all(
            statement,
            **{name: _as_filter(name, value) for name, value in wanted.items()},
            **values,
            page_limit=query.limit + 1,
        )
        more = len(rows) > query.limit
        rows = rows[: query.limit]
        cursor = signer.write([key for name, key in rows[-1].items() if name != "json"], binding) if more else None
        return _reply(request, [row["json"] for row in rows], cursor)

    def _sort(self, text: str | None) -> tuple[str, ...]:
        if text is None:
            return (self._default_sort,)
        keys = tuple(text.split(","))
        names = [key.removeprefix("-") for key in keys]
        if len(names) > 3 or len(set(names)) < len(names) or any(name not in self.sorts for name in names):
            choices = ", ".join(f"{name}, -{name}" for name in self.sorts)
            message = f"sort takes up to three of these, each once: {choices}."
            raise Invalid(message, errors=(Pointer("invalid", message, "parameter", "sort"),))
        return keys

    def _statement(self, filters: tuple[str, ...], sort: tuple[str, ...], after: bool) -> Prepared:
        shape = (filters, sort, after)
        if shape not in self._statements:
            self._statements[shape] = Prepared(self._select(filters, sort, after))
        return self._statements[shape]

    def _select(self, filters: tuple[str, ...], sort: tuple[str, ...], after: bool) -> Any:
        columns = self._table.c
        names = [key.removeprefix("-") for key in sort]
        falling = [key.startswith("-") for key in sort]
        if names[-1] != "id":
            names, falling = [*names, "id"], [*falling, falling[-1]]
        keys = [columns[name] for name in names]
        statement = select(self._shape.text(), *(key.label(f"key_{number}") for number, key in enumerate(keys)))
        statement = statement.where(
            columns.workspace_id == bindparam("workspace_id"),
            columns.livemode == bindparam("livemode"),
            *(self._filters[name](bindparam(name)) for name in filters),
        )
        if self._always is not None:
            statement = statement.where(self._always)
        if after:
            statement = statement.where(_beyond(keys, falling))
        order = [key.desc() if down else key.asc() for key, down in zip(keys, falling, strict=True)]
        return statement.order_by(*order).limit(bindparam("page_limit"))

    def _by_rule(self, name: str) -> Condition:
        for suffix, compare in (("_gte", "__ge__"), ("_lte", "__le__")):
            if name.endswith(suffix):
                column = self._table.c[name.removesuffix(suffix)]
                return lambda given: getattr(column, compare)(bindparam(given.key, type_=column.type))
        column = self._table.c[name]
        return lambda given: column == any_(bindparam(given.key, type_=ARRAY(column.type)))


class Cursors:
    """Writes and reads cursors under one key, which no client has."""

    def __init__(self, pepper: bytes) -> None:
        self._key = hmac.digest(pepper, b"roadbed cursor v1", hashlib.sha256)

    def write(self, keys: list[Any], binding: bytes) -> str:
        """Opaque text for the row with these sort keys."""
        body = json.dump([[_tag(key), str(key.isoformat() if isinstance(key, datetime) else key)] for key in keys])
        raw = body.encode()
        return base64.urlsafe_b64encode(self._mac(raw, binding) + raw).rstrip(b"=").decode()

    def read(self, cursor: str, binding: bytes) -> list[Any]:
        """The sort keys behind a cursor. Raises InvalidCursor unless we wrote it for this very list."""
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        mac, body = raw[:MAC_BYTES], raw[MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(body, binding)):
            raise InvalidCursor(
                "The cursor does not belong to this list. Use next_cursor with the same path, filter and sort, "
                "or start again without it.",
                errors=(Pointer("invalid_cursor", "not a cursor of this list", "parameter", "cursor"),),
            )
        return [_READERS[tag](text) for tag, text in json.load(body)]

    def _mac(self, body: bytes, binding: bytes) -> bytes:
        return hmac.digest(self._key, binding + b"\x00" + body, hashlib.sha256)[:MAC_BYTES]


_READERS: dict[str, Callable[[str], Any]] = {
    "time": datetime.fromisoformat,
    "uuid": UUID,
    "number": Decimal,
    "integer": int,
    "text": str,
}


def _tag(key: Any) -> str:
    kinds = {datetime: "time", UUID: "uuid", Decimal: "number", int: "integer"}
    return next((tag for kind, tag in kinds.items() if isinstance(key, kind)), "text")


def _as_filter(name: str, value: Any) -> Any:
    """Equality is asked of a list, so that one value and many are the same statement."""
    return value if isinstance(value, list) or name.endswith(("_gte", "_lte")) else [value]


def _binding(scope: Scope, path: str, wanted: Mapping[str, Any], sort: tuple[str, ...]) -> bytes:
    parts = [scope.workspace_id, scope.livemode, path, sorted((k, str(v)) for k, v in wanted.items()), sort]
    return hashlib.sha256(repr(parts).encode()).digest()


def _beyond(keys: list[Any], falling: list[bool]) -> ColumnElement[bool]:
    """Rows after the cursor: a row comparison when all keys run one way (one index range), else the long form."""
    bounds = [bindparam(f"after_{number}", type_=key.type) for number, key in enumerate(keys)]
    if len(set(falling)) == 1:
        left, right = func.row(*keys), func.row(*bounds)
        return left < right if falling[0] else left > right
    return or_(
        *(
            and_(
                *(key == bound for key, bound in list(zip(keys, bounds, strict=True))[:position]),
                keys[position] < bounds[position] if falling[position] else keys[position] > bounds[position],
            )
            for position in range(len(keys))
        )
    )


def _reply(request: Request, items: list[str], cursor: str | None) -> Reply:
    shown_cursor = json.dump(cursor)
    body = (
        '{"object":"list","data":['
        + ",".join(items)
        + f'],"has_more":{"true" if cursor else "false"},"next_cursor":{shown_cursor}}}'
    )
    if cursor is None:
        return Reply(body)
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    url = f"{request.app.state.settings.base_url}{request.url.path}?{urlencode([*kept, ('cursor', cursor)])}"
    return Reply(body, headers={"Link": f'<{url}>; rel="next"'})
