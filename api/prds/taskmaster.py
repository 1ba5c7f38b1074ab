"""A PRD as the `tasks.json` of Task Master, one task a requirement, and back. Pure.

A requirement's id stands in its task's metadata and its status in `task_status`, so that a second export renames no
task and forgets no progress.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import simplejson

from api import json
from api.prds.markdown import MOST_CHARS, Reading
from api.prds.measure import target

Row = Mapping[str, Any]

KEPT = frozenset({"title", "requirements"})
_TO_TASK = {"in_progress": "in-progress"}
_FROM_TASK = {"in-progress": "in_progress", "completed": "done", "canceled": "cancelled"}
_STATUSES = frozenset({"pending", "in_progress", "review", "done", "deferred", "cancelled", "blocked"})
# Tasks are numbered by integers; those of non-functional requirements stand above the functional ones.
NFR_OFFSET = 10_000
_PRIORITIES = {1: "high", None: "medium"}


def write(title: str, sections: Row, prd_id: str) -> str:
    """`tasks.json` in the tagged form. A task's number is its requirement's, which never changes."""
    phases = sections.get("release_phases") or []
    tasks = [_task(row, sections, phases) for row in sections.get("requirements") or [] if row["status"] == "active"]
    metadata = {"description": title, "prd": prd_id}
    return json.pretty({"master": {"tasks": tasks, "metadata": metadata}}) + "\n"


def read(text: str) -> Reading:
    """The requirements that tasks stand for, from the tagged form or the older one. Never raises."""
    reading = Reading()
    if len(text) > MOST_CHARS:
        reading.skip(0, f"A task file has at most {MOST_CHARS:,} characters. Nothing of this one was read.")
        return reading
    try:
        parsed = simplejson.loads(text, parse_float=Decimal, parse_constant=str)
    except (ValueError, RecursionError, ArithmeticError):
        reading.skip(0, "This is not JSON.")
        return reading
    tag = _tag(parsed)
    if tag is None:
        reading.skip(0, "There is no list of tasks: neither `tasks` nor a tag with `tasks`.")
        return reading
    metadata = tag.get("metadata")
    described = metadata.get("description") if isinstance(metadata, dict) else None
    reading.title = described if isinstance(described, str) and described.strip() else None
    for number, task in enumerate(tag["tasks"], 1):
        _read_task(number, task, reading)
    return reading


def lost(sections: Row) -> list[str]:
    """The sections of a PRD that the format cannot hold."""
    return sorted(name for name, value in sections.items() if value and name not in KEPT)


def _task(row: Row, sections: Row, phases: list[Row]) -> dict[str, Any]:
    phase = row.get("phase")
    named = phases[phase - 1]["name"] if phase and phase <= len(phases) else None
    status = row.get("task_status") or "pending"
    return {
        "id": _number(row["id"]),
        "title": row["text"].split("\n")[0][:100],
        "description": row["text"],
        "status": _TO_TASK.get(status, status),
        "dependencies": [],
        "priority": _PRIORITIES.get(phase, "low"),
        "details": f"{row['id']} ({row['kind']})" + (f", {named}" if named else ""),
        "testStrategy": _test(row),
        "subtasks": [],
        "metadata": {"requirement": row["id"], "kind": row["kind"], "phase": phase},
    }


def _number(code: str) -> int:
    prefix, _, digits = code.partition("-")
    return int(digits) + (NFR_OFFSET if prefix == "NFR" else 0)


def _test(row: Row) -> str:
    if row.get("value") is None:
        return ""
    parts = (row.get("metric"), row.get("percentile"), row.get("op"), json.dump(row["value"]), row.get("unit"))
    return "Check that " + " ".join(str(part) for part in parts if part)


def _tag(parsed: Any) -> dict[str, Any] | None:
    """The tag `master`, else the first one; a file without tags is one."""
    if not isinstance(parsed, dict):
        return None
    for found in (parsed, parsed.get("master"), *parsed.values()):
        if isinstance(found, dict) and isinstance(found.get("tasks"), list):
            return found
    return None


def _read_task(number: int, task: Any, reading: Reading) -> None:
    if not isinstance(task, dict):
        reading.skip(number, f"Task {number} is no object; it was left out.")
        return
    text = next(
        (task[name] for name in ("description", "title") if isinstance(task.get(name), str) and task[name].strip()),
        None,
    )
    if text is None:
        reading.skip(number, f"Task {number} has neither a title nor a description; it was left out.")
        return
    metadata = task["metadata"] if isinstance(task.get("metadata"), dict) else {}
    kind = metadata.get("kind") if isinstance(metadata.get("kind"), str) else "functional"
    status = task.get("status") if isinstance(task.get("status"), str) else "pending"
    status = _FROM_TASK.get(str(status), str(status))
    if status not in _STATUSES:
        reading.skip(number, f"Task {number} has the status {status[:40]!r}, which is not known; it is pending here.")
        status = "pending"
    code = metadata.get("requirement")
    phase = metadata.get("phase")
    requirement: dict[str, Any] = {
        "id": code if isinstance(code, str) else None,
        "kind": kind,
        "text": text.strip(),
        "phase": phase if isinstance(phase, int) and not isinstance(phase, bool) else None,
        "task_status": status,
        **target(text),
    }
    told = reading.sections.setdefault("requirements", [])
    reading.lines[f"/requirements/{len(told)}"] = number
    told.append(requirement)
    if task.get("subtasks"):
        reading.skip(number, f"The subtasks of task {number} have no place in a PRD; they were left out.")
