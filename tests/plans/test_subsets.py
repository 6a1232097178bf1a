import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tgl.core.errors import TglError
from tgl.plans.subsets import head_subset, jaccard, random_subset

quick = settings(deadline=None, derandomize=True, max_examples=50)
sizes = st.lists(st.integers(1, 400), min_size=2, max_size=8).map(
    lambda values: {f"s{number}": value for number, value in enumerate(values)}
)


def total(size, names):
    return sum(size[name] for name in names)


@quick
@given(sizes, st.integers(0, 10**6), st.data())
def test_a_random_subset_is_within_the_budget_s_five_percent(size, seed, data):
    wanted = data.draw(st.sets(st.sampled_from(sorted(size)), min_size=1))
    budget = total(size, wanted)
    chosen, note = random_subset(size, budget, random.Random(seed))
    gap = abs(total(size, chosen) - budget) / budget
    assert gap <= 0.05
    assert note == f"{gap:.1%} from the budget"


@settings(deadline=None, derandomize=True, max_examples=20)
@given(sizes, st.integers(0, 10**6), st.data())
def test_a_random_subset_avoids_another_one_or_says_that_it_cannot(size, seed, data):
    avoid = data.draw(st.sets(st.sampled_from(sorted(size)), min_size=1, max_size=len(size) // 2 + 1))
    budget = total(size, avoid)
    chosen, note = random_subset(size, budget, random.Random(seed), avoid=avoid)
    assert abs(total(size, chosen) - budget) <= 0.05 * budget
    assert f"{jaccard(chosen, avoid):.2f}" in note
    assert note.startswith("no random subset") == (jaccard(chosen, avoid) > 0.5)


def test_an_overlap_of_more_than_a_half_that_cannot_be_helped_is_the_least_there_is():
    size, avoid = dict.fromkeys("abcde", 100), set("abcd")
    for seed in (0, 7):  # at 7 the first draw is all four
        chosen, note = random_subset(size, 400, random.Random(seed), avoid=avoid)
        assert jaccard(chosen, avoid) == 0.6  # three of four and the fifth; all four would be 1
        assert note.startswith("no random subset overlaps the traced one by a Jaccard index of at most 0.5")
        assert note.endswith("this one has 0.60")


def test_every_subset_at_the_budget_has_its_chance():
    size = dict.fromkeys("abcd", 100)
    rng = random.Random(0)
    drawn = [frozenset(random_subset(size, 200, rng)[0]) for _ in range(300)]
    counts = [drawn.count(frozenset(pair)) for pair in itertools.combinations("abcd", 2)]
    assert sum(counts) == 300
    assert min(counts) > 25


def test_draws_from_one_generator_follow_one_another_and_repeat_from_its_seed():
    size = dict.fromkeys("abcdefghij", 100)

    def drawn():
        rng = random.Random(4)
        return [random_subset(size, 500, rng)[0] for _ in range(3)]

    assert drawn() == drawn()
    assert drawn()[0] != drawn()[1]


def test_a_budget_that_no_subset_reaches_is_refused():
    with pytest.raises(TglError, match=r"no subset of the sublayers has 1,500 parameters within 5%"):
        random_subset({"a": 1000, "b": 1000}, 1500, random.Random(0))


@quick
@given(sizes, st.data())
def test_a_head_is_within_five_percent_where_one_more_or_one_swapped_can_be(size, data):
    order = data.draw(st.permutations(sorted(size)))
    budget = data.draw(st.integers(1, sum(size.values())))
    chosen, note = head_subset(order, size, budget)
    gap = abs(total(size, chosen) - budget) / budget
    assert note == f"{gap:.1%} from the budget"
    heads = [set(order[:length]) for length in range(len(order) + 1)]
    tried = [head | {extra} for head in heads for extra in order] + heads[1:]
    gaps = [abs(total(size, own) - budget) / budget for own in tried]
    assert chosen in tried
    assert gap <= max(0.05, min(gaps))


@pytest.mark.parametrize(
    ("size", "budget", "expected"),
    [
        ({"a": 100, "b": 100, "c": 100}, 200, {"a", "b"}),
        ({"a": 100, "b": 300, "c": 100}, 200, {"a", "c"}),  # b would go too far
        ({"a": 300, "b": 100, "c": 100}, 200, {"a"}),  # b and c instead of a would be two swaps
        ({"a": 100, "b": 300}, 200, {"a"}),  # nothing is near: both are 50 % off
        ({"a": 100, "b": 190}, 200, {"b"}),
        ({"a": 100, "b": 96, "c": 100}, 200, {"a", "b"}),  # 2 % off need no swap
        ({"a": 100}, 30, {"a"}),  # something is always trained
    ],
)
def test_the_next_one_in_order_is_swapped_only_for_the_sake_of_the_budget(size, budget, expected):
    assert head_subset(list(size), size, budget)[0] == expected


@quick
@given(st.sets(st.integers(0, 9)), st.sets(st.integers(0, 9)))
def test_jaccard_is_symmetric_and_one_only_for_equal_sets(left, right):
    assert jaccard(left, right) == jaccard(right, left)
    assert 0 <= jaccard(left, right) <= 1
    assert (jaccard(left, right) == 1) == (left == right)


def test_jaccard_counts_what_is_shared_of_what_there_is():
    assert jaccard({1, 2, 3}, {2, 3, 4, 5}) == pytest.approx(2 / 5)
    assert jaccard({1}, {2}) == 0
