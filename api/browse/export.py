"""Every feature as a file, page by page: a million of them take no more memory than one page."""

import csv
import io
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import Uuid, and_, bindparam, cast, literal_column, select
from starlette.responses import StreamingResponse

from api import json
from api.accounts.tenancy import owned
from api.browse.schemas import ExportQuery
from api.features.models import Feature
from api.features.write import FEATURE
from api.scores.models import LatestScore, Score
from api.stores import Prepared, Scope, Stores

PAGE_ROWS = 500
INPUTS = ("reach", "impact", "confidence", "effort")
COLUMNS = (
    "id",
    "title",
    "description",
    "status",
    "bucket",
    "labels",
    "source",
    "external_id",
    *INPUTS,
    "score",
    "depends_on",
    "metadata",
    "created_at",
    "updated_at",
)
_IN_MARKDOWN = ("id", "title", "status", "bucket", "labels", *INPUTS, "score")
_MEDIA_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "markdown": "text/markdown; charset=utf-8",
    "json": "application/json",
}
_SUFFIXES = {"csv": "csv", "markdown": "md", "json": "json"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_MARKDOWN_MARKS = "\\`*_[]<>|~&!"

_latest = and_(
    LatestScore.workspace_id == Feature.workspace_id,
    LatestScore.livemode == Feature.livemode,
    LatestScore.feature_id == Feature.id,
    LatestScore.framework == bindparam("framework"),
)
_score = and_(
    Score.workspace_id == LatestScore.workspace_id,
    Score.livemode == LatestScore.livemode,
    Score.id == LatestScore.score_id,
)
_PAGE = Prepared(
    select(
        Feature.id,
        FEATURE.shape.text(),
        Score.inputs,
        Score.value,
    )
    .select_from(FEATURE.table)
    .outerjoin(LatestScore, _latest)
    .outerjoin(Score, _score)
    .where(owned(Feature), Feature.id > cast(bindparam("after"), Uuid))
    .order_by(Feature.id)
    .limit(literal_column(str(PAGE_ROWS)))
)


def export(stores: Stores, scope: Scope, query: ExportQuery) -> StreamingResponse:
    """The file, oldest feature first. Each page is read as it is sent."""
    writer = {"csv": _csv, "markdown": _markdown, "json": _json}[query.format]
    return StreamingResponse(
        writer(_pages(stores, scope, query.framework)),
        media_type=_MEDIA_TYPES[query.format],
        headers={"Content-Disposition": f'attachment; filename="features.{_SUFFIXES[query.format]}"'},
    )


def guarded(text: str) -> str:
    """A cell that no spreadsheet takes for a formula. `unguarded` undoes it, so a cell that looks guarded is, too.

    >>> guarded("=1+1"), guarded("'=1"), guarded("plain")
    ("'=1+1", "''=1", 'plain')
    """
    return f"'{text}" if text.lstrip("'").startswith(_FORMULA) else text


def unguarded(text: str) -> str:
    """
    >>> unguarded("'=1+1"), unguarded("''=1"), unguarded("'tis")
    ('=1+1', "'=1", "'tis")
    """
    return text[1:] if text.startswith("'") and text.lstrip("'").startswith(_FORMULA) else text


async def _pages(stores: Stores, scope: Scope, framework: str) -> AsyncIterator[list[dict[str, Any]]]:
    after = UUID(int=0)
    while True:
        async with stores.transaction(scope) as tx:
            rows = await tx.all(_PAGE, after=after, framework=framework)
        if rows:
            yield [_feature(row) for row in rows]
            after = rows[-1]["id"]
        if len(rows) < PAGE_ROWS:
            return


def _feature(row: asyncpg.Record) -> dict[str, Any]:
    """The fields of a feature, with the inputs and the value of its latest score (None without one)."""
    inputs = row["inputs"] or {}
    return {**json.load(row["json"]), **{name: inputs.get(name) for name in INPUTS}, "score": row["value"]}


async def _csv(pages: AsyncIterator[list[dict[str, Any]]]) -> AsyncIterator[str]:
    """RFC 4180: rows end in CRLF, a cell with a comma, a quote or a line break stands in quotes."""
    yield ",".join(COLUMNS) + "\r\n"
    async for page in pages:
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\r\n").writerows([_cell(one[name]) for name in COLUMNS] for one in page)
        yield text.getvalue()


async def _markdown(pages: AsyncIterator[list[dict[str, Any]]]) -> AsyncIterator[str]:
    """A table. Descriptions are not in it: they have lines, and a cell has none."""
    yield _row(_IN_MARKDOWN) + _row(["---"] * len(_IN_MARKDOWN))
    async for page in pages:
        yield "".join(_row([_escaped(_cell(one[name])) for name in _IN_MARKDOWN]) for one in page)


async def _json(pages: AsyncIterator[list[dict[str, Any]]]) -> AsyncIterator[str]:
    yield '{"object":"export","features":['
    first = True
    async for page in pages:
        yield ("" if first else ",") + ",".join(json.dump(one) for one in page)
        first = False
    yield "]}"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return f"{value:f}".rstrip("0").rstrip(".") if "." in f"{value:f}" else f"{value:f}"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, dict):
        return guarded(json.dump(value)) if value else ""
    if isinstance(value, list):
        return guarded(_joined(value))
    return guarded(value)


def _joined(values: list[str]) -> str:
    """`a, b`, or JSON where a comma would be in doubt."""
    plain = all(value == value.strip() and not set(value) & set(',;|["') for value in values)
    return ", ".join(values) if plain else json.dump(values)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |\n"


def _escaped(cell: str) -> str:
    """The cell as Markdown shows it: no markup, no line break."""
    words = " ".join(cell.split())
    return "".join(f"\\{character}" if character in _MARKDOWN_MARKS else character for character in words)
