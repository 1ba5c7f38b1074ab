"""What is told of endpoints."""

from typing import Any

from api.webhooks.catalogue import declare
from api.webhooks.schemas import EndpointShown

EXAMPLE: dict[str, Any] = {
    "id": "ep_01h455vb4pex5vsknk084sn02q",
    "object": "endpoint",
    "livemode": True,
    "url": "https://example.com/hooks/roadbed",
    "event_types": ["decision.*"],
    "condition": None,
    "description": None,
    "enabled": False,
    "disabled_reason": "failing",
    "ordering": "none",
    "payload": "full",
    "schedule": None,
    "rate_per_s": None,
    "max_in_flight": 16,
    "headers": ["x-team"],
    "metadata": {},
    "version": 2,
    "created_at": "2026-11-18T09:30:00.000000Z",
    "updated_at": "2026-11-23T09:30:00.000000Z",
}

DISABLED = declare(
    "webhook_endpoint.disabled",
    data=EndpointShown,
    example=EXAMPLE,
    since="2026-11-23",
    description=(
        "We stopped an endpoint: it answered 410 (`gone`), or has done nothing but fail for five days (`failing`). "
        "What it would get is held. Sent to the workspace's other endpoints."
    ),
)
ENABLED = declare(
    "webhook_endpoint.enabled",
    data=EndpointShown,
    example=EXAMPLE | {"enabled": True, "disabled_reason": None, "version": 3},
    since="2026-11-23",
    description="An endpoint goes on, by PATCH or because a test of it arrived. What was held is on its way.",
)
SECRET_ROTATED = declare(
    "webhook_endpoint.secret_rotated",
    data=EndpointShown,
    example=EXAMPLE | {"enabled": True, "disabled_reason": None},
    since="2026-11-23",
    description="An endpoint has a new signing key. Both sign until the old one expires.",
)
