"""A list of the service, page after page."""

from collections.abc import Iterator
from urllib.parse import urlencode

from api.commands.connect import Remote
from api.commands.show import Row

PAGE = 100


def every(remote: Remote, path: str, most: int | None = None, **query: str) -> Iterator[Row]:
    """Each row, at most so many."""
    cursor, given = None, 0
    while True:
        wanted = PAGE if most is None else min(PAGE, most - given)
        words = {**query, "limit": str(wanted)} | ({"cursor": cursor} if cursor else {})
        page = remote.ask("GET", f"{path}?{urlencode(words)}")
        yield from page["data"]
        given += len(page["data"])
        cursor = page["next_cursor"]
        if cursor is None or (most is not None and given >= most):
            return
