"""`roadbed tutorial`: walk from the first key to a recorded decision, a request at a time."""

import sys
import time
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.syntax import Syntax

from api import json
from api.commands.connect import CannotGoOn, Remote
from api.commands.show import show

POLL_S = 0.5
LANGUAGES = {"curl": "bash", "python": "python", "typescript": "typescript"}


def sign_up(url: str, email: str, as_json: bool) -> Remote:
    """A workspace of one's own at the service, and its live key, told once. Raises CannotGoOn."""
    console = Console(stderr=as_json)
    made = Remote(url, "").ask("POST", "/signup", {"email": email, "workspace": email.partition("@")[0] or email})
    console.print(f"[green]✓[/] Signed up: {made['workspace']['id']}. Its keys, shown once:")
    for mode in ("live", "test"):
        console.print(f"  {mode}  {made[f'{mode}_key']['secret']}", soft_wrap=True, highlight=False)
    console.print()
    return Remote(url, made["live_key"]["secret"])


def tutorial(remote: Remote, language: str, do_all: bool, wait_s: float, as_json: bool) -> None:
    """Show the next step and wait until the data says that it was taken; with `do_all` take each step for the person.

    Raises CannotGoOn, also when a step is not taken within `wait_s`.
    """
    if language not in LANGUAGES:
        raise CannotGoOn(f"{language} is none of {', '.join(LANGUAGES)}.")
    console = Console(stderr=as_json)
    shown = remote.ask("GET", "/tutorial")
    began_with_all = shown["next"] is None
    while shown["next"] is not None and (do_all or sys.stdin.isatty()):
        step = next(one for one in shown["steps"] if one["key"] == shown["next"])
        _explain(console, step, shown, language)
        if do_all or _wants_it(console):
            _take(remote, step)
        before, shown = shown, _until_taken(remote, step["key"], wait_s)
        for title in _taken_between(before, shown):
            console.print(f"[green]✓[/] {escape(title)}")
        console.print()
    if as_json:
        print(json.dump(shown))
        return
    rows = [one | {"done": "✓" if one["done"] else " "} for one in shown["steps"]]
    show(rows, ("done", "title", "completed_at"), False, f"{shown['completed']} of {shown['total']} steps")
    if began_with_all:
        print("All of it was done before. --email you@example.com starts in a workspace of your own.")


def _taken_between(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What was done meanwhile: one request may take two steps, as when a webhook arrives by itself."""
    already = {step["key"] for step in before["steps"] if step["done"]}
    return [step["title"] for step in after["steps"] if step["done"] and step["key"] not in already]


def _explain(console: Console, step: dict[str, Any], shown: dict[str, Any], language: str) -> None:
    console.print(
        f"[bold]{shown['completed'] + 1} of {shown['total']}: {escape(step['title'])}[/]\n{escape(step['why'])}"
    )
    sample = step["samples"][language]
    # In whole lines, however long: a command that is broken in two cannot be copied.
    console.print(Syntax("", LANGUAGES[language], background_color="default").highlight(sample), soft_wrap=True)


def _wants_it(console: Console) -> bool:
    answer = console.input("Enter: do it for me. w and Enter: I do it myself, wait for me. ")
    return answer.strip().lower() != "w"


def _take(remote: Remote, step: dict[str, Any]) -> None:
    request = step["request"]
    remote.ask(request["method"], request["path"].removeprefix("/v1"), request["body"])


def _until_taken(remote: Remote, key: str, wait_s: float) -> dict[str, Any]:
    until = time.monotonic() + wait_s
    while True:
        shown = remote.ask("GET", "/tutorial")
        if next(one for one in shown["steps"] if one["key"] == key)["done"]:
            return shown
        if time.monotonic() > until:
            raise CannotGoOn(f"The step `{key}` was not taken within {wait_s:.0f} s. Is a worker running?")
        time.sleep(POLL_S)
