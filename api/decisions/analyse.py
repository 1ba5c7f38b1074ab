"""From a decision's matrix to its analysis: the arithmetic is `formulas/weighted`."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from api.formulas import weighted
from api.formulas.exact import FormulaError
from api.problems import invalid_field

Item = Mapping[str, Any]


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


def analyse(options: Sequence[Item], criteria: Sequence[Item], ratings: Mapping[str, Any]) -> dict[str, Any]:
    """The analysis of a complete matrix. Raises Invalid that points at a weight or a rating that cannot be used."""
    rows = [weighted.Criterion(item["key"], item["weight"], item["direction"]) for item in criteria]
    try:
        told = weighted.evaluate(rows, [item["key"] for item in options], ratings)
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
    }


def _rounded(share: Decimal | None) -> Decimal | None:
    return None if share is None else round(share, 4)
