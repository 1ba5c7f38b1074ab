"""A document that people hand in, CSV or Markdown in any encoding, as plain tables with line numbers. Never raises."""

import codecs
import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice, pairwise
from typing import Literal

from markdown_it import MarkdownIt
from markdown_it.token import Token

Format = Literal["csv", "markdown"]

MAX_BYTES = 10_000_000
MAX_MARKDOWN_CHARS = 1_000_000
MAX_ROWS = 100_000
MAX_COLUMNS = 200
MAX_CELL_CHARS = 50_000
MAX_DELIMITER_CHARS = 10_000
MAX_MARKED_UP_CHARS = 1_000
MAX_SKIPPED = 1_000

_DELIMITER_ROW = re.compile(r"\|?[ \t]*:?-+:?[ \t]*(\|[ \t]*:?-+:?[ \t]*)*\|?")
_BOLD = re.compile(r"\*\*([^*_`\[<&\\~!]+)\*\*")
_MARKED_UP = re.compile(r"[*_`\[<&\\~!]")
# Only what decides where a table is: the text of paragraphs is never rendered.
_BLOCKS = (
    MarkdownIt("zero")
    .enable(["table", "fence", "code", "html_block", "list", "blockquote", "heading", "lheading", "hr"])
    .disable(["inline"])
)
_INLINE = MarkdownIt("commonmark").enable(["strikethrough"])


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that was not understood: its line (0 for the whole document), the reason, and the column, if one."""

    line: int
    reason: str
    column: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """The cells of one row, as many as the header has, and the line it starts on, counted from 1."""

    line: int
    cells: list[str]


@dataclass(frozen=True, slots=True)
class Table:
    """A header and its rows, without markup."""

    line: int
    header: list[str]
    rows: list[Row]


@dataclass(slots=True)
class Document:
    """The tables of a document, its other lines of text with their markup, and what had to be left out."""

    format: Format
    encoding: str | None = None
    tables: list[Table] = field(default_factory=list)
    text: list[tuple[int, str]] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    def skip(self, line: int, reason: str, column: str | None = None) -> None:
        """Note what was not understood. A million bad rows are not a million notes."""
        if len(self.skipped) < MAX_SKIPPED:
            self.skipped.append(Skipped(line, reason, column))
        elif len(self.skipped) == MAX_SKIPPED:
            self.skipped.append(Skipped(line, f"More than {MAX_SKIPPED} things were skipped; the rest is not listed."))


def read_document(source: bytes | str, format: Format | None = None) -> Document:
    """Decode, tell CSV from Markdown when not told, and take the tables apart. At most 10 MB and 100,000 rows.

    A CSV may be separated by commas, semicolons, tabs or bars. Lines that are no part of a table are kept as text.

    >>> document = read_document("Feature;Reach\\nDark mode;5000\\n")
    >>> document.format, document.tables[0].header, document.tables[0].rows
    ('csv', ['Feature', 'Reach'], [Row(line=2, cells=['Dark mode', '5000'])])
    """
    if len(source) > MAX_BYTES:
        document = Document(format or "csv")
        document.skip(0, f"The document is larger than {MAX_BYTES // 1_000_000} MB. Split it.")
        return document
    text, encoding = _decode(source) if isinstance(source, bytes) else (source, None)
    text = text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
    document = Document(format or _guess_format(text), encoding)
    if document.format == "markdown":
        _read_markdown(text, document)
    else:
        _read_csv(text, document)
    if not document.tables and not document.skipped:
        document.skip(0, "The document holds no table.")
    return document


def decoded(source: bytes | str) -> str:
    """The text of a document, in whatever encoding it came."""
    return _decode(source)[0] if isinstance(source, bytes) else source


def guess_format(text: str) -> Format:
    """Markdown where a line of bars and dashes or a heading says so, else CSV."""
    return _guess_format(text.replace("\r\n", "\n"))


def _decode(source: bytes) -> tuple[str, str]:
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF32_LE, "utf-32"),
        (codecs.BOM_UTF32_BE, "utf-32"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if source.startswith(mark):
            return source.decode(encoding, errors="replace"), encoding
    if b"\x00" in source[:200]:
        # Text in UTF-16 without a mark: every other byte of plain English is 0.
        encoding = "utf-16-le" if source[1:2] == b"\x00" else "utf-16-be"
        return source.decode(encoding, errors="replace"), encoding
    try:
        return source.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        # What spreadsheets in western Europe still write. Five bytes mean nothing in it, so it may not raise.
        return source.decode("cp1252", errors="replace"), "cp1252"


def _guess_format(text: str) -> Format:
    lines = text[:MAX_MARKDOWN_CHARS].split("\n")
    marked = any(
        "-" in line and "|" in before and _DELIMITER_ROW.fullmatch(line.strip(" >\t")) for before, line in _pairs(lines)
    )
    return "markdown" if marked or any(line.startswith(("# ", "## ")) for line in lines) else "csv"


def _pairs(lines: list[str]) -> Iterator[tuple[str, str]]:
    # A delimiter row is short; a line of a megabyte is not worth a match.
    return ((before, line) for before, line in pairwise(lines) if len(line) < MAX_DELIMITER_CHARS)


# --- Markdown ---------------------------------------------------------------------------------------------------------


def _read_markdown(text: str, document: Document) -> None:
    if len(text) > MAX_MARKDOWN_CHARS:
        document.skip(0, f"A Markdown document has at most {MAX_MARKDOWN_CHARS:,} characters. Send a CSV, or split it.")
        return
    lines = text.split("\n")
    tokens = _BLOCKS.parse(text)
    rows_left = MAX_ROWS
    for place, token in enumerate(tokens):
        if token.type == "table_open":
            table = _markdown_table(tokens, place, lines, document)
            if not _fits(Row(table.line, table.header), document):
                continue
            if len(table.rows) > rows_left:
                document.skip(
                    table.rows[rows_left].line, f"Only the first {MAX_ROWS:,} rows are read. Split the document."
                )
                del table.rows[rows_left:]
            rows_left -= len(table.rows)
            document.tables.append(table)
        elif token.type == "inline" and token.map and tokens[place - 1].type not in ("th_open", "td_open"):
            _markdown_text(token, token.map[0], document)


def _markdown_table(tokens: list[Token], place: int, lines: list[str], document: Document) -> Table:
    rows: list[Row] = []
    while (token := tokens[place]).type != "table_close":
        place += 1
        if token.type == "tr_open" and token.map:
            rows.append(Row(token.map[0] + 1, []))
        elif token.type == "inline":
            rows[-1].cells.append(plain(token.content))
    header = rows[0]
    table = Table(header.line, header.cells, [])
    for row in rows[1:]:
        cells = _count_cells(lines[row.line - 1])
        if cells > len(header.cells):
            document.skip(
                row.line, f"{cells} cells where the header has {len(header.cells)}. Write a bar in a cell as \\|."
            )
        elif _fits(row, document):
            table.rows.append(row)
    return table


def _count_cells(line: str) -> int:
    inner = line.strip().lstrip("> ").replace("\\|", "").removeprefix("|").removesuffix("|")
    return inner.count("|") + 1


def plain(cell: str) -> str:
    """The text of a cell without its markup.

    >>> plain("**Dark** [mode](https://example.com)")
    'Dark mode'
    """
    # Markup of ten thousand open brackets takes a quarter of a second; a cell that long keeps its own.
    if not _MARKED_UP.search(cell) or len(cell) > MAX_MARKED_UP_CHARS:
        return cell.strip()
    if bold := _BOLD.fullmatch(cell.strip()):
        return bold[1].strip()
    children = _INLINE.parseInline(cell)[0].children or []
    return "".join(" " if child.type == "html_inline" else child.content for child in children).strip()


def _markdown_text(token: Token, start: int, document: Document) -> None:
    lines = token.content.split("\n")
    document.text += [(start + number, line) for number, line in enumerate(lines, 1)]
    if lines[0].count("|") > 1:
        document.skip(start + 1, "This looks like a table, but no line of |---|---| follows its header.")


# --- CSV --------------------------------------------------------------------------------------------------------------


def _read_csv(text: str, document: Document) -> None:
    if not text.strip():
        document.skip(0, "The document is empty.")
        return
    records = list(islice(_records(text, _separator(text), document), MAX_ROWS + 22))
    if len(records) > MAX_ROWS + 1:
        document.skip(records[MAX_ROWS + 1].line, f"Only the first {MAX_ROWS:,} rows are read. Split the document.")
        del records[MAX_ROWS + 1 :]
    start = _header_place(records)
    if start is None:
        document.skip(1, "No row has two cells or more, so there is no table.")
        document.text += [(row.line, " ".join(row.cells)) for row in records[:MAX_SKIPPED]]
        return
    for row in records[:start]:
        document.skip(row.line, "This row stands above the header.")
    header = [cell.strip() for cell in records[start].cells]
    table = Table(records[start].line, header, [])
    if not _fits(records[start], document):
        return
    document.tables.append(table)
    for row in records[start + 1 :]:
        _csv_row(row, table, document)


def _csv_row(row: Row, table: Table, document: Document) -> None:
    cells = [cell.strip() for cell in row.cells]
    while len(cells) > len(table.header) and not cells[-1]:
        cells.pop()
    if len(cells) > len(table.header):
        reason = f"{len(cells)} cells where the header has {len(table.header)}."
        document.skip(row.line, f"{reason} Put a cell that holds the separator in quotes.")
        return
    full = Row(row.line, cells + [""] * (len(table.header) - len(cells)))
    if any(cells) and _fits(full, document):
        table.rows.append(full)


def _separator(text: str) -> str:
    """The mark that splits the first lines most evenly: the one that every one of them holds most often."""
    lines = [re.sub(r'"[^"]*"', "", line) for line in text[:100_000].split("\n")[:20] if line.strip()]
    counts = {mark: sorted(line.count(mark) for line in lines) for mark in ",;\t|"}
    # The middle count: a title line above the table, or commas in a sentence, do not decide.
    return max(counts, key=lambda mark: (counts[mark][len(lines) // 2], counts[mark][-1])) if lines else ","


def _records(text: str, separator: str, document: Document) -> Iterator[Row]:
    lines = text.split("\n")
    reader = csv.reader(io.StringIO(text, newline="\n"), delimiter=separator, skipinitialspace=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            document.skip(line, f"This row could not be read: {error}.")
            continue
        if reader.line_num > line and reader.line_num >= len(lines) - 1 and _unclosed(lines[line - 1 :]):
            document.skip(line, "A quote is opened here and never closed, so the rest is read without quotes.")
            yield from _unquoted(lines, line, separator)
            return
        if any(cells):
            yield Row(line, cells)


def _unclosed(lines: list[str]) -> bool:
    return sum(line.count('"') for line in lines) % 2 == 1


def _unquoted(lines: list[str], start: int, separator: str) -> Iterator[Row]:
    for line, text in enumerate(lines[start - 1 :], start):
        if text.strip():
            yield Row(line, text.replace('"', "").split(separator))


def _header_place(records: list[Row]) -> int | None:
    """The first row with at least half as many filled cells as the widest of the first twenty."""
    widths = [sum(bool(cell.strip()) for cell in row.cells) for row in records[:20]]
    widest = max(widths, default=0)
    if widest == 0 or (widest == 1 and len(records) < 2):
        return None
    return next(place for place, width in enumerate(widths) if 2 * width >= widest)


def _fits(row: Row, document: Document) -> bool:
    if len(row.cells) > MAX_COLUMNS:
        document.skip(row.line, f"A row has at most {MAX_COLUMNS} cells, and this one has {len(row.cells)}.")
        return False
    longest = max(map(len, row.cells), default=0)
    if longest > MAX_CELL_CHARS:
        document.skip(row.line, f"A cell has at most {MAX_CELL_CHARS:,} characters, and one here has {longest:,}.")
        return False
    return True
