"""One value a probe and run, gathered by subject: by hand."""

import math

import numpy as np
import pandas as pd
import pytest

from tests.analysis.score_tables import RATE, row
from tgl.analysis.values import own_period, probe_values, text_values
from tgl.core.errors import TglError


def of(rows, measure="perplexity"):
    return probe_values(pd.DataFrame(rows), measure)


def mean(rows, measure):
    return of(rows, measure).means().item()


def test_perplexity_is_the_mean_over_probes_of_nats_a_token():
    rows = [row(0, log_likelihood=-6.0, num_tokens=3), row(0, probe="p1", log_likelihood=-4.0, num_tokens=1)]
    assert mean(rows, "perplexity") == pytest.approx((2 + 4) / 2)


def test_macro_perplexity_counts_each_relation_the_same():
    rows = [row(1.0, probe="a"), row(3.0, probe="b"), row(8.0, probe="c", relation="job")]
    assert mean(rows, "macro_perplexity") == pytest.approx((2 + 8) / 2)
    assert mean(rows, "perplexity") == pytest.approx(4)


def test_likelihood_per_byte_is_higher_for_what_is_better_known():
    rows = [row(0, log_likelihood=-8.0, num_bytes=4), row(0, probe="p1", log_likelihood=-1.0, num_bytes=2)]
    assert mean(rows, "log_likelihood_per_byte") == pytest.approx((-2 - 0.5) / 2)


def test_ranks_leave_out_probes_without_candidates():
    rows = [row(1, probe="a"), row(1, probe="b", rank=2), row(1, probe="c", rank=0, num_candidates=0)]
    found = of(rows, "ranked_first")
    assert found.means().item() == pytest.approx(0.5)
    assert found.weights.sum() == 2


def test_probes_of_a_subject_are_one_cluster():
    rows = [
        row(1.0, probe="a", subject="x"),
        row(2.0, probe="b", subject="y"),
        row(4.0, probe="c", subject="x"),
    ]
    found = of(rows)
    assert found.weights.tolist() == [2, 1]
    assert found.of("full", RATE).tolist() == [[5, 2]]


def test_runs_and_seeds_are_kept_apart_and_the_rate_is_part_of_a_run():
    rows = [row(value, method, rate, seed) for method, rate, seed, value in (
        ("full", 0.1, 1, 1.0), ("full", 0.1, 0, 2.0), ("full", 0.2, 0, 3.0), ("full", 0.2, 1, 4.0),
        ("tgl", 0.1, 0, 5.0),
        ("tgl", 0.1, 1, 6.0),
    )]  # fmt: skip
    found = of(rows)
    assert found.seeds == [0, 1]
    by_run = dict(zip(found.runs, found.means().tolist(), strict=True))
    assert by_run == {("full", 0.1): [2, 1], ("full", 0.2): [3, 4], ("tgl", 0.1): [5, 6]}


def test_a_run_that_is_missing_is_nan_and_no_zero():
    found = of([row(1.0, seed=0), row(2.0, seed=1), row(3.0, "tgl", seed=1)])
    assert np.isnan(found.of("tgl", RATE)[:, 0]).tolist() == [True, False]
    assert not np.isnan(found.of("full", RATE)).any()


def test_a_probe_scored_twice_is_refused_by_name():
    with pytest.raises(TglError, match=r"'p0'.*twice"):
        of([row(1.0), row(2.0)])


def test_a_run_without_a_probe_that_others_have_is_refused_and_not_dropped():
    with pytest.raises(TglError, match=r"full.*seed 1.*'p1'"):
        of([row(1.0), row(1.0, probe="p1"), row(1.0, seed=1)])


@pytest.mark.parametrize("measure", ["perplexity", "macro_perplexity", "log_likelihood_per_byte"])
def test_a_score_that_is_no_number_is_refused_and_its_seed_not_dropped(measure):
    for value in (math.nan, -math.inf):
        with pytest.raises(TglError, match=r"full.*seed 1 has no finite score of probe 'p0'"):
            of([row(1.0), row(0, seed=1, log_likelihood=value)], measure)


def test_probes_without_a_subject_are_refused_and_not_taken_for_one_subject():
    with pytest.raises(TglError, match="'p0' has no subject"):
        of([row(1.0, subject=math.nan), row(1.0, probe="p1", subject=math.nan)])


@pytest.mark.parametrize("measure", ["perplexity", "macro_perplexity", "ranked_first"])
def test_the_order_of_rows_changes_nothing(measure):
    rng = np.random.default_rng(0)
    rows = [
        row(rng.normal(), method, seed=seed, probe=f"p{n}", subject=f"s{n % 3}", relation="ab"[n % 2], rank=n % 3)
        for method in ("full", "tgl") for seed in range(3) for n in range(7)
    ]  # fmt: skip
    one, other = of(rows, measure), of([rows[n] for n in rng.permutation(len(rows))], measure)
    assert (one.runs, one.seeds, one.clusters.tolist()) == (other.runs, other.seeds, other.clusters.tolist())
    assert np.array_equal(one.sums, other.sums)
    assert np.array_equal(one.weights, other.weights)


def test_own_period_keeps_a_probe_at_the_checkpoint_of_its_period():
    rows = [row(1.0, period="2020", checkpoint=date) for date in ("2019", "2020", "2021")]
    assert own_period(pd.DataFrame(rows))["checkpoint"].tolist() == ["2020"]


def test_held_out_losses_are_averaged_over_checkpoints_and_have_one_cluster():
    losses = pd.DataFrame(
        {"method": "full", "rate": RATE, "seed": [0, 0, 1, 1], "value": [1.0, 3.0, 2.0, 6.0]}
    )
    found = text_values(losses)
    assert found.means().tolist() == [[2, 4]]
    assert found.weights.tolist() == [1]


def test_macro_perplexity_weighs_a_subject_by_its_relations():
    rows = [row(1.0, probe="a", subject="x"), row(3.0, probe="b", subject="y")]
    rows.append(row(8.0, probe="c", subject="y", relation="job"))
    found = of(rows, "macro_perplexity")
    assert found.weights.tolist() == pytest.approx([0.5, 1.5])
    assert math.isclose(found.weights.sum(), 2)
