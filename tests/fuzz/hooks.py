"""What schemathesis has to know besides the contract. It runs in schemathesis's own process, without our packages."""

import os
from typing import Any

import schemathesis

OWN_KEYS = frozenset(os.environ["FUZZ_OWN_KEYS"].split(","))
MISSING_KEY = "key_01j8t5vb4ejd5btw5k0a9m010k"
# pydantic's names for what a JSON schema can say. Whoever keeps to the document never meets one of them.
FORMAL = {
    "missing",
    "extra_forbidden",
    "string_type",
    "string_too_short",
    "string_too_long",
    "string_pattern_mismatch",
    "number_type",
    "int_type",
    "int_parsing",
    "bool_type",
    "list_type",
    "dict_type",
    "literal_error",
    "too_long",
    "too_short",
    "greater_than",
    "greater_than_equal",
    "less_than",
    "less_than_equal",
}


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Nobody saws off the branch: a key that all later calls need is not the one that is revoked."""
    if case.operation.method == "delete" and case.path_parameters and case.path_parameters.get("id") in OWN_KEYS:
        case.path_parameters["id"] = MISSING_KEY


@schemathesis.check
def refusals_of_form_are_documented(ctx: Any, response: Any, case: Any) -> None:
    """A request that is right by the document may be refused for what it means, never for its form."""
    meta = case.meta
    if response.status_code != 400 or meta is None or meta.generation.mode.name != "POSITIVE":
        return
    errors = [error for error in response.json().get("errors", []) if error["code"] in FORMAL]
    # A rule between fields may miss something too, and says it in words of its own.
    refused = [error for error in errors if error["code"] != "missing" or error["message"] == "is required"]
    if refused:
        raise AssertionError(f"The document allows what is refused: {refused}")
