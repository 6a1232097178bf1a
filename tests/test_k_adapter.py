import copy
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional
from transformers import AutoConfig, AutoModelForCausalLM, OPTConfig

from tests.model_fixtures import (
    ARCHITECTURES,
    BLOCK,
    RANKED,
    VOCABULARY,
    parameters_of,
    sharp_model,
    some_examples,
    tiny_model,
    tiny_tokenizer,
)
from tgl.errors import TglError
from tgl.evaluate.score import log_likelihoods, max_length
from tgl.evaluate.spans import SpanTokens
from tgl.k_adapter import KAdapterForCausalLM, KAdapterModelConfig, spread, with_adapters
from tgl.profiling.capture import cover
from tgl.profiling.norms import check_norms
from tgl.sublayers import final_norm, ranked, sublayers
from tgl.train.checkpoint import load_model, random_twin, save_model, weights_hash
from tgl.train.engines import language_model_loss

IDS = torch.tensor([[5, 17, 200, 3, 41, 8], [9, 9, 2, 77, 1, 250]])
BASES = [kind for kind in ARCHITECTURES if kind != "rwkv"]
SEQUENCES = st.lists(st.integers(0, VOCABULARY - 1), min_size=2, max_size=12)


def adapted(base, blocks=(0, 1), layers=2, width=8, heads=2, seed=3):
    return with_adapters(base, blocks, layers, width, heads, seed)


def awake(kind="gpt2", **shape):
    """Return a model whose adapters weigh in as if long trained: every weight of theirs is drawn wide."""
    model = adapted(sharp_model(kind), **shape)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in (*model.adapters.parameters(), *model.fusion.parameters()):
            parameter.copy_(0.5 * torch.randn(parameter.shape, generator=generator))
    return model


@torch.no_grad()
def logits_of(model, ids=IDS, **given):
    return model(ids, **given).logits


def of_adapters(model):
    return {name: p for name, p in model.named_parameters() if not name.startswith("base.")}


@pytest.mark.parametrize("kind", BASES)
def test_with_new_adapters_the_logits_are_exactly_those_of_the_base(kind):
    base = sharp_model(kind)
    mask = torch.tensor([[1] * 6, [1, 1, 1, 1, 0, 0]])
    before, masked = logits_of(base), logits_of(base, attention_mask=mask)
    model = adapted(base)
    assert torch.equal(logits_of(model), before)
    assert torch.equal(logits_of(model, attention_mask=mask), masked)


@pytest.mark.parametrize("kind", BASES)
def test_adapters_that_have_learned_change_the_logits_and_the_base_alone_stays_as_it_was(kind):
    model = awake(kind)
    before = logits_of(model.base)
    assert ((logits_of(model) - before).abs().amax(-1) > 1e-3).all()
    assert torch.equal(logits_of(model.base), before)


@settings(deadline=None, max_examples=30)
@given(SEQUENCES, st.sampled_from(["gpt2", "gpt_neo", "llama", "tgl_gru"]), st.data())
def test_a_later_token_changes_no_earlier_logits(ids, kind, data):
    model = awake(kind)
    place = data.draw(st.integers(1, len(ids) - 1))
    changed = [*ids[:place], (ids[place] + 1) % VOCABULARY, *ids[place + 1 :]]
    before, after = (logits_of(model, torch.tensor([tokens]))[0] for tokens in (ids, changed))
    assert torch.equal(before[:place], after[:place])
    assert not torch.allclose(before[place], after[place])


def test_the_adapters_themselves_look_back():
    # The base sees one token at a time: what reaches a later place came through the adapters.
    model = awake("gpt2")
    with torch.no_grad():
        for block in model.base.transformer.h:
            block.attn.c_proj.weight.zero_()
            block.attn.c_proj.bias.zero_()
    changed = IDS.clone()
    changed[:, 0] = 6
    assert ((logits_of(model) - logits_of(model, changed)).abs().amax(-1) > 1e-4).all()


def test_after_one_step_a_gradient_reaches_every_adapter_parameter_and_none_of_the_base():
    model = adapted(sharp_model("gpt2"))
    optimiser = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    language_model_loss(model, IDS).backward()
    assert all(p.grad is None for p in model.base.parameters())
    moved = {name for name, p in of_adapters(model).items() if p.grad is not None and p.grad.any()}
    assert moved == {"fusion.weight", "fusion.bias"}  # it is zero, so nothing passes through it yet
    optimiser.step()
    optimiser.zero_grad()
    language_model_loss(model, IDS).backward()
    assert all(p.grad.abs().sum() > 0 for p in of_adapters(model).values())
    assert all(p.grad is None for p in model.base.parameters())


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_training_the_adapters_lowers_the_loss_and_leaves_the_base_bit_identical(kind):
    model = adapted(sharp_model(kind))
    before = weights_hash(model.base)
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.005)
    losses = []
    for _ in range(30):
        loss = language_model_loss(model, IDS)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 1  # the frozen head of 16 dimensions sets a bound
    assert weights_hash(model.base) == before


@pytest.mark.parametrize("kind", ["gpt2", "gpt_neo", "llama", "qwen2", "mamba", "tgl_gru"])
def test_a_saved_model_is_loaded_by_the_auto_classes_as_it_was(kind, tmp_path):
    model = awake(kind, layers=1, width=6, heads=3, blocks=[1])
    save_model(model, tiny_tokenizer(), tmp_path)
    assert [file.name for file in tmp_path.glob("*.safetensors")] == ["model.safetensors"]
    config = AutoConfig.from_pretrained(tmp_path)
    assert isinstance(config, KAdapterModelConfig)
    assert (config.blocks, config.layers, config.width, config.heads) == ([1], 1, 6, 3)
    for loaded in (load_model(tmp_path), AutoModelForCausalLM.from_pretrained(tmp_path)):
        assert isinstance(loaded, KAdapterForCausalLM)
        assert not loaded.training
        assert type(loaded.base) is type(model.base)
        assert torch.equal(logits_of(loaded), logits_of(model))
        assert weights_hash(loaded) == weights_hash(model)
        found, expected = dict(loaded.named_parameters()), dict(model.named_parameters())
        assert list(found) == list(expected)


@pytest.mark.parametrize(("kind", "tied"), [("gpt2", True), ("qwen2", True), ("llama", False)])
def test_a_tied_head_stays_tied_and_one_that_is_not_does_not(kind, tied, tmp_path):
    model = awake(kind)
    save_model(model, tiny_tokenizer(), tmp_path)
    for found in (model, load_model(tmp_path), random_twin(model.config, 5)):
        assert (found.get_output_embeddings().weight is found.get_input_embeddings().weight) == tied
        assert ("base.lm_head.weight" in dict(found.named_parameters())) != tied


def test_what_callers_ask_the_configuration_for_is_the_base_s(tmp_path):
    model = adapted(tiny_model("gpt_neo"))
    save_model(model, tiny_tokenizer(), tmp_path)
    for config in (model.config, AutoConfig.from_pretrained(tmp_path)):
        assert (config.vocab_size, config.hidden_size, config.num_hidden_layers) == (VOCABULARY, 16, 2)
        assert (config.bos_token_id, config.eos_token_id) == (0, 0)
        assert config.base["model_type"] == "gpt_neo"
        assert config.base_config().attention_layers == ["global", "local"]
    assert max_length(model) == max_length(load_model(tmp_path)) == BLOCK
    assert max_length(adapted(tiny_model("mamba"))) == max_length(tiny_model("mamba"))


def by_hand(model, states):
    """Return (inputs of the adapters, what the last one gives) of one sequence, position by position and head by head.

    states: the hidden states behind each block that an adapter stands beside, each [time, hidden].
    """
    config, inputs, previous = model.config, [], torch.zeros_like(states[0])
    for adapter, state in zip(model.adapters, states, strict=True):
        inputs.append(torch.cat([state, previous], dim=1))
        inner = inputs[-1] @ adapter.down.weight.T + adapter.down.bias
        for layer in adapter.layers:
            normed = layer.attention_norm(inner)
            mixed = normed @ layer.query_key_value.weight.T + layer.query_key_value.bias
            size, seen = config.width // config.heads, torch.zeros_like(inner)
            for head in range(config.heads):
                query, key, value = (
                    mixed[:, config.width * part + size * head : config.width * part + size * (head + 1)]
                    for part in range(3)
                )
                for place in range(len(inner)):
                    weights = (key[: place + 1] @ query[place] / math.sqrt(size)).softmax(0)
                    seen[place, size * head : size * (head + 1)] = weights @ value[: place + 1]
            inner = inner + layer.attention_output(seen)
            inner = inner + layer.mlp[2](functional.gelu(layer.mlp[0](layer.mlp_norm(inner))))
        previous = state + previous + inner @ adapter.up.weight.T + adapter.up.bias
    return inputs, previous


@pytest.mark.parametrize("kind", ["gpt2", "gpt_neo", "llama"])
@torch.no_grad()
def test_each_adapter_reads_the_state_behind_its_block_and_what_the_one_before_gave(kind):
    model = awake(kind)
    norm, base, last = final_norm(model.base), model.base, []
    handle = norm.register_forward_hook(lambda module, inputs, output: last.append(inputs[0]))
    states = [base(IDS, output_hidden_states=True).hidden_states[1], last.pop()]  # behind blocks 0 and 1
    handle.remove()
    read = [[], []]
    handles = [
        adapter.down.register_forward_hook(lambda module, inputs, output, at=at: at.append(inputs[0]))
        for adapter, at in zip(model.adapters, read, strict=True)
    ]
    logits = model(IDS).logits
    for handle in handles:
        handle.remove()
    assert torch.equal(read[0][0][..., :16], states[0])
    assert not read[0][0][..., 16:].any()
    assert torch.equal(read[1][0][..., :16], states[1])
    for row in range(len(IDS)):
        inputs, given = by_hand(model, [state[row] for state in states])
        assert torch.allclose(read[1][0][row], inputs[1], rtol=1e-4, atol=1e-4)
        fused = states[1][row] + given @ model.fusion.weight.T + model.fusion.bias
        expected = base.lm_head(norm(fused))
        assert torch.allclose(logits[row], expected, rtol=1e-3, atol=1e-3 * expected.abs().max())


def test_one_adapter_beside_a_chosen_block_reads_that_block():
    model = awake("gpt2", blocks=[0])
    states, read = [], []
    model.base.transformer.h[0].register_forward_hook(lambda m, i, output: states.append(output))
    model.adapters[0].down.register_forward_hook(lambda m, inputs, o: read.append(inputs[0]))
    logits_of(model)
    assert torch.equal(read[0], torch.cat([states[0], torch.zeros_like(states[0])], dim=-1))


@pytest.mark.parametrize("kind", ["gpt2", "llama", "mamba"])
def test_right_padding_changes_no_logits_left_of_it(kind):
    model = awake(kind)
    alone = logits_of(model, IDS[:1, :4])[0]
    mask = torch.tensor([[1, 1, 1, 1, 0, 0], [1] * 6])
    for masks in ({}, {"attention_mask": mask}):
        padded = logits_of(model, **masks)
        assert torch.allclose(padded[0, :4], alone, rtol=1e-4, atol=1e-4)
        assert padded.isfinite().all()


def test_left_padding_is_attended_to_by_no_adapter():
    model = awake("gpt2")
    padded = torch.cat([torch.tensor([[7, 7, 7]]), IDS[:1]], dim=1)
    mask = torch.tensor([[0, 0, 0] + [1] * 6])
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    seen = []
    model.adapters[0].layers[0].attention_output.register_forward_hook(
        lambda module, inputs, output: seen.append(inputs[0])
    )
    found = logits_of(model, padded, attention_mask=mask, position_ids=positions)
    assert seen[0].abs().amax(-1).all()  # padding attends to itself: a softmax over nothing is not a number
    assert torch.allclose(found[0, 3:], logits_of(model, IDS[:1])[0], rtol=1e-3, atol=1e-3)
    assert found.isfinite().all()


def test_the_scores_of_examples_do_not_depend_on_what_they_are_batched_with():
    model, examples = awake("gpt2"), some_examples(6)
    together = log_likelihoods(model, examples)
    assert together == pytest.approx([log_likelihoods(model, [example])[0] for example in examples], rel=1e-4)


@pytest.mark.parametrize("kind", ["gpt2", "tgl_gru"])
def test_it_generates_the_most_likely_tokens_one_by_one(kind):
    model, text = awake(kind), IDS[:1]
    found = model.generate(text, attention_mask=torch.ones_like(text), max_new_tokens=5, do_sample=False)
    for _ in range(found.shape[1] - text.shape[1]):
        text = torch.cat([text, logits_of(model, text)[:, -1:].argmax(-1)], dim=1)
    assert torch.equal(found, text)
    with pytest.raises(TglError, match="use_cache=False"):
        model.generate(IDS, max_new_tokens=2, use_cache=True)


def test_an_error_on_the_way_leaves_no_hook_behind():
    model = awake("gpt2")
    before, alone = logits_of(model), logits_of(model.base)
    own = {id(module): dict(module._forward_hooks) for module in model.modules()}

    def broken(module, inputs):
        raise KeyboardInterrupt

    handle = model.base.transformer.h[1].register_forward_pre_hook(broken)
    with pytest.raises(KeyboardInterrupt):
        model(IDS)
    handle.remove()
    for module in model.modules():
        assert dict(module._forward_hooks) == own[id(module)]
        assert not module._forward_pre_hooks
    assert torch.equal(logits_of(model), before)
    assert torch.equal(logits_of(model.base), alone)


def test_two_models_beside_one_base_do_not_meet():
    base = sharp_model("gpt2")
    one, other = adapted(base, seed=1), adapted(base, blocks=[1], seed=2)
    with torch.no_grad():
        one.fusion.weight.normal_()
        other.fusion.weight.normal_()
    first, second = logits_of(one), logits_of(other)
    assert not torch.allclose(first, second)
    assert torch.equal(logits_of(one), first)


def test_a_copy_is_a_model_of_its_own():
    model = awake("gpt2")
    copied, before = copy.deepcopy(model), logits_of(model)
    with torch.no_grad():
        model.adapters[0].down.weight.zero_()
    assert torch.equal(logits_of(copied), before)
    assert not torch.allclose(logits_of(model), before)


def test_the_base_s_own_weights_are_used_and_adapters_alone_are_drawn_by_the_seed():
    base = sharp_model("gpt2")
    base.transformer.h[1].mlp.c_fc = torch.nn.Linear(16, 64)  # bears no mark of having been drawn
    objects, before = dict(base.named_parameters()), parameters_of(base)
    random = torch.random.get_rng_state()
    one, same, other = (adapted(base, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), random)
    assert all(parameter is objects[name] for name, parameter in one.base.named_parameters())
    assert all(torch.equal(parameter, before[name]) for name, parameter in one.base.named_parameters())
    assert weights_hash(one) == weights_hash(same) != weights_hash(other)
    for model in (one, other):
        assert not model.fusion.weight.any()
        assert not model.fusion.bias.any()
    assert not torch.equal(*(adapter.down.weight for adapter in one.adapters))
    for module in one.adapters.modules():
        if isinstance(module, torch.nn.Linear):
            assert module.weight.std().item() == pytest.approx(module.in_features**-0.5, rel=0.2)
            assert not module.bias.any()
    assert not one.training


def test_gradients_are_for_adapters_alone_also_after_loading_once_said_so(tmp_path):
    model = adapted(tiny_model())
    assert not any(p.requires_grad for p in model.base.parameters())
    assert all(p.requires_grad for p in of_adapters(model).values())
    save_model(model, tiny_tokenizer(), tmp_path)
    loaded = load_model(tmp_path)
    loaded.adapters.requires_grad_(False)
    loaded.train_adapters_alone()
    for name, parameter in loaded.named_parameters():
        assert parameter.requires_grad == (not name.startswith("base."))


def test_a_model_in_half_precision_gets_adapters_in_half_precision(tmp_path):
    half = AutoModelForCausalLM.from_config(copy.deepcopy(ARCHITECTURES["gpt2"]), dtype=torch.bfloat16)
    model = adapted(half)
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}
    save_model(model, tiny_tokenizer(), tmp_path)
    for dtype in (torch.bfloat16, torch.float32):
        loaded = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=dtype)
        assert {p.dtype for p in loaded.parameters()} == {dtype}
    assert {p.dtype for p in random_twin(model.config, 5).parameters()} == {torch.float32}


@pytest.mark.parametrize("kind", BASES)
def test_the_units_are_the_base_s_and_one_of_all_adapters_before_embedding(kind):
    base = tiny_model(kind)
    before = sublayers(base)
    model = adapted(base)
    *units, beside, embedding = sublayers(model)
    assert [*units, embedding] == before
    assert (beside.name, beside.block, beside.part, beside.output) == ("adapter", -1, "adapter", None)
    assert set(beside.parameters) == set(of_adapters(model))
    everything = [id(p) for unit in sublayers(model) for p in unit.parameters.values()]
    assert sorted(everything) == sorted(id(p) for p in model.parameters())
    assert [unit.name for unit in ranked(sublayers(model))] == [unit.name for unit in ranked(before)]
    if kind == "gpt2":
        assert [unit.name for unit in sublayers(model)] == [*RANKED, "adapter", "embedding"]


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_gradient_norms_of_a_model_with_adapters_are_those_of_autograd(kind):
    model = awake(kind)
    units = sublayers(model)
    coverage = cover(model, units)
    assert not coverage.autograd
    check_norms(model, units, SpanTokens(IDS[0].tolist(), 3), coverage)


@given(st.integers(1, 40), st.integers(0, 40))
def test_adapters_are_spread_evenly_up_to_the_last_block(num_adapters, more):
    found = spread(num_adapters, num_adapters + more)
    steps = [after - before for before, after in zip([-1, *found], found, strict=False)]
    assert len(found) == num_adapters
    assert found[-1] == num_adapters + more - 1
    assert min(steps) >= 1
    assert max(steps) - min(steps) <= 1


def test_spreads_of_known_cases():
    assert spread(3, 12) == [3, 7, 11]
    assert spread(3, 6) == [1, 3, 5]
    assert spread(1, 6) == [5]
    assert spread(2, 2) == [0, 1]
    assert spread(2, 5) == [1, 4]


@pytest.mark.parametrize(("adapters", "blocks"), [(3, 2), (0, 2)])
def test_more_adapters_than_blocks_are_refused(adapters, blocks):
    with pytest.raises(TglError, match=f"{adapters} adapters cannot stand beside {blocks} blocks"):
        spread(adapters, blocks)


@pytest.mark.parametrize("blocks", [[], [1, 0], [0, 0], [2], [-1, 1]])
def test_blocks_that_do_not_fit_are_refused(blocks):
    with pytest.raises(TglError, match=r"blocks \[.*\]: expected .* from 0 to 1"):
        adapted(tiny_model(), blocks=blocks)


def test_a_width_that_the_heads_do_not_part_is_refused():
    with pytest.raises(TglError, match="width 8 cannot be parted into 3 heads"):
        adapted(tiny_model(), heads=3)


def test_architectures_that_adapters_cannot_stand_beside_are_refused_by_what_was_found():
    with pytest.raises(TglError, match=r"'rwkv'.*rescaled in evaluation mode.*gpt2.*llama"):
        adapted(tiny_model("rwkv"))
    unknown = tiny_model("gpt2")
    unknown.config.model_type = "gpt_bigcode"
    with pytest.raises(TglError, match=r"'gpt_bigcode': its blocks are not known.*'transformer\.h\[2\]'"):
        adapted(unknown)
    with pytest.raises(TglError, match="'tgl_k_adapter': its blocks are not known"):
        adapted(adapted(tiny_model()))
    config = OPTConfig.from_dict(ARCHITECTURES["opt"].to_dict() | {"do_layer_norm_before": False})
    with pytest.raises(TglError, match=r"'opt'.*no norm at 'model\.decoder\.final_layer_norm'"):
        adapted(AutoModelForCausalLM.from_config(config))
