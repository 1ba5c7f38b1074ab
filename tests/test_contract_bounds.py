"""The contract as a whole: it is what the routes are, and every value in it has its bounds, words and examples."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jsonschema
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from api.http.route import Route
from openapi import score
from tests.support.document import METHODS, document, operations


def schemas(node: Any, place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema of the document with its place, examples left out."""
    if isinstance(node, dict):
        if isinstance(node.get("type"), str | list):
            yield place, node
        for key, child in node.items():
            if key not in ("example", "examples", "default", "enum"):
                yield from schemas(child, f"{place}/{key}")
    elif isinstance(node, list):
        for number, child in enumerate(node):
            yield from schemas(child, f"{place}/{number}")


def types(schema: dict[str, Any]) -> list[str]:
    return [schema["type"]] if isinstance(schema["type"], str) else schema["type"]


EVERY = list(schemas({"paths": document()["paths"], "components": document()["components"]}))


def test_the_routes_are_the_operations_of_the_document_both_ways(application: FastAPI) -> None:
    routes = {
        (method.lower(), context.path_format.removeprefix("/v1"))
        for context in iter_route_contexts(application.router.routes)
        if isinstance(context.original_route, Route)
        and context.path_format
        and context.original_route.include_in_schema
        for method in context.methods or ()
    }
    told = {(method, path) for path, item in document()["paths"].items() for method in METHODS if method in item}
    assert routes == told


def test_every_text_has_a_longest_and_a_form() -> None:
    loose = [
        place
        for place, schema in EVERY
        if "string" in types(schema)
        and "enum" not in schema
        and not ("maxLength" in schema and ("pattern" in schema or "format" in schema))
    ]
    assert loose == []


def test_every_list_has_a_most() -> None:
    assert [place for place, schema in EVERY if "array" in types(schema) and "maxItems" not in schema] == []


def test_every_integer_has_a_format_and_both_bounds() -> None:
    bounds = {"minimum", "maximum", "format"}
    assert [place for place, schema in EVERY if "integer" in types(schema) and not bounds <= schema.keys()] == []


def test_every_field_says_what_it_is() -> None:
    silent = [
        f"{place}/{name}"
        for place, schema in EVERY
        for name, one in schema.get("properties", {}).items()
        if "$ref" not in one and not one.get("description")
    ]
    assert silent == []


def test_a_name_that_means_several_things_is_told_for_each() -> None:
    def told(schema: str, field: str) -> str:
        words: str = document()["components"]["schemas"][schema]["properties"][field]["description"]
        return words

    assert told("Moved", "from") == "The rank before; null when it was not ranked."
    assert told("RoadmapDiff", "from") == "The revision that is compared from."
    assert told("Reservation", "from") == "The first day."


@pytest.mark.parametrize("operation", operations(), ids=str)
def test_the_examples_of_an_operation_are_valid(operation: Any) -> None:
    bodies = [operation.spec.get("requestBody", {})]
    bodies += [answer for status, answer in operation.spec["responses"].items() if status[0] == "2"]
    for body in bodies:
        for media_type, content in body.get("content", {}).items():
            if "json" in media_type:
                schema = {**content["schema"], "components": document()["components"]}
                jsonschema.Draft202012Validator(schema).validate(content["example"])


def test_the_linters_find_nothing(tmp_path: Any) -> None:
    """spectral:oas, OWASP, Redocly strict, and how ready Redocly says it is; IBM's is slow, and in ./run score."""
    from api.openapi import contract

    path = tmp_path / "v1.json"
    path.write_text(contract())
    score.install()
    with ThreadPoolExecutor(score.AT_ONCE) as pool:
        rated = pool.submit(score.ready, path)
        assert {name: rules for name, rules in score.lint(path, pool).items() if rules} == {}
    assert rated.result()["agentReadiness"] >= score.BARS["redocly_readiness"][1]
