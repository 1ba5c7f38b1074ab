"""`roadbed replay` and `roadbed trigger`."""

import re
import sys
import time
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

from api import json
from api.commands.connect import CannotGoOn, Remote
from api.commands.show import progress

POLL_S = 0.2
_AGO = re.compile(r"([0-9]{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def replay(remote: Remote, endpoint_id: str, wanted: dict[str, Any], as_json: bool) -> None:
    """Start it, and show how far it is until it ends. Raises CannotGoOn, also when it fails."""
    operation = remote.ask("POST", f"/endpoints/{endpoint_id}/replay", wanted)
    with progress() if sys.stderr.isatty() else nullcontext() as bar:
        task = bar.add_task("replay", total=None) if bar else None
        while operation["status"] in ("pending", "running", "paused"):
            if bar is not None and task is not None:
                how_far = operation["progress"]
                bar.update(task, description=operation["status"], completed=how_far["done"], total=how_far["total"])
            time.sleep(POLL_S)
            operation = remote.ask("GET", f"/operations/{operation['id']}")
    if as_json:
        print(json.dump(operation))
    elif operation["status"] == "succeeded":
        print(f"{operation['result']['matched']} matched, {operation['result']['sent']} sent.")
    if operation["status"] != "succeeded":
        error = operation["error"] or {"message": f"It was {operation['status']}."}
        raise CannotGoOn(error["message"])


def trigger(remote: Remote, event_type: str, as_json: bool) -> None:
    """Send the type's example to the endpoints that want it. Raises CannotGoOn."""
    made = remote.ask("POST", "/events/trigger", {"type": event_type})
    if as_json:
        print(json.dump(made))
    else:
        print(f"{made['event_id']}  {made['type']} to {made['deliveries']} endpoint(s)")


def moment(text: str) -> str:
    """A time as RFC 3339, or so long ago: `90s`, `30m`, `2h`, `7d`. Raises CannotGoOn."""
    ago = _AGO.fullmatch(text)
    try:
        if ago:
            return (datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})).isoformat()
        return datetime.fromisoformat(text).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        message = f"{text[:100]} is no time: write 2026-11-23T09:30:00Z, or how long ago: 30m, 2h, 7d."
        raise CannotGoOn(message) from None
