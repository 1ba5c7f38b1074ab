"""Opportunity score: what matters to people and is badly served.

Sources: Anthony Ulwick, "What Customers Want", 2005, and "Turn Customer Input into Innovation", Harvard Business
Review, 2002.
"""

from decimal import Decimal
from fractions import Fraction
from typing import Literal

from api.formulas.exact import Number, exact, rounded, within

Band = Literal["extreme", "solid", "worth a look", "served"]


def opportunity(importance: Number, satisfaction: Number) -> Decimal:
    """Importance plus what satisfaction lacks of it, 0 to 20. Both inputs are 0 to 10: means of a rating, or ten times
    the share of people who ticked one of the top two boxes. The two do not compare; a model uses one of them.

    >>> opportunity(9, 3), opportunity(4, 8)
    (Decimal('15'), Decimal('4'))
    """
    matters, served = within(importance, "importance", 0, 10), within(satisfaction, "satisfaction", 0, 10)
    return rounded(matters + max(matters - served, Fraction(0)))


def from_top_two_box(share: Number) -> Decimal:
    """The 0 to 10 input from the share, 0 to 1, of people who ticked one of the top two boxes.

    >>> from_top_two_box("0.72")
    Decimal('7.2')
    """
    return rounded(10 * within(share, "share", 0, 1, hint="It is a share, such as 0.72."))


def band(score: Number) -> Band:
    """Above 15 extreme, from 12 solid, from 10 worth a look, below that served.

    >>> band("15.1"), band(15), band(12), band(10), band("9.9")
    ('extreme', 'solid', 'solid', 'worth a look', 'served')
    """
    points = exact(score, "score")
    if points > 15:
        return "extreme"
    if points >= 12:
        return "solid"
    return "worth a look" if points >= 10 else "served"
