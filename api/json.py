"""JSON whose numbers are exact decimals, in both directions."""

from decimal import Decimal, InvalidOperation
from typing import Any

import simplejson

from api.problems import Invalid

# Made once: to make one takes longer than to write a small value.
_COMPACT = simplejson.JSONEncoder(use_decimal=True, separators=(",", ":"), ensure_ascii=False)
# Deeper than any document of people, and far from where Python or Postgres would run out of stack.
DEEPEST = 64


def dump(value: Any) -> str:
    """Compact JSON text. Decimals become JSON numbers, digit for digit, never with an exponent.

    >>> dump({"value": Decimal("12000.50"), "large": Decimal("1E+3")})
    '{"value":12000.50,"large":1000}'
    """
    return str(_COMPACT.encode(_plain(value)))


def pretty(value: Any) -> str:
    """The same for people: indented, and in the order given."""
    return simplejson.dumps(_plain(value), use_decimal=True, indent=2, ensure_ascii=False)


def load(text: str | bytes) -> Any:
    """Parsed JSON that we wrote ourselves, numbers with a fraction as Decimal."""
    return simplejson.loads(text.decode() if isinstance(text, bytes) else text, use_decimal=True)


def load_hostile(body: bytes) -> Any:
    """Parsed JSON from outside. Raises Invalid for what is not JSON and for what Postgres could not keep.

    Refused: anything but UTF-8, NaN and Infinity, more than 64 levels of nesting, numbers beyond 4,300 digits or with
    an exponent beyond 400, the character U+0000 and lone surrogates.
    """
    try:
        parsed = simplejson.loads(body.decode("utf-8"), parse_constant=_refuse_constant, parse_float=_bounded_decimal)
    except UnicodeDecodeError:
        raise Invalid("The body is not UTF-8. Send JSON encoded as UTF-8.") from None
    except simplejson.JSONDecodeError as error:
        raise Invalid(f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}.") from None
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        raise Invalid(f"The body holds a number that cannot be taken: {error}.") from None
    if body.count(b"[") + body.count(b"{") > DEEPEST:
        _refuse_deep(parsed)
    if b"\\u" in body or b"\x00" in body:
        _refuse_unstorable(parsed)
    return parsed


def _plain(value: Any) -> Any:
    """The same value with each Decimal in plain notation: 1E+3 is legal JSON, and surprises people."""
    if isinstance(value, Decimal):
        return Decimal(f"{value:f}")
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _bounded_decimal(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:  # its exponent does not even fit into a machine word
        number = None
    if number is None or abs(number.adjusted()) > 400:
        raise ValueError("its exponent is beyond 400")
    return number


def _refuse_deep(parsed: Any) -> None:
    level = [parsed]
    for _ in range(DEEPEST + 1):
        children = (value.values() if isinstance(value, dict) else value for value in level)
        level = [item for child in children for item in child if isinstance(item, dict | list)]
        if not level:
            return
    raise _too_deep()


def _too_deep() -> Invalid:
    return Invalid(f"The body is nested too deeply: {DEEPEST} levels are taken.")


def _refuse_unstorable(parsed: Any) -> None:
    pending = [parsed]
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
                raise Invalid("The body holds U+0000 or half of a surrogate pair in a string. Leave it out.")
        elif isinstance(value, dict):
            pending.extend(value)
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
