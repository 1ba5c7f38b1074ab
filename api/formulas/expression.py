"""A formula that somebody wrote, as a tree that is never run as code: parsed, checked, then evaluated exactly.

Python's own parser reads it (`ast`); of its tree only numbers, names, + - * / and min, max, abs are taken. There are no
powers, so a formula of bounded length has a result of bounded size.

Source: the abstract grammar of Python's expressions, https://docs.python.org/3/library/ast.html.
"""

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, cast

from api.formulas.exact import MAX_EXPONENT, FormulaError, Number, exact, rounded

MAX_LENGTH = 500
MAX_NODES = 100
_LARGEST = 10**MAX_EXPONENT
_SIGNS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_CALLS = {"min": 2, "max": 2, "abs": 1}


@dataclass(frozen=True, slots=True)
class Literal:
    """A number of the formula, exact as it was written."""

    value: Fraction


@dataclass(frozen=True, slots=True)
class Name:
    """An input."""

    name: str


@dataclass(frozen=True, slots=True)
class Apply:
    """An operation on what stands below it: + - * / neg min max abs."""

    operator: str
    operands: "tuple[Node, ...]"


Node = Literal | Name | Apply
Operators = Mapping[str, Callable[..., Any]]

EXACT: Operators = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": lambda left, right: left / right,
    "neg": lambda value: -value,
    "min": min,
    "max": max,
    "abs": abs,
}


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed formula: its text, its tree and the inputs that it names, in order of appearance."""

    text: str
    root: Node
    names: tuple[str, ...]

    def value(self, inputs: Mapping[str, Number]) -> Decimal:
        """The exact result, rounded once. Raises FormulaError for a division by 0 and for a result beyond 1e30.

        >>> parse("(value + 2 * urgency) / effort").value({"value": 1, "urgency": "0.1", "effort": 3})
        Decimal('0.4')
        """
        return rounded(self.exact(inputs))

    def exact(self, inputs: Mapping[str, Number]) -> Fraction:
        """The result before it is rounded."""
        numbers = {name: exact(inputs[name], name) for name in self.names}
        try:
            result = cast(Fraction, evaluate(self.root, numbers, EXACT, lambda number: number))
        except ZeroDivisionError:
            raise FormulaError("expression", f"{self.text} divides by 0 with these inputs.") from None
        if abs(result) > _LARGEST:
            raise FormulaError("expression", f"The result of {self.text} is beyond 1e{MAX_EXPONENT}.")
        return result


def parse(text: str, known: frozenset[str] | None = None) -> Expression:
    """Read a formula. Names must be among `known`, unless that is None. Raises FormulaError with what is not taken.

    >>> parse("reach * impact / effort").names
    ('reach', 'impact', 'effort')
    >>> parse("reach ** 2")
    Traceback (most recent call last):
    api.formulas.exact.FormulaError: A formula takes + - * /, min, max and abs, and not `reach ** 2`.
    """
    if not text.isascii() or len(text) > MAX_LENGTH:
        raise _refused(f"A formula has at most {MAX_LENGTH} plain ASCII characters.")
    try:
        body = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        shown = text.strip()[:80]
        raise _refused(f"{shown!r} is not a formula. Write one such as (value + urgency) / effort.") from None
    names: dict[str, None] = {}
    root = _Reader(text.strip(), known, names).read(body)
    if not names:
        raise _refused("The formula names no input.")
    return Expression(text.strip(), root, tuple(names))


def weighted_mean(terms: Sequence[tuple[str, Fraction, Fraction | None]]) -> Expression:
    """Σ w·x ÷ Σ w over named inputs; a term's third part, where given, turns a cost round on its scale: it counts as
    that number less x. Weights are at least 0 and not all 0.

    >>> mean = weighted_mean([("value", Fraction(3), None), ("risk", Fraction(1), Fraction(10))])
    >>> mean.value({"value": 4, "risk": 2})
    Decimal('5')
    """
    total = sum((weight for _, weight, _ in terms), Fraction(0))
    if not terms or total <= 0 or any(weight < 0 for _, weight, _ in terms):
        raise FormulaError("weights", "Weights must be at least 0, and one of them more than 0.")
    root: Node = Literal(Fraction(0))
    for name, weight, mirror in terms:
        rating: Node = Name(name) if mirror is None else Apply("-", (Literal(mirror), Name(name)))
        root = Apply("+", (root, Apply("*", (Literal(weight / total), rating))))
    text = " + ".join(
        f"{rounded(weight / total)} * " + (name if mirror is None else f"({rounded(mirror)} - {name})")
        for name, weight, mirror in terms
    )
    return Expression(text, root, tuple(name for name, _, _ in terms))


def evaluate(node: Node, values: Mapping[str, Any], operators: Operators, constant: Callable[[Fraction], Any]) -> Any:
    """The tree over any kind of number: fractions, or whole arrays of draws."""
    if isinstance(node, Name):
        return values[node.name]
    if isinstance(node, Literal):
        return constant(node.value)
    return operators[node.operator](*(evaluate(operand, values, operators, constant) for operand in node.operands))


class _Reader:
    """From Python's tree to ours, counting what it reads."""

    def __init__(self, text: str, known: frozenset[str] | None, names: dict[str, None]) -> None:
        self._text = text
        self._known = known
        self._names = names
        self._nodes = 0

    def read(self, node: ast.expr) -> Node:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise _refused(f"A formula has at most {MAX_NODES} numbers, names and signs.")
        if isinstance(node, ast.Constant):
            return self._literal(node)
        if isinstance(node, ast.Name):
            return self._name(node.id)
        if isinstance(node, ast.BinOp) and type(node.op) in _SIGNS:
            return Apply(_SIGNS[type(node.op)], (self.read(node.left), self.read(node.right)))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
            inner = self.read(node.operand)
            return Apply("neg", (inner,)) if isinstance(node.op, ast.USub) else inner
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
            return self._call(node.func.id, node.args, node)
        raise self._not_taken(node)

    def _literal(self, node: ast.Constant) -> Literal:
        if isinstance(node.value, bool) or not isinstance(node.value, int | float):
            raise self._not_taken(node)
        # The text and not the float: a constant of many digits stays what it says.
        return Literal(exact((ast.get_source_segment(self._text, node) or "").replace("_", ""), "expression"))

    def _name(self, name: str) -> Name:
        if self._known is not None and name not in self._known:
            raise _refused(f"{name!r} is not an input. The inputs are {', '.join(sorted(self._known))}.")
        self._names[name] = None
        return Name(name)

    def _call(self, name: str, operands: list[ast.expr], node: ast.expr) -> Apply:
        if name not in _CALLS or len(operands) != _CALLS[name]:
            raise self._not_taken(node)
        return Apply(name, tuple(self.read(operand) for operand in operands))

    def _not_taken(self, node: ast.expr) -> FormulaError:
        shown = (ast.get_source_segment(self._text, node) or "")[:60]
        return _refused(f"A formula takes + - * /, min, max and abs, and not `{shown}`.")


def _refused(message: str) -> FormulaError:
    return FormulaError("expression", message)
