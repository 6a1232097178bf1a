import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.model_fixtures import RANKED, tiny_model
from tgl.core.tables.write import to_arrow
from tgl.models.sublayers import EMBEDDING, sublayers
from tgl.profiling import tabulate
from tgl.profiling.norms import GroupNorms
from tgl.profiling.ratios import paired_difference, relative_norm
from tgl.profiling.tabulate import (
    comparison_rows,
    denominator_group,
    norm_rows,
    paired_by_probe,
    paired_by_tokens,
    profile_rows,
)

quick = settings(deadline=None, max_examples=100)
UNITS = sublayers(tiny_model())
COUNT = 6


def made_up(seed, tokens=(1,) * COUNT):
    rng = np.random.default_rng(seed)
    each = rng.uniform(1, 2, (len(tokens), len(UNITS))) * (1 + seed)
    return GroupNorms(each, each.mean(0) / 2, np.array(tokens), rng.uniform(1, 9, len(tokens)))


def all_measured():
    names = ["updated", "new_entity", "unchanged", "window"]
    names += [f"{c}.{k}" for c in ("shuffled", "matched_span") for k in ("updated", "new_entity")]
    return {name: made_up(number) for number, name in enumerate(names)}


def pairs_of(measured):
    ids = [f"p{number}" for number in range(COUNT)]
    return {name: [] if name == "window" else ids for name in measured}


@pytest.mark.parametrize(
    ("group", "denominator", "expected"),
    [
        ("updated", "window", "window"),
        ("updated", "matched_span", "matched_span.updated"),
        ("new_entity", "matched_span", "matched_span.new_entity"),
        ("shuffled.new_entity", "matched_span", "matched_span.new_entity"),
        ("unchanged", "matched_span", "matched_span.updated"),  # has none of its own
        ("window", "matched_span", "matched_span.updated"),
        ("matched_span.new_entity", "matched_span", None),
        ("updated", "unchanged", "unchanged"),
        ("unchanged", "unchanged", None),
        ("window", "window", None),
        ("updated", "nothing", None),
    ],
)
def test_a_denominator_is_the_group_that_matches_the_kind(group, denominator, expected):
    assert denominator_group(group, denominator, all_measured()) == expected


def test_a_denominator_that_was_not_measured_is_none():
    assert denominator_group("updated", "matched_span", {"updated": 1, "window": 1}) is None
    assert (
        denominator_group("updated", "matched_span", {"matched_span.new_entity": 1})
        == "matched_span.new_entity"
    )


def test_norm_rows_hold_every_example_and_unit_and_the_mean_gradient():
    measured = {name: all_measured()[name] for name in ("updated", "window")}
    measured["updated"].each[2, 1] = np.nan
    rows = norm_rows("trained", measured, pairs_of(measured), units=UNITS)
    to_arrow(rows, "norms")
    assert len(rows) == 2 * (COUNT + 1) * len(UNITS)
    found = {(row["group"], row["example"], row["sublayer"]): row for row in rows}
    assert len(found) == len(rows)
    for group, norms in measured.items():
        for example, (number, unit) in itertools.product(range(COUNT), enumerate(UNITS)):
            row = found[group, example, unit.name]
            assert row["norm"] == pytest.approx(norms.each[example, number], nan_ok=True)
            assert row["loss"] == norms.losses[example]
            assert row["pair"] == ("" if group == "window" else f"p{example}")
            assert row["num_tokens"] == 1
        for number, unit in enumerate(UNITS):
            row = found[group, -1, unit.name]
            assert row["norm"] == norms.of_mean[number]
            assert row["loss"] == pytest.approx(norms.losses[norms.finite].mean())
            assert (row["pair"], row["num_tokens"]) == ("", COUNT)


def test_profile_rows_are_ratios_of_each_group_over_each_other_denominator():
    measured = all_measured()
    rows = profile_rows("trained", measured, UNITS, resamples=100, seed=0)
    to_arrow(rows, "profile")
    # Each of 8 groups over 3 denominators; window, unchanged and both matched spans are their own once.
    assert len(rows) == (8 * 3 - 4) * (len(RANKED) + 1)
    assert EMBEDDING not in {row["sublayer"] for row in rows}
    found = {(row["group"], row["denominator"], row["sublayer"]): row for row in rows}
    assert len(found) == len(rows)
    group, other = measured["new_entity"], measured["matched_span.new_entity"]
    expected = relative_norm(group.each[:, :4], other.each[:, :4], 100, seed=0)
    for number, name in enumerate([*RANKED, "all"]):
        row = found["new_entity", "matched_span", name]
        assert row["relative_norm"] == expected.ratio[number]
        assert (row["low"], row["high"]) == (expected.low[number], expected.high[number])
        assert row["above_mean"] == pytest.approx(expected.above_mean[number], nan_ok=True)
        members = [number] if name != "all" else [0, 1, 2, 3]
        assert row["mean_norm"] == pytest.approx(group.each[:, members].mean())
        assert row["norm_of_mean"] == pytest.approx(group.of_mean[members].mean())
        assert row["num_parameters"] == (UNITS[number].num_parameters if name != "all" else 0)
        assert (row["block"], row["part"]) == (
            (UNITS[number].block, UNITS[number].part) if name != "all" else (-1, "all")
        )


def test_profile_rows_leave_out_examples_that_are_not_finite():
    measured = {name: all_measured()[name] for name in ("updated", "window")}
    measured["updated"].each[1, 0] = np.inf
    measured["window"].each[[0, 3], 4] = np.nan  # also where only the embedding is not finite
    rows = profile_rows("trained", measured, UNITS, resamples=100, seed=0)
    assert {(row["num_examples"], row["num_denominator_examples"]) for row in rows} == {
        (COUNT - 1, COUNT - 2)
    }
    group, other = np.delete(measured["updated"].each, 1, 0), np.delete(measured["window"].each, [0, 3], 0)
    expected = group.mean(0)[:4] / other.mean(0)[:4]
    assert [row["relative_norm"] for row in rows] == pytest.approx([*expected, expected.mean()])


def test_the_embedding_is_outside_the_ranking_and_the_mean():
    measured = {name: all_measured()[name] for name in ("updated", "window", "unchanged")}

    def tables():
        arguments = {
            "measured": measured,
            "pairs": pairs_of(measured),
            "units": UNITS,
            "resamples": 100,
            "seed": 0,
        }
        rows = profile_rows("trained", measured, UNITS, resamples=100, seed=0) + comparison_rows(
            "trained", **arguments
        )
        return [{k: v for k, v in row.items() if v == v} for row in rows]  # NaN differs from itself

    before = tables()
    measured["updated"].each[:, 4] = 1e6
    assert tables() == before


def test_comparison_rows_are_those_of_the_groups_that_were_measured():
    measured = all_measured()
    rows = comparison_rows("trained", measured, pairs_of(measured), units=UNITS, resamples=100, seed=0)
    to_arrow(rows, "comparisons")
    compared = {(row["group"], row["other"]): row["paired_by"] for row in rows}
    assert compared == {
        ("updated", "shuffled.updated"): "probe", ("updated", "matched_span.updated"): "probe",
        ("new_entity", "shuffled.new_entity"): "probe", ("new_entity", "matched_span.new_entity"): "probe",
        ("updated", "unchanged"): "number of target tokens", ("updated", "new_entity"): "number of target tokens",
        ("new_entity", "unchanged"): "number of target tokens",
        ("shuffled.updated", "shuffled.new_entity"): "number of target tokens",
    }  # fmt: skip
    assert len(rows) == 8 * (len(RANKED) + 1)
    assert {row["num_pairs"] for row in rows} == {COUNT}
    found = [row for row in rows if (row["group"], row["other"]) == ("updated", "shuffled.updated")]
    assert [row["sublayer"] for row in found] == [*RANKED, "all"]
    expected = paired_difference(
        measured["updated"].each[:, :4], measured["shuffled.updated"].each[:, :4], 100, seed=0
    )
    for name, values in vars(expected).items():
        assert [row[name] for row in found] == values.tolist()


def test_pairs_are_matched_by_probe_also_where_the_control_lacks_some_and_is_in_another_order():
    measured = {name: all_measured()[name] for name in ("updated", "shuffled.updated")}
    pairs = {"updated": list("abcdef"), "shuffled.updated": list("fxcbyz")}
    rows = comparison_rows("trained", measured, pairs, units=UNITS, resamples=100, seed=0)
    left, right = measured["updated"].each[[1, 2, 5]], measured["shuffled.updated"].each[[3, 2, 0]]
    expected = np.exp(np.log(left[:, :4] / right[:, :4]).mean(0))
    assert [row["ratio"] for row in rows[:4]] == pytest.approx(expected)
    assert {row["num_pairs"] for row in rows} == {3}


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_pairs_with_a_norm_that_has_no_logarithm_are_left_out(value):
    measured = {name: all_measured()[name] for name in ("updated", "shuffled.updated")}
    expected = np.log(measured["updated"].each / measured["shuffled.updated"].each)[[1, 2, 4, 5], :4].mean(0)
    measured["updated"].each[0, 2] = value
    measured["shuffled.updated"].each[3, 1] = value
    rows = comparison_rows("trained", measured, pairs_of(measured), units=UNITS, resamples=100, seed=0)
    assert {row["num_pairs"] for row in rows} == {COUNT - 2}
    assert [row["ratio"] for row in rows[:4]] == pytest.approx(np.exp(expected))


def test_fewer_than_two_pairs_make_no_row():
    measured = {"updated": made_up(0, (1, 2, 3)), "unchanged": made_up(1, (3, 4, 5))}
    arguments = {
        "measured": measured,
        "pairs": pairs_of(measured),
        "units": UNITS,
        "resamples": 100,
        "seed": 0,
    }
    assert comparison_rows("trained", **arguments) == []
    measured["unchanged"] = made_up(1, (3, 2, 5))
    assert {row["num_pairs"] for row in comparison_rows("trained", **arguments)} == {2}


tokens = st.lists(st.integers(1, 4), max_size=12).map(np.array)


@quick
@given(tokens, tokens)
def test_pairs_by_tokens_have_equally_many_and_use_each_example_once(left, right):
    found = paired_by_tokens(left, right)
    for side, used in ((left, [a for a, _ in found]), (right, [b for _, b in found])):
        assert len(set(used)) == len(used)
        assert all(0 <= number < len(side) for number in used)
    assert all(left[a] == right[b] for a, b in found)
    # No pair is missed: of each number of tokens, as many as the smaller side has.
    assert len(found) == sum(min((left == n).sum(), (right == n).sum()) for n in range(1, 5))


ids = st.lists(st.sampled_from("abcdefgh"), unique=True)


@quick
@given(ids, ids)
def test_pairs_by_probe_are_all_that_both_sides_have(left, right):
    found = paired_by_probe(left, right)
    assert [left[a] for a, _ in found] == [right[b] for _, b in found]
    assert {left[a] for a, _ in found} == set(left) & set(right)
    assert len(found) == len(set(left) & set(right))


def test_the_same_probe_of_a_pair_is_never_its_own_control():
    assert all(a != b for a, b, _ in tabulate._compared(all_measured()))
