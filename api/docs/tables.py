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


def deprecated_list() -> str:
    """The operations that the contract announces as going, soonest first."""
    paths = json.loads((_ROOT / "openapi" / "v1.json").read_text())["paths"]
    going = sorted(
        (operation["x-deprecation"]["sunset"], method.upper(), path, operation["x-deprecation"])
        for path, item in paths.items()
        for method, operation in item.items()
        if isinstance(operation, dict) and "x-deprecation" in operation
    )
    lines = [
        f"- `{method} /v1{path}` answers until {sunset}; announced on {told['announced']}"
        + (f", `{told['successor']}` takes its place." if told["successor"] else ".")
        for sunset, method, path, told in going
    ]
    return "\n".join(lines or ["Nothing: no operation is deprecated."]) + "\n"


def releases_list() -> str:
    """Each release of the contract with its changes; where one place changed often, all of it."""
    lines = []
    for one in json.loads((_ROOT / "api" / "openapi" / "changelog.json").read_text()):
        lines += [f"### {one['version']}, {one['released_on']}", ""]
        lines += [f"- {change['kind']}: `{change['where']}`: {change['text']}" for change in one["changes"]]
        lines += [] if one["changes"] else ["The first release: there is nothing before it to compare with."]
        lines += [""]
    return "\n".join(lines or ["Nothing is released yet.", ""])


def product_list() -> str:
    """CHANGELOG.md below its own title and words, its headings one deeper."""
    _, _, entries = (_ROOT / "CHANGELOG.md").read_text().partition("\n## ")
    return re.sub(r"^(#+) \[?([^\]\n]*)\]?", r"#\1 \2", f"## {entries}", flags=re.MULTILINE)


_ROOT = FOLDER.parent
_TABLES = {
    "settings": settings_table,
    "codes": codes_table,
    "deprecated": deprecated_list,
    "releases": releases_list,
    "product": product_list,
}


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
