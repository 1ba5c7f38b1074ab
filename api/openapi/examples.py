"""Examples for every body, made of the examples of the fields, and valid by the schemas that they illustrate."""

import re
from typing import Any

from api.openapi.operations import METHODS, operations
from api.openapi.protocol import example_problem

_ID = re.compile(r"\^\(?(\w+?)_\[0-7\]")
_ABSENT = {
    "/roadmap/overrides/{feature_id}": "{feature_id} has no override.",
    "/roadmap/items/{feature_id}": "{feature_id} has no horizon.",
    "/roadmap/scenarios/{id}": "There is no roadmap_scenario {id} here.",
}
_ULID = "01h455vb4pex5vsknk084sn02q"
_TIME = "2026-11-23T09:30:00Z"
_TEXTS = {
    "email": "ada@example.com",
    "uri": "https://example.com/hooks",
    "date": "2026-11-23",
    "date-time": _TIME,
    "uuid": "01890a5d-ac96-774b-bcce-b302099a8057",
}
_DEEPEST = 8
# Text that other patterns than an id's take; the first that fits is taken.
_GUESSES = (
    "words",
    "build",
    "features:read",
    "2026-W47",
    "2026-11-23",
    "feature.created",
    "1",
    "AbC",
    "FR-001",
    "https://example.com/",
    "a",
    "0" * 64,
)


def add(document: dict[str, Any]) -> None:
    """An example for each JSON body that has none."""
    schemas = document["components"]["schemas"]
    for _, _, operation in operations(document):
        body = operation.get("requestBody", {}).get("content", {})
        for content in body.values():
            _illustrate(content, schemas, whole=False)
        for status, response in operation["responses"].items():
            if status[0] == "2":
                for content in response.get("content", {}).values():
                    _illustrate(content, schemas, whole=True)
    for _, _, operation in operations(document):
        for parameter in operation.get("parameters", []):
            _move_example(parameter)
    for path, item in document["paths"].items():
        for parameter in item.get("parameters", []):
            _move_example(parameter)
        for method in item.keys() & set(METHODS):
            refusal = item[method]["responses"].get("404", {})
            for content in refusal.get("content", {}).values():
                content["example"] = _absent(path, item["parameters"], schemas)


def _absent(path: str, parameters: list[dict[str, Any]], schemas: dict[str, Any]) -> dict[str, Any]:
    """What the operations of this path answer when the first thing that the path names is not there."""
    ids = {one["name"]: str(example(one["schema"], schemas, name=one["name"])) for one in parameters}
    things, _, first = path.partition("}")[0].rpartition("/{")
    kind = things.rpartition("/")[2].removesuffix("s")
    detail = _ABSENT.get(path, f"There is no {kind} {{{first}}} here.")
    told = {"instance": "/v1" + path.format(**ids), "detail": detail.format(**ids)}
    return example_problem("not_found") | told


def _move_example(parameter: dict[str, Any]) -> None:
    examples = parameter.get("schema", {}).get("examples")
    if examples:
        parameter.setdefault("example", examples[0])


def _illustrate(content: dict[str, Any], schemas: dict[str, Any], whole: bool) -> None:
    if "schema" in content and "example" not in content and "examples" not in content:
        content["example"] = example(content["schema"], schemas, whole)


def example(schema: dict[str, Any], schemas: dict[str, Any], whole: bool = True, name: str = "", depth: int = 0) -> Any:
    """A value of the schema: all its properties when `whole`, else the required and those with examples."""
    if schema.get("examples"):
        return schema["examples"][0]
    if "example" in schema:
        return schema["example"]
    if "$ref" in schema:
        target = schemas[schema["$ref"].rpartition("/")[2]]
        return example(target, schemas, whole, name, depth)
    if schema.get("enum"):
        return schema["enum"][0]
    for keyword in ("oneOf", "anyOf"):
        if keyword in schema:
            options = schema[keyword]
            if depth > _DEEPEST and {"type": "null"} in options:
                return None
            return example(options[0], schemas, whole, name, depth)
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        return _object(schema, schemas, whole, depth)
    if kind == "array":
        least = schema.get("minItems", 0)
        count = max(least, 1 if whole and depth < _DEEPEST and schema.get("maxItems", 1) else 0)
        return [example(schema["items"], schemas, whole, name, depth + 1) for _ in range(count)]
    if kind == "string":
        return _text(schema, name)
    if kind in ("integer", "number"):
        return _figure(schema, kind)
    return {"boolean": True}.get(str(kind))


def _object(schema: dict[str, Any], schemas: dict[str, Any], whole: bool, depth: int) -> dict[str, Any]:
    properties = schema.get("properties", {})
    required = schema.get("required", [])
    wanted = [
        name
        for name, one in properties.items()
        if name in required or (whole and depth < _DEEPEST) or (isinstance(one, dict) and one.get("examples"))
    ]
    return {name: example(properties[name], schemas, whole, name, depth + 1) for name in wanted}


def _text(schema: dict[str, Any], name: str) -> str:
    pattern = schema.get("pattern", "")
    if (prefix := _ID.match(pattern)) is not None:
        return f"{prefix[1]}_{_ULID}"
    if schema.get("format") in _TEXTS:
        return _TEXTS[schema["format"]]
    guesses = [name.replace("_", " ").capitalize(), name, *_GUESSES] if name else list(_GUESSES)
    least, most = schema.get("minLength", 0), schema.get("maxLength", 10**9)
    fits = (guess for guess in guesses if least <= len(guess) <= most and re.search(pattern, guess))
    found = next(fits, None)
    return found if found is not None else "x" * least


def _figure(schema: dict[str, Any], kind: str) -> Any:
    low, high = schema.get("minimum"), schema.get("maximum")
    if "exclusiveMinimum" in schema:
        low = schema["exclusiveMinimum"] + (1 if kind == "integer" else 0.5)
    value: Any = 1
    if low is not None and value < low:
        value = low
    if high is not None and value > high:
        value = high
    if "exclusiveMaximum" in schema and value >= schema["exclusiveMaximum"]:
        value = schema["exclusiveMaximum"] / 2
    return value
