"""Schemathesis against a served application: `./run fuzz [--seconds N] [--json]`.

All checks, all phases, data that is right and data that is wrong, and two workspaces that must not see each other's
objects. The document it works from has no `default` responses, which would let every status pass. Exit 1 when it finds
something; the last line printed is one JSON object.
"""

import argparse
import base64
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from api.local import LocalServers
from api.migrate import migrate_to
from api.openapi import contract

ROOT = Path(__file__).resolve().parent.parent.parent
HOME = ROOT / ".fuzz"
START_TIMEOUT_S = 60.0
# A rule between fields, a reference to nothing or a used key is refused with 400, 404 or 422, and no schema can say it.
# What a schema can say, tests/fuzz/hooks.py holds it to: such a refusal may not be one of form.
_CHECKS = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", "400", "401", "403", "404", "406", "409", "412", "422", "429", "5xx"]
"""


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="./run fuzz", description="Fuzz the served application from its contract.")
    parser.add_argument("--seconds", type=int, default=600, help="how long, 600 unless told")
    parser.add_argument("--seed", type=int, help="the same requests again")
    parser.add_argument("--include", help="a regular expression on paths, to look at some operations only")
    parser.add_argument("--phases", default="examples,coverage,fuzzing,stateful")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="only the last line")
    told = parser.parse_args(words)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="roadbed-fuzz-") as folder:
        Path(folder).chmod(0o755)
        report = _fuzz(Path(folder), told)
    report["seconds"] = round(time.monotonic() - began, 1)
    print(json.dumps(report))
    return 0 if report["ok"] else 1


def _fuzz(folder: Path, told: argparse.Namespace) -> dict[str, Any]:
    program = _program()
    (folder / "v1.json").write_text(json.dumps(without_default_responses(json.loads(contract()))))
    with served(folder) as url:
        keys = [_sign_up(url, name) for name in ("Ada's", "Somebody else's")]
        _write_peers(folder, [secret for secret, _ in keys])
        command = [program, "--config-file", folder / "schemathesis.toml", "run", folder / "v1.json"]
        command += ["--url", f"{url}/v1", "--request-timeout", "60"]
        command += ["--phases", told.phases, "--workers", str(told.workers), "--max-time", str(told.seconds)]
        command += ["--continue-on-failure", "--report-json-path", folder / "report.json"]
        command += ["--seed", str(told.seed)] if told.seed is not None else []
        command += ["--include-path-regex", told.include] if told.include else []
        own = ",".join(key for _, owned in keys for key in owned)
        environment = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.fuzz.hooks", "FUZZ_OWN_KEYS": own}
        environment |= {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        quiet = subprocess.DEVNULL if told.json else None
        code = subprocess.call([str(word) for word in command], env=environment, cwd=folder, stdout=quiet)
        log = (folder / "server.log").read_text(errors="replace")
    return {"ok": code == 0, "exit": code, "errors_logged": log.count("request_failed")} | _counted(folder)


def without_default_responses(document: dict[str, Any]) -> dict[str, Any]:
    for item in document["paths"].values():
        for operation in item.values():
            if isinstance(operation, dict):
                operation.get("responses", {}).pop("default", None)
    return document


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """The application as it is run, on servers of its own, with no limit on rates. Gives its URL."""
    secret = base64.b64encode(bytes(range(32))).decode()
    port = _free_port()
    with LocalServers.start(folder / "data", durable=False) as local, (folder / "server.log").open("wb") as log:
        migrate_to(local.database_url)
        settings = {
            "DATABASE_URL": local.database_url,
            "REDIS_URL": local.redis_url,
            "PEPPER": secret,
            "SEALING_KEYS": f"k1:{secret}",
            "PORT": str(port),
            "TARGET_HTTP": "true",
            "TARGET_ALLOW": "127.0.0.0/8",
            "RATE_PER_S": "1000000",
            "RATE_BURST": "1000000",
            "WORKSPACE_RATE_PER_S": "1000000",
            "OPEN_RATE_PER_S": "1000000",
            "FREE_CALLS": "1000000000",
            "STREAM_S": "1",
        }
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **{f"ROADBED_{k}": v for k, v in settings.items()}}
        server = subprocess.Popen(
            [sys.executable, "-m", "api.cli", "serve"], env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            yield _ready(f"http://127.0.0.1:{port}", server)
        finally:
            server.terminate()
            server.wait(30)


def _ready(url: str, server: "subprocess.Popen[bytes]") -> str:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{url}/ready").status_code == 200:
                return url
        time.sleep(0.1)
    raise SystemExit("The application did not come up: see the log above.")


def _sign_up(url: str, name: str) -> tuple[str, list[str]]:
    """The live secret of a new workspace, and the ids of its keys."""
    answer = httpx.post(f"{url}/v1/signup", json={"email": "ada@example.com", "workspace": name})
    told = answer.raise_for_status().json()
    return told["live_key"]["secret"], [told["live_key"]["id"], told["test_key"]["id"]]


def _write_peers(folder: Path, secrets: list[str]) -> None:
    names = [f"workspace_{number}" for number in range(len(secrets))]
    users = [
        {"name": name, "fixedHeaders": [{"name": "Authorization", "value": f"Bearer {secret}"}]}
        for name, secret in zip(names, secrets, strict=True)
    ]
    (folder / "auth.json").write_text(json.dumps({"auth": users}))
    peers = ", ".join(f'"{name}"' for name in names)
    (folder / "schemathesis.toml").write_text(f'[auth.wfc]\npath = "{folder}/auth.json"\npeers = [{peers}]\n' + _CHECKS)


def _counted(folder: Path) -> dict[str, Any]:
    """What it looked at. A run whose report is not there, or that tested nothing, has found nothing out."""
    try:
        report = json.loads((folder / "report.json").read_text())
    except (OSError, ValueError):
        return {"ok": False}
    tested, cases = report["operations"]["tested"], report["test_cases"]["generated"]
    failures = {failure: report["test_cases"][failure] for failure in ("with_failures", "unique_failures", "errored")}
    told = {"operations": tested, "cases": cases, **failures, "stopped": report["stop_reason"], "seed": report["seed"]}
    return told if cases else {**told, "ok": False}


def _program() -> Path:
    """Schemathesis in a folder of its own: its plugin would slow every start of pytest."""
    program = HOME / "bin" / "schemathesis"
    if not program.exists():
        venv.create(HOME, with_pip=True, clear=True)
        wanted = _wanted()
        subprocess.check_call([str(HOME / "bin" / "python"), "-m", "pip", "install", "--quiet", *wanted])
    return program


def _wanted() -> list[str]:
    import tomllib

    groups: dict[str, list[str]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    return groups["fuzz"]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
