"""Plans against brute force, and what is said when there is none."""

import random
from fractions import Fraction
from itertools import chain, combinations

import pytest

from api.formulas.exact import FormulaError, rounded
from api.formulas.planning import Item, Rules, plan

BUCKETS = ("product", "technical")
NOW = {"now": {"all": Fraction(5)}}


def drawn(seed: int, count: int) -> tuple[list[Item], Rules]:
    """Items with dependencies, shares and fixed ones, from a seed."""
    dice = random.Random(seed)
    items = []
    for number in range(count):
        earlier = [str(other) for other in range(number)]
        items.append(
            Item(
                str(number),
                Fraction(dice.randint(0, 40)),
                Fraction(dice.randint(1, 16), 2),
                dice.choice(("product", "product", "technical")),
                depends_on=tuple(dice.sample(earlier, min(len(earlier), dice.choice((0, 0, 0, 1, 2))))),
                fixed=dice.choice((None,) * 9 + ("in", "out")),
            )
        )
    shares = {"technical": (Fraction(dice.choice((0, 0, 2)), 10), Fraction(dice.choice((5, 10)), 10))}
    return items, Rules({"now": {"all": Fraction(dice.randint(4, 24))}}, shares if dice.random() < 0.6 else {})


def best(items: list[Item], rules: Rules) -> Fraction | None:
    """The most worth of any set that keeps the rules, by trying them all."""
    found = None
    subsets = chain.from_iterable(combinations(items, size) for size in range(len(items) + 1))
    capacity = rules.capacity["now"]["all"]
    for chosen in subsets:
        ids = {item.id for item in chosen}
        effort = sum((item.effort_months for item in chosen), Fraction(0))
        if effort > capacity or any(not set(item.depends_on) <= ids for item in chosen):
            continue
        if any((item.fixed == "in") > (item.id in ids) or ((item.fixed == "out") and item.id in ids) for item in items):
            continue
        if any(
            not low * effort
            <= sum((i.effort_months for i in chosen if i.bucket == bucket), Fraction(0))
            <= high * effort
            for bucket, (low, high) in rules.shares.items()
        ):
            continue
        worth = sum((item.worth for item in chosen), Fraction(0))
        found = worth if found is None or worth > found else found
    return found


@pytest.mark.parametrize("seed", range(60))
def test_the_optimum_is_that_of_brute_force(seed: int) -> None:
    items, rules = drawn(seed, 9)
    told, oracle = plan(items, rules), best(items, rules)
    assert told.proven
    if oracle is None:
        assert told.optimum is None
        assert told.relax
        return
    assert told.optimum is not None
    assert told.optimum.worth == rounded(oracle)
    assert told.optimum.shares_met
    ids = set(told.optimum.periods)
    assert all(set(item.depends_on) <= ids for item in items if item.id in ids)
    assert told.optimum.effort_months <= rules.capacity["now"]["all"]


@pytest.mark.parametrize("seed", range(30))
def test_the_greedy_plan_keeps_capacity_and_dependencies(seed: int) -> None:
    items, rules = drawn(seed, 12)
    told = plan(items, rules)
    ids = set(told.greedy.periods)
    assert told.greedy.effort_months <= rules.capacity["now"]["all"]
    assert all(set(item.depends_on) <= ids for item in items if item.id in ids)
    assert ids.isdisjoint(item.id for item in items if item.fixed == "out")


def test_two_hundred_items_with_dependencies_are_planned_to_the_optimum() -> None:
    items, _ = drawn(7, 200)
    items = [Item(i.id, i.worth, i.effort_months, i.bucket, depends_on=i.depends_on) for i in items]
    told = plan(items, Rules({"now": {"all": Fraction(200)}}, {"technical": (Fraction(1, 5), Fraction(2, 5))}))
    assert told.proven
    assert told.optimum is not None
    assert told.optimum.shares_met
    assert told.optimum.worth > 0


def test_an_item_comes_no_earlier_than_what_it_needs_and_in_its_own_teams_time() -> None:
    items = [
        Item("app", Fraction(9), Fraction(2), team="web", depends_on=("api",)),
        Item("api", Fraction(1), Fraction(3), team="core"),
        Item("site", Fraction(3), Fraction(2), team="web"),
    ]
    capacity = {"q1": {"web": Fraction(2), "core": Fraction(1)}, "q2": {"web": Fraction(2), "core": Fraction(3)}}
    told = plan(items, Rules(capacity))
    assert told.optimum is not None
    assert told.optimum.periods == {"app": "q2", "api": "q2", "site": "q1"}
    assert told.verdicts == {"app": "taken", "api": "needed_above", "site": "taken"}


def test_what_cannot_be_says_what_to_give_up() -> None:
    big = Item("big", Fraction(9), Fraction(8), fixed="in")
    told = plan([big], Rules(NOW))
    assert (told.optimum, [one.constraint for one in told.relax]) == (None, ["capacity"])
    assert "3 more than the capacity" in told.relax[0].message
    needs = Item("app", Fraction(9), Fraction(1), depends_on=("api",), fixed="in")
    out = Item("api", Fraction(1), Fraction(1), fixed="out")
    assert [one.constraint for one in plan([needs, out], Rules(NOW)).relax] == ["dependencies"]
    shares = {"technical": (Fraction(1, 2), Fraction(1))}
    only = plan([Item("a", Fraction(1), Fraction(1), fixed="in")], Rules(NOW, shares))
    assert [one.constraint for one in only.relax] == ["shares"]


@pytest.mark.parametrize(
    "items",
    [
        [
            Item("a", Fraction(1), Fraction(1), depends_on=("b",)),
            Item("b", Fraction(1), Fraction(1), depends_on=("a",)),
        ],
        [Item("a", Fraction(1), Fraction(1), depends_on=("gone",))],
        [Item("a", Fraction(1), Fraction(1), team="nobody")],
        [Item("a", Fraction(1), Fraction(0))],
        [Item(str(number), Fraction(1), Fraction(1)) for number in range(501)],
    ],
)
def test_what_is_no_plan_at_all_is_refused(items: list[Item]) -> None:
    with pytest.raises(FormulaError):
        plan(items, Rules(NOW))
