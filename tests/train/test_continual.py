import dataclasses
import shutil

import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.support.model_fixtures import RANKED, parameters_by_unit, plan_of
from tests.train.continual_runs import PERIODS, contents, go, killing, run_of, write_inputs
from tgl.core.errors import TglError
from tgl.core.tables.read import read_table
from tgl.core.tables.write import write_table
from tgl.models.sublayers import EMBEDDING
from tgl.plans.plan import save_plan
from tgl.train import continual
from tgl.train import period as of_period
from tgl.train.engines import PlainEngine


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    return write_inputs(tmp_path_factory.mktemp("inputs"))


@pytest.fixture(scope="module")
def whole(inputs, tmp_path_factory):
    run = run_of(inputs, tmp_path_factory.mktemp("whole"))
    go(run)
    return run


def test_each_checkpoint_loads_with_from_pretrained_and_keeps_frozen_units_bit_identical(whole, inputs):
    base = AutoModelForCausalLM.from_pretrained(inputs / "base")
    before, owner = dict(base.named_parameters()), parameters_by_unit(base)
    for period in PERIODS:
        model = AutoModelForCausalLM.from_pretrained(whole.models[period])
        moved = {owner[name] for name, p in model.named_parameters() if not torch.equal(p, before[name])}
        assert moved == {RANKED[1], RANKED[2]}
        assert model.lm_head.weight.data_ptr() == model.transformer.wte.weight.data_ptr()
        before = dict(model.named_parameters())


def test_the_second_period_starts_from_the_weights_that_the_first_left(whole):
    first, second = (
        dict(AutoModelForCausalLM.from_pretrained(whole.models[p]).named_parameters()) for p in PERIODS
    )
    rates = read_table(whole.tables["rates"], "rates").to_pandas()
    told = rates[(rates["period"] == PERIODS[1]) & (rates["sublayer"] == RANKED[1])]["max_change"].max()
    moved = [(second[name] - first[name]).abs().max().item() for name in first if ".0.mlp." in name]
    assert told == pytest.approx(max(moved), rel=1e-6)


def test_the_tables_hold_every_period_step_and_unit(whole):
    steps = read_table(whole.tables["steps"], "steps").to_pandas()
    assert steps.groupby("period")["step"].apply(list).to_dict() == {
        period: [0, 1, 2, 3, 4] for period in PERIODS
    }
    rates = read_table(whole.tables["rates"], "rates").to_pandas()
    assert set(rates["period"]) == set(PERIODS)
    peak = rates.groupby("sublayer")["learning_rate"].max()
    assert peak[RANKED[1]] == pytest.approx(0.015)
    assert peak[RANKED[2]] == pytest.approx(0.005)
    frozen = rates[rates["sublayer"].isin([RANKED[0], RANKED[3], EMBEDDING])]
    assert set(frozen["learning_rate"]) == set(frozen["max_change"]) == {0.0}
    assert (rates[rates["sublayer"] == RANKED[1]]["max_change"] > 0).all()


def test_every_checkpoint_scores_all_validation_and_test_probes_and_held_out_texts(whole):
    scores = read_table(whole.tables["scores"], "scores").to_pandas()
    assert scores.groupby(["checkpoint", "split"]).size().to_dict() == {
        (period, split): 18 for period in PERIODS for split in ("test", "validation")
    }
    assert set(scores[scores["split"] == "validation"]["rank"]) == {0}
    assert (scores[scores["split"] == "test"]["rank"] > 0).all()
    losses = read_table(whole.tables["lm_loss"], "lm_loss").to_pandas()
    assert list(zip(losses["checkpoint"], losses["text"], strict=True)) == [
        (checkpoint, text) for checkpoint in PERIODS for text in ("base", *PERIODS)
    ]
    assert (losses["num_tokens"] > 0).all()
    by_text = losses.groupby("text")["negative_log_likelihood"].nunique()
    assert (by_text == 2).all()  # the two checkpoints differ on every text


def test_the_state_is_gone_when_all_is_done(whole):
    assert not whole.state.exists()


@pytest.mark.parametrize("call", [3, 5, 8])  # in the first period, between the two, in the second
def test_an_interrupted_and_resumed_run_gives_the_same_bytes(whole, inputs, tmp_path, monkeypatch, call):
    run = run_of(inputs, tmp_path)
    with monkeypatch.context() as patch:
        killing(patch, call)
        with pytest.raises(KeyboardInterrupt):
            go(run)
    assert not run.tables["scores"].exists()
    said = go(run)
    assert contents(run) == contents(whole)
    assert (f"period {PERIODS[0]}: already done" in said) == (call >= 5)
    assert ("resumed at step 2 of 5" in said) == (call != 5)


@pytest.mark.parametrize(
    ("module", "where"),
    [
        (of_period, "save_model"),
        (of_period, "score_checkpoint"),
        (of_period, "write_table"),
        (of_period, "seal"),
        (continual, "_publish"),
        (continual, "write_table"),
    ],
)
def test_an_interruption_after_the_training_of_a_period_gives_the_same_bytes(
    whole, inputs, tmp_path, monkeypatch, module, where
):
    run = run_of(inputs, tmp_path)

    def killed(*given, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, where, killed)
        with pytest.raises(KeyboardInterrupt):
            go(run)
    go(run)
    assert contents(run) == contents(whole)


def test_a_state_of_other_settings_is_not_gone_on_from(whole, inputs, tmp_path, monkeypatch):
    run = run_of(inputs, tmp_path)
    with monkeypatch.context() as patch:
        killing(patch, 8)
        with pytest.raises(KeyboardInterrupt):
            go(dataclasses.replace(run, learning_rate=0.02))
    said = go(run)
    assert any("(learning_rate)" in text for text in said)
    assert contents(run) == contents(whole)


def test_a_changed_plan_is_noticed(whole, inputs, tmp_path, monkeypatch):
    plan = tmp_path / "plan.json"
    save_plan(plan_of([1.0, 1.0, 1.0, 1.0]), plan)
    run = run_of(inputs, tmp_path, plan=plan)
    with monkeypatch.context() as patch:
        killing(patch, 8)
        with pytest.raises(KeyboardInterrupt):
            go(run)
    shutil.copy(inputs / "plan.json", plan)
    assert any("(plan)" in text for text in go(run))
    assert contents(run) == contents(whole)


def test_another_seed_gives_another_order_of_the_data(whole, inputs, tmp_path):
    run = run_of(inputs, tmp_path, seed=3)
    go(run)
    assert contents(run)[0] != contents(whole)[0]


def test_a_frozen_tensor_that_changes_stops_the_run_without_a_checkpoint(inputs, tmp_path, monkeypatch):
    run = run_of(inputs, tmp_path)
    step = PlainEngine.step

    def leaking(self, *given):
        with torch.no_grad():
            self.model.transformer.wpe.weight[3, 3] += 1e-6
        return step(self, *given)

    monkeypatch.setattr(PlainEngine, "step", leaking)
    with pytest.raises(TglError, match=r"'transformer\.wpe\.weight' of the frozen sublayer 'embedding'"):
        go(run)
    assert not list(tmp_path.rglob("model.safetensors"))
    assert not run.tables["scores"].exists()


def test_probes_with_one_id_twice_are_refused_before_anything_is_trained(inputs, tmp_path):
    rows = read_table(inputs / "probes.parquet", "probes").to_pylist()
    write_table([*rows, rows[3]], tmp_path / "twice.parquet", "probes")
    run = run_of(inputs, tmp_path / "out", probes=tmp_path / "twice.parquet")
    with pytest.raises(
        TglError, match=rf"twice\.parquet: the id '{rows[3]['id']}' occurs twice, in records 4 and"
    ):
        go(run)
    assert not (tmp_path / "out").exists()


def test_rows_in_a_pass_identify_a_run_only_where_the_result_depends_on_them(inputs, tmp_path):
    """Otherwise they change rounding alone, and a run may resume with other ones."""

    def identities(baseline):
        run = run_of(inputs, tmp_path, baseline=baseline)
        for rows in (None, 1):
            train = run.settings.train.model_copy(update={"micro_batch_size": rows})
            yield continual._identity(
                dataclasses.replace(run, settings=dataclasses.replace(run.settings, train=train))
            )

    plain, other = identities("plain")
    assert plain == other
    assert "processes" not in plain
    whole, single = identities("migu")
    assert whole != single
    assert whole["processes"] == 1
