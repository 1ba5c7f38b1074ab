"""From a decision's matrix to its analysis: the arithmetic is `formulas/weighted` and `formulas/robustness`."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from api import json
from api.formulas import robustness, weighted
from api.formulas.exact import FormulaError, within
from api.problems import invalid_field

Item = Mapping[str, Any]
MOST_DRAWN = 5_000_000


def missing_ratings(options: Sequence[Item], criteria: Sequence[Item], ratings: Mapping[str, Any]) -> list[str]:
    """The cells that have no rating, as JSON pointers. Raises Invalid for one of no option or no criterion."""
    option_keys, criterion_keys = [item["key"] for item in options], [item["key"] for item in criteria]
    for option, row in ratings.items():
        if option not in option_keys:
            raise invalid_field(f"/ratings/{option}", "is not the key of an option", "unknown_option")
        for criterion in row or {}:
            if criterion not in criterion_keys:
                raise invalid_field(
                    f"/ratings/{option}/{criterion}", "is not the key of a criterion", "unknown_criterion"
                )
    return [
        f"/ratings/{option}/{criterion}"
        for option in option_keys
        for criterion in criterion_keys
        if (ratings.get(option) or {}).get(criterion) is None
    ]


def check_ratings(ratings: Mapping[str, Any]) -> None:
    """Hold every cell to the scale, also in a matrix that is not complete yet. Raises Invalid that points at one."""
    scale = weighted.RatingScale()
    try:
        for option, row in ratings.items():
            for criterion, rating in (row or {}).items():
                if rating is not None:
                    within(rating, f"ratings.{option}.{criterion}", int(scale.low), int(scale.high))
    except FormulaError as error:
        raise invalid_field("/" + error.field.replace(".", "/"), error.message) from None


def analyse(options: Sequence[Item], criteria: Sequence[Item], ratings: Mapping[str, Any]) -> dict[str, Any]:
    """The analysis of a complete matrix. Raises Invalid that points at a weight or a rating that cannot be used."""
    rows = [weighted.Criterion(item["key"], item["weight"], item["direction"]) for item in criteria]
    keys = [item["key"] for item in options]
    try:
        told = weighted.evaluate(rows, keys, ratings)
        would_change = weighted.sensitivity(rows, keys, ratings)
    except FormulaError as error:
        raise invalid_field("/" + error.field.replace(".", "/"), error.message) from None
    return {
        "totals": told.totals,
        "contributions": told.contributions,
        "weights": told.weights,
        "weight_sum": told.weight_sum,
        "normalised": told.normalised,
        "order": told.order,
        "leader": told.leader,
        "runner_up": told.runner_up,
        "margin": told.margin,
        "margin_share": _rounded(told.margin_share),
        "dominated": [asdict(pair) for pair in _first_of_each(told.dominated)],
        "sensitivity": _sensitivity(told, would_change, rows, ratings),
    }


def _sensitivity(
    told: weighted.Evaluation,
    would_change: weighted.Sensitivity,
    criteria: Sequence[weighted.Criterion],
    ratings: Mapping[str, Any],
) -> dict[str, Any]:
    turned = {one.id: one.direction == "cost" for one in criteria}
    worth = {
        option: {
            name: 10 - Decimal(ratings[option][name]) if turned[name] else ratings[option][name] for name in turned
        }
        for option in told.order
    }
    draws = max(2_000, min(robustness.DRAWS, MOST_DRAWN // (len(worth) * len(turned))))
    likely = robustness.win_probabilities(told.weights, worth, _seed(told.weights, worth), draws=draws)
    return {
        "crossovers": [asdict(one) for one in would_change.crossovers],
        "smallest_flip": would_change.smallest_flip and asdict(would_change.smallest_flip),
        "win_probability": likely,
        "concentration": robustness.CONCENTRATION,
        "draws": draws,
        "robustness": robustness.robustness(told.leader, likely),
    }


def _seed(weights: Mapping[str, Any], worth: Mapping[str, Any]) -> int:
    """Made of the matrix itself, so that the same matrix has the same answer every time."""
    text = json.dump([sorted(weights.items()), sorted((key, sorted(row.items())) for key, row in worth.items())])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


def _first_of_each(pairs: Sequence[weighted.Dominated]) -> list[weighted.Dominated]:
    """One that dominates is enough to know."""
    return list({pair.option: pair for pair in reversed(pairs)}.values())[::-1]


def _rounded(share: Decimal | None) -> Decimal | None:
    return None if share is None else round(share, 4)
