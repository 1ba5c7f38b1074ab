"""Tables of the pages that follow from the code: written into docs/ between two markers, and compared by a test."""

import json
import re
from pathlib import Path
from typing import Any, get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from api.docs.pages import FOLDER
from api.problems import every_problem
from api.settings import Settings

_PART = re.compile(r"(<!-- (\w+): begin[^\n]*-->\n).*?(<!-- \2: end -->)", re.DOTALL)


def refreshed(source: str) -> str:
    """The Markdown with each of its tables as the code has it now."""
    return _PART.sub(lambda match: match[1] + _TABLES[match[2]]() + match[3], source)


def write(folder: Path = FOLDER) -> list[Path]:
    """Write the tables anew. Gives the files that changed."""
    changed = []
    for path in sorted(folder.rglob("*.md")):
        source = path.read_text()
        if (fresh := refreshed(source)) != source:
            path.write_text(fresh)
            changed.append(path)
    return changed


def settings_table() -> str:
    rows = [
        f"| `ROADBED_{name.upper()}` | {_default(field)} | {_values(field)} | {field.description or ''} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(["| Variable | Default | Values | What it is |", "|---|---|---|---|", *rows]) + "\n"


def codes_table() -> str:
    rows = [
        f"| {problem.status} | [`{problem.code}`](errors/{problem.code}.md) | {problem.title} |"
        for problem in sorted(every_problem(), key=lambda problem: (problem.status, problem.code))
    ]
    return "\n".join(["| Status | Code | What it means |", "|---|---|---|", *rows]) + "\n"


_TABLES = {"settings": settings_table, "codes": codes_table}


def _default(field: FieldInfo) -> str:
    value = field.get_default()
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value in (None, "", ()):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _values(field: FieldInfo) -> str:
    """The bounds of a number or the choices of a word, as far as the type tells them."""
    choices = get_args(field.annotation)
    if choices and all(isinstance(choice, str) for choice in choices):
        return ", ".join(f"`{choice}`" for choice in choices)
    if field.annotation is bool:
        return "`true`, `false`"
    words = {"ge": "from {}", "gt": "above {}", "le": "to {}", "lt": "below {}"}
    bounds = [
        text.format(_plain(getattr(rule, name)))
        for rule in field.metadata
        for name, text in words.items()
        if getattr(rule, name, None) is not None
    ]
    return " ".join(bounds)


def _plain(number: Any) -> str:
    return f"{number:g}" if isinstance(number, float) else json.dumps(number)
