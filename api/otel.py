"""OpenTelemetry for operators: traces and metrics over OTLP, where the standard `OTEL_…` variables ask for them.

Without those variables nothing here is imported and nothing is done. The packages are the extra `otel`; the protocol is
OTLP over HTTP, whose addresses, headers, timeouts, samplers and queues OpenTelemetry's own variables set.
"""

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import Span
    from opentelemetry.trace import SpanKind
    from opentelemetry.util.types import AttributeValue

log = structlog.get_logger()

TRACES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
METRICS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT")
_PROTOCOL = "http/protobuf"
# Seconds: the buckets that the semantic conventions advise, and what a slow receiver takes.
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 30.0)


def wanted(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether anything is to be exported."""
    off = environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    return not off and any(environ.get(name) for name in (*TRACES, *METRICS))


def exported(service: str, environ: Mapping[str, str] = os.environ) -> "Exported | None":
    """What exports for this process, or None: nobody wants it, or the packages are not there, which is logged."""
    if not wanted(environ):
        return None
    protocol = environ.get("OTEL_EXPORTER_OTLP_PROTOCOL") or _PROTOCOL
    if protocol != _PROTOCOL:
        log.warning("otel_is_off", reason=f"OTEL_EXPORTER_OTLP_PROTOCOL is {protocol}; only {_PROTOCOL} is spoken")
        return None
    try:
        return Exported(service, environ)
    except ImportError:
        log.warning("otel_is_off", reason="the packages are not installed: pip install 'roadbed[otel]'")
        return None


class Exported:
    """The spans and figures of one process. They leave from a thread of their own, and are dropped when it lags."""

    def __init__(self, service: str, environ: Mapping[str, str]) -> None:
        from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415 - an extra
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415

        resource = Resource.create({} if environ.get("OTEL_SERVICE_NAME") else {"service.name": service})
        self._ids = _ids()
        self._traces = TracerProvider(resource=resource, id_generator=self._ids, shutdown_on_exit=False)
        if _on("TRACES", TRACES, environ):
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
            from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

            self._traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        readers: list[Any] = []
        if _on("METRICS", METRICS, environ):
            from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter  # noqa: PLC0415
            from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader  # noqa: PLC0415

            readers.append(PeriodicExportingMetricReader(OTLPMetricExporter()))
        self._metrics = MeterProvider(readers, resource=resource, shutdown_on_exit=False)
        self._tracer = self._traces.get_tracer("roadbed")
        self._meter = self._metrics.get_meter("roadbed")
        self._histograms: dict[str, Any] = {}

    def served(self, traceparent: str | None) -> "Span":
        """The span of a request that has just come, within the caller's trace where it named one."""
        from opentelemetry.trace import SpanKind  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

        carrier = {} if traceparent is None else {"traceparent": traceparent}
        return self._start("request", TraceContextTextMapPropagator().extract(carrier), SpanKind.SERVER, None)

    def sent(
        self, name: str, trace_id: int, span_id: int, seconds: float, facts: "Mapping[str, AttributeValue]", ok: bool
    ) -> None:
        """A call of ours that has just ended, under ids that were sent with it."""
        from opentelemetry.context import Context  # noqa: PLC0415
        from opentelemetry.trace import SpanKind, StatusCode  # noqa: PLC0415

        now = time.time_ns()
        self._ids.next = trace_id, span_id
        span = self._start(name, Context(), SpanKind.CLIENT, now - int(seconds * 1e9))
        self._ids.next = None
        span.set_attributes(facts)
        if not ok:
            span.set_status(StatusCode.ERROR)
        span.end(now)

    def measured(self, name: str, seconds: float, facts: "Mapping[str, AttributeValue]") -> None:
        """One duration more."""
        histogram = self._histograms.get(name)
        if histogram is None:
            histogram = self._meter.create_histogram(name, "s", explicit_bucket_boundaries_advisory=_BUCKETS)
            self._histograms[name] = histogram
        histogram.record(seconds, facts)

    def close(self) -> None:
        """Send what is left; it takes as long as the receiver does, so not on the event loop."""
        self._traces.shutdown()
        self._metrics.shutdown()

    def _start(self, name: str, context: Any, kind: "SpanKind", start_ns: int | None) -> "Span":
        started: Any = self._tracer.start_span(name, context, kind=kind, start_time=start_ns)
        found: Span = started
        return found


def traceparent_of(span: "Span") -> str:
    """The header that hands a span on (W3C Trace Context, 3.2)."""
    told = span.get_span_context()
    return f"00-{told.trace_id:032x}-{told.span_id:016x}-{int(told.trace_flags):02x}"


def _on(signal: str, addresses: tuple[str, ...], environ: Mapping[str, str]) -> bool:
    """`OTEL_TRACES_EXPORTER=none` and its like switch one signal off."""
    return environ.get(f"OTEL_{signal}_EXPORTER", "otlp") == "otlp" and any(environ.get(name) for name in addresses)


def _ids() -> Any:
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator  # noqa: PLC0415

    class Ids(RandomIdGenerator):
        """Random ids, unless `next` says which."""

        next: tuple[int, int] | None = None

        def generate_trace_id(self) -> int:
            return self.next[0] if self.next is not None else super().generate_trace_id()

        def generate_span_id(self) -> int:
            return self.next[1] if self.next is not None else super().generate_span_id()

    return Ids()
