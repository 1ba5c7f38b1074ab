"""A lint report as SARIF 2.1.0 (OASIS), for the tools that show findings in code hosts and editors. Pure."""

from typing import Any

from api.prds.lint import RULES, Finding, Report

MEDIA_TYPE = "application/sarif+json"
_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def sarif(report: Report, uri: str) -> dict[str, Any]:
    """One run. `uri` names what was linted, relative to where the reader looks."""
    rules = sorted({finding.rule for finding in report.findings})
    driver = {
        "name": "Roadbed",
        "informationUri": "https://roadbed.example/docs",
        "rules": [
            {
                "id": rule,
                "shortDescription": {"text": RULES[rule].summary},
                "defaultConfiguration": {"level": RULES[rule].severity},
            }
            for rule in rules
        ],
    }
    results = [_result(finding, rules.index(finding.rule), uri) for finding in report.findings]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _result(finding: Finding, index: int, uri: str) -> dict[str, Any]:
    location: dict[str, Any] = {
        "logicalLocations": [{"fullyQualifiedName": finding.pointer or "/", "kind": "object"}],
        "physicalLocation": {"artifactLocation": {"uri": uri}},
    }
    if finding.line is not None:
        location["physicalLocation"]["region"] = {"startLine": max(1, finding.line)}
    return {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": finding.severity,
        "message": {"text": finding.message},
        "locations": [location],
        "partialFingerprints": {"roadbed/v1": finding.fingerprint},
    }
