"""What stands around every page: the head, the side navigation with its filter, and the way to the raw Markdown."""

from collections.abc import Iterable
from html import escape
from itertools import groupby

from api.docs.pages import Page
from api.docs.reference import Entry

# The order of the guides in the navigation; what is not named here comes after, by name.
GUIDES = (
    "quickstart",
    "concepts",
    "console",
    "webhooks",
    "errors",
    "idempotency-and-concurrency",
    "pagination",
    "sdks",
    "keys-and-tenants",
    "self-hosting",
    "guide-arithmetic",
    "guide-coverage",
    "versioning",
    "changelog",
    "architecture",
)


def guides(pages: dict[str, Page]) -> list[Page]:
    """The pages of the top folder, in reading order."""
    rank = {name: number for number, name in enumerate(GUIDES)}
    top = [page for page in pages.values() if "/" not in page.name and page.name != "index"]
    return sorted(top, key=lambda page: (rank.get(page.name, len(rank)), page.name))


def within(pages: dict[str, Page], folder: str) -> list[Page]:
    return [page for name, page in sorted(pages.items()) if name.startswith(folder + "/")]


def framed(page: Page, pages: dict[str, Page], assets: dict[str, str]) -> str:
    """A guide, an error or a decision."""
    raw = f'<p class="raw"><a href="/docs/{escape(page.name)}.md">This page as Markdown</a></p>'
    return _document(
        page.title, page.summary, f'<article class="prose">{page.html}{raw}</article>', _menu(page, pages), assets
    )


def framed_reference(body: str, entries: list[Entry], assets: dict[str, str]) -> str:
    """The API reference, which brings its own navigation."""
    items = "".join(
        f"<li class='group'>{escape(group)}</li>" + "".join(map(_entry, members))
        for group, members in groupby(entries, key=lambda entry: entry.group)
    )
    back = '<li><a href="/docs">← Guides</a></li>'
    summary = "Every operation of the Roadbed API, with its scope, parameters, schemas and an example."
    return _document("API reference", summary, f'<article class="reference">{body}</article>', back + items, assets)


def _entry(entry: Entry) -> str:
    method = f'<b class="method {entry.method}">{entry.method}</b>' if entry.method else ""
    words = escape(f"{entry.method} {entry.label} {entry.anchor.replace('_', ' ')}".lower())
    link = f'<a href="#{escape(entry.anchor)}">{method}<span>{escape(entry.label)}</span></a>'
    return f'<li data-words="{words}">{link}</li>'


def _menu(page: Page, pages: dict[str, Page]) -> str:
    parts = [
        _group("Guides", guides(pages), page),
        '<li data-words="api reference operations"><a href="/docs/api">API reference</a></li>',
        _group("Errors", within(pages, "errors"), page),
        _group("Decisions", within(pages, "decisions"), page),
    ]
    return "".join(parts)


def _group(title: str, members: Iterable[Page], here: Page) -> str:
    items = "".join(_item(member, here) for member in members)
    return f"<li class='group'>{escape(title)}</li>{items}"


def _item(page: Page, here: Page) -> str:
    label = page.name.removeprefix("errors/") if page.name.startswith("errors/") else page.title
    current = ' aria-current="page"' if page.name == here.name else ""
    words = escape(f"{label} {page.title} {page.name}".lower())
    item = f'<li data-words="{words}"><a href="{page.path}"{current}>{escape(label)}</a></li>'
    if page.name == here.name:
        parts = (heading for heading in page.headings if heading.level == 2)
        item += "".join(
            f'<li class="part" data-words="{words}"><a href="#{part.anchor}">{escape(part.text)}</a></li>'
            for part in parts
        )
    return item


def _document(title: str, summary: str, body: str, menu: str, assets: dict[str, str]) -> str:
    whole = title if title.startswith("Roadbed") else f"{title} · Roadbed"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="description" content="{escape(summary[:300])}">
<title>{escape(whole)}</title>
<link rel="icon" href="{assets["mark.svg"]}" type="image/svg+xml">
<link rel="stylesheet" href="{assets["style.css"]}">
<script src="{assets["page.js"]}" defer></script>
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<header><a class="brand" href="/docs"><img src="{assets["mark.svg"]}" alt="" width="22" height="22"> Roadbed</a>
<nav aria-label="Main"><a href="/docs/quickstart">Quickstart</a><a href="/docs/api">API</a>\
<a href="/docs/webhooks">Webhooks</a><a href="/docs/errors">Errors</a><a href="/openapi.json">OpenAPI</a>\
<a href="/console/">Console</a></nav></header>
<div class="frame">
<input type="checkbox" id="menu" aria-label="Show the contents"><label for="menu">Contents</label>
<nav class="side" aria-label="Contents">
<input id="filter" type="search" placeholder="Filter" aria-label="Filter the contents" autocomplete="off">
<ul>{menu}</ul>
</nav>
<main id="content">
{body}
</main>
</div>
</body>
</html>
"""
