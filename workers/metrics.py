"""What a worker tells Prometheus, on `ROADBED_WORKER_METRICS_PORT` where that is set."""

from prometheus_client import Counter, Gauge, Histogram

ATTEMPTS = Counter("roadbed_delivery_attempts_total", "Attempts that ended", ["result"])
LATENCY = Histogram(
    "roadbed_delivery_attempt_seconds",
    "Time of one attempt",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30),
)
IN_FLIGHT = Gauge("roadbed_deliveries_in_flight", "Deliveries that this worker has claimed and not yet sent")
BACKLOG = Gauge("roadbed_deliveries_due", "Deliveries that are due and not claimed, counted up to 10,000")
BACKLOG_AGE = Gauge("roadbed_deliveries_due_age_seconds", "How long the oldest of them has waited")
