"""`roadbed tail`: print events as they come."""

from api import json
from api.commands.connect import Remote, follow


def tail(remote: Remote, types: list[str], after: str, as_json: bool) -> None:
    """For ever; with `as_json` each line is the event itself. Raises CannotGoOn."""
    for received in follow(remote, types, after):
        if as_json:
            print(received.body.decode(), flush=True)
        else:
            event = json.load(received.body)
            print(f"{event['timestamp']}  {received.type:<28} {received.id}  {_name(event['data'])}", flush=True)


def _name(data: dict[str, object]) -> str:
    """What a person knows it by."""
    return str(next((data[name] for name in ("title", "kind", "message", "id") if data.get(name)), ""))
