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


class EndpointCreate(Body):
    """Where events go, and which."""

    url: Url = Field(description="https, public, no credentials in it.", examples=["https://example.com/hooks/roadbed"])
    event_types: list[Pattern] = Field(
        min_length=1,
        max_length=100,
        description="Names of the catalogue, a family like `decision.*`, or `*`.",
        examples=[["roadmap.reprioritized", "decision.*"]],
    )
    description: Line | None = None
    enabled: bool = True
    metadata: Metadata = Field(default_factory=dict)


class EndpointPatch(Patch):
    """A merge patch of an endpoint. Enabling it again sends what was held."""

    required: ClassVar[frozenset[str]] = frozenset({"url", "event_types", "enabled"})

    url: Url | None = None
    event_types: list[Pattern] | None = Field(None, min_length=1, max_length=100)
    description: Line | None = None
    enabled: bool | None = None
    metadata: Metadata | None = None


class EndpointShown(Shown):
    id: EndpointId
    object: Literal["endpoint"]
    livemode: bool
    url: str
    event_types: list[str]
    description: str | None
    enabled: bool
    disabled_reason: str | None = Field(description="Why we disabled it: `gone` after a 410.")
    metadata: dict[str, Any]
    version: Version
    created_at: Moment
    updated_at: Moment


class EndpointCreated(EndpointShown):
    secret: str = Field(description="Told once, here: `whsec_` and base64.")


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
