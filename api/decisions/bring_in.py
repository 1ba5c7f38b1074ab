"""Bring in decision records from Markdown. Nothing is invented: what is not understood is kept in the text and told."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Text, bindparam, select

from api.accounts.tenancy import owned
from api.db import wire_id
from api.decisions import records
from api.decisions.draft import draft
from api.decisions.export import as_shown, option_key
from api.decisions.link import AlreadySuperseded, link
from api.decisions.models import Decision
from api.decisions.record import record
from api.decisions.schemas import DecisionCreate, DecisionLinkCreate, Format, Verdict
from api.http.etags import ANY
from api.problems import Invalid
from api.stores import Prepared, Transaction

_SAME_TEXT = Prepared(
    select(Decision.id).where(owned(Decision), Decision.source_text == bindparam("source_text")).limit(1)
)
_BY_ALIAS = Prepared(
    select(Decision.id, Decision.status)
    .where(owned(Decision), Decision.aliases.overlap(bindparam("aliases", type_=ARRAY(Text))))
    .order_by(Decision.number.desc())
    .limit(1)
)


@dataclass(slots=True)
class BroughtIn:
    """What became of one document. `skipped` says what was not understood, with its line."""

    created: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    skipped: list[dict[str, Any]] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)


async def bring_in(tx: Transaction, text: str, format: Format | None = None) -> BroughtIn:
    """Make a decision of one record; the same text a second time changes nothing.

    An accepted record that names its chosen option is recorded, any other one becomes a draft. What it says to
    supersede is linked where that is here.
    """
    told = records.read(text, format)
    result = BroughtIn(kept=told.kept, skipped=[{"line": one.line, "reason": one.reason} for one in told.skipped])
    if told.title is None or not told.options:
        return result
    same = await tx.value(_SAME_TEXT, source_text=text)
    if same is not None:
        result.unchanged.append(wire_id("dec", same))
        return result
    aliases = [] if told.number is None else [f"ADR-{told.number:04}"]
    namesake = await tx.first(_BY_ALIAS, aliases=aliases)
    if namesake is not None:
        name = wire_id("dec", namesake["id"])
        reason = f"{aliases[0]} is {name} already, with another text: link a later decision to it instead"
        result.skipped.append({"line": 1, "reason": reason})
        return result
    decision_id = await _make(tx, text, told, aliases, result)
    if decision_id is not None:
        result.created.append(wire_id("dec", decision_id))
    return result


async def _make(tx: Transaction, text: str, told: records.Read, aliases: list[str], result: BroughtIn) -> UUID | None:
    shown = as_shown(told)
    try:
        wanted = DecisionCreate.model_validate(
            {
                "title": told.title,
                "kind": "architecture",
                "context": told.context,
                "options": shown["options"],
                "aliases": aliases,
            }
        )
        decision_id, _ = await draft(tx, wanted, source=(told.format, text))
    except (Invalid, ValueError) as error:
        result.skipped.append({"line": 0, "reason": str(error).splitlines()[0][:300]})
        return None
    if told.status in ("accepted", "deprecated", "superseded") and told.chosen is not None:
        verdict = Verdict(
            chosen=option_key(told.chosen),
            rationale=told.rationale or "The record gives none.",
            decided_by=told.decided_by,
            decided_at=told.decided_at if told.decided_at and told.decided_at <= datetime.now(UTC) else None,
        )
        await record(tx, decision_id, verdict, ANY)
        await _link(tx, decision_id, told.supersedes, result)
    elif told.status == "accepted":
        result.skipped.append({"line": 0, "reason": "it is accepted, but names no chosen option: it is a draft here"})
    return decision_id


async def _link(tx: Transaction, decision_id: UUID, aliases: list[str], result: BroughtIn) -> None:
    for alias in aliases:
        earlier = await tx.first(_BY_ALIAS, aliases=[alias])
        if earlier is None or earlier["status"] != "recorded":
            result.skipped.append({"line": 0, "reason": f"it supersedes {alias}, which is not recorded here"})
            continue
        try:
            await link(tx, decision_id, DecisionLinkCreate(kind="supersedes", decision_id=earlier["id"]))
        except (AlreadySuperseded, Invalid) as problem:
            result.skipped.append({"line": 0, "reason": f"{alias}: {problem}"})
