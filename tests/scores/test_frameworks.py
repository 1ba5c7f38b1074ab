"""Each way to score, over HTTP: what it computes, what it refuses and where it points."""

from typing import Any

import pytest

from tests.support.workspace import Workspace, made

RICE = {"reach": 10000, "impact": 3, "confidence": 0.8, "effort": 2}
LIKES = {"functional": "like", "dysfunctional": "dislike"}


async def score(workspace: Workspace, body: dict[str, Any]) -> dict[str, Any]:
    feature = await workspace.feature()
    return await made(workspace.live, f"/v1/features/{feature['id']}/scores", body)


async def refused(workspace: Workspace, body: dict[str, Any]) -> list[tuple[str, str]]:
    """Where a refusal points, with its codes."""
    feature = await workspace.feature()
    answer = await workspace.live.post(f"/v1/features/{feature['id']}/scores", json=body)
    assert answer.status_code == 400, answer.text
    return [(error["target"]["name"], error["code"]) for error in answer.json()["errors"]]


@pytest.mark.parametrize(
    ("body", "value", "formula"),
    [
        ({"framework": "rice", "inputs": RICE}, 12000, "rice@1"),
        ({"framework": "ice", "variant": "mean", "inputs": {"impact": 8, "confidence": 5, "ease": 2}}, 5, "ice_mean@1"),
        ({"framework": "ice", "variant": "product", "inputs": {"impact": 8, "confidence": 5, "ease": 2}}, 80, None),
        (
            {
                "framework": "wsjf",
                "inputs": {"value": 8, "time_criticality": 5, "risk_opportunity": 3, "size": 2},
            },
            8,
            "wsjf_safe@1",
        ),
        (
            {
                "framework": "wsjf",
                "variant": "arnold",
                "inputs": {"value": 8, "time_criticality": 5, "risk_opportunity": 3, "size": 2},
            },
            27.5,
            "wsjf_arnold@1",
        ),
        ({"framework": "cost_of_delay", "inputs": {"cost_per_week": 10000, "duration_weeks": 4}}, 2500, None),
        (
            {"framework": "cost_of_delay", "variant": "cost", "inputs": {"cost_per_week": 10000, "duration_weeks": 4}},
            10000,
            None,
        ),
        ({"framework": "value_effort", "inputs": {"value": 8, "effort": 4}}, 2, None),
        ({"framework": "opportunity", "inputs": {"importance": 9, "satisfaction": 3}}, 15, None),
        (
            {
                "framework": "weighted",
                "inputs": {
                    "criteria": [
                        {"key": "fit", "weight": 3, "rating": 4},
                        {"key": "risk", "weight": 1, "rating": 2, "direction": "cost"},
                    ]
                },
            },
            5,
            "weighted@1",
        ),
        ({"framework": "kano", "inputs": {"answers": [LIKES, LIKES]}}, 2, None),
        ({"framework": "moscow", "inputs": {"category": "must", "effort": 2}}, 3, None),
    ],
)
async def test_every_framework_computes(
    workspace: Workspace, body: dict[str, Any], value: float, formula: str | None
) -> None:
    shown = await score(workspace, body)
    assert shown["value"] == value
    assert shown["framework"] == body["framework"]
    assert shown["inputs"] == body["inputs"]
    assert formula is None or shown["formula"] == formula


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({"framework": "rice", "inputs": RICE | {"effort": 0}}, [("/inputs/effort", "invalid")]),
        ({"framework": "rice", "inputs": RICE | {"effort": -1}}, [("/inputs/effort", "invalid")]),
        ({"framework": "rice", "inputs": RICE | {"effort": "2"}}, [("/inputs/effort", "number_type")]),
        ({"framework": "rice", "inputs": RICE | {"effort": True}}, [("/inputs/effort", "number_type")]),
        ({"framework": "rice", "inputs": RICE | {"confidence": 80}}, [("/inputs/confidence", "invalid")]),
        (
            {"framework": "rice", "inputs": {"reach": 1, "cost": 3}},
            [
                ("/inputs/cost", "extra_forbidden"),
                ("/inputs/impact", "missing"),
                ("/inputs/confidence", "missing"),
                ("/inputs/effort", "missing"),
            ],
        ),
        (
            {"framework": "rice", "scale": "intercom-2016", "inputs": RICE | {"confidence": 0.6}},
            [("/inputs/confidence", "off_scale")],
        ),
        (
            {"framework": "rice", "scale": "guide-1-3", "inputs": RICE | {"impact": 0.5}},
            [("/inputs/impact", "off_scale")],
        ),
        (
            {"framework": "rice", "inputs": RICE | {"effort": {"low": 3, "likely": 2, "high": 4}}},
            [("/inputs/effort/likely", "invalid")],
        ),
        (
            {"framework": "rice", "inputs": RICE | {"effort": {"low": 0, "likely": 2, "high": 4}}},
            [("/inputs/effort", "invalid")],
        ),
        ({"framework": "rice", "inputs": RICE | {"reach_period": "day"}}, [("/inputs/reach_period", "unknown_period")]),
        ({"framework": "ice", "inputs": {"impact": 1, "confidence": 1, "ease": 1}}, [("/variant", "missing")]),
        ({"framework": "wsjf", "variant": "mean", "inputs": {}}, [("/variant", "unknown_variant")]),
        ({"framework": "rice", "variant": "mean", "inputs": RICE}, [("/variant", "unknown_variant")]),
        ({"framework": "nothing_such", "inputs": RICE}, [("/framework", "unknown_framework")]),
        ({"framework": "rice", "model_version": 2, "inputs": RICE}, [("/model_version", "extra_forbidden")]),
        ({"framework": "ice", "variant": "mean", "scale": "guide-1-3", "inputs": {}}, [("/scale", "extra_forbidden")]),
        ({"framework": "moscow", "inputs": {"category": "maybe"}}, [("/inputs/category", "invalid")]),
        ({"framework": "kano", "inputs": {"answers": []}}, [("/inputs/answers", "missing")]),
        (
            {"framework": "weighted", "inputs": {"criteria": [{"key": "a", "weight": 0, "rating": 1}]}},
            [("/inputs/criteria", "invalid")],
        ),
    ],
)
async def test_a_wrong_input_is_pointed_at(
    workspace: Workspace, body: dict[str, Any], errors: list[tuple[str, str]]
) -> None:
    assert await refused(workspace, body) == errors


async def test_a_range_scores_by_its_likely_value_or_its_median_and_is_kept(workspace: Workspace) -> None:
    effort = {"low": 1, "likely": 2, "high": 6}
    reach = {"p10": 5000, "p50": 10000, "p90": 30000}
    shown = await score(workspace, {"framework": "rice", "inputs": RICE | {"effort": effort, "reach": reach}})
    assert shown["value"] == 12000
    assert shown["inputs"] == RICE | {"effort": effort, "reach": reach}


async def test_words_of_a_scale_become_its_values(workspace: Workspace) -> None:
    inputs = RICE | {"impact": "medium", "confidence": "medium"}
    intercom = await score(workspace, {"framework": "rice", "scale": "intercom-2016", "inputs": inputs})
    assert (intercom["value"], intercom["scale"]) == (4000, "intercom-2016")
    assert await refused(workspace, {"framework": "rice", "inputs": inputs}) == [
        ("/inputs/impact", "number_type"),
        ("/inputs/confidence", "number_type"),
    ]


@pytest.mark.parametrize(("period", "value"), [("week", 156000), ("month", 36000), ("quarter", 12000), ("year", 3000)])
async def test_reach_with_a_period_is_converted_to_a_quarter(workspace: Workspace, period: str, value: float) -> None:
    shown = await score(workspace, {"framework": "rice", "inputs": RICE | {"reach_period": period}})
    assert shown["value"] == value


async def test_a_score_says_whose_judgement_it_is_and_what_it_rests_on(workspace: Workspace) -> None:
    evidence = [{"claim": "40 % ask for it", "url": "https://example.com/survey", "observed_on": "2026-11-02"}]
    body = {"framework": "rice", "inputs": RICE, "author": "Ada", "author_kind": "person", "evidence": evidence}
    shown = await score(workspace, body | {"note": "After the interviews"})
    assert (shown["author"], shown["author_kind"]) == ("Ada", "person")
    assert (shown["evidence"], shown["note"]) == (evidence, "After the interviews")
    by_key = await score(workspace, {"framework": "rice", "inputs": RICE})
    assert by_key["author_kind"] == "key"
    found = (await workspace.live.get("/v1/scores", params={"author_kind": "person"})).json()["data"]
    assert [row["id"] for row in found] == [shown["id"]]


async def test_scores_are_filtered_and_sorted_by_value(workspace: Workspace) -> None:
    values = []
    for reach in (100, 300, 200):
        values.append((await score(workspace, {"framework": "rice", "inputs": RICE | {"reach": reach}}))["value"])
    found = (await workspace.live.get("/v1/scores", params={"sort": "-value", "value_gte": 240})).json()["data"]
    assert [row["value"] for row in found] == sorted([value for value in values if value >= 240], reverse=True)


async def test_the_built_in_frameworks_are_listed_with_their_bounds(workspace: Workspace) -> None:
    found = (await workspace.live.get("/v1/scores/frameworks")).json()["data"]
    assert {row["key"] for row in found} == {
        *("rice", "ice", "wsjf", "cost_of_delay", "value_effort", "opportunity"),
        *("weighted", "kano", "moscow"),
    }
    [rice] = [row for row in found if row["key"] == "rice"]
    assert [known["name"] for known in rice["inputs"]] == ["reach", "impact", "confidence", "effort"]
    assert rice["inputs"][3]["exclusive_minimum"] is True
