"""What must not matter, or be told: passes, precision, offload, going on under another engine, bad values."""

import gc
import math
import shutil
import weakref

import pytest
import torch
from torch._dynamo.utils import counters

from tests.support.model_fixtures import (
    parameters_of,
    plan_of,
    settings_of,
    some_tokens,
    tiny_model,
    tiny_tokenizer,
)
from tests.train.engine_runs import ENGINES, PARTLY, engine_of, run
from tgl.core.errors import TglError
from tgl.models.checkpoint import load_model, save_model
from tgl.models.sublayers import sublayers
from tgl.plans.apply import freeze, parameter_groups
from tgl.train.baselines.recadam import RecadamConfig
from tgl.train.engines import make_engine
from tgl.train.engines.interface import rows_a_pass
from tgl.train.fisher import Consolidation
from tgl.train.recall import Recall


@pytest.mark.parametrize(
    ("name", "zero_stage"),
    [("plain", 1), ("deepspeed", 0), ("deepspeed", 1), ("deepspeed", 2), ("deepspeed", 3)],
)
def test_a_gradient_that_is_not_finite_is_named_with_its_step_and_sublayer(name, zero_stage):
    engine, model, _ = engine_of(name, plan_of([1.0, 1.0, 1.0, 1.0]), zero_stage=zero_stage)
    before = parameters_of(model)
    model.transformer.h[0].mlp.c_proj.bias.register_hook(lambda gradient: gradient * math.inf)
    with pytest.raises(
        TglError, match=r"step 7: .*'transformer.h.0.mlp.c_proj.bias' in sublayer 'block00.mlp'"
    ):
        engine.step(torch.from_numpy(some_tokens(64)).long().reshape(2, 32), 7, 1.0)
    assert all(torch.equal(p.detach(), before[key]) for key, p in model.named_parameters())


@pytest.mark.parametrize("name", ENGINES)
def test_a_loss_that_is_not_finite_is_named_with_its_step_and_sublayer(name):
    engine, model, _ = engine_of(name)
    with torch.no_grad():
        model.transformer.h[1].attn.c_proj.bias.fill_(math.nan)
    with pytest.raises(
        TglError, match=r"step 3: .*'transformer.h.1.attn.c_proj' in sublayer 'block01.attention'"
    ):
        engine.step(torch.from_numpy(some_tokens(64)).long().reshape(2, 32), 3, 1.0)


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("rows", [1, 2, 4])
def test_a_batch_in_several_passes_gives_the_step_of_one(name, rows):
    whole, one, settings = engine_of(name, batch_size=8, clip_norm=0.05)
    parts, other, _ = engine_of(name, batch_size=8, micro_batch_size=rows, clip_norm=0.05)
    expected, found = run(whole, settings), run(parts, settings)
    assert [r.loss for r in found] == pytest.approx([r.loss for r in expected], rel=1e-6)
    assert [r.gradient_norm for r in found] == pytest.approx([r.gradient_norm for r in expected], rel=1e-5)
    for key, value in parameters_of(one).items():
        # GPT-2's key bias has a gradient of zero but for rounding, of which Adam makes full steps.
        if not key.endswith("c_attn.bias"):
            assert torch.allclose(parameters_of(other)[key], value, atol=1e-5), key


def test_deepspeed_at_stage_0_is_bit_equal_to_the_plain_engine():
    (plain, one, settings), (other, two, _) = engine_of("plain"), engine_of("deepspeed", zero_stage=0)
    assert run(other, settings) == run(plain, settings)
    for key, value in parameters_of(one).items():
        assert torch.equal(parameters_of(two)[key], value), key


def test_a_batch_that_does_not_divide_is_refused():
    with pytest.raises(ValueError, match="3 does not divide batch_size 4"):
        engine_of("plain", batch_size=4, micro_batch_size=3)


@pytest.mark.parametrize(("name", "zero_stage"), [("plain", 1), ("deepspeed", 1), ("deepspeed", 3)])
def test_bf16_changes_the_products_and_leaves_weights_and_state_in_fp32(name, zero_stage):
    exact, _, settings = engine_of(name, plan_of([1, 1, 1, 1]), zero_stage=zero_stage)
    engine, model, _ = engine_of(name, plan_of([1, 1, 1, 1]), precision="bf16", zero_stage=zero_stage)
    expected, found = run(exact, settings, 0, 3), run(engine, settings, 0, 3)
    assert [r.loss for r in found] == pytest.approx([r.loss for r in expected], rel=1e-2)
    assert found != expected
    assert {value.dtype for value in engine.state().values()} == {torch.float32}
    assert {p.dtype for p in model.parameters()} == {torch.float32}


@pytest.mark.parametrize("zero_stage", [1, 2, 3])
def test_an_optimiser_kept_on_the_cpu_gives_the_same_steps(zero_stage):
    usual, _, settings = engine_of("deepspeed", zero_stage=zero_stage)
    other, _, _ = engine_of("deepspeed", zero_stage=zero_stage, offload=True)
    expected, found = run(usual, settings), run(other, settings)
    assert [r.loss for r in found] == pytest.approx([r.loss for r in expected], abs=1e-6)


KINDS = [("plain", 1), ("deepspeed", 0), ("deepspeed", 1), ("deepspeed", 2), ("deepspeed", 3)]


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_recomputed_activations_and_parted_weights_give_the_same_steps(kind):
    plan = plan_of([0.0, 1.0, 1.0, 1.0])
    usual, _, settings = engine_of("plain", plan, kind)
    other, _, _ = engine_of("deepspeed", plan, kind, zero_stage=3, checkpointing=True)
    expected, found = run(usual, settings), run(other, settings)
    assert [r.loss for r in found] == pytest.approx([r.loss for r in expected], rel=1e-5)


@pytest.mark.parametrize("zero_stage", [1, 3])
def test_a_model_is_saved_whole_in_the_middle_of_training(tmp_path, zero_stage):
    engine, model, settings = engine_of("deepspeed", zero_stage=zero_stage)
    run(engine, settings, 0, 2)
    with engine.whole():
        save_model(model, tiny_tokenizer(), tmp_path)
    state = engine.state()
    saved = load_model(tmp_path)
    for name, parameter in saved.named_parameters():
        assert torch.equal(parameter, state[f"weight/{name}"]), name
    assert [r.loss for r in run(engine, settings, 2)] == pytest.approx(
        [r.loss for r in run(engine_of("plain")[0], settings)][2:], abs=1e-6
    )


def test_a_regulariser_that_reads_weights_is_refused_where_no_process_has_them():
    model = tiny_model()
    trained = list(model.parameters())
    settings = settings_of(engine="deepspeed", zero_stage=3)
    regulariser = Consolidation(trained, [torch.ones_like(p) for p in trained], 1.0)
    with pytest.raises(TglError, match=r"found 3, .* Consolidation.penalty reads them; expected 0, 1 or 2"):
        make_engine(model, [], settings, engine=settings, regulariser=regulariser)


@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs g++ on a CPU")
@pytest.mark.parametrize("name", ENGINES)
def test_compiled_steps_are_those_without_it_and_scores_are_not_compiled(name):
    usual, _, settings = engine_of(name)
    other, model, _ = engine_of(name, compile=True)
    torch._dynamo.reset()  # What was compiled before would be used for this model too.
    counters.clear()
    expected = run(usual, settings)
    assert counters["stats"]["unique_graphs"] == 0
    found = run(other, settings)
    assert counters["stats"]["unique_graphs"] > 0
    assert counters["frames"]["total"] == counters["frames"]["ok"]
    graphs = counters["stats"]["unique_graphs"]
    assert [r.loss for r in found] == pytest.approx([r.loss for r in expected], rel=1e-5)
    with torch.no_grad():
        model(input_ids=torch.ones(1, 5, dtype=torch.long))
    assert counters["stats"]["unique_graphs"] == graphs
    assert model._compiled_call_impl is None


@pytest.mark.parametrize("before", KINDS)
@pytest.mark.parametrize("after", KINDS)
def test_a_run_goes_on_under_another_engine(before, after):
    whole, _, settings = engine_of(before[0], zero_stage=before[1])
    expected = run(whole, settings)
    first, _, _ = engine_of(before[0], zero_stage=before[1])
    run(first, settings, 0, 3)
    second, _, _ = engine_of(after[0], zero_stage=after[1])
    second.load(first.state())
    assert [r.loss for r in run(second, settings, 3)] == pytest.approx(
        [r.loss for r in expected[3:]], abs=1e-6
    )


@pytest.mark.parametrize("zero_stage", [0, 1, 2])
@pytest.mark.parametrize("kind", ["recadam", "ewc"])
def test_a_regulariser_does_under_deepspeed_what_it_does_without(kind, zero_stage):
    results, weights = [], []
    for name in ENGINES:
        settings, model = (
            settings_of(engine=name, zero_stage=zero_stage, batch_size=4, micro_batch_size=2),
            tiny_model(),
        )
        freeze(model, PARTLY)
        groups = parameter_groups(sublayers(model), PARTLY, 0.01, weight_decay=0.01)
        trained = [p for group in groups for p in group["params"]]
        if kind == "recadam":
            regulariser = Recall(list(model.parameters()), settings.steps, RecadamConfig(strength=50))
        else:
            fisher = [torch.full_like(p, 0.3) for p in trained]
            regulariser = Consolidation(trained, fisher, 100.0)
        results.append(
            run(make_engine(model, groups, settings, engine=settings, regulariser=regulariser), settings)
        )
        weights.append(parameters_of(model))
    plain, deepspeed = results
    assert [r.loss for r in deepspeed] == pytest.approx([r.loss for r in plain], abs=1e-6)
    free, _, settings = engine_of("plain", batch_size=4)
    assert [r.loss for r in run(free, settings)] != pytest.approx([r.loss for r in plain], abs=1e-4)
    for key, value in weights[0].items():
        if not key.endswith("c_attn.bias"):
            assert torch.allclose(weights[1][key], value, atol=1e-5), key


@pytest.mark.parametrize(
    ("name", "zero_stage"), [("plain", 1), *(("deepspeed", stage) for stage in (0, 1, 2, 3))]
)
def test_a_closed_engine_lets_go_of_its_memory_and_leaves_the_model(name, zero_stage):
    engine, model, _ = engine_of(name, zero_stage=zero_stage)
    run(engine, settings_of(steps=2))
    with engine.whole():
        before = parameters_of(model)
    adam = engine.optimiser if name == "plain" else engine._adam()
    moments = [weakref.ref(value) for state in adam.state.values() for value in state.values()]
    whole = weakref.ref(model)
    engine.close()
    del engine, adam
    gc.collect()
    assert moments
    assert all(moment() is None for moment in moments)
    assert all(torch.equal(p.detach(), before[key]) for key, p in model.named_parameters())
    del model
    gc.collect()
    assert whole() is None


def test_rows_a_pass_are_at_most_those_of_a_process(monkeypatch):
    assert rows_a_pass(64, 16) == 16
    monkeypatch.setenv("WORLD_SIZE", "8")
    assert rows_a_pass(64, 16) == 8
    with pytest.raises(TglError, match="3 does not divide the 8 rows"):
        rows_a_pass(64, 3)
