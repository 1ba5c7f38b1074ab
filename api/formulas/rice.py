"""RICE: reach × impact × confidence ÷ effort, "total impact per time worked".

Source: Sean McBride, "RICE: Simple prioritization for product managers", Intercom, 2016,
https://www.intercom.com/blog/rice-simple-prioritization-for-product-managers/
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from api.formulas.exact import FormulaError, Number, exact, rounded, within

MAX_REACH = 10**12
MAX_IMPACT = 1000
MAX_EFFORT_MONTHS = 10**6


def rice(reach: Number, impact: Number, confidence: Number, effort: Number) -> Decimal:
    """Impact-weighted people per period per person-month, exact, rounded once to six decimals.

    reach: people or events per fixed period, 0 to 1e12. impact: above 0, to 1000. confidence: a share from 0 to 1.
    effort: person-months, above 0, to 1e6. Scores compare only where period, population and units are the same.
    Raises FormulaError that names the input.

    >>> rice(10000, 3, 0.8, 2)
    Decimal('12000')
    >>> rice(10000, 3, 80, 2)
    Traceback (most recent call last):
    api.formulas.exact.FormulaError: confidence must be at least 0 and at most 1, and 80 is not. For 80 % write 0.8.
    """
    people = within(reach, "reach", 0, MAX_REACH, unit="people per period")
    weight = within(impact, "impact", 0, MAX_IMPACT, above_low=True)
    share = _confidence(confidence)
    months = within(effort, "effort", 0, MAX_EFFORT_MONTHS, above_low=True, unit="person-months")
    # One fraction of whole products: each step in fractions would look for a common divisor.
    gain = people.numerator * weight.numerator * share.numerator * months.denominator
    cost = people.denominator * weight.denominator * share.denominator * months.numerator
    return rounded(Fraction(gain, cost))


def displayed(score: Number, divisor: Number) -> Decimal:
    """The score as a table prints it, divided by a constant that the whole model declares: 12000 ÷ 100 is shown as 120.

    >>> displayed("12000", 100)
    Decimal('120')
    """
    return rounded(exact(score, "score") / within(divisor, "divisor", 0, 10**12, above_low=True))


@dataclass(frozen=True, slots=True)
class Scale:
    """What the words mean, as data: the same word has three published values, so the scale is stored with each score.

    `impacts` and `confidences` map a word to its value. An open scale takes any value from the least word to the
    largest, a closed one only the values that are named. No words at all means that every valid number is on the scale.
    """

    id: str
    source: str
    impacts: Mapping[str, Decimal]
    confidences: Mapping[str, Decimal]
    open: bool = False


SCALES: Mapping[str, Scale] = {
    scale.id: scale
    for scale in (
        Scale(
            id="intercom-2016",
            source="Sean McBride, Intercom, 2016",
            impacts={
                "massive": Decimal(3),
                "high": Decimal(2),
                "medium": Decimal(1),
                "low": Decimal("0.5"),
                "minimal": Decimal("0.25"),
            },
            confidences={"high": Decimal(1), "medium": Decimal("0.8"), "low": Decimal("0.5")},
        ),
        Scale(
            id="guide-1-3",
            source="The Technical Product Manager, section 4",
            impacts={"massive": Decimal(3), "medium": Decimal(2), "small": Decimal(1)},
            confidences={},
            open=True,
        ),
        Scale(id="custom", source="The workspace's own", impacts={}, confidences={}, open=True),
    )
}


def custom_scale(
    id: str, impacts: Mapping[str, Number], confidences: Mapping[str, Number], *, open: bool = False
) -> Scale:
    """A scale of the workspace's own, checked against the ranges of `rice`.

    >>> custom_scale("ours-1", {"big": 5, "small": 1}, {}).impacts["big"]
    Decimal('5')
    """
    return Scale(
        id=id,
        source="The workspace's own",
        impacts={
            word: rounded(within(value, "impact", 0, MAX_IMPACT, above_low=True)) for word, value in impacts.items()
        },
        confidences={word: rounded(_confidence(value)) for word, value in confidences.items()},
        open=open,
    )


def impact_of(scale: Scale, word: str) -> Decimal:
    """The impact that a word stands for on this scale. Raises FormulaError that lists the words.

    >>> impact_of(SCALES["intercom-2016"], "Medium"), impact_of(SCALES["guide-1-3"], "medium")
    (Decimal('1'), Decimal('2'))
    """
    return _value(scale.id, scale.impacts, word, "impact")


def confidence_of(scale: Scale, word: str) -> Decimal:
    """The confidence that a word stands for on this scale. Raises FormulaError that lists the words.

    >>> confidence_of(SCALES["intercom-2016"], "medium")
    Decimal('0.8')
    """
    return _value(scale.id, scale.confidences, word, "confidence")


def off_scale(scale: Scale, impact: Number, confidence: Number) -> list[str]:
    """A sentence for each input that the scale does not know. They are findings, not errors: the score still computes.

    >>> off_scale(SCALES["intercom-2016"], 3, "0.6")
    ['confidence 0.6 is not on intercom-2016, which has 1, 0.8, 0.5.']
    """
    inputs = (
        ("impact", exact(impact, "impact"), scale.impacts),
        ("confidence", _confidence(confidence), scale.confidences),
    )
    return [
        f"{field} {rounded(value)} is not on {scale.id}, which has {_ladder(words, scale.open)}."
        for field, value, words in inputs
        if words and not _on(value, words, scale.open)
    ]


def _confidence(value: Number) -> Fraction:
    number = exact(value, "confidence")
    if 0 <= number.numerator <= number.denominator:
        return number
    hint = (
        f"For {rounded(number)} % write {rounded(number / 100)}."
        if 1 < number <= 100
        else "It is a share, such as 0.8."
    )
    return within(value, "confidence", 0, 1, hint=hint)


def _value(scale_id: str, words: Mapping[str, Decimal], word: str, field: str) -> Decimal:
    try:
        return words[word.strip().lower()]
    except KeyError:
        known = ", ".join(words) or "no words, only numbers"
        raise FormulaError(field, f"{field} {word[:40]!r} is not a word of {scale_id}, which has {known}.") from None


def _on(value: Fraction, words: Mapping[str, Decimal], open: bool) -> bool:
    if open:
        return min(words.values()) <= value <= max(words.values())
    return value in words.values()


def _ladder(words: Mapping[str, Decimal], open: bool) -> str:
    return (
        f"{min(words.values())} to {max(words.values())}" if open else ", ".join(str(value) for value in words.values())
    )
