"""Scores between the steps of a run (`train.score_at`)."""

import dataclasses

import pytest

from tests.support.model_fixtures import settings_of
from tests.train.continual_runs import PERIODS, SETTINGS, go, run_of, write_inputs
from tgl.core.tables.read import read_table
from tgl.core.vocabulary import HELD_OUT, STEP_TABLES
from tgl.evaluate.score import prepare_probes
from tgl.text.tokens import read_stream
from tgl.train import step_scores

STEPS = [2, 3]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    return write_inputs(tmp_path_factory.mktemp("inputs"))


def scored(inputs, output, baseline="plain", **changes):
    run = run_of(inputs, output, models={}, baseline=baseline)
    tables = run.tables | {name: output / f"{name}.parquet" for name in STEP_TABLES}
    train = settings_of(steps=5, score_at=STEPS, keep_models=False, **changes)
    return dataclasses.replace(run, tables=tables, settings=dataclasses.replace(SETTINGS, train=train))


@pytest.fixture(scope="module")
def finished(inputs, tmp_path_factory):
    run = scored(inputs, tmp_path_factory.mktemp("run"))
    go(run)
    return run


def table(run, name):
    return read_table(run.tables[name], name).to_pandas()


def test_every_probe_of_a_period_is_scored_at_each_step_and_at_the_end(finished):
    rows = table(finished, "step_scores")
    assert (rows["period"] == rows["checkpoint"]).all()
    whole = table(finished, "scores")
    own = whole[whole["period"] == whole["checkpoint"]].groupby("checkpoint")["probe"].apply(set)
    assert rows.groupby(["checkpoint", "step"])["probe"].apply(set).tolist() == [
        own[period] for period in PERIODS for _ in (*STEPS, 5)
    ]
    assert list(rows.groupby(["checkpoint", "step"]).size().index) == [
        (period, step) for period in PERIODS for step in (*STEPS, 5)
    ]


def test_the_scores_of_the_last_step_are_those_of_the_checkpoint(finished):
    rows = table(finished, "step_scores")
    last = rows[rows["step"] == 5].set_index(["checkpoint", "probe"])["log_likelihood"]
    whole = table(finished, "scores").set_index(["checkpoint", "probe"])["log_likelihood"]
    assert (last - whole[last.index]).abs().max() < 1e-6


def test_a_baseline_with_more_steps_is_scored_at_its_own_end(inputs, tmp_path):
    """The oracle trains on all text so far, so it has more steps than plain training."""
    run = scored(inputs, tmp_path, baseline="oracle")
    go(run)
    rows, steps = table(run, "step_scores"), table(run, "steps")
    for period, own in rows.groupby("checkpoint"):
        end = int((steps["period"] == period).sum())
        assert end > 5
        assert sorted(own["step"].unique()) == [*STEPS, end]
    last = rows[rows["step"] > 5].set_index(["checkpoint", "probe"])["log_likelihood"]
    whole = table(run, "scores").set_index(["checkpoint", "probe"])["log_likelihood"]
    assert (last - whole[last.index]).abs().max() < 1e-6


def test_probes_are_tokenised_once_a_period(inputs, tmp_path, monkeypatch):
    calls = []

    def prepare(*arguments, **names):
        calls.append(names)
        return prepare_probes(*arguments, **names)

    monkeypatch.setattr(step_scores, "prepare_probes", prepare)
    go(scored(inputs, tmp_path))
    assert len(calls) == len(PERIODS)


def test_scoring_changes_no_training(finished, inputs, tmp_path):
    plain = run_of(inputs, tmp_path, models={})
    go(plain)
    for name in ("scores", "steps", "rates"):
        assert read_table(plain.tables[name], name).equals(read_table(finished.tables[name], name))


def test_the_divergence_grows_from_the_base_model_and_the_other_text_has_none(finished):
    rows = table(finished, "step_losses")
    base = rows[rows["text"] == "base"]
    assert (base["kl_from_base"] > 0).all()
    first = base[base["checkpoint"] == PERIODS[0]].set_index("step")["kl_from_base"]
    assert first[2] < first[5]
    assert rows[rows["text"] != "base"]["kl_from_base"].isna().all()


def test_at_most_the_configured_tokens_are_scored(inputs, tmp_path):
    run = scored(inputs, tmp_path, score_tokens=3)
    go(run)
    held_out = [len(read_stream(path, HELD_OUT)) for path in (run.base_tokens, *run.tokens.values())]
    assert min(held_out) >= 3
    assert (table(run, "step_losses")["num_tokens"] == 3).all()


def test_no_checkpoint_is_kept_without_folders_for_them(finished):
    assert not list(finished.tables["scores"].parent.rglob("*.safetensors"))


@pytest.mark.parametrize("baseline", ["lora", "replay"])
def test_other_baselines_are_scored_too(inputs, tmp_path, baseline):
    run = scored(inputs, tmp_path, baseline=baseline)
    if baseline == "lora":
        run = dataclasses.replace(run, plan=inputs / "full.json")
    go(run)
    rows = table(run, "step_scores")
    whole = table(run, "scores").set_index(["checkpoint", "probe"])["log_likelihood"]
    last = rows[rows["step"] == 5].set_index(["checkpoint", "probe"])["log_likelihood"]
    assert (last - whole[last.index]).abs().max() < 1e-5
