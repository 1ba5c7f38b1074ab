"""Reading events on the wire."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from api.http.findings import misplaced
from api.http.pagination import PageQuery
from api.http.schema import Asked, CommaSeparated
from api.webhooks.catalogue import every_type, unknown_patterns
from api.webhooks.schemas import Pattern

MOST_WAIT_S = 30


def _names(patterns: list[str] | None) -> list[str] | None:
    """The event types that the patterns mean. Raises a validation error for one that means none."""
    if patterns is None:
        return None
    unknown = unknown_patterns(patterns)
    if unknown:
        message = "no event type matches {names}; GET /v1/catalog lists them all"
        raise PydanticCustomError("unknown_event_type", message, {"names": ", ".join(unknown)})
    return [event_type.name for event_type in every_type() if set(event_type.patterns) & set(patterns)]


Types = Annotated[
    # The bound is of what is asked for: `*` alone becomes more names than that.
    Annotated[list[Pattern], Field(max_length=20)] | None,
    CommaSeparated,
    AfterValidator(_names),
    Field(description="Names of the catalogue or families like `decision.*`, comma separated."),
]
After = Annotated[
    str,
    Field(
        min_length=1,
        max_length=1000,
        description="Read on from here, oldest first: `next_cursor`, an event's id, `start` (all kept) or `now`.",
    ),
]


class EventQuery(PageQuery):
    """Without `after` a list, newest first; with it the feed, oldest first."""

    type: Types = None
    after: After | None = None
    wait_s: float = Field(
        0, ge=0, le=MOST_WAIT_S, description="With `after`: wait so long for the first event, in seconds."
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.after is not None and self.cursor is not None:
            raise misplaced("exclusive", "after reads on, cursor reads back: give one of them", "after", "cursor")
        if self.after is not None and self.include:
            raise misplaced("exclusive", "include counts a list, after reads on: give one of them", "include", "after")
        if self.after is None and self.wait_s:
            raise misplaced("incomplete", "needs after: it waits for what comes after it", "wait_s")
        return self


class StreamQuery(Asked):
    """Where the stream begins, and what is in it."""

    type: Types = None
    after: After = "now"
