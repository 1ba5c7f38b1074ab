"""Set ROADBED_SLOW_TESTS=1 to run the 100,000 and 1,000,000 cases with their time limits."""

import os
import random
import time
from decimal import Decimal
from itertools import combinations, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.formulas import ranking
from api.formulas.exact import FormulaError
from api.formulas.ranking import Move, applied, churn, compared, moves, placed, ranked

slow = pytest.mark.skipif(not os.environ.get("ROADBED_SLOW_TESTS"), reason="set ROADBED_SLOW_TESTS=1")

orders = st.lists(st.integers(0, 40), unique=True, max_size=30)


def test_the_highest_value_comes_first_and_ties_go_by_their_keys() -> None:
    ids, values, ages, names = [1, 2, 3, 4, 5], [5, 9, 5, None, 5], [2, 0, 1, 0, 1], list("edcba")
    assert ranked(ids, values, ages, names) == [2, 5, 3, 1, 4]
    assert ranked(ids, values) == [2, 1, 3, 5, 4]


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(FormulaError):
        ranked([1, 2], [1])


@given(st.lists(st.tuples(st.one_of(st.none(), st.integers(0, 5)), st.integers(0, 3)), max_size=20))
def test_ranking_agrees_with_a_sort_on_tuples(rows) -> None:
    ids = list(range(len(rows)))
    oracle = sorted(ids, key=lambda i: (rows[i][0] is None, -(rows[i][0] or 0), rows[i][1], i))
    assert ranked(ids, [row[0] for row in rows], [row[1] for row in rows], ids) == oracle


def test_one_feature_that_jumps_to_the_top_is_one_move() -> None:
    assert moves(list(range(1000)), [999, *range(999)]) == [Move(999, 1000, 1)]


def test_one_feature_that_falls_to_the_end_is_one_move() -> None:
    assert moves(list(range(1000)), [*range(1, 1000), 0]) == [Move(0, 1, 1000)]


def test_an_order_that_did_not_change_has_no_moves() -> None:
    assert moves([1, 2, 3], [1, 2, 3]) == []
    assert moves([], []) == []


def test_new_entries_come_from_nowhere_and_gone_ones_go_nowhere() -> None:
    assert moves([], ["a"]) == [Move("a", None, 1)]
    assert moves(["a"], []) == [Move("a", 1, None)]
    assert moves(["a", "b"], ["c", "b"]) == [Move("c", None, 1), Move("a", 1, None)]


def test_of_two_that_swapped_the_one_that_changed_is_the_mover() -> None:
    assert [move.id for move in moves("abcd", "acbd", changed={"b"})] == ["b"]
    assert [move.id for move in moves("abcd", "acbd", changed={"c"})] == ["c"]


def test_ids_that_never_moved_are_not_told_though_their_ranks_shifted() -> None:
    assert moves("abcdef", "bcdefa") == [Move("a", 1, 6)]


@pytest.mark.parametrize(("before", "after"), [("aa", "ab"), ("ab", "bb")])
def test_an_order_holds_each_id_once(before, after) -> None:
    with pytest.raises(FormulaError):
        moves(before, after)
    with pytest.raises(FormulaError):
        churn(before, after)


@given(orders, orders, st.sets(st.integers(0, 40)))
def test_the_moves_explain_the_new_order_exactly(before, after, changed) -> None:
    told = moves(before, after, changed)
    assert applied(before, told) == after
    assert all(move.from_rank is None or before[move.from_rank - 1] == move.id for move in told)
    assert all(move.to_rank is None or after[move.to_rank - 1] == move.id for move in told)
    assert len({move.id for move in told}) == len(told)


@given(orders, orders, st.sets(st.integers(0, 40)))
def test_what_did_not_move_keeps_its_order(before, after, changed) -> None:
    moved = {move.id for move in moves(before, after, changed)}
    assert [id for id in before if id not in moved] == [id for id in after if id not in moved]


@given(orders, orders, st.sets(st.integers(0, 40)))
def test_a_hint_never_makes_the_set_of_moves_larger_and_the_answer_is_always_the_same(before, after, changed) -> None:
    assert len(moves(before, after, changed)) == len(moves(before, after))
    assert moves(before, after, changed) == moves(before, after, changed)


def fewest_by_force(before, after) -> int:
    for size in range(len(before) + 1):
        for lifted in combinations(before, size):
            if [id for id in before if id not in lifted] == [id for id in after if id not in lifted]:
                return size
    raise AssertionError


def test_no_smaller_set_of_moves_exists_for_any_order_of_up_to_six() -> None:
    for size in range(7):
        before = list(range(size))
        for after in permutations(before):
            assert len(moves(before, after)) == fewest_by_force(before, after)


@given(st.permutations(range(7)))
def test_no_smaller_set_of_moves_exists_for_seven(after) -> None:
    assert len(moves(range(7), after)) == fewest_by_force(range(7), after)


@given(st.permutations(range(6)), st.sets(st.integers(0, 5)))
def test_of_the_smallest_sets_the_one_with_fewest_unchanged_movers_is_told(after, changed) -> None:
    before = list(range(6))
    least = fewest_by_force(before, after)
    fewest_unchanged = min(
        sum(id not in changed for id in lifted)
        for lifted in combinations(before, least)
        if [id for id in before if id not in lifted] == [id for id in after if id not in lifted]
    )
    told = moves(before, after, changed)
    assert sum(move.id not in changed for move in told) == (fewest_unchanged if changed else min(len(told), least))


def test_the_guides_order_inverts_two_of_six_pairs() -> None:
    printed = ["collab", "performance", "api", "dark"]
    recomputed = ["collab", "dark", "performance", "api"]
    told = churn(printed, recomputed)
    assert (told.inverted, told.pairs) == (2, 6)
    assert round(told.tau, 2) == Decimal("0.33")
    assert [move.id for move in moves(printed, recomputed)] == ["dark"]


def test_churn_is_nothing_for_the_same_order_and_one_for_the_reverse() -> None:
    assert churn("abc", "abc").share == 0
    assert churn("abc", "cba").share == 1
    assert churn("", "").share == churn("a", "a").share == 0
    assert churn("abx", "yab")[:2] == (0, 1)
    assert churn("abx", "yab")[-2:] == (1, 1)


@given(orders, orders)
def test_churn_counts_every_inverted_pair(before, after) -> None:
    common = [id for id in before if id in after]
    inverted = sum(after.index(a) > after.index(b) for a, b in combinations(common, 2))
    assert churn(before, after)[:2] == (inverted, len(common) * (len(common) - 1) // 2)


@given(st.permutations(range(400)))
def test_churn_counts_every_inverted_pair_of_a_longer_order(after) -> None:
    inverted = sum(a > b for a, b in combinations(after, 2))
    assert churn(range(400), after).inverted == inverted


def test_twenty_thousand_in_a_random_order_are_explained() -> None:
    before = list(range(20_000))
    after = random.Random(1).sample(before, len(before))
    told = moves(before, after, changed=set(before[:500]))
    assert applied(before, told) == after
    assert 19_600 < len(told) < 19_800  # A longest increasing run of a random order is about 2·√n.


@slow
@pytest.mark.parametrize(("size", "limit_s"), [(100_000, 0.5), (1_000_000, 10)])
def test_a_large_random_order_is_told_in_time(size, limit_s) -> None:
    before = [f"feature-{number}" for number in range(size)]
    after = random.Random(1).sample(before, size)
    started = time.process_time()
    told = moves(before, after)
    assert time.process_time() - started < limit_s
    assert applied(before, told) == after


@slow
@pytest.mark.parametrize(("size", "limit_s"), [(100_000, 0.1), (1_000_000, 2)])
def test_a_large_order_with_one_swap_is_told_in_a_tenth_of_that(size, limit_s) -> None:
    before = [f"feature-{number}" for number in range(size)]
    after = before.copy()
    after[500], after[501] = after[501], after[500]
    started = time.process_time()
    assert len(moves(before, after)) == 1
    assert time.process_time() - started < limit_s


@given(st.integers(2, 6), st.lists(st.integers(1, 40), min_size=2, max_size=7), st.randoms(use_true_random=False))
def test_runs_that_stay_together_lead_to_as_few_moves_as_single_steps(
    changed_of: int, lengths: list[int], dice: random.Random
) -> None:
    size = sum(lengths)
    before = list(range(size))
    starts = [sum(lengths[:number]) for number in range(len(lengths))]
    runs = [before[start : start + length] for start, length in zip(starts, lengths, strict=True)]
    dice.shuffle(runs)
    after = [id for run in runs for id in run]
    changed = {id for id in before if id % changed_of == 0}
    told, much = compared(before, after, changed)
    assert applied(before, told) == after
    assert much == churn(before, after)
    longest: list[int] = []
    for id in after:
        longest.append(1 + max((longest[at] for at in range(len(longest)) if after[at] < id), default=0))
    assert len(told) == size - max(longest)
    # As many of those that did not change stay in place as when each is looked at by itself.
    wanted = [id not in changed for id in after]
    kept = ranking._most_wanted(after, ranking._levels(after), wanted)
    stayed = set(before) - {move.id for move in told}
    assert len(stayed - changed) == sum(wanted[place] for place in kept)


@given(orders, st.dictionaries(st.integers(0, 40), st.integers(1, 45), max_size=6))
def test_ids_stand_at_the_rank_set_for_them_and_the_others_keep_their_order(
    order: list[int], wanted: dict[int, int]
) -> None:
    result = placed(order, wanted)
    assert sorted(result) == sorted(order)
    assert [id for id in result if id not in wanted] == [id for id in order if id not in wanted]
    pinned = {id: rank for id, rank in wanted.items() if id in order}
    if len(set(pinned.values())) == len(pinned) and max(pinned.values(), default=0) <= len(order):
        assert {id: result.index(id) + 1 for id in pinned} == pinned
