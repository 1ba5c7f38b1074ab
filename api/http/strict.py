"""Bodies as JSON has them: pydantic would take `"5"` and `true` for an integer, and `"yes"` for a boolean."""

from decimal import Decimal
from typing import Any

from pydantic_core import CoreSchema, PydanticCustomError
from pydantic_core.core_schema import no_info_before_validator_function

# What these keys of a schema hold is no schema, however it may look.
_NO_SCHEMAS = ("config", "default", "expected", "function", "metadata", "serialization")


def as_json_has_it(schema: CoreSchema) -> CoreSchema:
    """The same schema, whose booleans are `true` and `false` and whose numbers are JSON numbers."""
    strict: CoreSchema = _strict(schema)
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


def _strict(node: Any) -> Any:
    if isinstance(node, list | tuple):
        return type(node)(_strict(one) for one in node)
    if not isinstance(node, dict):
        return node
    kind = node.get("type")
    if kind == "bool":
        return {**node, "strict": True}
    if kind in ("int", "float"):
        return no_info_before_validator_function(integer if kind == "int" else number, node)
    if kind == "function-before" and node["function"]["function"] in (integer, number):
        return node
    # What holds schemas by name, like the fields of a model, has no kind, and each key is a name.
    kept = _NO_SCHEMAS if isinstance(kind, str) else ()
    return {name: one if name in kept else _strict(one) for name, one in node.items()}
