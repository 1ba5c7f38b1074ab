"""Bodies as JSON has them: pydantic would take `"5"` and `true` for an integer, and `"yes"` for a boolean. Queries too:
a number in them is written as in JSON."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from pydantic_core import CoreSchema, PydanticCustomError
from pydantic_core.core_schema import no_info_before_validator_function

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,4})?")
# What these keys of a schema hold is no schema, however it may look.
_NO_SCHEMAS = ("config", "default", "expected", "function", "metadata", "serialization")


def as_json_has_it(schema: CoreSchema) -> CoreSchema:
    """The same schema, whose booleans are `true` and `false` and whose numbers are JSON numbers."""
    strict: CoreSchema = _changed(schema, _body)
    return strict


def as_query_has_it(schema: CoreSchema) -> CoreSchema:
    """The same schema, whose numbers are text that JSON would take for the same number."""
    strict: CoreSchema = _changed(schema, _query)
    return strict


def number(value: Any) -> Any:
    """A JSON number, never text or a boolean: "10" is a mistake that we name rather than guess about."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal | float):
        raise PydanticCustomError("number_type", "must be a number")
    return value


def integer(value: Any) -> Any:
    """A JSON number too, which is to be whole: `5.0` is the same number as `5`."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal | float):
        raise PydanticCustomError("int_type", "must be an integer")
    return value


def written(value: Any) -> Any:
    """Text of a query that is a number as JSON writes one: Python would also take `1_000`, ` 5` and `٣`."""
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        raise PydanticCustomError("number_type", "must be a number, in digits like 12 or 0.5")
    return value


def _body(node: dict[str, Any]) -> dict[str, Any] | None:
    kind = node.get("type")
    if kind == "bool":
        return {**node, "strict": True}
    if kind in ("int", "float"):
        return dict(no_info_before_validator_function(integer if kind == "int" else number, node))
    return node if kind == "function-before" and node["function"]["function"] in (integer, number) else None


def _query(node: dict[str, Any]) -> dict[str, Any] | None:
    if node.get("type") in ("int", "float", "decimal"):
        return dict(no_info_before_validator_function(written, node))
    return None


def _changed(node: Any, change: Callable[[dict[str, Any]], dict[str, Any] | None]) -> Any:
    """The schema, of which each node is what `change` makes of it; where that is None, what is in it is looked at."""
    if isinstance(node, list | tuple):
        return type(node)(_changed(one, change) for one in node)
    if not isinstance(node, dict):
        return node
    if (made := change(node)) is not None:
        return made
    # What holds schemas by name, like the fields of a model, has no kind, and each key is a name.
    kept = _NO_SCHEMAS if isinstance(node.get("type"), str) else ()
    return {name: one if name in kept else _changed(one, change) for name, one in node.items()}
