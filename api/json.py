"""JSON whose numbers are exact decimals, in both directions."""

from collections import Counter
from decimal import Decimal, InvalidOperation
from typing import Any

import simplejson

from api.problems import MOST_ERRORS, Invalid, Pointer


def _written(value: Any) -> simplejson.RawJSON:
    """A Decimal in plain notation: 1E+3 is legal JSON, and surprises people."""
    if isinstance(value, Decimal):
        return simplejson.RawJSON(f"{value:f}")
    raise TypeError(f"{type(value).__name__} is nothing that JSON has")


_SHAPE: dict[str, Any] = {
    "use_decimal": False,
    "default": _written,
    "namedtuple_as_object": False,
    "ensure_ascii": False,
}
# Made once: to make one takes longer than to write a small value.
_COMPACT = simplejson.JSONEncoder(separators=(",", ":"), **_SHAPE)
_PRETTY = simplejson.JSONEncoder(indent=2, **_SHAPE)
# Deeper than any document of people, and far from where Python or Postgres would run out of stack.
DEEPEST = 64


def dump(value: Any) -> str:
    """Compact JSON text. Decimals become JSON numbers, digit for digit, never with an exponent.

    >>> dump({"value": Decimal("12000.50"), "large": Decimal("1E+3"), "small": Decimal("1E-9")})
    '{"value":12000.50,"large":1000,"small":0.000000001}'
    """
    return str(_COMPACT.encode(value))


def pretty(value: Any) -> str:
    """The same for people: indented, and in the order given."""
    return str(_PRETTY.encode(value))


def load(text: str | bytes) -> Any:
    """Parsed JSON that we wrote ourselves, numbers with a fraction as Decimal."""
    return simplejson.loads(text.decode() if isinstance(text, bytes) else text, use_decimal=True)


def load_hostile(body: bytes) -> Any:
    """Parsed JSON from outside. Raises Invalid for what is not JSON and for what Postgres could not keep.

    Refused: anything but UTF-8, NaN and Infinity, more than 64 levels of nesting, numbers beyond 4,300 digits or with
    an exponent beyond 400, the character U+0000 and lone surrogates, and an object that has a key twice: of the two
    values others would take the first, we the last, and neither is known to be meant (RFC 8259, 4).
    """
    twice: dict[int, list[str]] = {}

    def made(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) != len(pairs):
            twice[id(value)] = [name for name, times in Counter(name for name, _ in pairs).items() if times > 1]
            kept.append(value)
        return value

    kept: list[dict[str, Any]] = []  # so that no other object has the identity of one of them

    try:
        parsed = simplejson.loads(
            body.decode("utf-8"),
            object_pairs_hook=made,
            parse_constant=_refuse_constant,
            parse_float=_bounded_decimal,
        )
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
    if twice:
        _refuse_twice(parsed, twice)
    return parsed


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


def _refuse_twice(parsed: Any, twice: dict[int, list[str]]) -> None:
    """`twice` has the names by the identity of their object. One that was itself dropped for a twin is not found."""
    pending: list[tuple[str, Any]] = [("", parsed)]
    errors: list[Pointer] = []
    while pending and len(errors) < MOST_ERRORS:
        at, value = pending.pop()
        for name in twice.get(id(value), ()):
            errors.append(Pointer("duplicate", "is here twice: send it once", "field", f"{at}/{token(name)}"))
        if isinstance(value, dict):
            pending.extend((f"{at}/{token(name)}", item) for name, item in value.items())
        elif isinstance(value, list):
            pending.extend((f"{at}/{place}", item) for place, item in enumerate(value))
    summary = "; ".join(f"{error.name}: {error.message}" for error in errors[:3])
    raise Invalid(summary, errors=tuple(errors[:MOST_ERRORS]))


def token(part: object) -> str:
    """A part of a JSON pointer (RFC 6901), cut where it is longer than anybody would read."""
    return str(part).replace("~", "~0").replace("/", "~1")[:200]


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
