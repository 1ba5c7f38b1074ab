"""Where two JSON documents first differ, as a JSON Pointer (RFC 6901), and how, in a sentence."""

from decimal import Decimal
from typing import Any, NamedTuple

from api import json

MOST_POINTER = 200
MOST_SHOWN = 60
LARGEST_FLOAT = 10**308
_NOTHING = object()


class Difference(NamedTuple):
    """`pointer` leads to it, cut to its first 200 characters at a `/`; `what` says what was sent and what is there."""

    pointer: str
    what: str


def first_difference(sent: Any, given: Any) -> Difference | None:
    """The first place, in the order of what was sent, where the values differ. None when they are the same values.

    Numbers are compared exactly, and 1.50 is 1.5; the order of an object's members does not count. Both come from
    `json.load` or `json.load_hostile`, which bound their depth.

    >>> first_difference({"a": [1, {"b/c": "x"}]}, {"a": [1, {"b/c": "y"}]})
    Difference(pointer='/a/1/b~1c', what='"x" was sent and "y" is there')
    >>> first_difference({"a": Decimal("1.50"), "b": None}, {"b": None, "a": Decimal("1.5")})
    """
    return _differ("", sent, given)


def _differ(pointer: str, sent: Any, given: Any) -> Difference | None:
    if isinstance(sent, dict) and isinstance(given, dict):
        return _members_differ(pointer, sent, given)
    if isinstance(sent, list) and isinstance(given, list):
        return _members_differ(pointer, dict(enumerate(sent)), dict(enumerate(given)))
    if _kind(sent) == _kind(given) and sent == given:
        return None
    return Difference(_cut(pointer), _what(sent, given))


def _members_differ(pointer: str, sent: dict[Any, Any], given: dict[Any, Any]) -> Difference | None:
    for name in (*sent, *(name for name in given if name not in sent)):
        at = f"{pointer}/{str(name).replace('~', '~0').replace('/', '~1')}"
        if (found := _differ(at, sent.get(name, _NOTHING), given.get(name, _NOTHING))) is not None:
            return found
    return None


def _kind(value: Any) -> str:
    """As JSON has it: `true` is no number, though Python takes it for 1."""
    if isinstance(value, bool) or value is None or value is _NOTHING:
        return "word"
    return "number" if isinstance(value, int | Decimal) else type(value).__name__


def _what(sent: Any, given: Any) -> str:
    if sent is _NOTHING:
        return f"nothing was sent and {_shown(given)} is there"
    if given is _NOTHING:
        return f"{_shown(sent)} was sent and nothing is there"
    told = f"{_shown(sent)} was sent and {_shown(given)} is there"
    return f"{told}: a parser rounded the number to a binary float" if _rounded(sent, given) else told


def _rounded(sent: Any, given: Any) -> bool:
    numbers = _kind(sent) == _kind(given) == "number"
    return numbers and max(abs(sent), abs(given)) < LARGEST_FLOAT and float(sent) == float(given)


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    text = json.dump(value)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"


def _cut(pointer: str) -> str:
    return pointer if len(pointer) <= MOST_POINTER else pointer[:MOST_POINTER].rpartition("/")[0]
