"""How sure the winner of a decision matrix is when its weights are only roughly known.

Sources: the Dirichlet distribution as a prior over weights that sum to 1, in J. Butler, J. Jia and J. Dyer, "Simulation
techniques for the sensitivity analysis of multi-criteria decision models", European Journal of Operational Research,
1997; the words for the result are ours.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from api.formulas.exact import FormulaError, Number, exact, rounded

Word = Literal["robust", "moderately_robust", "fragile", "tied"]

DRAWS = 20_000
CONCENTRATION = 20
MAX_CELLS = 10_000
_ROBUST, _MODERATE = Fraction(95, 100), Fraction(3, 4)


def win_probabilities(
    weights: Mapping[str, Number],
    worth: Mapping[str, Mapping[str, Number]],
    seed: int,
    *,
    draws: int = DRAWS,
    concentration: int = CONCENTRATION,
) -> dict[str, Decimal]:
    """The share of drawn weights under which each option wins; those that tie share the draw.

    `weights` are shares of 1, `worth[option][criterion]` is higher for the better one. Weights are drawn from a
    Dirichlet distribution around the given ones: at a concentration of 20, a weight of 0.4 varies by about 0.11. The
    same seed gives the same answer. A weight of 0 stays 0. At most 10,000 cells.

    >>> worth = {"build": {"value": 9, "speed": 2}, "buy": {"value": 5, "speed": 6}}
    >>> told = win_probabilities({"value": "0.6", "speed": "0.4"}, worth, seed=1)
    >>> sum(told.values()) == 1, Decimal("0.7") < told["build"] < Decimal("0.9")
    (True, True)
    """
    names = [name for name, weight in weights.items() if exact(weight, f"weights.{name}") > 0]
    if not names or not worth:
        raise FormulaError("weights", "There is nothing to draw: give at least one criterion a weight and one option.")
    if len(names) * len(worth) > MAX_CELLS:
        raise FormulaError("worth", f"The matrix has more than {MAX_CELLS:,} cells. Leave some out.")
    # Here and not above: it takes a third of a second to import, and a worker or a migration never draws.
    import numpy  # noqa: PLC0415

    alpha = numpy.array([float(exact(weights[name], name)) * concentration for name in names])
    cells = numpy.array([[float(exact(row[name], name)) for name in names] for row in worth.values()])
    # A Dirichlet draw is a row of gammas over their sum, and the sum changes no winner: it is left out.
    drawn = numpy.random.Generator(numpy.random.PCG64(seed)).standard_gamma(alpha, size=(draws, len(names)))
    totals = drawn @ cells.T
    best = totals.max(axis=1, keepdims=True)
    wins = totals >= best - 1e-9 * numpy.abs(best)
    shares = (wins / wins.sum(axis=1, keepdims=True)).sum(axis=0)
    return _shares(list(worth), [float(share) for share in shares], draws)


def robustness(leader: str | None, probabilities: Mapping[str, Number]) -> Word:
    """In a word: robust from 0.95, moderately robust from 0.75, fragile below; tied where no one option leads.

    >>> robustness("build", {"build": "0.79", "buy": "0.21"}), robustness(None, {})
    ('moderately_robust', 'tied')
    """
    if leader is None:
        return "tied"
    probability = exact(probabilities[leader], leader)
    if probability >= _ROBUST:
        return "robust"
    return "moderately_robust" if probability >= _MODERATE else "fragile"


def _shares(options: Sequence[str], wins: Sequence[float], draws: int) -> dict[str, Decimal]:
    """To four places; the largest takes up what rounding left, so that they sum to 1."""
    shares = {option: round(Decimal(won) / draws, 4) for option, won in zip(options, wins, strict=True)}
    first = max(shares, key=lambda option: shares[option])
    shares[first] += 1 - sum(shares.values(), Decimal(0))
    return {option: rounded(Fraction(share)) for option, share in shares.items()}
