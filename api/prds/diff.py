"""What one version of a PRD says that another did not: requirements added, relaxed, tightened, removed. Pure."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from api.prds.measure import comparable

Row = Mapping[str, Any]
MOST_CHANGES = 2_000
_LISTS = ("user_stories", "stack", "rationale", "risks", "release_phases")
_PLAIN = ("problem", "solution", "approach", "architecture", "build_vs_buy")
_TEXT_OF = {"user_stories": "text", "stack": "technology", "rationale": "because", "risks": "description"}
_IGNORED = frozenset({"task_status", "downtime_minutes", "error_budget_percent"})


class Change(NamedTuple):
    section: str
    change: str
    id: str | None
    before: Any
    after: Any
    detail: str | None = None


def diff(old_title: str, old: Row, new_title: str, new: Row) -> list[Change]:
    """The changes from the old version to the new one, by section.

    A requirement or a metric is `relaxed` when what met the old one always meets the new one, `tightened` the other
    way round, and `retargeted` when neither holds.
    """
    changes = [Change("title", "changed", None, old_title, new_title)] if old_title != new_title else []
    changes += _requirements(old.get("requirements") or [], new.get("requirements") or [])
    changes += _by_id("success_metrics", old, new, _metric_change)
    changes += _by_id("open_questions", old, new, _question_change)
    for section in _PLAIN:
        changes += _plain(section, old.get(section), new.get(section))
    for section in _LISTS:
        changes += _list(section, old.get(section) or [], new.get(section) or [])
    return changes[:MOST_CHANGES]


def content(sections: Row) -> dict[str, Any]:
    """What a PRD says, without how far the work on it is: what reviewers approve."""
    said = dict(sections)
    said["requirements"] = [
        {name: value for name, value in row.items() if name != "task_status"}
        for row in sections.get("requirements") or []
    ]
    return said


# --- Requirements and metrics -----------------------------------------------------------------------------------------


def _requirements(old: list[Row], new: list[Row]) -> list[Change]:
    before, after = {row["id"]: row for row in old}, {row["id"]: row for row in new}
    changes = [Change("requirements", "removed", code, row, None) for code, row in before.items() if code not in after]
    for code, row in after.items():
        if code not in before:
            changes.append(Change("requirements", "added", code, None, row))
        elif (found := _requirement_change(before[code], row)) is not None:
            change, detail = found
            changes.append(Change("requirements", change, code, before[code], row, detail))
    return changes


def _requirement_change(old: Row, new: Row) -> tuple[str, str | None] | None:
    if old.get("status", "active") != new.get("status", "active"):
        by = f"by {new['superseded_by']}" if new.get("superseded_by") else None
        return (new["status"], by) if new.get("status") in ("superseded", "retired") else ("changed", "active again")
    moved = _movement(old, new, "value")
    if moved:
        return moved
    if old["text"] != new["text"]:
        return "reworded", None
    names = sorted((old.keys() | new.keys()) - _IGNORED)
    changed = [name for name in names if old.get(name) != new.get(name)]
    return ("changed", ", ".join(changed)) if changed else None


def _metric_change(old: Row, new: Row) -> tuple[str, str | None] | None:
    moved = _movement(old, new, "target")
    if moved:
        return moved
    if old["text"] != new["text"]:
        return "reworded", None
    changed = [name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]
    return ("changed", ", ".join(changed)) if changed else None


def _question_change(old: Row, new: Row) -> tuple[str, str | None] | None:
    changed = [name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]
    if changed == ["text"]:
        return "reworded", None
    return (
        ("changed", "answered" if new.get("answer") and not old.get("answer") else ", ".join(changed))
        if changed
        else None
    )


def _movement(old: Row, new: Row, field: str) -> tuple[str, str | None] | None:
    """`relaxed`, `tightened` or `retargeted`, with the two targets in words; None when the target stays."""
    before, after = _goal(old, field), _goal(new, field)
    if before == after and old.get("percentile") == new.get("percentile"):
        return None
    detail = f"{_words(old, field)} → {_words(new, field)}"
    if before is None or after is None:
        return ("tightened" if before is None else "relaxed"), detail
    (old_op, old_value, old_rest), (new_op, new_value, new_rest) = before, after
    if old_rest != new_rest or old_op[0] != new_op[0] or old_op == "=":
        return "retargeted", detail
    sign = -1 if old_op[0] == "<" else 1
    steps = {
        _sign(sign * (new_value - old_value)),
        _sign(_percentile(new) - _percentile(old)) * (1 if old_op[0] == "<" else -1),
        _strictness(new_op) - _strictness(old_op) if new_value == old_value else 0,
    } - {0}
    if steps == {1}:
        return "tightened", detail
    return ("relaxed" if steps == {-1} else "retargeted"), detail


def _goal(row: Row, field: str) -> tuple[str, Decimal, tuple[Any, ...]] | None:
    """Comparator, value in a base unit, and what must be the same for two goals to be compared."""
    if row.get(field) is None:
        return None
    value, unit = comparable(Decimal(row[field]), row.get("unit"))
    # A metric named and one not named are the same target: the name is often only read from the wording.
    return row.get("op") or "=", value, (unit, row.get("percentile") is None)


def _percentile(row: Row) -> Decimal:
    return Decimal((row.get("percentile") or "p0")[1:])


def _strictness(op: str) -> int:
    return int(op in ("<", ">"))


def _sign(value: Decimal) -> int:
    return (value > 0) - (value < 0)


def _words(row: Row, field: str) -> str:
    if row.get(field) is None:
        return "no target"
    return " ".join(
        str(part)
        for part in (row.get("op"), f"{Decimal(row[field]):f}", row.get("unit"), row.get("percentile"))
        if part
    )


# --- The other sections -----------------------------------------------------------------------------------------------


def _by_id(
    section: str, old: Row, new: Row, compare: Callable[[Row, Row], tuple[str, str | None] | None]
) -> list[Change]:
    before = {row["id"]: row for row in old.get(section) or []}
    after = {row["id"]: row for row in new.get(section) or []}
    changes = [Change(section, "removed", code, row, None) for code, row in before.items() if code not in after]
    for code, row in after.items():
        if code not in before:
            changes.append(Change(section, "added", code, None, row))
        elif (found := compare(before[code], row)) is not None:
            changes.append(Change(section, found[0], code, before[code], row, found[1]))
    return changes


def _plain(section: str, old: Any, new: Any) -> list[Change]:
    if old == new:
        return []
    return [Change(section, "added" if not old else "removed" if not new else "changed", None, old, new)]


def _list(section: str, old: list[Row], new: list[Row]) -> list[Change]:
    """Items without ids: the same text is the same item, and one that shares half of its words was reworded."""
    field = _TEXT_OF.get(section, "name")
    before, after = {row[field]: row for row in old}, {row[field]: row for row in new}
    changes = [
        Change(section, "changed", None, before[text], row)
        for text, row in after.items()
        if text in before and before[text] != row
    ]
    gone = {text: row for text, row in before.items() if text not in after}
    for text, row in after.items():
        if text in before:
            continue
        match = max(gone, key=lambda one: _likeness(one, text), default=None)
        if match is not None and _likeness(match, text) >= 0.5:
            changes.append(Change(section, "reworded", None, gone.pop(match), row))
        else:
            changes.append(Change(section, "added", None, None, row))
    return changes + [Change(section, "removed", None, row, None) for row in gone.values()]


def _likeness(one: str, other: str) -> float:
    first, second = set(one.lower().split()), set(other.lower().split())
    return len(first & second) / max(1, len(first | second))
