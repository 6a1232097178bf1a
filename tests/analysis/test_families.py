"""Many comparisons at once: Holm's correction against a reference of its own, and errors under no difference."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.analysis.score_tables import RATE, values
from tgl.analysis.compare import compare, holm_levels, spread
from tgl.analysis.values import text_values

quick = settings(deadline=None, derandomize=True, max_examples=100)
p_values = st.lists(st.one_of(st.floats(0, 1), st.just(math.nan)), max_size=12)


def rejected_by_holm(numbers):
    """Return the positions that Holm's procedure rejects at 5 %, step by step from the smallest."""
    left = [number for number, p in enumerate(numbers) if not math.isnan(p)]
    found = set()
    while left:
        smallest = min(left, key=lambda number: numbers[number])
        if numbers[smallest] >= 0.05 / len(left):
            break
        found.add(smallest)
        left.remove(smallest)
    return found


@quick
@given(p_values)
def test_the_same_comparisons_are_told_as_by_holm_s_procedure_step_by_step(numbers):
    found = holm_levels(dict(enumerate(numbers)))
    told = {
        number
        for number, (_, level, passed) in found.items()
        if passed and numbers[number] < 1 - level - 1e-12
    }
    borderline = {n for n, (p, _, _) in found.items() if abs(p - 0.05) < 1e-9}
    if not borderline:
        assert told == rejected_by_holm(numbers) == {n for n, (p, _, _) in found.items() if p < 0.05}


@quick
@given(p_values)
def test_a_corrected_p_value_is_never_smaller_and_keeps_the_order(numbers):
    found = holm_levels(dict(enumerate(numbers)))
    known = sorted((p, found[number][0]) for number, p in enumerate(numbers) if not math.isnan(p))
    assert all(p <= corrected <= 1 for p, corrected in known)
    assert [corrected for _, corrected in known] == sorted(corrected for _, corrected in known)
    assert all(math.isnan(found[n][0]) and not found[n][2] for n, p in enumerate(numbers) if math.isnan(p))


def test_no_comparison_needs_no_correction():
    assert holm_levels({}) == {}


def table(runs, measure="perplexity", kinds=("updated",)):
    """Return comparisons with `full` of values by method, [kinds, seeds, probes]."""
    by_kind = {
        ("world", kind, measure): values(
            {(method, RATE): array[number] for method, array in runs.items()}, kind
        )
        for number, kind in enumerate(kinds)
    }
    return compare(by_kind, dict.fromkeys(runs, RATE), "full")


def world(rng, num_methods, num_kinds=1, num_seeds=4, num_probes=20):
    """Return runs of methods that differ in nothing but noise of seeds and of probes."""
    probes = rng.normal(size=(num_kinds, 1, num_probes))
    return {
        name: probes
        + 0.1 * rng.normal(size=(num_kinds, num_seeds, 1))
        + 0.3 * rng.normal(size=(num_kinds, num_seeds, num_probes))
        for name in ("full", *(f"m{number}" for number in range(num_methods)))
    }


@pytest.mark.parametrize("num_seeds", [8, 4])
def test_methods_that_differ_in_nothing_seldom_get_a_verdict_in_a_whole_table(num_seeds):
    """60 worlds: 5 % of tables within Monte-Carlo error, which here is 0.084 (three errors)."""
    wrong = 0
    for number in range(60):
        runs = world(np.random.default_rng(number), 5, 2, num_seeds)
        found = table(runs, kinds=("updated", "unchanged"))
        wrong += bool(set(found["verdict"]) & {"better", "worse"})
    assert wrong / 60 <= 0.134


def test_a_family_is_one_measure_over_all_kinds():
    runs = world(np.random.default_rng(0), 2, 2)
    together = table(runs, kinds=("updated", "unchanged")).dropna(subset="p_value")
    assert together["p_holm"].min() == pytest.approx(min(1.0, 4 * together["p_value"].min()))
    alone = table(runs).dropna(subset="p_value")
    assert alone["p_holm"].min() == pytest.approx(min(1.0, 2 * alone["p_value"].min()))


def test_words_agree_with_the_corrected_interval_and_p_value():
    runs = world(np.random.default_rng(1), 6)
    for number, name in enumerate(list(runs)[1:]):
        runs[name] = runs[name] + 0.6 * (number - 3)
    found = table(runs).query("method != 'full'")
    for row in found.itertuples():
        assert row.p_holm >= row.p_value
        assert (
            row.corrected_low
            <= row.difference_low
            <= row.difference
            <= row.difference_high
            <= row.corrected_high
        )
        if row.verdict == "better":
            assert row.corrected_high < 1
        elif row.verdict == "worse":
            assert row.corrected_low > 1
        assert (row.verdict != "no significant difference") == (row.p_holm < 0.05)
    assert set(found["verdict"]) == {"better", "worse", "no significant difference"}


def test_the_interval_of_a_difference_is_paired_by_probe():
    # Probes differ a lot, the method by nearly the same on each.
    rng = np.random.default_rng(2)
    full = 3 * rng.normal(size=(1, 1, 30)) + 0.01 * rng.normal(size=(1, 4, 30))
    found = table({"full": full, "m": full + 0.1 + 0.01 * rng.normal(size=(1, 4, 30))}).set_index("method")
    assert found.loc["m", "verdict"] == "worse"
    assert found.loc["m", "difference"] == pytest.approx(math.exp(0.1), rel=0.01)
    assert found.loc["m", "low"] < found.loc["full", "mean"] < found.loc["m", "high"]


def test_a_method_that_was_not_run_everywhere_is_compared_where_it_was():
    runs = world(np.random.default_rng(3), 1)
    found = compare(
        {("world", "updated", "perplexity"): values({("full", RATE): runs["full"][0]})},
        {"full": RATE, "m0": RATE}, "full",
    )  # fmt: skip
    assert found["method"].tolist() == ["full"]
    assert found["verdict"].tolist() == [""]


def test_the_spread_over_seeds_is_that_of_the_paired_difference():
    losses = pd.DataFrame(
        {"method": name, "rate": RATE, "seed": seed, "value": value}
        for name, numbers in (("full", (1.0, 5.0, 9.0)), ("m", (2.0, 7.0, 12.0)))
        for seed, value in enumerate(numbers)
    )
    assert spread(text_values(losses), "m", RATE, reference="full", reference_rate=RATE) == pytest.approx(
        1.0
    )  # 1, 2, 3
    assert math.isnan(
        spread(text_values(losses[losses["seed"] == 0]), "m", RATE, reference="full", reference_rate=RATE)
    )


def test_runs_without_a_seed_in_common_are_said_to_have_none():
    losses = pd.DataFrame({"method": ["full", "m"], "rate": RATE, "seed": [0, 1], "value": [1.0, 2.0]})
    found = compare({("text", "old_text", "loss"): text_values(losses)}, {"full": RATE, "m": RATE}, "full")
    assert found["verdict"].tolist() == ["", "no seed in common"]
    assert found["difference"].isna().all()
