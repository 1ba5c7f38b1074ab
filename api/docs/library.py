"""Everything that is served under /docs, rendered once."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from api.docs.frame import framed, framed_reference, guides, within
from api.docs.pages import Page, read_pages
from api.docs.reference import Reference
from api.http.documents import Document, static_files

_STATIC = Path(__file__).resolve().parent / "static"


class Library:
    """The documents by path. They are rendered at the first look, once: a process that serves no page does no work."""

    def __init__(self, contract: Callable[[], dict[str, Any]], base_url: str) -> None:
        self._contract = contract
        self._base_url = base_url
        self._lock = threading.Lock()
        self._documents: dict[str, Document] | None = None

    @property
    def ready(self) -> bool:
        return self._documents is not None

    def documents(self) -> dict[str, Document]:
        """All of them. The first call takes some tenths of a second."""
        with self._lock:
            if self._documents is None:
                self._documents = render(self._contract(), self._base_url)
            return self._documents


def render(contract: dict[str, Any], base_url: str) -> dict[str, Document]:
    """Every page, its Markdown, the reference, the style and script, and /llms.txt, by path."""
    pages = read_pages()
    addresses, documents = assets()
    for page in pages.values():
        documents[page.path] = Document.of(framed(page, pages, addresses), "text/html")
        documents[f"/docs/{page.name}.md"] = Document.of(page.source, "text/markdown")
    documents["/docs.md"] = documents["/docs/index.md"]  # as every page is: its address and .md
    reference = Reference(contract, base_url)
    whole = framed_reference(reference.html(), reference.entries(), addresses)
    documents["/docs/api"] = Document.of(whole, "text/html")
    documents["/docs/api.md"] = Document.of(reference.markdown(), "text/markdown")
    documents["/llms.txt"] = Document.of(_llms(pages, base_url), "text/plain")
    return documents


def assets() -> tuple[dict[str, str], dict[str, Document]]:
    """The addresses of what pages load, by file name, and the files themselves. The console loads them, too."""
    addresses: dict[str, str] = {}
    documents: dict[str, Document] = {}
    for name, document in static_files(_STATIC).items():
        stem, _, suffix = name.rpartition(".")
        addresses[name] = f"/docs/static/{stem}.{document.etag[:8]}.{suffix}"
        documents[addresses[name]] = document
    return addresses, documents


def _llms(pages: dict[str, Page], base_url: str) -> str:
    """The index for language models (llmstxt.org): what there is, one line each, as Markdown."""
    index = pages["index"]
    sections = {"Guides": guides(pages), "Errors": within(pages, "errors"), "Decisions": within(pages, "decisions")}
    lines = [f"# {index.title}", "", f"> {index.summary}", ""]
    lines += ["## API", "", f"- [OpenAPI document]({base_url}/openapi.json): every operation and webhook"]
    lines += [f"- [API reference]({base_url}/docs/api.md): every operation in a line or two, with its scope", ""]
    for title, members in sections.items():
        lines += [f"## {title}", ""]
        lines += [f"- [{page.title}]({base_url}/docs/{page.name}.md): {page.summary}" for page in members]
        lines += [""]
    return "\n".join(lines)
