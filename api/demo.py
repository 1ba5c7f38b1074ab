"""The demo workspace: the guide's own examples, made over HTTP as any client would make them.

The guide prints six wrong figures. The demo stores what its inputs give, and reports where the print differs.
"""

from dataclasses import dataclass
from typing import Any

import httpx

from api.imports.guide import DECISION_MATRIX_MARKDOWN, PRD, RICE_TABLE_MARKDOWN
from api.imports.tables import Discrepancy, Matrix, read_features, read_matrices

_BUCKETS = {"Performance (50% faster)": "technical"}


@dataclass(frozen=True)
class Demo:
    """What the demo is reached by. `report` has a line for each printed figure that differs from the computed one."""

    live_key: str
    test_key: str
    inbox: str
    report: list[str]


def seed(base_url: str) -> Demo:
    """Sign up, and make the guide's RICE table, build-vs-buy matrix and PRD. Raises httpx.HTTPError."""
    with httpx.Client(base_url=f"{base_url}/v1", timeout=30, trust_env=False) as client:
        signed_up = _post(client, "/signup", {"email": "demo@example.com", "workspace": "The guide"})
        client.headers["Authorization"] = f"Bearer {signed_up['live_key']['secret']}"
        inbox = client.get("/inbox").raise_for_status().json()["url"]
        _post(client, "/endpoints", {"url": inbox, "event_types": ["*"], "description": "The built-in inbox"})
        report = [*_make_features(client), *_make_decision(client)]
        _post(client, "/prds", _prd())
        _post(client, "/roadmap/reprioritize", {"framework": "rice", "reason": "The guide's table, recomputed"})
    return Demo(signed_up["live_key"]["secret"], signed_up["test_key"]["secret"], inbox, report)


def _make_features(client: httpx.Client) -> list[str]:
    table = read_features(RICE_TABLE_MARKDOWN)
    for row in table.features:
        bucket = _BUCKETS.get(row.title, "product")
        feature = _post(client, "/features", {"title": row.title, "bucket": bucket, "labels": ["guide"]})
        inputs = {name: float(str(getattr(row, name))) for name in ("reach", "impact", "confidence", "effort")}
        _post(client, f"/features/{feature['id']}/scores", {"framework": "rice", "inputs": inputs})
    return [_told("RICE table", row) for row in table.discrepancies]


def _make_decision(client: httpx.Client) -> list[str]:
    found = read_matrices(DECISION_MATRIX_MARKDOWN)
    for matrix in found.matrices:
        _post(client, "/decisions", _decision(matrix))
    return [_told("build-vs-buy matrix", row) for row in found.discrepancies]


def _decision(matrix: Matrix) -> dict[str, Any]:
    keys = {criterion.id: _key(criterion.id) for criterion in matrix.criteria}
    return {
        "title": "Build or buy real-time collaboration",
        "kind": "build_vs_buy",
        "options": [{"key": _key(option), "title": option} for option in matrix.options],
        "criteria": [
            {"key": keys[criterion.id], "title": criterion.id, "weight": float(str(criterion.weight))}
            for criterion in matrix.criteria
        ],
        "ratings": {
            _key(option): {keys[name]: float(str(rating)) for name, rating in row.items()}
            for option, row in matrix.ratings.items()
        },
    }


def _prd() -> dict[str, Any]:
    return {
        "title": PRD["title"],
        "problem": f"{PRD['problem']['statement']}\n\n{PRD['problem']['current_flow']}",
        "solution": PRD["solution"],
        "user_stories": [{"text": f"As a {story['as_a']}, I can {story['i_can']}"} for story in PRD["user_stories"]],
        "requirements": [
            *({"kind": "functional", "text": row["text"]} for row in PRD["functional"]),
            *({"kind": row["kind"], "text": row["text"]} for row in PRD["non_functional"]),
        ],
        "approach": PRD["approach"]["architecture"],
        "stack": [{"layer": row["layer"], "technology": row["tech"]} for row in PRD["approach"]["stack"]],
        "rationale": "\n".join(f"{row['choice']}: {row['because']}" for row in PRD["approach"]["rationale"]),
        "risks": PRD["risks"],
        "success_metrics": [
            {"category": row["category"], "text": f"{row['metric']} {row['op']} {row['target']} {row['unit']}"}
            for row in PRD["success_metrics"]
        ],
        "release_phases": [
            {"name": row["name"], "scope": row["scope"], "weeks": row["weeks"]} for row in PRD["release_plan"]
        ],
        "open_questions": [{"text": question} for question in PRD["open_questions"]],
    }


def _told(where: str, row: Discrepancy) -> str:
    exact = f" (exactly {row.exact:f})" if row.exact is not None else ""
    return f"{where}, line {row.line}, {row.field}: printed {row.printed}, recomputed {row.computed}{exact}"


def _key(title: str) -> str:
    words = "".join(character.lower() if character.isalnum() else " " for character in title).split()
    return "_".join(words)[:64]


def _post(client: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = client.post(path, json=body)
    answer.raise_for_status()
    shown: dict[str, Any] = answer.json()
    return shown
