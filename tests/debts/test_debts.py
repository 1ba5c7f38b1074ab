"""Technical debts: payback by both clocks, the rules, phased plans, reservations and the pitch."""

from typing import Any

import pytest

from tests.support.workspace import Workspace, made

# The guide's refactoring as printed: a payback of 3 months is asserted, and no benefit is given.
MONOLITH = {
    "title": "Monolith to services",
    "effort_months": 6,
    "people": 3,
    "cost_per_month": 25000,
    "claimed_payback_months": 3,
    "symptom": {"metric": "deployments a day", "baseline": 10, "before": 2, "target": 8},
    "reservations": [{"team": "Platform", "people": 3, "share": 0.3, "from": "2026-12-01", "to": "2027-01-31"}],
    "prevention": {"invested_share": 0.2, "prevented_drop": 0.3},
}
SCHEMA = {
    "title": "Database schema",
    "effort_months": 2,
    "cost_per_month": 25000,
    "wasted_share": 0.3,
    "phased": {"share": 0.2, "sprints": 10, "sprint_weeks": 2, "big_bang_months": 2, "gain": 0.3},
}


def findings(debt: dict[str, Any]) -> dict[str, str]:
    return {one["code"]: one["message"] for one in debt["findings"]}


async def test_the_guides_payback_of_3_months_asserts_50000_a_month(workspace: Workspace) -> None:
    debt = await made(workspace.live, "/v1/debts", MONOLITH)
    assert debt["payback_months"] is None
    assert debt["payback"]["investment"] == 150000
    assert debt["payback"]["implied_monthly_benefit"] == 50000
    assert "assert 50,000 a month" in findings(debt)["benefit_missing"]
    assert debt["symptom_told"] == {"drop": 0.8, "improvement": 4, "reaches_baseline": False}
    assert "target_below_baseline" in findings(debt)
    assert debt["verdict"] == "pay_down"
    rules = {reason["rule"]: reason["favours"] for reason in debt["reasons"]}
    assert rules == {"velocity": "pay_down", "risk": "defer", "unclear_roi": "defer"}


async def test_with_the_implied_benefit_it_pays_back_in_3_and_5_months(workspace: Workspace) -> None:
    debt = await made(workspace.live, "/v1/debts", MONOLITH | {"monthly_benefit": 50000})
    assert (debt["payback"]["months_from_completion"], debt["payback"]["months_from_start"]) == (3, 5)
    assert (debt["payback"]["roi"], debt["payback"]["within_rule"], debt["payback_months"]) == (3, True, 3)
    assert "claimed_payback_differs" not in findings(debt)


async def test_the_guides_30_percent_for_two_months_implies_a_team_of_ten(workspace: Workspace) -> None:
    debt = await made(workspace.live, "/v1/debts", MONOLITH)
    assert debt["reserved"]["enough"] is False
    assert round(debt["reserved"]["implied_team"]) == 10
    assert "6 are needed" in findings(debt)["capacity_too_small"]
    ten = MONOLITH | {"reservations": [MONOLITH["reservations"][0] | {"people": 10}]}
    assert (await made(workspace.live, "/v1/debts", ten))["reserved"]["enough"] is True


async def test_the_guides_phased_refactoring_is_half_the_work_of_stopping(workspace: Workspace) -> None:
    debt = await made(workspace.live, "/v1/debts", SCHEMA)
    phased = debt["phased_told"]
    assert (round(phased["team_months"], 2), round(phased["equal_sprints"], 1), phased["equal"]) == (0.92, 21.7, False)
    assert round(phased["sprints_to_break_even"], 1) == 6.7
    assert round(debt["ceiling_gain"], 3) == 0.429
    assert "0.92 team-months, not 2: the same work takes 21.7 sprints" in findings(debt)["phased_work_differs"]
    six = await made(workspace.live, "/v1/debts", SCHEMA | {"phased": SCHEMA["phased"] | {"sprints": 6}})
    assert (round(six["phased_told"]["team_months"], 2), six["phased_told"]["sprints_to_break_even"]) == (0.55, 4)


@pytest.mark.parametrize(
    ("facts", "verdict"),
    [
        ({"velocity_impact": 0.21}, "pay_down"),
        ({"velocity_impact": 0.2}, "defer"),
        ({"risks": ["security"]}, "pay_down"),
        ({"monthly_benefit": 50000}, "pay_down"),
        ({"monthly_benefit": 30000}, "defer"),
        ({"monthly_benefit": 50000, "monthly_running_cost": 50000}, "defer"),
        ({}, "defer"),
        ({"velocity_impact": 0.1, "higher_priorities": "The launch"}, "defer"),
    ],
)
async def test_the_guides_rules_give_the_verdict(facts: dict[str, Any], verdict: str, workspace: Workspace) -> None:
    body = {"title": "x", "effort_months": 6, "people": 3, "cost_per_month": 25000} | facts
    debt = await made(workspace.live, "/v1/debts", body)
    assert debt["verdict"] == verdict
    assert all(reason["sentence"] for reason in debt["reasons"])


async def test_a_patch_turns_the_verdict_and_tells_of_it(workspace: Workspace) -> None:
    debt = await made(workspace.live, "/v1/debts", {"title": "x", "effort_months": 6, "cost_per_month": 25000})
    path = f"/v1/debts/{debt['id']}"
    body = {"velocity_impact": 0.5, "velocity": [{"sprint": "1", "value": 30}, {"sprint": "2", "value": 26}]}
    changed = (await workspace.live.patch(path, json=body)).json()
    assert (changed["verdict"], changed["velocity_trend"], changed["version"]) == ("pay_down", -4, 2)
    same = (await workspace.live.patch(path, json=body)).json()
    assert same["version"] == 2
    types = [event["type"] for event in (await workspace.live.get("/v1/events")).json()["data"]]
    assert sorted(types) == ["debt.created", "debt.updated", "debt.verdict_changed"]
    removed = (await workspace.live.patch(path, json={"velocity_impact": None})).json()
    assert removed["verdict"] == "defer"
    found = (await workspace.live.get("/v1/debts", params={"verdict": "pay_down"})).json()["data"]
    assert found == []
    assert (await workspace.live.patch(path, json={"reservations": [{"team": "x"}]})).status_code == 400
    assert (await workspace.live.patch(path, json={"symptom": {"metric": "x"}})).status_code == 400
    assert (await workspace.live.delete(path)).status_code == 204
    assert (await workspace.live.get(path)).status_code == 404


async def test_the_pitch_has_the_guides_arithmetic_and_says_what_it_rests_on(workspace: Workspace) -> None:
    prevention = {"invested_share": 0.2, "prevented_drop": 0.3, "probability": 0.5}
    body = MONOLITH | {"monthly_benefit": 50000, "prevention": prevention}
    debt = await made(workspace.live, "/v1/debts", body)
    pitch = (await workspace.live.get(f"/v1/debts/{debt['id']}/pitch")).json()
    values = {line["label"]: round(line["value"], 2) for line in pitch["arithmetic"]}
    assert values["Investment"] == 150000
    assert values["Months to pay back, from the start"] == 5
    assert values["Periods of the prevented drop that repay one period of investing"] == 1.33
    assert pitch["probability"] == 0.5
    page = await workspace.live.get(f"/v1/debts/{debt['id']}/pitch", headers={"Accept": "text/markdown"})
    assert page.headers["content-type"].startswith("text/markdown")
    assert page.text == pitch["markdown"]
    assert "6 person-months × 25,000" in page.text


async def test_twenty_percent_now_for_thirty_later_is_repaid_after_two_thirds_of_a_quarter_if_certain(
    workspace: Workspace,
) -> None:
    debt = await made(workspace.live, "/v1/debts", MONOLITH)
    pitch = (await workspace.live.get(f"/v1/debts/{debt['id']}/pitch")).json()
    values = {line["label"]: round(line["value"], 2) for line in pitch["arithmetic"]}
    assert values["Periods of the prevented drop that repay one period of investing"] == 0.67
    assert any("taken as certain" in caveat for caveat in pitch["caveats"])


async def test_a_reservation_that_ends_before_it_begins_is_refused(workspace: Workspace) -> None:
    backwards = [MONOLITH["reservations"][0] | {"to": "2026-11-30"}]
    answer = await workspace.live.post("/v1/debts", json=MONOLITH | {"reservations": backwards})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["target"]["name"] == "/reservations/0/to"
