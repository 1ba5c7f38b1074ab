from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.formulas.exact import FormulaError
from api.formulas.kano import ANSWERS, classify, survey

pairs = st.tuples(st.sampled_from(ANSWERS), st.sampled_from(ANSWERS))


def by_rule(functional: str, dysfunctional: str) -> str:
    """The table told as rules, as an oracle: it is never copied from the grid."""
    if functional == dysfunctional and functional in ("like", "dislike"):
        return "Q"
    if functional == "like":
        return "O" if dysfunctional == "dislike" else "A"
    if dysfunctional == "like" or functional == "dislike":
        return "R"
    return "M" if dysfunctional == "dislike" else "I"


@pytest.mark.parametrize("functional", ANSWERS)
@pytest.mark.parametrize("dysfunctional", ANSWERS)
def test_every_pair_of_answers_has_its_letter(functional, dysfunctional) -> None:
    assert classify(functional, dysfunctional) == by_rule(functional, dysfunctional)


def test_answers_are_read_as_people_write_them() -> None:
    assert classify("Like", "expect") == classify("like", "Must-be") == "A"
    assert classify("tolerate", "DISLIKE") == "M"


def test_an_unknown_answer_is_refused_with_the_known_ones() -> None:
    with pytest.raises(FormulaError, match="like, must_be, neutral, live_with, dislike"):
        classify("love", "dislike")


@given(st.lists(pairs, min_size=1, max_size=40))
def test_better_and_worse_are_shares_of_the_useful_answers(answers) -> None:
    told, counts = survey(answers), Counter(by_rule(*pair) for pair in answers)
    useful = counts["M"] + counts["O"] + counts["A"] + counts["I"]
    assert told.answers == sum(told.counts.values()) == len(answers)
    if useful:
        assert abs(Fraction(told.better) - Fraction(counts["A"] + counts["O"], useful)) < Fraction(1, 10**6)
        assert abs(Fraction(told.worse) + Fraction(counts["M"] + counts["O"], useful)) < Fraction(1, 10**6)
    else:
        assert told.better is told.worse is None


@given(st.lists(pairs, min_size=1, max_size=40))
def test_the_category_is_a_most_frequent_letter(answers) -> None:
    told, counts = survey(answers), Counter(by_rule(*pair) for pair in answers)
    assert counts[told.category] == max(counts.values())
    assert len(told.tied) != 1


def test_a_tie_is_told_and_goes_to_the_weightier_letter() -> None:
    told = survey([("like", "dislike"), ("neutral", "dislike"), ("like", "neutral")])
    assert (told.category, told.tied) == ("M", ["M", "O", "A"])


def test_a_survey_needs_an_answer() -> None:
    with pytest.raises(FormulaError):
        survey([])
