"""Runs of `tgl.train.continual` by plans that train other sublayers from a share of each period on."""

import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.support.model_fixtures import RANKED, parameters_by_unit, parameters_of, plan_of
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
from tgl.core.tables.read import read_table
from tgl.models.sublayers import EMBEDDING
from tgl.plans.plan import Phase, Plan, save_plan
from tgl.plans.stage import plan_from, write_plan
from tgl.train.engines.plain import PlainEngine

# Of five steps: two, two and one. The second sublayer of the network is never trained.
MULTIPLIERS = [[1.0, 0.0, 0.0, 0.0], [0.5, 0.0, 2.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
OF_STEP = [0, 0, 1, 1, 2]
TRAINED = [{name for name, value in zip(RANKED, values, strict=True) if value} for values in MULTIPLIERS]


def by_hand():
    first, *later = [plan_of(values).multipliers for values in MULTIPLIERS]
    phases = tuple(Phase(share, own) for share, own in zip((0.4, 0.8), later, strict=True))
    return Plan("by hand", 0.0, first, later=phases)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = write_inputs(tmp_path_factory.mktemp("inputs"))
    save_plan(by_hand(), folder / "phases.json")
    return folder


@pytest.fixture(scope="module")
def whole(inputs, tmp_path_factory):
    """Return a finished run, what it said, and the sublayers that each of its steps moved."""
    run = run_of(inputs, tmp_path_factory.mktemp("whole"), plan=inputs / "phases.json")
    moved, step = [], PlainEngine.step

    def watched(engine, *given):
        before, owner = parameters_of(engine.model), parameters_by_unit(engine.model)
        result = step(engine, *given)
        after = parameters_of(engine.model)
        moved.append({owner[name] for name in after if not torch.equal(after[name], before[name])})
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PlainEngine, "step", watched)
        said = go(run)
    return run, said, moved


def test_every_step_moves_the_sublayers_of_its_phase_and_no_other(whole):
    assert whole[2] == [TRAINED[number] for number in OF_STEP] * 2


def test_each_period_changes_exactly_the_sublayers_of_all_phases(whole, inputs):
    base = AutoModelForCausalLM.from_pretrained(inputs / "base")
    before, owner = dict(base.named_parameters()), parameters_by_unit(base)
    for period in PERIODS:
        model = AutoModelForCausalLM.from_pretrained(whole[0].models[period])
        moved = {owner[name] for name, p in model.named_parameters() if not torch.equal(p, before[name])}
        assert moved == {RANKED[0], RANKED[2], RANKED[3]}
        before = dict(model.named_parameters())


def test_the_table_of_rates_follows_the_phases(whole):
    rates = read_table(whole[0].tables["rates"], "rates").to_pandas()
    for (_, step), table in rates.groupby(["period", "step"]):
        learning = dict(zip(table["sublayer"], table["learning_rate"], strict=True))
        assert {name for name, rate in learning.items() if rate > 0} == TRAINED[OF_STEP[step]]
        assert learning[EMBEDDING] == 0
    assert set(rates["step"]) == {
        0,
        1,
        2,
        4,
    }  # first, end of the warm-up, middle and second phase, last and third
    second = rates[(rates["step"] == 2) & (rates["period"] == PERIODS[0])].set_index("sublayer")[
        "learning_rate"
    ]
    assert second[RANKED[2]] == pytest.approx(4 * second[RANKED[0]])
    changes = rates.groupby("sublayer")["max_change"].min()
    assert {name for name, change in changes.items() if change > 0} == {RANKED[0], RANKED[2], RANKED[3]}


def test_what_is_never_trained_is_told(whole):
    told = [text for text in whole[1] if "units trained" in text]
    assert told == [
        f"period {period}: 3 of 5 units trained, frozen: {RANKED[1]}, {EMBEDDING}" for period in PERIODS
    ]


def test_the_table_of_drift_has_the_first_phase(whole):
    rows = read_table(whole[0].tables["drift"], "drift").to_pylist()
    assert {row["sublayer"]: row["multiplier"] for row in rows} == by_hand().multipliers


@pytest.mark.parametrize("call", [1, 2, 3, 4, 7])  # within and at the beginning of phases
def test_an_interrupted_run_of_phases_gives_the_same_bytes(whole, inputs, tmp_path, monkeypatch, call):
    run = run_of(inputs, tmp_path, plan=inputs / "phases.json")
    with monkeypatch.context() as patch:
        killing(patch, call)
        with pytest.raises(KeyboardInterrupt):
            go(run)
    go(run)
    assert contents(run) == contents(whole[0])


def test_lisa_is_drawn_from_the_profile_of_each_period(inputs, tmp_path):
    write_plan(
        inputs / "profile.parquet", "lisa.top50", tmp_path / "lisa.json", settings=SETTINGS.plan, seed=2
    )
    run = run_of(inputs, tmp_path, plan=tmp_path / "lisa.json")
    go(run, with_profile(periods="each"))
    rates = read_table(run.tables["rates"], "rates").to_pandas()
    profile = read_table(inputs / "profile.parquet", "profile").to_pylist()
    drawn = plan_from(profile, "lisa.top50", SETTINGS.plan, seed=2, origin="")[0]
    phases = [own.trained() for _, own in drawn.schedule(5)]
    first = rates[(rates["period"] == PERIODS[0]) & (rates["learning_rate"] > 0)]
    assert first.groupby("step")["sublayer"].apply(set).to_dict() == dict(enumerate(phases))
    drift = read_table(run.tables["drift"], "drift").to_pandas()
    assert set(drift["period"]) == set(PERIODS)
    second = drift[drift["period"] == PERIODS[1]]
    rows = [
        {**row, "weights": "trained", "group": "updated", "denominator": "window", "num_parameters": size}
        for row, size in zip(second.to_dict("records"), sizes_of(inputs), strict=True)
    ]
    expected = plan_from(rows, "lisa.top50", SETTINGS.plan, seed=2, origin="")[0]
    assert dict(zip(second["sublayer"], second["multiplier"], strict=True)) == expected.multipliers


def sizes_of(inputs):
    rows = read_table(inputs / "profile.parquet", "profile").to_pylist()
    return [next(row["num_parameters"] for row in rows if row["sublayer"] == name) for name in RANKED]
