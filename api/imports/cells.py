"""One cell of a table: the number in it, however people write numbers, or the reason why there is none. Pure."""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from api.formulas.exact import Number, exact, rounded

MAX_NUMBER_CHARS = 60

_ABSENT = frozenset({"", "-", "–", "—", "?", "tbd", "tba", "n/a", "na", "none", "null", "unknown"})
_FIGURE = r"[+\-−]?\s*(?:\d[\d.,'’_ \u00a0\u202f]*|\.\d+)"
_NUMBER = re.compile(rf"[~≈]?\s*({_FIGURE})\s*(%|％|[kK](?!\w)|M(?!\w))?\s*(\(.*\)|\D*)", re.DOTALL)
_WORD_THEN_NUMBER = re.compile(rf"\D*[(\[:=–-]\s*({_FIGURE})\s*(%|％)?\s*[)\]]?()")
_COMMA_DECIMAL = re.compile(r"(?:^|\D)(?:\d+,\d{1,2}|0,\d+|\d{1,3}(?:\.\d{3})+,\d+|\d{1,3}(?:\.\d{3}){2,})(?:\D|$)")
_POINT_DECIMAL = re.compile(r"(?:^|\D)(?:\d+\.\d{1,2}|0\.\d+|\d{1,3}(?:,\d{3})+)(?:\D|$)")
_GROUPED = re.compile(r"\d{1,3}(?:S\d{3})+|\d{1,2}(?:S\d{2})+S\d{3}".replace("S", r"[.,'’_ \u00a0\u202f]"))
_POWERS = {"k": 1000, "K": 1000, "M": 1_000_000}


class NotANumber(ValueError):
    """The cell holds something else. The message is a sentence that says what to do."""


class Figure(NamedTuple):
    """A number as it stands, a percent sign not yet applied; how many decimals and whether a sign were printed."""

    value: Decimal
    decimals: int
    percent: bool


def figure(text: str, words: Mapping[str, Number] | None = None, *, comma_decimal: bool = False) -> Figure | None:
    """The number in a cell, None when the cell is empty or says so (-, n/a, TBD).

    Reads `10,000`, `10 000`, `80%`, `3 (massive)`, `massive (3)`, `2 months`, `10k`. `words` says what a word stands
    for; without that a word is refused, since the same word has other values on other scales. `comma_decimal` reads
    `0,5` and `10.000` as half and ten thousand. Raises NotANumber.

    >>> figure("10,000").value, figure("TBD")
    (Decimal('10000'), None)
    >>> figure("80%")
    Figure(value=Decimal('80'), decimals=0, percent=True)
    >>> figure("High", {"high": 2}).value
    Decimal('2')
    """
    plain = text.strip()
    if words and plain.lower() in words:
        return Figure(rounded(exact(words[plain.lower()], plain)), 0, percent=False)
    return _figure(plain, comma_decimal)


def uses_decimal_commas(texts: Iterable[str]) -> bool:
    """Whether these cells write a half as 0,5: some can only be read so, and none can only be read the other way.

    >>> uses_decimal_commas(["10.000", "0,5"]), uses_decimal_commas(["10,000", "0.5"]), uses_decimal_commas(["10.000"])
    (True, False, False)
    """
    found = False
    for text in texts:
        short = text[:MAX_NUMBER_CHARS]
        if _POINT_DECIMAL.search(short):
            return False
        found = found or _COMMA_DECIMAL.search(short) is not None
    return found


@lru_cache(
    maxsize=4096
)  # The same 80% and 3 stand in most rows of a table, and reading one costs a dozen microseconds.
def _figure(plain: str, comma_decimal: bool) -> Figure | None:
    if plain.lower() in _ABSENT:
        return None
    if len(plain) > MAX_NUMBER_CHARS:
        raise NotANumber(f"A number has at most {MAX_NUMBER_CHARS} characters, and this cell has {len(plain)}.")
    match = _NUMBER.fullmatch(plain) or _WORD_THEN_NUMBER.fullmatch(plain)
    if match is None:
        raise NotANumber(_reason(plain))
    digits, suffix = _plain_digits(match[1], comma_decimal=comma_decimal), match[2] or ""
    value = Decimal(digits) * _POWERS.get(suffix, 1)
    decimals = 0 if suffix in _POWERS else len(digits.partition(".")[2])
    return Figure(value, decimals, percent=suffix in ("%", "％"))


def _plain_digits(figure: str, *, comma_decimal: bool) -> str:
    """Digits with a decimal point and nothing else. Groups must be of three digits, or the number is not sure."""
    sign = "-" if figure[0] in "-−" else ""
    digits = figure.lstrip("+-− ").rstrip(" \u00a0\u202f").rstrip(",")
    comma, point = digits.rfind(","), digits.rfind(".")
    if comma >= 0 and point >= 0:
        mark = "," if comma > point else "."
    elif comma >= 0:
        mark = "" if _GROUPED.fullmatch(digits) and not digits.startswith("0,") else ","
        # After one comma four digits or more are a slip in 100,000 and not a number in 10,0000.
        if mark and len(digits) - comma > 3 and not comma_decimal and not digits.startswith("0,"):
            raise NotANumber(_reason(figure))
    else:
        grouped = comma_decimal and _GROUPED.fullmatch(digits) and not digits.startswith("0.")
        mark = "" if grouped or digits.count(".") > 1 else "."
    whole, _, part = digits.rpartition(mark) if mark and mark in digits else (digits, "", "")
    if (not whole.isdecimal() and whole and not _GROUPED.fullmatch(whole)) or (part and not part.isdecimal()):
        raise NotANumber(_reason(figure))
    return f"{sign}{re.sub(r'[^0-9]', '', _ascii(whole)) or '0'}{'.' if part else ''}{_ascii(part)}"


def _ascii(digits: str) -> str:
    return digits if digits.isascii() else "".join(str(int(one)) if one.isdecimal() else one for one in digits)


def _reason(text: str) -> str:
    shown = repr(text if len(text) <= 40 else text[:40] + "…")
    if not any(one.isdecimal() for one in text):
        return (
            f"{shown} is a word and not a number. Write the number, or say what the word stands for on your scale "
            f"(on intercom-2016 a high impact is 2, a medium one 1 and a low one 0.5)."
        )
    return f"{shown} is not one number. Write one, such as 12 or 0.5."
