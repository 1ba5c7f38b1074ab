"""What pydantic finds wrong, as pointers and in sentences of ours: it speaks of Python, and callers have JSON.

A message is what follows the name of the field: "must be text", "is required".
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from api import json
from api.problems import MOST_ERRORS, Invalid, Pointer

Finding = Mapping[str, Any]
Context = Mapping[str, Any]


def refused(error: ValidationError, within: str = "") -> Invalid:
    """The error as a problem whose pointers lead into the body. `within` is what they must not begin with."""
    findings = error.errors(include_url=False, include_input=False)
    pointers = [pointer({**found, "loc": ("body", *found["loc"])}) for found in findings[:MOST_ERRORS]]
    if within:
        pointers = [Pointer(one.code, one.message, one.type, one.name.removeprefix(within)) for one in pointers]
    return invalid(pointers, len(findings))


def invalid(pointers: Iterable[Pointer], found: int) -> Invalid:
    """One problem of what is wrong, the first three things in its detail. `found` says how many there were in all."""
    told = tuple(pointers)
    summary = "; ".join(f"{one.name or 'body'}: {one.message}" for one in told[:3])
    more = f" (and {found - 3} more)" if found > 3 else ""
    return Invalid(f"{summary}{more}", errors=told)


def pointer(finding: Finding) -> Pointer:
    """Where it is and what to do. The first part of `loc` is `body`, `query`, `header` or `path`."""
    place, *path = finding["loc"]
    code, message = str(finding["type"]), sentence(finding)
    if place == "body":
        return Pointer(code, message, "field", "".join(f"/{json.token(part)}" for part in path if part != "[key]"))
    return Pointer(code, message, "header" if place == "header" else "parameter", str(path[0]) if path else "")


def sentence(finding: Finding) -> str:
    """The message, in which nothing is a dictionary, a None or an instance of a class."""
    kind, own = str(finding["type"]), str(finding["msg"])
    if kind in _OURS_TOO and own != _OURS_TOO[kind]:
        return own
    if kind == "missing" and tuple(finding["loc"]) == ("body",):
        return "is required: send a JSON object"
    if kind == "extra_forbidden" and finding["loc"][0] == "query":
        return "is no parameter of this operation"
    said = _SENTENCES.get(kind)
    if said is None:
        # Of a kind that pydantic does not know: it is a validator of ours that speaks.
        return own
    message = said if isinstance(said, str) else said({**finding.get("ctx", {}), "msg": own})
    return f"has a key that cannot be taken: a key {message}" if "[key]" in finding["loc"] else message


def misplaced(code: str, message: str, *fields: str | tuple[str | int, ...]) -> ValidationError:
    """For a validator of a whole model: what is wrong with each of these fields of it, or places in it."""
    kind = PydanticCustomError(code, message)
    places = [field if isinstance(field, tuple) else (field,) for field in fields]
    return ValidationError.from_exception_data(
        "model", [InitErrorDetails(type=kind, loc=place, input=None) for place in places]
    )


def _bound(template: str) -> Callable[[Context], str]:
    return template.format_map


def _limit(name: str, template: str) -> Callable[[Context], str]:
    """The template with a number in it as people write it: 0 rather than 0.0."""
    return lambda context: template.format(f"{context[name]}".removesuffix(".0"))


def _of(name: str, template: str, one: str, many: str) -> Callable[[Context], str]:
    """The template with a number in it, and the noun that goes with the number."""
    return lambda context: template.format(f"{context[name]:,} {one if context[name] == 1 else many}")


def _choice(context: Context) -> str:
    """`'a', 'b' or 'c'` without the quotes of Python."""
    return f"must be {str(context['expected']).replace(chr(39), '')}"


def _error(context: Context) -> str:
    """What a validator of ours raised, or what is wrong with an email address."""
    reason = context.get("reason")
    return f"is no email address. {reason}" if reason else str(context.get("error") or context["msg"])


# Kinds that validators of ours use as well, in words of their own.
_OURS_TOO = {"missing": "Field required", "extra_forbidden": "Extra inputs are not permitted"}
_OBJECT, _LIST, _TEXT = "must be a JSON object", "must be a list", "must be text"
_NUMBER, _INTEGER, _BOOLEAN = "must be a number", "must be an integer", "must be true or false"
_DAY = "must be a day like 2026-11-23"
_TIME = "must be a time as RFC 3339 writes it, like 2026-11-23T09:30:00Z"
_CLOCK, _DURATION = "must be a time of day like 09:30:00", "must be a duration as ISO 8601 writes it, like PT15M"
_NOT_TAKEN, _NO_FIELD = "is not what this field takes", "is not known here: leave it out, or mend its name"
_URL = "must be a URL like https://example.com/path"
_UUID = "must be a UUID like 3f0a6f0e-6f0c-4c53-8f6c-1a1d8a1f5b7e"
_SENTENCES: dict[str, str | Callable[[Context], str]] = {
    "missing": "is required",
    "extra_forbidden": _NO_FIELD,
    "unexpected_keyword_argument": _NO_FIELD,
    "unexpected_positional_argument": _NO_FIELD,
    "multiple_argument_values": "must be given once",
    "none_required": "must be null",
    **dict.fromkeys(
        ("missing_argument", "missing_keyword_only_argument", "missing_positional_only_argument"), "is required"
    ),
    **dict.fromkeys(
        ("model_type", "model_attributes_type", "dataclass_type", "dataclass_exact_type", "dict_type", "mapping_type"),
        _OBJECT,
    ),
    **dict.fromkeys(
        ("frozen_dict_type", "ordered_dict_type", "counter_type", "named_tuple_type", "arguments_type"), _OBJECT
    ),
    **dict.fromkeys(
        ("list_type", "tuple_type", "set_type", "frozen_set_type", "deque_type", "iterable_type", "iteration_error"),
        _LIST,
    ),
    "set_item_not_hashable": "must be text, a number, true or false",
    "too_short": _of("min_length", "must have at least {}", "item", "items"),
    "too_long": _of("max_length", "must have at most {}", "item", "items"),
    **dict.fromkeys(("string_type", "bytes_type", "invalid_key", "json_type"), _TEXT),
    "string_unicode": "must be text in UTF-8",
    "string_not_ascii": "must be ASCII",
    "string_too_short": _of("min_length", "must have at least {}", "character", "characters"),
    "string_too_long": _of("max_length", "must have at most {}", "character", "characters"),
    "string_pattern_mismatch": _bound("must match {pattern}"),
    "bytes_too_short": _of("min_length", "must have at least {}", "byte", "bytes"),
    "bytes_too_long": _of("max_length", "must have at most {}", "byte", "bytes"),
    "bytes_invalid_encoding": _bound("must be {encoding}"),
    "json_invalid": "must be JSON",
    **dict.fromkeys(("bool_type", "bool_parsing"), _BOOLEAN),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), _INTEGER),
    "int_parsing_size": "must be an integer of 4,300 digits or fewer",
    **dict.fromkeys(("float_type", "float_parsing", "decimal_type", "decimal_parsing"), _NUMBER),
    **dict.fromkeys(("fraction_type", "fraction_parsing", "complex_type", "complex_str_parsing"), _NUMBER),
    "finite_number": "must be a finite number",
    "greater_than": _limit("gt", "must be more than {}"),
    "greater_than_equal": _limit("ge", "must be {} or more"),
    "less_than": _limit("lt", "must be less than {}"),
    "less_than_equal": _limit("le", "must be {} or less"),
    "multiple_of": _limit("multiple_of", "must be a multiple of {}"),
    "decimal_max_digits": _of("max_digits", "must have at most {}", "digit", "digits"),
    "decimal_max_places": _of("decimal_places", "must have at most {} after the point", "digit", "digits"),
    "decimal_whole_digits": _of("whole_digits", "must have at most {} before the point", "digit", "digits"),
    **dict.fromkeys(("enum", "literal_error"), _choice),
    **dict.fromkeys(("date_type", "date_parsing", "date_from_datetime_parsing", "date_from_datetime_inexact"), _DAY),
    **dict.fromkeys(("time_type", "time_parsing"), _CLOCK),
    **dict.fromkeys(
        ("datetime_type", "datetime_parsing", "datetime_object_invalid", "datetime_from_date_parsing"), _TIME
    ),
    **dict.fromkeys(("timezone_aware", "timezone_offset"), _TIME),
    "timezone_naive": "must be a time without an offset, like 2026-11-23T09:30:00",
    **dict.fromkeys(("date_past", "datetime_past"), "must be in the past"),
    **dict.fromkeys(("date_future", "datetime_future"), "must be in the future"),
    **dict.fromkeys(("time_delta_type", "time_delta_parsing"), _DURATION),
    **dict.fromkeys(("url_type", "url_parsing", "url_syntax_violation"), _URL),
    "url_too_long": _of("max_length", "must have at most {}", "character", "characters"),
    "url_scheme": _bound("must be a URL that begins with {expected_schemes}"),
    **dict.fromkeys(("uuid_type", "uuid_parsing"), _UUID),
    "uuid_version": _bound("must be a UUID of version {expected_version}"),
    "union_tag_invalid": _bound("must have one of these as {discriminator}: {expected_tags}"),
    "union_tag_not_found": _bound("must have the field {discriminator}"),
    **dict.fromkeys(("value_error", "assertion_error"), _error),
    **dict.fromkeys(("recursion_loop", "recursion_depth_exceeded"), "is nested too deeply"),
    **dict.fromkeys(
        ("no_such_attribute", "get_attribute_error", "needs_python_object", "frozen_field", "frozen_instance"),
        _NOT_TAKEN,
    ),
    **dict.fromkeys(("default_factory_not_called", "missing_sentinel_error", "ellipsis_error"), _NOT_TAKEN),
    **dict.fromkeys(("is_instance_of", "is_subclass_of", "callable_type"), _NOT_TAKEN),
}
