"""What fits into a capacity: the greedy line that anybody can follow, the exact optimum, and the gap between them.

Sources: G. B. Dantzig, "Discrete-variable extremum problems", Operations Research 5, 1957 (greedy by ratio); the
precedence-constrained knapsack, solved by HiGHS: Q. Huangfu and J. A. J. Hall, Mathematical Programming Computation 10,
2018, through scipy.optimize.milp.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from graphlib import CycleError, TopologicalSorter
from math import inf
from typing import TYPE_CHECKING, Literal

from api.formulas.exact import FormulaError, rounded

if TYPE_CHECKING:
    from scipy.optimize import LinearConstraint

MAX_ITEMS = 500
MAX_PERIODS = 12
MAX_VARIABLES = 3000
TIME_LIMIT_S = 5.0
_WHOLE = "all"


@dataclass(frozen=True, slots=True)
class Item:
    """Something to build: `worth` is what a plan adds up, at least 0, `effort_months` what it takes, above 0.

    Items are handed in by rank. `depends_on` names items that must come no later. `fixed` is in, out, or None.
    """

    id: str
    worth: Fraction
    effort_months: Fraction
    bucket: str = "product"
    team: str = _WHOLE
    depends_on: tuple[str, ...] = ()
    fixed: Literal["in", "out"] | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """`capacity[period][team]` in person-months, periods in order. `shares` bounds the part of all planned effort that
    a bucket takes, from least to most.
    """

    capacity: Mapping[str, Mapping[str, Fraction]]
    shares: Mapping[str, tuple[Fraction, Fraction]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Chosen:
    """A plan: the period of each chosen item, what it is worth and what it takes."""

    periods: dict[str, str]
    worth: Decimal
    effort_months: Decimal
    shares_met: bool


@dataclass(frozen=True, slots=True)
class Relax:
    """One thing that would make a plan possible. `constraint` is capacity, shares, dependencies or fixed."""

    constraint: str
    message: str


@dataclass(frozen=True, slots=True)
class Plan:
    """`line_rank` is the last rank before the first item that did not fit. `verdicts` tells for each item why the
    greedy plan took it or not. `optimum` is None where no plan keeps all rules, and `relax` says what to give up;
    `proven` is False where the time ran out first. `gap` is the optimum's worth less the greedy one's.
    """

    greedy: Chosen
    line_rank: int
    verdicts: dict[str, str]
    optimum: Chosen | None
    proven: bool
    gap: Decimal | None
    relax: list[Relax]


def plan(items: Sequence[Item], rules: Rules) -> Plan:
    """Plan the items, handed in by rank. Raises FormulaError for too many, unknown dependencies, and a team without
    capacity.

    >>> pair = [Item(id, Fraction(5), Fraction(2)) for id in "bc"]
    >>> items = [Item("a", Fraction(6), Fraction(3)), *pair]
    >>> told = plan(items, Rules({"now": {"all": Fraction(4)}}))
    >>> sorted(told.greedy.periods), sorted(told.optimum.periods), told.gap
    (['a'], ['b', 'c'], Decimal('4'))
    """
    _check(items, rules)
    greedy, line_rank, verdicts = _greedy(items, rules)
    found, proven = _optimum(items, rules)
    optimum = None if found is None else _chosen(items, rules, found)
    # The greedy plan is exact in fractions, so where the solver's rounding lost a hair the better of the two stands.
    if optimum is not None and greedy.shares_met and greedy.worth > optimum.worth and _keeps_fixed(items, greedy):
        optimum = greedy
    gap = None if optimum is None else optimum.worth - greedy.worth
    relax = _relax(items, rules) if optimum is None and proven else []
    return Plan(greedy, line_rank, verdicts, optimum, proven, gap, relax)


def _check(items: Sequence[Item], rules: Rules) -> None:
    periods = len(rules.capacity)
    if len(items) > MAX_ITEMS or periods > MAX_PERIODS or len(items) * periods > MAX_VARIABLES:
        message = f"A plan takes {MAX_ITEMS} items, {MAX_PERIODS} periods and {MAX_VARIABLES:,} of both multiplied."
        raise FormulaError("items", message)
    known = {item.id for item in items}
    try:
        TopologicalSorter({item.id: item.depends_on for item in items}).prepare()
    except CycleError as error:
        raise FormulaError("items", f"Dependencies lead back: {' → '.join(error.args[1])}.") from None
    teams = {team for capacity in rules.capacity.values() for team in capacity}
    for item in items:
        if item.team not in teams:
            raise FormulaError("teams", f"{item.id} is for the team {item.team!r}, which has no capacity.")
        if item.effort_months <= 0 or item.worth < 0:
            raise FormulaError("items", f"{item.id} needs an effort above 0 and a worth of at least 0.")
        for id in item.depends_on:
            if id not in known:
                raise FormulaError("items", f"{item.id} depends on {id}, which is not in the plan.")


def _greedy(items: Sequence[Item], rules: Rules) -> tuple[Chosen, int, dict[str, str]]:
    """Fixed ones first, then by rank: take an item with all that it depends on if that fits, else go on without it."""
    by_id = {item.id: item for item in items}
    periods = list(rules.capacity)
    free = {(period, team): amount for period, teams in rules.capacity.items() for team, amount in teams.items()}
    taken: dict[str, str] = {}
    verdicts: dict[str, str] = {}
    line_rank, cut = 0, False
    order = [item for item in items if item.fixed == "in"] + [item for item in items if item.fixed != "in"]
    for item in order:
        if item.id in taken:
            continue
        needed = _closure(item, by_id, taken)
        if any(one.fixed == "out" for one in needed):
            verdicts[item.id] = "fixed_out" if item.fixed == "out" else "needs_what_is_out"
            continue
        placed = _fit(needed, taken, dict(free), periods)
        if placed is None:
            verdicts[item.id] = "does_not_fit"
            continue
        for one in needed:
            taken[one.id] = placed[one.id]
            free[placed[one.id], one.team] -= one.effort_months
            verdicts[one.id] = "fixed_in" if one.fixed == "in" else "taken" if one is item else "needed_above"
    for rank, item in enumerate(items, 1):
        cut = cut or verdicts[item.id] == "does_not_fit"
        if not cut and item.id in taken:
            line_rank = rank
    return _chosen(items, rules, taken), line_rank, verdicts


def _closure(item: Item, by_id: Mapping[str, Item], taken: Mapping[str, str]) -> list[Item]:
    """What the item still needs, first things first, itself last."""
    order: list[Item] = []
    seen: set[str] = set()
    pending: list[tuple[Item, bool]] = [(item, False)]
    while pending:
        one, done = pending.pop()
        if done:
            order.append(one)
        elif one.id not in seen and one.id not in taken:
            seen.add(one.id)
            pending.append((one, True))
            pending += [(by_id[id], False) for id in one.depends_on]
    return order


def _fit(
    needed: Sequence[Item], taken: Mapping[str, str], free: dict[tuple[str, str], Fraction], periods: Sequence[str]
) -> dict[str, str] | None:
    """The earliest period for each, no earlier than what it depends on; None when one does not fit."""
    placed: dict[str, str] = {}
    for item in needed:
        after = [periods.index(placed.get(id) or taken[id]) for id in item.depends_on]
        for period in periods[max(after, default=0) :]:
            if free.get((period, item.team), Fraction(0)) >= item.effort_months:
                free[period, item.team] -= item.effort_months
                placed[item.id] = period
                break
        else:
            return None
    return placed


def _optimum(items: Sequence[Item], rules: Rules) -> tuple[dict[str, str] | None, bool]:
    """The most worth that all rules allow: the period of each chosen item. None, with True, when no plan keeps them."""
    if not items:
        return {}, True
    # Here and not above: the solver takes a second to import, and most processes never plan.
    import numpy as np  # noqa: PLC0415
    from scipy.optimize import Bounds, milp  # noqa: PLC0415

    periods = list(rules.capacity)
    columns = {(item.id, t): i * len(periods) + t for i, item in enumerate(items) for t in range(len(periods))}
    rows = _Rows(len(columns))
    for item in items:
        least = 1 if item.fixed == "in" else 0
        most = 0 if item.fixed == "out" else 1
        rows.add({columns[item.id, t]: 1.0 for t in range(len(periods))}, least, most)
        for id in item.depends_on:
            for t in range(len(periods)):
                here = {columns[item.id, s]: 1.0 for s in range(t + 1)}
                rows.add(here | {columns[id, s]: -1.0 for s in range(t + 1)}, -inf, 0)
    for t, period in enumerate(periods):
        for team, amount in rules.capacity[period].items():
            used = {columns[item.id, t]: float(item.effort_months) for item in items if item.team == team}
            rows.add(used, -inf, float(amount))
    for bucket, (least_share, most_share) in rules.shares.items():
        for share, low, high in ((least_share, 0.0, inf), (most_share, -inf, 0.0)):
            rows.add(
                {
                    columns[item.id, t]: float(((item.bucket == bucket) - share) * item.effort_months)
                    for item in items
                    for t in range(len(periods))
                },
                low,
                high,
            )
    scale = float(max(item.worth for item in items)) or 1.0
    worth = np.array([-float(item.worth) / scale for item in items for _ in periods])
    result = milp(
        worth,
        integrality=np.ones(len(columns), np.int64),
        bounds=Bounds(0, 1),
        constraints=rows.constraint(),
        options={"mip_rel_gap": 0.0, "time_limit": TIME_LIMIT_S},
    )
    if result.x is None:
        return None, result.status == 2
    chosen = {item.id: periods[t] for item in items for t in range(len(periods)) if result.x[columns[item.id, t]] > 0.5}
    return _earlier(items, rules, chosen), result.status == 0


def _earlier(items: Sequence[Item], rules: Rules, chosen: dict[str, str]) -> dict[str, str]:
    """The same items as early as they fit by rank: the solver does not care when. As they were when that fails."""
    by_id = {item.id: item for item in items}
    periods = list(rules.capacity)
    free = {(period, team): amount for period, teams in rules.capacity.items() for team, amount in teams.items()}
    taken: dict[str, str] = {}
    for item in items:
        if item.id in chosen and item.id not in taken:
            needed = _closure(item, by_id, taken)
            placed = _fit(needed, taken, dict(free), periods)
            if placed is None:
                return chosen
            for one in needed:
                taken[one.id] = placed[one.id]
                free[placed[one.id], one.team] -= one.effort_months
    return taken


def _relax(items: Sequence[Item], rules: Rules) -> list[Relax]:
    """Which rule, given up alone, would make a plan possible."""
    by_id = {item.id: item for item in items}
    found = []
    for item in items:
        if item.fixed == "in":
            out = [one.id for one in _closure(item, by_id, {}) if one.fixed == "out"]
            if out:
                message = f"{item.id} is fixed in and needs {', '.join(out)}, which is fixed out. Free one of them."
                found.append(Relax("dependencies", message))
    must = {one.id: one for item in items if item.fixed == "in" for one in _closure(item, by_id, {})}
    for team in sorted({item.team for item in must.values()}):
        needed = sum((item.effort_months for item in must.values() if item.team == team), Fraction(0))
        given = sum((teams.get(team, Fraction(0)) for teams in rules.capacity.values()), Fraction(0))
        if needed > given:
            more = rounded(needed - given)
            whose = "" if team == _WHOLE else f" of {team}"
            message = f"What is fixed in takes {rounded(needed)} person-months{whose}, {more} more than the capacity."
            found.append(Relax("capacity", message))
    if rules.shares and _optimum(items, Rules(rules.capacity))[0] is not None:
        found.append(Relax("shares", "Without the bucket shares there is a plan: widen them."))
    freed = [Item(i.id, i.worth, i.effort_months, i.bucket, i.team, i.depends_on) for i in items]
    if not found and _optimum(freed, rules)[0] is not None:
        found.append(
            Relax(
                "fixed", "Without the fixed items there is a plan: free some of them, or move them to another period."
            )
        )
    return found


def _chosen(items: Sequence[Item], rules: Rules, periods: dict[str, str]) -> Chosen:
    inside = [item for item in items if item.id in periods]
    effort = sum((item.effort_months for item in inside), Fraction(0))
    met = True
    for bucket, (least, most) in rules.shares.items():
        part = sum((item.effort_months for item in inside if item.bucket == bucket), Fraction(0))
        met = met and least * effort <= part <= most * effort
    worth = sum((item.worth for item in inside), Fraction(0))
    return Chosen({item.id: periods[item.id] for item in inside}, rounded(worth), rounded(effort), met)


def _keeps_fixed(items: Sequence[Item], chosen: Chosen) -> bool:
    return all(item.id in chosen.periods for item in items if item.fixed == "in")


class _Rows:
    """Rows of a sparse matrix, with their bounds."""

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._values: list[float] = []
        self._at: list[int] = []
        self._ends = [0]
        self._low: list[float] = []
        self._high: list[float] = []

    def add(self, row: Mapping[int, float], low: float, high: float) -> None:
        self._at += row
        self._values += row.values()
        self._ends.append(len(self._at))
        self._low.append(low)
        self._high.append(high)

    def constraint(self) -> "LinearConstraint":
        from scipy.optimize import LinearConstraint  # noqa: PLC0415
        from scipy.sparse import csr_array  # noqa: PLC0415

        shape = (len(self._low), self._columns)
        return LinearConstraint(csr_array((self._values, self._at, self._ends), shape=shape), self._low, self._high)
