"""The catalogue promises nothing that is never sent, and a change is one event."""

import ast
from collections.abc import Iterator
from pathlib import Path

import asyncpg

import api.models  # noqa: F401 - each slice declares its own types
from api.webhooks.catalogue import every_type
from tests.support.receiver import Answer, Receiver
from tests.support.workspace import Workspace
from workers.deliver import Courier

ROOT = Path(__file__).resolve().parents[2]


def test_every_type_of_the_catalogue_is_emitted_by_code_that_imports_it() -> None:
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): ast.parse(path.read_text())
        for folder in ("api", "workers")
        for path in (ROOT / folder).rglob("*.py")
    }
    declared = {constant: name for module, tree in modules.items() for constant, name in _declared(module, tree)}
    used = {constant for module, tree in modules.items() for constant in _used(module, tree)}

    assert set(declared.values()) == {event_type.name for event_type in every_type()}
    assert [name for constant, name in declared.items() if constant not in used] == []


def _declared(module: str, tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Constants by their full name, each with the name of its event type."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and isinstance(node.targets[0], ast.Name):
            function, arguments = node.value.func, node.value.args
            called = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            if called == "declare" and isinstance(arguments[0], ast.Constant):
                yield f"{module}.{node.targets[0].id}", str(arguments[0].value)


def _used(module: str, tree: ast.Module) -> Iterator[str]:
    """What is looked at below the imports, by its full name."""
    known = {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield known.get(node.id, f"{module}.{node.id}")
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{known.get(node.value.id, node.value.id)}.{node.attr}"


async def test_a_change_of_many_fields_is_one_event_that_names_them_all(
    workspace: Workspace, receiver: Receiver, courier: Courier
) -> None:
    feature = await workspace.feature("Dark mode")
    await workspace.endpoint(receiver.url, "feature.*")
    changes = {"title": "Light mode", "description": "For the day", "status": "planned", "labels": ["ui"]}

    changed = await workspace.live.patch(f"/v1/features/{feature['id']}", json=changes)

    assert changed.status_code == 200
    await receiver.count(1)
    [told] = await receiver.quiet()
    assert told.event["type"] == "feature.updated"
    assert set(told.event["data"]["changed"]) == set(changes)
    assert told.event["data"]["version"] == feature["version"] + 1


async def test_one_failure_disables_no_endpoint_however_long_ago_its_last_success_was(
    workspace: Workspace, receiver: Receiver, courier: Courier, owner: asyncpg.Connection
) -> None:
    endpoint = await workspace.endpoint(receiver.url, "feature.created", schedule=[0])
    await workspace.feature("Delivered")
    await receiver.count(1)
    await receiver.quiet()
    await owner.execute("UPDATE deliveries SET created_at = now() - interval '30 days'")
    receiver.answer = lambda _: Answer(500)
    await workspace.feature("Failed")
    await receiver.count(2)
    await receiver.quiet()

    path = f"/v1/endpoints/{endpoint['id']}"
    shown, stats = (await workspace.live.get(path)).json(), (await workspace.live.get(f"{path}/stats")).json()
    assert (shown["enabled"], shown["disabled_reason"]) == (True, None)
    assert (stats["breaker"], stats["failures_in_row"], stats["dead"]) == ("closed", 1, 1)
