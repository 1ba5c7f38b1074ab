"""Growth and performance plans: what a system takes after each phase, and which claims do not hold."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.plans.loadtest import read
from tests.support.workspace import Workspace, made

# The guide's performance roadmap as printed, with its claims.
GUIDE = {
    "title": "From 1,000 to 10,000 users",
    "demand": {"current": 50, "users": 1000, "target_users": 10000},
    "components": [
        {"key": "database", "title": "Database"},
        {"key": "api", "title": "API server", "limit": 100},
    ],
    "phases": [
        {
            "key": "quick_wins",
            "title": "Quick wins",
            "weeks": 1,
            "effects": [{"component": "database", "multiplier": 2, "what": "Caching"}],
            "measures": [{"metric": "p95 latency", "before": 500, "after": 100, "unit": "ms", "claimed_share": 0.8}],
            "claim": {"users": 3000},
        },
        {
            "key": "scale_out",
            "title": "Horizontal scaling",
            "weeks": 2,
            "effects": [{"component": "api", "multiplier": 3, "what": "Three servers"}],
            "claim": {"capacity": 500, "gain": 5, "users": 10000},
        },
        {
            "key": "replicas",
            "title": "Read replicas",
            "status": "deferred",
            "deferred_until": {"metric": "users", "at_least": 10000},
        },
    ],
    "fixes": [
        {"key": "sharding", "title": "Shard the database", "value": 8, "effort": 10},
        {"key": "indexes", "title": "Add indexes", "value": 9, "effort": 1},
        {"key": "cdn", "title": "CDN", "value": 2, "effort": 2},
        {"key": "rewrite", "title": "Rewrite", "value": 1, "effort": 12},
    ],
    "thresholds": {"value": 5, "effort": 4},
}


def findings(plan: dict[str, Any]) -> dict[str, str]:
    return {one["pointer"]: one["message"] for one in plan["findings"]}


async def types(workspace: Workspace) -> list[str]:
    return sorted(event["type"] for event in (await workspace.live.get("/v1/events")).json()["data"])


async def test_the_guides_plan_reaches_300_and_not_500_requests_a_second(workspace: Workspace) -> None:
    plan = await made(workspace.live, "/v1/plans", GUIDE)
    assert plan["needed"] == 500
    assert [stage["capacity"] for stage in plan["stages"]] == [100, 100, 300, 300]
    assert [stage["supports_users"] for stage in plan["stages"]] == [2000, 2000, 6000, 6000]
    assert plan["reaches_target"] is False
    told = findings(plan)
    assert told["/phases/0/claim/users"] == "3000 users need 150 requests/s, and Quick wins reaches 100."
    assert "reaches 300 requests/s, not 500: api holds it" in told["/phases/1/claim/capacity"]
    assert "makes 3 times the capacity, not 5 times" in told["/phases/1/claim/gain"]
    assert "10000 users need 500 requests/s" in told["/phases/1/claim/users"]
    assert "300 requests/s, and 500 are needed" in told["/phases"]
    assert "/components/0/limit" in told
    assert plan["measures"] == [{"phase": "quick_wins", "metric": "p95 latency", "times_better": 5, "share_gone": 0.8}]


async def test_five_servers_would_reach_what_three_do_not(workspace: Workspace) -> None:
    phases = [GUIDE["phases"][0], GUIDE["phases"][1] | {"effects": [{"component": "api", "multiplier": 5}]}]
    plan = await made(workspace.live, "/v1/plans", GUIDE | {"phases": phases})
    assert (plan["stages"][-1]["capacity"], plan["reaches_target"]) == (500, True)
    assert "/phases/1/claim/capacity" not in findings(plan)


async def test_fixes_are_ordered_quick_wins_first_and_parts_by_headroom(workspace: Workspace) -> None:
    plan = await made(workspace.live, "/v1/plans", GUIDE)
    assert [(fix["key"], fix["quadrant"]) for fix in plan["fix_order"]] == [
        ("indexes", "quick win"),
        ("sharding", "big bet"),
        ("cdn", "fill-in"),
        ("rewrite", "money pit"),
    ]
    assert [part["component"] for part in plan["bottlenecks"]] == ["api", "database"]
    assert (plan["bottlenecks"][0]["utilisation"], plan["bottlenecks"][0]["breach_at_growth"]) == (0.5, 2)


async def test_growth_makes_a_deferral_due_and_a_limit_breached_and_tells_of_both(workspace: Workspace) -> None:
    plan = await made(workspace.live, "/v1/plans", GUIDE)
    path = f"/v1/plans/{plan['id']}"
    demand = {"current": 120, "users": 10000, "target_users": 20000}
    grown = (await workspace.live.patch(path, json={"demand": demand})).json()
    assert grown["due"] == ["replicas"]
    assert grown["bottlenecks"][0]["breached"] is True
    phases = [GUIDE["phases"][0] | {"status": "done"}, *GUIDE["phases"][1:]]
    assert (await workspace.live.patch(path, json={"phases": phases})).status_code == 200
    assert await types(workspace) == [
        "plan.bottleneck_breached",
        "plan.created",
        "plan.deferral_due",
        "plan.phase_done",
        "plan.updated",
        "plan.updated",
    ]
    assert (await workspace.live.delete(path)).status_code == 204


@pytest.mark.parametrize(
    "wrong",
    [
        {"demand": {"current": 50}},
        {"demand": {"current": 50, "target_users": 10}},
        {"components": [{"key": "api", "title": "API"}], "phases": []},
        {"phases": [{"key": "p", "title": "P", "effects": [{"component": "other", "multiplier": 2}]}]},
    ],
)
async def test_a_plan_that_cannot_be_computed_is_refused(wrong: dict[str, Any], workspace: Workspace) -> None:
    assert (await workspace.live.post("/v1/plans", json=GUIDE | wrong)).status_code == 400


K6 = {
    "metrics": {
        "http_reqs": {"count": 18000, "rate": 300.0},
        "http_req_duration": {"avg": 90, "med": 80, "p(90)": 150, "p(95)": 210, "p(99)": 400},
        "http_req_failed": {"passes": 18, "fails": 17982, "value": 0.001},
    }
}
JTL = "timeStamp,elapsed,label,responseCode,success\n" + "".join(
    f"{1000 + 10 * number},{number},home,200,{'false' if number == 100 else 'true'}\n" for number in range(1, 101)
)


async def test_a_k6_summary_is_held_against_the_target(workspace: Workspace) -> None:
    plan = await made(workspace.live, "/v1/plans", GUIDE)
    path = f"/v1/plans/{plan['id']}/loadtests"
    [test] = (await made(workspace.live, path, {"format": "k6", "content": json.dumps(K6)}))["loadtests"]
    assert (test["requests"], test["rate"], test["p95_ms"], test["p99_ms"]) == (18000, 300, 210, 400)
    assert (test["error_rate"], test["headroom"], test["reaches_target"]) == (0.001, -0.4, False)
    nested = {"metrics": {name: {"values": values} for name, values in K6["metrics"].items()}}
    tests = (await made(workspace.live, path, {"format": "k6", "content": json.dumps(nested)}))["loadtests"]
    assert tests[1]["rate"] == 300
    assert "plan.load_test_recorded" in await types(workspace)


async def test_a_jtl_gives_rate_percentiles_and_errors(workspace: Workspace) -> None:
    plan = await made(workspace.live, "/v1/plans", GUIDE)
    body = {"format": "jtl", "content": JTL, "name": "Smoke"}
    [test] = (await made(workspace.live, f"/v1/plans/{plan['id']}/loadtests", body))["loadtests"]
    assert (test["requests"], test["p50_ms"], test["p95_ms"], test["p99_ms"]) == (100, 50, 95, 99)
    assert (test["error_rate"], test["name"]) == (0.01, "Smoke")
    assert round(test["rate"], 1) == round(100 * 1000 / (2000 + 100 - 1010), 1)


@pytest.mark.parametrize("content", ["no json", "{}", "[]", '{"metrics": {}}', "a,b\n1,2\n", "1" * 5000])
async def test_a_file_that_is_no_result_is_refused_and_said_why(content: str, workspace: Workspace) -> None:
    plan = await made(workspace.live, "/v1/plans", GUIDE)
    for format_ in ("k6", "jtl"):
        body = {"format": format_, "content": content}
        answer = await workspace.live.post(f"/v1/plans/{plan['id']}/loadtests", json=body)
        assert (answer.status_code, answer.json()["errors"][0]["target"]["name"]) == (400, "/content")


@given(st.text(max_size=300), st.sampled_from(["k6", "jtl"]))
def test_no_text_makes_the_reader_fail(content: str, format_: Any) -> None:
    read(content, format_)
    read("timeStamp,elapsed\n" + content, format_)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5) | st.booleans(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["metrics", "http_reqs", "count", "rate", "values", "med"]), inner)
        ),
        max_leaves=10,
    )
)
def test_no_json_makes_the_reader_fail(value: Any) -> None:
    read(json.dumps(value), "k6")
    read(json.dumps({"metrics": {"http_reqs": value, "http_req_duration": value}}), "k6")
