"""A span and a duration for each attempt at a delivery, where an operator exports them."""

from urllib.parse import urlsplit

from api.db import wire_id
from api.otel import Exported
from api.webhooks.claims import Claimed
from workers.sender import Outcome


def tell(exported: Exported, delivery: Claimed, outcome: Outcome) -> None:
    """Under the ids that the attempt's own `traceparent` carried, so that a receiver's spans hang below it.

    Of the URL only the host is told: paths and queries of hooks hold secrets.
    """
    ok = outcome.error is None and outcome.status_code is not None and 200 <= outcome.status_code < 300
    result = "delivered" if ok else outcome.error or f"status_{outcome.status_code}"
    facts: dict[str, str | int] = {
        "http.request.method": "POST",
        "server.address": urlsplit(delivery.receiver.url).hostname or "",
        "roadbed.event_type": delivery.message.type,
        "roadbed.event_id": delivery.message.id,
        "roadbed.delivery_id": wire_id("dlv", delivery.delivery_id),
        "roadbed.attempt_id": wire_id("att", delivery.attempt_id),
        "roadbed.endpoint_id": wire_id("ep", delivery.endpoint_id),
        "roadbed.attempt": delivery.number,
        "roadbed.result": result,
    }
    if outcome.status_code is not None:
        facts["http.response.status_code"] = outcome.status_code
    if not ok:
        facts["error.type"] = result
    seconds = outcome.latency_ms / 1000
    trace_id, span_id = int(delivery.message.trace_id or delivery.event_id.hex, 16), delivery.attempt_id.int & _LOW
    exported.sent(f"deliver {delivery.message.type}", trace_id, span_id, seconds, facts, ok)
    exported.measured("roadbed.delivery.duration", seconds, {"roadbed.result": result})


_LOW = 2**64 - 1
