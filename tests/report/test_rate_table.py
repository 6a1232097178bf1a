"""Learning rates that units really had, over seeds that freeze different ones: by hand."""

import pandas as pd
import pytest

from tgl.report.rate_table import rate_table, trained_in


def row(unit, seed, rate, change=None, period="2020", method="random"):
    change = rate if change is None else change
    return {"method": method, "seed": seed, "period": period, "sublayer": unit, "learning_rate": rate,
            "max_change": change}  # fmt: skip


def of(rows):
    return rate_table(pd.DataFrame(rows)).set_index("sublayer").to_dict("index")


def test_a_unit_that_some_seeds_freeze_has_the_mean_of_the_seeds_that_train_it():
    found = of([row("mlp", 0, 0.0), row("mlp", 1, 0.02), row("mlp", 2, 0.04)])["mlp"]
    assert found["learning_rate"] == pytest.approx(0.03)
    assert found["max_change"] == pytest.approx(0.03)
    assert trained_in(found) == "2 of 3 seeds"


def test_a_unit_that_no_seed_trains_has_the_rate_zero_and_is_trained_in_none():
    found = of([row("mlp", 0, 0.0), row("mlp", 1, 0.0), row("attention", 0, 0.1), row("attention", 1, 0.1)])
    assert (found["mlp"]["learning_rate"], trained_in(found["mlp"])) == (0, "none")
    assert trained_in(found["attention"]) == "2 of 2 seeds"


def test_a_unit_that_is_trained_in_some_periods_of_a_seed_says_in_how_many():
    rows = [
        row("mlp", seed, 0.1 * (seed == 0), period=period) for seed in (0, 1) for period in ("2020", "2021")
    ]
    assert trained_in(of(rows)["mlp"]) == "1 of 2 seeds"
    rows[0] = row("mlp", 0, 0.0)
    assert trained_in(of(rows)["mlp"]) == "1 of 2 seeds, 1 of 4 periods"
    assert of(rows)["mlp"]["learning_rate"] == pytest.approx(0.1)


def test_a_unit_that_adapters_change_without_a_rate_of_its_own_is_trained():
    assert trained_in(of([row("mlp", 0, 0.0, change=0.2)])["mlp"]) == "1 of 1 seed"


def test_methods_are_kept_apart_and_in_order():
    found = rate_table(pd.DataFrame([row("mlp", 0, 0.2, method="z"), row("mlp", 0, 0.1, method="a")]))
    assert found["method"].tolist() == ["z", "a"]
    assert found["learning_rate"].tolist() == [0.2, 0.1]
