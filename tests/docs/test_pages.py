"""The pages that the service serves: each opens, leads nowhere wrong, and fetches nothing from outside."""

import json
import re
import tomllib
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urldefrag, urljoin

import httpx
import jsonschema
import pytest
from fastapi import FastAPI

from api import openapi
from api.docs.pages import FOLDER, page, path_of
from api.docs.reference import Reference
from api.docs.tables import refreshed
from api.problems import Problem, every_problem

CODES = [problem.code for problem in every_problem()]
NAMES = sorted(path.relative_to(FOLDER).with_suffix("").as_posix() for path in FOLDER.rglob("*.md"))
ADDRESSES = ["/docs/api", *(path_of(name) for name in NAMES)]


class Links(HTMLParser):
    """What a page loads, what it links to, its anchors, and everything inline that the policy would block."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.inline: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if tag == "a":
            self.links.append(told.get("href") or "")
        elif tag in ("link", "script", "img", "iframe"):
            self.loads.append(told.get("href") or told.get("src") or "")
        if anchor := told.get("id"):
            assert anchor not in self.anchors, f"{anchor} is there twice"
            self.anchors.add(anchor)
        if tag == "style" or (tag == "script" and not told.get("src")):
            self.inline.append(tag)
        self.inline += [name for name in told if name == "style" or name.startswith("on")]


@dataclass(frozen=True)
class Site:
    """Everything that is served, fetched once."""

    answers: dict[str, httpx.Response]
    links: dict[str, Links]


@pytest.fixture(scope="session")
async def site(caller: httpx.AsyncClient) -> Site:
    answers = {
        address: await caller.get(address) for address in [*ADDRESSES, "/openapi.json", "/llms.txt", "/console/"]
    }
    links = {address: Links(answers[address].text) for address in ADDRESSES}
    for load in sorted({load for found in links.values() for load in found.loads}):
        answers[load] = await caller.get(load)
    for name in NAMES:
        answers[f"/docs/{name}.md"] = await caller.get(f"/docs/{name}.md")
    return Site(answers, links)


@pytest.mark.parametrize("problem", every_problem(), ids=CODES)
async def test_every_error_code_has_a_page_at_its_type(caller: httpx.AsyncClient, problem: type[Problem]) -> None:
    answer = await caller.get(f"/docs/errors/{problem.code}")

    assert answer.status_code == 200, f"write docs/errors/{problem.code}.md"
    for part in ("when-it-happens", "what-to-do", "example"):
        assert f'id="{part}"' in answer.text
    example = json.loads(re.findall(r"```json\n(.*?)```", _source(f"errors/{problem.code}"), re.DOTALL)[0])
    assert (example["code"], example["status"], example["title"]) == (problem.code, problem.status, problem.title)
    assert example["type"].endswith(f"/docs/errors/{problem.code}")


def test_every_error_page_has_a_code() -> None:
    pages = {path.stem for path in (FOLDER / "errors").glob("*.md")}

    assert pages - set(CODES) == set()


async def test_the_type_of_a_real_problem_opens(caller: httpx.AsyncClient) -> None:
    problem = (await caller.get("/v1/features")).json()

    answer = await caller.get(problem["type"])

    assert answer.status_code == 200
    assert problem["code"] in answer.text


@pytest.mark.parametrize("name", NAMES)
def test_tables_from_the_code_are_up_to_date(name: str) -> None:
    assert refreshed(_source(name)) == _source(name), "run `roadbed docs`"


@pytest.mark.parametrize("address", ADDRESSES)
async def test_a_page_leads_nowhere_wrong_and_loads_nothing_from_outside(site: Site, address: str) -> None:
    answer, found = site.answers[address], site.links[address]

    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert found.inline == []
    assert len(found.loads) == 4
    for load in found.loads:
        assert load.startswith("/docs/static/"), load
        assert site.answers[load].status_code == 200
    for link in found.links:
        target, anchor = urldefrag(urljoin(address, link))
        if target.startswith("https://"):
            continue
        assert target in site.answers, f"{link} leads nowhere"
        assert not anchor or anchor in site.links[target].anchors, link


@pytest.mark.parametrize("name", NAMES)
async def test_a_page_is_there_as_markdown_too(site: Site, name: str) -> None:
    answer = site.answers[f"/docs/{name}.md"]

    assert answer.headers["content-type"] == "text/markdown; charset=utf-8"
    assert answer.text == _source(name)


async def test_the_address_of_every_page_with_md_is_its_markdown(caller: httpx.AsyncClient) -> None:
    index = await caller.get("/docs.md")
    reference = await caller.get("/docs/api.md")
    document = (await caller.get("/openapi.json")).json()

    assert index.text == _source("index")
    assert reference.headers["content-type"] == "text/markdown; charset=utf-8"
    for path, item in document["paths"].items():
        for method in item.keys() & {"get", "post", "put", "patch", "delete"}:
            assert f"### {method.upper()} /v1{path}\n" in reference.text
    assert "`create_feature`, scope `features:write`" in reference.text
    assert "/docs/api.md" in (await caller.get("/llms.txt")).text


async def test_pages_are_under_a_policy_that_lets_nothing_in(caller: httpx.AsyncClient) -> None:
    headers = (await caller.get("/docs")).headers

    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "img-src")} == {"'self'"}
    assert policy["frame-ancestors"] == "'none'"
    assert headers["x-content-type-options"] == "nosniff"


async def test_a_page_that_has_not_changed_is_not_sent_again(caller: httpx.AsyncClient) -> None:
    for encoding in ("gzip", "identity"):
        first = await caller.get("/docs/api", headers={"Accept-Encoding": encoding})
        second = await caller.get(
            "/docs/api", headers={"Accept-Encoding": encoding, "If-None-Match": first.headers["etag"]}
        )
        assert (second.status_code, second.content) == (304, b"")
        assert second.headers["etag"] == first.headers["etag"]
    assert "max-age" in first.headers["cache-control"]


async def test_compressed_and_plain_are_the_same_page(caller: httpx.AsyncClient) -> None:
    small = await caller.get("/docs/api", headers={"Accept-Encoding": "gzip"})
    plain = await caller.get("/docs/api", headers={"Accept-Encoding": "identity"})

    assert small.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert small.text == plain.text
    assert small.headers["etag"] != plain.headers["etag"]


@pytest.mark.parametrize("path", ["/docs/nothing", "/docs/errors/nothing", "/docs/../pyproject.toml", "/docs/.md"])
async def test_what_is_no_page_is_a_problem(caller: httpx.AsyncClient, path: str) -> None:
    answer = await caller.get(path)

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_llms_txt_lists_every_guide_and_error(caller: httpx.AsyncClient) -> None:
    answer = await caller.get("/llms.txt")

    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    listed = re.findall(r"\]\(http://roadbed\.test(/docs/[^)]+)\)", answer.text)
    assert set(listed) == {f"/docs/{name}.md" for name in NAMES if name != "index"} | {"/docs/api.md"}


async def test_the_reference_has_every_operation_and_webhook(caller: httpx.AsyncClient) -> None:
    document = (await caller.get("/openapi.json")).json()
    text = (await caller.get("/docs/api")).text

    anchors = Links(text).anchors
    operations = [item[method] for item in document["paths"].values() for method in item if method in METHODS]
    assert {operation["operationId"] for operation in operations} <= anchors
    assert {f"on-{name}" for name in document["webhooks"]} <= anchors
    told = {name for name, one in document["components"]["schemas"].items() if one["type"] != EVERY_TYPE}
    assert {f"schema-{name}" for name in told} <= anchors
    for operation in operations:
        if "x-scope" in operation:
            assert f'<span class="scope">{operation["x-scope"]}</span>' in text


def test_the_body_of_every_example_is_one_that_the_operation_takes(application: FastAPI) -> None:
    document = openapi.build(application)
    reference = Reference(document, "http://roadbed.test")

    for operation in reference.operations():
        body = operation.spec.get("requestBody")
        for media_type in (body or {}).get("content", {}).values():
            example = json.loads(json.dumps(reference.example_body(operation), default=float))
            schema = media_type["schema"] | {"components": document["components"]}
            errors = [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(example)]
            assert errors == [], operation.anchor


def test_the_reference_says_what_may_be_null_and_what_takes_any_json(application: FastAPI) -> None:
    html = Reference(openapi.document_of(application), "http://roadbed.test").html()
    assert '<a href="#schema-Chained">Chained</a> or null' in html
    assert "map of any JSON value" in html
    assert "EventValue" not in html  # named in the contract, and nothing to tell of it


def test_a_page_knows_its_title_summary_and_parts() -> None:
    shown = page("a/b", "# One\n\nTwo *three*\nfour.\n\n## Five `six`\n\n[seven](../c.md#d)\n\n## Five `six`\n")

    assert (shown.title, shown.summary) == ("One", "Two three four.")
    assert [(part.level, part.text, part.anchor) for part in shown.headings] == [
        (1, "One", "one"),
        (2, "Five six", "five-six"),
        (2, "Five six", "five-six-2"),
    ]
    assert '<a href="/docs/c#d">seven</a>' in shown.html


def test_markup_in_a_page_is_shown_and_not_run() -> None:
    assert "<script>" not in page("a", "# A\n\n<script>alert(1)</script>\n").html


METHODS = ("get", "put", "post", "patch", "delete")
EVERY_TYPE = ["string", "number", "boolean", "object", "array", "null"]


def _source(name: str) -> str:
    return Path(FOLDER / f"{name}.md").read_text()


def test_the_architecture_page_has_the_layers_of_the_contract() -> None:
    contract = tomllib.loads((FOLDER.parent / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    layers = [line.replace("api.", "").replace(" | ", " · ") for line in contract["layers"]]

    assert "\n".join(layers) in _source("architecture"), "the layers in docs/architecture.md are not those of pyproject"
