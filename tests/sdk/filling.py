"""What a step refers to. No import: the runner has it beside itself."""

from typing import Any


def filled(value: Any, saved: dict[str, Any]) -> Any:
    """With `$name.field` replaced by what an earlier step saved."""
    if isinstance(value, dict):
        return {name: filled(each, saved) for name, each in value.items()}
    if isinstance(value, list):
        return [filled(each, saved) for each in value]
    if isinstance(value, str) and value.startswith("$"):
        name, _, field = value[1:].partition(".")
        return saved[name][field]
    return value
