"""The API reference: every operation and every webhook of the OpenAPI document, as one page."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

from api import json
from api.docs.pages import block, inline
from api.docs.samples import Schema, Schemas

PLACEHOLDER = "rb_live_YOUR_KEY"
_METHODS = ("get", "post", "put", "patch", "delete")
_DEEPEST = 4  # levels of a request body that are shown in place; below them the schema's own entry is linked


@dataclass(frozen=True)
class Entry:
    """A line of the side navigation."""

    group: str
    anchor: str
    label: str
    method: str = ""


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    spec: dict[str, Any]

    @property
    def anchor(self) -> str:
        return str(self.spec["operationId"])


class Reference:
    """The page of one document. Examples call `base_url`."""

    def __init__(self, document: dict[str, Any], base_url: str) -> None:
        self._document = document
        self._schemas = Schemas(document)
        self._base_url = base_url + document["servers"][0]["url"]

    def html(self) -> str:
        groups = "".join(
            f'<h2 id="tag-{escape(tag)}">{escape(_title(tag))}</h2><p>{inline(text)}</p>'
            + "".join(self._operation(operation) for operation in operations)
            for tag, text, operations in self._by_tag()
        )
        return (
            "<h1>API reference</h1>"
            + block(self._document["info"]["description"])
            + _KEY_FIELD
            + groups
            + '<h2 id="webhooks">Webhooks</h2><p>What an endpoint is sent, one entry for each event type. '
            'The <a href="/docs/webhooks">webhooks page</a> tells how to verify it.</p>'
            + "".join(self._webhook(name, item["post"]) for name, item in sorted(self._webhooks().items()))
            + '<h2 id="schemas">Schemas</h2><p>What the operations above take and answer.</p>'
            + "".join(self._schema(name, schema) for name, schema in sorted(self._named().items()))
        )

    def markdown(self) -> str:
        """The same for programs that read: each operation with its scope and a call; schemas are in /openapi.json."""
        parts = [f"# API reference\n\n{self._document['info']['description']}"]
        for tag, text, operations in self._by_tag():
            parts += [f"## {_title(tag)}\n\n{text}", *(self._operation_markdown(one) for one in operations)]
        webhooks = [f"- `{name}`: {item['post'].get('summary', '')}" for name, item in sorted(self._webhooks().items())]
        return "\n\n".join([*parts, "## Webhooks", "\n".join(webhooks)]) + "\n"

    def entries(self) -> list[Entry]:
        """The side navigation, in the order of the page."""
        operations = [
            Entry(_title(tag), operation.anchor, operation.path, operation.method)
            for tag, _, operations in self._by_tag()
            for operation in operations
        ]
        webhooks = [Entry("Webhooks sent", f"on-{name}", name) for name in sorted(self._webhooks())]
        return [*operations, *webhooks, *(Entry("Schemas", f"schema-{name}", name) for name in sorted(self._named()))]

    def operations(self) -> Iterator[Operation]:
        """Every operation; parameters of its path are its own."""
        for path, item in self._document["paths"].items():
            for method in _METHODS:
                if method in item:
                    shared = item.get("parameters", [])
                    spec = item[method] | {"parameters": [*shared, *item[method].get("parameters", [])]}
                    yield Operation(method, path, spec)

    def example_body(self, operation: Operation) -> Any:
        """A body that the operation takes, or None when it takes none."""
        media_type = self._media_type(operation.spec.get("requestBody"))
        if media_type is None:
            return None
        if "example" in media_type:
            return media_type["example"]
        if examples := media_type.get("examples"):
            return self._schemas.resolve(next(iter(examples.values())))["value"]
        return self._schemas.sample(media_type["schema"])

    def _by_tag(self) -> Iterator[tuple[str, str, list[Operation]]]:
        operations = list(self.operations())
        told = {tag["name"]: tag.get("description", "") for tag in self._document.get("tags", [])}
        used = [tag for operation in operations for tag in operation.spec.get("tags", ["other"])[:1]]
        for tag in dict.fromkeys([*(name for name in told if name in used), *used]):
            yield tag, told.get(tag, ""), [one for one in operations if one.spec.get("tags", ["other"])[0] == tag]

    def _webhooks(self) -> dict[str, Any]:
        return dict(self._document.get("webhooks", {}))

    def _named(self) -> dict[str, Any]:
        """The schemas with an entry of their own; one that takes any JSON value has nothing to tell."""
        schemas = self._document["components"]["schemas"]
        return {name: schema for name, schema in schemas.items() if not _takes_anything(schema)}

    # -- one operation ---------------------------------------------------------------------------------------------

    def _operation(self, operation: Operation) -> str:
        spec = operation.spec
        parameters = [self._schemas.resolve(parameter) for parameter in spec["parameters"]]
        deprecated = '<p class="note">Deprecated.</p>' if spec.get("deprecated") else ""
        return (
            f'<section class="operation" id="{escape(operation.anchor)}"><h3>{_link(operation.anchor)}'
            f"{escape(_words(operation.anchor))}</h3>"
            f'<p class="call"><b class="method {operation.method}">{operation.method.upper()}</b> '
            f"<code>{escape(self._document['servers'][0]['url'] + operation.path)}</code> {_scope(spec)}</p>"
            f'<div class="sides"><div>{deprecated}{block(spec.get("description", ""))}'
            f"{self._parameters(parameters)}{self._request(spec)}{self._answers(spec)}</div>"
            f'<div class="examples"><pre><code>{escape(self._curl(operation, parameters))}</code></pre>'
            f"{self._answer_example(spec)}</div></div></section>"
        )

    def _operation_markdown(self, operation: Operation) -> str:
        spec = operation.spec
        parameters = [self._schemas.resolve(parameter) for parameter in spec["parameters"]]
        path = self._document["servers"][0]["url"] + operation.path
        told = [f"### {operation.method.upper()} {path}", f"`{operation.anchor}`"]
        told[1] += f", scope `{spec['x-scope']}`" if spec.get("x-scope") else ""
        told[1] += ", deprecated" if spec.get("deprecated") else ""
        told += [spec.get("description", ""), f"```text\n{self._curl(operation, parameters)}\n```"]
        return "\n\n".join(part for part in told if part)

    def _parameters(self, parameters: list[dict[str, Any]]) -> str:
        shown = ""
        for place in ("path", "query", "header"):
            rows = [
                self._field(one["name"], one["schema"], one.get("required", False), 0, one.get("description"))
                for one in parameters
                if one["in"] == place
            ]
            if rows:
                title = {"path": "In the path", "query": "In the query", "header": "Headers"}[place]
                shown += f'<h4>{title}</h4><ul class="fields">{"".join(rows)}</ul>'
        return shown

    def _request(self, spec: dict[str, Any]) -> str:
        media_type = self._media_type(spec.get("requestBody"))
        if media_type is None:
            return ""
        optional = "" if self._schemas.resolve(spec["requestBody"]).get("required") else " <small>optional</small>"
        schema, _ = self._schemas.without_null(media_type["schema"])
        told = block(schema["description"]) if schema.get("description") else ""
        return f"<h4>Body{optional}</h4>{told}{self._fields(schema, 0)}"

    def _answers(self, spec: dict[str, Any]) -> str:
        """Each success in a line, and in one more the statuses of what may go wrong."""
        answers = sorted((status, self._schemas.resolve(answer)) for status, answer in spec["responses"].items())
        fine = "".join(self._answer(status, answer) for status, answer in answers if status < "4")
        codes = " ".join(f"<code>{escape(status)}</code>" for status, _ in answers if status >= "4")
        wrong = f'<li>{codes} {_PROBLEM_LINK}, told by its <a href="/docs/errors">code</a></li>' if codes else ""
        return f'<h4>Answers</h4><ul class="fields answers">{fine}{wrong}</ul>'

    def _answer(self, status: str, answer: dict[str, Any]) -> str:
        content = answer.get("content", {})
        schema = next((one["schema"] for one in content.values() if "schema" in one), None)
        shown = f" {self._kind(schema)}" if schema else ""
        told = answer.get("description", "")
        told = "" if told == "Successful Response" else f" {inline(told)}"  # FastAPI's own words say nothing
        headers = ", ".join(f"<code>{escape(name)}</code>" for name in answer.get("headers", {}))
        sent = f"<p>with {headers}</p>" if headers else ""
        return f"<li><code>{escape(status)}</code>{shown}{told}{sent}</li>"

    def _curl(self, operation: Operation, parameters: list[dict[str, Any]]) -> str:
        path, query = operation.path, []
        for one in parameters:
            if one["in"] == "path":
                value = one.get("example", self._schemas.sample(one["schema"]))
                path = path.replace("{" + one["name"] + "}", str(value))
            elif one["in"] == "query" and one.get("required"):
                query.append(f"{one['name']}={one.get('example', self._schemas.sample(one['schema']))}")
        url = self._base_url + path + ("?" + "&".join(query) if query else "")
        lines = [f"curl {shlex.quote(url)}"]
        if operation.method not in ("get", "post"):
            lines[0] = f"curl -X {operation.method.upper()} {shlex.quote(url)}"
        if "x-scope" in operation.spec:
            lines.append(f"  -H 'Authorization: Bearer {PLACEHOLDER}'")
        lines += self._curl_body(operation)
        return " \\\n".join(lines)

    def _curl_body(self, operation: Operation) -> list[str]:
        if "requestBody" not in operation.spec:
            return ["  -X POST"] if operation.method == "post" else []
        body = json.pretty(self.example_body(operation))
        return ["  -H 'Content-Type: application/json'", f"  -d {shlex.quote(body)}"]

    def _answer_example(self, spec: dict[str, Any]) -> str:
        for status, answer in sorted(spec["responses"].items()):
            media_type = self._media_type(self._schemas.resolve(answer))
            if status.startswith("2") and media_type is not None and "schema" in media_type:
                value = media_type.get("example", self._schemas.sample(media_type["schema"], whole=True))
                text = escape(json.pretty(value))
                return f"<details><summary>Answer {status}</summary><pre><code>{text}</code></pre></details>"
        return ""

    def _media_type(self, holder: Any) -> dict[str, Any] | None:
        content = (self._schemas.resolve(holder) or {}).get("content", {})
        found: dict[str, Any] | None = next(
            (one for name, one in content.items() if name == "application/json"), next(iter(content.values()), None)
        )
        return found

    # -- webhooks and schemas --------------------------------------------------------------------------------------

    def _webhook(self, name: str, spec: dict[str, Any]) -> str:
        media_type = self._media_type(spec["requestBody"]) or {}
        schema = self._schemas.resolve(media_type["schema"])
        example = media_type.get("example", self._schemas.sample(schema, whole=True))
        return (
            f'<section class="operation" id="on-{escape(name)}"><h3>{_link(f"on-{name}")}{escape(name)}</h3>'
            f'<div class="sides"><div>{block(spec.get("description", ""))}<h4>Body</h4>{self._fields(schema, 3)}</div>'
            f'<div class="examples"><pre><code>{escape(json.pretty(example))}</code></pre></div></div></section>'
        )

    def _schema(self, name: str, schema: Schema) -> str:
        told = block(schema["description"]) if schema.get("description") else ""
        anchor = f"schema-{name}"
        shown = self._fields(schema, _DEEPEST - 1) or f"<p>{self._kind(schema)}</p>"
        head = f"<h3>{_link(anchor)}{escape(name)}</h3>"
        return f'<section class="schema" id="{escape(anchor)}">{head}{told}{shown}</section>'

    def _fields(self, schema: Schema, depth: int) -> str:
        """The properties of an object as a list, those of its parts within them."""
        required = schema.get("required", [])
        rows = [
            self._field(name, one, name in required, depth + 1) for name, one in schema.get("properties", {}).items()
        ]
        return f'<ul class="fields">{"".join(rows)}</ul>' if rows else ""

    def _field(self, name: str, schema: Schema, required: bool, depth: int, description: str | None = None) -> str:
        plain, _ = self._schemas.without_null(schema)
        must = ' <em class="required">required</em>' if required else ""
        told = description or plain.get("description", "")
        inner = self._fields(self._innermost(plain), depth) if depth < _DEEPEST else ""
        facts = ", ".join(self._facts(plain))
        return (
            f'<li><code class="name">{escape(name)}</code> <span class="kind">{self._kind(schema)}</span>{must}'
            + (f"<p>{inline(told)}</p>" if told else "")
            + (f'<p class="facts">{facts}</p>' if facts else "")
            + (f"<details><summary>Fields</summary>{inner}</details>" if inner else "")
            + "</li>"
        )

    def _innermost(self, schema: Schema) -> Schema:
        while schema.get("type") == "array" and "items" in schema:
            schema, _ = self._schemas.without_null(schema["items"])
        return schema

    def _kind(self, schema: Schema) -> str:
        """What a value is, in words; a named schema as a link to its entry."""
        name = _name_of(schema)
        if _takes_anything(self._schemas.resolve(schema)):
            return "any JSON value"
        if name:
            _, nullable = self._schemas.without_null(schema)
            return f'<a href="#schema-{escape(name)}">{escape(name)}</a>' + (" or null" if nullable else "")
        for key in ("anyOf", "oneOf"):
            if key in schema:
                return " or ".join(self._kind(option) for option in schema[key])
        kind = schema.get("type", "any")
        kinds = kind if isinstance(kind, list) else [kind]
        return " or ".join(self._simple_kind(one, schema) for one in kinds)

    def _simple_kind(self, kind: str, schema: Schema) -> str:
        if kind == "array":
            return f"array of {self._kind(schema['items'])}" if "items" in schema else "array"
        if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
            return f"map of {self._kind(schema['additionalProperties'])}"
        return escape(f"{kind} ({schema['format']})" if kind == "string" and "format" in schema else kind)

    def _facts(self, schema: Schema) -> Iterator[str]:
        """The bounds of a value and its default."""
        if "const" in schema:
            yield f"always <code>{escape(json.dump(schema['const']))}</code>"
        values = schema.get("enum") or (schema.get("items") or {}).get("enum") or []
        if values:
            yield "one of " + " ".join(f"<code>{escape(str(value))}</code>" for value in values if value is not None)
        for low, high, unit in _BOUNDS:
            if told := _range(schema.get(low), schema.get(high), unit):
                yield told
        if "exclusiveMinimum" in schema:
            yield f"above {schema['exclusiveMinimum']:,}"
        if "exclusiveMaximum" in schema:
            yield f"below {schema['exclusiveMaximum']:,}"
        if "pattern" in schema and len(schema["pattern"]) <= 120:
            yield f"pattern <code>{escape(schema['pattern'])}</code>"
        if schema.get("default") is not None:
            yield f"default <code>{escape(json.dump(schema['default']))}</code>"


_BOUNDS = (
    ("minimum", "maximum", ""),
    ("minLength", "maxLength", " characters"),
    ("minItems", "maxItems", " items"),
    ("minProperties", "maxProperties", " entries"),
)
_PROBLEM_LINK = '<a href="#schema-Problem">Problem</a>'
_TITLES = {"prds": "PRDs", "mcp": "MCP"}
_KEY_FIELD = (
    '<p class="key"><label>Your key, for the examples below: <input id="key" type="text" autocomplete="off" '
    f'spellcheck="false" placeholder="{PLACEHOLDER}"></label> <small>It stays in this page.</small></p>'
)


def _range(low: float | None, high: float | None, unit: str) -> str:
    """
    >>> _range(1, 255, " characters"), _range(31, 31, " characters"), _range(None, 50, " items")
    ('1 to 255 characters', '31 characters', 'at most 50 items')
    """
    if low is None and high is None:
        return ""
    if low is None or high is None:
        return f"at most {high:,}{unit}" if low is None else f"at least {low:,}{unit}"
    return f"{low:,}{unit}" if low == high else f"{low:,} to {high:,}{unit}"


def _name_of(schema: Schema) -> str:
    reference = str(schema.get("$ref", ""))
    return reference.rpartition("/")[2] if reference.startswith("#/components/schemas/") else ""


def _takes_anything(schema: Schema) -> bool:
    """Whether it names all the types that JSON has."""
    kinds = schema.get("type")
    return isinstance(kinds, list) and len(kinds) > 5


def _link(anchor: str) -> str:
    return f'<a class="anchor" href="#{escape(anchor)}" aria-label="Link to this part">#</a>'


def _title(tag: str) -> str:
    return _TITLES.get(tag, tag.capitalize())


def _words(operation_id: str) -> str:
    return operation_id.replace("_", " ").capitalize()


def _scope(spec: dict[str, Any]) -> str:
    if "x-scope" not in spec:
        return '<span class="scope">no key needed</span>'
    return f'<span class="scope">{escape(spec["x-scope"])}</span>'
