"""How far the approval of a PRD is, and which way it may move."""

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import distinct_on

from api.accounts.tenancy import owned
from api.prds.models import Review
from api.problems import Conflict
from api.stores import Prepared, Transaction

MOST_REVIEWERS = 1_000
NEXT = {
    "draft": ("in_review", "archived"),
    "in_review": ("draft", "approved", "archived"),
    "approved": ("in_review", "shipped", "archived"),
    "shipped": ("archived",),
    "archived": (),
}


class IllegalTransition(Conflict):
    """The PRD does not go from its status to that one."""

    code, title = "illegal_transition", "The PRD does not go from its status to that one"


class NotApproved(Conflict):
    """The quorum is not there, somebody asked for changes, or a blocking question is open."""

    code, title = "not_approved", "The PRD has not been approved by enough reviewers"


class QuestionsOpen(Conflict):
    code, title = "blocking_questions", "A blocking question is open"


@dataclass(frozen=True)
class Standing:
    """The verdicts on one content of a PRD, the last of each reviewer."""

    required: int
    approved_by: tuple[str, ...]
    changes_requested_by: tuple[str, ...]
    blocking_questions: tuple[str, ...]

    @property
    def reached(self) -> bool:
        return len(self.approved_by) >= self.required and not self.changes_requested_by and not self.blocking_questions

    def without_reviews(self) -> "Standing":
        """After a change of what it says."""
        return replace(self, approved_by=(), changes_requested_by=())

    def of_questions(self, sections: dict[str, Any]) -> "Standing":
        return replace(self, blocking_questions=_blocking(sections))

    def shown(self) -> dict[str, Any]:
        return {
            "required": self.required,
            "approved_by": list(self.approved_by),
            "changes_requested_by": list(self.changes_requested_by),
            "blocking_questions": list(self.blocking_questions),
        }


_LAST_VERDICTS = Prepared(
    select(Review.reviewer, Review.verdict)
    .where(
        owned(Review),
        Review.prd_id == bindparam("prd_id"),
        Review.content_version == bindparam("content_version"),
        Review.verdict != "comment",
    )
    .ext(distinct_on(Review.reviewer))
    .order_by(Review.reviewer, Review.id.desc())
    .limit(MOST_REVIEWERS)
)


async def approval(
    tx: Transaction, prd_id: UUID, content_version: int, required: int, sections: dict[str, Any]
) -> Standing:
    """Where the approval stands. Reviews of another content do not count."""
    rows = await tx.all(_LAST_VERDICTS, prd_id=prd_id, content_version=content_version)
    by = {verdict: tuple(row["reviewer"] for row in rows if row["verdict"] == verdict) for verdict in _VERDICTS}
    return Standing(required, by["approve"], by["request_changes"], _blocking(sections))


_VERDICTS = ("approve", "request_changes")


def check_transition(status: str, wanted: str, standing: Standing) -> None:
    """Raises IllegalTransition, QuestionsOpen, NotApproved."""
    if wanted not in NEXT[status]:
        ways = " or ".join(NEXT[status]) or "nowhere"
        raise IllegalTransition(f"A PRD that is {status} goes to {ways}, not to {wanted}.")
    if wanted != "approved":
        return
    refuse_open_questions(standing)
    if not standing.reached:
        raise NotApproved(
            f"{len(standing.approved_by)} of {standing.required} reviewers approve what it says now, and "
            f"{len(standing.changes_requested_by)} ask for changes. Reviews are sent to POST /v1/prds/{{id}}/reviews."
        )


def refuse_open_questions(standing: Standing) -> None:
    """Raises QuestionsOpen."""
    if standing.blocking_questions:
        names = ", ".join(standing.blocking_questions)
        raise QuestionsOpen(f"{names} must be answered before the PRD can be approved.")


def _blocking(sections: dict[str, Any]) -> tuple[str, ...]:
    questions = sections.get("open_questions") or []
    return tuple(question["id"] for question in questions if question["blocking"] and not question["answer"])
