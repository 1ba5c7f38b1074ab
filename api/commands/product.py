"""`roadbed keys`, `features`, `score`, `reprioritize` and `decide`: the API, for hands."""

import sys
from itertools import islice
from typing import Any

from api import json
from api.commands.connect import CannotGoOn, Remote
from api.commands.lists import every
from api.commands.show import Row, show

_KEY = ("id", "name", "hint", "scopes", "expires_at", "last_used_at", "revoked_at")
_FEATURE = ("id", "title", "status", "bucket", "labels", "updated_at")


def list_keys(remote: Remote, as_json: bool) -> None:
    show(every(remote, "/keys"), _KEY, as_json)


def create_key(remote: Remote, name: str, scopes: list[str], expires_at: str | None, as_json: bool) -> None:
    _told_once(remote.ask("POST", "/keys", {"name": name, "scopes": scopes, "expires_at": expires_at}), as_json)


def rotate_key(remote: Remote, key_id: str, overlap_s: int, as_json: bool) -> None:
    _told_once(remote.ask("POST", f"/keys/{key_id}/rotate", {"overlap_s": overlap_s}), as_json)


def revoke_key(remote: Remote, key_id: str, as_json: bool) -> None:
    remote.ask("DELETE", f"/keys/{key_id}")
    print(json.dump({"id": key_id, "revoked": True}) if as_json else f"{key_id} is refused from now on.")


def list_features(remote: Remote, status: list[str], most: int, as_json: bool) -> None:
    query = {"status": ",".join(status)} if status else {}
    rows = every(remote, "/features", most + 1, **query)
    show(islice(rows, most), _FEATURE, as_json)
    if sys.stderr.isatty() and next(rows, None) is not None:
        print(f"These are the first {most:,}: give --limit for more.", file=sys.stderr)


def add_feature(remote: Remote, fields: dict[str, Any], as_json: bool) -> None:
    given = {name: value for name, value in fields.items() if value}
    show([remote.ask("POST", "/features", given)], _FEATURE, as_json)


def score(remote: Remote, feature_id: str, framework: str, inputs: list[str], as_json: bool) -> None:
    """`inputs` are like `reach=5000`. Raises CannotGoOn."""
    body = {"framework": framework, "inputs": dict(_input(text) for text in inputs)}
    made = remote.ask("POST", f"/features/{feature_id}/scores", body)
    show([made], ("id", "framework", "value", "inputs"), as_json)


def reprioritize(remote: Remote, framework: str | None, reason: str | None, dry_run: bool, as_json: bool) -> None:
    wanted = {"framework": framework, "reason": reason, "dry_run": dry_run}
    body = {name: value for name, value in wanted.items() if value is not None}
    revision = remote.ask("POST", "/roadmap/reprioritize", body)
    if as_json:
        print(json.dump(revision))
        return
    was = {move["feature_id"]: move["from"] for move in revision["moves"]}
    ranking = [row | {"was": was.get(row["feature_id"], row["rank"])} for row in revision["ranking"]]
    show(ranking, ("rank", "was", "title", "value", "feature_id"), False, revision["id"] or "What it would be")
    print(f"{len(revision['moves'])} moved." if revision["moves"] else "Nothing moved.")


def decide(remote: Remote, decision_id: str, chosen: str, rationale: str, by: str | None, as_json: bool) -> None:
    wanted = {"chosen": chosen, "rationale": rationale, "decided_by": by}
    body = {name: value for name, value in wanted.items() if value is not None}
    recorded = remote.ask("POST", f"/decisions/{decision_id}/record", body)
    show([recorded], ("id", "title", "chosen", "rationale", "recorded_at"), as_json)


def _told_once(key: Row, as_json: bool) -> None:
    if as_json:
        print(json.dump(key))
        return
    show([key], _KEY[:5], False)
    print(f"\n{key['secret']}\nThe secret is shown once, here.")


def _input(text: str) -> tuple[str, Any]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise CannotGoOn(f"{text} is no input: write it like reach=5000.")
    try:
        return name, json.load(value)
    except (ValueError, RecursionError):
        return name, value
