"""Every example in the docstrings of the formulas runs and is right."""

import doctest
import importlib
import pkgutil

import pytest

import api.formulas

FORMULAS = [f"api.formulas.{module.name}" for module in pkgutil.iter_modules(api.formulas.__path__)]


@pytest.mark.parametrize("name", FORMULAS)
def test_the_examples_in_the_docstrings_are_right(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0


@pytest.mark.parametrize("name", [name for name in FORMULAS if not name.endswith(".exact")])
def test_every_formula_cites_its_source_and_gives_an_example(name: str) -> None:
    module = importlib.import_module(name)
    assert "Source" in (module.__doc__ or "")
    assert doctest.testmod(module).attempted > 0
