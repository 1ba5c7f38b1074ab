"""ICE: impact, confidence and ease, each 1 to 10. Two conventions rank differently, so a score names its own.

Source: Sean Ellis, GrowthHackers; the glossary of https://growth-experiments.com describes the mean and the product.
"""

from collections.abc import Hashable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Literal, NamedTuple, TypeVar

from api.formulas.exact import FormulaError, Number, rounded, within
from api.formulas.ranking import ranked

Variant = Literal["mean", "product"]
Id = TypeVar("Id", bound=Hashable)


class Disagreement(NamedTuple):
    """Something that the two conventions rank differently. Ranks count from 1."""

    id: Hashable
    rank_by_mean: int
    rank_by_product: int


def ice(impact: Number, confidence: Number, ease: Number, variant: Variant) -> Decimal:
    """The mean (1 to 10) or the product (1 to 1000) of three ratings from 1 to 10. Ease is the opposite of effort.

    >>> ice(8, 5, 2, "mean"), ice(8, 5, 2, "product")
    (Decimal('5'), Decimal('80'))
    """
    named = (("impact", impact), ("confidence", confidence), ("ease", ease))
    first, second, third = (within(value, field, 1, 10, hint="ICE rates from 1 to 10.") for field, value in named)
    if variant == "mean":
        return rounded((first + second + third) / Fraction(3))
    if variant == "product":
        return rounded(first * second * third)
    raise FormulaError(
        "variant", "variant must be 'mean' or 'product'; the two rank differently, so there is no default."
    )


def disagreements(ratings: Mapping[Id, Sequence[Number]]) -> list[Disagreement]:
    """What ranks differently by mean and by product, in the order given. Ratings are impact, confidence, ease.

    >>> disagreements({"steady": (5, 5, 5), "lopsided": (10, 9, 1)})[0]
    Disagreement(id='steady', rank_by_mean=2, rank_by_product=1)
    """
    by_mean, by_product = _ranks(ratings, "mean"), _ranks(ratings, "product")
    return [Disagreement(id, by_mean[id], by_product[id]) for id in ratings if by_mean[id] != by_product[id]]


def _ranks(ratings: Mapping[Id, Sequence[Number]], variant: Variant) -> dict[Id, int]:
    ids = list(ratings)
    order = ranked(ids, [ice(*_three(ratings[id]), variant) for id in ids])
    return {id: rank for rank, id in enumerate(order, 1)}


def _three(ratings: Sequence[Number]) -> tuple[Number, Number, Number]:
    if len(ratings) != 3:
        raise FormulaError("ratings", f"ICE takes impact, confidence and ease, and {len(ratings)} ratings were given.")
    return ratings[0], ratings[1], ratings[2]
