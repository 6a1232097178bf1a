import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from tgl.report.profile_tables import agreements, along, chains, drift, equal_loss, flat, paired, ratios


def profile_row(group, denominator, value, low, high, seed=0, weights="trained", sublayer="all", examples=8):
    return {
        "seed": seed, "weights": weights, "group": group, "denominator": denominator, "sublayer": sublayer,
        "relative_norm": value, "low": low, "high": high, "num_examples": examples,
    }  # fmt: skip


def test_ratios_stand_side_by_side_and_are_means_over_seeds_with_the_widest_limits():
    rows = [
        profile_row("updated", "window", 2.0, 1.5, 2.5, seed=0, examples=8),
        profile_row("updated", "window", 4.0, 1.0, 4.5, seed=1, examples=6),
        profile_row("updated", "unchanged", 1.1, 0.9, 1.2),
        profile_row("updated", "window", 99.0, 0.0, 999.0, sublayer="block00.mlp"),
        profile_row("shuffled.updated", "window", 3.0, 2.0, 4.0),
        profile_row("updated", "window", 7.0, 6.0, 8.0, weights="random"),
    ]
    table = ratios(pd.DataFrame(rows))
    assert [(row["weights"], row["group"]) for row in table] == [
        ("trained", "updated facts"),
        ("trained", "shuffled answers (updated facts)"),
        ("random", "updated facts"),
    ]
    assert table[0]["over"] == {
        "window": {"mean": 3.0, "low": 1.0, "high": 4.5},
        "unchanged": {"mean": 1.1, "low": 0.9, "high": 1.2},
    }
    assert table[0]["examples"] == 6
    assert list(table[1]["over"]) == ["window"]
    assert table[2]["over"]["window"]["mean"] == 7.0
    rows = flat(table)
    assert rows[
        ["weights", "denominator", "mean", "low", "high", "examples", "seeds"]
    ].to_numpy().tolist() == [
        ["trained", "window", 3.0, 1.0, 4.5, 6, 2],
        ["trained", "unchanged", 1.1, 0.9, 1.2, 6, 2],
        ["trained", "window", 3.0, 2.0, 4.0, 8, 1],
        ["random", "window", 7.0, 6.0, 8.0, 8, 1],
    ]


def comparison(sublayer, seed=0, ratio=2.0, p_value=0.01, shape_p_value=0.5, pairs=9, **changes):
    row = {
        "seed": seed, "weights": "trained", "group": "updated", "other": "shuffled.updated",
        "paired_by": "probe", "sublayer": sublayer, "num_pairs": pairs, "ratio": ratio,
        "low": ratio / 2, "high": ratio * 2, "p_value": p_value, "shape_p_value": shape_p_value,
    }  # fmt: skip
    return row | changes


def test_paired_differences_are_geometric_means_over_seeds():
    rows = [comparison("all", seed=0, ratio=2.0, pairs=9), comparison("all", seed=1, ratio=8.0, pairs=7)]
    rows += [comparison("block00.mlp", seed=seed, ratio=50.0) for seed in (0, 1)]
    (row,) = paired(pd.DataFrame(rows))
    assert row["ratio"] == pytest.approx(4.0)
    assert (row["low"], row["high"], row["pairs"]) == (1.0, 16.0, 7)
    assert (row["group"], row["other"]) == ("updated facts", "shuffled answers (updated facts)")
    assert (row["weights"], row["paired_by"], row["seeds"], row["sublayers"]) == ("trained", "probe", 2, 1)


def test_seeds_are_told_by_the_p_value_of_the_mean_below_five_percent():
    values = (0.049, 0.05, 0.2, 0.001)
    rows = [comparison("all", seed=seed, p_value=value) for seed, value in enumerate(values)]
    rows += [comparison("block00.mlp", seed=seed, p_value=0.0) for seed in range(4)]
    (row,) = paired(pd.DataFrame(rows))
    assert (row["seeds_significant"], row["seeds"]) == (2, 4)


def test_the_shape_differs_where_most_seeds_say_so():
    told = {
        "block00.attention": (0.01, 0.01, 0.9),
        "block00.mlp": (0.01, 0.9, 0.9),
        "block01.mlp": (0.04,) * 3,
    }
    rows = [comparison("all", seed=seed, shape_p_value=1.0) for seed in range(3)]
    for name, values in told.items():
        rows += [comparison(name, seed=seed, shape_p_value=value) for seed, value in enumerate(values)]
    (row,) = paired(pd.DataFrame(rows))
    assert row["shape"] == ["block00.attention", "block01.mlp"]
    assert row["sublayers"] == 3


def test_half_of_the_seeds_are_not_most():
    rows = [comparison("all", seed=seed) for seed in (0, 1)]
    rows += [comparison("block00.mlp", seed=seed, shape_p_value=(0.01, 0.5)[seed]) for seed in (0, 1)]
    assert paired(pd.DataFrame(rows))[0]["shape"] == []


def test_weights_groups_and_ways_of_pairing_are_not_mixed():
    rows = []
    for number, changes in enumerate(
        (
            {},
            {"weights": "random"},
            {"other": "capitalised.updated"},
            {"other": "unchanged", "paired_by": "number of target tokens"},
        )
    ):
        rows += [comparison(name, ratio=number + 1.0, **changes) for name in ("all", "block00.mlp")]
    table = paired(pd.DataFrame(rows))
    assert [row["ratio"] for row in table] == pytest.approx([1.0, 2.0, 3.0, 4.0])
    assert [row["other"] for row in table][2:] == ["capitalised words (updated facts)", "unchanged facts"]
    assert [row["weights"] for row in table] == ["trained", "random", "trained", "trained"]


def drift_rows(method, seed, **profiles):
    return [
        {
            "method": method, "seed": seed, "period": period[1:], "sublayer": f"block{n:02d}.mlp",
            "relative_norm": value, "low": 0.0, "high": 9.0, "multiplier": 1.0,
        }
        for period, values in profiles.items()
        for n, value in enumerate(values)
    ]  # fmt: skip


def test_drift_is_told_against_the_first_period():
    first, second, third = [1.0, 2.0, 3.0, 6.0], [1.0, 3.0, 2.0, 5.0], [9.0, 1.0, 1.5, 2.0]
    table = drift(pd.DataFrame(drift_rows("full", 0, p2020=first, p2021=second, p2022=third)))
    assert [(row["method"], row["period"]) for row in table] == [("full", "2021"), ("full", "2022")]
    for row, values in zip(table, (second, third), strict=True):
        assert row["correlation"] == pytest.approx(spearmanr(first, values).statistic)
        assert row["mean"] == pytest.approx(np.mean(values))
        assert row["first_mean"] == pytest.approx(3.0)
    # Above the mean: first {3}, second {1, 3} (mean 2.75), third {0} (mean 3.375).
    assert [row["jaccard"] for row in table] == pytest.approx([0.5, 0.0])


def test_drift_is_a_mean_over_seeds_and_kept_apart_by_method():
    rows = drift_rows("full", 0, p2020=[1, 2, 3.0], p2021=[1, 2, 3.0])
    rows += drift_rows("full", 1, p2020=[1, 2, 3.0], p2021=[3, 2, 1.0])
    rows += drift_rows("tgl_fp", 0, p2020=[1, 2, 3.0], p2021=[2, 4, 6.0])
    full, traced = drift(pd.DataFrame(rows))
    assert (full["method"], full["correlation"], full["jaccard"]) == ("full", pytest.approx(0), 0.5)
    assert (traced["method"], traced["correlation"], traced["mean"]) == ("tgl_fp", pytest.approx(1), 4.0)


def test_runs_that_were_measured_once_have_not_drifted():
    rows = drift_rows("tgl_fp", 0, p2020=[1, 2, 3.0])
    assert drift(pd.DataFrame(rows)) == []
    rows += drift_rows("full", 0, p2020=[1, 2, 3.0], p2021=[1, 3, 2.0])
    assert [row["method"] for row in drift(pd.DataFrame(rows))] == ["full"]


def agreement_row(correlation, low, high, seed=0, **changes):
    row = {
        "seed": seed, "group": "updated", "denominator": "window", "measure": "movement, relative",
        "part": "all", "num_sublayers": 12, "num_facts": 9, "correlation": correlation, "low": low, "high": high,
    }  # fmt: skip
    return row | changes


def test_agreement_is_a_mean_over_seeds_with_the_widest_limits():
    rows = [
        agreement_row(0.5, 0.1, 0.7, seed=0, num_facts=9),
        agreement_row(0.3, -0.2, 0.6, seed=1, num_facts=7),
        agreement_row(-0.5, -0.9, -0.1, seed=2),
        agreement_row(-1.0, -1.0, -1.0, denominator="unchanged"),
    ]
    (row,) = agreements(pd.DataFrame(rows), "window")
    assert row["mean"] == pytest.approx(0.1)
    assert (row["low"], row["high"], row["facts"], row["sublayers"]) == (-0.9, 0.7, 7, 12)
    assert (row["seeds_significant"], row["seeds"]) == (2, 3)
    assert (row["group"], row["measure"]) == ("updated facts", "movement, relative")


def test_agreement_is_kept_apart_by_group_measure_and_part():
    rows = [
        agreement_row(0.1, 0, 1),
        agreement_row(0.2, 0, 1, part="sequence_mixer"),
        agreement_row(0.3, 0, 1, measure="tracing, last_subject, probability"),
        agreement_row(0.4, 0, 1, group="new_entity"),
    ]
    table = agreements(pd.DataFrame(rows), "window")
    assert [row["mean"] for row in table] == [0.1, 0.2, 0.3, 0.4]
    assert [row["part"] for row in table] == ["all", "sequence mixer", "all", "all"]
    assert [row["seeds_significant"] for row in table] == [
        0,
        0,
        0,
        0,
    ]  # an interval that ends at zero does not exclude it


def test_an_interval_that_does_not_exist_tells_nothing():
    (row,) = agreements(pd.DataFrame([agreement_row(np.nan, np.nan, np.nan)]), "window")
    assert row["seeds_significant"] == 0
    assert np.isnan(row["mean"])


CHAIN = (
    "window",
    "matched_span.updated",
    "frequency_matched.updated",
    "capitalised.updated",
    "unchanged",
    "updated",
)


def examples(groups=CHAIN, seed=0, step=0):
    """Return rows of `along_examples`: norms that double from group to group, and rise with the loss."""
    rng, rows = np.random.default_rng(seed), []
    for number, group in enumerate(groups):
        for example in range(6):
            loss = rng.uniform(1, 4)
            rows.append(
                {
                    "step": step, "seed": seed, "group": group, "example": example, "loss": loss,
                    "num_tokens": int(rng.integers(1, 5)), "norm": 2.0**number * (1 + 0.01 * example),
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def test_chains_lead_from_windows_to_each_traced_kind_by_names_for_people():
    ((name, rows),) = chains([examples(), examples(seed=1)])
    assert name == "updated facts"
    assert [row["to"] for row in rows[:3]] == [
        "random spans of equal length (updated facts)",
        "whole words as frequent (updated facts)",
        "capitalised words (updated facts)",
    ]
    assert [row["factor"] for row in rows] == pytest.approx([2.0] * 5 + [32.0])
    assert (rows[-1]["from"], rows[-1]["to"]) == ("windows of plain text", "updated facts")


def test_a_kind_that_a_seed_lacks_has_no_chain():
    assert chains([examples(), examples(CHAIN[:-1], seed=1)]) == []


def test_groups_of_probes_are_set_against_plain_text_of_equal_loss():
    table = examples()
    table["norm"] = table["loss"] ** 2 * np.where(table["group"] == "updated", 3.0, 1.0)
    found = {row["group"]: row for row in equal_loss([table])}
    assert set(found) == {"updated facts", "unchanged facts"}
    assert found["updated facts"]["ratio"] == pytest.approx(3.0)
    assert found["unchanged facts"]["ratio"] == pytest.approx(1.0)
    assert found["updated facts"]["slope"] == pytest.approx(2.0)


def test_a_group_at_equal_loss_names_the_number_of_seeds_that_have_it():
    one = examples(seed=1)
    found = {row["group"]: row["seeds"] for row in equal_loss([examples(), one[one["group"] != "unchanged"]])}
    assert found == {"updated facts": 2, "unchanged facts": 1}


def test_along_training_every_step_is_taken_apart_on_its_own():
    late = examples(step=50)
    late.loc[late["group"] == "updated", "norm"] *= 4
    table = along(pd.concat([late, examples(), examples(seed=1), examples(seed=1, step=50)]))
    assert list(dict.fromkeys(table["step"])) == [0, 50]
    whole = table[(table["from"] == "window") & (table["to"] == "updated")].set_index("step")["factor"]
    assert whole[0] == pytest.approx(32.0)
    assert whole[50] == pytest.approx(
        64.0
    )  # the geometric mean of one seed's four times as much and of as much
    plain = table[table["from"] == "plain text of equal loss"]
    assert set(plain["to"]) == {"unchanged", "updated"}
    assert plain["loss"].notna().all()
