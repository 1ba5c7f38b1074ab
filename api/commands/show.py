"""What commands print: tables for people, one JSON object a line for pipes."""

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, Literal

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, TaskProgressColumn, TextColumn
from rich.table import Table

from api import json

Row = dict[str, Any]
WIDEST = 1_000_000
EMPTY = "Nothing is here yet."
TEXTS = {"title", "name", "rationale", "scopes", "labels", "inputs"}  # of any length
LEAST_TEXT = 12
GAP = 2  # between two columns, as Rich pads them
_FRACTION = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.\d+Z")


def show(rows: Iterable[Row], columns: Sequence[str], as_json: bool, title: str | None = None) -> None:
    """The columns of each row, or every row whole as JSON. An empty table says so.

    In a terminal each row has one line: columns that do not fit are left out from the last on, and named. A row that
    stands alone is told whole, a line for each column.
    """
    if as_json:
        for row in rows:
            print(json.dump(row))
        return
    listed = list(_counted(rows) if sys.stderr.isatty() and not isinstance(rows, Sequence) else rows)
    if not sys.stdout.isatty():
        # What is piped has a line for each row, however long: there is no terminal to fit into.
        _print(Console(width=WIDEST), _table(listed, columns, title, WIDEST) if listed else EMPTY)
        return
    console = Console()
    fitting = columns if not listed else _fitting(listed, columns, console.width)
    if not listed:
        console.print(EMPTY)
    elif len(listed) == 1 and sum(_width(listed, one) for one in columns) + GAP * (len(columns) - 1) > console.width:
        _tell(console, listed[0], columns)
    else:
        console.print(_table(listed, fitting, title, console.width))
        if left := [_heading(column) for column in columns if column not in fitting]:
            console.print(f"[dim]Without {escape(', '.join(left))}: a wider terminal or --json has them.[/]")


def _table(rows: Sequence[Row], columns: Sequence[str], title: str | None, width: int) -> Table:
    table = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    widths = _widths(rows, columns, width)
    for column in columns:
        numeric = isinstance(rows[0].get(column), int | Decimal)
        justify: Literal["left", "right"] = "right" if numeric else "left"
        table.add_column(_heading(column), justify=justify, no_wrap=True, overflow="ellipsis", width=widths[column])
    for row in rows:
        table.add_row(*(escape(cell(row.get(column))) for column in columns))
    return table


def _fitting(rows: Sequence[Row], columns: Sequence[str], width: int) -> list[str]:
    """As many of the columns, from the first on, as the terminal holds; ids always: they are there to be copied."""
    fitting = [column for column in columns if _is_id(column)]
    for column in columns:
        more = [one for one in columns if one in fitting or one == column]
        if column not in fitting and sum(_least(rows, one) for one in more) + GAP * (len(more) - 1) <= width:
            fitting = more
    return fitting


def _widths(rows: Sequence[Row], columns: Sequence[str], width: int) -> dict[str, int]:
    """Of each column; texts share what the others leave, the short ones first."""
    widths = {column: _width(rows, column) for column in columns}
    texts = sorted((column for column in columns if column in TEXTS), key=widths.__getitem__)
    left = width - GAP * (len(columns) - 1) - sum(widths[column] for column in columns if column not in texts)
    for number, column in enumerate(texts):
        widths[column] = max(1, min(widths[column], left // (len(texts) - number)))
        left -= widths[column]
    return widths


def _least(rows: Sequence[Row], column: str) -> int:
    width = _width(rows, column)
    return min(LEAST_TEXT, width) if column in TEXTS else width


def _tell(console: Console, row: Row, columns: Sequence[str]) -> None:
    widest = max(len(_heading(column)) for column in columns)
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", min_width=widest, no_wrap=True)
    table.add_column(overflow="fold", min_width=max((_width([row], one) for one in columns if _is_id(one)), default=1))
    for column in columns:
        table.add_row(_heading(column), escape(cell(row.get(column))))
    _print(console, table)


def _print(console: Console, what: Table | str) -> None:
    console.print(what, crop=False, no_wrap=not sys.stdout.isatty())


def _heading(column: str) -> str:
    return column.replace("_", " ")


def _is_id(column: str) -> bool:
    return column.endswith("id")


def _width(rows: Iterable[Row], column: str) -> int:
    return max(len(_heading(column)), *(cell_len(cell(row.get(column))) for row in rows))


def _counted(rows: Iterable[Row]) -> Iterator[Row]:
    """The rows, and how many they are so far, for whoever waits for them."""
    with progress(TextColumn("{task.completed:,.0f} read")) as bar:
        task = bar.add_task("")
        for row in rows:
            yield row
            bar.advance(task)


def cell(value: Any) -> str:
    """One value as people write it.

    >>> cell(Decimal("12000.0")), cell(Decimal("0.125")), cell(None), cell(True), cell(["a", "b"])
    ('12,000', '0.125', '–', 'yes', 'a, b')
    >>> cell(Decimal("1234.123456789012345678901234567890"))
    '1,234.123456789012345678901234567890'
    >>> cell("2026-12-01T10:23:17.706893Z")
    '2026-12-01T10:23:17Z'
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
    return _FRACTION.sub(r"\1Z", str(value))


def progress(*columns: ProgressColumn) -> Progress:
    """A bar on standard error, so that what is piped stays clean; none where nobody looks."""
    columns = columns or (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)
