"""Read a PRD's versions, what differs between two, and the PRD as a document."""

from collections import Counter
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import bindparam, func, select

from api.accounts.tenancy import one, owned
from api.db import wire_id
from api.http.pagination import Listing
from api.http.representation import Representation
from api.prds import speckit, taskmaster
from api.prds.diff import diff
from api.prds.models import PrdVersion
from api.prds.observe import OBSERVATION
from api.prds.render import markdown
from api.prds.review import REVIEW
from api.prds.schemas import VersionShown, VersionSummary
from api.prds.write import PRD
from api.problems import NotFound
from api.stores import Prepared, Transaction

VERSIONS = Listing(Representation(VersionSummary, PrdVersion.__table__, "prd_version"), filters=("prd_id",))
REVIEWS = Listing(REVIEW, filters=("prd_id",))
OBSERVATIONS = Listing(OBSERVATION, filters=("prd_id", "metric_id"))

_SHAPE = Representation(VersionShown, PrdVersion.__table__, "prd_version")
_of_prd = (owned(PrdVersion), PrdVersion.prd_id == bindparam("prd_id"))
_VERSION = Prepared(
    select(_SHAPE.text(), PrdVersion.title, PrdVersion.sections).where(
        *_of_prd, PrdVersion.number == bindparam("number")
    )
)
_LATEST = Prepared(select(func.max(PrdVersion.number)).where(*_of_prd))
_DOCUMENT = Prepared(PRD.select(PRD.table.c.title, PRD.table.c.sections, PRD.table.c.source))


async def version(tx: Transaction, prd_id: UUID, number: int) -> asyncpg.Record:
    """`json`, `title` and `sections` of a version. Raises NotFound."""
    row = await tx.first(_VERSION, prd_id=prd_id, number=number)
    if row is None:
        raise NotFound(f"There is no version {number} of {wire_id('prd', prd_id)} here.")
    return row


async def compare(tx: Transaction, prd_id: UUID, older: int, newer: int | None) -> dict[str, Any]:
    """What `newer`, or the latest version, says that `older` did not. Raises NotFound."""
    newer = newer or await tx.value(_LATEST, prd_id=prd_id) or 1
    before, after = await version(tx, prd_id, older), await version(tx, prd_id, newer)
    changes = diff(before["title"], before["sections"], after["title"], after["sections"])
    return {
        "object": "prd_diff",
        "prd_id": wire_id("prd", prd_id),
        "from_version": older,
        "to_version": newer,
        "summary": dict(sorted(Counter(change.change for change in changes).items())),
        "changes": [change._asdict() for change in changes],
    }


async def document(tx: Transaction, prd_id: UUID) -> asyncpg.Record:
    """`title`, `sections`, `source` and `version`. Raises NotFound."""
    return await one(tx, _DOCUMENT, prd_id, "PRD", "prd")


def as_markdown(row: asyncpg.Record) -> str:
    """The PRD in the guide's template; of an imported one what has not changed is as it was, byte for byte."""
    return markdown(row["title"], row["sections"], row["source"])


def exported(row: asyncpg.Record, prd_id: UUID, format: str) -> tuple[str, str, list[str]]:
    """The document, its media type, and the sections that the format cannot hold."""
    title, sections = row["title"], row["sections"]
    if format == "speckit":
        return speckit.write(title, sections), "text/markdown", speckit.lost(sections)
    if format == "taskmaster":
        text = taskmaster.write(title, sections, wire_id("prd", prd_id))
        return text, "application/json", taskmaster.lost(sections)
    return as_markdown(row), "text/markdown", []
