"""What has more than one form tells each caller the one that it prefers, and keeps the forms apart."""

from typing import Any

import pytest

from tests.support.things import DECISION
from tests.support.workspace import Workspace, made

DEBT = {"title": "Old queue", "effort_months": 3, "monthly_benefit": 1000, "cost_per_month": 500}
FORMS = [
    ("/v1/prds", {"title": "Search", "problem": "It is slow."}, ""),
    ("/v1/syncs", {}, ""),
    ("/v1/decisions", DECISION, ""),
    ("/v1/debts", DEBT, "/pitch"),
]


@pytest.mark.parametrize(("path", "body", "of"), FORMS)
async def test_who_has_the_json_of_a_thing_does_not_have_its_markdown(
    workspace: Workspace, path: str, body: dict[str, Any], of: str
) -> None:
    url = f"{path}/{(await made(workspace.live, path, body))['id']}{of}"
    accepts = {"json": "application/json", "markdown": "text/markdown"}
    shown = {form: await workspace.live.get(url, headers={"Accept": accept}) for form, accept in accepts.items()}
    assert shown["json"].headers["etag"] != shown["markdown"].headers["etag"]
    for form, answer in shown.items():
        assert answer.headers["content-type"].startswith(accepts[form])
        assert answer.headers["vary"] == "Accept"
        for other, accept in accepts.items():
            asked = {"Accept": accept, "If-None-Match": answer.headers["etag"]}
            again = await workspace.live.get(url, headers=asked)
            assert (again.status_code, again.headers["vary"]) == (304 if other == form else 200, "Accept")


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("text/markdown", "text/markdown"),
        ("TEXT/Markdown ; q=0.9", "text/markdown"),
        ("text/markdown, application/json", "text/markdown"),
        ("text/markdown, */*;q=0.1", "text/markdown"),
        ("text/markdown;q=0.5, application/json", "application/json"),
        ("text/markdown;q=0.5, */*", "application/json"),
        ("text/markdown;q=0", "application/json"),
        ("text/markdown;q=0.0, application/json;q=0", "application/json"),
        ("text/markdown;q=nonsense", "application/json"),
        ("text/markdownish", "application/json"),
        ("text/html", "application/json"),
        ("*/*", "application/json"),
    ],
)
@pytest.mark.parametrize(("path", "body", "of"), FORMS)
async def test_the_form_is_the_one_that_the_caller_likes_best(
    workspace: Workspace, path: str, body: dict[str, Any], of: str, accept: str, form: str
) -> None:
    url = f"{path}/{(await made(workspace.live, path, body))['id']}{of}"
    answer = await workspace.live.get(url, headers={"Accept": accept})
    assert answer.headers["content-type"].partition(";")[0] == form


async def test_a_change_may_start_from_the_markdown_of_a_thing(workspace: Workspace) -> None:
    url = f"/v1/prds/{(await made(workspace.live, '/v1/prds', {'title': 'Search'}))['id']}"
    seen = await workspace.live.get(url, headers={"Accept": "text/markdown"})
    changed = await workspace.live.patch(url, json={"title": "Find"}, headers={"If-Match": seen.headers["etag"]})
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')


TWO_LINES = "Search\n## Injected"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/prds", {"title": TWO_LINES, "problem": "It is slow."}),
        (
            "/v1/decisions",
            {
                **DECISION,
                "title": TWO_LINES,
                "options": [
                    {"key": "build", "title": TWO_LINES, "pros": [TWO_LINES], "cons": [TWO_LINES]},
                    {"key": "buy", "title": "Buy"},
                ],
                "criteria": [
                    {"key": "speed", "title": TWO_LINES, "weight": 0.3},
                    {"key": "cost", "title": "Cost", "weight": 0.7},
                ],
            },
        ),
        ("/v1/syncs", {}),
    ],
)
async def test_a_name_of_two_lines_makes_no_heading_in_a_document(
    workspace: Workspace, path: str, body: dict[str, Any]
) -> None:
    await made(workspace.live, "/v1/features", {"title": TWO_LINES, "status": "shipped"})
    await made(workspace.live, "/v1/blockers", {"title": TWO_LINES, "owner": TWO_LINES, "severity": "high"})
    url = f"{path}/{(await made(workspace.live, path, body))['id']}"
    for query in ("", "?format=nygard", "?format=log4brains") if path == "/v1/decisions" else ("",):
        page = (await workspace.live.get(url + query, headers={"Accept": "text/markdown"})).text
        assert "Search ## Injected" in page
        assert "## Injected" not in page.splitlines()
