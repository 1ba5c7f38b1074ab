"""Sending again, expunging, triggering and explaining, on the wire."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from api.http.findings import misplaced
from api.http.schema import Body, Shown, Time
from api.webhooks.schemas import EndpointId, EventId, Pattern

Types = Annotated[
    list[Pattern] | None,
    Field(min_length=1, max_length=100, description="Names of the catalogue or families like `decision.*`."),
]
Rate = Annotated[
    int | None, Field(ge=1, le=10_000, description="At most so many a second; null for as fast as they go.")
]
AtRest = Literal["delivered", "dead"]


class ReplayRequest(Body):
    """Which events to send to the endpoint again, or for the first time."""

    since: Time = Field(description="Events from then on. RFC 3339.", examples=["2026-11-22T00:00:00Z"])
    until: Time | None = Field(None, description="Events before then; null is now.")
    types: Types = Field(None, description="Null: what the endpoint subscribes to.", examples=[["decision.*"]])
    only_missing: bool = Field(False, description="Only events that the endpoint has no delivery of.")
    rate_per_s: Rate = None
    dry_run: bool = Field(False, description="Only count.")


class RedeliverMany(Body):
    """Which deliveries at rest to send again: all of a time, an endpoint, a status, or a type."""

    endpoint_id: EndpointId | None = Field(None, description="Null: of every endpoint.")
    status: list[AtRest] = Field(["dead"], min_length=1, max_length=2)
    types: Types = Field(None, description="Null: every type.", examples=[["decision.recorded"]])
    since: Time | None = Field(None, description="Deliveries made from then on. RFC 3339.")
    until: Time | None = Field(None, description="Deliveries made before then; null is now.")
    rate_per_s: Rate = None
    dry_run: bool = Field(False, description="Only count.")

    @model_validator(mode="after")
    def _not_everything_by_mistake(self) -> "RedeliverMany":
        if "delivered" in self.status and self.since is None:
            raise misplaced("incomplete", "is needed: what was delivered is sent again only since a time", "since")
        return self


class Trigger(Body):
    """Which event type's example to send to every endpoint that wants it."""

    type: str = Field(min_length=1, max_length=100, examples=["decision.recorded"])


class Triggered(Shown):
    """The event that was made of the example."""

    object: Literal["trigger"]
    event_id: EventId
    type: str
    livemode: bool
    deliveries: int = Field(description="How many endpoints get it.")


class VerifyRequest(Body):
    """A request as your receiver got it."""

    endpoint_id: EndpointId
    headers: dict[
        Annotated[str, StringConstraints(max_length=200)], Annotated[str, StringConstraints(max_length=10_000)]
    ] = Field(
        max_length=200,
        description="All its headers, or at least the three of the signature.",
        examples=[{"webhook-id": "evt_…", "webhook-timestamp": "1795000000", "webhook-signature": "v1,…"}],
    )
    body: Annotated[str, StringConstraints(max_length=262_144)] = Field(description="The raw body, as text.")
    received_at: Time | None = Field(None, description="When it arrived, by your receiver's clock; null is now.")
    tolerance_s: int = Field(300, ge=1, le=86_400, description="How far your receiver lets clocks be apart.")


class Clause(Shown):
    """One thing that a receiver checks, and whether the body is what was sent. `passed` is null for what could not be
    checked: an earlier clause fails, or the log has no such event."""

    name: Literal["headers", "clock", "format", "body", "signature"]
    passed: bool | None
    code: str | None
    message: str


class Verification(Shown):
    """Whether the request verifies; if not, the first clause that fails and what to do about it."""

    object: Literal["verification"]
    verified: bool
    code: str | None = Field(description="Null when it verifies, else stable, like `body_rewritten`.")
    message: str
    version: str | None = Field(description="The signature's version that matched: v1 or v1a.")
    clauses: list[Clause] = Field(max_length=10)
    hints: dict[str, Any] = Field(
        description="`age_s` of the timestamp, and `differs_at`: a JSON Pointer into a changed body."
    )
