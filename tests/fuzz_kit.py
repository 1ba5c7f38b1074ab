"""Throw a million mutated requests at the receiver kit: `python -m tests.fuzz_kit [--count N] [--seed N] [--node]`.

Only its own error may come out, and nothing may be accepted that was not signed. The last line is a JSON object; the
exit is 1 when that does not hold.
"""

import argparse
import json
import random
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from api.webhooks import signing
from tests.support.kit import node, python_kit

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOW_S = 1614265330
BODY = b'{"type":"decision.recorded","timestamp":"2026-11-23T09:30:00Z","data":{"n":1}}'
GOOD = signing.headers([signing.parse_signing_key(SECRET)], "evt_1", NOW_S, BODY)


class _Trap:
    """Something whose every use fails."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __iter__(self) -> Any:
        raise OverflowError


SENSELESS: list[Any] = [
    None, 0, -1, 1.5, float("nan"), float("inf"), 10**400, True, "", "\x00", "\ud800", "é" * 50, b"", b"\xff\xfe",
    bytearray(b"x"), memoryview(b"x"), [], [[]], {}, {1: 2}, (), object(), _Trap(), lambda: 1, "v1," + "A" * 5000,
    "v1, v1a, v1", "1e9", "0x10", " ", "９９", "²", [("webhook-id", None)], [(b"webhook-id", b"a")], [1], [(1, 2, 3)],
    datetime.now(UTC), datetime.min, b"[" * 100_000, b"9" * 10_000,
]  # fmt: skip


def fuzz(count: int, seed: int) -> dict[str, Any]:
    """Gives the tally: accepted, refused by code, leaked (another exception), forged (accepted though changed)."""
    kit = python_kit()
    dice = random.Random(seed)
    refused: Counter[str] = Counter()
    accepted = leaked = forged = 0
    example = ""
    for _ in range(count):
        headers, body, secrets, options = _input(dice)
        before = dict(headers) if isinstance(headers, dict) else {}
        try:
            kit.verify_webhook(headers, body, secrets, **options)
        except kit.WebhookVerificationError as error:
            refused[error.code] += 1
        except BaseException as error:
            leaked += 1
            example = example or f"{error!r} for {headers!r}"[:500]
        else:
            accepted += 1
            forged += not _is_signed(before, body)
    return {
        "kit": "python",
        "count": count,
        "accepted": accepted,
        "refused": dict(refused),
        "leaked": leaked,
        "forged": forged,
        "example": example,
    }


def _input(dice: random.Random) -> tuple[Any, Any, Any, dict[str, Any]]:
    headers: Any = dict(GOOD)
    body: Any = BODY
    secrets: Any = [SECRET]
    options: dict[str, Any] = {"now": NOW_S}
    for _ in range(dice.randrange(1, 4)):
        what, name = dice.randrange(10), dice.choice(list(GOOD))
        if what < 3 and isinstance(headers, dict):
            headers[name] = _mangled(dice, str(headers.get(name)))
        elif what == 3 and isinstance(headers, dict):
            headers[name] = dice.choice(SENSELESS)
        elif what == 4:
            headers = dice.choice(SENSELESS)
        elif what == 5:
            body = _mangled(dice, BODY.decode()) if dice.random() < 0.5 else dice.choice(SENSELESS)
        elif what == 6:
            secrets = [_mangled(dice, SECRET)] if dice.random() < 0.5 else dice.choice(SENSELESS)
        elif what == 7:
            secrets = [dice.choice(SENSELESS), SECRET]
        elif what == 8:
            options = {"now": dice.choice(SENSELESS), "tolerance_s": dice.choice(SENSELESS)}
    return headers, body, secrets, options


def _mangled(dice: random.Random, text: str) -> str:
    at = dice.randrange(len(text) + 1)
    piece = dice.choice(["", "\x00", "=", ",", " ", ".", "A", "é", "\n", "\ud800", chr(dice.randrange(0x11000))])
    return text[:at] + piece + text[at + dice.randrange(4) :]


def _is_signed(headers: dict[Any, Any], body: Any) -> bool:
    raw = body.encode() if isinstance(body, str) else bytes(body)
    kept = all(str(headers.get(name)).strip(" \t") == GOOD[name] for name in ("webhook-id", "webhook-timestamp"))
    return kept and raw == BODY


def _fuzz_node(count: int, seed: int) -> dict[str, Any]:
    done = node("fuzz.ts", str(count), str(seed), timeout_s=3600)
    if done.returncode not in (0, 1) or not done.stdout:
        raise SystemExit(done.stderr)
    found: dict[str, Any] = {"kit": "typescript", **json.loads(done.stdout)}
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--node", action="store_true", help="the TypeScript kit instead of the Python one")
    asked = parser.parse_args()
    began = time.monotonic()
    found = (_fuzz_node if asked.node else fuzz)(asked.count, asked.seed)
    print(json.dumps({**found, "seconds": round(time.monotonic() - began, 1)}))
    return 1 if found["leaked"] or found["forged"] or not found["accepted"] else 0


if __name__ == "__main__":
    sys.exit(main())
