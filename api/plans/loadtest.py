"""Read the result of a load test: k6's summary as JSON, JMeter's JTL as CSV. Never raises on a file.

Sources: k6's end-of-test summary (https://grafana.com/docs/k6, `--summary-export` and `handleSummary`); JMeter's CSV
log (https://jmeter.apache.org/usermanual/listeners.html, "CSV Log format").
"""

import csv
import io
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from api import json
from api.problems import Problem

MOST_ROWS = 100_000
MOST_SKIPPED = 20


@dataclass(slots=True)
class Result:
    """Times in milliseconds, `rate` in requests a second, `error_rate` a share. None is what the file does not say."""

    requests: int = 0
    rate: Decimal | None = None
    p50_ms: Decimal | None = None
    p95_ms: Decimal | None = None
    p99_ms: Decimal | None = None
    error_rate: Decimal | None = None
    skipped: list[str] = field(default_factory=list)

    def skip(self, reason: str) -> None:
        if len(self.skipped) < MOST_SKIPPED:
            self.skipped.append(reason[:300])


def read(content: str, format: Literal["k6", "jtl"]) -> Result:
    """What the file says.

    >>> told = read('{"metrics": {"http_reqs": {"count": 9000, "rate": 300.5}}}', "k6")
    >>> told.requests, told.rate
    (9000, Decimal('300.5'))
    """
    return _read_k6(content) if format == "k6" else _read_jtl(content)


def _read_k6(content: str) -> Result:
    result = Result()
    try:
        parsed = json.load_hostile(content.encode("utf-8", "replace"))
    except Problem as problem:
        result.skip(problem.message)
        return result
    metrics = parsed.get("metrics") if isinstance(parsed, dict) else None
    if not isinstance(metrics, dict):
        result.skip('There are no "metrics" in it: is it the summary of k6?')
        return result
    asked, took, failed = (_values(metrics, name) for name in ("http_reqs", "http_req_duration", "http_req_failed"))
    result.requests = int(_number(asked.get("count"), result, "http_reqs.count") or 0)
    result.rate = _number(asked.get("rate"), result, "http_reqs.rate")
    result.p50_ms = _number(took.get("med"), result, "http_req_duration.med")
    result.p95_ms = _number(took.get("p(95)"), result, "http_req_duration.p(95)")
    result.p99_ms = _number(took.get("p(99)"), result, "http_req_duration.p(99)")
    share = failed.get("rate", failed.get("value"))
    result.error_rate = _number(share, result, "http_req_failed")
    if not asked:
        result.skip('There is no metric "http_reqs".')
    return result


def _values(metrics: dict[str, Any], name: str) -> dict[str, Any]:
    """`handleSummary` nests the values, `--summary-export` does not."""
    metric = metrics.get(name)
    if not isinstance(metric, dict):
        return {}
    nested = metric.get("values")
    return nested if isinstance(nested, dict) else metric


def _number(value: Any, result: Result, name: str) -> Decimal | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not 0 <= value <= 10**12:
        result.skip(f"{name} is no number from 0 to 10^12.")
        return None
    return round(Decimal(value), 6)


def _read_jtl(content: str) -> Result:
    result = Result()
    elapsed: list[int] = []
    begun: list[int] = []
    ended: list[int] = []
    failed = 0
    try:
        rows = csv.DictReader(io.StringIO(content))
        names = rows.fieldnames or []
        if "timeStamp" not in names or "elapsed" not in names:
            result.skip("The first line does not name timeStamp and elapsed: is it a JTL in CSV, with its header?")
            return result
        for row in rows:
            if len(elapsed) >= MOST_ROWS:
                result.skip(f"Only the first {MOST_ROWS:,} samples are read.")
                break
            start, took = _whole(row.get("timeStamp")), _whole(row.get("elapsed"))
            if start is None or took is None:
                result.skip(f"Line {rows.line_num}: timeStamp or elapsed is no whole number.")
                continue
            elapsed.append(took)
            begun.append(start)
            ended.append(start + took)
            failed += str(row.get("success", "true")).strip().lower() == "false"
    except csv.Error as error:
        result.skip(f"The CSV cannot be read: {error}.")
    if not elapsed:
        return result
    elapsed.sort()
    span_ms = max(ended) - min(begun)
    result.requests = len(elapsed)
    result.rate = round(Decimal(len(elapsed)) * 1000 / span_ms, 6) if span_ms else None
    result.p50_ms, result.p95_ms, result.p99_ms = (_percentile(elapsed, share) for share in (50, 95, 99))
    result.error_rate = round(Decimal(failed) / len(elapsed), 6)
    return result


def _whole(text: Any) -> int | None:
    try:
        number = Decimal(str(text).strip()[:30])
        return int(number) if number.is_finite() and 0 <= number <= 10**15 else None
    except InvalidOperation:
        return None


def _percentile(ordered: list[int], share: int) -> Decimal:
    """The nearest rank: the least value that so many percent do not exceed."""
    return Decimal(ordered[max(0, -(-share * len(ordered) // 100) - 1)])
