import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tgl.evaluate.measures import (
    Interval,
    headline,
    probe_measures,
    seed_interval,
    summarise,
    text_measures,
    verdict,
)

quick = settings(deadline=None, max_examples=50)
values = st.lists(st.floats(-100, 100), min_size=2, max_size=12)


def score(log_likelihood, num_tokens, relation="city", rank=0, num_candidates=0, **changes):
    row = {
        "checkpoint": "2020", "probe": "p", "set": "world", "kind": "updated", "period": "2020",
        "relation": relation, "split": "test", "num_tokens": num_tokens, "num_bytes": 5,
        "log_likelihood": log_likelihood, "rank": rank, "num_candidates": num_candidates,
    }  # fmt: skip
    return row | changes


def measured(rows):
    table = probe_measures(pd.DataFrame(rows))
    return {(row.kind, row.measure): row.value for row in table.itertuples()}


def test_perplexities_by_hand():
    # negative log-likelihoods a token: city 2, 4; job 9
    found = measured([score(-4, 2), score(-12, 3), score(-9, 1, "job")])
    assert found["updated", "perplexity"] == pytest.approx(math.exp((2 + 4 + 9) / 3))
    assert found["updated", "macro_perplexity"] == pytest.approx(math.exp((3 + 9) / 2))


def test_log_likelihood_per_byte_by_hand():
    found = measured([score(-4, 2, num_bytes=8), score(-12, 3, num_bytes=4)])
    assert found["updated", "log_likelihood_per_byte"] == pytest.approx((-0.5 - 3) / 2)


def test_ranks_and_chance_leave_out_probes_without_candidates():
    rows = [
        score(-1, 1, rank=1, num_candidates=4), score(-1, 1, rank=2, num_candidates=2),
        score(-1, 1, rank=1, num_candidates=4), score(-1, 1),
    ]  # fmt: skip
    table = probe_measures(pd.DataFrame(rows)).set_index("measure")
    assert table.loc["ranked_first", "value"] == pytest.approx(2 / 3)
    assert table.loc["chance", "value"] == pytest.approx((0.25 + 0.5 + 0.25) / 3)
    assert table["count"].to_dict() == {
        "perplexity": 4, "macro_perplexity": 4, "log_likelihood_per_byte": 4, "ranked_first": 3, "chance": 3,
    }  # fmt: skip


def test_without_candidates_there_is_no_measure_of_ranks():
    assert {name for _, name in measured([score(-1, 1)])} == {
        "perplexity", "macro_perplexity", "log_likelihood_per_byte",
    }  # fmt: skip


def test_checkpoints_sets_kinds_and_periods_are_kept_apart():
    rows = [
        score(-number, 1, **{key: "other"})
        for number, key in enumerate(("checkpoint", "set", "kind", "period"))
    ]
    table = probe_measures(pd.DataFrame([*rows, score(-4, 1)]))
    perplexities = table[table["measure"] == "perplexity"]["value"]
    assert sorted(perplexities) == pytest.approx([math.exp(number) for number in range(5)])


def test_text_losses_are_nats_a_token_and_base_is_the_old_text():
    losses = pd.DataFrame(
        {
            "checkpoint": ["2020"] * 3,
            "text": ["base", "2020", "2021"],
            "num_tokens": [10, 4, 0],
            "negative_log_likelihood": [25.0, 12.0, 0.0],
        }
    )
    table = text_measures(losses)
    assert table[["kind", "period", "value", "count"]].values.tolist() == [
        ["old_text", "base", 2.5, 10], ["new_text", "2020", 3.0, 4],
    ]  # fmt: skip
    assert set(table["measure"]) == {"loss"}
    assert text_measures(losses[2:]).empty


def measure_row(checkpoint, period, value, kind="updated", measure="perplexity", seed=0, method="m"):
    return {
        "method": method, "seed": seed, "checkpoint": checkpoint, "set": "world", "kind": kind,
        "period": period, "measure": measure, "value": value, "count": 1,
    }  # fmt: skip


def test_the_headline_takes_each_period_at_its_own_checkpoint_and_averages_logs():
    rows = [
        measure_row("2019", "2020", 900.0), measure_row("2020", "2020", 4.0),
        measure_row("2021", "2020", 700.0),
        measure_row("2021", "2021", 9.0), measure_row("2020", "2021", 800.0),
    ]  # fmt: skip
    found = headline(pd.DataFrame(rows), ["2020", "2021"])
    assert len(found) == 1
    assert found["value"][0] == pytest.approx(6)


def test_the_headline_takes_old_text_at_every_checkpoint_of_a_period_and_averages_losses_plainly():
    rows = [
        measure_row(checkpoint, "base", value, "old_text", "loss")
        for checkpoint, value in (("2019", 50.0), ("2020", 2.0), ("2021", 4.0))
    ]
    assert headline(pd.DataFrame(rows), ["2020", "2021"])["value"].tolist() == [3.0]


@quick
@given(values)
def test_the_interval_is_student_s_as_scipy_gives_it(numbers):
    found = seed_interval(np.array(numbers))
    error = stats.sem(numbers)
    assert found.mean == pytest.approx(np.mean(numbers))
    assert found.count == len(numbers)
    if error > 1e-9:
        expected = stats.t.interval(0.95, len(numbers) - 1, loc=np.mean(numbers), scale=error)
        assert (found.low, found.high) == pytest.approx(expected)


def test_one_value_gives_no_interval():
    found = seed_interval(np.array([3.0]))
    assert (found.mean, found.count) == (3.0, 1)
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert not found.excludes_zero


@pytest.mark.parametrize(
    ("low", "high", "count", "measure", "expected"),
    [
        (-2, -1, 3, "perplexity", "better"),
        (-2, -1, 3, "macro_perplexity", "better"),
        (-2, -1, 3, "loss", "better"),
        (-2, -1, 3, "ranked_first", "worse"),
        (-2, -1, 3, "log_likelihood_per_byte", "worse"),
        (1, 2, 3, "perplexity", "worse"),
        (1, 2, 3, "loss", "worse"),
        (1, 2, 3, "ranked_first", "better"),
        (1, 2, 3, "log_likelihood_per_byte", "better"),
        (-1, 1, 3, "perplexity", "no difference shown"),
        (0, 1, 3, "ranked_first", "no difference shown"),
        (1, 2, 3, "chance", "no difference shown"),
        (math.nan, math.nan, 1, "perplexity", "one seed: no interval"),
    ],
)
def test_the_verdict_follows_the_interval_and_what_is_better(low, high, count, measure, expected):
    assert verdict(Interval((low + high) / 2, low, high, count), measure) == expected


def table_of(method_values, measure):
    return pd.DataFrame(
        {
            "method": method,
            "seed": seed,
            "set": "world",
            "kind": "updated",
            "measure": measure,
            "value": value,
        }
        for method, numbers in method_values.items()
        for seed, value in enumerate(numbers)
    )


def summary(method_values, measure):
    return summarise(table_of(method_values, measure), "full").set_index("method")


def test_differences_are_paired_by_seed():
    # Seeds differ a lot, the method by almost the same in each: only a paired interval excludes zero.
    full = np.array([0.1, 0.5, 0.9])
    found = summary({"full": full, "tgl": full + np.array([0.05, 0.06, 0.055])}, "ranked_first").loc["tgl"]
    apart = stats.t.interval(0.95, 2, loc=0.055, scale=stats.sem([0.05, 0.06, 0.055]))
    assert (found["difference_low"], found["difference_high"]) == pytest.approx(apart)
    assert (found["difference"], found["verdict"], found["seeds"]) == (pytest.approx(0.055), "better", 3)
    assert found["difference_is"] == "difference"


def test_perplexities_are_compared_as_ratios_with_geometric_means():
    found = summary({"full": [2.0, 8.0], "tgl": [4.0, 64.0]}, "perplexity")
    assert found.loc["full", "mean"] == pytest.approx(4)
    assert found.loc["tgl", "difference"] == pytest.approx(4)
    logs = np.log([2.0, 8.0])
    apart = stats.t.interval(0.95, 1, loc=logs.mean(), scale=stats.sem(logs))
    assert found.loc["tgl", "difference_low"] == pytest.approx(math.exp(apart[0]))
    assert found.loc["tgl", "difference_is"] == "ratio"
    assert found.loc["tgl", "verdict"] == "no difference shown"


def test_a_lower_perplexity_in_every_seed_is_better_and_a_higher_one_worse():
    full = [2.0, 8.0, 5.0]
    found = summary(
        {"full": full, "low": [value / 2.01 for value in full[:2]] + [2.5], "high": [4.0, 16.1, 10.0]},
        "perplexity",
    )
    assert found["verdict"].to_dict() == {"full": "", "low": "better", "high": "worse"}


def test_the_reference_and_the_base_get_no_verdict():
    found = summary({"full": [1.0, 2.0], "base": [3.0, 4.0]}, "loss")
    assert set(found["verdict"]) == {""}
    assert found["difference"].isna().all()


def test_one_seed_gives_a_difference_without_an_interval():
    found = summary({"full": [1.0], "tgl": [3.0]}, "loss").loc["tgl"]
    assert (found["difference"], found["verdict"]) == (2.0, "one seed: no interval")
    assert math.isnan(found["difference_low"])


def test_only_seeds_that_both_methods_have_are_compared():
    found = summary({"full": [1.0, 2.0, 3.0], "tgl": [1.5, 2.5]}, "loss").loc["tgl"]
    assert found["difference"] == pytest.approx(0.5)
