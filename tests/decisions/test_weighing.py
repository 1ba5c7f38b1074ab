"""Weighing options: sensitivity, cost over time, checklists, and every figure of the guide computed again."""

from typing import Any

import pytest

from api.formulas.robustness import DRAWS
from tests.support.workspace import Workspace, made

MATRIX = {
    "title": "Build or buy real-time collaboration",
    "kind": "build_vs_buy",
    "options": [
        {"key": "build", "title": "Build", "stated_total": 6.6},
        {"key": "buy", "title": "Buy", "stated_total": 6.2},
    ],
    "criteria": [
        {"key": "core", "title": "Core differentiator", "weight": 0.4},
        {"key": "speed", "title": "Time to market", "weight": 0.2},
        {"key": "cost", "title": "Cost over two years", "weight": 0.2},
        {"key": "custom", "title": "Customisation", "weight": 0.1},
        {"key": "care", "title": "Maintenance", "weight": 0.1},
    ],
    "ratings": {
        "build": {"core": 10, "speed": 2, "cost": 5, "custom": 10, "care": 3},
        "buy": {"core": 2, "speed": 10, "cost": 7, "custom": 4, "care": 9},
    },
}
EMAIL = {
    "title": "Build or buy email sending",
    "kind": "build_vs_buy",
    "options": [
        {
            "key": "build",
            "title": "Build",
            "cost": {"one_off": 150000},
            "effort": {"people": 2, "duration": 3, "unit": "months"},
        },
        {
            "key": "buy",
            "title": "Buy",
            "cost": {"unit_price": 0.001, "units_per_month": 100000, "monthly": 0, "stated_yearly": 10000},
        },
    ],
    "assumptions": [{"key": "not_email", "text": "We are not building an email product."}],
}
DASHBOARD = {
    "title": "An analytics dashboard in two months",
    "kind": "tradeoff",
    "fixed": ["time", "quality"],
    "options": [
        {
            "key": "a",
            "title": "Full custom build",
            "cost": {"one_off": 450000, "monthly": 0},
            "effort": {"people": 3, "duration": 6},
        },
        {
            "key": "b",
            "title": "MVP",
            "cost": {"one_off": 100000, "monthly": 0},
            "effort": {"people": 2, "duration": 2},
            "scope_lost": ["Real time: five minutes behind"],
        },
        {
            "key": "c",
            "title": "Buy",
            "cost": {"one_off": 20000, "monthly": 1666.666667, "stated_yearly": 120000},
            "effort": {"people": 1, "duration": 2, "unit": "weeks"},
            "scope_lost": ["Customisation"],
        },
    ],
    "estimate": {
        "breakdown": [
            {"phase": "design", "amount": 2, "unit": "weeks"},
            {"phase": "build", "amount": 4, "unit": "months"},
            {"phase": "testing", "amount": 6, "unit": "weeks"},
        ],
        "total": {"amount": 6, "unit": "months"},
    },
}


def findings(decision: dict[str, Any]) -> dict[str, str]:
    return {one["code"]: one["message"] for one in decision["assessment"]["findings"]}


async def draft(workspace: Workspace, body: dict[str, Any]) -> dict[str, Any]:
    return await made(workspace.live, "/v1/decisions", body)


async def test_the_guides_matrix_is_corrected_and_its_robustness_told(workspace: Workspace) -> None:
    decision = await draft(workspace, MATRIX)
    analysis = decision["analysis"]
    assert analysis["totals"] == {"build": 6.7, "buy": 5.5}
    sensitivity = analysis["sensitivity"]
    crossovers = {one["criterion"]: one for one in sensitivity["crossovers"]}
    assert round(crossovers["core"]["below"]["weight"], 3) == 0.294
    assert round(crossovers["speed"]["above"]["weight"], 3) == 0.304
    assert crossovers["cost"]["above"] == {"weight": 0.5, "winner": "buy"}
    assert crossovers["care"]["above"] == {"weight": 0.25, "winner": "buy"}
    assert (crossovers["custom"]["below"], crossovers["custom"]["above"]) == (None, None)
    flip = sensitivity["smallest_flip"]
    assert (flip["option"], flip["criterion"], flip["change"]) == ("build", "core", -3)
    assert 0.77 < sensitivity["win_probability"]["build"] < 0.81
    assert (sensitivity["robustness"], sensitivity["draws"]) == ("moderately_robust", DRAWS)
    printed = [one for one in decision["assessment"]["findings"] if one["code"] == "stated_total_differs"]
    assert [one["pointer"] for one in printed] == ["/options/0/stated_total", "/options/1/stated_total"]
    assert "totals 6.7, and 6.6 was printed" in printed[0]["message"]


async def test_the_same_matrix_has_the_same_answer_every_time(workspace: Workspace) -> None:
    first, second = await draft(workspace, MATRIX), await draft(workspace, MATRIX | {"title": "Another"})
    assert first["analysis"] == second["analysis"]


async def test_an_option_that_is_worse_everywhere_is_named_as_dominated(workspace: Workspace) -> None:
    options = [{"key": key, "title": key} for key in ("a", "b", "c")]
    ratings = {"a": {"x": 9, "y": 9}, "b": {"x": 5, "y": 5}, "c": {"x": 9, "y": 10}}
    criteria = [{"key": key, "title": key, "weight": 1} for key in ("x", "y")]
    decision = await draft(workspace, MATRIX | {"options": options, "criteria": criteria, "ratings": ratings})
    assert {one["option"] for one in decision["analysis"]["dominated"]} == {"a", "b"}
    assert decision["analysis"]["sensitivity"]["win_probability"]["c"] == 1
    assert decision["analysis"]["sensitivity"]["robustness"] == "robust"


async def test_a_tied_matrix_is_told_as_tied(workspace: Workspace) -> None:
    ratings = {"build": dict.fromkeys(MATRIX["ratings"]["build"], 5), "buy": dict.fromkeys(MATRIX["ratings"]["buy"], 5)}
    decision = await draft(workspace, MATRIX | {"ratings": ratings})
    assert decision["analysis"]["leader"] is None
    assert decision["analysis"]["sensitivity"]["robustness"] == "tied"
    assert decision["analysis"]["sensitivity"]["win_probability"] == {"build": 0.5, "buy": 0.5}


async def test_the_guides_email_costs_1200_a_year_and_not_10000(workspace: Workspace) -> None:
    decision = await draft(workspace, EMAIL)
    assert "runs at 1200 a year" in findings(decision)["stated_cost_differs"]
    assert "8.3 times as much" in findings(decision)["stated_cost_differs"]
    assert decision["assessment"]["monthly_rates"] == {"build": 25000}
    tco = await made(workspace.live, f"/v1/decisions/{decision['id']}/tco", {"horizon_months": 24})
    assert [(one["option"], one["total"]) for one in tco["costs"]] == [("buy", 2400), ("build", 150000)]
    assert tco["cheapest"] == "buy"
    [pair] = tco["break_even"]
    assert (pair["dear"], pair["cheap"], pair["month"]) == ("build", "buy", 1500)
    assert pair["crossover_units_per_month"] == 6250000
    assert pair["never_above_monthly"] == 100
    assert [one["code"] for one in tco["findings"]] == ["no_running_cost"]


async def test_the_guides_email_never_pays_back_once_building_costs_more_to_run(workspace: Workspace) -> None:
    options = [EMAIL["options"][0] | {"cost": {"one_off": 150000, "monthly": 900}}, EMAIL["options"][1]]
    decision = await draft(workspace, EMAIL | {"options": options})
    tco = await made(workspace.live, f"/v1/decisions/{decision['id']}/tco", {"annual_discount": 0.1})
    assert tco["break_even"][0]["month"] is None
    assert tco["findings"] == []
    assert tco["costs"][0]["present_value"] < tco["costs"][0]["total"]


async def test_the_guides_dashboard_is_cheapest_bought_until_year_four(workspace: Workspace) -> None:
    decision = await draft(workspace, DASHBOARD)
    told = findings(decision)
    assert "c costs 43,333 for each person-month, the others 25,000" in told["rates_differ"]
    assert "6.0 times as much" in told["stated_cost_differs"]
    assert decision["assessment"]["estimate"] == {"months": 5.846154, "stated_months": 6, "agrees": True}
    assert decision["assessment"]["flexible"] == ["scope"]
    assert decision["assessment"]["beaten"] == [{"option": "b", "by": "c"}]
    tco = await made(workspace.live, f"/v1/decisions/{decision['id']}/tco", {"horizon_months": 24})
    totals = {one["option"]: round(one["total"]) for one in tco["costs"]}
    assert totals == {"a": 450000, "b": 100000, "c": 60000}
    assert tco["cheapest_over_time"][0] == {"from_month": 1, "option": "c"}
    assert tco["cheapest_over_time"][1]["option"] == "b"
    assert tco["cheapest_over_time"][1]["from_month"] in (48, 49)


async def test_scope_time_and_quality_cannot_all_be_fixed(workspace: Workspace) -> None:
    answer = await workspace.live.post("/v1/decisions", json=DASHBOARD | {"fixed": ["scope", "time", "quality"]})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "pick_two")
    assert answer.json()["errors"][0]["target"]["name"] == "/fixed"


async def test_a_breakdown_that_does_not_sum_to_the_estimate_is_found(workspace: Workspace) -> None:
    estimate = {**DASHBOARD["estimate"], "total": {"amount": 2, "unit": "months"}}
    decision = await draft(workspace, DASHBOARD | {"estimate": estimate})
    assert "sum to 5.846154 months, and 2 were said" in findings(decision)["estimate_sum_differs"]


async def test_the_checklist_is_tallied_and_held_against_the_matrix(workspace: Workspace) -> None:
    checklist = {
        "build": {"core_differentiator": True, "no_good_vendor": False},
        "buy": {"commodity": True, "time_to_market_critical": True, "strong_vendor": True},
    }
    decision = await draft(workspace, MATRIX | {"checklist": checklist})
    told = decision["assessment"]["checklist"]
    assert told == {"build": 1, "buy": 3, "answered": 5, "leans": "buy", "conflict": True}
    assert findings(decision)["checklist_against_matrix"] == "The checklist leans to buy, and the matrix to build."


async def test_the_guides_trigger_fires_at_the_scale_that_is_expected(workspace: Workspace) -> None:
    """Firebase costs 10,000 a month; "evaluate Yjs if costs exceed 120,000 a year" is exactly that."""
    trigger = {"key": "dear", "metric": "yearly_cost", "op": "gt", "value": 120000, "option": "firebase"}
    options = [{"key": "firebase", "title": "Firebase", "cost": {"monthly": 10000}}]
    decision = await draft(workspace, {**EMAIL, "options": options, "triggers": [trigger]})
    assert "fires at the expected scale" in findings(decision)["trigger_at_expected_scale"]


async def test_a_draft_is_revised_by_merge_patch_and_weighed_again(workspace: Workspace) -> None:
    decision = await draft(workspace, MATRIX)
    path = f"/v1/decisions/{decision['id']}"
    patched = (await workspace.live.patch(path, json={"ratings": {"build": {"core": 6}}})).json()
    assert patched["analysis"]["leader"] == "buy"
    assert patched["number"] == decision["number"]
    bad = await workspace.live.patch(path, json={"options": [{"key": "x", "title": "X"}, {"key": "x", "title": "Y"}]})
    assert bad.status_code == 400


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (
            {"options": [{"key": "a", "title": "A", "cost": {"monthly_growth": 0.12345}}]},
            "/options/0/cost/monthly_growth",
        ),
        ({"options": [{"key": "a", "title": "A", "cost": {"one_off": -1}}]}, "/options/0/cost/one_off"),
        ({"options": [{"key": "a", "title": "A", "effort": {"people": 0, "duration": 1}}]}, "/options/0/effort/people"),
        (
            {
                "options": [{"key": "a", "title": "A"}],
                "triggers": [{"key": "t", "metric": "m", "value": 1, "option": "b"}],
            },
            "/triggers/0/option",
        ),
    ],
)
async def test_what_cannot_be_weighed_is_refused_where_it_stands(
    body: dict[str, Any], pointer: str, workspace: Workspace
) -> None:
    answer = await workspace.live.post("/v1/decisions", json={"title": "x", "kind": "scope"} | body)
    assert answer.status_code == 400, answer.text
    assert pointer in [error["target"]["name"] for error in answer.json()["errors"]]


async def test_lock_in_and_sla_stay_with_the_option(workspace: Workspace) -> None:
    options = [{"key": "buy", "title": "Firebase", "cons": ["Lock-in"], "exit_cost": 100000, "sla": 99.95}]
    decision = await draft(workspace, {"title": "x", "kind": "scope", "options": options})
    shown = (await workspace.live.get(f"/v1/decisions/{decision['id']}")).json()["options"][0]
    assert (shown["exit_cost"], shown["sla"], shown["cons"]) == (100000, 99.95, ["Lock-in"])
    assert (
        await workspace.live.post(
            "/v1/decisions", json={"title": "x", "kind": "scope", "options": [options[0] | {"sla": 101}]}
        )
    ).status_code == 400
