"""Calls of the API from outside, with nothing but the standard library."""

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any


def call(url: str, key: str | None, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """A call that must succeed in the end: a limit that is reached is waited for, and so is a restart."""
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
    data = json.dumps(body).encode() if body is not None else None
    for _ in range(120):
        request = urllib.request.Request(f"{url}{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                told: dict[str, Any] = json.loads(answer.read() or b"{}")
                return told
        except urllib.error.HTTPError as error:
            with error:
                if error.code not in (429, 503):
                    raise RuntimeError(f"{method} {path}: {error.code} {error.read()[:500]!r}") from None
                time.sleep(float(error.headers.get("Retry-After", 1)))
    raise RuntimeError(f"{method} {path} was limited for too long")


def every(url: str, key: str, path: str, **query: str) -> Iterator[dict[str, Any]]:
    """All pages of a list."""
    cursor: str | None = None
    while True:
        words = urllib.parse.urlencode({**query, "limit": 100, **({"cursor": cursor} if cursor else {})})
        page = call(url, key, "GET", f"{path}?{words}")
        yield from page["data"]
        cursor = page["next_cursor"]
        if cursor is None:
            return
