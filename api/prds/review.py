"""Review a PRD: a verdict on what it says now. Enough approvals approve it."""

from typing import Any
from uuid import UUID

import asyncpg

from api import json
from api.accounts.tenancy import insert_owned, one
from api.db import uuid7, wire_id
from api.http.etags import Precondition
from api.http.representation import Representation
from api.prds import events
from api.prds.approval import Standing, approval, refuse_open_questions
from api.prds.models import Review
from api.prds.schemas import ReviewCreate, ReviewShown
from api.prds.write import LOCK, set_status
from api.problems import Conflict
from api.stores import Prepared, Transaction
from api.webhooks.outbox import emit, written_once

REVIEW = Representation(ReviewShown, Review.__table__, "review")
_NAMES = ("id", "prd_id", "content_version", "verdict", "reviewer", "body", "comments")
_INSERT = Prepared(insert_owned(Review.__table__, *_NAMES).returning(REVIEW.text()))


class NotInReview(Conflict):
    """A verdict is given while the PRD is in review, and a comment at any time before it is archived."""

    code, title = "not_in_review", "The PRD is not in review"


async def review(
    tx: Transaction, prd_id: UUID, given: ReviewCreate, key_name: str, precondition: Precondition
) -> tuple[UUID, dict[str, Any]]:
    """Keep the verdict, and approve the PRD when the quorum is there. Gives the review's id and what is answered.

    A reviewer's last verdict counts. Raises NotFound, PreconditionFailed, NotInReview, QuestionsOpen when a blocking
    one has no answer.
    """
    row = await one(tx, LOCK, prd_id, "PRD", "prd")
    precondition.check(row["version"])
    _check_open(prd_id, row, given)
    if given.verdict == "approve":
        refuse_open_questions(await _standing(tx, prd_id, row))
    review_id = uuid7()
    written = await tx.first(
        _INSERT,
        id=review_id,
        prd_id=prd_id,
        content_version=row["content_version"],
        verdict=given.verdict,
        reviewer=given.reviewer or key_name,
        body=given.body,
        comments=json.dump([comment.model_dump() for comment in given.comments]),
    )
    assert written is not None
    standing = await _standing(tx, prd_id, row)
    approves = given.verdict == "approve" and standing.reached
    about = {"prd_status": "approved" if approves else row["status"], "approval": standing.shown()}
    answer = {**json.load(written["json"]), **about}
    await emit(tx, events.REVIEWED, written_once(json.dump(answer)))
    if approves:
        moved = await set_status(tx, prd_id, row, "approved")
        await emit(tx, events.APPROVED, events.moved(moved["json"], "in_review"))
    return review_id, answer


async def _standing(tx: Transaction, prd_id: UUID, row: asyncpg.Record) -> Standing:
    return await approval(tx, prd_id, row["content_version"], row["approvals_required"], row["sections"])


def _check_open(prd_id: UUID, row: asyncpg.Record, given: ReviewCreate) -> None:
    if row["status"] == "in_review" or (given.verdict == "comment" and row["status"] != "archived"):
        return
    message = f"{wire_id('prd', prd_id)} is {row['status']}. Move it with PATCH and status in_review first."
    raise NotInReview(message)
