"""The Markdown of docs/ as pages: titles, anchors, links that work both in a checkout and when served."""

import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

FOLDER = Path(__file__).resolve().parent.parent.parent / "docs"
_MARKER = re.compile(r"^<!--.*?-->\n?", re.MULTILINE)
_markdown = MarkdownIt("commonmark", {"html": False}).enable("table")


@dataclass(frozen=True)
class Heading:
    """A part of a page that can be pointed at: `#anchor`."""

    level: int
    text: str
    anchor: str


@dataclass(frozen=True)
class Page:
    """One Markdown file. `name` is its path without `.md`, and what follows `/docs/` in its address."""

    name: str
    title: str
    summary: str
    source: str
    html: str
    headings: tuple[Heading, ...]

    @property
    def path(self) -> str:
        return path_of(self.name)


def path_of(name: str) -> str:
    return "/docs" if name == "index" else f"/docs/{name}"


def read_pages(folder: Path = FOLDER) -> dict[str, Page]:
    """Every page of the folder by name."""
    names = sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.md"))
    return {name: page(name, (folder / f"{name}.md").read_text()) for name in names}


def page(name: str, source: str) -> Page:
    """Render one file. Its first heading is its title, and the paragraph after that its summary."""
    tokens = _markdown.parse(_MARKER.sub("", source))
    headings = _name_headings(tokens)
    _point_links(tokens, lambda href: served_link(name, href))
    return Page(
        name=name,
        title=headings[0].text if headings else name,
        summary=_summary(tokens),
        source=source,
        html=_markdown.renderer.render(tokens, _markdown.options, {}),
        headings=headings,
    )


def inline(text: str) -> str:
    """A sentence or two of Markdown as HTML, without a paragraph around it."""
    return str(_markdown.renderInline(text))


def block(text: str) -> str:
    """Paragraphs of Markdown as HTML."""
    return str(_markdown.render(text))


def served_link(name: str, href: str) -> str:
    """Where a link of a page leads once served: `webhooks.md#verify` of `quickstart` to `/docs/webhooks#verify`.

    >>> served_link("errors/not_found", "../webhooks.md#verify")
    '/docs/webhooks#verify'
    >>> served_link("quickstart", "https://www.rfc-editor.org/rfc/rfc9457")
    'https://www.rfc-editor.org/rfc/rfc9457'
    """
    target, hash_, fragment = href.partition("#")
    if not target.endswith(".md") or "://" in target:
        return href
    joined = posixpath.normpath(posixpath.join(posixpath.dirname(name), target.removesuffix(".md")))
    return path_of(joined) + hash_ + fragment


def _name_headings(tokens: list[Token]) -> tuple[Heading, ...]:
    found: list[Heading] = []
    for opening, content in pairwise(tokens):
        if opening.type == "heading_open":
            text = _plain(content)
            anchor = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
            taken = sum(heading.anchor.startswith(anchor) for heading in found if heading.text == text)
            anchor = f"{anchor}-{taken + 1}" if taken else anchor
            opening.attrSet("id", anchor)
            found.append(Heading(int(opening.tag[1]), text, anchor))
    return tuple(found)


def _point_links(tokens: list[Token], lead: Callable[[str], str]) -> None:
    for token in tokens:
        for child in token.children or []:
            if child.type == "link_open":
                child.attrSet("href", lead(str(child.attrGet("href"))))


def _summary(tokens: list[Token]) -> str:
    paragraphs = (content for opening, content in pairwise(tokens) if opening.type == "paragraph_open")
    first = next(paragraphs, None)
    return _plain(first) if first is not None else ""


def _plain(token: Token) -> str:
    return "".join(
        " " if child.type == "softbreak" else child.content
        for child in token.children or []
        if child.type in ("text", "code_inline", "softbreak")
    )
