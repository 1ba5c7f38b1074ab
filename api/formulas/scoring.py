"""The built-in ways to score, as data: inputs with their bounds, variants, the formula, and what a score is made of.

Sources: those of each formula, named in its module. A formula stands here twice, as the function that computes one
score exactly and as the expression that a simulation evaluates over arrays; tests hold the two together.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any

from api.formulas.cost_of_delay import MAX_MONEY, MAX_WEEKS, cd3
from api.formulas.exact import FormulaError, Number, exact, rounded, within
from api.formulas.expression import Expression, parse
from api.formulas.ice import ice
from api.formulas.moscow import CATEGORIES
from api.formulas.opportunity import band, opportunity
from api.formulas.rice import MAX_EFFORT_MONTHS, MAX_IMPACT, MAX_REACH, rice
from api.formulas.value_effort import Thresholds, placements
from api.formulas.wsjf import MAX_POINTS, wsjf

MOST = 10**15


@dataclass(frozen=True, slots=True)
class Input:
    """A number that a score is made of: `low` to `high`, above `low` when `above_low`."""

    name: str
    description: str
    low: int | Decimal = 0
    high: int | Decimal = MOST
    above_low: bool = False
    required: bool = True

    def check(self, value: Number) -> Fraction:
        """The exact number. Raises FormulaError that names the input."""
        number = exact(value, self.name)
        low, high = exact(self.low, self.name), exact(self.high, self.name)
        if low < number <= high or (number == low and not self.above_low):
            return number
        least = f"more than {rounded(low)}" if self.above_low else f"at least {rounded(low)}"
        raise FormulaError(self.name, f"{self.name} must be {least} and at most {rounded(high)}, and {value} is not.")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a score comes to. `effort_months` where an input tells it; `worth` is what one gets for that effort, which
    a plan adds up: the numerator where a score is a ratio, the score itself otherwise. `details` are the framework's.
    """

    value: Decimal
    worth: Decimal
    effort_months: Decimal | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Framework:
    """A built-in way to score. `variants` is empty where there is one way; `default` is None where one must be named.

    `divisors` names for a variant the input that its value is divided by; `effort` is the input in person-months.
    """

    key: str
    title: str
    source: str
    inputs: tuple[Input, ...]
    formulas: Mapping[str, str]
    compute: Callable[[Mapping[str, Number], str], Decimal]
    default: str | None = ""
    divisors: Mapping[str, str] = field(default_factory=dict)
    effort: str | None = None
    version: int = 1
    details: Callable[[Mapping[str, Number], Decimal], Mapping[str, Any]] | None = None

    @property
    def variants(self) -> tuple[str, ...]:
        return tuple(name for name in self.formulas if name)

    def expression(self, variant: str) -> Expression:
        return parse(self.formulas[variant])

    def outcome(self, inputs: Mapping[str, Number], variant: str) -> Outcome:
        """Compute one score. `inputs` has a number for each required input. Raises FormulaError.

        >>> told = FRAMEWORKS["rice"].outcome({"reach": 10000, "impact": 3, "confidence": "0.8", "effort": 2}, "")
        >>> told.value, told.worth, told.effort_months
        (Decimal('12000'), Decimal('24000'), Decimal('2'))
        """
        value = self.compute(inputs, variant)
        months = inputs.get(self.effort) if self.effort else None
        return Outcome(
            value,
            self._worth(inputs, variant, value),
            None if months is None else rounded(exact(months, "effort")),
            self.details(inputs, value) if self.details else {},
        )

    def _worth(self, inputs: Mapping[str, Number], variant: str, value: Decimal) -> Decimal:
        divisor = self.divisors.get(variant)
        if divisor is None:
            return value
        return rounded(self.expression(variant).exact(inputs) * exact(inputs[divisor], divisor))


def moscow_value(category: str) -> Decimal:
    """An order of the four classes, best first: must 3, should 2, could 1, won't 0. Within a class there is none.

    >>> moscow_value("must"), moscow_value("wont")
    (Decimal('3'), Decimal('0'))
    """
    if category not in CATEGORIES:
        raise FormulaError("category", f"category must be must, should, could or wont, and {category[:40]!r} is not.")
    return Decimal(len(CATEGORIES) - 1 - CATEGORIES.index(category))


def kano_value(better: Decimal | None, worse: Decimal | None) -> Decimal:
    """What having it pleases plus what lacking it displeases, 0 to 2 (Timko's two coefficients, added).

    >>> kano_value(Decimal("0.75"), Decimal("-0.75")), kano_value(None, None)
    (Decimal('1.50'), Decimal('0'))
    """
    return Decimal(0) if better is None or worse is None else better - worse


def _rating(name: str, description: str) -> Input:
    return Input(name, description, 1, 10)


def _points(name: str, description: str, *, above_low: bool = False) -> Input:
    return Input(name, description, 0, MAX_POINTS, above_low)


def _value_effort(inputs: Mapping[str, Number], variant: str) -> Decimal:
    value = within(inputs["value"], "value", 0, MOST)
    return rounded(value / within(inputs["effort"], "effort", 0, MAX_EFFORT_MONTHS, above_low=True))


def _quadrant(inputs: Mapping[str, Number], value: Decimal) -> Mapping[str, Any]:
    """The quadrant where both thresholds are given: without them it would be a guess."""
    if inputs.get("value_threshold") is None or inputs.get("effort_threshold") is None:
        return {}
    lines = Thresholds(inputs["value_threshold"], inputs["effort_threshold"])
    [placed] = placements({"this": (inputs["value"], inputs["effort"])}, lines)
    return {
        "quadrant": placed.quadrant.replace(" ", "_").replace("-", "_"),
        "value_distance": placed.value_distance,
        "effort_distance": placed.effort_distance,
    }


FRAMEWORKS: Mapping[str, Framework] = {
    framework.key: framework
    for framework in (
        Framework(
            "rice",
            "RICE",
            "Sean McBride, Intercom, 2016",
            (
                Input("reach", "People or events in a period, the same for all.", 0, MAX_REACH),
                Input("impact", "3 massive, 2 high, 1 medium, 0.5 low, 0.25 minimal.", 0, MAX_IMPACT, above_low=True),
                Input("confidence", "0 to 1: write 0.8 for 80 %.", 0, 1),
                Input("effort", "Person-months, all disciplines.", 0, MAX_EFFORT_MONTHS, above_low=True),
            ),
            {"": "reach * impact * confidence / effort"},
            lambda given, _: rice(given["reach"], given["impact"], given["confidence"], given["effort"]),
            divisors={"": "effort"},
            effort="effort",
        ),
        Framework(
            "ice",
            "ICE",
            "Sean Ellis, GrowthHackers",
            (
                _rating("impact", "1 to 10."),
                _rating("confidence", "1 to 10."),
                _rating("ease", "1 to 10: the opposite of effort."),
            ),
            {"mean": "(impact + confidence + ease) / 3", "product": "impact * confidence * ease"},
            lambda given, variant: ice(given["impact"], given["confidence"], given["ease"], variant),  # type: ignore[arg-type]
            default=None,
        ),
        Framework(
            "wsjf",
            "Weighted shortest job first",
            "SAFe; variant arnold: Joshua Arnold, Black Swan Farming",
            (
                _points("value", "User and business value, relative points."),
                _points("time_criticality", "Urgency, relative points."),
                _points("risk_opportunity", "Risk reduction or opportunity, relative points."),
                _points("size", "Job size, relative points.", above_low=True),
            ),
            {
                "safe": "(value + time_criticality + risk_opportunity) / size",
                "arnold": "time_criticality * (value + risk_opportunity) / size",
            },
            lambda given, variant: wsjf(
                given["value"],
                given["time_criticality"],
                given["risk_opportunity"],
                given["size"],
                variant,  # type: ignore[arg-type]
            ),
            default="safe",
            divisors={"safe": "size", "arnold": "size"},
        ),
        Framework(
            "cost_of_delay",
            "Cost of delay",
            "Donald Reinertsen, 2009; W. E. Smith, 1956",
            (
                Input("cost_per_week", "Money lost by each week of delay.", 0, MAX_MONEY),
                Input("duration_weeks", "Weeks until it is done.", 0, MAX_WEEKS, above_low=True),
            ),
            {"cd3": "cost_per_week / duration_weeks", "cost": "cost_per_week + 0 * duration_weeks"},
            lambda given, variant: (
                cd3(given["cost_per_week"], given["duration_weeks"])
                if variant == "cd3"
                else rounded(within(given["cost_per_week"], "cost_per_week", 0, MAX_MONEY))
            ),
            default="cd3",
            divisors={"cd3": "duration_weeks"},
        ),
        Framework(
            "value_effort",
            "Value against effort",
            "the impact and effort matrix of quality management",
            (
                Input("value", "Worth, on any one scale."),
                Input("effort", "Person-months.", 0, MAX_EFFORT_MONTHS, above_low=True),
                Input("value_threshold", "From here up the value is high.", required=False),
                Input("effort_threshold", "Up to here the effort is low.", required=False),
            ),
            {"": "value / effort"},
            _value_effort,
            divisors={"": "effort"},
            effort="effort",
            details=_quadrant,
        ),
        Framework(
            "opportunity",
            "Opportunity score",
            "Anthony Ulwick, 2005",
            (
                Input("importance", "0 to 10: how much it matters.", 0, 10),
                Input("satisfaction", "0 to 10: how well it is served today.", 0, 10),
            ),
            {"": "importance + max(importance - satisfaction, 0)"},
            lambda given, _: opportunity(given["importance"], given["satisfaction"]),
            details=lambda _, value: {"band": band(value).replace(" ", "_")},
        ),
    )
}
