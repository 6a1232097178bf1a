"""Comparisons over experiments that are replicates."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tgl.analysis.equal_uptake import at_equal_uptake
from tgl.config.check import load_config
from tgl.core.errors import TglError
from tgl.core.layout import Layout
from tgl.core.tables.read import read_table
from tgl.core.tables.write import write_table
from tgl.report.replicates import replicate_curves, shown, step_rows, whole_runs, write_replicates
from tgl.train.methods import method_folder

RATES = (0.1, 0.2, 0.3)
STEPS = (2, 4)
END = 6
# Nats lost for each nat learned; rate 0.2 forgets least.
COST = {0.1: 0.3, 0.2: 0.2, 0.3: 0.4}


def config_of(methods=("full", "last"), **changes):
    train = {"steps": END, "score_at": list(STEPS), "learning_rates": list(RATES), "keep_models": False}
    raw = {
        "methods": list(methods), "seeds": [0], "agree": {"facts": 0}, "train": train,
        "snapshots": {"dates": ["20190101", "20200101"]},
    }  # fmt: skip
    return load_config(raw | changes)


def scores(learned, lost, checkpoint):
    """Return rows of a table of scores: two probes of each kind and split, in nats per token."""
    value = {
        ("near", "updated"): 5 - learned,
        ("near", "unchanged"): 1 + lost,
        ("far", "unchanged"): 1 + 9 * lost,
    }
    return [
        {
            "checkpoint": checkpoint, "probe": f"{name}-{kind}-{split}-{number}", "set": name, "kind": kind,
            "period": "20200101", "split": split, "num_tokens": 2, "log_likelihood": -2 * (nats + number),
        }
        for (name, kind), nats in value.items()
        for split in ("validation", "test")
        for number in (0, 1)
    ]  # fmt: skip


def write_run(folder, method, rate, steps):
    """Write the tables of one run; steps: (learned, lost) by step."""
    layout = Layout(str(folder), config_of().model.name)
    place = {"method": method if method == "base" else method_folder(method, rate), "seed": 0}
    whole = {
        "relation": "r",
        "num_bytes": 4,
        "rank": 0,
        "num_candidates": 0,
        "exact_match": False,
        "old_log_likelihood": None,
    }
    last = scores(*steps[max(steps)], "20190101" if method == "base" else "20200101")
    write_table([row | whole for row in last], layout.path("scores", **place), "scores")
    if method != "base":
        rows = [row | {"step": step} for step, own in steps.items() for row in scores(*own, "20200101")]
        write_table(rows, layout.path("step_scores", **place), "step_scores")
        losses = [
            {"checkpoint": "20200101", "step": step, "text": text, "num_tokens": 10,
             "negative_log_likelihood": 30.0, "kl_from_base": 0.5 if text == "base" else None}
            for step in steps
            for text in ("base", "20200101")
        ]  # fmt: skip
        write_table(losses, layout.path("step_losses", **place), "step_losses")


def write_experiment(folder, saved=0.1, methods=("full", "last"), shift=0.0):
    """Write an experiment in which `last` loses `saved` nats less of each nat learned."""
    write_run(folder, "base", 0.0, {0: (0.0, 0.0)})
    for method in methods:
        for rate in RATES:
            cost = COST[rate] - (saved if method == "last" else 0.0) + shift
            steps = {step: (0.5 * step, 0.5 * step * cost) for step in (*STEPS, END)}
            write_run(folder, method, rate, steps)
    return folder


@pytest.fixture
def experiments(tmp_path):
    shifts = {"a": (0.1, 0.0), "b": (0.12, 0.05), "c": (0.06, -0.03)}
    return [write_experiment(tmp_path / name, saved, shift=shift) for name, (saved, shift) in shifts.items()]


def test_each_replicate_counts_once_and_the_interval_is_that_of_a_paired_t_test(experiments):
    rows = pd.concat([step_rows(folder, config_of()) for folder in experiments])
    table = at_equal_uptake(replicate_curves(rows, ["updated"]), [("last", "full")], primary=0.7)
    (row,) = table[table["share"] == 0.7].to_dict("records")
    learned = 0.7 * 0.5 * END
    apart = -np.array([0.1, 0.12, 0.06]) * learned
    assert (row["rate"], row["reference_rate"], row["seeds"]) == (0.2, 0.2, 3)
    assert row["difference"] == pytest.approx(apart.mean())
    half = stats.t.ppf(0.975, 2) * stats.sem(apart)
    assert (row["low"], row["high"]) == pytest.approx((apart.mean() - half, apart.mean() + half))
    assert row["reference_forgetting"] == pytest.approx(learned * (0.2 + np.mean([0.0, 0.05, -0.03])))
    assert row["verdict"] == "better"


def test_a_run_with_scores_of_other_probes_is_refused(experiments):
    """Its mean would be over other probes, so a difference would be no effect of the method."""
    rows = pd.concat([step_rows(folder, config_of()) for folder in experiments])
    own = (
        (rows["method"] == "last") & (rows["rate"] == 0.2) & (rows["experiment"] == "b") & (rows["step"] == 4)
    )
    fewer = rows.assign(count=rows["count"] - (own & (rows["kind"] == "updated")))
    with pytest.raises(
        TglError, match=r"b: method last at rate 0\.2, seed 0, step 4: found scores of \d+ probes"
    ):
        replicate_curves(fewer, ["updated"])
    with pytest.raises(TglError, match="found scores of"):
        replicate_curves(
            rows[~(own & (rows["kind"] == "unchanged") & (rows["split"] == "test"))], ["updated"]
        )


def test_a_loss_that_is_not_a_number_is_refused(experiments):
    rows = pd.concat([step_rows(folder, config_of()) for folder in experiments])
    own = (
        (rows["method"] == "last") & (rows["rate"] == 0.2) & (rows["experiment"] == "b") & (rows["step"] == 4)
    )
    with pytest.raises(TglError, match="found a loss that is not a number"):
        replicate_curves(rows.assign(value=rows["value"].mask(own)), ["updated"])


def test_far_facts_do_not_count_and_are_in_the_rows(experiments):
    rows = step_rows(experiments[0], config_of())
    assert set(rows["set"]) == {"near", "far", "text"}
    without = rows[rows["set"] != "far"]
    one, other = (replicate_curves(own, ["updated"]).test["full"][0.1] for own in (rows, without))
    assert np.array_equal(one.forgetting, other.forgetting)


def test_base_scores_of_other_periods_do_not_count(experiments):
    before = step_rows(experiments[0], config_of())
    path = Layout(str(experiments[0]), config_of().model.name).path("scores", method="base", seed=0)
    table = read_table(path, "scores").to_pandas()
    other = table.assign(period="20180101", log_likelihood=-99.0, probe=table["probe"] + "-other")
    write_table(pd.concat([table, other], ignore_index=True), path, "scores")
    pd.testing.assert_frame_equal(step_rows(experiments[0], config_of()), before)


def test_rows_hold_every_step_and_measure(experiments):
    rows = step_rows(experiments[0], config_of())
    assert set(rows["measure"]) == {"loss", "text_loss", "kl_from_base"}
    assert set(rows.loc[rows["method"] == "full", "step"]) == {*STEPS, END}
    assert set(rows.loc[rows["method"] == "base", "step"]) == {0}
    text = rows[rows["measure"] == "text_loss"]
    assert set(text["value"]) == {3.0}
    key = ["method", "rate", "step", "split", "set", "kind", "measure"]
    assert not rows.duplicated(key).any()


def test_a_run_that_one_replicate_lacks_is_left_out_and_named(experiments, tmp_path):
    layout = Layout(str(experiments[1]), config_of().model.name)
    for name in ("scores", "step_scores", "step_losses"):
        (tmp_path / layout.path(name, method="last-plain-lr0.2", seed=0)).unlink()
    lines = write_replicates(experiments, config_of(), tmp_path / "out")
    assert lines[0] == "left out: last at rate 0.2, found in 2 of 3 replicates"
    table = pd.read_csv(tmp_path / "out/equal_uptake.csv")
    assert set(table[table["share"] == 0.7]["rate"]) == {0.1}
    assert set(table[table["share"] == 0.7]["verdict"]) == {
        "no verdict: best rate at the edge of those tried"
    }
    assert len(pd.read_csv(tmp_path / "out/steps.csv")) > 100


def test_only_planned_comparisons_form_the_family(tmp_path):
    methods = ("full", "last", "first")
    folders = [write_experiment(tmp_path / name, methods=methods) for name in ("a", "b")]
    config = config_of(methods, report={"comparisons": [["last", "full"]]})
    write_replicates(folders, config, tmp_path / "out")
    table = pd.read_csv(tmp_path / "out/equal_uptake.csv")
    assert set(table["method"]) == {"last"}


def test_without_full_in_every_replicate_it_is_refused(experiments):
    rows = step_rows(experiments[0], config_of())
    with pytest.raises(TglError, match="no run of 'full' in all 1 replicates"):
        whole_runs(rows[rows["method"] != "full"], config_of())


def test_an_experiment_that_was_scored_at_its_end_alone_is_refused(experiments):
    config = config_of(train={"steps": END, "learning_rates": list(RATES)}, agree={"facts": 32})
    with pytest.raises(TglError, match=r"found 1 periods and 0 steps of train.score_at"):
        step_rows(experiments[0], config)


def test_an_experiment_without_scores_of_its_base_model_is_refused(experiments, tmp_path):
    layout = Layout(str(experiments[0]), config_of().model.name)
    (tmp_path / layout.path("scores", method="base", seed=0)).unlink()
    with pytest.raises(TglError, match="found no scores of the base model, seed 0"):
        step_rows(experiments[0], config_of())


def test_one_replicate_alone_has_no_verdict(experiments):
    rows = step_rows(experiments[0], config_of())
    table = at_equal_uptake(replicate_curves(rows, ["updated"]), [("last", "full")], primary=0.7)
    row = table[table["share"] == 0.7].iloc[0]
    assert row["verdict"] == "no verdict: one seed"
    assert row["difference"] == pytest.approx(-0.1 * 0.7 * 0.5 * END)
    assert math.isnan(row["low"])


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ((0.1234, 0.01, 0.2), "0.123 [0.010, 0.200]"),
        ((-0.5, math.nan, math.nan), "-0.500"),
        ((math.nan, math.nan, math.nan), "no result"),
    ],
)
def test_a_difference_is_shown_without_what_is_not_known(values, text):
    assert shown(*values) == text


def test_a_planned_comparison_that_has_not_run_stays_in_the_family(tmp_path):
    methods = ("full", "last", "first")
    savings = {"a": 0.1, "b": 0.12, "c": 0.06}
    folders = [write_experiment(tmp_path / name, saved, methods) for name, saved in savings.items()]

    def found(*less):
        config = config_of(methods, report={"comparisons": [["last", "full"], *less]})
        write_replicates(folders, config, tmp_path / "out")
        table = pd.read_csv(tmp_path / "out/equal_uptake.csv")
        return table[table["share"] == 0.7].set_index("method")

    for rate in RATES:
        (folders[0] / f"scores/{config_of().model.name}/first-plain-lr{rate:g}/seed0/scores.parquet").unlink()
    alone, among = found().loc["last"], found(["first", "full"])
    assert among.loc["first", "verdict"] == "no verdict: not run in every replicate"
    assert among.loc["last", "p_value"] == alone["p_value"]
    assert among.loc["last", "p_holm"] == pytest.approx(2 * alone["p_holm"])


def test_a_run_that_lacks_a_seed_of_one_replicate_is_left_out_and_named(experiments):
    rows = pd.concat([step_rows(folder, config_of()) for folder in experiments])
    both = pd.concat([rows, rows.assign(seed=1)])
    lost = both["experiment"].eq("a") & both["method"].eq("last") & both["rate"].eq(0.2) & both["seed"].eq(1)
    kept, lines = whole_runs(both[~lost], config_of(seeds=[0, 1]))
    assert lines == ["left out: last at rate 0.2, found in 5 of 6 seeds of the replicates"]
    assert not (kept["method"].eq("last") & kept["rate"].eq(0.2)).any()


def test_two_replicates_of_one_name_are_refused_and_not_mixed(experiments, tmp_path):
    other = write_experiment(tmp_path / "elsewhere" / "a")
    for twice in ([*experiments, other], [experiments[0], experiments[0]]):
        with pytest.raises(
            TglError, match="found 2 replicates called 'a', expected folders with different names"
        ):
            write_replicates(twice, config_of(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_without_facts_to_learn_it_is_refused(experiments, tmp_path):
    config = config_of(report={"uptake": ["new_entity"]})
    with pytest.raises(TglError, match="found no facts to learn among the validation probes"):
        write_replicates(experiments, config, tmp_path / "out")
