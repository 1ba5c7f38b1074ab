import contextlib
import doctest
import importlib
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.imports.cells import NotANumber, figure, uses_decimal_commas


@pytest.mark.parametrize("name", ["cells", "documents", "tables", "guide"])
def test_the_examples_in_the_docstrings_are_right(name: str) -> None:
    assert doctest.testmod(importlib.import_module(f"api.imports.{name}")).failed == 0


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("120", "120"),
        ("10,000", "10000"),
        ("1,234,567.5", "1234567.5"),
        ("1.234.567,5", "1234567.5"),
        ("10 000", "10000"),
        ("10\u202f000", "10000"),
        ("10'000", "10000"),
        ("10_000", "10000"),
        ("10,00,000", "1000000"),
        ("0,5", "0.5"),
        ("0,125", "0.125"),
        ("2.5", "2.5"),
        (".5", "0.5"),
        ("3.", "3"),
        ("-4", "-4"),
        ("−4", "-4"),
        ("~500", "500"),
        ("3 (massive)", "3"),
        ("massive (3)", "3"),
        ("High - 2", "2"),
        ("3 – massive", "3"),
        ("2 months", "2"),
        ("2 (two of 3 teams)", "2"),
        ("2mo", "2"),
        ("2m", "2"),
        ("10k", "10000"),
        ("1.5K", "1500"),
        ("2M", "2000000"),
        ("10,000 users/qtr", "10000"),
        ("１２", "12"),
        ("٣", "3"),
    ],
)
def test_a_number_is_read_as_people_write_it(text, value) -> None:
    assert figure(text).value == Decimal(value)


def test_a_percent_sign_is_told_and_not_applied() -> None:
    assert figure("80%")[::2] == (80, True)
    assert figure("80 %").percent
    assert not figure("80").percent


@pytest.mark.parametrize("text", ["", "  ", "-", "–", "n/a", "TBD", "?"])
def test_an_absent_number_is_none(text) -> None:
    assert figure(text) is None


@pytest.mark.parametrize(
    "text", ["High", "medium", "10-20", "5 of 10", "1/2", "1.2.3", "1,2,3", "10,0000", "∞", "1" * 61]
)
def test_what_is_not_one_number_is_refused(text) -> None:
    with pytest.raises(NotANumber):
        figure(text)


def test_a_word_is_refused_with_the_way_to_map_it_and_read_once_mapped() -> None:
    with pytest.raises(NotANumber, match="say what the word stands for on your scale"):
        figure("High")
    assert figure("High", {"high": 2}).value == 2


def test_ten_thousand_with_a_point_is_read_so_only_where_halves_have_commas() -> None:
    assert figure("10.000", comma_decimal=True).value == 10000
    assert figure("10.000").value == 10
    assert figure("0.125", comma_decimal=True).value == Decimal("0.125")


def test_decimal_commas_show_in_the_column() -> None:
    assert uses_decimal_commas(["10.000", "0,5", "3"])
    assert not uses_decimal_commas(["10.000", "3"])
    assert not uses_decimal_commas(["0,5", "0.5"])


@given(st.integers(0, 10**12), st.sampled_from([",", " ", "'", "_"]))
def test_grouped_digits_are_the_number(number, mark) -> None:
    assert figure(f"{number:,}".replace(",", mark)).value == number


@given(st.decimals(0, 10**6, places=2))
def test_printed_decimals_are_counted(number) -> None:
    read = figure(str(number))
    assert (read.value, read.decimals) == (number, 2)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.one_of(st.characters(), st.sampled_from("0123456789.,%()k-' ")), max_size=80), st.booleans())
def test_no_text_breaks_the_reader(text, comma_decimal) -> None:
    with contextlib.suppress(NotANumber):
        read = figure(text, comma_decimal=comma_decimal)
        assert read is None or read.value.is_finite()
