"""Numbers of any length are either taken exactly or refused with a pointer; none is a fault of ours."""

import json
from decimal import Decimal
from typing import Any

import pytest

from api.json import load as load_exact
from tests.support.problems import problem
from tests.support.things import DECISION
from tests.support.workspace import Workspace

ENDLESS = {
    "4,000 digits": "9" * 4000,
    "5,000 digits": "9" * 5000,
    "a long fraction": "0." + "3" * 4000,
    "far beyond": "1e300",
    "far below": "1e-300",
    "an exponent of a million": "1e1000000",
    "a long exponent": "1e" + "9" * 4000,
    "negative": "-" + "9" * 4000,
}


@pytest.mark.parametrize("number", ENDLESS.values(), ids=ENDLESS)
@pytest.mark.parametrize("where", ["rating", "weight", "score", "money"])
async def test_an_endless_number_is_a_400(workspace: Workspace, where: str, number: str) -> None:
    path, body = await _request(workspace, where)
    answer = await workspace.live.post(
        path, content=body.replace('"HERE"', number), headers={"Content-Type": "application/json"}
    )
    problem(answer, 400)


@pytest.mark.parametrize("number", ["0.1", "7", "0.1234567890123456789012345678901234567", "1e0", "0.000000000000001"])
async def test_an_ordinary_number_is_kept_digit_for_digit(workspace: Workspace, number: str) -> None:
    _, body = await _request(workspace, "rating")
    answer = await workspace.live.post(
        "/v1/decisions", content=body.replace('"HERE"', number), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 201, answer.text
    assert Decimal(load_exact(answer.content)["ratings"]["build"]["speed"]) == Decimal(number)


@pytest.mark.parametrize("rating", [10.5, -1, 1e15])
async def test_a_rating_off_the_scale_is_refused_in_a_matrix_that_is_not_complete(
    workspace: Workspace, rating: float
) -> None:
    incomplete = {**DECISION, "ratings": {"build": {"speed": rating}}}
    told = problem(await workspace.live.post("/v1/decisions", json=incomplete), 400)
    assert told["errors"][0]["target"]["name"] == "/ratings/build/speed"

    draft = (await workspace.live.post("/v1/decisions", json={**DECISION, "ratings": {}})).json()
    patch = {"ratings": {"build": {"speed": rating}}}
    told = problem(await workspace.live.patch(f"/v1/decisions/{draft['id']}", json=patch), 400)
    assert told["errors"][0]["target"]["name"] == "/ratings/build/speed"


async def _request(workspace: Workspace, where: str) -> tuple[str, str]:
    """A path, and a body with `"HERE"` in the place of a number."""

    decision: dict[str, Any] = json.loads(json.dumps(DECISION))
    if where == "score":
        feature = await workspace.feature()
        body = {"framework": "rice", "inputs": {"reach": "HERE", "impact": 1, "confidence": 1, "effort": 1}}
        return f"/v1/features/{feature['id']}/scores", json.dumps(body)
    if where == "rating":
        decision["ratings"] = {"build": {"speed": "HERE"}}
    elif where == "weight":
        decision["criteria"][0]["weight"] = "HERE"
    else:
        decision["options"][0]["cost"] = {"one_off": "HERE"}
    return "/v1/decisions", json.dumps(decision)
