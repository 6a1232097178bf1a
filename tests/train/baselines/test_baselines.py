"""Every baseline in runs of the stage `train`, by name."""

import dataclasses

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.support.model_fixtures import RANKED, plan_of
from tests.support.model_fixtures import settings_of as training_of
from tests.train.baselines.periods import baseline_of
from tests.train.baselines.two_texts import two_texts
from tests.train.continual_runs import (
    PERIODS,
    SETTINGS,
    contents,
    go,
    killing,
    run_of,
    with_profile,
    write_inputs,
)
from tgl.config.root import BaselinesConfig
from tgl.core.errors import TglError
from tgl.core.registered import settings_of
from tgl.core.tables.read import read_table
from tgl.core.vocabulary import ADAPTER, EMBEDDING
from tgl.models.k_adapter import KAdapterForCausalLM
from tgl.models.sublayers import sublayers
from tgl.plans.plan import save_plan
from tgl.text.tokens import read_stream
from tgl.train import period
from tgl.train.baseline import BASELINES, Baseline, Start, make_baseline
from tgl.train.continual import train_periods

# Small, and for RecAdam a strength that learning rate 0.01 and multiplier 2 allow.
SMALL = {
    "recadam": {"strength": 20.0},
    "ewc": {"sequences": 3},
    "lora": {"rank": 2},
    "k_adapter": {"adapters": 2, "layers": 1, "width": 8},
    **{name: {"share": 0.2, "sequences": 3} for name in ("neurons", "random_neurons", "lowest_neurons")},
    "fggm": {"sequences": 3},
}
PLANS = {"full": set(RANKED), "one_block": {RANKED[2], RANKED[3]}}  # every baseline supports both
NEURONS = ("neurons", "random_neurons", "lowest_neurons")


def settings_with(baseline, **sections):
    """Return the settings of a run by a baseline, of `SMALL` with other values of some baselines."""
    changed = {name: {**SMALL.get(name, {}), **sections.get(name, {})} for name in {*SMALL, *sections}}
    own = settings_of(BASELINES, BaselinesConfig.model_validate(changed), baseline)
    return dataclasses.replace(SETTINGS, baseline=own)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = write_inputs(tmp_path_factory.mktemp("inputs"))
    save_plan(plan_of([0.0, 0.0, 1.0, 1.0]), folder / "one_block.json")
    return folder


def run_with(inputs, output, baseline, plan="one_block"):
    return run_of(inputs, output, baseline=baseline, plan=inputs / f"{plan}.json")


@pytest.fixture(scope="module", params=BASELINES)
def wholes(request, inputs, tmp_path_factory):
    """Return a baseline's name and its finished run by each plan."""
    runs = {plan: run_with(inputs, tmp_path_factory.mktemp("run"), request.param, plan) for plan in PLANS}
    for run in runs.values():
        go(run, settings_with(request.param))
    return request.param, runs


def changed_units(model, base):
    """Return the names of the units whose parameters are not bit-identical to those of `base`, by name."""
    network = model.base if isinstance(model, KAdapterForCausalLM) else model
    return {
        unit.name
        for unit in sublayers(network)
        if any(not torch.equal(p, base[name]) for name, p in unit.parameters.items())
    }


def expected_units(baseline, trained):
    if baseline == "lora":
        return {name for name in trained if name.endswith(".attention")}
    if baseline in NEURONS:
        return {name for name in trained if name.endswith(".mlp")}
    return set() if baseline == "k_adapter" else trained


@pytest.mark.parametrize("plan", PLANS)
def test_only_what_the_plan_trains_changes_and_the_rest_stays_bit_identical(wholes, inputs, plan):
    baseline, runs = wholes
    base = dict(AutoModelForCausalLM.from_pretrained(inputs / "base").named_parameters())
    for name in PERIODS:
        model = AutoModelForCausalLM.from_pretrained(runs[plan].models[name])
        assert changed_units(model, base) == expected_units(baseline, PLANS[plan])
        assert isinstance(model, KAdapterForCausalLM) == (baseline == "k_adapter")


@pytest.mark.parametrize("plan", PLANS)
def test_the_tables_tell_each_step_and_which_units_learned(wholes, inputs, plan):
    baseline, runs = wholes
    steps = read_table(runs[plan].tables["steps"], "steps").to_pandas()
    lengths = [len(read_stream(inputs / f"{name}.parquet", "train")) for name in ("base", *PERIODS)]
    if baseline == "oracle":
        expected = [round(5 * sum(lengths[: number + 2]) / lengths[number + 1]) for number in range(2)]
        assert min(expected) > 7
    else:
        expected = [5, 5]
    assert steps.groupby("period")["step"].count().tolist() == expected
    assert np.isfinite(steps["loss"]).all()
    rates = read_table(runs[plan].tables["rates"], "rates").to_pandas()
    wanted = {ADAPTER} if baseline == "k_adapter" else expected_units(baseline, PLANS[plan])
    for column in ("learning_rate", "max_change"):
        largest = rates.groupby(["period", "sublayer"])[column].max()
        assert {unit for (_, unit), value in largest.items() if value > 0} == wanted
        frozen = largest[[unit not in wanted for _, unit in largest.index]]
        assert (frozen == 0).all()
    assert EMBEDDING in set(rates["sublayer"])


def test_an_interrupted_and_resumed_run_gives_equal_weights_and_tables(wholes, inputs, tmp_path, monkeypatch):
    """Killed within the first period and, where both take as many steps, at the first step of the second."""
    baseline, runs = wholes
    run = run_with(inputs, tmp_path, baseline)
    for call in (3, 3, 3):  # the second time: three steps to the end of the first period, then the next step
        with monkeypatch.context() as patch:
            killing(patch, call)
            with pytest.raises(KeyboardInterrupt):
                go(run, settings_with(baseline))
        torch.rand(3)  # what was drawn before has no say
    said = go(run, settings_with(baseline))
    assert contents(run) == contents(runs["one_block"])
    assert any(text.startswith("resumed at step") for text in said)


def test_each_baseline_trains_other_weights_than_plain_training_or_changes_what_is_trained(
    wholes, inputs, tmp_path
):
    """A name that fell back to plain continued pretraining would show in no table."""
    baseline, runs = wholes
    run = run_with(inputs, tmp_path, "plain")
    go(run, settings_with("plain"))
    assert (contents(run)[0] == contents(runs["one_block"])[0]) == (baseline == "plain")


@pytest.mark.parametrize("baseline", [name for name in BASELINES if name not in ("plain", "oracle")])
def test_another_setting_of_the_baseline_starts_afresh_and_one_of_another_baseline_does_not(
    inputs, tmp_path, monkeypatch, baseline
):
    others = {
        "replay": {"ratio": 2.0}, "mix_review": {"decay": 0.5}, "recadam": {"strength": 10.0}, "ewc": {"strength": 1.0},
        "lora": {"alpha": 8.0}, "k_adapter": {"heads": 4}, "migu": {"share": 0.5}, "fggm": {"share": 0.5},
        "token_weights": {"factor": 2.0}, "random_token_weights": {"factor": 2.0},
        **{name: {"share": 0.5} for name in NEURONS},
    }  # fmt: skip
    run = run_with(inputs, tmp_path, baseline)
    unrelated = {name: values for name, values in others.items() if name != baseline}
    said = []
    for sections in ({}, unrelated, {baseline: others[baseline]}):
        said.append([])
        given = dataclasses.replace(run, settings=settings_with(baseline, **sections))
        with monkeypatch.context() as patch:
            killing(patch, 3)
            with pytest.raises(KeyboardInterrupt):
                train_periods(given, said[-1].append)
    assert not any("another run" in text for text in said[1])
    assert "resumed at step 2 of 5" in said[1]
    assert any("another run (baseline settings)" in text for text in said[2])
    assert not any("resumed" in text for text in said[2])


def test_old_text_is_the_base_text_and_that_of_every_earlier_period(inputs, tmp_path, monkeypatch):
    seen, stream = [], Baseline.stream

    def watched(self, given):
        seen.append(given)
        return stream(self, given)

    monkeypatch.setattr(Baseline, "stream", watched)
    go(run_with(inputs, tmp_path, "plain"))
    base, first, second = (read_stream(inputs / f"{name}.parquet", "train") for name in ("base", *PERIODS))
    for given, old, new in zip(seen, (base, np.concatenate([base, first])), (first, second), strict=True):
        assert np.array_equal(given.old, old)
        assert np.array_equal(given.new, new)
    assert [given.number for given in seen] == [0, 1]


def test_the_oracle_s_second_period_starts_from_the_base_model(inputs, tmp_path):
    run = run_with(inputs, tmp_path, "oracle", "tgl_fp")
    go(run, settings_with("oracle"))
    rates = read_table(run.tables["rates"], "rates").to_pandas()
    told = rates[(rates["period"] == PERIODS[1]) & (rates["sublayer"] == RANKED[2])]["max_change"].max()
    base, second = (
        dict(AutoModelForCausalLM.from_pretrained(folder).named_parameters())
        for folder in (inputs / "base", run.models[PERIODS[1]])
    )
    assert told == pytest.approx(
        max((second[name] - base[name]).abs().max().item() for name in base), rel=1e-6
    )


def test_a_later_period_s_plan_is_checked_as_well(inputs, tmp_path, monkeypatch):
    """With profile.periods 'each' a multiplier may come out larger: RecAdam's pull would overshoot unseen."""
    monkeypatch.setattr(
        period, "plan_again", lambda given, *_, **__: plan_of([9.0] * 4, method=given.plan.method)
    )
    with pytest.raises(TglError, match=r"largest multiplier 9 .* overshoots"):
        go(
            run_with(inputs, tmp_path, "recadam", "tgl_fp"),
            with_profile(settings_with("recadam"), periods="each"),
        )


def test_an_unknown_baseline_is_refused_with_the_nearest_name():
    with pytest.raises(TglError, match=r"no baseline 'recadm'.*'recadam'.*known: ewc, fggm, k_adapter"):
        make_baseline("recadm")


@pytest.mark.parametrize("baseline", BASELINES)
def test_without_settings_a_baseline_has_its_defaults_where_there_are_any(baseline):
    kind = BASELINES.get(baseline).Settings
    assert (kind is None) == (baseline in ("plain", "oracle"))
    assert make_baseline(baseline).settings == (kind and kind())


@pytest.mark.parametrize(
    "name", ["plain", "replay", "mix_review", "recadam", "ewc", "migu", "fggm", "neurons"]
)
def test_every_method_takes_the_steps_of_plain_training(name):
    assert baseline_of(name).stream(two_texts(settings=training_of(steps=37))).num_steps == 37
    assert baseline_of(name).start is Start.PREVIOUS
