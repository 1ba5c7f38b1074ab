"""Schemas as pydantic gives them, made into what people, generators and linters read.

Nothing is promised that the server does not keep: a bound that is added here is one that the protocol keeps anyway (a
body is a megabyte, text has no U+0000, integers are exact in JavaScript), all others stand in the models.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from api.openapi.glossary import describe

Schema = dict[str, Any]
NULL = {"type": "null"}
REFERENCE = "#/components/schemas/"
# Text holds no U+0000: bodies and parameters with one are refused, and Postgres keeps none.
ANY_TEXT = r"^[^\u0000]*$"
LONGEST_TEXT = 4_194_304
LONGEST_TIME = 40
SHORTEST_TIME = len("2026-11-23T09:30:00Z")
MOST_ITEMS = 100_000
SAFE_INTEGER = 2**53 - 1
_BOUNDS = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}
# Names that the protocol has taken.
_TAKEN = {"Problem": "ProblemStatement"}


def rename(document: dict[str, Any]) -> None:
    """`FeatureShown` is a Feature to those who read it, and `ListShown[FeatureShown]` a FeatureList."""
    schemas = document["components"]["schemas"]
    names: dict[str, str] = {}
    for name in sorted(schemas, key=lambda name: (name.endswith("-Input"), "Shown" in name, name)):
        new = _readable(name)
        while new in names.values():
            new += "Input" if name.endswith("-Input") else "Shown"
        names[name] = new
    document["components"]["schemas"] = {names[name]: schemas[name] for name in sorted(schemas, key=names.__getitem__)}
    for name, schema in document["components"]["schemas"].items():
        schema["title"] = name
    for node in nodes(document):
        reference = node.get("$ref")
        if isinstance(reference, str) and reference.startswith(REFERENCE):
            old = reference.removeprefix(REFERENCE)
            node["$ref"] = REFERENCE + names.get(old, old)


def _readable(name: str) -> str:
    name = re.sub(r"^ListShown_(\w+?)_?$", r"\1List", name).removesuffix("-Output").removesuffix("-Input")
    if (same := re.fullmatch(r"api__(\w+?)s?__schemas__(\w+)", name)) is not None:
        name = same[1].capitalize() + same[2]
    name = name.replace("Shown", "")
    return _TAKEN.get(name, name)


def settle(document: dict[str, Any]) -> None:
    """Every schema in its final form, with objects inside objects as components of their own."""
    components = document["components"]["schemas"]
    for schema in list(nodes(document)):
        _settle_one(schema)
    for name, schema in components.items():
        schema.setdefault("description", describe(_snake(name)))
    _hoist(document)
    _settle_nullable(document)
    for schema in nodes(document):
        if isinstance(schema.get("properties"), dict) and not _is_example(schema):
            for name, property_ in schema["properties"].items():
                _describe(name, property_, schema.get("title", ""))


def _settle_one(schema: Schema) -> None:
    if not _looks_like_schema(schema):
        return
    _plain_number(schema)
    _collapse_null(schema)
    if "const" in schema:
        schema["enum"] = [schema.pop("const")]
    for word, keyword in _BOUNDS.items():
        if word in schema:
            schema[keyword] = _number(schema.pop(word))
    for word in ("decimal_places", "max_digits", "contentMediaType"):
        schema.pop(word, None)
    _one_kind_of_name(schema)
    _merge_choice(schema)
    for keyword in ("items", "additionalProperties"):
        if schema.get(keyword) is True or schema.get(keyword) == {}:
            schema[keyword] = any_json()
    types = _types(schema)
    if types != _ALL:
        _bound(schema, types)


def _bound(schema: Schema, types: list[str]) -> None:
    if types == ["object"] and "properties" not in schema and "additionalProperties" not in schema:
        schema["additionalProperties"] = any_json()
    if "string" in types and "enum" not in schema:
        _bound_text(schema)
    if "integer" in types:
        _bound_integer(schema)
    if "number" in types:
        schema.setdefault("format", "double")
        if isinstance(schema.get("default"), str):
            schema["default"] = _number(schema["default"])  # pydantic writes a Decimal as text
    if "array" in types:
        schema.setdefault("minItems", 0)
        schema.setdefault("maxItems", MOST_ITEMS)
        schema.setdefault("items", any_json())


def _one_kind_of_name(schema: Schema) -> None:
    """A map whose names are of one form, with `propertyNames`: generators take the values' type from nowhere else."""
    patterns = schema.get("patternProperties")
    if patterns is not None and len(patterns) == 1 and "additionalProperties" not in schema:
        del schema["patternProperties"]
        ((pattern, values),) = patterns.items()
        schema |= {"propertyNames": {"pattern": pattern}, "additionalProperties": values}


def _merge_choice(schema: Schema) -> None:
    """A choice of plain types as one schema of several types: what bounds one of them says nothing of the others."""
    options = schema.get("anyOf")
    if not isinstance(options, list) or "type" in schema:
        return
    for option in options:
        _merge_choice(option)
    kinds = [option.get("type") for option in options]
    numbers = [kind for kind in kinds if kind in ("integer", "number")]
    plain = all(isinstance(kind, str) for kind in kinds) and len(set(kinds)) == len(kinds) and len(numbers) < 2
    if not plain or any(word in option for option in options for word in ("enum", "const", "format", "properties")):
        return
    del schema["anyOf"]
    for option in options:
        _settle_one(option)
        schema |= {keyword: value for keyword, value in option.items() if keyword not in ("type", *schema)}
    schema["type"] = kinds


def _settle_nullable(document: Schema) -> None:
    """What is only ever used as `X or null` is itself an object or null: no choice is left where it is used."""
    components = document["components"]["schemas"]
    choices: dict[str, list[Schema]] = {}
    uses: Counter[str] = Counter()
    for node in nodes(document):
        if (name := _named(node)) is not None:
            uses[name] += 1
        options = node.get("oneOf", node.get("anyOf", []))
        named = [name for option in options if (name := _named(option)) is not None]
        if NULL in options and len(named) == 1:
            choices.setdefault(named[0], []).append(node)
    for name, found in choices.items():
        if uses[name] == len(found) and components[name].get("type") == "object":
            components[name]["type"] = ["object", "null"]
            for node in found:
                _without_null(node)


def _named(node: Schema) -> str | None:
    reference = node.get("$ref")
    return reference.removeprefix(REFERENCE) if isinstance(reference, str) and REFERENCE in reference else None


def _without_null(node: Schema) -> None:
    keyword = "oneOf" if "oneOf" in node else "anyOf"
    node[keyword].remove(NULL)
    if len(node[keyword]) == 1:
        node |= node.pop(keyword)[0]
        node.pop("title", None)


def _plain_number(schema: Schema) -> None:
    """pydantic's Decimal is a number or text; ours are never text, and its bounds stand outside the choice."""
    for options in (schema.get("anyOf"), schema.get("oneOf")):
        if isinstance(options, list):
            text = [one for one in options if one.get("type") == "string" and "[-+.]" in str(one.get("pattern"))]
            if text and any(one.get("type") == "number" for one in options):
                options.remove(text[0])
    if isinstance(schema.get("anyOf"), list) and len(schema["anyOf"]) == 1:
        (only,) = schema.pop("anyOf")
        for keyword, value in only.items():
            schema.setdefault(keyword, value)


def _collapse_null(schema: Schema) -> None:
    """`anyOf: [X, null]` as X that may be null: generators make an optional of it instead of a union."""
    options = schema.get("anyOf")
    if not isinstance(options, list) or NULL not in options or len(options) != 2:
        return
    inner = next(option for option in options if option != NULL)
    _plain_number(inner)
    if "$ref" in inner:
        # Nothing is both, so it is one of the two.
        schema["oneOf"] = schema.pop("anyOf")
        return
    if "type" not in inner or isinstance(inner["type"], list):
        return
    del schema["anyOf"]
    schema.update({**inner, "type": [inner["type"], "null"]} | {k: v for k, v in schema.items() if k != "type"})
    if "const" in schema:
        schema["enum"] = [schema.pop("const")]
    if "enum" in schema and None not in schema["enum"]:
        schema["enum"] = [*schema["enum"], None]


def _bound_text(schema: Schema) -> None:
    if schema.get("format") == "date-time":
        schema.setdefault("minLength", SHORTEST_TIME)
        schema.setdefault("maxLength", LONGEST_TIME)
        return
    if schema.get("format") == "date":
        schema |= {"minLength": 10, "maxLength": 10}
    schema.setdefault("minLength", 0)
    schema.setdefault("maxLength", LONGEST_TEXT)
    if isinstance(schema.get("default"), str) and len(schema["default"]) < schema["minLength"]:
        del schema["default"]  # an empty text says that there is none
    if schema.get("format") in (None, "binary"):
        schema.setdefault("pattern", ANY_TEXT)


def _bound_integer(schema: Schema) -> None:
    if "enum" in schema:
        choices = [choice for choice in schema["enum"] if choice is not None]
        schema |= {"minimum": min(choices), "maximum": max(choices)}
    if "exclusiveMinimum" in schema:
        schema["minimum"] = int(schema.pop("exclusiveMinimum")) + 1
    if "exclusiveMaximum" in schema:
        schema["maximum"] = int(schema.pop("exclusiveMaximum")) - 1
    schema["minimum"] = int(schema.get("minimum", -SAFE_INTEGER))
    schema["maximum"] = int(schema.get("maximum", SAFE_INTEGER))
    small = schema["minimum"] >= -(2**31) and schema["maximum"] < 2**31
    schema.setdefault("format", "int32" if small else "int64")


_ALL = ["array", "boolean", "integer", "null", "number", "object", "string"]


def any_json() -> Schema:
    """Any JSON value. No component of it is shared: one that all resources used would tie them together."""
    kinds = ["string", "number", "boolean", "object", "array"]
    return {
        "type": [*kinds, "null"],
        "description": "Any JSON value.",
        "maxLength": LONGEST_TEXT,
        "pattern": ANY_TEXT,
        "minLength": 0,
        "minItems": 0,
        "maxItems": MOST_ITEMS,
        "items": {},
    }


def _describe(name: str, property_: Any, owner: str) -> None:
    if not isinstance(property_, dict) or "$ref" in property_:
        return
    property_.pop("title", None)
    property_.setdefault("description", describe(name, owner))


def _hoist(document: dict[str, Any]) -> None:
    """Objects inside objects become components, named by where they were found; the same object only once."""
    components: dict[str, Schema] = document["components"]["schemas"]
    known: dict[str, str] = {}
    left = {"", *_sent(document)}

    def recursive(schema: Schema, name: str) -> Schema:
        """Any JSON value in a resource, by a name: what is in its lists is such a value too."""
        components[name] = {"title": name, **schema, "items": {"$ref": REFERENCE + name}}
        return {"$ref": REFERENCE + name}

    def lifted(schema: Schema, name: str) -> Schema:
        text = repr(schema)
        if text not in known:
            fresh = name
            while fresh in components:
                fresh += "Item"
            known[text] = fresh
            components[fresh] = {"title": fresh, "description": describe(_snake(fresh)), **schema}
        return {"$ref": REFERENCE + known[text]}

    def walk(schema: Any, name: str, top: bool) -> Any:
        if not isinstance(schema, dict):
            return schema
        if schema == any_json():
            return schema if root in left else recursive(schema, f"{root}Value")
        for keyword in ("items", "additionalProperties"):
            if isinstance(schema.get(keyword), dict):
                schema[keyword] = walk(schema[keyword], name + "Item" if keyword == "items" else name + "Value", False)
        for keyword in ("anyOf", "oneOf", "allOf"):
            if isinstance(schema.get(keyword), list):
                schema[keyword] = [
                    walk(one, f"{name}{number or ''}", False) for number, one in enumerate(schema[keyword])
                ]
        properties = schema.get("properties")
        if not properties or not isinstance(properties, dict):
            return schema
        for key, one in properties.items():
            properties[key] = walk(one, name + _camel(key), False)
        return schema if top or _types(schema) != ["object"] else lifted(schema, name)

    for root, schema in list(components.items()):
        walk(schema, root, True)
    root = ""  # no component
    for name, item in document.get("webhooks", {}).items():
        content = item["post"]["requestBody"]["content"]["application/json"]
        content["schema"] = walk(content["schema"], _camel(name.replace(".", "_")) + "Event", False)
    for path in document["paths"].values():
        for operation in path.values():
            if isinstance(operation, dict) and "responses" in operation:
                for part in [operation.get("requestBody", {}), *operation["responses"].values()]:
                    for content in part.get("content", {}).values():
                        if "schema" in content:
                            content["schema"] = walk(content["schema"], _camel(operation["operationId"]), False)


def _sent(document: dict[str, Any]) -> set[str]:
    """The components that callers write. What a released contract lets them write has no new bound, however true."""
    pending: list[Schema] = [
        item[method]["requestBody"]
        for item in document["paths"].values()
        for method in item
        if method != "parameters" and "requestBody" in item[method]
    ]
    found: set[str] = set()
    while pending:
        names = {name for node in nodes(pending.pop()) if (name := _named(node)) is not None}
        pending += [document["components"]["schemas"][name] for name in names - found]
        found |= names
    return found


def drop_unused(document: dict[str, Any]) -> None:
    """Components that nothing points at, and those that only they pointed at."""
    components = document["components"]
    while True:
        used = {reference for node in nodes(document) if isinstance(reference := node.get("$ref"), str)}
        unused = [
            (kind, name)
            for kind in ("schemas", "headers", "responses", "parameters")
            for name in components.get(kind, {})
            if f"#/components/{kind}/{name}" not in used
        ]
        if not unused:
            return
        for kind, name in unused:
            del components[kind][name]


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in it that is not within an example."""
    pending = [value]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            yield node
            for key, child in node.items():
                if key == "properties" and isinstance(child, dict):
                    pending.extend(child.values())  # one of them may be called `example`
                elif key not in ("example", "examples", "default", "enum"):
                    pending.append(child)
        elif isinstance(node, list):
            pending.extend(node)


def _is_example(schema: Schema) -> bool:
    return not isinstance(schema.get("type", "object"), str | list)


def _looks_like_schema(node: Schema) -> bool:
    kind = node.get("type")
    named = (isinstance(kind, str) and kind in (*_ALL,)) or isinstance(kind, list)
    return named or any(isinstance(node.get(word), list) for word in ("anyOf", "oneOf"))


def _types(schema: Schema) -> list[str]:
    found = schema.get("type", [])
    found = [found] if isinstance(found, str) else found
    if not isinstance(found, list):
        return []
    return sorted(_ALL) if len(found) > 4 else [one for one in found if one != "null"]


def _number(value: Any) -> Any:
    text = float(value)
    return int(text) if text.is_integer() else text


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _camel(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))
