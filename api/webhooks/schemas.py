"""Endpoints, events and deliveries on the wire."""

from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from api.db import WireId
from api.http.pagination import PageQuery
from api.http.schema import Body, CommaSeparated, Line, Metadata, Moment, Patch, Shown, Version

EndpointId = Annotated[UUID, WireId("ep")]
EventId = Annotated[UUID, WireId("evt")]
DeliveryId = Annotated[UUID, WireId("dlv")]
AttemptId = Annotated[UUID, WireId("att")]
DeliveryStatus = Literal["pending", "held", "delivered", "dead"]
Pattern = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^(\*|[a-z_]+\.([a-z_]+|\*))$")]
Url = Annotated[str, StringConstraints(min_length=1, max_length=2048)]
SecretId = Annotated[UUID, WireId("whs")]
SecretKind = Literal["hmac", "ed25519"]
Secret = Annotated[str, StringConstraints(min_length=30, max_length=200)]
Ordering = Literal["none", "endpoint", "entity"]
Payload = Literal["full", "thin"]
Pauses = Annotated[list[Annotated[int, Field(ge=0, le=604_800)]], Field(min_length=1, max_length=20)]
Rate = Annotated[int, Field(ge=1, le=10_000)]
InFlight = Annotated[int, Field(ge=1, le=256)]
HeaderName = Annotated[str, StringConstraints(min_length=1, max_length=128)]
HeaderValue = Annotated[str, StringConstraints(max_length=2048)]
Scalar = str | int | bool | None
Condition = Annotated[
    dict[Annotated[str, StringConstraints(min_length=1, max_length=100)], Scalar | list[Scalar]], Field(max_length=10)
]
_CONDITION = (
    "Only events whose data has, in each of these fields, one of these values; a field that is a list, one in common."
)
_ORDERING = (
    "`endpoint` sends one after the other, in the order of the events; `entity` does so for each resource. "
    "One that fails holds back those behind it until it arrives or is a dead letter."
)
_SCHEDULE = "Seconds before each attempt, 1 to 20 of them; null is ten attempts over 75 hours."


class EndpointCreate(Body):
    """Where events go, which, and how."""

    url: Url = Field(description="https, public, no credentials in it.", examples=["https://example.com/hooks/roadbed"])
    event_types: list[Pattern] = Field(
        min_length=1,
        max_length=100,
        description="Names of the catalogue, a family like `decision.*`, or `*`.",
        examples=[["roadmap.reprioritized", "decision.*"]],
    )
    condition: Condition | None = Field(None, description=_CONDITION, examples=[{"bucket": ["technical"]}])
    description: Line | None = None
    enabled: bool = True
    ordering: Ordering = Field("none", description=_ORDERING)
    payload: Payload = Field("full", description="`thin` sends id, object, version and changed; you read the rest.")
    schedule: Pauses | None = Field(None, description=_SCHEDULE, examples=[[0, 5, 300, 1800]])
    rate_per_s: Rate | None = Field(None, description="At most so many requests a second, from each worker.")
    max_in_flight: InFlight = Field(16, description="At most so many requests at once, from each worker.")
    headers: dict[HeaderName, HeaderValue] = Field(
        default_factory=dict, max_length=20, description="Your own, sent along. They are sealed, and never shown again."
    )
    secret: Secret | None = Field(None, description="Bring your own: `whsec_…` or `whsk_…`. Else we make one.")
    metadata: Metadata = Field(default_factory=dict)


class EndpointPatch(Patch):
    """A merge patch of an endpoint. Enabling it again sends what was held."""

    required: ClassVar[frozenset[str]] = frozenset(
        {"url", "event_types", "enabled", "ordering", "payload", "max_in_flight"}
    )

    url: Url | None = None
    event_types: list[Pattern] | None = Field(None, min_length=1, max_length=100)
    condition: Condition | None = Field(None, description=_CONDITION)
    description: Line | None = None
    enabled: bool | None = None
    ordering: Ordering | None = Field(None, description=_ORDERING)
    payload: Payload | None = None
    schedule: Pauses | None = Field(None, description=_SCHEDULE)
    rate_per_s: Rate | None = None
    max_in_flight: InFlight | None = None
    headers: dict[HeaderName, HeaderValue | None] | None = Field(None, max_length=20)
    metadata: Metadata | None = None


class EndpointShown(Shown):
    id: EndpointId
    object: Literal["endpoint"]
    livemode: bool
    url: str
    event_types: list[str]
    condition: dict[str, Any] | None
    description: str | None
    enabled: bool
    disabled_reason: str | None = Field(description="Why we did it: `gone` after a 410, `failing` after five days.")
    ordering: Ordering
    payload: Payload
    schedule: list[int] | None
    rate_per_s: int | None
    max_in_flight: int
    headers: list[str] = Field(description="The names of your own headers; their values are never shown.")
    metadata: dict[str, Any]
    version: Version
    created_at: Moment
    updated_at: Moment


class EndpointCreated(EndpointShown):
    secret: str = Field(description="Told once, here: `whsec_` and base64.")


class RotateSecret(Body):
    """A new signing key. Those there go on signing for the overlap."""

    kind: SecretKind = Field("hmac", description="hmac signs `v1`, ed25519 signs `v1a`.")
    secret: Secret | None = Field(None, description="Bring your own: `whsec_…` or `whsk_…`. Else we make one.")
    overlap_s: Annotated[int, Field(ge=0, le=604_800)] | None = Field(
        86_400, description="How long the keys there go on, up to 7 days; null lets them live."
    )


class SecretShown(Shown):
    id: SecretId
    object: Literal["endpoint_secret"]
    livemode: bool
    endpoint_id: EndpointId
    kind: SecretKind
    public_key: str | None = Field(description="`whpk_…` of an ed25519 key.")
    created_at: Moment
    expires_at: Moment | None


class SecretCreated(SecretShown):
    secret: str = Field(description="Told once, here.")


class JwksShown(Shown):
    """RFC 7517."""

    keys: list[dict[str, str]] = Field(max_length=10)


class EndpointStats(Shown):
    """How deliveries to an endpoint have gone in the last 24 hours, and how it stands now."""

    object: Literal["endpoint_stats"]
    endpoint_id: EndpointId
    breaker: Literal["closed", "open"]
    blocked_until: Moment | None = Field(description="Nothing is sent before then.")
    failing_since: Moment | None
    failures_in_row: int
    attempts: int = Field(description="In the last 24 hours, the newest 10,000 counted.")
    success_rate: float | None = Field(description="0 to 1.")
    p50_ms: float | None
    p95_ms: float | None
    pending: int = Field(description="Deliveries that wait, counted up to 10,000.")
    held: int = Field(description="Deliveries held until it is enabled, counted up to 10,000.")
    dead: int = Field(description="Dead letters, counted up to 10,000.")
    oldest_pending_s: float | None = Field(description="How long the oldest has waited, seconds.")


class EventShown(Shown):
    """An event as it was sent."""

    id: EventId
    object: Literal["event"]
    type: str
    timestamp: Moment
    workspace_id: Annotated[UUID, WireId("ws")]
    livemode: bool
    data: dict[str, Any]


class EventQuery(PageQuery):
    type: Annotated[list[str] | None, CommaSeparated] = Field(None, max_length=20, description="Comma separated.")


class AttemptShown(Shown):
    """One request. Without `finished_at` it is under way, or the worker that made it died."""

    id: AttemptId
    object: Literal["attempt"]
    number: int
    started_at: Moment
    finished_at: Moment | None
    status_code: int | None
    error: str | None = Field(description="A stable code: timeout, dns, tls, connect_refused, http_500, redirect …")
    latency_ms: float | None
    request_headers: list[list[str]] | None = Field(
        description="As they were sent, but for host and content-length; null while it is under way, or when nothing "
        "could be sent. The signature and the values of your own headers are redacted.",
        max_length=40,
    )
    response_headers: list[list[str]] | None
    response_body: str | None = Field(description="The first 16 KiB.")


class DeliveryShown(Shown):
    id: DeliveryId
    object: Literal["delivery"]
    livemode: bool
    event_id: EventId
    endpoint_id: EndpointId
    event_type: str
    status: DeliveryStatus
    due_at: Moment | None = Field(description="When the next attempt is due; null once at rest.")
    attempt_count: int
    last_status_code: int | None
    last_error: str | None
    created_at: Moment
    finished_at: Moment | None


class DeliveryWithAttempts(DeliveryShown):
    attempts: list[AttemptShown] = Field(max_length=100, description="Newest first, at most 100.")


class DeliveryQuery(PageQuery):
    endpoint_id: EndpointId | None = None
    event_id: EventId | None = None
    status: Annotated[list[DeliveryStatus] | None, CommaSeparated] = Field(None, max_length=4)


class TestRequest(Body):
    """Which event type's example to send."""

    event_type: str = Field("webhook.test", max_length=100)


class EventTypeShown(Shown):
    name: str
    description: str
    since: str = Field(description="The date of the release that brought it.")
    data_schema: dict[str, Any] = Field(description="JSON Schema of `data`.")
    example: dict[str, Any] = Field(description="A whole body, as an endpoint gets it.")


class CatalogShown(Shown):
    object: Literal["list"]
    data: list[EventTypeShown]
    has_more: Literal[False]
    next_cursor: None
