"""`roadbed export`: everything of a workspace and mode, as the service's own contract lists it.

Rows are kept as they were sent, number for number. A folder gets a file of rows for each list, and beside them what
`POST /v1/imports` takes back: the features as CSV, PRDs and decisions as Markdown.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from shutil import rmtree
from typing import Any, TextIO

from api import json
from api.commands.connect import CannotGoOn, Refused, Remote
from api.commands.lists import every
from api.commands.show import Row, progress

# What can be read without an id and is no part of an export unless it is asked for with --also.
LEFT_OUT: Mapping[str, str] = {
    "check_audit_chain": "computed from the audit",
    "export_features": "the features and their scores again; a folder has them as features.csv",
    "get_allocation": "computed from the features; the roadmap has it too",
    "get_api_metrics": "figures of the service, not content",
    "get_catalog": "the same in every workspace",
    "get_inbox": "an address of this service",
    "get_tutorial": "how far the tutorial is",
    "get_usage": "figures of the service, not content",
    "list_audit": "a row for each change ever made: long, and of this service",
    "list_deliveries": "what endpoints were sent; removed after a time",
    "list_deprecations": "the same in every workspace",
    "list_events": "what happened, told from the rows that are exported; removed after a time",
    "list_frameworks": "the same in every workspace",
    "list_inbox_messages": "test messages; removed after a time",
    "list_keys": "of use with this service alone, and readable with keys:admin alone",
    "list_operations": "work that ran; removed after a time",
    "list_prd_rules": "the same in every workspace",
    "list_releases": "the same in every workspace",
    "list_revision_ranking": "each revision has its first places; all places of all revisions are many",
    "list_secrets": "a secret is shown once, when it is made",
    "search": "finds what the lists hold",
    "stream_events": "the events as they come",
    "verify_decisions": "computed from the decisions",
}
Write = Callable[["Part", Row], None]


@dataclass(frozen=True)
class Part:
    """One operation whose answer is exported.

    `parent` is the list on whose rows it depends. `each` is the path of one row, where the list shows less of it.
    `document` is the path of one row that can be had as Markdown.
    """

    operation: str
    path: str
    paged: bool
    parent: str | None
    each: str | None
    document: str | None

    @property
    def name(self) -> str:
        """Of its file: `prds_versions` for /prds/{id}/versions."""
        return "_".join(word for word in self.path.split("/") if word and "{" not in word)


def export(remote: Remote, out: Path | None, also: list[str], without: list[str]) -> None:
    """To a folder, or a file of JSON lines where the name has a suffix like .jsonl, or to standard output.

    It is whole or not there: it is written beside its place, and moved there at the end. Raises
    CannotGoOn, also where the key may not read a part.
    """
    document = remote.contract()
    parts = chosen(document, also, without)
    head = _head(remote, document, parts)
    if out is None:
        print(json.dump(head))
        count = _rows(remote, parts, lambda _, row: print(json.dump(row)))
    else:
        try:
            with _beside(out) as unfinished:
                if unfinished.is_dir():
                    count = _into_folder(remote, parts, head, unfinished)
                else:
                    count = _into_file(remote, parts, head, unfinished)
        except OSError as error:
            raise CannotGoOn(f"{out} cannot be written: {error.strerror}.") from None
    print(f"{count:,} rows{'' if out is None else f' in {out}'}.", file=sys.stderr)


def chosen(document: Any, also: Iterable[str] = (), without: Iterable[str] = ()) -> list[Part]:
    """The parts, those that depend on another's rows after it. Raises CannotGoOn for a name that is none."""
    known = {part.operation: part for part in candidates(document)}
    unknown = [name for name in (*also, *without) if name not in known]
    if unknown:
        raise CannotGoOn(f"{unknown[0]} is no part of an export. There are: {', '.join(sorted(known))}.")
    left_out = (set(LEFT_OUT) - set(also)) | set(without)
    return sorted((part for name, part in known.items() if name not in left_out), key=lambda part: part.parent or "")


def candidates(document: Any) -> Iterator[Part]:
    """Each operation that reads something without an id, and each list below a row of such a list."""
    paths = document["paths"]
    for path, item in paths.items():
        parent, _, rest = path.partition("/{")
        paged = _paged(document, item.get("get", {}))
        below = "{" not in rest and item.get("get", {}).get("operationId", "").startswith("list_")
        if "get" in item and (not rest or below):
            one = next((other for other in paths if other.startswith(f"{path}/{{") and other.endswith("}")), None)
            spec = paths[one]["get"] if paged and one is not None and "get" in paths[one] else None
            yield Part(
                operation=item["get"]["operationId"],
                path=path,
                paged=paged,
                parent=parent if rest else None,
                each=one if spec and _more(document, item["get"], spec) else None,
                document=one if spec and "text/markdown" in spec["responses"]["200"]["content"] else None,
            )


def _paged(document: Any, spec: Any) -> bool:
    parameters = (_resolved(document, one) for one in spec.get("parameters", []))
    return any(one["name"] == "cursor" for one in parameters)


def _more(document: Any, listed: Any, single: Any) -> bool:
    """Whether one row by itself has fields that its list does not show."""
    rows = _resolved(document, _shape(document, listed)["properties"]["data"]["items"])
    return bool(set(_shape(document, single).get("properties", ())) - set(rows.get("properties", ())))


def _shape(document: Any, spec: Any) -> Any:
    return _resolved(document, spec["responses"]["200"]["content"]["application/json"]["schema"])


def _resolved(document: Any, node: Any) -> Any:
    while "$ref" in node:
        found = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def _head(remote: Remote, document: Any, parts: list[Part]) -> Row:
    """The first line: of what, from when, and what it does not hold."""
    held = {part.operation for part in parts}
    return {
        "object": "export",
        "service": remote.url,
        "contract": document["info"]["version"],
        "livemode": not remote.key.startswith("rb_test_"),
        "exported_at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "parts": [part.operation for part in parts],
        "left_out": {
            part.operation: LEFT_OUT.get(part.operation, "by --without")
            for part in candidates(document)
            if part.operation not in held
        },
    }


def _rows(remote: Remote, parts: list[Part], write: Write) -> int:
    """Every row of every part to `write`, with a bar where somebody looks. Gives their number."""
    count = 0
    parents = {part.parent for part in parts}
    keys: dict[str, list[str]] = {}
    with _bar(len(parts)) as told:
        for part in parts:
            for row in _read(remote, part, keys):
                write(part, row)
                count += 1
                told(f"{part.name}: {count:,} rows in all", 0)
                if part.path in parents:
                    keys.setdefault(part.path, []).append(row["id"])
            told(f"{count:,} rows", 1)
    return count


def _read(remote: Remote, part: Part, keys: Mapping[str, list[str]]) -> Iterator[Row]:
    """Raises CannotGoOn that names the part."""
    try:
        if part.parent is not None:
            for key in keys.get(part.parent, ()):
                yield from _listed(remote, part, part.path.replace("{id}", key))
        elif part.paged:
            yield from _listed(remote, part, part.path)
        else:
            yield remote.ask("GET", part.path)
    except Refused as error:
        raise CannotGoOn(f"{part.operation}: {error} To export all else, give --without {part.operation}.") from None


def _listed(remote: Remote, part: Part, path: str) -> Iterator[Row]:
    """A list's rows, each read by itself where the list shows less of it. What is deleted meanwhile is passed over."""
    name = part.each.rpartition("{")[2].rstrip("}") if part.each else ""
    try:
        for row in every(remote, path) if part.paged else remote.ask("GET", path)["data"]:
            try:
                yield remote.ask("GET", f"{path}/{row[name]}") if part.each else row
            except Refused as error:
                if error.status != 404:
                    raise
    except Refused as error:
        if error.status != 404 or part.parent is None:
            raise


def _into_file(remote: Remote, parts: list[Part], head: Row, path: Path) -> int:
    with path.open("w", encoding="utf-8") as file:
        print(json.dump(head), file=file)
        return _rows(remote, parts, lambda _, row: print(json.dump(row), file=file))


def _into_folder(remote: Remote, parts: list[Part], head: Row, folder: Path) -> int:
    (folder / "export.json").write_text(json.pretty(head) + "\n", encoding="utf-8")
    if any(part.path == "/features" for part in parts):
        remote.download("/features/export?format=csv", "text/csv", folder / "features.csv")

    files: dict[str, TextIO] = {}

    def write(part: Part, row: Row) -> None:
        if part.name not in files:
            files[part.name] = stack.enter_context((folder / f"{part.name}.jsonl").open("w", encoding="utf-8"))
        print(json.dump(row), file=files[part.name])
        if part.document:
            (folder / part.name).mkdir(exist_ok=True)
            page = folder / part.name / f"{row['id']}.md"
            remote.download(part.document.replace("{id}", row["id"]), "text/markdown", page)

    with ExitStack() as stack:
        return _rows(remote, parts, write)


@contextmanager
def _beside(out: Path) -> Iterator[Path]:
    """Where to write until all is well, when it takes the place of `out`. Raises CannotGoOn for a folder in use."""
    if out.exists() and not out.is_file() and not out.is_dir():
        yield out  # a device or a pipe, which nothing may take the place of
        return
    if out.is_dir() and any(out.iterdir()):
        raise CannotGoOn(f"{out} is not empty: name a new folder.")
    out = out.resolve()
    unfinished = out.with_name(out.name + ".unfinished")
    if out.is_dir() or not (out.suffix or out.is_file()):
        rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
    try:
        yield unfinished
        unfinished.replace(out)
    finally:
        rmtree(unfinished, ignore_errors=True)
        unfinished.unlink(missing_ok=True)


def _bar(total: int) -> AbstractContextManager[Callable[[str, int], None]]:
    return _drawn(total) if sys.stderr.isatty() else nullcontext(lambda _text, _done: None)


@contextmanager
def _drawn(total: int) -> Iterator[Callable[[str, int], None]]:
    with progress() as bar:
        task = bar.add_task("Exporting", total=total)
        yield lambda text, done: bar.update(task, description=text, advance=done)
