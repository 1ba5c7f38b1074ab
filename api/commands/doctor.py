"""`roadbed doctor`: what is wrong, and what to do about it."""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Literal

import httpx
from rich.console import Console
from rich.markup import escape

from api import json
from api.commands.connect import CannotGoOn, Remote
from api.commands.lists import every

# Receivers refuse a webhook whose timestamp is five minutes off; half of that is told before it hurts.
MOST_SKEW_S = 150
_SIGNS = {"ok": "[green]✓[/]", "warning": "[yellow]![/]", "failed": "[red]✗[/]"}


@dataclass(frozen=True)
class Finding:
    check: str
    state: Literal["ok", "warning", "failed"]
    detail: str


def doctor(remote: Remote, as_json: bool) -> int:
    """Prints each check; 1 when one failed, which is the command's exit code."""
    findings = list(_examine(remote))
    if as_json:
        print(json.dump({"object": "doctor", "findings": [asdict(finding) for finding in findings]}))
    else:
        console = Console()
        for finding in findings:
            # In one line, however long: a command that is broken in two cannot be copied.
            text = f"{_SIGNS[finding.state]} {finding.check}: {escape(finding.detail)}"
            console.print(text, soft_wrap=True, highlight=False)
    return 1 if any(finding.state == "failed" for finding in findings) else 0


def _examine(remote: Remote) -> Iterator[Finding]:
    """Each check in turn; without a service or a key the rest would only repeat that."""
    try:
        answer = httpx.get(f"{remote.url}/ready", timeout=10, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        yield Finding("service", "failed", f"{remote.url} does not answer ({type(error).__name__}). Start it: ./run")
        return
    yield Finding("service", "ok", remote.url)
    yield from _readiness(answer)
    yield _clock(answer)
    key = _checked("key", lambda: _key(remote))
    yield key
    if key.state == "failed":
        return
    yield _checked("endpoints", lambda: _endpoints(remote))
    yield _checked("deliveries", lambda: _dead(remote))
    yield _checked("figures", lambda: _figures(remote))


def _readiness(answer: httpx.Response) -> Iterator[Finding]:
    try:
        checks: dict[str, str] = answer.json()["checks"]
    except (ValueError, KeyError):
        yield Finding("readiness", "failed", f"/ready answered {answer.status_code}, and nothing that we know.")
        return
    for name, told in checks.items():
        yield Finding(name, "ok" if told == "ok" else "failed", told)


def _clock(answer: httpx.Response) -> Finding:
    if "date" not in answer.headers:
        return Finding("clock", "warning", "The service tells no Date, so clocks were not compared.")
    skew_s = abs(time.time() - parsedate_to_datetime(answer.headers["date"]).timestamp())
    if skew_s > MOST_SKEW_S:
        return Finding(
            "clock", "failed", f"{skew_s:.0f} s apart from the service. Set the clock: signatures hold 5 min."
        )
    return Finding("clock", "ok", "within a few seconds of the service" if skew_s < 10 else f"{skew_s:.0f} s apart")


def _key(remote: Remote) -> Finding:
    usage = remote.ask("GET", "/usage")
    quota = usage["quota"]
    if not usage["livemode"]:
        calls = usage["total"]["calls"]
        told = (
            f"a test key: it reaches the sandbox. {calls:,} test calls in 30 days, which are not of the month's quota"
        )
        return Finding("key", "ok", told)
    left = f"a live key; {quota['remaining']:,} of {quota['limit']:,} live calls left this month"
    return Finding("key", "warning" if quota["remaining"] < quota["limit"] / 10 else "ok", left)


def _endpoints(remote: Remote) -> Finding:
    rows = list(every(remote, "/endpoints", 1000))
    disabled = [row for row in rows if not row["enabled"]]
    if disabled:
        named = ", ".join(f"{row['id']} ({row['disabled_reason'] or 'by you'})" for row in disabled[:5])
        return Finding("endpoints", "warning", f"{len(disabled)} of {len(rows)} are disabled: {named}")
    return Finding("endpoints", "ok", f"{len(rows)}, all enabled" if rows else "none yet; POST /v1/endpoints makes one")


def _dead(remote: Remote) -> Finding:
    dead = list(every(remote, "/deliveries", 100, status="dead"))
    if dead:
        more = "100 or more" if len(dead) == 100 else str(len(dead))
        way_out = f"roadbed replay {dead[0]['endpoint_id']} --since 1d"
        return Finding("deliveries", "warning", f"{more} were given up. Send them again: {way_out}")
    return Finding("deliveries", "ok", "none was given up")


def _figures(remote: Remote) -> Finding:
    data: list[dict[str, Any]] = remote.ask("GET", "/metrics/api")["data"]
    missed = [f"{row['name']} is {row['value']:g}" for row in data if row["met"] is False]
    return Finding(
        "figures", "warning" if missed else "ok", "; ".join(missed) or "every target that was measured is met"
    )


def _checked(name: str, check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except CannotGoOn as error:
        return Finding(name, "failed", str(error))
