import copy
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from tests.models.k_adapter.models import BASES, IDS, adapted, awake, logits_of
from tests.support.model_fixtures import VOCABULARY, sharp_model, some_examples
from tgl.core.errors import TglError
from tgl.evaluate.score import span_scores
from tgl.models.sublayers import final_norm

SEQUENCES = st.lists(st.integers(0, VOCABULARY - 1), min_size=2, max_size=12)


@pytest.mark.parametrize("kind", BASES)
def test_with_new_adapters_the_logits_are_those_of_the_base(kind):
    base = sharp_model(kind)
    mask = torch.tensor([[1] * 6, [1, 1, 1, 1, 0, 0]])
    before, masked = logits_of(base), logits_of(base, attention_mask=mask)
    model = adapted(base)
    # To rounding: on some processors it depends on where in memory a tensor lies.
    torch.testing.assert_close(logits_of(model), before, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(logits_of(model, attention_mask=mask), masked, rtol=1e-4, atol=1e-4)


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


def by_hand(model, states):
    """Return (inputs of the adapters, what the last one gives) of one sequence, position by position and head by head.

    states: the hidden states behind each block that an adapter stands next to, each [time, hidden].
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
    together = span_scores(model, examples).log_likelihood
    assert together == pytest.approx(
        [span_scores(model, [example]).log_likelihood[0] for example in examples], rel=1e-4
    )


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
