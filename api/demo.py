"""The demo workspace: the guide's own examples, made over HTTP as any client would make them.

The guide prints six wrong figures. The demo stores what its inputs give, and reports where the print differs.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

from api.imports.guide import DECISION_MATRIX_MARKDOWN, RICE_TABLE_MARKDOWN
from api.sandbox.seed import BUCKETS, DECISION_TITLE, guide_prd


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
        _post(client, "/prds", guide_prd())
        _post(client, "/roadmap/reprioritize", {"framework": "rice", "reason": "The guide's table, recomputed"})
    return Demo(signed_up["live_key"]["secret"], signed_up["test_key"]["secret"], inbox, report)


def _make_features(client: httpx.Client) -> list[str]:
    """The RICE table as the guide prints it: every score, and the order, is computed again by the import."""
    report = _post(client, "/imports", {"format": "markdown", "content": RICE_TABLE_MARKDOWN, "source": "guide"})
    for feature in client.get("/features", params={"source": "guide"}).raise_for_status().json()["data"]:
        # What an integration would do that knows the feature by its own name and not by our id.
        path = f"/features/external/guide/{quote(feature['external_id'], safe='')}"
        title = feature["title"]
        body = {"title": title, "bucket": BUCKETS.get(title, "product"), "labels": ["guide"]}
        client.put(path, json=body).raise_for_status()
    return [_told("RICE table", row) for row in report["discrepancies"]]


def _make_decision(client: httpx.Client) -> list[str]:
    wanted = {
        "format": "markdown",
        "content": DECISION_MATRIX_MARKDOWN,
        "title": DECISION_TITLE,
    }
    report = _post(client, "/imports", wanted)
    return [_told("build-vs-buy matrix", row) for row in report["discrepancies"]]


def _told(where: str, row: dict[str, Any]) -> str:
    return f"{where}, line {row['line']}, {row['field']}: printed {row['printed']}, recomputed {row['computed']}"


def _post(client: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = client.post(path, json=body)
    answer.raise_for_status()
    shown: dict[str, Any] = answer.json()
    return shown
