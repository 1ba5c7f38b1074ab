"""Lint a PRD: what a careful engineer would ask before starting. Deterministic, pure, and it never raises.

It works on sections as they are stored (api/prds/schemas.py), whatever they were read from. A finding names its rule,
its severity and a JSON pointer; of a Markdown document the line too.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from api.prds import contradictions
from api.prds.markdown import Reading, walk
from api.prds.measure import is_measurable, measures
from api.prds.stories import story_parts

Severity = Literal["error", "warning", "note"]
MOST_FINDINGS = 500
MOST_ITEMS = 500
_COST = {"error": 10, "warning": 4, "note": 1}
BUDGET = {"requirements": 40, "open_questions": 12, "user_stories": 20, "words": 5_000}


class Rule(NamedTuple):
    severity: Severity
    summary: str


class Found(NamedTuple):
    """What a check gives: the rule, where, and a sentence that says what to do."""

    rule: str
    pointer: str
    message: str


@dataclass(frozen=True)
class Finding:
    rule: str
    severity: Severity
    pointer: str
    line: int | None
    message: str
    fingerprint: str


@dataclass(frozen=True)
class StoryScore:
    """0 to 100: who (10), what (10), why (15), criteria (15), the share of them that can be measured (40), and no
    implementation (10). It passes when no error is found in it."""

    pointer: str
    line: int | None
    score: int
    passed: bool


@dataclass
class Report:
    findings: list[Finding] = field(default_factory=list)
    stories: list[StoryScore] = field(default_factory=list)
    suppressed: int = 0

    @property
    def score(self) -> int:
        """100 less 10 for each error, 4 for each warning and 1 for each note; never below 0, and 0 for nothing."""
        if any(finding.rule == "nothing-said" for finding in self.findings):
            return 0
        return max(0, 100 - sum(_COST[finding.severity] for finding in self.findings))

    @property
    def passed(self) -> bool:
        return not any(finding.severity == "error" for finding in self.findings)


RULES: dict[str, Rule] = {
    "nothing-said": Rule("error", "No section of a PRD is there."),
    "story-not-measurable": Rule("error", "A story has no acceptance criterion that can be measured."),
    "story-without-form": Rule("note", "A story does not say who wants what."),
    "implementation-leak": Rule("warning", "A story or a criterion says how it is built."),
    "vague-term": Rule("warning", "A word that everybody reads differently stands where a number should."),
    "number-without-source": Rule("warning", "A number is claimed with no source."),
    "nfr-no-measure": Rule("warning", "A non-functional requirement has no number and unit."),
    "nfr-no-percentile": Rule("warning", "A latency has no percentile."),
    "risk-no-mitigation": Rule("warning", "A risk has no mitigation."),
    "metric-no-baseline": Rule("warning", "A success metric does not say where it starts."),
    "metric-no-deadline": Rule("warning", "A success metric does not say by when."),
    "metric-no-target": Rule("warning", "A success metric has no number to reach."),
    "metric-category-missing": Rule("warning", "Product, technical and business metrics are not all there."),
    "section-missing": Rule("warning", "A section that every PRD needs is empty."),
    "single-approach": Rule("warning", "Only one approach is described."),
    "simplicity-budget": Rule("note", "The PRD is larger than a team can hold in its head."),
    "unclear": Rule("warning", "Something is marked as not decided yet."),
    "question-without-owner": Rule("note", "A blocking question has no owner."),
    **{name: Rule(*about) for name, about in contradictions.RULES.items()},
}


def lint(
    title: str | None,
    sections: Mapping[str, Any],
    *,
    fragment: bool = False,
    lines: Mapping[str, int] | None = None,
    severities: Mapping[str, str] | None = None,
    baseline: frozenset[str] = frozenset(),
) -> Report:
    """Every finding, in the order of the document.

    A `fragment` is a piece such as one story: nobody expects the rest of a PRD of it. `severities` sets a rule to
    `off` or to another severity; findings whose fingerprint is in `baseline` are only counted.
    """
    report = Report()
    # What is beyond is in the budget's finding; a document of ten thousand requirements may not stop the service.
    sections = {name: value[:MOST_ITEMS] if isinstance(value, list) else value for name, value in sections.items()}
    found = [*_of_stories(sections)]
    if not fragment:
        found += [*_of_items(sections), *_of_the_whole(sections)]
        found += [Found(*one) for one in contradictions.check(sections)]
    for one in found:
        finding = _finding(one, lines, (severities or {}).get(one.rule, RULES[one.rule].severity), sections)
        if finding is None:
            continue
        if finding.fingerprint in baseline:
            report.suppressed += 1
        elif len(report.findings) < MOST_FINDINGS:
            report.findings.append(finding)
    if lines:
        report.findings.sort(key=lambda finding: finding.line or 0)
    report.stories = [_story_score(place, story, report, lines) for place, story in enumerate(_stories(sections))]
    return report


def lint_reading(
    reading: Reading, *, severities: Mapping[str, str] | None = None, baseline: frozenset[str] = frozenset()
) -> Report:
    """Lint what was read from Markdown, with its lines."""
    return lint(
        reading.title,
        reading.sections,
        fragment=reading.fragment,
        lines=reading.lines,
        severities=severities,
        baseline=baseline,
    )


def _finding(one: Found, lines: Mapping[str, int] | None, severity: str, sections: Mapping[str, Any]) -> Finding | None:
    if severity == "off":
        return None
    line = None
    if lines is not None:
        line = next((lines[above] for above in walk(one.pointer) if above in lines), 1)
    # By the text that it is about and not by its place, so that a line put above does not make it a new finding.
    about = f"{one.rule}\0{_text_at(sections, one.pointer)}"
    fingerprint = hashlib.sha256(about.encode()).hexdigest()[:16]
    return Finding(one.rule, severity, one.pointer, line, one.message, fingerprint)  # type: ignore[arg-type]


def _text_at(sections: Mapping[str, Any], pointer: str) -> str:
    value: Any = sections
    for part in pointer.split("/")[1:]:
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return pointer
    if isinstance(value, Mapping):
        named = (value.get(name) for name in ("text", "description", "claim", "name"))
        return next((text for text in named if isinstance(text, str)), pointer)
    return value if isinstance(value, str) else pointer


# --- Stories ----------------------------------------------------------------------------------------------------------

# Names of tools and techniques, as they are written: `react` is also something that people do.
_TECHNOLOGY = re.compile(
    r"\b(?:React|Vue(?:\.js)?|Angular|Svelte|Redux|Next\.js|Node\.js|Django|Rails|Spring Boot|FastAPI|Flask|jQuery"
    r"|Redis|Postgre(?:s|SQL)|MySQL|MongoDB|DynamoDB|Cassandra|SQLite|Elasticsearch|Kafka|RabbitMQ|Firebase"
    r"|Web[Ss]ockets?|GraphQL|gRPC|Socket\.IO|Yjs|CRDTs?|Kubernetes|Docker|Terraform|AWS|S3 bucket|Lambda"
    r"|TypeScript|JavaScript|microservices?|stored procedures?|SQL quer(?:y|ies)|React hooks|hooks, not classes"
    r"|[Oo]perational transforms?|database (?:table|index|column|schema)s?|REST endpoints?|cron ?jobs?)\b"
)
_HEDGE = re.compile(r"\bor similar\b|\be\.g\.|\bfor example\b|\bsuch as\b", re.IGNORECASE)
_VAGUE = re.compile(
    r"\b(fast|faster|quick(?:ly)?|slow|easy|easily|simple|intuitive(?:ly)?|user[- ]friendly|seamless(?:ly)?|robust"
    r"|scalable|performant|responsive|reliable|flexible|efficient(?:ly)?|state[- ]of[- ]the[- ]art|as needed"
    r"|as appropriate|where possible|in a timely manner)\b",
    re.IGNORECASE,
)
_UNDECIDED = re.compile(r"\bTBD\b|\bTBC\b|\bTODO\b|\[NEEDS CLARIFICATION", re.IGNORECASE)


def _of_stories(sections: Mapping[str, Any]) -> Iterator[Found]:
    known = _own_technologies(sections)
    for place, story in enumerate(_stories(sections)):
        pointer = f"/user_stories/{place}"
        criteria = [row["text"] for row in story["acceptance_criteria"]]
        if not any(is_measurable(text) for text in criteria):
            reason = "None of its acceptance criteria has a number." if criteria else "It has no acceptance criteria."
            message = f"{reason} Add one that can be checked, such as `results in <200ms p95`."
            yield Found("story-not-measurable", pointer, message)
        if not story.get("i_can") and not story_parts(story["text"])["i_can"]:
            yield Found("story-without-form", pointer, "Say who wants what and why: As a …, I can … so that …")
        texts = [(pointer, story["text"])]
        texts += [(f"{pointer}/acceptance_criteria/{number}", text) for number, text in enumerate(criteria)]
        for where, text in texts:
            yield from _leaks(where, text, known)
            yield from _vague(where, text)


def _leaks(pointer: str, text: str, known: re.Pattern[str] | None) -> Iterator[Found]:
    match = _TECHNOLOGY.search(text) or (known.search(text) if known else None)
    if match and not _HEDGE.search(text):
        message = f"“{match[0]}” is how it is built. Say what the user gets, and keep the how in the notes."
        yield Found("implementation-leak", pointer, message)


def _vague(pointer: str, text: str) -> Iterator[Found]:
    if _UNDECIDED.search(text):
        yield Found("unclear", pointer, "This is marked as undecided. Decide it, or make it an open question.")
    if (match := _VAGUE.search(text)) and not is_measurable(text):
        yield Found("vague-term", pointer, f"“{match[0]}” means something else to everybody. Give a number and a unit.")


def _own_technologies(sections: Mapping[str, Any]) -> re.Pattern[str] | None:
    """The names in the PRD's own stack, where they are names and no common words."""
    names = {str(row["technology"]) for row in sections.get("stack") or []}
    names = {name for name in names if 2 < len(name) <= 40 and not name.islower()}
    return re.compile(r"\b(?:" + "|".join(re.escape(name) for name in sorted(names)) + r")(?!\w)") if names else None


def _story_score(place: int, story: Mapping[str, Any], report: Report, lines: Mapping[str, int] | None) -> StoryScore:
    pointer = f"/user_stories/{place}"
    parts = story_parts(story["text"]) | {name: story[name] for name in ("as_a", "i_can", "so_that") if story.get(name)}
    criteria = [row["text"] for row in story["acceptance_criteria"]]
    share = sum(map(is_measurable, criteria)) / len(criteria) if criteria else 0
    mine = [one for one in report.findings if one.pointer == pointer or one.pointer.startswith(pointer + "/")]
    score = 10 * bool(parts["as_a"]) + 10 * bool(parts["i_can"]) + 15 * bool(parts["so_that"])
    score += 15 * bool(criteria) + round(40 * share)
    score += 10 * (not any(one.rule == "implementation-leak" for one in mine))
    line = lines.get(pointer) if lines else None
    return StoryScore(pointer, line, score, not any(one.severity == "error" for one in mine))


# --- Items of the other sections --------------------------------------------------------------------------------------

_DEADLINE = re.compile(
    r"\b(?:within|in|after) (?:a|one|two|three|six|\d+) (?:day|week|month|quarter|year)s?\b"
    r"|\bby (?:the end|Q[1-4]|20\d\d)"
    r"|\b20\d\d-\d\d|\bQ[1-4] 20\d\d",
    re.IGNORECASE,
)
_BASELINE = re.compile(
    r"\bfrom\s+[<>]?\d|\bbaseline\b|\btoday\b|\bcurrently\b|\bup from\b|\bdown from\b", re.IGNORECASE
)
_SOURCE = re.compile(r"https?://|\bsource\s*:|\baccording to\b", re.IGNORECASE)


def _of_items(sections: Mapping[str, Any]) -> Iterator[Found]:
    yield from _of_the_problem(sections.get("problem") or {})
    for place, requirement in _active(sections):
        yield from _of_a_requirement(f"/requirements/{place}", requirement)
    for place, risk in enumerate(sections.get("risks") or []):
        if not risk.get("mitigation") and risk.get("status", "open") not in ("closed", "materialised"):
            message = "Say what will be done about it, or that it is accepted and by whom."
            yield Found("risk-no-mitigation", f"/risks/{place}", message)
    for place, metric in enumerate(sections.get("success_metrics") or []):
        yield from _of_a_metric(f"/success_metrics/{place}", metric)
    for place, question in enumerate(sections.get("open_questions") or []):
        if question.get("blocking") and not question.get("answer") and not question.get("owner"):
            message = "It blocks the approval. Name who answers it."
            yield Found("question-without-owner", f"/open_questions/{place}", message)


def _of_the_problem(problem: Mapping[str, Any]) -> Iterator[Found]:
    for place, evidence in enumerate(problem.get("evidence") or []):
        claims = evidence.get("value") is not None or measures(evidence["claim"])
        if claims and not evidence.get("source_url") and not _SOURCE.search(evidence["claim"]):
            message = "Where is the number from? Give a source_url, or drop it."
            yield Found("number-without-source", f"/problem/evidence/{place}", message)
    for name in ("statement", "current_flow"):
        text = problem.get(name) or ""
        claimed = [one for one in measures(text) if one.unit == "percent" or (one.unit and one.value >= 100)]
        if claimed and not _SOURCE.search(text):
            message = f"“{claimed[0].text}” is claimed with no source. Make it evidence with a source_url."
            yield Found("number-without-source", f"/problem/{name}", message)


def _of_a_requirement(pointer: str, requirement: Mapping[str, Any]) -> Iterator[Found]:
    text, kind = requirement["text"], requirement.get("kind", "functional")
    yield from _vague(pointer, text) if requirement.get("value") is None else ()
    if kind == "functional":
        return
    found = measures(text)
    if requirement.get("value") is None and not any(one.unit or one.op for one in found):
        if kind in ("performance", "scalability", "reliability"):
            message = "Give it a number and a unit; nobody can test it otherwise."
            yield Found("nfr-no-measure", pointer, message)
        return
    unit = requirement.get("unit") or next((one.unit for one in found if one.unit), None)
    if unit is None:
        yield Found("nfr-no-measure", pointer, "The number has no unit. Say of what it is.")
    is_time = unit in ("ms", "s") and kind == "performance"
    if is_time and not requirement.get("percentile") and not any(one.percentile for one in found):
        message = "An average hides the slowest. Say at which percentile, such as p95."
        yield Found("nfr-no-percentile", pointer, message)


def _of_a_metric(pointer: str, metric: Mapping[str, Any]) -> Iterator[Found]:
    text = f"{metric.get('name') or ''} {metric.get('text') or ''}"
    if metric.get("target") is None and not is_measurable(text):
        yield Found("metric-no-target", pointer, "Say which number will be reached.")
    if metric.get("baseline") is None and not _BASELINE.search(text):
        yield Found("metric-no-baseline", pointer, "Say what the number is today; a target alone shows no progress.")
    if metric.get("deadline") is None and not _DEADLINE.search(text):
        yield Found("metric-no-deadline", pointer, "Say by when it is to be reached.")


# --- The whole --------------------------------------------------------------------------------------------------------

_NEEDED = {
    "problem": "Say whose problem this solves, and how they get by today.",
    "solution": "Say in a sentence what will be built.",
    "user_stories": "Say who will be able to do what.",
    "requirements": "Say what it must do, and how well.",
    "risks": "Say what can go wrong, and what will be done about it.",
    "success_metrics": "Say how you will know that it worked.",
}
_ALTERNATIVE = re.compile(
    r"\b(?:vs\.?|versus|instead of|rather than|alternativ\w+|compared (?:to|with)|simpler than|over)\b"
    r"|\boption [A-C]\b",
    re.IGNORECASE,
)


def _of_the_whole(sections: Mapping[str, Any]) -> Iterator[Found]:
    if not any(sections.values()):
        message = "Nothing in it is a section of a PRD. Give each a heading: Problem, Solution, User stories …"
        yield Found("nothing-said", "", message)
    for name, advice in _NEEDED.items():
        if not sections.get(name):
            yield Found("section-missing", f"/{name}", f"The section {name} is empty. {advice}")
    requirements = _active(sections)
    if requirements and all(row.get("kind") == "functional" for _, row in requirements):
        message = "There is no non-functional requirement. Say how fast, how much, how reliable and how safe."
        yield Found("section-missing", "/requirements", message)
    if metrics := sections.get("success_metrics"):
        missing = [name for name in ("product", "technical", "business") if not _has_category(metrics, name)]
        if missing:
            message = f"There is no metric of the kind {', '.join(missing)}."
            yield Found("metric-category-missing", "/success_metrics", message)
    yield from _one_approach(sections)
    yield from _too_much(sections)


def _has_category(metrics: list[Mapping[str, Any]], name: str) -> bool:
    return any(metric.get("category") == name for metric in metrics)


def _one_approach(sections: Mapping[str, Any]) -> Iterator[Found]:
    bought = sections.get("build_vs_buy") or {}
    if len(bought.get("options") or []) >= 2 or bought.get("decision_id"):
        return
    reasons = [str(row.get("because")) for row in sections.get("rationale") or []]
    texts = [sections.get("approach") or "", *reasons, bought.get("recommendation") or ""]
    if not any(_ALTERNATIVE.search(text) for text in texts):
        where = next((name for name in ("approach", "rationale", "solution") if sections.get(name)), "solution")
        message = "Only one way is described. Name another, and why it was not taken; or link a decision."
        yield Found("single-approach", f"/{where}", message)


def _too_much(sections: Mapping[str, Any]) -> Iterator[Found]:
    counts = {name: len(sections.get(name) or []) for name in ("open_questions", "user_stories")}
    counts["requirements"] = len(_active(sections))
    for name, count in counts.items():
        if count > BUDGET[name]:
            message = f"{count} are more than {BUDGET[name]}. Cut the scope, or split the PRD."
            yield Found("simplicity-budget", f"/{name}", message)
    words = sum(len(text.split()) for text in _texts(sections))
    if words > BUDGET["words"]:
        message = f"{words:,} words are more than {BUDGET['words']:,}. Cut what nobody will read."
        yield Found("simplicity-budget", "", message)


def _texts(value: Any) -> Iterator[str]:
    pending = [value]
    while pending:
        one = pending.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, Mapping):
            pending.extend(one.values())
        elif isinstance(one, list):
            pending.extend(one)


def _stories(sections: Mapping[str, Any]) -> list[dict[str, Any]]:
    return sections.get("user_stories") or []


def _active(sections: Mapping[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    rows = enumerate(sections.get("requirements") or [])
    return [(place, row) for place, row in rows if row.get("status", "active") == "active"]
