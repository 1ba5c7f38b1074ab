"""Lists: keyset pages, signed cursors, filters and sorts by rule.

A page is one statement over (sort key, id). Its cursor holds the last row's keys under a MAC that is bound to the
workspace, the mode, the path, the filter and the sort: another list's cursor, or a forged one, is a 400.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Request
from pydantic import Field
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Double,
    FromClause,
    Integer,
    Select,
    and_,
    any_,
    bindparam,
    func,
    literal_column,
    or_,
    select,
    true,
)
from sqlalchemy.sql.expression import BindParameter

from api import json
from api.http.reply import Reply
from api.http.representation import Representation
from api.http.schema import LONGEST_CURSOR, MOST_COUNTED, Asked, CommaSeparated
from api.problems import Invalid, Pointer
from api.stores import Prepared, Scope, Transaction

Condition = Callable[[BindParameter[Any]], ColumnElement[bool]]
_Written = tuple[tuple[str, tuple[str, ...]], ...]
MAC_BYTES = 16
# No text that Postgres keeps has it.
_BETWEEN = "\x00"
_PLAIN_QUERY = re.compile(r"([a-z_]+=[A-Za-z0-9_.:,-]+(&|$))*")
# Of these sizes a page has a statement of its own: only where the limit is written out does Postgres keep the plan.
_USUAL_LIMITS = (20, 50, 100)
MOST_WRITTEN_OUT = 3


class InvalidCursor(Invalid):
    """The cursor is not one that this list gave out."""

    code, title = "invalid_cursor", "The cursor is not one of this list"


class PageQuery(Asked):
    """What every list takes. A parameter that the list does not know is a 400."""

    limit: int = Field(20, ge=1, le=100, description="How many items a page has, 1 to 100.")
    cursor: str | None = Field(
        None,
        min_length=1,
        max_length=LONGEST_CURSOR,
        description="`next_cursor` of the page before. Leave it out for the first.",
    )
    include: Annotated[list[Literal["total_count"]] | None, CommaSeparated] = Field(
        None, max_length=1, description="`total_count`: also tell how many items there are."
    )


@dataclass(frozen=True)
class Source:
    """Rows beside the table of a list, joined while one of `parameters` is asked for, or a sort of `sorts`.

    A sort is a column, or several of which the first are coarser. `default_sort` is that of callers who ask for none.
    """

    rows: FromClause
    on: ColumnElement[bool]
    parameters: frozenset[str]
    sorts: Mapping[str, ColumnElement[Any] | tuple[ColumnElement[Any], ...]]
    default_sort: str | None = None


class Listing:
    """One list: what its items look like, what it can be filtered and sorted by.

    `filters` names the parameters of the query model that select rows; by rule `status` is equality (a list is any of
    them), `score_gte` and `score_lte` are ranges, on the column of that name. A filter that is something else brings
    its own condition. `sorts` are columns without nulls; `-` in front means descending. Ids ascend with time, so the
    default, newest first, reads the primary key backwards.

    `written_out` are filters on text whose values stand in the statement itself where `is_known` says that they are of
    a closed set, and are few: only then does Postgres use a partial index for the rare ones, and know that they are
    rare.
    """

    def __init__(
        self,
        representation: Representation,
        *,
        filters: tuple[str, ...] = (),
        written_out: Mapping[str, Callable[[str], bool]] | None = None,
        conditions: Mapping[str, Condition] | None = None,
        sorts: tuple[str, ...] = (),
        default_sort: str = "-id",
        always: ColumnElement[bool] | None = None,
        sources: tuple[Source, ...] = (),
        expand: Mapping[str, ColumnElement[Any]] | None = None,
    ) -> None:
        self._shape = representation
        self._table = representation.table
        self._filters = {name: self._by_rule(name) for name in filters} | dict(conditions or {})
        self._written_out = dict(written_out or {})
        self.sorts = sorts
        self._sources = sources
        self._expand = dict(expand or {})
        self._default_sort = default_sort
        for source in sources:
            self._filters |= {name: _joined for name in source.parameters if name not in self._filters}
        self._always = always
        self._statements: dict[tuple[Any, ...], Prepared] = {}
        self._counts: dict[tuple[Any, ...], Prepared] = {}

    async def page(self, tx: Transaction, request: Request, query: PageQuery, **given: Any) -> Reply:
        """The page as a reply, with a `Link` header to the next one. One statement.

        `given` are values of its sources that are no parameters of the query themselves.
        """
        wanted = {name: value for name in self._filters if (value := getattr(query, name, None)) not in (None, [])}
        expand = tuple(name for name in self._expand if name in (getattr(query, "expand", None) or ()))
        sort = self._sort(getattr(query, "sort", None), frozenset(wanted))
        signer: Cursors = request.app.state.cursors
        binding = binding_of(tx.scope, request.scope["path"], wanted, sort)
        after = signer.read(query.cursor, binding) if query.cursor else None
        statement = self.statement(wanted, sort, after is not None, expand, query.limit)
        values: dict[str, Any] = {f"after_{number}": key for number, key in enumerate(after or [])}
        given = {name: _as_filter(name, value) for name, value in wanted.items()} | given
        row = await tx.first(statement, **given, **values, page_limit=query.limit)
        assert row is not None, "what is made of no rows is a row"
        items, *keys = row.values()
        items = items or []
        cursor = signer.write(keys, binding) if len(items) > query.limit else None
        counted = total(await tx.value(self._count(wanted, sort), **given)) if query.include else None
        return as_list(request, items[: query.limit], cursor, counted)

    def statement(
        self,
        wanted: Mapping[str, Any],
        sort: tuple[str, ...] | None = None,
        after: bool = False,
        expand: tuple[str, ...] = (),
        limit: int | None = None,
    ) -> Prepared:
        """The one that reads a page of what is wanted, made once for each kind of question.

        It gives one row: an array of the items, one more than the page has if there are more, and the sort keys of the
        page's last. Rows of their own would cost the driver and the wire as much again as the items.
        """
        shape = (
            tuple(sorted(wanted)),
            self._written(wanted),
            sort or (self._default_sort,),
            after,
            expand,
            limit in _USUAL_LIMITS and limit,
        )
        if shape not in self._statements:
            self._statements[shape] = Prepared(self._select(*shape))
        return self._statements[shape]

    def _count(self, wanted: Mapping[str, Any], sort: tuple[str, ...]) -> Prepared:
        """How many rows all pages of this question have together, counted no further than one beyond the most."""
        shape = (tuple(sorted(wanted)), self._written(wanted), sort)
        if shape not in self._counts:
            rows, _ = self._joined(shape[0], sort)
            found: Select[Any] = select(literal_column("1")).select_from(rows).where(*self._where(*shape[:2]))
            self._counts[shape] = Prepared(counting(found))
        return self._counts[shape]

    def _written(self, wanted: Mapping[str, Any]) -> _Written:
        return tuple(
            (name, tuple(sorted(set(wanted[name]))))
            for name, is_known in self._written_out.items()
            if name in wanted and len(wanted[name]) <= MOST_WRITTEN_OUT and all(map(is_known, wanted[name]))
        )

    def _sort(self, text: str | None, wanted: frozenset[str]) -> tuple[str, ...]:
        if text is None:
            asked = (source.default_sort for source in self._sources if source.parameters & wanted)
            return (next(filter(None, asked), self._default_sort),)
        keys = tuple(text.split(","))
        names = [key.removeprefix("-") for key in keys]
        if len(names) > 3 or len(set(names)) < len(names) or any(name not in self.sorts for name in names):
            choices = ", ".join(f"{name}, -{name}" for name in self.sorts)
            message = f"sort takes up to three of these, each once: {choices}."
            raise Invalid(message, errors=(Pointer("invalid", message, "parameter", "sort"),))
        return keys

    def _select(
        self,
        filters: tuple[str, ...],
        written: _Written,
        sort: tuple[str, ...],
        after: bool,
        expand: tuple[str, ...],
        limit: int | Literal[False],
    ) -> Any:
        source, columns = self._joined(filters, sort)
        keys, falling = _keys(columns, sort)
        shown = self._shape.text(plus={name: self._expand[name] for name in expand})
        statement = select(shown, *(key.label(f"key_{number}") for number, key in enumerate(keys)))
        statement = statement.select_from(source).where(*self._where(filters, written))
        if after:
            statement = statement.where(*_beyond(keys, falling))
        order = [key.desc() if down else key.asc() for key, down in zip(keys, falling, strict=True)]
        last: ColumnElement[Any] = literal_column(str(limit)) if limit else bindparam("page_limit", type_=Integer)
        at_most: ColumnElement[Any] = literal_column(str(limit + 1)) if limit else last + 1
        rows = statement.order_by(*order).limit(at_most).subquery("page")
        items, *keys = (func.array_agg(column, type_=ARRAY(column.type)) for column in rows.c)
        return select(items.label("items"), *(key[last].label(f"key_{number}") for number, key in enumerate(keys)))

    def _joined(self, filters: tuple[str, ...], sort: tuple[str, ...]) -> tuple[FromClause, dict[str, Any]]:
        """The table with the sources that are asked for, and all that can be sorted by."""
        columns: dict[str, Any] = dict(self._table.c.items())
        names = {key.removeprefix("-") for key in sort}
        rows: FromClause = self._table
        for source in self._sources:
            columns |= source.sorts
            if source.parameters.intersection(filters) or source.sorts.keys() & names:
                rows = rows.join(source.rows, source.on)
        return rows, columns

    def _where(self, filters: tuple[str, ...], written: _Written) -> Iterator[ColumnElement[bool]]:
        yield self._table.c.workspace_id == bindparam("workspace_id")
        yield self._table.c.livemode == bindparam("livemode")
        for name in filters:
            if name not in dict(written):
                yield self._filters[name](bindparam(name))
        for name, values in written:
            yield self._table.c[name].in_(map(_literal, values))
        if self._always is not None:
            yield self._always

    def _by_rule(self, name: str) -> Condition:
        for suffix, compare in (("_gte", "__ge__"), ("_lte", "__le__")):
            if name.endswith(suffix):
                column = self._table.c[name.removesuffix(suffix)]
                return lambda given: getattr(column, compare)(bindparam(given.key, type_=column.type))
        column = self._table.c[name]
        return lambda given: column == any_(bindparam(given.key, type_=ARRAY(column.type)))


def _literal(value: str) -> ColumnElement[str]:
    """A known value as SQL. Raises ValueError for what needs quoting, which no closed set has."""
    if not value.replace(".", "_").isidentifier():
        raise ValueError(f"{value!r} cannot be written out")
    return literal_column(f"'{value}'")


class Cursors:
    """Writes and reads cursors under one key, which no client has."""

    def __init__(self, pepper: bytes) -> None:
        self._key = hmac.digest(pepper, b"roadbed cursor v2", hashlib.sha256)

    def write(self, keys: list[Any], binding: bytes) -> str:
        """Opaque text for the row with these sort keys."""
        raw = _BETWEEN.join([f"{_tag(key)}:{_written(key)}" for key in keys]).encode()
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
        written = (key.partition(":") for key in body.decode().split(_BETWEEN))
        return [_READERS[tag](text) for tag, _, text in written]

    def _mac(self, body: bytes, binding: bytes) -> bytes:
        # BLAKE2 has a key of its own, and takes a tenth of the time of an HMAC.
        return hashlib.blake2b(binding + b"\x00" + body, key=self._key, digest_size=MAC_BYTES).digest()


_READERS: dict[str, Callable[[str], Any]] = {
    "time": datetime.fromisoformat,
    "uuid": UUID,
    "number": Decimal,
    "integer": int,
    "float": float,
    "text": str,
}


def _joined(given: BindParameter[Any]) -> ColumnElement[bool]:
    """The parameter of a source selects by the join, not by a condition of its own."""
    return true()


_KINDS: dict[type, str] = {datetime: "time", UUID: "uuid", Decimal: "number", int: "integer", float: "float"}


def _tag(key: Any) -> str:
    """The driver's classes are those of the standard library, or made from them."""
    return next((_KINDS[kind] for kind in type(key).__mro__ if kind in _KINDS), "text")


def _written(key: Any) -> str:
    return key.isoformat() if isinstance(key, datetime) else str(key)


def _as_filter(name: str, value: Any) -> Any:
    """Equality is asked of a list, so that one value and many are the same statement."""
    return value if isinstance(value, list) or name.endswith(("_gte", "_lte")) else [value]


def binding_of(scope: Scope, path: str, wanted: Mapping[str, Any], sort: tuple[str, ...]) -> bytes:
    """What a cursor belongs to."""
    parts = [scope.workspace_id, scope.livemode, path, sorted((k, str(v)) for k, v in wanted.items()), sort]
    return hashlib.sha256(repr(parts).encode()).digest()


def _keys(columns: Mapping[str, Any], sort: tuple[str, ...]) -> tuple[list[Any], list[bool]]:
    """The columns that a list is ordered by, down to the id, and which of them fall."""
    keys: list[Any] = []
    falling: list[bool] = []
    for key in (*sort, *(() if sort[-1] in ("id", "-id") else ("-id" if sort[-1].startswith("-") else "id",))):
        found = columns[key.removeprefix("-")]
        found = found if isinstance(found, tuple) else (found,)
        keys += found
        falling += [key.startswith("-")] * len(found)
    return keys, falling


def _beyond(keys: list[Any], falling: list[bool]) -> Iterator[ColumnElement[bool]]:
    """Rows after the cursor: a row comparison when all keys run one way (one index range), else the long form.

    A coarse key is asked for alone as well. Row-level security hands an index only what cannot leak, which a comparison
    of floats is and one of numerics is not.
    """
    bounds = [bindparam(f"after_{number}", type_=key.type) for number, key in enumerate(keys)]
    if isinstance(keys[0].type, Double):
        yield keys[0] <= bounds[0] if falling[0] else keys[0] >= bounds[0]
    if len(set(falling)) == 1:
        left, right = func.row(*keys), func.row(*bounds)
        yield left < right if falling[0] else left > right
        return
    yield or_(
        *(
            and_(
                *(key == bound for key, bound in list(zip(keys, bounds, strict=True))[:position]),
                keys[position] < bounds[position] if falling[position] else keys[position] > bounds[position],
            )
            for position in range(len(keys))
        )
    )


def counting(found: Select[Any]) -> Select[Any]:
    """How many rows these are, up to one more than are told of."""
    return select(func.count()).select_from(found.limit(literal_column(str(MOST_COUNTED + 1))).subquery("counted"))


def total(count: int) -> dict[str, Any]:
    """What a page tells of so many rows where it is asked for their number."""
    return {"total_count": min(count, MOST_COUNTED), "total_count_capped": count > MOST_COUNTED}


def as_list(request: Request, items: list[str], cursor: str | None, extra: Mapping[str, Any] | None = None) -> Reply:
    """A page of JSON texts, with a `Link` header where there is a next one. `extra` are more fields of the page."""
    # A cursor has no character that JSON would write otherwise.
    shown_cursor = "null" if cursor is None else f'"{cursor}"'
    body = (
        '{"object":"list","data":['
        + ",".join(items)
        + f'],"has_more":{"true" if cursor else "false"},"next_cursor":{shown_cursor}'
        + "".join(f",{json.dump(name)}:{json.dump(value)}" for name, value in (extra or {}).items())
        + "}"
    )
    if cursor is None:
        return Reply(body)
    url = f"{request.app.state.settings.base_url}{request.scope['path']}?{_without_cursor(request)}cursor={cursor}"
    return Reply(body, headers={"Link": f'<{url}>; rel="next"'})


def _without_cursor(request: Request) -> str:
    """What else was asked for, as the beginning of a query. As it was sent, unless a URL would have it otherwise."""
    sent = request.scope["query_string"].decode("latin-1")
    if _PLAIN_QUERY.fullmatch(sent):
        return "".join(f"{part}&" for part in sent.split("&") if not part.startswith("cursor="))
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    return urlencode(kept) + "&" if kept else ""
