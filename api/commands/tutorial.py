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


def tutorial(remote: Remote, language: str, do_all: bool, wait_s: float, as_json: bool) -> None:
    """Show the next step and wait until the data says that it was taken; with `do_all` take each step for the person.

    Raises CannotGoOn, also when a step is not taken within `wait_s`.
    """
    if language not in LANGUAGES:
        raise CannotGoOn(f"{language} is none of {', '.join(LANGUAGES)}.")
    console = Console(stderr=as_json)
    shown = remote.ask("GET", "/tutorial")
    while shown["next"] is not None and (do_all or sys.stdin.isatty()):
        step = next(one for one in shown["steps"] if one["key"] == shown["next"])
        _explain(console, step, shown, language)
        if do_all or _wants_it(console):
            _take(remote, step)
        shown = _until_taken(remote, step["key"], wait_s)
        console.print(f"[green]✓[/] {escape(step['title'])}\n")
    if as_json:
        print(json.dump(shown))
        return
    rows = [one | {"done": "✓" if one["done"] else " "} for one in shown["steps"]]
    show(rows, ("done", "title", "completed_at"), False, f"{shown['completed']} of {shown['total']} steps")


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
