"""docs/guide-coverage.md names operations and tests that exist."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from api import json

ROOT = Path(__file__).resolve().parent.parent
_ROW = re.compile(r"\| (\d+) \| (.+?) \| (.+?) \| (.+?) \|")
_CODE = re.compile(r"`([^`]+)`")


def rows() -> list[tuple[int, str, list[str], list[str]]]:
    found = []
    for line in (ROOT / "docs" / "guide-coverage.md").read_text().splitlines():
        if row := _ROW.fullmatch(line):
            found.append((int(row[1]), row[2], _CODE.findall(row[3]), _CODE.findall(row[4])))
    return found


@cache
def operations() -> frozenset[str]:
    document = json.load((ROOT / "openapi" / "v1.json").read_text())
    base = document["servers"][0]["url"]
    methods = ("get", "put", "post", "patch", "delete")
    return frozenset(
        f"{method.upper()} {base}{path}"
        for path, item in document["paths"].items()
        for method in methods
        if method in item
    )


@cache
def names_in(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text())
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("row", rows(), ids=lambda row: str(row[0]))
def test_a_row_names_operations_and_tests_that_exist(row: tuple[int, str, list[str], list[str]]) -> None:
    number, practice, endpoints, named = row
    assert practice
    assert endpoints, f"row {number} names no operation"
    assert named, f"row {number} names no test"
    assert [endpoint for endpoint in endpoints if endpoint not in operations()] == []
    for test in named:
        path, _, name = test.partition("::")
        assert (ROOT / path).is_file(), test
        assert name in names_in(path), test


def test_every_line_of_the_table_is_a_row_and_no_number_stands_twice() -> None:
    text = (ROOT / "docs" / "guide-coverage.md").read_text()
    lines = [line for line in text.splitlines() if re.match(r"\| *\d", line)]
    numbers = [row[0] for row in rows()]
    assert len(lines) == len(numbers)
    assert len(set(numbers)) == len(numbers)
    assert numbers == sorted(numbers)
    assert set(numbers) >= {
        *range(51, 61),
        *range(68, 73),
        *range(76, 88),
        *range(98, 113),
        *range(116, 119),
        123,
        125,
        131,
        *range(133, 151),
    }
