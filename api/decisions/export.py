"""A decision as a Markdown record. One that was imported and not changed since comes back to the byte."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, select

from api import json
from api.accounts.tenancy import one, owned
from api.decisions import records
from api.decisions.draft import DECISION
from api.decisions.models import Decision, DecisionLink
from api.decisions.records import Read
from api.decisions.schemas import Format
from api.stores import Prepared, Transaction

_BY_ID = Prepared(DECISION.select(DECISION.table.c.source_format, DECISION.table.c.source_text))
_SUPERSEDED_BY = Prepared(
    select(func.min(Decision.number))
    .join(
        DecisionLink,
        (DecisionLink.workspace_id == Decision.workspace_id)
        & (DecisionLink.livemode == Decision.livemode)
        & (DecisionLink.from_id == Decision.id),
    )
    .where(owned(Decision), DecisionLink.kind == "supersedes", DecisionLink.to_id == bindparam("id"))
)


async def as_markdown(tx: Transaction, decision_id: UUID, format: Format | None) -> tuple[str, int]:
    """The text and the version. Raises NotFound."""
    row = await one(tx, _BY_ID, decision_id, "decision", "dec")
    decision = json.load(row["json"])
    superseded_by = await tx.value(_SUPERSEDED_BY, id=decision_id)
    wanted: Format = format or row["source_format"] or "madr"
    if row["source_text"] is None or wanted != row["source_format"]:
        return records.write(decision | {"status_line": status_line(decision, superseded_by)}, wanted), row["version"]
    told = records.read(row["source_text"], wanted)
    was = as_shown(told)
    kept = told.status in (None, "accepted", "deprecated", "superseded") and superseded_by is None
    # A draft that was imported as proposed, or a record that was accepted there, keeps its own word for it.
    same = kept if decision["status"] == "recorded" else told.status in (None, "proposed", "draft", "rejected")
    line = was["status_line"] if same else status_line(decision, superseded_by)
    now = decision | {"status_line": line}
    if decision["status"] != "recorded":
        now |= {"chosen": was["chosen"], "rationale": was["rationale"]}
    return records.rewrite(row["source_text"], wanted, was, now), row["version"]


def status_line(decision: Mapping[str, Any], superseded_by: int | None) -> str:
    if superseded_by is not None:
        return f"superseded by ADR-{superseded_by:04}"
    return "accepted" if decision["status"] == "recorded" else "proposed"


def as_shown(told: Read) -> dict[str, Any]:
    """What was read, in the form of a decision on the wire."""
    options = [
        {"key": option_key(index), "title": option.title, "pros": option.pros, "cons": option.cons}
        for index, option in enumerate(told.options)
    ]
    return {
        "title": told.title,
        "context": told.context,
        "options": options,
        "chosen": None if told.chosen is None else option_key(told.chosen),
        "rationale": told.rationale,
        "status_line": told.status or "",
    }


def option_key(index: int) -> str:
    return f"option_{index + 1}"
