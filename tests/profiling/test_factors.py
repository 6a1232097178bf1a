import numpy as np
import pandas as pd
import pytest

from tgl.profiling.factors import at_equal_loss, example_norms, factors

LEVELS = {
    "window": 1.0, "matched_span.updated": 4.0, "frequency_matched.updated": 6.0,
    "capitalised.updated": 3.0, "unchanged": 9.0, "updated": 18.0,
}  # fmt: skip


def examples(levels, count=40, spread=0.2, seed=0, loss=None):
    """Return a table as example_norms does, norms around each level; the loss of a group, or random ones."""
    rng = np.random.default_rng(seed)
    rows = []
    for group, level in levels.items():
        for example in range(count):
            rows.append(
                {
                    "group": group, "example": example, "num_tokens": int(rng.integers(1, 5)),
                    "loss": rng.uniform(0.5, 5) if loss is None else loss[group],
                    "norm": level * np.exp(rng.normal(0, spread)),
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def test_an_examples_norm_is_the_mean_over_ranked_sublayers_of_the_trained_model():
    rows = [
        {"weights": weights, "group": "updated", "example": example, "num_tokens": 2, "loss": 1.0,
         "sublayer": sublayer, "norm": norm}
        for weights, example, sublayer, norm in [
            ("trained", 0, "block00.mlp", 1.0), ("trained", 0, "block01.mlp", 3.0),
            ("trained", 0, "embedding", 99.0), ("random", 0, "block00.mlp", 50.0),
            ("trained", -1, "block00.mlp", 70.0),
        ]
    ]  # fmt: skip
    assert example_norms(pd.DataFrame(rows))["norm"].tolist() == [2.0]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_an_example_that_is_not_finite_in_one_sublayer_is_left_out(bad):
    rows = [
        {"weights": "trained", "group": "updated", "example": example, "num_tokens": 2, "loss": 1.0,
         "sublayer": sublayer, "norm": norm}
        for example, sublayer, norm in [
            (0, "block00.mlp", 1.0), (0, "block01.mlp", bad), (1, "block00.mlp", 1.0), (1, "block01.mlp", 2.0),
        ]
    ]  # fmt: skip
    assert example_norms(pd.DataFrame(rows))["example"].tolist() == [1]


def test_the_chains_factors_multiply_to_the_ratio_over_windows():
    found = factors([examples(LEVELS, seed=seed) for seed in range(3)], "updated", resamples=200)
    assert list(zip(found["from"], found["to"], strict=True)) == [
        *zip(LEVELS, list(LEVELS)[1:], strict=False),
        ("window", "updated"),
    ]
    assert found["factor"][:-1].prod() == pytest.approx(found["factor"].iloc[-1])
    assert found["factor"].tolist() == pytest.approx([4, 1.5, 0.5, 3, 2, 18], rel=0.15)
    assert (found["low"] < found["factor"]).all()
    assert (found["factor"] < found["high"]).all()


def test_a_control_that_was_not_measured_is_stepped_over():
    levels = {name: level for name, level in LEVELS.items() if not name.startswith(("capital", "frequency"))}
    found = factors([examples(levels)], "updated", resamples=200)
    assert found["to"].tolist() == ["matched_span.updated", "unchanged", "updated", "updated"]


def test_seeds_that_differ_widen_the_interval():
    def width(levels):
        tables = [examples(LEVELS | {"updated": level}, seed=n) for n, level in enumerate(levels)]
        last = factors(tables, "updated", resamples=500).iloc[-1]
        return last["high"] / last["low"]

    assert width([9.0, 18.0, 36.0]) > 1.5 * width([18.0, 18.0, 18.0])


def with_norm_from_loss(table, power, above):
    """Return the table with norms that follow the loss, those of `updated` lying above by a factor."""
    norm = 2.0 * table["loss"] ** power * table["num_tokens"] ** -0.5
    return table.assign(norm=norm * np.where(table["group"] == "updated", above, 1.0))


@pytest.mark.parametrize("above", [1.0, 1.7])
def test_at_equal_loss_what_the_loss_explains_is_taken_out(above):
    loss = dict.fromkeys(LEVELS, 1.0) | {"updated": 6.0}
    varied = examples(LEVELS)
    fixed = examples(LEVELS, loss=loss)
    table = varied.assign(loss=np.where(varied["group"] == "updated", fixed["loss"], varied["loss"]))
    found = at_equal_loss([with_norm_from_loss(table, 0.6, above)], resamples=100).set_index("group")
    assert found.loc["updated", "ratio"] == pytest.approx(above)
    assert found.loc["updated", "loss"] == 6.0
    assert found.loc["unchanged", "ratio"] == pytest.approx(1.0)
    assert found["slope"].tolist() == pytest.approx([0.6] * len(found))
    assert set(found.index) == {"unchanged", "updated"}


def test_a_group_that_one_seed_lacks_has_the_values_of_the_others():
    whole = examples(LEVELS, loss=dict.fromkeys(LEVELS, 1.0) | {"unchanged": 2.5})
    whole["loss"] += np.where(
        whole["group"] == "unchanged", 0.0, np.random.default_rng(2).uniform(0, 1, len(whole))
    )
    without = whole[whole["group"] != "unchanged"]
    found = at_equal_loss([whole, without], resamples=50).set_index("group")
    assert found.loc["unchanged", "loss"] == 2.5
    assert np.isfinite(found.loc["unchanged", "ratio"])


def test_a_loss_of_zero_is_no_obstacle():
    table = examples(LEVELS)
    table.loc[table.index[45], "loss"] = 0.0
    assert np.isfinite(at_equal_loss([table], resamples=50)["ratio"]).all()
