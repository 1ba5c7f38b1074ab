"""The gate: `python -m openapi.gate` fails on a breaking change of openapi/v1.json that was not announced.

The contract is compared with the last released one in openapi/released/. `--release 1.1.0` keeps the present one under
that version and writes the changelog anew, and its page. The last line printed is one JSON object.
"""

import argparse
import importlib
import json
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from api.docs import tables
from api.openapi import VERSION
from api.openapi.changes import Change, changes

HERE = Path(__file__).resolve().parent
CONTRACT = HERE / "v1.json"
RELEASED = HERE / "released"
CHANGELOG = HERE.parent / "api" / "openapi" / "changelog.json"


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m openapi.gate", description="Hold the contract to its promise.")
    parser.add_argument("--release", metavar="VERSION", help="keep the contract under this version, like 1.1.0")
    told = parser.parse_args(words)
    today = datetime.now(UTC).date()
    found = since_release(json.loads(CONTRACT.read_text()), today)
    broken = [change for change in found if change.breaking]
    if told.release and told.release != VERSION:
        parser.error(f"the contract says that it is {VERSION}: change VERSION in api/openapi/__init__.py first")
    for change in found:
        print(f"{'BREAKING ' if change.breaking else ''}{change.kind}: {change.where}: {change.text}")
    if told.release and not broken:
        release(told.release, today)
    print(json.dumps({"ok": not broken, "changes": len(found), "breaking": len(broken)}))
    return int(bool(broken))


def since_release(contract: dict[str, Any], today: date) -> list[Change]:
    """What is different from the last released contract; nothing when there is none yet."""
    kept = releases()
    return changes(json.loads(kept[-1].read_text()), contract, today) if kept else []


def releases() -> list[Path]:
    """The released contracts, oldest first."""
    return sorted(RELEASED.glob("*.json"), key=lambda path: [int(part) for part in path.stem.split(".")])


def release(version: str, today: date) -> None:
    """Keep the contract as it is, and write its entry of the changelog."""
    contract = json.loads(CONTRACT.read_text())
    entries = json.loads(CHANGELOG.read_text())
    found = since_release(contract, today)
    RELEASED.mkdir(exist_ok=True)
    (RELEASED / f"{version}.json").write_text(CONTRACT.read_text())
    entries.insert(0, entry(version, today, found))
    CHANGELOG.write_text(json.dumps(entries, indent=2, ensure_ascii=False) + "\n")
    importlib.import_module("api.main")  # the pages list every error, and an error is known once it is imported
    tables.write()


def entry(version: str, day: date, found: list[Change]) -> dict[str, Any]:
    """One release as the changelog shows it."""
    shown = [{"kind": one.kind, "where": one.where, "text": one.text} for one in found[:1000]]
    return {"object": "contract_release", "version": version, "released_on": day.isoformat(), "changes": shown}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
