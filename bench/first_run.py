"""Seconds from an empty folder to the first scored feature, as a newcomer meets it: clone, `./run`, two requests.

    python -m bench.first_run            # uv's and pip's caches as they are on this machine
    python -m bench.first_run --cold     # with empty caches: every package comes over the network

The last line printed is one JSON object.
"""

import argparse
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
READY_TIMEOUT_S = 600.0


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="first_run", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--cold", action="store_true", help="start with empty package caches")
    parser.add_argument("--json", action="store_true", help="print only the last line")
    options = parser.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="roadbed-first-run-") as folder:
        stages = measure(Path(folder), cold=options.cold)
    if not options.json:
        for name, seconds in stages.items():
            print(f"{name:12} {seconds:7.2f}")
    print(json.dumps({"bench": "first_run", "cold": options.cold, **stages}))
    return 0


def measure(folder: Path, *, cold: bool) -> dict[str, float]:
    """Seconds for each stage, and in `total_s` from nothing to the answered score."""
    clock = _Clock()
    checkout = folder / "roadbed"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(checkout)], check=True)
    clock.lap("clone_s")
    with _running(checkout, _environment(folder, cold=cold)) as ready:
        clock.lap("ready_s")
        call = _Caller(ready["url"], ready["live_key"])
        feature = call.post("/v1/features", {"title": "Bulk export"})
        clock.lap("feature_s")
        inputs = {"reach": 10_000, "impact": 3, "confidence": 0.8, "effort": 2}
        score = call.post(f"/v1/features/{feature['id']}/scores", {"framework": "rice", "inputs": inputs})
        clock.lap("score_s")
    if score["value"] != 12_000:
        raise SystemExit(f"The first score is {score['value']} and should be 12000.")
    return clock.stages | {"total_s": round(sum(clock.stages.values()), 3)}


class _Clock:
    """Seconds since the lap before, by name."""

    def __init__(self) -> None:
        self.stages: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.stages[name] = round(now - self._last, 3)
        self._last = now


@contextmanager
def _running(checkout: Path, environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """`./run` in the background; gives what run.json says once it stands there."""
    output = checkout.with_name("run.out")
    with output.open("wb") as file:
        # No terminal and no session of ours: the newcomer's `./run` must come up without either.
        process = subprocess.Popen(
            [str(checkout / "run")],
            cwd=checkout,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    try:
        yield _wait_for(checkout / ".roadbed" / "run.json", process, output)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(run_file: Path, process: "subprocess.Popen[bytes]", output: Path) -> dict[str, str]:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while not run_file.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"./run did not become ready. It said:\n{output.read_text(errors='replace')}")
        time.sleep(0.02)
    ready: dict[str, str] = json.loads(run_file.read_text())
    return ready


def _environment(folder: Path, *, cold: bool) -> dict[str, str]:
    """This shell's without anything of Roadbed's, and a free port."""
    shell = {
        name: value for name, value in os.environ.items() if not name.startswith(("ROADBED_", "PYTHON", "VIRTUAL_"))
    }
    caches = {"UV_CACHE_DIR": str(folder / "uv"), "PIP_CACHE_DIR": str(folder / "pip")} if cold else {}
    return shell | caches | {"ROADBED_PORT": str(_free_port())}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class _Caller:
    """A client of the standard library alone, so that the bench measures the service."""

    def __init__(self, url: str, key: str) -> None:
        self._host = urlsplit(url).netloc
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        with closing(http.client.HTTPConnection(self._host, timeout=30)) as connection:
            connection.request("POST", path, json.dumps(body), self._headers)
            reply = connection.getresponse()
            text = reply.read().decode()
        if reply.status != 201:
            raise SystemExit(f"POST {path} answered {reply.status}: {text}")
        answer: dict[str, Any] = json.loads(text)
        return answer


if __name__ == "__main__":
    sys.exit(main())
