"""Training steps run in training mode, and nothing else does; dropout draws by seed and step; RWKV trains."""

import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config, RwkvConfig

from tests.support.model_fixtures import (
    BLOCK,
    VOCABULARY,
    parameters_of,
    plan_of,
    settings_of,
    some_tokens,
    tiny_model,
    tiny_tokenizer,
)
from tgl.evaluate.score import text_loss
from tgl.models.checkpoint import load_model, save_model, weights_hash
from tgl.models.mode import measuring
from tgl.models.sublayers import ranked, sublayers
from tgl.plans.apply import freeze, parameter_groups
from tgl.plans.plan import Plan
from tgl.profiling.fisher import fisher_diagonal
from tgl.train.engines import make_engine
from tgl.train.engines.mode import step_seed

ENGINES = ["plain", "deepspeed"]
TOKENS = torch.from_numpy(some_tokens(2 * BLOCK)).long().reshape(2, BLOCK)


def dropping(seed=0):
    """Return a GPT-2 with the dropout that published ones have."""
    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=VOCABULARY,
        n_positions=BLOCK,
        n_embd=16,
        n_layer=2,
        n_head=2,
        bos_token_id=0,
        eos_token_id=0,
    )
    return AutoModelForCausalLM.from_config(config).eval()


def rwkv(blocks=8):
    torch.manual_seed(0)
    config = RwkvConfig(
        vocab_size=VOCABULARY, context_length=64, hidden_size=16, num_hidden_layers=blocks, attention_hidden_size=16,
        intermediate_size=32, rescale_every=6, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    return AutoModelForCausalLM.from_config(config)


def engine_on(model, name="plain", seed=0, rate=0.001):
    units = sublayers(model)
    plan = Plan("full", 1.0, {unit.name: 1.0 for unit in ranked(units)})
    freeze(model, plan)
    settings = settings_of(engine=name, zero_stage=1)
    return make_engine(
        model, parameter_groups(units, plan, rate, weight_decay=0.01), settings, engine=settings, seed=seed
    )


@pytest.mark.parametrize("name", ENGINES)
def test_the_model_is_in_training_mode_during_a_step_alone(name):
    model, seen = tiny_model(), []
    model.transformer.h[0].mlp.register_forward_hook(lambda module, *_: seen.append(module.training))
    model.transformer.h[1].train()  # each module gets its own mode back
    engine = engine_on(model, name)
    engine.step(TOKENS, 0, 1.0)
    assert seen == [True]
    assert not model.training
    assert not model.transformer.h[0].mlp.training
    assert model.transformer.h[1].mlp.training


def test_a_step_that_fails_puts_the_mode_back():
    model = tiny_model()
    engine = engine_on(model)
    with pytest.raises(IndexError):
        engine.step(torch.full((2, BLOCK), VOCABULARY), 0, 1.0)
    assert not any(module.training for module in model.modules())


@pytest.mark.parametrize("name", ENGINES)
def test_dropout_acts_while_training_and_draws_by_seed_and_step(name):
    def losses(seed, before=0, steps=(0, 1, 2)):
        engine = engine_on(dropping(), name, seed, rate=0.0)
        torch.rand(before)
        return [engine.step(TOKENS, number, 1.0).loss for number in steps]

    first = losses(1)
    assert losses(1, before=5) == first
    assert losses(1, steps=(2, 0, 1)) == [first[2], first[0], first[1]]  # whatever was drawn before
    assert len(set(first)) == 3  # another mask each step: the rate is zero
    assert losses(2) != first


def test_a_step_leaves_the_global_random_state_alone():
    engine = engine_on(dropping())
    state = torch.get_rng_state()
    engine.step(TOKENS, 0, 1.0)
    assert torch.equal(torch.get_rng_state(), state)


def test_seeds_steps_and_processes_draw_apart():
    found = {step_seed(s, n, p) for s in range(5) for n in range(20) for p in range(4)}
    assert len(found) == 5 * 20 * 4
    assert all(0 <= seed < 2**63 for seed in found)


@pytest.mark.parametrize("name", ENGINES)
def test_a_run_with_dropout_that_goes_on_is_bit_equal_to_one_that_was_not_stopped(name):
    whole, first, second = (engine_on(dropping(), name, seed=3) for _ in range(3))
    losses = [whole.step(TOKENS, number, 1.0).loss for number in range(4)]
    assert [first.step(TOKENS, number, 1.0).loss for number in range(2)] == losses[:2]
    second.load(first.state())
    assert [second.step(TOKENS, number, 1.0).loss for number in range(2, 4)] == losses[2:]
    assert all(torch.equal(p, whole.model.get_parameter(n)) for n, p in second.model.named_parameters())


@pytest.mark.parametrize("name", ENGINES)
def test_rwkv_trains_and_its_checkpoint_holds_the_weights_as_trained(tmp_path, name):
    model = rwkv()
    save_model(model, tiny_tokenizer(), tmp_path / "start")
    model = load_model(tmp_path / "start")
    engine = engine_on(model, name)
    losses = [engine.step(TOKENS, number, 1.0).loss for number in range(6)]
    assert losses[-1] < losses[0]
    trained, state = parameters_of(model), engine.state()
    text_loss(model, TOKENS[0].numpy(), BLOCK, begin_token=0)  # in evaluation mode, which rescales in place
    weight = "rwkv.blocks.7.attention.output.weight"
    assert torch.equal(model.get_parameter(weight) * 2, trained[weight])
    hashed = weights_hash(model)
    save_model(model, tiny_tokenizer(), tmp_path / "end")
    loaded = load_model(tmp_path / "end")
    assert all(torch.equal(p, trained[n]) for n, p in loaded.named_parameters())
    assert hashed == weights_hash(loaded)
    assert torch.equal(state[f"weight/{weight}"], trained[weight])
    # An evaluation between two steps changes nothing of the second.
    again = engine_on(load_model(tmp_path / "end"), name)
    untouched = again.step(TOKENS, 6, 1.0).loss
    text_loss(model, TOKENS[0].numpy(), BLOCK, begin_token=0)
    assert engine.step(TOKENS, 6, 1.0).loss == untouched


def test_rwkv_gives_the_same_predictions_before_and_after_it_is_saved(tmp_path):
    model = rwkv().eval()
    before = model(input_ids=TOKENS).logits
    save_model(model, tiny_tokenizer(), tmp_path)
    assert torch.equal(model(input_ids=TOKENS).logits, before)
    assert not model.training


def test_the_fisher_information_is_measured_without_dropout_and_leaves_the_model_as_it_was():
    model = dropping().train()
    parameters = list(model.transformer.h[0].parameters())
    parameters[0].requires_grad_(False)
    found = fisher_diagonal(model, parameters, TOKENS, seed=0)
    again = fisher_diagonal(model.eval(), parameters, TOKENS, seed=0)
    assert all(torch.equal(one, two) for one, two in zip(found, again, strict=True))
    assert found[0].sum() > 0
    assert not parameters[0].requires_grad
    assert all(p.requires_grad for p in parameters[1:])
    model = rwkv().eval()
    before = parameters_of(model)
    fisher_diagonal(model, list(model.parameters()), TOKENS[:, :8], seed=0)
    assert all(torch.equal(p, before[n]) for n, p in model.named_parameters())


def test_the_fisher_information_of_what_the_loss_does_not_depend_on_is_zero():
    model = tiny_model()
    model.unused = torch.nn.Parameter(torch.ones(3))
    found = fisher_diagonal(model, [model.unused, model.transformer.wpe.weight], TOKENS, seed=0)
    assert found[0].tolist() == [0, 0, 0]
    assert found[1].sum() > 0


def test_a_plan_of_frozen_parameters_trains_the_same_with_and_without_an_evaluation_between():
    plan, losses = plan_of([1, 0, 0, 1]), []
    for evaluated in (False, True):
        model = dropping()
        freeze(model, plan)
        settings = settings_of()
        groups = parameter_groups(sublayers(model), plan, 0.01, weight_decay=0.0)
        engine = make_engine(model, groups, settings, engine=settings, seed=1)
        engine.step(TOKENS, 0, 1.0)
        if evaluated:
            text_loss(model, TOKENS[0].numpy(), BLOCK, begin_token=0)
        losses.append(engine.step(TOKENS, 1, 1.0).loss)
    assert losses[0] == losses[1]


def test_an_evaluation_inside_a_measurement_leaves_no_rescaled_weights_of_rwkv():
    """Else the comparison of frozen weights before and after training would find changes."""
    model = rwkv().train()
    before = parameters_of(model)
    with measuring(model):
        text_loss(model.eval(), TOKENS[0].numpy(), BLOCK, begin_token=0)
    assert model.training
    assert all(torch.equal(p, before[n]) for n, p in model.named_parameters())
    model.eval()
    text_loss(model, TOKENS[0].numpy(), BLOCK, begin_token=0)
    rescaled = parameters_of(model)
    with measuring(model):
        text_loss(model.eval(), TOKENS[0].numpy(), BLOCK, begin_token=0)
    assert all(torch.equal(p, rescaled[n]) for n, p in model.named_parameters())
