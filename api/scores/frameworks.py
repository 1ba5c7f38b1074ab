"""Which way to score is meant: a built-in framework in one of its variants, or a version of the workspace's own model.

Each becomes a `Method`, which computes a score, names its series and gives the formula that a simulation draws with.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sqlalchemy import bindparam, or_, select

from api.accounts.tenancy import owned
from api.formulas.exact import FormulaError, Number, exact, rounded
from api.formulas.expression import Expression, parse, weighted_mean
from api.formulas.rice import SCALES, Scale, custom_scale
from api.formulas.scoring import FRAMEWORKS, Framework, Input, Outcome
from api.problems import Invalid, invalid_field
from api.scores.models import ScoringModel
from api.stores import Prepared, Transaction

BY_HAND = ("weighted", "kano", "moscow")
BUILT_IN = (*FRAMEWORKS, *BY_HAND)

_MODEL = Prepared(
    select(ScoringModel.version, ScoringModel.kind, ScoringModel.definition)
    .where(
        owned(ScoringModel),
        ScoringModel.key == bindparam("key"),
        or_(
            bindparam("wanted", type_=ScoringModel.version.type).is_(None),
            ScoringModel.version == bindparam("wanted", type_=ScoringModel.version.type),
        ),
    )
    .order_by(ScoringModel.version.desc())
    .limit(1)
)


@dataclass(frozen=True)
class Method:
    """One way to score. Only scores of one `series` compare.

    `inputs` and `expression` are None for what is not made of numbers alone (weighted, kano, moscow). `reach_period` is
    what reach is converted to; `asks_period` says that a score must name its own.
    """

    framework: str
    series: str
    formula: str
    variant: str | None = None
    version: int | None = None
    inputs: tuple[Input, ...] | None = None
    expression: Expression | None = None
    scale: Scale | None = None
    reach_period: str = "quarter"
    asks_period: bool = False
    compute: Callable[[Mapping[str, Number]], Outcome] | None = None


async def method(tx: Transaction, framework: str, variant: str | None = None, version: int | None = None) -> Method:
    """Raises Invalid that points at `/framework`, `/variant` or `/model_version`."""
    if framework in BUILT_IN:
        if version is not None:
            raise invalid_field("/model_version", f"{framework} is built in: its version is fixed", "extra_forbidden")
        return built_in(framework, variant)
    row = await tx.first(_MODEL, key=framework, wanted=version)
    if row is None:
        known = ", ".join(BUILT_IN)
        message = f"is none of {known}, nor a model made with POST /v1/scores/models"
        if version is not None:
            message += f" in version {version}"
        raise invalid_field("/framework", message, "unknown_framework")
    if variant is not None:
        raise invalid_field("/variant", "an own model has no variants: they are fixed in it", "extra_forbidden")
    return own(framework, row["version"], row["kind"], row["definition"])


def built_in(framework: str, variant: str | None) -> Method:
    """A built-in framework. Raises Invalid for a variant that it does not have, or that must be named."""
    if framework in BY_HAND:
        if variant is not None:
            raise invalid_field("/variant", f"{framework} has no variants", "extra_forbidden")
        return Method(framework, framework, f"{framework}@1")
    known = FRAMEWORKS[framework]
    chosen = _variant(known, variant)
    series = f"{framework}_{chosen}" if chosen else framework
    return Method(
        framework,
        series,
        f"{series}@{known.version}",
        chosen or None,
        inputs=known.inputs,
        expression=known.expression(chosen),
        compute=lambda given: known.outcome(given, chosen),
    )


def own(key: str, version: int, kind: str, definition: Mapping[str, Any]) -> Method:
    """A version of an own model, from what was published. Raises FormulaError for a definition that cannot work."""
    series = f"{key}@{version}"
    if kind == "base":
        base = built_in(definition["base"], definition.get("variant"))
        return Method(
            key,
            series,
            series,
            version=version,
            inputs=base.inputs,
            expression=base.expression,
            scale=_scale(definition.get("scale")),
            reach_period=definition.get("reach_period") or "quarter",
            asks_period=definition.get("reach_period") is not None,
            compute=base.compute,
        )
    if kind == "formula":
        return _by_formula(key, version, definition)
    return _by_weights(key, version, definition)


def _variant(framework: Framework, variant: str | None) -> str:
    if variant is None:
        if framework.default is None:
            choices = " or ".join(framework.variants)
            message = f"{framework.key} is {choices}; the two rank differently, so there is no default"
            raise invalid_field("/variant", message, "missing")
        return framework.default
    if variant not in framework.variants:
        choices = f"has {', '.join(framework.variants)}" if framework.variants else "has no variants"
        raise invalid_field("/variant", f"{framework.key} {choices}", "unknown_variant")
    return variant


def _scale(given: Any) -> Scale | None:
    if given is None or isinstance(given, str):
        return SCALES[given] if given else None
    return custom_scale(given["name"], given["impact"], given["confidence"], open=given["open"])


def _by_formula(key: str, version: int, definition: Mapping[str, Any]) -> Method:
    inputs = tuple(
        Input(
            given["name"],
            given.get("description") or given["name"],
            Decimal(given["minimum"]),
            Decimal(given["maximum"]),
            given["exclusive_minimum"],
        )
        for given in definition["inputs"]
    )
    expression = parse(definition["expression"], frozenset(known.name for known in inputs))
    effort = definition.get("effort")

    def compute(given: Mapping[str, Number]) -> Outcome:
        _check(inputs, given)
        result = expression.exact(given)
        months = exact(given[effort], effort) if effort else None
        worth = result * months if definition.get("per_effort") and months is not None else result
        return Outcome(rounded(result), rounded(worth), None if months is None else rounded(months))

    return Method(key, f"{key}@{version}", f"{key}@{version}", None, version, inputs, expression, compute=compute)


def _by_weights(key: str, version: int, definition: Mapping[str, Any]) -> Method:
    criteria = definition["criteria"]
    inputs = tuple(
        Input(known["name"], known["name"], Decimal(known["minimum"]), Decimal(known["maximum"])) for known in criteria
    )
    terms = [
        (
            known["name"],
            exact(known["weight"], known["name"]),
            _mirror(known) if known["direction"] == "cost" else None,
        )
        for known in criteria
    ]
    expression = weighted_mean(terms)
    total = sum((weight for _, weight, _ in terms), Fraction(0))

    def compute(given: Mapping[str, Number]) -> Outcome:
        ratings = _check(inputs, given)
        parts = {
            name: rounded(weight / total * (ratings[name] if mirror is None else mirror - ratings[name]))
            for name, weight, mirror in terms
        }
        value = expression.value(given)
        return Outcome(value, value, None, {"contributions": parts})

    return Method(key, f"{key}@{version}", f"{key}@{version}", None, version, inputs, expression, compute=compute)


def _check(inputs: tuple[Input, ...], given: Mapping[str, Number]) -> dict[str, Fraction]:
    return {known.name: known.check(given[known.name]) for known in inputs}


def _mirror(criterion: Mapping[str, Any]) -> Fraction:
    return exact(criterion["minimum"], "minimum") + exact(criterion["maximum"], "maximum")


def as_invalid(error: FormulaError, under: str = "/inputs") -> Invalid:
    """A formula's refusal, as the pointer to the field that it names."""
    if error.field == "expression":
        return invalid_field(under, error.message)
    return invalid_field(f"{under}/{error.field}", error.message)
