"""The console's files: each is served under a policy that lets nothing in, and calls only what the contract has."""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest
from fastapi import FastAPI

from api import openapi
from api.console import routes

STATIC = Path(routes.__file__).parent / "static"
SCRIPTS = sorted(STATIC.glob("*.js"))
FILES = sorted(STATIC.iterdir())
_OPERATION = re.compile(r'^  (\w+): \["([A-Z]+)", "([^"]+)"\],$', re.MULTILINE)
_IMPORT = re.compile(r'^import [^;]*? from "([^"]+)";$', re.MULTILINE | re.DOTALL)
# Ways to make markup or code of a string, and to leave a key where others find it.
FORBIDDEN = (
    "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "createContextualFragment", "DOMParser",
    "setHTML", "srcdoc", "eval(", "new Function", "javascript:", "localStorage", "document.cookie", "indexedDB",
    "window.open", "postMessage", "XMLHttpRequest", "EventSource", "sendBeacon", "WebSocket",
)  # fmt: skip


@dataclass(frozen=True)
class Served:
    """Everything that the page loads, fetched as a browser would: from the page on, import by import."""

    page: httpx.Response
    files: dict[str, httpx.Response]


@pytest.fixture(scope="session")
async def served(caller: httpx.AsyncClient) -> Served:
    page = await caller.get("/console/")
    waiting = re.findall(r'<(?:script|link|img)[^>]* (?:src|href)="([^"]+)"', page.text)
    files: dict[str, httpx.Response] = {}
    while waiting:
        address = waiting.pop()
        if address not in files:
            files[address] = await caller.get(address)
            if address.endswith(".js"):
                waiting += [urljoin(address, name) for name in _IMPORT.findall(files[address].text)]
    return Served(page, files)


async def test_the_page_opens_and_everything_that_it_loads_is_there(served: Served) -> None:
    assert served.page.headers["content-type"] == "text/html; charset=utf-8"
    assert {address: answer.status_code for address, answer in served.files.items() if not answer.is_success} == {}
    kinds = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
    for address, answer in served.files.items():
        assert answer.headers["content-type"].split(";")[0] == kinds[Path(address).suffix], address


async def test_every_file_of_the_folder_is_loaded_by_the_page(served: Served) -> None:
    loaded = {address.rpartition("/")[2] for address in served.files if address.startswith("/console/")}

    assert loaded == {path.name for path in FILES} - {"index.html"}
    for path in FILES:
        if path.name != "index.html":
            address = next(one for one in served.files if one.endswith(f"/{path.name}"))
            assert served.files[address].content == path.read_bytes()


async def test_the_address_without_a_slash_leads_to_the_page(caller: httpx.AsyncClient) -> None:
    answer = await caller.get("/console?key=rb_live_secret")

    # What was in the query is dropped: a key that somebody put there should not be passed on.
    assert (answer.status_code, answer.headers["location"]) == (308, "/console/")


async def test_the_policy_lets_the_page_call_this_service_and_nothing_else(served: Served) -> None:
    for answer in (served.page, *served.files.values()):
        policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert {policy[name] for name in ("script-src", "style-src", "img-src")} == {"'self'"}
        assert {policy[name] for name in ("base-uri", "form-action", "frame-ancestors")} == {"'none'"}
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
    policy = served.page.headers["content-security-policy"]
    assert "connect-src 'self';" in policy
    # A browser that knows trusted types makes no markup of any string here.
    assert "require-trusted-types-for 'script'; trusted-types 'none'" in policy
    assert served.page.headers["cross-origin-opener-policy"] == "same-origin"


async def test_the_documentation_may_still_call_nothing(caller: httpx.AsyncClient) -> None:
    assert "connect-src" not in (await caller.get("/docs")).headers["content-security-policy"]


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
async def test_what_has_not_changed_is_not_sent_again(caller: httpx.AsyncClient, served: Served, encoding: str) -> None:
    for address in ["/console/", *served.files]:
        first = await caller.get(address, headers={"Accept-Encoding": encoding})
        told = {"Accept-Encoding": encoding, "If-None-Match": f'"other", {first.headers["etag"]}'}
        second = await caller.get(address, headers=told)
        assert (second.status_code, second.content) == (304, b""), address
        assert second.headers["etag"] == first.headers["etag"]
        assert second.headers["content-security-policy"] == first.headers["content-security-policy"]


async def test_compressed_and_plain_are_the_same_file(caller: httpx.AsyncClient, served: Served) -> None:
    for address in ["/console/", *served.files]:
        small = await caller.get(address, headers={"Accept-Encoding": "gzip"})
        plain = await caller.get(address, headers={"Accept-Encoding": "identity"})
        assert (small.headers["content-encoding"], plain.headers.get("content-encoding")) == ("gzip", None)
        assert small.content == plain.content
        assert small.headers["etag"] != plain.headers["etag"]
        assert small.headers["vary"] == "Accept-Encoding"


async def test_files_are_kept_for_ever_and_the_page_is_asked_for_again(served: Served) -> None:
    assert served.page.headers["cache-control"] == "no-cache"
    assert {answer.headers["cache-control"] for answer in served.files.values()} == {
        "public, max-age=31536000, immutable"
    }


async def test_all_of_it_is_small(caller: httpx.AsyncClient, served: Served) -> None:
    sizes = [len(document.compressed) for document in routes.documents().values()]

    assert sum(sizes) < 60_000


@pytest.mark.parametrize(
    "path", ["/console/nothing", "/console/app.js", "/console/../pyproject.toml", "/console/index.html"]
)
async def test_what_is_no_file_is_a_problem(caller: httpx.AsyncClient, path: str) -> None:
    answer = await caller.get(path)

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_file_names_another_host(path: Path) -> None:
    text = path.read_text().replace("http://www.w3.org/2000/svg", "")  # a name, and no address

    assert re.findall(r"\b(?:https?|wss?):|[\"'(]//", text) == []
    assert "@import" not in text
    assert re.findall(r"\burl\(", text) == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_file_makes_markup_of_text_or_leaves_a_key_behind(path: Path) -> None:
    assert [name for name in FORBIDDEN if name in path.read_text()] == []


def test_nothing_in_the_page_is_inline() -> None:
    page = (STATIC / "index.html").read_text()

    assert re.findall(r"<style|\sstyle=|\son\w+=|<script(?![^>]* src=)", page) == []


def test_one_place_alone_calls_the_api_and_only_under_v1() -> None:
    fetching = [path.name for path in SCRIPTS if "fetch(" in path.read_text()]

    assert fetching == ["api.js"]
    text = (STATIC / "api.js").read_text()
    assert text.count("fetch(") == 1
    assert "fetch(entry.path," in text
    assert "path: `/v1${" in text


def test_every_operation_of_the_console_is_in_the_contract(application: FastAPI) -> None:
    paths = openapi.document_of(application)["paths"]

    operations = _operations()
    assert len(operations) > 20
    for name, (method, path) in operations.items():
        assert paths[path][method.lower()]["operationId"] == name


def test_every_call_names_an_operation_and_every_operation_is_called() -> None:
    called: set[str] = set()
    for path in SCRIPTS:
        called |= _called(path.read_text())

    assert called == set(_operations())


def test_every_parameter_of_a_query_is_one_that_the_operation_takes(application: FastAPI) -> None:
    document = openapi.document_of(application)
    operations = _operations()

    found = 0
    for path in SCRIPTS:
        for name, query in re.findall(r'call\("(\w+)", \{\s*query: \{([^}]*)\}', path.read_text()):
            method, template = operations[name]
            asked = set(re.findall(r"(?:^|,)\s*(\w+)(?=:|,|\s*$)", query))
            parameters = document["paths"][template][method.lower()]["parameters"]
            taken = {_resolved(document, one)["name"] for one in parameters}
            assert asked <= taken, (name, asked - taken)
            found += len(asked)
    assert found > 20


def test_every_view_that_is_linked_has_a_route() -> None:
    routes_told = re.findall(r"\[/\^(#.*?)\$/, \w+\]", (STATIC / "app.js").read_text())
    patterns = [re.compile(one.replace("\\/", "/") + "$") for one in routes_told]

    linked = {link for path in SCRIPTS for link in re.findall(r'"(#/[\w/]*)"', path.read_text())}
    assert {"#/roadmap", "#/webhooks/live"} <= linked
    assert [link for link in linked if not any(one.match(link) for one in patterns)] == []


async def test_every_page_of_the_documentation_that_it_links_is_there(caller: httpx.AsyncClient) -> None:
    linked = {link for path in FILES for link in re.findall(r'"(/(?:docs|openapi)[\w/.#-]*)"', path.read_text())}

    assert "/docs/sandbox" in linked
    for link in linked:
        address, _, anchor = link.partition("#")
        answer = await caller.get(address)
        assert answer.status_code == 200, link
        assert not anchor or f'id="{anchor}"' in answer.text, link


def _operations() -> dict[str, tuple[str, str]]:
    found = _OPERATION.findall((STATIC / "operations.js").read_text())
    return {name: (method, path) for name, method, path in found}


def _called(text: str) -> set[str]:
    direct = re.findall(r'\b(?:call|open)\("(\w+)"', text)
    by_forms = re.findall(r'\bform\((?:[^,;]|"[^"]*")+?,\s*"(\w+)",', text)
    return {*direct, *by_forms}


def _resolved(document: dict[str, dict[str, dict[str, dict[str, str]]]], parameter: dict[str, str]) -> dict[str, str]:
    if "$ref" not in parameter:
        return parameter
    return document["components"]["parameters"][parameter["$ref"].rpartition("/")[2]]
