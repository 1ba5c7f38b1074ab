"""Operations as FastAPI gives them, with their problems, headers, parameters and examples."""

from collections.abc import Iterator
from typing import Any

from api.openapi.glossary import describe
from api.openapi.protocol import RESPONSES, headers_of, not_found_here
from api.openapi.schemas import NULL

METHODS = ("get", "put", "post", "patch", "delete")
# These name a thing outside their path.
_MAY_MISS = {"redeliver_many", "verify_webhook"}
# Sent while it is read, so that nothing is known of it before.
_STREAMED = {"export_features", "stream_events"}
_PLAIN = {
    "200": "It is done.",
    "201": "It was created.",
    "202": "It was accepted.",
    "204": "It is done; there is no body.",
}

# What stands in an answer that no schema of ours describes.
_FORMS = {
    "text/csv": "The same as a table, its first line the names of the columns.",
    "text/event-stream": "Server-sent events, each with its id, type and data.",
    "text/markdown": "The same as a page of Markdown.",
    "application/sarif+json": "The findings as a SARIF 2.1.0 log.",
}


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(path, method, operation)"""
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield path, method, item[method]


def tidy(document: dict[str, Any]) -> None:
    """Every operation in its final form."""
    schemas = document["components"]["schemas"]
    for path, method, operation in operations(document):
        _parameters(operation)
        _etags(method, operation, schemas)
        _responses(path, method, operation)
        _scope(operation)
        if method == "patch" and "requestBody" in operation:
            content = operation["requestBody"]["content"]
            content["application/merge-patch+json"] = dict(content["application/json"])
        summary = operation["operationId"].replace("_", " ")
        operation["summary"] = summary[0].upper() + summary[1:]
    for item in document["paths"].values():
        _share_path_parameters(item)


def _parameters(operation: dict[str, Any]) -> None:
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "header":
            parameter["name"] = "-".join(word.capitalize() for word in parameter["name"].split("-"))
        schema = parameter["schema"]
        # Nobody can send null in a URL or a header: it is left out instead.
        options = [one for one in schema.get("anyOf", []) if one != NULL]
        if {one.get("type") for one in options} == {"number", "string"}:
            # A number in a URL is text, and is read as a number.
            options = [one for one in options if one["type"] == "number"]
        if len(options) == 1:
            del schema["anyOf"]
            schema.update({**options[0], **schema})
        if schema.get("type") == "array" and "maxLength" in schema:
            schema["maxItems"] = schema.pop("maxLength")
        schema.pop("title", None)
        text = schema.pop("description", None)
        parameter.setdefault("description", text or describe(parameter["name"]))
    operation.get("parameters", []).sort(key=lambda one: not one["required"])


def _etags(method: str, operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    """What has a version answers with it as its ETag, and so does every GET but of a page and of a stream."""
    pages = any(parameter["name"] == "cursor" for parameter in operation.get("parameters", []))
    if method == "get" and not pages and operation["operationId"] not in _STREAMED:
        operation["responses"]["200"].setdefault("headers", {})["ETag"] = {"$ref": "#/components/headers/ETag"}
    for status, response in operation["responses"].items():
        shown = response.get("content", {}).get("application/json", {}).get("schema", {}).get("$ref", "")
        version = schemas.get(shown.rpartition("/")[2], {}).get("properties", {}).get("version", {})
        if status[0] == "2" and "ETag" in version.get("description", ""):
            response.setdefault("headers", {})["ETag"] = {"$ref": "#/components/headers/ETag"}


def _responses(path: str, method: str, operation: dict[str, Any]) -> None:
    """Shared problems and headers instead of FastAPI's 422, and the idempotency key of every POST."""
    responses = operation["responses"]
    responses.pop("422", None)
    for status, response in responses.items():
        if response.get("description") == "Successful Response":
            response["description"] = _PLAIN.get(status, "It is done.")
        response["headers"] = headers_of(status) | response.get("headers", {})
        for media_type in response.get("content", {}).keys() & _FORMS.keys():
            response["content"][media_type]["schema"].setdefault("description", _FORMS[media_type])
        if operation.get("deprecated"):
            response["headers"] |= {
                name: {"$ref": f"#/components/headers/{name}"} for name in ("Deprecation", "Sunset", "Link")
            }
    names = {parameter["name"] for parameter in operation.get("parameters", [])}
    statuses = {"400", "401", "429", "500", "503"}
    if needed(operation) is not None:
        statuses.add("403")
    if "{" in path or _names_things(operation):
        statuses.add("404")
    if method != "get":
        statuses |= {"408", "409", "413", "415"}
    if "If-Match" in names:
        statuses |= {"409", "412"}
    if method == "get" and "ETag" in responses.get("200", {}).get("headers", {}):
        responses["304"] = {
            "description": "The caller has this version already.",
            "headers": headers_of("304") | {"ETag": {"$ref": "#/components/headers/ETag"}},
        }
    if method == "post":
        statuses |= {"409", "422"}
        operation.setdefault("parameters", []).append({"$ref": "#/components/parameters/IdempotencyKey"})
    if "404" in statuses and all("content" not in response for response in responses.values()):
        responses["404"] = not_found_here()  # what it says when it refuses is all that it ever says
    for status in statuses:
        responses.setdefault(status, {"$ref": f"#/components/responses/{RESPONSES[status][0]}"})
    operation["responses"] = dict(sorted(responses.items()))


def _names_things(operation: dict[str, Any]) -> bool:
    """Whether the body or a parameter holds the id of something that may not be there."""
    return operation["operationId"] in _MAY_MISS


def needed(operation: dict[str, Any]) -> str | None:
    """The scope that a key must have. None where anyone may call."""
    security = operation.get("security") or []
    return str(security[0]["key"][0]) if security and security[0].get("key") else operation.get("x-scope")


def _scope(operation: dict[str, Any]) -> None:
    """A bearer scheme names no scopes in OpenAPI, so the scope stands beside it."""
    scope = needed(operation)
    if scope is None:
        # Anyone may call; a key that is sent all the same has to be right.
        operation["security"] = [{"key": []}, {}]
        return
    operation["security"] = [{"key": []}]
    operation["x-scope"] = scope
    text = operation.get("description", "").rstrip()
    operation["description"] = f"{text}\n\nNeeds the scope `{scope}`.".strip()


def _share_path_parameters(item: dict[str, Any]) -> None:
    """A path's own parameters, once for all its methods."""
    shared: dict[str, Any] = {}
    for method in METHODS:
        operation = item.get(method)
        if operation is None:
            continue
        kept = []
        for parameter in operation.get("parameters", []):
            if parameter.get("in") == "path":
                shared.setdefault(parameter["name"], parameter)
            else:
                kept.append(parameter)
        if kept:
            operation["parameters"] = kept
        else:
            operation.pop("parameters", None)
    if shared:
        methods = dict(item)
        item.clear()
        item["parameters"] = list(shared.values())
        item.update(methods)
