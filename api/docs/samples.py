"""Example values that follow from a JSON schema: its own examples where it has some, else the plainest that fits."""

from typing import Any

Schema = dict[str, Any]
_BY_FORMAT = {
    "date-time": "2026-11-23T09:30:00Z",
    "date": "2026-11-23",
    "email": "ada@example.com",
    "uri": "https://example.com",
    "uuid": "01890a5d-ac96-774b-bcce-b302099a8057",
}
_DEEPEST = 8


class Schemas:
    """The schemas of one document, with their references followed."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document

    def resolve(self, schema: Any) -> Any:
        """The object behind a `$ref`; what stands beside the reference is kept."""
        while isinstance(schema, dict) and "$ref" in schema:
            beside = {name: value for name, value in schema.items() if name != "$ref"}
            schema = {**self._follow(schema["$ref"]), **beside}
        return schema

    def without_null(self, schema: Schema) -> tuple[Schema, bool]:
        """The schema with `null` taken out of it, and whether it was there."""
        schema = self.resolve(schema)
        kind = schema.get("type")
        if isinstance(kind, list) and "null" in kind:
            kinds = [one for one in kind if one != "null"]
            plain = schema | {"type": kinds[0] if len(kinds) == 1 else kinds}
            if "enum" in plain:
                plain["enum"] = [value for value in plain["enum"] if value is not None]
            return plain, True
        for name in ("anyOf", "oneOf"):
            options = schema.get(name, [])
            others = [option for option in options if option != {"type": "null"}]
            if len(others) < len(options):
                beside = {key: value for key, value in schema.items() if key != name}
                inner = self.resolve(others[0]) if len(others) == 1 else {name: others}
                return {**inner, **beside}, True
        return schema, False

    def sample(self, schema: Schema, *, whole: bool = False, depth: int = 0) -> Any:
        """A value that the schema takes: its required properties and those with examples, or the `whole` of them."""
        schema, _ = self.without_null(schema)
        told = _told(schema)
        if told is not None:
            return told[0]
        for name in ("oneOf", "anyOf", "allOf"):
            if options := schema.get(name):
                return self.sample(options[0], whole=whole, depth=depth + 1)
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = kind[0]
        if kind == "object" or "properties" in schema:
            return self._object(schema, whole, depth)
        if kind == "array":
            fewest = 0 if depth > _DEEPEST or "items" not in schema else max(1, schema.get("minItems", 0))
            return [self.sample(schema["items"], whole=whole, depth=depth + 1)] * fewest
        return _plain(kind, schema)

    def _object(self, schema: Schema, whole: bool, depth: int) -> dict[str, Any]:
        if depth > _DEEPEST:
            return {}
        required = schema.get("required", [])
        return {
            name: self.sample(value, whole=whole, depth=depth + 1)
            for name, value in schema.get("properties", {}).items()
            if whole or name in required or {"example", "examples"} & self.resolve(value).keys()
        }

    def _follow(self, reference: str) -> Any:
        found: Any = self._document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part.replace("~1", "/").replace("~0", "~")]
        return found


def _told(schema: Schema) -> list[Any] | None:
    """A value that the schema itself names, in a list so that null and false can be told."""
    if "const" in schema:
        return [schema["const"]]
    if "example" in schema:
        return [schema["example"]]
    if schema.get("examples"):
        return [schema["examples"][0]]
    if schema.get("default") is not None:
        return [schema["default"]]
    if schema.get("enum"):
        return [schema["enum"][0]]
    return None


def _plain(kind: Any, schema: Schema) -> Any:
    if kind in ("integer", "number"):
        return max(schema.get("minimum", 1), min(1, schema.get("maximum", 1)))
    if kind == "boolean":
        return True
    if kind == "string":
        text = _BY_FORMAT.get(schema.get("format", ""), "text")
        return text.ljust(schema.get("minLength", 0), "x")[: schema.get("maxLength", 1000)]
    return {}
