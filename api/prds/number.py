"""The ids of requirements, metrics and questions: given by us, in order, and never twice. Pure."""

import re
from typing import Any

from api.problems import invalid_field

_PREFIXES = {"requirements": ("FR", "NFR"), "success_metrics": ("SC",), "open_questions": ("Q",)}
MOST_IMPORTED = 9_999


def number(
    sections: dict[str, Any], counters: dict[str, int], known: dict[str, Any] | None = None, *, imported: bool = False
) -> dict[str, int]:
    """Give an id to each item without one, in place; gives the counters after it.

    `known` is the sections before the change: an item may keep an id from there and no other. An import brings its own.
    Raises Invalid for an id that is not known or stands twice, and for a `superseded_by` that is not there.

    >>> sections = {"requirements": [{"id": None, "kind": "functional"}, {"id": None, "kind": "security"}]}
    >>> number(sections, {"FR": 4})
    {'FR': 5, 'NFR': 1}
    >>> [row["id"] for row in sections["requirements"]]
    ['FR-005', 'NFR-001']
    """
    counters = dict(counters)
    for section, prefixes in _PREFIXES.items():
        rows = sections.get(section) or []
        kept = {row["id"] for row in (known or {}).get(section) or []}
        taken: set[str] = set()
        for place, row in enumerate(rows):
            if row["id"] is None:
                continue
            if imported:
                _import(row, prefixes, counters, taken)
            elif row["id"] not in kept:
                message = "is no id of this PRD. Leave it out: a new item gets its id from us"
                raise invalid_field(f"/{section}/{place}/id", message, "unknown_id")
            elif row["id"] in taken:
                raise invalid_field(f"/{section}/{place}/id", "stands twice", "duplicate")
            taken.add(row["id"])
        for row in rows:
            if row["id"] is None:
                prefix = prefixes[-1 if row.get("kind", "functional") != "functional" else 0]
                counters[prefix] = counters.get(prefix, 0) + 1
                row["id"] = f"{prefix}-{counters[prefix]:03d}"
    _check_successors(sections)
    return counters


def _import(row: dict[str, Any], prefixes: tuple[str, ...], counters: dict[str, int], taken: set[str]) -> None:
    """Keep the document's id, unless it is taken, of another kind, or so high that it eats up the numbers."""
    match = re.fullmatch(r"([A-Z]+)-(\d+)", row["id"])
    if match is None or match[1] not in prefixes or int(match[2]) > MOST_IMPORTED or row["id"] in taken:
        row["id"] = None
    else:
        counters[match[1]] = max(counters.get(match[1], 0), int(match[2]))


def _check_successors(sections: dict[str, Any]) -> None:
    ids = {row["id"] for row in sections.get("requirements") or []}
    for place, row in enumerate(sections.get("requirements") or []):
        if row.get("superseded_by") and row["superseded_by"] not in ids:
            message = f"{row['superseded_by']} is no requirement of this PRD"
            raise invalid_field(f"/requirements/{place}/superseded_by", message, "unknown_id")
