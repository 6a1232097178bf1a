"""The noise of causal tracing: where it falls, its size and its seed."""

import numpy as np
import pytest
import torch

from tests.analysis.traced_facts import SETTINGS, some_facts, traced, values_of
from tests.support.model_fixtures import ARCHITECTURES, RANKED, sharp_model, tiny_model
from tgl.analysis import tracing
from tgl.analysis.settings import AgreeConfig
from tgl.analysis.tracing import SITES


def seen_by_first_block(model, fact, settings=SETTINGS, seed=0):
    """Return the hidden states that enter block 0 less the clean ones, [rows, tokens, size]."""
    seen = []
    handle = model.transformer.h[0].register_forward_pre_hook(
        lambda module, inputs, kwargs: seen.append(
            (inputs[0] if inputs else kwargs["hidden_states"]).clone()
        ),
        with_kwargs=True,
    )
    traced(model, [fact], settings, seed)
    handle.remove()
    assert len(seen[0]) == 1
    return torch.cat(seen[1:]) - seen[0]


def test_the_noise_falls_on_the_subject_s_tokens_only_and_is_the_same_for_every_job():
    model, fact = tiny_model(seed=3), some_facts()[1]
    added = seen_by_first_block(model, fact)
    inside = slice(fact.subject_first, fact.subject_last + 1)
    assert 1 < fact.subject_first <= fact.subject_last < fact.tokens.first
    jobs = 1 + len(SITES) * len(RANKED)
    assert added.shape[0] == jobs * SETTINGS.noise_draws
    assert (added[:, inside].abs().amax(-1) > 0).all()
    outside = added.clone()
    outside[:, inside] = 0
    assert outside.abs().max() == 0
    by_job = added.view(jobs, SETTINGS.noise_draws, *added.shape[1:])
    assert torch.equal(by_job, by_job[:1].expand_as(by_job))
    assert not torch.isclose(by_job[0, 0, inside], by_job[0, 1, inside]).any()


def test_the_noise_has_the_configured_size_in_standard_deviations_of_the_embeddings():
    model, fact = tiny_model(seed=3), some_facts()[0]
    spread = model.transformer.wte.weight.std().item()
    for scale in (0.5, 4.0):
        added = seen_by_first_block(model, fact, AgreeConfig(noise_scale=scale, noise_draws=64))
        inside = added[:64, fact.subject_first : fact.subject_last + 1]
        assert inside.std().item() == pytest.approx(scale * spread, rel=0.05)
        assert inside.mean().item() == pytest.approx(0, abs=0.05 * scale * spread)


def test_traces_follow_the_seed_and_the_fact_s_number_and_not_the_other_facts():
    model, (one, two, three) = sharp_model("gpt2"), some_facts()
    whole = [values_of(found) for found in traced(model, [one, two, three])]
    again = [values_of(found) for found in traced(model, [one, two])]
    assert np.array_equal(whole[:2], again)
    assert np.array_equal(values_of(traced(model, [three, two])[1]), whole[1])
    assert traced(model, [one, one])[1].corrupted != traced(model, [one, one])[0].corrupted
    assert traced(model, [one], seed=1)[0].corrupted != traced(model, [one], seed=0)[0].corrupted
    assert traced(model, [one], seed=1)[0].clean == traced(model, [one], seed=0)[0].clean


@pytest.mark.parametrize("kind", sorted(ARCHITECTURES))
def test_the_noise_is_in_units_of_what_the_embedding_gives(kind):
    model = sharp_model(kind)
    embedding = model.get_input_embeddings()
    own = embedding.weight.float().std().item()
    if kind == "gemma":  # multiplies by the square root of its 16 dimensions
        assert tracing.deviation(embedding) == pytest.approx(4 * own, rel=1e-6)
    else:
        assert tracing.deviation(embedding) == own  # to the digit


def test_the_corruption_of_a_multiplying_embedding_has_the_size_asked_for():
    model, seen = sharp_model("gemma"), {}
    fact = some_facts()[0]
    place = slice(fact.subject_first, fact.subject_last + 1)

    def watch(module, inputs):
        seen.setdefault("clean", inputs[0][:1, place].clone())
        seen["noisy"] = inputs[0][:, place].clone()

    model.model.layers[0].register_forward_pre_hook(watch)
    traced(model, [fact], AgreeConfig(noise_scale=3.0, noise_draws=50))
    added = (seen["noisy"] - seen["clean"]).std().item()
    embedding = model.get_input_embeddings()
    with torch.no_grad():
        wanted = 3.0 * embedding(torch.arange(embedding.num_embeddings)).std().item()
    assert added == pytest.approx(wanted, rel=0.1)
