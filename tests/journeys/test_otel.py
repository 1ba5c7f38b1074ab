"""What an operator's collector gets: real processes that export over OTLP to a receiver of this test's own."""

import subprocess
import sys
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from api import otel
from tests.support.processes import Service
from tests.support.receiver import Answer, Receiver

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PATIENCE_S = 30


class Collector(Receiver):
    """An OTLP receiver. It answers 200, as OTLP asks for."""

    def __init__(self) -> None:
        super().__init__(lambda _: Answer(200))

    def spans(self) -> list[dict[str, Any]]:
        """Each with its service, its ids in hex and its attributes."""
        found = []
        for one in self.arrived:
            if one.path == "/v1/traces":
                for resource in ExportTraceServiceRequest.FromString(one.body).resource_spans:
                    service = _plain(resource.resource.attributes)["service.name"]
                    for span in (span for scope in resource.scope_spans for span in scope.spans):
                        ids = {name: getattr(span, name).hex() for name in ("trace_id", "span_id", "parent_span_id")}
                        found.append({"service": service, "name": span.name, **ids, **_plain(span.attributes)})
        return found

    def metrics(self) -> set[str]:
        return {
            metric.name
            for one in self.arrived
            if one.path == "/v1/metrics"
            for resource in ExportMetricsServiceRequest.FromString(one.body).resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    async def span(self, name: str) -> dict[str, Any]:
        while not (found := [span for span in self.spans() if span["name"] == name]):
            await self.count(len(self.arrived) + 1, PATIENCE_S)
        return found[0]


def _plain(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


@pytest.fixture
def exporting(monkeypatch: pytest.MonkeyPatch) -> Any:
    def to(collector: Collector) -> None:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.port}")
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "200")

    return to


async def test_one_trace_holds_the_callers_request_and_the_delivery_that_came_of_it(
    service: Service, exporting: Any
) -> None:
    async with Collector() as collector, Receiver() as subscriber:
        exporting(collector)
        url = service.add_api()
        service.add_worker()
        async with httpx.AsyncClient(base_url=f"{url}/v1", timeout=30) as caller:
            signed_up = (await caller.post("/signup", json={"email": "a@example.com", "workspace": "A"})).json()
            secret = signed_up["live_key"]["secret"]
            caller.headers["Authorization"] = f"Bearer {secret}"
            await caller.post("/endpoints", json={"url": subscriber.url, "event_types": ["feature.created"]})
            caller.headers["traceparent"] = f"00-{TRACE}-{PARENT}-01"
            made = await caller.post("/features", json={"title": "Dark mode"})
            (arrived,) = await subscriber.count(1, within_s=PATIENCE_S)
        request = await collector.span("create_feature")
        delivery = await collector.span("deliver feature.created")
        while not collector.metrics() >= {"http.server.request.duration", "roadbed.delivery.duration"}:
            await collector.count(len(collector.arrived) + 1, PATIENCE_S)
        exported = b"".join(one.body for one in collector.arrived)

    assert (request["trace_id"], request["parent_span_id"]) == (TRACE, PARENT)
    assert request["service"] == "roadbed-api"
    assert request["http.response.status_code"] == 201
    assert request["roadbed.request_id"] == made.headers["Request-Id"]
    assert request["roadbed.key_id"] == signed_up["live_key"]["id"]
    # The subscriber's own spans hang below the attempt's.
    assert arrived.headers["traceparent"].split("-")[1:3] == [TRACE, delivery["span_id"]]
    assert delivery["trace_id"] == TRACE
    assert delivery["service"] == "roadbed-worker"
    assert (delivery["http.response.status_code"], delivery["roadbed.result"]) == (204, "delivered")
    assert delivery["roadbed.event_id"] == arrived.headers["webhook-id"]
    assert secret.encode() not in exported
    assert b"/hook" not in exported


async def test_what_the_caller_does_not_sample_is_not_exported(service: Service, exporting: Any) -> None:
    async with Collector() as collector:
        exporting(collector)
        url = service.add_api()
        async with httpx.AsyncClient(base_url=f"{url}/v1", timeout=30) as caller:
            await caller.get("/catalog", headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})
            await caller.get("/changelog")
        await collector.span("list_releases")
        assert not [span for span in collector.spans() if span["name"] == "get_catalog"]


async def test_requests_are_served_while_no_collector_answers(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    url = service.add_api()
    async with httpx.AsyncClient(base_url=f"{url}/v1", timeout=30) as caller:
        assert {(await caller.get("/catalog")).status_code for _ in range(20)} == {200}


def test_nothing_of_it_is_imported_where_nobody_asks_for_it() -> None:
    script = (
        "import sys, api.main, workers.run; from api.settings import Settings;"
        "app = api.main.create_app(Settings(pepper='A' * 43 + '=', sealing_keys='k1:' + 'A' * 43 + '='));"
        "print([name for name in sys.modules if name.startswith(('opentelemetry.sdk', 'opentelemetry.exporter'))],"
        "['Traced' for one in app.user_middleware if one.cls.__name__ == 'Traced'])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] []"


def test_a_protocol_that_is_not_spoken_leaves_it_off() -> None:
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    assert otel.wanted(variables)
    assert otel.exported("x", variables | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}) is None
    assert not otel.wanted(variables | {"OTEL_SDK_DISABLED": "true"})
    assert otel.exported("x", {}) is None
