"""A later decision takes the place of an earlier one, or amends it: a row of its own, never an edit."""

from datetime import UTC, datetime
from uuid import UUID

import asyncpg
from sqlalchemy import bindparam, func, select

from api import json
from api.accounts.tenancy import insert_owned, one, owned
from api.db import uuid7, wire_id
from api.decisions import chain, events
from api.decisions.draft import DECISION
from api.decisions.models import Decision, DecisionLink
from api.decisions.schemas import DecisionLinkCreate
from api.decisions.told import told_version
from api.http.etags import ANY, Precondition
from api.problems import Conflict, invalid_field
from api.stores import Prepared, Transaction
from api.webhooks.outbox import emit

_DECISION = Prepared(
    select(Decision.status, Decision.number, Decision.title, Decision.version).where(
        owned(Decision), Decision.id == bindparam("id")
    )
)
_SUPERSEDED = Prepared(
    select(DecisionLink.from_id).where(
        owned(DecisionLink), DecisionLink.to_id == bindparam("to_id"), DecisionLink.kind == "supersedes"
    )
)
_INSERT = Prepared(insert_owned(DecisionLink.__table__, "id", "kind", "from_id", "to_id", "created_at"))


class NotRecorded(Conflict):
    """Only what was decided can take the place of what was decided."""

    code, title = "not_recorded", "The decision is still a draft"


class AlreadySuperseded(Conflict):
    """Another decision took its place before."""

    code, title = "already_superseded", "Another decision took its place already"


async def link(
    tx: Transaction, decision_id: UUID, wanted: DecisionLinkCreate, precondition: Precondition = ANY
) -> asyncpg.Record:
    """Link the two, put the link into the chain, and emit `decision.superseded` or `decision.amended`.

    Gives the later decision. Raises NotFound, PreconditionFailed, NotRecorded, AlreadySuperseded, and Invalid for a
    link that leads back.
    """
    await chain.hold(tx)
    later = await one(tx, _DECISION, decision_id, "decision", "dec")
    precondition.check(later["version"])
    earlier = await tx.first(_DECISION, id=wanted.decision_id)
    if earlier is None:
        raise invalid_field("/decision_id", "there is no such decision here", "unknown_decision")
    for row, id_ in ((later, decision_id), (earlier, wanted.decision_id)):
        if row["status"] != "recorded":
            raise NotRecorded(f"{wire_id('dec', id_)} is a draft. Record it first.")
    if decision_id == wanted.decision_id or await tx.value(_LEADS_TO, from_id=wanted.decision_id, to_id=decision_id):
        raise invalid_field("/decision_id", "is later than this decision already: the links would lead back", "cycle")
    if wanted.kind == "supersedes" and (by := await tx.value(_SUPERSEDED, to_id=wanted.decision_id)) is not None:
        raise AlreadySuperseded(f"{wire_id('dec', by)} superseded it. Supersede that one.")
    link_id = uuid7()
    try:
        await tx.run(
            _INSERT,
            id=link_id,
            kind=wanted.kind,
            from_id=decision_id,
            to_id=wanted.decision_id,
            created_at=datetime.now(UTC),
        )
    except asyncpg.UniqueViolationError:
        raise AlreadySuperseded("The two are linked like that already.") from None
    await chain.append(tx, "link", link_id)
    told = {
        "id": wire_id("dec", wanted.decision_id),
        "object": "decision_link",
        "version": await told_version(tx, wanted.decision_id),
        "livemode": tx.scope.livemode,
        "kind": "superseded_by" if wanted.kind == "supersedes" else "amended_by",
        "number": earlier["number"],
        "title": earlier["title"],
        "by_id": wire_id("dec", decision_id),
        "by_number": later["number"],
        "by_title": later["title"],
    }
    await emit(tx, events.SUPERSEDED if wanted.kind == "supersedes" else events.AMENDED, json.dump(told))
    return await DECISION.read(tx, decision_id)


def _leads_to() -> Prepared:
    """Whether `from_id` reaches `to_id` along the links."""
    start = select(bindparam("from_id", type_=DecisionLink.from_id.type).label("id")).cte("reached", recursive=True)
    step = select(DecisionLink.to_id).where(owned(DecisionLink), DecisionLink.from_id == start.c.id)
    reached = start.union(step)
    return Prepared(select(func.bool_or(reached.c.id == bindparam("to_id", type_=DecisionLink.to_id.type))))


_LEADS_TO = _leads_to()
