"""From the inputs of a request to numbers: words of a scale, ranges, periods, and a pointer for each thing wrong."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

from api.formulas.exact import FormulaError, Number, exact, rounded
from api.formulas.expression import weighted_mean
from api.formulas.kano import survey
from api.formulas.rice import MAX_EFFORT_MONTHS, Scale, confidence_of, impact_of, off_scale
from api.formulas.scoring import Input, Outcome, kano_value, moscow_value
from api.formulas.spread import Spread, spread
from api.problems import Invalid, Pointer, invalid_field
from api.scores.frameworks import Method, as_invalid

MOST_ANSWERS = 1000
MOST_CRITERIA = 50
# How many of a period a quarter has.
PERIODS: Mapping[str, Fraction] = {
    "week": Fraction(13),
    "month": Fraction(3),
    "quarter": Fraction(1),
    "year": Fraction(1, 4),
}
_MONTHS = Input("effort", "Person-months.", 0, MAX_EFFORT_MONTHS, above_low=True)


@dataclass(frozen=True)
class Given:
    """Inputs as numbers: `points` is what the value is computed with, `spreads` those of them that are ranges."""

    points: dict[str, Number]
    spreads: dict[str, Spread]


def outcome(method: Method, inputs: Mapping[str, Any]) -> Outcome:
    """What these inputs score. Raises Invalid that points at each input that is wrong."""
    if method.compute is None:
        return _BY_HAND[method.framework](inputs)
    given = numbers(method, inputs)
    try:
        return method.compute(given.points)
    except FormulaError as error:
        raise as_invalid(error) from None


def numbers(method: Method, inputs: Mapping[str, Any]) -> Given:
    """The inputs of a method that takes numbers. Raises Invalid."""
    assert method.inputs is not None
    known = {input_.name: input_ for input_ in method.inputs}
    problems: list[Pointer] = []
    factor = _period_factor(method, inputs, "reach" in known, problems)
    for name in inputs:
        if name not in known and not (name == "reach_period" and "reach" in known):
            takes = f"is no input: {method.framework} takes {', '.join(known)}"
            problems.append(_pointer(name, takes, "extra_forbidden"))
    points: dict[str, Number] = {}
    spreads: dict[str, Spread] = {}
    for name, input_ in known.items():
        if inputs.get(name) is None:
            if input_.required or name in inputs:
                problems.append(_pointer(name, "is required", "missing"))
            continue
        try:
            value = _read(input_, inputs[name], method.scale)
        except FormulaError as error:
            code = "number_type" if error.message == "must be a number" else "invalid"
            problems.append(_pointer(error.field, error.message, code))
            continue
        if name == "reach":
            value = _times(value, factor)
        if isinstance(value, Spread):
            spreads[name] = value
        points[name] = value.point if isinstance(value, Spread) else value
    if method.scale and not problems:
        problems += _off_scale(method.scale, points, spreads)
    if problems:
        raise Invalid("; ".join(f"{one.name}: {one.message}" for one in problems[:3]), errors=tuple(problems))
    return Given(points, spreads)


def _read(input_: Input, value: Any, scale: Scale | None) -> Fraction | Spread:
    if isinstance(value, str) and scale is not None and input_.name in ("impact", "confidence"):
        word = impact_of if input_.name == "impact" else confidence_of
        return exact(word(scale, value), input_.name)
    if isinstance(value, Mapping):
        return _bounded(input_, spread(input_.name, value))
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise FormulaError(input_.name, "must be a number")
    return exact(value, input_.name)


def _bounded(input_: Input, found: Spread) -> Spread:
    """A range whose points are all allowed; the tails of a distribution are cut at the bounds when it is drawn."""
    for value in (found.low, found.middle, found.high):
        input_.check(value)
    return found


def _period_factor(method: Method, inputs: Mapping[str, Any], takes: bool, problems: list[Pointer]) -> Fraction:
    """What reach is multiplied by to be per `method.reach_period`. Without a period it is taken as it is."""
    if not takes:
        return Fraction(1)
    period = inputs.get("reach_period")
    if period is None:
        if method.asks_period:
            message = f"{method.framework} asks for the period of the reach: {', '.join(PERIODS)}"
            problems.append(_pointer("reach_period", message, "missing"))
        return Fraction(1)
    if period not in PERIODS:
        problems.append(_pointer("reach_period", f"must be one of {', '.join(PERIODS)}", "unknown_period"))
        return Fraction(1)
    return PERIODS[period] / PERIODS[method.reach_period]


def _times(value: Fraction | Spread, factor: Fraction) -> Fraction | Spread:
    if isinstance(value, Spread):
        return replace(value, low=value.low * factor, middle=value.middle * factor, high=value.high * factor)
    return value * factor


def _off_scale(scale: Scale, points: Mapping[str, Number], spreads: Mapping[str, Spread]) -> list[Pointer]:
    """A range is between the rungs by its nature, so only single numbers are held to the scale."""
    found = []
    for name, words in (("impact", scale.impacts), ("confidence", scale.confidences)):
        if name in points and name not in spreads and words:
            impact = points[name] if name == "impact" else next(iter(scale.impacts.values()), Decimal(1))
            confidence = points[name] if name == "confidence" else next(iter(scale.confidences.values()), Decimal(1))
            try:
                found += [_pointer(name, text, "off_scale") for text in off_scale(scale, impact, confidence)]
            except FormulaError as error:
                found.append(_pointer(name, error.message, "invalid"))
    return found


def _pointer(name: str, message: str, code: str) -> Pointer:
    shown = "/".join(part.replace("~", "~0") for part in name.split("/"))
    return Pointer(code, message, "field", f"/inputs/{shown}")


def _weighted(inputs: Mapping[str, Any]) -> Outcome:
    """Criteria with a weight and a rating from 0 to 10 each: the mean by weight, 0 to 10."""
    _only(inputs, "criteria")
    criteria = _rows(inputs, "criteria", MOST_CRITERIA)
    terms, ratings = [], {}
    for number, row in enumerate(criteria):
        at = f"criteria/{number}"
        _only(row, "key", "weight", "rating", "direction", under=f"/inputs/{at}")
        key = row.get("key")
        if not isinstance(key, str) or not 0 < len(key) <= 64 or key in ratings:
            raise invalid_field(f"/inputs/{at}/key", "must be a name of its own, of 64 characters or fewer")
        weight = _checked(Input("weight", "", 0, 10**9), row.get("weight"), f"{at}/weight")
        ratings[key] = _checked(Input("rating", "", 0, 10), row.get("rating"), f"{at}/rating")
        direction = row.get("direction", "benefit")
        if direction not in ("benefit", "cost"):
            raise invalid_field(f"/inputs/{at}/direction", "must be benefit or cost")
        terms.append((key, weight, Fraction(10) if direction == "cost" else None))
    try:
        value = weighted_mean(terms).value(ratings)
    except FormulaError as error:
        raise invalid_field("/inputs/criteria", error.message) from None
    total = sum((weight for _, weight, _ in terms), Fraction(0))
    parts = {
        key: rounded(weight / total * (ratings[key] if mirror is None else mirror - ratings[key]))
        for key, weight, mirror in terms
    }
    return Outcome(value, value, None, {"contributions": parts})


def _kano(inputs: Mapping[str, Any]) -> Outcome:
    """Answers with and without the feature: the value is Timko's better less worse, 0 to 2."""
    _only(inputs, "answers")
    answers = []
    for number, row in enumerate(_rows(inputs, "answers", MOST_ANSWERS)):
        _only(row, "functional", "dysfunctional", under=f"/inputs/answers/{number}")
        pair = row.get("functional"), row.get("dysfunctional")
        if not all(isinstance(word, str) for word in pair):
            raise invalid_field(f"/inputs/answers/{number}", "needs functional and dysfunctional, a word each")
        answers.append((str(pair[0]), str(pair[1])))
    try:
        told = survey(answers)
    except FormulaError as error:
        raise as_invalid(FormulaError("answers", error.message)) from None
    value = kano_value(told.better, told.worse)
    details = {
        "category": told.category,
        "tied": told.tied,
        "counts": told.counts,
        "answers": told.answers,
        "better": told.better,
        "worse": told.worse,
        "questionable": told.questionable,
    }
    return Outcome(value, value, None, details)


def _moscow(inputs: Mapping[str, Any]) -> Outcome:
    """A class, and the effort in person-months where it is known."""
    _only(inputs, "category", "effort")
    category = inputs.get("category")
    if not isinstance(category, str):
        raise invalid_field("/inputs/category", "must be must, should, could or wont", "missing")
    try:
        value = moscow_value(category)
    except FormulaError as error:
        raise as_invalid(error) from None
    months = None if inputs.get("effort") is None else rounded(_checked(_MONTHS, inputs["effort"], "effort"))
    return Outcome(value, value, months, {"category": category})


_BY_HAND = {"weighted": _weighted, "kano": _kano, "moscow": _moscow}


def _only(inputs: Mapping[str, Any], *names: str, under: str = "/inputs") -> None:
    for name in inputs:
        if name not in names:
            message = f"is not known here: it takes {', '.join(names)}"
            raise invalid_field(f"{under}/{name}", message, "extra_forbidden")


def _rows(inputs: Mapping[str, Any], name: str, most: int) -> list[Mapping[str, Any]]:
    rows = inputs.get(name)
    if not isinstance(rows, list) or not 0 < len(rows) <= most or not all(isinstance(row, Mapping) for row in rows):
        raise invalid_field(f"/inputs/{name}", f"must be a list of 1 to {most} objects", "missing")
    return rows


def _checked(input_: Input, value: Any, at: str) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise invalid_field(f"/inputs/{at}", "must be a number", "number_type" if value is not None else "missing")
    try:
        return input_.check(value)
    except FormulaError as error:
        raise invalid_field(f"/inputs/{at}", error.message) from None
