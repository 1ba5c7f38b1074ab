"""What commands print: tables for people, one JSON object a line for pipes."""

import sys
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Literal

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn
from rich.table import Table

from api import json

Row = dict[str, Any]
WIDEST = 1_000_000


def show(rows: Iterable[Row], columns: Sequence[str], as_json: bool, title: str | None = None) -> None:
    """The columns of each row, or every row whole as JSON. An empty table says so."""
    if as_json:
        for row in rows:
            print(json.dump(row))
        return
    listed = list(rows)
    table = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in columns:
        numeric = bool(listed) and isinstance(listed[0].get(column), int | Decimal)
        justify: Literal["left", "right"] = "right" if numeric else "left"
        # An id is there to be copied: it stays whole where a terminal is narrow.
        ids = [len(cell(row.get(column))) for row in listed if column.endswith("id")]
        table.add_column(column.replace("_", " "), justify=justify, no_wrap=bool(ids), min_width=max(ids, default=None))
    for row in listed:
        table.add_row(*(escape(cell(row.get(column))) for column in columns))
    # What is piped has a line for each row, however long: there is no terminal to fit into.
    console = Console() if sys.stdout.isatty() else Console(width=WIDEST)
    console.print(table if listed else "Nothing is here yet.", crop=False, no_wrap=not sys.stdout.isatty())


def cell(value: Any) -> str:
    """One value as people write it.

    >>> cell(Decimal("12000.0")), cell(Decimal("0.125")), cell(None), cell(True), cell(["a", "b"])
    ('12,000', '0.125', '–', 'yes', 'a, b')
    >>> cell(Decimal("1234.123456789012345678901234567890"))
    '1,234.123456789012345678901234567890'
    """
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | Decimal):
        return f"{value:,.0f}" if value == int(value) else f"{value:,f}"
    if isinstance(value, list):
        return ", ".join(map(cell, value))
    if isinstance(value, dict):
        return json.dump(value)
    return str(value)


def progress() -> Progress:
    """A bar on standard error, so that what is piped stays clean; none where nobody looks."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)
