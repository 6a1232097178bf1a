"""The learning rate of each method, chosen on validation probes."""

import math

import pandas as pd
import pytest

from tests.analysis.score_tables import row
from tgl.analysis.rates import at_the_edge, chosen_rates, criteria


def found(rows):
    return criteria(pd.DataFrame(rows)).set_index(["method", "rate"])["criterion"]


def table(**methods):
    """Return criteria; methods: by name {rate: criterion}."""
    return pd.DataFrame(
        {"method": method, "rate": rate, "criterion": value}
        for method, by_rate in methods.items()
        for rate, value in by_rate.items()
    )


def test_a_probe_counts_at_the_checkpoint_of_its_own_period_alone():
    rows = [row(2.0), row(90.0, checkpoint="2019"), row(90.0, checkpoint="2021")]
    assert found(rows).tolist() == [2.0]


def test_each_kind_counts_the_same_however_many_probes_it_has():
    rows = [row(1.0, probe=f"u{number}") for number in range(9)]
    rows += [row(4.0, probe="n", kind="unchanged"), row(7.0, probe="e", kind="new_entity")]
    assert found(rows).tolist() == [pytest.approx(4.0)]


def test_each_probe_set_counts_the_same():
    rows = [row(1.0, probe=f"u{number}") for number in range(9)] + [row(3.0, probe="t", set="templama")]
    assert found(rows).tolist() == [pytest.approx(2.0)]


def test_seeds_are_averaged_and_rates_kept_apart():
    rows = [row(1.0, seed=0), row(3.0, seed=1), row(5.0, rate=0.1, seed=0), row(5.0, rate=0.1, seed=1)]
    assert found(rows).to_dict() == {("full", 0.003): 2.0, ("full", 0.1): 5.0}


def test_a_rate_pays_for_what_it_forgets():
    rows = [
        row(1.0, rate=0.1), row(9.0, rate=0.1, probe="n", kind="unchanged"),
        row(3.0, rate=0.01), row(4.0, rate=0.01, probe="n", kind="unchanged"),
    ]  # fmt: skip
    assert chosen_rates(criteria(pd.DataFrame(rows))) == {"full": 0.01}


def test_a_rate_that_fell_apart_in_one_seed_is_not_chosen_for_the_seeds_that_are_left():
    rows = [row(1.0, rate=0.1, seed=0), row(math.nan, rate=0.1, seed=1)]
    rows += [row(2.0, rate=0.01, seed=seed) for seed in range(2)]
    assert chosen_rates(criteria(pd.DataFrame(rows))) == {"full": 0.01}


def test_a_rate_that_fell_apart_on_one_probe_is_not_chosen_for_the_others():
    rows = [row(1.0, rate=0.1), row(math.nan, rate=0.1, probe="p1")]
    rows += [row(2.0, rate=0.01, probe=probe) for probe in ("p0", "p1")]
    assert chosen_rates(criteria(pd.DataFrame(rows))) == {"full": 0.01}


def test_of_equal_rates_the_smaller_is_chosen_in_whatever_order_they_stand():
    ties = table(full={0.1: 2.0, 0.01: 2.0, 0.001: 3.0})
    assert chosen_rates(ties) == chosen_rates(ties[::-1]) == {"full": 0.01}


def test_each_method_has_its_own_rate_in_the_order_of_the_table():
    rates = chosen_rates(table(random={0.1: 1.0, 0.01: 2.0}, full={0.1: 2.0, 0.01: 1.0}))
    assert list(rates.items()) == [("random", 0.1), ("full", 0.01)]


def test_the_smallest_and_the_largest_rate_are_at_the_edge_and_what_lies_between_is_not():
    tried = table(**{key: {0.001: 1.0, 0.01: 1.0, 0.1: 1.0} for key in ("low", "middle", "high")})
    assert at_the_edge(tried, {"low": 0.001, "middle": 0.01, "high": 0.1}, {}) == ["low", "high"]


def test_a_single_rate_is_no_edge():
    assert at_the_edge(table(full={0.01: 1.0}), {"full": 0.01}, {}) == []


def test_rates_of_an_earlier_experiment_count_as_tried():
    tried = table(**{key: {0.001: 1.0, 0.01: 2.0} for key in ("below", "above", "other")})
    chosen = dict.fromkeys(("below", "above", "other"), 0.001)
    assert at_the_edge(tried, chosen, {"below": [0.0001, 0.001], "above": [0.1]}) == ["above", "other"]
