"""What a sentence measures: `<200ms p95` as a comparator, a number, a unit and a percentile. Pure; never raises."""

import re
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import Any

from api.formulas.exact import exact, rounded

MOST_CHARS = 2_000
MOST_MEASURES = 50
MINUTES_IN_30_DAYS = 30 * 24 * 60

_BELOW = r"<=|≤|<|below|under|less than|fewer than|within|at most|no more than|up to|in less than|in under"
_ABOVE = r">=|≥|>|above|over|more than|exceeds?|exceeding|at least|no less than|no fewer than|not less than"
_UNITS = (
    r"%|％|percent(?:age points?)?\b|milliseconds?\b|ms\b|seconds?\b|secs?\b|s\b|minutes?\b|mins?\b|min\b|hours?\b|h\b"
    r"|days?\b|weeks?\b|months?\b|years?\b|[KMG]i?B\b(?:/s)?|req(?:uests)?/s\b|rps\b"
)
# A digit that belongs to a word or an id (v2, p95, FR-001, 2026-05-01) is no measured number.
_MEASURE = re.compile(
    rf"(?P<op>{_BELOW}|{_ABOVE}|=)?\s{{0,8}}(?P<money>[$€£])?(?<![\w.#-])(?P<number>\d{{1,15}}(?:,\d{{3}})*(?:\.\d{{1,9}})?)"
    rf"(?:\s?(?P<power>thousand|million|billion)\b|(?P<letter>[KkMB])(?![A-Za-z]))?(?P<plus>\+)?"
    rf"(?:\s?(?P<unit>{_UNITS})|(?![\w-]))",
    re.IGNORECASE,
)
_PERCENTILE = re.compile(r"\bp(\d{2}(?:\.\d{1,3})?)\b|\b(\d{2}(?:\.\d{1,3})?)th percentile", re.IGNORECASE)
_NOUNS = re.compile(r"\s*+\(?+\s*+([A-Za-z][A-Za-z-]*(?: [A-Za-z][A-Za-z-]*){0,4})")
_STOP = frozenset(
    re.findall(
        r"[a-z]+",
        "a an and per are as at be before by can do does each for from i if in into is it may must of on or should so "
        "than that the then they to was we were when where which will with without within while",
    )
)
_POWERS = {"k": 10**3, "thousand": 10**3, "m": 10**6, "million": 10**6, "b": 10**9, "billion": 10**9}
_UNIT_NAMES = {
    "%": "percent", "％": "percent", "percent": "percent",
    "percentage point": "percent", "percentage points": "percent",
    "ms": "ms", "millisecond": "ms", "milliseconds": "ms",
    "s": "s", "sec": "s", "secs": "s", "second": "s", "seconds": "s",
    "min": "min", "mins": "min", "minute": "min", "minutes": "min", "h": "h", "hour": "h", "hours": "h",
    "rps": "requests/s", "req/s": "requests/s", "requests/s": "requests/s",
}  # fmt: skip
_SECONDS = {"ms": Decimal("0.001"), "s": Decimal(1), "min": Decimal(60), "h": Decimal(3600)}
_METRICS = (
    ("uptime", r"\buptime\b|\bavailab"),
    ("latency", r"\blatency\b|\bresponse time\b|\bloads? (?:time|in)\b|\bdelay\b"),
    ("error rate", r"\berror rate\b|\berrors\b"),
    ("throughput", r"\bthroughput\b|requests/s|\brps\b|requests per second"),
)


@dataclass(frozen=True)
class Measure:
    """One measured number. `op` is the comparator as written or as the sentence means it, None when it has none;
    `unit` is `percent`, `ms`, `s`, a currency sign, or the nouns that follow; `percentile` is like `p95`;
    `end` is where it ends in the sentence."""

    value: Decimal
    op: str | None
    unit: str | None
    percentile: str | None
    metric: str | None
    end: int
    text: str

    @property
    def seconds(self) -> Decimal | None:
        """The value in seconds, for units of time up to the hour."""
        return self.value * _SECONDS[self.unit] if self.unit in _SECONDS else None


def measures(text: str) -> list[Measure]:
    """Every measured number of a sentence, in order.

    >>> [(m.op, str(m.value), m.unit, m.percentile) for m in measures("Search ends in <200ms p95, <500ms p99")]
    [('<', '200', 'ms', 'p95'), ('<', '500', 'ms', 'p99')]
    >>> [(m.op, str(m.value), m.unit) for m in measures("Works for 1M+ documents")]
    [('>=', '1000000', 'documents')]
    >>> measures("Handles typos, see FR-001 and RFC 9457 in v2")
    []
    """
    text = text[:MOST_CHARS]
    found = [match for match in islice(_MEASURE.finditer(text), MOST_MEASURES) if not _is_name(text, match)]
    percentiles = [(match.start(), f"p{match[1] or match[2]}") for match in _PERCENTILE.finditer(text)]
    spans = [match.span() for match in _PERCENTILE.finditer(text)]
    found = [match for match in found if not any(low <= match.start("number") < high for low, high in spans)]
    metric = _metric(text)
    result = []
    for place, match in enumerate(found):
        before = found[place - 1].end() if place else 0
        after = found[place + 1].start() if place + 1 < len(found) else len(text)
        # `<200ms p95` and `p95 under 200 ms` are both written; what stands after the number is nearer.
        near = [one for one in percentiles if match.end() <= one[0] < after]
        near = near or [one for one in percentiles if before <= one[0] < match.start()]
        if near:
            percentiles.remove(near[0])
        result.append(_measure(text, match, near[0][1] if near else None, metric))
    return result


def is_measurable(text: str) -> bool:
    """Whether somebody could check it with a number: one with a comparator, a unit or a thing that is counted."""
    return any(measure.op or measure.unit for measure in measures(text))


def target(text: str) -> dict[str, Any]:
    """`metric`, `percentile`, `op`, `value` and `unit` of a requirement's first measure; empty when it has none.

    Without a comparator a time and an error rate are upper bounds, and the rest are lower ones: so people write them.

    >>> target("99.9% uptime (3 nines)")
    {'metric': 'uptime', 'percentile': None, 'op': '>=', 'value': Decimal('99.9'), 'unit': 'percent'}
    """
    first = next((measure for measure in measures(text) if measure.unit), None)
    if first is None:
        return {}
    bounded = first.seconds is not None or first.metric in ("latency", "error rate")
    op = first.op or ("<=" if bounded else ">=")
    metric = first.metric or (first.unit if first.unit not in (*_SECONDS, "percent", "$", "€", "£") else None)
    return {"metric": metric, "percentile": first.percentile, "op": op, "value": first.value, "unit": first.unit}


def downtime(requirement: dict[str, Any]) -> dict[str, Decimal] | None:
    """Minutes of downtime in 30 days and the error budget, of an availability target; None for anything else.

    >>> downtime({"metric": "uptime", "text": "", "value": Decimal("99.9"), "unit": "percent"})["downtime_minutes"]
    Decimal('43.2')
    """
    value = requirement.get("value")
    about = f"{requirement.get('metric') or ''} {requirement.get('text') or ''}"
    if value is None or requirement.get("unit") not in ("percent", "%") or _metric(about) != "uptime":
        return None
    if not 0 < value <= 100:
        return None
    budget = 100 - exact(value, "value")
    return {
        "downtime_minutes": rounded(budget * MINUTES_IN_30_DAYS / 100),
        "error_budget_percent": rounded(budget),
    }


def comparable(value: Decimal, unit: str | None) -> tuple[Decimal, str | None]:
    """The value in a base unit, so that 0.2 s and 200 ms are the same target."""
    return (value * _SECONDS[unit], "s") if unit in _SECONDS else (value, unit)


def _measure(text: str, match: re.Match[str], percentile: str | None, metric: str | None) -> Measure:
    value = Decimal(match["number"].replace(",", ""))
    value *= _POWERS.get((match["power"] or match["letter"] or "").lower(), 1)
    op = _comparator(match["op"]) or (">=" if match["plus"] else None)
    unit = match["money"] or (_unit(match["unit"]) if match["unit"] else _noun(text, match.end()))
    nearest = _metric(_clause(text, match.start(), match.end())) or metric
    return Measure(value, op, unit, percentile, nearest, match.end(), match[0].strip())


def _comparator(word: str | None) -> str | None:
    if word is None:
        return None
    word = word.lower()
    if word in ("<", ">", "="):
        return word
    strict = {"below": "<", "under": "<", "less than": "<", "fewer than": "<", "in under": "<", "in less than": "<"}
    strict |= {"above": ">", "over": ">", "more than": ">", "exceed": ">", "exceeds": ">", "exceeding": ">"}
    if word in strict:
        return strict[word]
    return "<=" if word in ("<=", "≤", "within", "at most", "no more than", "up to") else ">="


def _unit(text: str) -> str:
    return _UNIT_NAMES.get(text.lower(), text.lower())


def _noun(text: str, end: int) -> str | None:
    """What is counted: the words after the number, up to the first that joins."""
    match = _NOUNS.match(text, end)
    words: list[str] = []
    for word in match[1].split() if match else []:
        if word.lower() in _STOP:
            break
        words.append(word.lower())
    return " ".join(words[:3]) or None


def _is_name(text: str, match: re.Match[str]) -> bool:
    """A number that only tells things apart: `RFC 9457`, `Phase 1`, `HTTP 500`, a year."""
    before = text[max(0, match.start("number") - 12) : match.start("number")].rstrip(" (")
    word = re.search(r"([A-Za-z]+)$", before)
    if word and word[1].lower() in ("rfc", "phase", "http", "version", "iso", "step", "story", "risk", "section", "q"):
        return True
    bare = not (match["op"] or match["unit"] or match["money"] or match["plus"])
    return bare and re.fullmatch(r"(19|20)\d\d", match["number"]) is not None


def _metric(text: str) -> str | None:
    lower = text.lower()
    return next((name for name, pattern in _METRICS if re.search(pattern, lower)), None)


def _clause(text: str, start: int, end: int) -> str:
    """The part of the sentence between the commas around a number."""
    rights = [place for mark in ",;" if (place := text.find(mark, end)) >= 0]
    return text[max(text.rfind(mark, 0, start) for mark in ",;") + 1 : min(rights, default=len(text))]
