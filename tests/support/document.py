"""The contract as tests walk it: its operations, and a strict form of its schemas."""

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from api import json
from api.openapi import contract

METHODS = ("get", "put", "post", "patch", "delete")


@dataclass(frozen=True)
class Operation:
    """One operation. `scope` is None where nobody needs a key; `path` is without `/v1`."""

    id: str
    method: str
    path: str
    scope: str | None
    spec: dict[str, Any]

    @property
    def names(self) -> list[str]:
        """The parameters in its path."""
        return re.findall(r"\{(\w+)\}", self.path)

    @property
    def takes_body(self) -> bool:
        return "requestBody" in self.spec

    @property
    def prefix(self) -> str | None:
        """Whose id it takes, like `feat`; None when it takes none."""
        for parameter in self.spec.get("parameters", []):
            if parameter.get("in") == "path" and (
                found := re.match(r"\^(\w+)_\[", parameter["schema"].get("pattern", ""))
            ):
                return found[1]
        return None

    def __str__(self) -> str:
        return self.id


@cache
def document() -> dict[str, Any]:
    """The document of this code."""
    parsed: dict[str, Any] = json.load(contract())
    return parsed


@cache
def operations() -> tuple[Operation, ...]:
    return tuple(_operations())


def _operations() -> Iterator[Operation]:
    for path, item in document()["paths"].items():
        shared = item.get("parameters", [])
        for method in METHODS:
            if method not in item:
                continue
            spec = dict(item[method])
            spec["parameters"] = [_resolved(one) for one in [*shared, *spec.get("parameters", [])]]
            yield Operation(spec["operationId"], method.upper(), path, spec.get("x-scope"), spec)


def _resolved(node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        found: Any = document()
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


@cache
def strict_document() -> dict[str, Any]:
    """The same document where an object of a response has exactly the properties that its schema names."""
    strict = copy.deepcopy(document())
    for schema in [*strict["components"]["schemas"].values(), *strict["webhooks"].values()]:
        for node in _nodes(schema):
            if isinstance(node.get("properties"), dict) and "object" in _types(node):
                node["additionalProperties"] = False
    return strict


def response_schema(operation: Operation, status: int) -> dict[str, Any] | None:
    """The strict JSON Schema of a 2xx answer, self-contained; None when it has no JSON body."""
    content = operation.spec["responses"].get(str(status), {}).get("content", {})
    if "application/json" not in content:
        return None
    return {**content["application/json"]["schema"], "components": strict_document()["components"]}


def event_schema(event_type: str) -> dict[str, Any]:
    """The strict JSON Schema of an event's whole body."""
    body = strict_document()["webhooks"][event_type]["post"]["requestBody"]["content"]["application/json"]
    return {**body["schema"], "components": strict_document()["components"]}


def request_schema(operation: Operation) -> dict[str, Any]:
    content = operation.spec["requestBody"]["content"]
    return _inner(next(iter(content.values()))["schema"])


def sample(schema: dict[str, Any]) -> Any:
    """A valid value by the schema's own examples, with only what is required."""
    schema = _inner(schema)
    if schema.get("examples"):
        return schema["examples"][0]
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    types = _types(schema)
    if "object" in types:
        return {name: sample(schema["properties"][name]) for name in schema.get("required", [])}
    if "array" in types:
        return [sample(schema["items"]) for _ in range(schema.get("minItems", 0))]
    if "string" in types:
        return "2027-05-23T00:00:00Z" if schema.get("format") == "date-time" else "words"
    return {"integer": 1, "number": 1, "boolean": True}.get(next(iter(types), "null"))


def properties(schema: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = _inner(schema).get("properties", {})
    return found


def kinds(schema: dict[str, Any]) -> list[str]:
    """The JSON types that a value of the schema may have, but for null."""
    return _types(_inner(schema))


def _inner(schema: dict[str, Any]) -> dict[str, Any]:
    """Past references, and past what may also be null."""
    schema = _resolved(schema)
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema:
            return _inner(next(one for one in schema[choice] if one != {"type": "null"}))
    return schema


def _types(schema: dict[str, Any]) -> list[str]:
    found = schema.get("type", [])
    return [found] if isinstance(found, str) else [one for one in found if one != "null"]


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from _nodes(item)
    elif isinstance(value, list):
        for item in value:
            yield from _nodes(item)
