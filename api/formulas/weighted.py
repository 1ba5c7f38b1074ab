"""The weighted decision matrix: what each option totals, who leads, by how much, and what would change that.

Source: simple additive weighting, in C. L. Hwang and K. Yoon, "Multiple Attribute Decision Making", Springer, 1981, and
C. W. Churchman and R. L. Ackoff, "An Approximate Measure of Value", 1954. Scores are absolute on an anchored scale:
relative normalisation, where adding an option changes the score of the others, is left out on purpose.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from api.formulas.exact import FormulaError, Number, exact, rounded, within

MAX_CRITERIA = 100
MAX_OPTIONS = 100
MAX_WEIGHT = 10**9
_ONE = Fraction(1)

Ratings = Mapping[str, Mapping[str, Number]]


@dataclass(frozen=True, slots=True)
class Criterion:
    """A question that every option is rated on. `weight` is at least 0; of a `cost`, a low rating is the better one."""

    id: str
    weight: Number
    direction: Literal["benefit", "cost"] = "benefit"


@dataclass(frozen=True, slots=True)
class RatingScale:
    """The two ends of every rating. A cost is turned round on it: on 0 to 10, a cost of 3 counts as 7."""

    low: Number = 0
    high: Number = 10


@dataclass(frozen=True, slots=True)
class Dominated:
    """`option` is nowhere better and somewhere worse than `by`, so no weights could make it win alone."""

    option: str
    by: str


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Totals of a matrix. Options stand in the order of their totals, equal ones in the order they were given.

    `leader` and `runner_up` are None where a tie leaves no single one; `leaders` holds all that share the top.
    `margin` is the first total less the second, None with one option; `margin_share` is its share of the first.
    `weights` sum to 1; when the given ones did not, `normalised` says so and `weight_sum` is what they summed to.
    """

    order: list[str]
    totals: dict[str, Decimal]
    contributions: dict[str, dict[str, Decimal]]
    leader: str | None
    leaders: list[str]
    runner_up: str | None
    margin: Decimal | None
    margin_share: Decimal | None
    weights: dict[str, Decimal]
    weight_sum: Decimal
    normalised: bool
    dominated: list[Dominated]


@dataclass(frozen=True, slots=True)
class Threshold:
    """The weight, 0 to 1, at which the leader is caught, and the option that wins beyond it."""

    weight: Decimal
    winner: str


@dataclass(frozen=True, slots=True)
class Crossover:
    """How far one weight can move, all others rescaled, before another option wins: down to `below`, up to `above`.

    None where no weight that way changes the winner.
    """

    criterion: str
    weight: Decimal
    below: Threshold | None
    above: Threshold | None


@dataclass(frozen=True, slots=True)
class Flip:
    """One rating that alone could change the winner: at `rating + change` the two tie, beyond it `winner` wins."""

    option: str
    criterion: str
    rating: Decimal
    change: Decimal
    winner: str


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """What would change the winner. All empty when the top is tied or there is one option: no winner to change.

    `flips` come smallest change first; `smallest_flip` is the first of them.
    """

    crossovers: list[Crossover]
    flips: list[Flip]
    smallest_flip: Flip | None


def evaluate(
    criteria: Sequence[Criterion], options: Sequence[str], ratings: Ratings, scale: RatingScale = RatingScale()
) -> Evaluation:
    """Total every option, exactly. `ratings[option][criterion]` lies on the scale, 0 to 10 unless told otherwise.

    Raises FormulaError: a cell that is missing or off the scale is named `ratings.<option>.<criterion>`.

    >>> matrix = [Criterion("value", 60), Criterion("price", 40, "cost")]
    >>> told = evaluate(matrix, ["build", "buy"], {"build": {"value": 9, "price": 8}, "buy": {"value": 5, "price": 3}})
    >>> told.totals["build"], told.totals["buy"], told.leader, told.margin, told.weight_sum, told.normalised
    (Decimal('6.2'), Decimal('5.8'), 'build', Decimal('0.4'), Decimal('100'), True)
    """
    matrix = _Matrix.read(criteria, options, ratings, scale)
    totals = matrix.totals()
    order = sorted(options, key=lambda option: -totals[option])
    leaders = [option for option in order if totals[option] == totals[order[0]]]
    leader = leaders[0] if len(leaders) == 1 else None
    margin = totals[order[0]] - totals[order[1]] if len(order) > 1 else None
    return Evaluation(
        order=order,
        totals={option: rounded(totals[option]) for option in order},
        contributions={
            option: {name: rounded(matrix.weights[name] * matrix.worth[option][name]) for name in matrix.weights}
            for option in order
        },
        leader=leader,
        leaders=leaders,
        runner_up=_runner_up(order, totals) if leader is not None else None,
        margin=None if margin is None else rounded(margin),
        margin_share=None if margin is None or totals[order[0]] <= 0 else rounded(margin / totals[order[0]]),
        weights={name: rounded(weight) for name, weight in matrix.weights.items()},
        weight_sum=rounded(matrix.weight_sum),
        normalised=matrix.weight_sum != 1,
        dominated=_dominated(options, matrix.worth),
    )


def sensitivity(
    criteria: Sequence[Criterion], options: Sequence[str], ratings: Ratings, scale: RatingScale = RatingScale()
) -> Sensitivity:
    """How robust the winner is: the weight of each criterion, and each single rating, at which another option wins.

    >>> matrix = [Criterion("value", "0.6"), Criterion("speed", "0.4")]
    >>> ratings = {"build": {"value": 9, "speed": 2}, "buy": {"value": 5, "speed": 6}}
    >>> told = sensitivity(matrix, ["build", "buy"], ratings)
    >>> told.crossovers[0].below
    Threshold(weight=Decimal('0.5'), winner='buy')
    >>> told.smallest_flip
    Flip(option='build', criterion='value', rating=Decimal('9'), change=Decimal('-1.333333'), winner='buy')
    """
    matrix = _Matrix.read(criteria, options, ratings, scale)
    totals = matrix.totals()
    order = sorted(options, key=lambda option: -totals[option])
    if len(order) < 2 or totals[order[0]] == totals[order[1]]:
        return Sensitivity([], [], None)
    flips = _flips(matrix, order, totals)
    crossovers = [_crossover(matrix, name, order, totals) for name in matrix.weights]
    return Sensitivity(crossovers, flips, flips[0] if flips else None)


@dataclass(frozen=True, slots=True)
class _Matrix:
    """The checked input: weights that sum to 1, and the worth of each cell, where higher is always better."""

    weights: dict[str, Fraction]
    weight_sum: Fraction
    worth: dict[str, dict[str, Fraction]]
    turned: dict[str, bool]
    low: Fraction
    high: Fraction

    @classmethod
    def read(
        cls, criteria: Sequence[Criterion], options: Sequence[str], ratings: Ratings, scale: RatingScale
    ) -> "_Matrix":
        _check_names("criteria", [criterion.id for criterion in criteria], MAX_CRITERIA)
        _check_names("options", options, MAX_OPTIONS)
        given = {one.id: within(one.weight, f"criteria.{one.id}.weight", 0, MAX_WEIGHT) for one in criteria}
        weight_sum = sum(given.values(), Fraction(0))
        if weight_sum == 0:
            raise FormulaError(
                "criteria", "The weights sum to 0, so nothing counts. Give at least one criterion a weight."
            )
        low, high = exact(scale.low, "scale.low"), exact(scale.high, "scale.high")
        if low >= high:
            raise FormulaError("scale", "The scale's low end must be below its high end.")
        turned = {one.id: one.direction == "cost" for one in criteria}
        worth = {
            option: {name: _worth(ratings, option, name, low, high, turned=turned[name]) for name in given}
            for option in options
        }
        return cls({name: weight / weight_sum for name, weight in given.items()}, weight_sum, worth, turned, low, high)

    def totals(self) -> dict[str, Fraction]:
        return {
            option: sum((self.weights[name] * worth for name, worth in cells.items()), Fraction(0))
            for option, cells in self.worth.items()
        }


def _check_names(field: str, names: Sequence[str], most: int) -> None:
    if not 1 <= len(names) <= most:
        raise FormulaError(field, f"A matrix has 1 to {most} {field}, and this one has {len(names)}.")
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise FormulaError(field, f"{twice!r} stands twice among the {field}. Give each a name of its own.")


def _worth(ratings: Ratings, option: str, name: str, low: Fraction, high: Fraction, *, turned: bool) -> Fraction:
    cell = f"ratings.{option}.{name}"
    if option not in ratings or name not in ratings[option]:
        raise FormulaError(cell, f"{option!r} has no rating for {name!r}. Every option is rated on every criterion.")
    rating = exact(ratings[option][name], cell)
    if not low <= rating <= high:
        ends = f"{rounded(low)} to {rounded(high)}"
        raise FormulaError(
            cell, f"{option!r} is rated {rounded(rating)} on {name!r}, which is off the scale of {ends}."
        )
    return low + high - rating if turned else rating


def _runner_up(order: list[str], totals: dict[str, Fraction]) -> str | None:
    if len(order) < 2 or (len(order) > 2 and totals[order[1]] == totals[order[2]]):
        return None
    return order[1]


def _dominated(options: Sequence[str], worth: dict[str, dict[str, Fraction]]) -> list[Dominated]:
    return [
        Dominated(option, by)
        for option in options
        for by in options
        if worth[option] != worth[by] and all(worth[option][name] <= worth[by][name] for name in worth[by])
    ]


def _crossover(matrix: _Matrix, name: str, order: list[str], totals: dict[str, Fraction]) -> Crossover:
    """With weight w on this criterion, the lead over a rival is the line w·own + (1 − w)·rest."""
    leader, weight = order[0], matrix.weights[name]
    crossings = []
    for rival in (
        order[1:] if weight < 1 else []
    ):  # With everything on one criterion, the others have no shares to rescale.
        own = matrix.worth[leader][name] - matrix.worth[rival][name]
        rest = (totals[leader] - totals[rival] - weight * own) / (1 - weight)
        if rest != own and 0 < rest / (rest - own) < 1:
            crossings.append((rest / (rest - own), rival))
    below = max((one for one in crossings if one[0] < weight), key=lambda one: one[0], default=None)
    above = min((one for one in crossings if one[0] > weight), key=lambda one: one[0], default=None)
    return Crossover(name, rounded(weight), _threshold(below), _threshold(above))


def _threshold(crossing: tuple[Fraction, str] | None) -> Threshold | None:
    return None if crossing is None else Threshold(rounded(crossing[0]), crossing[1])


def _flips(matrix: _Matrix, order: list[str], totals: dict[str, Fraction]) -> list[Flip]:
    """Every cell that, moved alone and kept on the scale, can overtake: the leader's down, each rival's up."""
    leader, second = order[0], order[1]
    changes = [(leader, name, -(totals[leader] - totals[second]), second) for name in matrix.weights]
    changes += [(rival, name, totals[leader] - totals[rival], rival) for rival in order[1:] for name in matrix.weights]
    found = []
    for option, name, gap, winner in changes:
        if matrix.weights[name] == 0:
            continue
        step, worth = gap / matrix.weights[name], matrix.worth[option][name]
        # At the end of the scale they only tie, and there is no further to go.
        if matrix.low < worth + step < matrix.high:
            found.append((abs(step), _flip(matrix, option, name, step, winner)))
    return [flip for _, flip in sorted(found, key=lambda one: one[0])]


def _flip(matrix: _Matrix, option: str, name: str, step: Fraction, winner: str) -> Flip:
    worth = matrix.worth[option][name]
    if matrix.turned[name]:
        worth, step = matrix.low + matrix.high - worth, -step
    return Flip(option, name, rounded(worth), rounded(step), winner)
