"""Simulation and planning over HTTP."""

from typing import Any

import pytest

from tests.support.workspace import GUIDE, Workspace, made

DOUBT = {"low": 1, "likely": 2, "high": 12}


async def test_a_simulation_tells_quantiles_ranks_and_where_a_spike_pays(workspace: Workspace) -> None:
    for title in GUIDE:
        await workspace.scored(title, **(GUIDE[title] | ({"effort": DOUBT} if title == "Real-time collab" else {})))
    told = await made(workspace.live, "/v1/roadmap/simulate", {"framework": "rice", "draws": 10000, "cut_line": 1})
    assert [row["title"] for row in told["features"]] == ["Real-time collab", "Dark mode", "Performance", "API v2"]
    collab, dark, *_ = told["features"]
    assert collab["p5"] < collab["p50"] < collab["p95"]
    assert dark["p5"] == dark["p95"] == dark["value"] == 10000
    shares = [row["probability"] for row in collab["rank_probabilities"]]
    assert sum(shares) == pytest.approx(1)
    assert collab["above_next"] == pytest.approx(shares[0], abs=1e-6)
    assert collab["above_cut_line"] == pytest.approx(shares[0], abs=1e-6)
    assert [swing["input"] for swing in collab["swings"]] == ["effort"]
    assert collab["spike"]["input"] == "effort"
    assert collab["spike"]["pays"] == (collab["spike"]["expected_loss_months"] > 0.25)
    assert dark["spike"] is None


async def test_the_same_inputs_give_the_same_simulation_to_the_byte(workspace: Workspace) -> None:
    for title in GUIDE:
        await workspace.scored(title, **(GUIDE[title] | {"effort": DOUBT}))
    body = {"framework": "rice", "draws": 1000}
    first = await workspace.live.post("/v1/roadmap/simulate", json=body)
    assert (await workspace.live.post("/v1/roadmap/simulate", json=body)).content == first.content
    more = await made(workspace.live, "/v1/roadmap/simulate", body | {"draws": 2000})
    assert more["seed"] != first.json()["seed"]


async def test_confidence_counts_as_a_factor_or_as_spread_and_never_as_both(workspace: Workspace) -> None:
    for title in GUIDE:
        await workspace.scored(title)
    factor = await made(workspace.live, "/v1/roadmap/simulate", {"draws": 1000})
    assert all(row["p5"] == row["p95"] == row["value"] for row in factor["features"])
    spread = await made(workspace.live, "/v1/roadmap/simulate", {"draws": 10000, "confidence": "spread"})
    first = {row["title"]: row["rank_probabilities"][0]["probability"] for row in spread["features"]}
    assert first["Real-time collab"] == pytest.approx(0.72, abs=0.03)


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("simulate", {"framework": "rice", "draws": 10}, 400, "invalid_request"),
        ("simulate", {"framework": "moscow"}, 400, "invalid_request"),
        ("simulate", {"framework": "ice", "variant": "mean", "confidence": "spread"}, 400, "invalid_request"),
        ("simulate", {"framework": "opportunity"}, 409, "nothing_scored"),
        ("plan", {"framework": "rice"}, 400, "invalid_request"),
        ("plan", {"capacity": 1, "periods": [{"key": "now", "capacity_months": 1}]}, 400, "invalid_request"),
        ("plan", {"capacity": -1}, 400, "invalid_request"),
        ("plan", {"capacity": 1, "framework": "opportunity"}, 409, "nothing_scored"),
    ],
)
async def test_what_cannot_be_worked_on_is_refused(
    workspace: Workspace, path: str, body: dict[str, Any], status: int, code: str
) -> None:
    await workspace.scored("Dark mode")
    answer = await workspace.live.post(f"/v1/roadmap/{path}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_plan_tells_the_greedy_line_the_optimum_and_the_gap(workspace: Workspace) -> None:
    for title in GUIDE:
        await workspace.scored(title)
    told = await made(workspace.live, "/v1/roadmap/plan", {"framework": "rice", "capacity": 4.5})
    # By rank collaboration (2) and dark mode (0.5) fit, performance (4) does not. Dark mode with performance is less.
    assert [(row["title"], row["greedy"], row["optimum_period"]) for row in told["items"]] == [
        ("Real-time collab", "taken", "all"),
        ("Dark mode", "taken", "all"),
        ("Performance", "does_not_fit", None),
        ("API v2", "does_not_fit", None),
    ]
    assert (told["status"], told["cut_line"], told["gap"], told["greedy"]["worth"]) == ("optimal", 2, 0, 29000)


async def test_a_plan_keeps_dependencies_teams_and_fixed_features(workspace: Workspace) -> None:
    base = await workspace.scored("API v2")
    top = await workspace.scored("Real-time collab")
    loose = await workspace.scored("Dark mode")
    await workspace.live.patch(f"/v1/features/{top['id']}", json={"depends_on": [base["id"]]})
    await workspace.live.put(f"/v1/roadmap/items/{base['id']}", json={"horizon": "now", "team": "core"})
    periods = [
        {"key": "q1", "teams": [{"team": "core", "capacity_months": 6}, {"team": "web", "capacity_months": 0.5}]},
        {"key": "q2", "teams": [{"team": "web", "capacity_months": 2}]},
    ]
    body = {"periods": periods, "default_team": "web"}
    told = await made(workspace.live, "/v1/roadmap/plan", body)
    placed = {row["feature_id"]: row["optimum_period"] for row in told["items"]}
    assert placed == {top["id"]: "q2", base["id"]: "q1", loose["id"]: "q1"}
    out = await made(workspace.live, "/v1/roadmap/plan", body | {"fixed_out": [base["id"]], "fixed_in": [top["id"]]})
    assert (out["status"], [one["constraint"] for one in out["relax"]]) == ("infeasible", ["dependencies"])


async def test_what_cannot_be_planned_is_named(workspace: Workspace) -> None:
    known = await workspace.scored("Dark mode")
    unscored = await workspace.feature("Something else")
    await workspace.live.patch(f"/v1/features/{known['id']}", json={"depends_on": [unscored["id"]]})
    told = await made(workspace.live, "/v1/roadmap/plan", {"capacity": 5})
    assert told["left_out"] == [{"feature_id": known["id"], "reason": "needs_what_is_not_planned"}]
    await workspace.live.patch(f"/v1/features/{unscored['id']}", json={"status": "shipped"})
    again = await made(workspace.live, "/v1/roadmap/plan", {"capacity": 5})
    assert (again["left_out"], [row["feature_id"] for row in again["items"]]) == ([], [known["id"]])
