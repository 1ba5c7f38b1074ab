"""A total order of values, the fewest moves between two orders, and how far apart two orders are.

Sources: M. L. Fredman, "On computing the length of longest increasing subsequences", Discrete Mathematics 11, 1975 (the
least set of moves is what is left outside such a subsequence); M. G. Kendall, "A New Measure of Rank Correlation",
Biometrika 30, 1938, counted as W. R. Knight does, JASA 61, 1966.
"""

from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from functools import partial
from itertools import compress, count, islice, pairwise
from operator import ne
from typing import Any, Generic, NamedTuple, TypeVar

from api.formulas.exact import FormulaError, rounded

Id = TypeVar("Id", bound=Hashable)

_SMALL = 64
_LONG_RUN = 8


class Move(NamedTuple, Generic[Id]):
    """One id that changed its place. Ranks count from 1; a new entry comes from None, one that is gone goes to None."""

    id: Id
    from_rank: int | None
    to_rank: int | None


class Churn(NamedTuple):
    """How much two orders disagree: `inverted` of `pairs` stand the other way round, a `share` of 0 to 1.

    `tau` is Kendall's correlation, 1 − 2·share. Pairs are those of the ids that both orders hold; `entered` and `left`
    count the rest.
    """

    inverted: int
    pairs: int
    share: Decimal
    tau: Decimal
    entered: int
    left: int


def ranked(ids: Sequence[Id], values: Sequence[Any], *ties: Sequence[Any]) -> list[Id]:
    """The ids by value, highest first; equal values by each tie key in turn, lowest first; then in the order given.

    All sequences run parallel. A value of None is unscored and comes last. Pass the id itself, or another key without
    twins, as the last tie key where the result must not depend on the order of the input.

    >>> ranked(["a", "b", "c", "d"], [5, 7, None, 7], [1, 4, 2, 3])
    ['d', 'b', 'a', 'c']
    """
    if any(len(values) != len(column) for column in (ids, *ties)):
        raise FormulaError("ties", "ids, values and tie keys must be of the same length.")
    places = list(range(len(ids)))
    # Sorting is stable, so the least important key goes first. Several plain sorts beat one that builds tuples.
    for key in reversed(ties):
        places.sort(key=key.__getitem__)
    scored = [place for place in places if values[place] is not None]
    scored.sort(key=values.__getitem__, reverse=True)
    if len(scored) < len(places):
        scored += [place for place in places if values[place] is None]
    return [ids[place] for place in scored]


def moves(before: Sequence[Id], after: Sequence[Id], changed: Collection[Id] = ()) -> list[Move[Id]]:
    """The fewest ids that, lifted out and put back elsewhere, turn one order into the other. In the order of `after`,
    those that are gone last. The ids that did not move keep their order, whatever happened around them.

    Several smallest sets may exist: then the one that leaves most ids outside `changed` in place is told, so that of
    two neighbours that swapped, the one whose value changed is the mover. Needs O(n log n): 100,000 ids take 0.2 s in
    a random order, and 0.02 s when neighbours swapped. Raises FormulaError when an id stands twice.

    >>> moves(["a", "b", "c", "d"], ["d", "a", "b", "c"])
    [Move(id='d', from_rank=4, to_rank=1)]
    >>> moves(["a", "b"], ["b", "a"], changed={"a"})
    [Move(id='a', from_rank=1, to_rank=2)]
    >>> moves(["a", "gone"], ["new", "a"])
    [Move(id='new', from_rank=None, to_rank=1), Move(id='gone', from_rank=2, to_rank=None)]
    """
    return compared(before, after, changed)[0]


def compared(before: Sequence[Id], after: Sequence[Id], changed: Collection[Id] = ()) -> tuple[list[Move[Id]], Churn]:
    """What `moves` and `churn` tell, in one pass: what stayed in place has no inverted pairs among itself, so only the
    pairs with a mover are counted.

    >>> told, much = compared(["a", "b", "c", "d"], ["d", "a", "b", "c"])
    >>> told[0].id, much.inverted, much.pairs
    ('d', 3, 6)
    """
    _check_single("before", before)
    _check_single("after", after)
    start, tail = _common_ends(before, after)
    old = dict(zip(before[start : len(before) - tail], count(start + 1), strict=False))
    new = after[start : len(after) - tail]
    sources = list(map(old.get, new))
    common = [source for source in sources if source is not None]
    places: Sequence[int] = range(len(new))
    if len(common) < len(new):
        places = [place for place, source in enumerate(sources) if source is not None]
    moved = bytearray(b"\1") * len(new)
    stayed = _kept(common, (new[place] for place in places), changed)
    for kept in stayed:
        moved[places[kept]] = 0
    told = _as_moves(compress(zip(new, sources, count(start + 1), strict=False), moved))
    if len(common) < len(old):
        present = set(new)
        told += _as_moves((id, rank, None) for id, rank in old.items() if id not in present)
    shared = start + tail + len(common)
    much = _churn(_inverted(common, sorted(stayed)), shared, len(after) - shared, len(before) - shared)
    return told, much


def placed(order: Sequence[Id], wanted: Mapping[Id, int]) -> list[Id]:
    """The order with some ids put at the ranks wanted for them, counted from 1; the others close up around them.

    Of two that want one rank, the one that stands higher in `order` gets it and the next takes the place below. A rank
    beyond the end is the end. Ids that are not in the order are left out.

    >>> placed(["a", "b", "c", "d"], {"d": 1, "a": 9})
    ['d', 'b', 'c', 'a']
    """
    pinned = [id for id in order if id in wanted]
    if not pinned:
        return list(order)
    pinned.sort(key=wanted.__getitem__)
    rest = iter([id for id in order if id not in wanted])
    result: list[Id] = []
    for id in pinned:
        result.extend(islice(rest, max(0, wanted[id] - 1 - len(result))))
        result.append(id)
    result.extend(rest)
    return result


def applied(before: Sequence[Id], told: Sequence[Move[Id]]) -> list[Id]:
    """The order that the moves lead to: lift out every mover, then put each back at its rank.

    >>> applied(["a", "gone"], moves(["a", "gone"], ["new", "a"]))
    ['new', 'a']
    """
    lifted = {move.id for move in told}
    rest = (id for id in before if id not in lifted)
    placed = {move.to_rank: move.id for move in told if move.to_rank is not None}
    size = len(before) + len(placed) - sum(move.from_rank is not None for move in told)
    return [placed[rank] if rank in placed else next(rest) for rank in range(1, size + 1)]


def churn(before: Sequence[Id], after: Sequence[Id]) -> Churn:
    """Kendall's distance between two orders, over the ids they share. O(n log n). Raises FormulaError on a double id.

    >>> churn(["a", "b", "c", "d"], ["a", "d", "c", "b"])
    Churn(inverted=3, pairs=6, share=Decimal('0.5'), tau=Decimal('0'), entered=0, left=0)
    """
    _check_single("before", before)
    _check_single("after", after)
    old = dict(zip(before, count(), strict=False))
    sources = [old[id] for id in after if id in old]
    shared = len(sources)
    return _churn(_inversions(sources)[1], shared, len(after) - shared, len(before) - shared)


def _churn(inverted: int, shared: int, entered: int, left: int) -> Churn:
    pairs = shared * (shared - 1) // 2
    share = Fraction(inverted, pairs) if pairs else Fraction(0)
    return Churn(inverted, pairs, rounded(share), rounded(1 - 2 * share), entered, left)


def _inverted(sources: list[int], stayed: list[int]) -> int:
    """Inverted pairs of `sources`, of which those at the places `stayed` ascend."""
    if 2 * len(stayed) < len(sources):
        return _inversions(sources)[1]
    kept = [sources[place] for place in stayed]
    is_kept = bytearray(len(sources))
    for place in stayed:
        is_kept[place] = 1
    movers = [(place, source) for place, source in enumerate(sources) if not is_kept[place]]
    across = sum(abs(bisect_left(stayed, place) - bisect_left(kept, source)) for place, source in movers)
    return across + _inversions([source for _, source in movers])[1]


def _check_single(field: str, ids: Sequence[Hashable]) -> None:
    if len(set(ids)) != len(ids):
        raise FormulaError(field, f"An id stands twice in the order {field!r}. An order holds each id once.")


def _common_ends(before: Sequence[Id], after: Sequence[Id]) -> tuple[int, int]:
    """How many ids the orders share at their start and at their end. Those never need to move."""
    shorter = min(len(before), len(after))
    start = next(compress(count(), map(ne, before, after)), shorter)
    tail = next(compress(count(), map(ne, reversed(before), reversed(after))), shorter)
    return start, min(tail, shorter - start)


def _as_moves(rows: Iterable[tuple[Id, int | None, int | None]]) -> list[Move[Id]]:
    # Move._make is Python code and costs twice as much; there may be a million rows.
    return list(map(partial(tuple.__new__, Move), rows))


def _kept(sources: list[int], ids: Iterable[Id], changed: Collection[Id]) -> list[int]:
    """Places of a longest increasing run of `sources`; of several, one with the most ids outside `changed`."""
    if len(sources) < 2:
        return list(range(len(sources)))
    wanted = changed if isinstance(changed, (set, frozenset, dict)) else set(changed)
    starts = [0, *(place for place, (left, right) in enumerate(pairwise(sources), 1) if right != left + 1)]
    if len(starts) * _LONG_RUN <= len(sources):
        return _heaviest(sources, starts, [id not in wanted for id in ids])
    levels = _levels(sources)
    if not wanted:
        return _any_longest(sources, levels)
    return _most_wanted(sources, levels, [id not in wanted for id in ids])


def _heaviest(sources: list[int], starts: list[int], wanted: list[bool]) -> list[int]:
    """The same among runs of neighbours that stayed neighbours: nothing can come between them, so a longest increasing
    run holds each whole or not at all. Few runs are left of many places, and the heaviest increasing set of them is
    found with a tree of the best so far (P. M. Fenwick, Software: Practice and Experience 24, 1994).
    """
    ends = [*starts[1:], len(sources)]
    size = len(sources) + 1
    # Length counts first and the wanted places second, in one number.
    weights = [(end - start) * size + sum(wanted[start:end]) for start, end in zip(starts, ends, strict=True)]
    height = {source: rank for rank, source in enumerate(sorted(sources[start] for start in starts), 1)}
    tree: list[tuple[int, int]] = [(0, -1)] * (len(starts) + 1)
    previous, best = [], (0, -1)
    for run, start in enumerate(starts):
        rank = height[sources[start]]
        below, at = (0, -1), rank - 1
        while at:
            below = max(below, tree[at])
            at &= at - 1
        previous.append(below[1])
        reached = (below[0] + weights[run], run)
        best = max(best, reached)
        at = rank
        while at < len(tree):
            tree[at] = max(tree[at], reached)
            at += at & -at
    kept: list[int] = []
    run = best[1]
    while run >= 0:
        kept += range(starts[run], ends[run])
        run = previous[run]
    return kept


def _levels(sources: list[int]) -> list[int]:
    """For each place, how long an increasing run can be that ends there, less one. Patience sorting."""
    ends: list[int] = []
    levels = []
    level, last = -1, -1
    for source in sources:
        # Neighbours mostly kept their order, so the next level is tried before the search.
        if source > last:
            level += 1
            if level < len(ends) and ends[level] < source:
                level = bisect_left(ends, source, level + 1)
        else:
            level = bisect_left(ends, source, 0, level)
        if level == len(ends):
            ends.append(source)
        else:
            ends[level] = source
        levels.append(level)
        last = source
    return levels


def _any_longest(sources: list[int], levels: list[int]) -> list[int]:
    """Read a longest run from its end: the nearest earlier place one level down, with a lower source."""
    wanted, below = max(levels), max(sources) + 1
    kept = []
    for place in range(len(levels) - 1, -1, -1):
        if levels[place] == wanted and sources[place] < below:
            kept.append(place)
            wanted -= 1
            below = sources[place]
    return kept


def _most_wanted(sources: list[int], levels: list[int], wanted: list[bool]) -> list[int]:
    """Of all longest runs, one with the most wanted places, in linear time.

    Within a level, sources fall as places rise. So what may precede a place (earlier, and of a lower source) is a
    window of the level below, and both its ends only move forward: the best of a sliding window, kept in a deque.
    """
    by_level: list[list[int]] = [[] for _ in range(max(levels) + 1)]
    for place, level in enumerate(levels):
        by_level[level].append(place)
    best = [int(want) for want in wanted]
    previous = [-1] * len(levels)
    for lower, upper in pairwise(by_level):
        window: deque[int] = deque()
        entered = 0
        for place in upper:
            while entered < len(lower) and lower[entered] < place:
                candidate = lower[entered]
                entered += 1
                while window and best[window[-1]] < best[candidate]:
                    window.pop()
                window.append(candidate)
            while sources[window[0]] > sources[place]:
                window.popleft()
            previous[place] = window[0]
            best[place] += best[window[0]]
    place = max(by_level[-1], key=best.__getitem__)
    kept = []
    while place >= 0:
        kept.append(place)
        place = previous[place]
    return kept


def _inversions(values: list[int]) -> tuple[list[int], int]:
    """The values sorted, and how many pairs stood the wrong way round. A merge sort whose steps run in C."""
    if len(values) <= _SMALL:
        return _few_inversions(values)
    left, lefts = _inversions(values[: len(values) // 2])
    right, rights = _inversions(values[len(values) // 2 :])
    if left[-1] < right[0]:
        return left + right, lefts + rights
    across = len(left) * len(right) - sum(map(partial(bisect_right, left), right))
    return sorted(left + right), lefts + rights + across


def _few_inversions(values: list[int]) -> tuple[list[int], int]:
    ordered: list[int] = []
    inverted = 0
    for value in values:
        inverted += len(ordered) - bisect_right(ordered, value)
        insort(ordered, value)
    return ordered, inverted
