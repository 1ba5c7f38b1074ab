import json
from typing import Any

import pytest

from api.prds.lint import RULES, Report, lint, lint_reading
from api.prds.markdown import read
from api.prds.schemas import Sections
from tests.prds.support import BAD_STORY, CLEAN, GOOD_STORY, GUIDE, drafted
from tests.support.workspace import Workspace, made


def linted(markdown: str, **options: Any) -> Report:
    return lint_reading(read(markdown), **options)


def rules_of(report: Report) -> set[str]:
    return {finding.rule for finding in report.findings}


def rules_in(**sections: Any) -> set[str]:
    return rules_of(lint("A", Sections.model_validate(sections).model_dump()))


# The guide's own PRD, and the ten defects that its readers found by hand. Lines are those of the document.
DEFECTS = {
    "the stack is built on another option than the recommended one": ("choice-not-in-stack", 64),
    "a requirement asks for OT and the approach is a CRDT": ("algorithm-conflict", 22),
    "the architecture has an OT engine and the approach is a CRDT": ("algorithm-conflict", 34),
    "end-to-end encryption stands beside a server that merges": ("encryption-conflict", 30),
    "the first release lacks offline support": ("phase-defers-requirement", 24),
    "the first release lacks conflict resolution": ("phase-defers-requirement", 22),
    "the fallback of a risk loses the edits that a story keeps": ("fallback-breaks-story", 54),
    "a risk fears 10,000 connections and nothing requires them": ("scale-not-required", 52),
    "adoption has no baseline": ("metric-no-baseline", 70),
    "adoption has no date": ("metric-no-deadline", 70),
    "conversions have no baseline": ("metric-no-baseline", 72),
    "99.9 % is stated twice": ("duplicated-target", 71),
    "the trigger fires at the cost that is expected": ("trigger-at-expected-cost", 67),
    "40 % of users has no source": ("number-without-source", 8),
}


@pytest.mark.parametrize(("rule", "line"), DEFECTS.values(), ids=DEFECTS)
def test_each_defect_of_the_guides_prd_is_found_on_its_line(rule: str, line: int) -> None:
    assert (rule, line) in {(finding.rule, finding.line) for finding in linted(GUIDE).findings}


def test_the_guides_bad_story_fails() -> None:
    report = linted(BAD_STORY)
    assert not report.passed
    assert {"story-not-measurable", "vague-term"} == rules_of(report)
    assert (report.stories[0].score, report.stories[0].passed) == (30, False)


def test_the_guides_good_story_passes() -> None:
    report = linted(GOOD_STORY)
    assert (report.findings, report.passed, report.score) == ([], True, 100)
    assert (report.stories[0].score, report.stories[0].passed) == (80, True)


def test_notes_of_a_story_are_no_criteria() -> None:
    [story] = read(GOOD_STORY).sections["user_stories"]
    assert [row["text"] for row in story["acceptance_criteria"]] == [
        "Search completes in <200ms p95, <500ms p99",
        "Results ranked by relevance (TF-IDF or similar)",
        "Handles typos (fuzzy matching)",
        "Works for 1M+ documents",
    ]
    assert [note.split()[0] for note in story["notes"]] == ["Consider", "May"]


def test_a_clean_prd_has_no_finding() -> None:
    report = linted(CLEAN)
    assert (report.findings, report.score) == ([], 100)
    assert report.stories[0].score == 100


def test_the_same_prd_gives_the_same_findings() -> None:
    assert linted(GUIDE) == linted(GUIDE)


PHASES = [{"name": "1", "scope": ["search"]}, {"name": "2", "scope": ["offline edits"]}]


@pytest.mark.parametrize(
    ("rule", "bad", "good"),
    [
        (
            "story-not-measurable",
            {"user_stories": [{"text": "As a user, I can search", "acceptance_criteria": ["It works"]}]},
            {"user_stories": [{"text": "As a user, I can search", "acceptance_criteria": ["Found in <1 s"]}]},
        ),
        (
            "implementation-leak",
            {"user_stories": [{"text": "As a user, I get results from Redis"}]},
            {"user_stories": [{"text": "As a user, I can react to results", "notes": ["Redis"]}]},
        ),
        (
            "implementation-leak",
            {"user_stories": [{"text": "As a user, I use Zorb"}], "stack": [{"layer": "A", "technology": "Zorb"}]},
            {"user_stories": [{"text": "As a user, I use Zorb"}]},
        ),
        (
            "number-without-source",
            {"problem": {"statement": "x", "evidence": [{"claim": "40% of users leave"}]}},
            {"problem": {"statement": "x", "evidence": [{"claim": "40% leave", "source_url": "https://a.example/b"}]}},
        ),
        ("number-without-source", {"problem": "We lose 40% of users"}, {"problem": "We lose users"}),
        (
            "nfr-no-percentile",
            {"requirements": [{"kind": "performance", "text": "Answers in <200ms"}]},
            {"requirements": [{"kind": "performance", "text": "Answers in <200ms p95"}]},
        ),
        (
            "nfr-no-measure",
            {"requirements": [{"kind": "scalability", "text": "Holds many users"}]},
            {"requirements": [{"kind": "scalability", "text": "Holds 500 concurrent users"}]},
        ),
        (
            "risk-no-mitigation",
            {"risks": [{"description": "It is slow"}]},
            {"risks": [{"description": "It is slow", "mitigation": "Cache"}]},
        ),
        (
            "metric-no-baseline",
            {"success_metrics": [{"name": "Adoption", "target": 80}]},
            {"success_metrics": [{"name": "Adoption", "target": 80, "baseline": 20}]},
        ),
        (
            "metric-no-deadline",
            {"success_metrics": [{"name": "Adoption", "target": 80}]},
            {"success_metrics": [{"name": "Adoption", "target": 80, "deadline": "2027-01-01"}]},
        ),
        (
            "metric-no-target",
            {"success_metrics": [{"name": "People like it"}]},
            {"success_metrics": [{"name": "People like it", "target": 8}]},
        ),
        (
            "metric-category-missing",
            {"success_metrics": [{"category": "product", "name": "A"}, {"category": "technical", "name": "B"}]},
            {"success_metrics": [{"category": name, "name": name} for name in ("product", "technical", "business")]},
        ),
        (
            "single-approach",
            {"approach": "An index in the database."},
            {"approach": "An index in the database instead of a cluster."},
        ),
        (
            "single-approach",
            {"build_vs_buy": {"options": [{"name": "Build"}]}},
            {"build_vs_buy": {"options": [{"name": "Build"}, {"name": "Buy"}]}},
        ),
        (
            "section-missing",
            {},
            {
                "problem": "A",
                "solution": "B",
                "user_stories": [{"text": "As a user, I can x"}],
                "requirements": [{"text": "C"}, {"kind": "security", "text": "D"}],
                "risks": [{"description": "E"}],
                "success_metrics": [{"name": "F"}],
            },
        ),
        ("unclear", {"requirements": [{"text": "Retention is TBD"}]}, {"requirements": [{"text": "Kept 90 days"}]}),
        (
            "simplicity-budget",
            {"requirements": [{"text": f"Rule {number}"} for number in range(41)]},
            {"requirements": [{"text": f"Rule {number}"} for number in range(40)]},
        ),
        (
            "question-without-owner",
            {"open_questions": [{"text": "Why?", "blocking": True}]},
            {"open_questions": [{"text": "Why?", "blocking": True, "owner": "Ada"}]},
        ),
        (
            "encryption-conflict",
            {
                "requirements": [{"kind": "security", "text": "End-to-end encryption"}],
                "architecture": "Client → Merge engine",
            },
            {"requirements": [{"kind": "security", "text": "End-to-end encryption"}], "architecture": "Client → Relay"},
        ),
        (
            "algorithm-conflict",
            {
                "requirements": [{"text": "Delivered exactly once"}],
                "rationale": [{"choice": "At-least-once", "because": "x"}],
            },
            {
                "requirements": [{"text": "Delivered at least once"}],
                "rationale": [{"choice": "At-least-once", "because": "x"}],
            },
        ),
        (
            "phase-defers-requirement",
            {"requirements": [{"text": "Offline edits"}], "release_phases": PHASES},
            {"requirements": [{"text": "Offline edits", "phase": 2}], "release_phases": PHASES},
        ),
    ],
)
def test_a_rule_finds_the_bad_and_leaves_the_good(rule: str, bad: dict[str, Any], good: dict[str, Any]) -> None:
    assert rule in rules_in(**bad)
    assert rule not in rules_in(**good)


def test_a_requirement_that_was_retired_is_not_linted() -> None:
    row = {"kind": "performance", "text": "It is fast"}
    assert "nfr-no-measure" in rules_in(requirements=[row])
    assert "nfr-no-measure" not in rules_in(requirements=[row | {"status": "retired"}])


def test_rules_are_switched_off_and_made_stricter() -> None:
    report = linted(BAD_STORY, severities={"story-not-measurable": "off", "vague-term": "error"})
    assert [(finding.rule, finding.severity) for finding in report.findings] == [("vague-term", "error")]


def test_findings_in_the_baseline_are_only_counted_wherever_they_stand() -> None:
    known = frozenset(finding.fingerprint for finding in linted(GUIDE).findings)
    report = linted("\n\n" + GUIDE + "\n## Appendix\nMore.\n", baseline=known)
    assert (report.findings, report.suppressed) == ([], len(linted(GUIDE).findings))


async def test_markdown_is_linted_without_being_kept(workspace: Workspace) -> None:
    answer = await workspace.live.post("/v1/prds/lint", json={"markdown": GUIDE})
    told = answer.json()
    assert answer.status_code == 200
    assert {"rule": "fallback-breaks-story", "line": 54}.items() <= told["findings"][11].items()
    assert not told["passed"]
    assert (await workspace.live.get("/v1/prds")).json()["data"] == []


@pytest.mark.parametrize(
    "markdown", ["", " ", "\n\n", "<!-- nothing -->", "hello there", "# Only a title", "## Problem\n"]
)
async def test_a_document_that_says_nothing_is_found_wanting(workspace: Workspace, markdown: str) -> None:
    answer = await workspace.live.post("/v1/prds/lint", json={"markdown": markdown})
    told = answer.json()
    assert (answer.status_code, told["passed"], told["score"]) == (200, False, 0)
    rules = [finding["rule"] for finding in told["findings"]]
    assert rules.count("nothing-said") == 1
    assert rules.count("section-missing") == 6


async def test_a_prd_with_nothing_but_a_title_is_found_wanting(workspace: Workspace) -> None:
    prd = await made(workspace.live, "/v1/prds", {"title": "Dark mode"})
    told = (await workspace.live.post(f"/v1/prds/{prd['id']}/lint")).json()
    assert (told["passed"], told["score"]) == (False, 0)
    said = await made(workspace.live, "/v1/prds", {"title": "Dark mode", "problem": "It is too bright."})
    told = (await workspace.live.post(f"/v1/prds/{said['id']}/lint")).json()
    assert "nothing-said" not in {finding["rule"] for finding in told["findings"]}
    assert 0 < told["score"] < 100


async def test_a_prd_is_linted_with_pointers(workspace: Workspace) -> None:
    prd = await drafted(workspace)
    path = f"/v1/prds/{prd['id']}/lint"
    findings = (await workspace.live.post(path)).json()["findings"]
    assert ("metric-no-deadline", "/success_metrics/0", None) in {
        (f["rule"], f["pointer"], f["line"]) for f in findings
    }
    quiet = {"rules": {"metric-no-deadline": "off"}, "baseline": [findings[-1]["fingerprint"]]}
    fewer = (await workspace.live.post(path, json=quiet)).json()
    assert (fewer["suppressed"], len(fewer["findings"])) == (1, len(findings) - 2)
    unknown = await workspace.live.post(path, json={"rules": {"no-such-rule": "off"}})
    assert unknown.json()["errors"][0]["target"]["name"] == "/rules/no-such-rule"


async def test_every_rule_is_in_the_catalogue(workspace: Workspace) -> None:
    told = (await workspace.live.get("/v1/prds/rules")).json()["data"]
    assert [row["rule"] for row in told] == sorted(RULES)


async def test_findings_come_as_sarif(workspace: Workspace) -> None:
    headers = {"Accept": "application/sarif+json"}
    answer = await workspace.live.post("/v1/prds/lint", json={"markdown": GUIDE}, headers=headers)
    assert answer.headers["content-type"] == "application/sarif+json"
    log = json.loads(answer.text)
    [run] = log["runs"]
    assert (log["version"], len(run["results"])) == ("2.1.0", len(linted(GUIDE).findings))
    for result in run["results"]:
        rule = run["tool"]["driver"]["rules"][result["ruleIndex"]]
        assert rule["id"] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note")
        region = result["locations"][0]["physicalLocation"]["region"]
        assert 1 <= region["startLine"] <= GUIDE.count("\n")
