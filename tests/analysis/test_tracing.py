"""Causal tracing: what it measures, and how it is computed."""

import numpy as np
import pytest
import torch

from tests.analysis.traced_facts import (
    ALL,
    KINDS,
    LAST,
    SETTINGS,
    asked,
    some_facts,
    traced,
    units_of,
    values_of,
)
from tests.support.model_fixtures import ARCHITECTURES, RANKED, parameters_of, sharp_model, tiny_model
from tgl.analysis import tracing
from tgl.analysis.settings import AgreeConfig
from tgl.evaluate.score import span_scores


def run_alone(model, fact, noise, unit=None, place=None, clean=None):
    """Return the answer's log-likelihood of one run: a single row, a single noise draw, a single restored output."""
    kept = {}

    def corrupt(module, inputs, output):
        output = output.clone()
        if noise is not None:
            output[0, fact.subject_first : fact.subject_last + 1] += noise
        return output

    def watch(module, inputs, output):
        hidden = output[0] if isinstance(output, tuple) else output
        kept["output"] = hidden.clone()
        if clean is not None:
            hidden = hidden.clone()
            hidden[0, place] = clean[0, place]
            return (hidden, *output[1:]) if isinstance(output, tuple) else hidden
        return output

    handles = [model.get_input_embeddings().register_forward_hook(corrupt)]
    if unit is not None:
        handles.append(unit.output.register_forward_hook(watch))
    ids = torch.tensor([fact.tokens.ids])
    with torch.no_grad():
        logs = model(input_ids=ids).logits[0].double().log_softmax(-1)
    for handle in handles:
        handle.remove()
    total = sum(logs[place - 1, ids[0, place]].item() for place in range(fact.tokens.first, ids.shape[1]))
    return total, kept.get("output")


@pytest.mark.parametrize("kind", KINDS)
def test_traces_equal_those_of_one_run_at_a_time(kind):
    """No batch, no mean over rows, nothing shared with the code but the order of the random numbers."""
    model, seed = sharp_model(kind, seed=1), 5
    for number, (fact, found) in enumerate(
        zip(some_facts(), traced(model, some_facts(), seed=seed), strict=True)
    ):
        weight = model.get_input_embeddings().weight
        shape = (SETTINGS.noise_draws, fact.subject_last + 1 - fact.subject_first, weight.shape[1])
        noise = np.random.default_rng((seed, number)).standard_normal(shape)
        noise = torch.tensor(noise * 3.0 * weight.std().item(), dtype=weight.dtype)
        tokens = fact.tokens.num_targets
        expected = [run_alone(model, fact, draw)[0] for draw in noise]
        assert found.corrupted == pytest.approx(np.mean(expected) / tokens, abs=1e-5)
        assert found.corrupted_probability == pytest.approx(np.mean(np.exp(expected)), rel=1e-4)
        for column, unit in enumerate(units_of(model)):
            clean = run_alone(model, fact, None, unit)[1]
            for row, place in ((LAST, fact.subject_last), (ALL, slice(None))):
                expected = [run_alone(model, fact, draw, unit, place, clean)[0] for draw in noise]
                assert found.restored[row, column] == pytest.approx(np.mean(expected) / tokens, abs=1e-5)
                assert found.restored_probability[row, column] == pytest.approx(
                    np.mean(np.exp(expected)), rel=1e-4
                )
        assert np.ptp(found.restored) > 5e-3  # else equal numbers would show nothing


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_the_clean_likelihood_is_the_one_that_probes_are_scored_with(kind):
    facts = some_facts()
    expected = span_scores(sharp_model(kind), [fact.tokens for fact in facts]).log_likelihood
    for fact, found, value in zip(facts, traced(sharp_model(kind), facts), expected, strict=True):
        assert found.probe == fact.probe
        assert found.clean == pytest.approx(value / fact.tokens.num_targets, abs=1e-4)
        assert found.clean_probability == pytest.approx(np.exp(value), rel=1e-3)


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_with_almost_no_noise_corrupted_and_restored_are_clean(kind):
    """What is put back where it came from changes nothing: rows, positions and units are not mixed up."""
    for found in traced(sharp_model(kind), some_facts(), AgreeConfig(noise_scale=1e-7, noise_draws=2)):
        assert found.corrupted == pytest.approx(found.clean, abs=1e-3)
        assert found.restored == pytest.approx(np.full_like(found.restored, found.clean), abs=1e-3)


def only_through(name):
    """Return a GPT-2 in which nothing but one sublayer adds to the residual stream."""
    model = tiny_model(seed=2, spread=8.0)
    with torch.no_grad():
        for unit in units_of(model):
            if unit.name != name:
                unit.output.c_proj.weight.zero_()
                unit.output.c_proj.bias.zero_()
    return model


@pytest.mark.parametrize("name", [RANKED[0], RANKED[2]])
def test_the_one_sublayer_that_carries_the_subject_has_all_of_the_recovery(name):
    model = only_through(name)
    for found in traced(model, some_facts()):
        assert abs(found.clean - found.corrupted) > 1e-3
        for number, unit in enumerate(units_of(model)):
            expected = found.clean if unit.name == name else found.corrupted
            assert found.restored[ALL, number] == pytest.approx(expected, abs=1e-5), unit.name
            # No attention follows it that would read what it wrote at the subject.
            assert found.restored[LAST, number] == pytest.approx(found.corrupted, abs=1e-5), unit.name


def test_a_subject_that_only_the_last_token_passes_on_is_restored_there():
    """A subject of one token: its MLP in block 0 is read by the attention of block 1 at that token alone."""
    model = tiny_model(seed=2, spread=8.0)
    units = {unit.name: unit for unit in units_of(model)}
    with torch.no_grad():
        for name in (RANKED[0], RANKED[3]):
            units[name].output.c_proj.weight.zero_()
            units[name].output.c_proj.bias.zero_()
    (fact,) = [asked("He likes Paris and works for Acme", "Paris", "Acme")]
    assert fact.subject_first == fact.subject_last
    (found,) = traced(model, [fact])
    column = RANKED.index(RANKED[1])
    # What the MLP wrote elsewhere is clean as it is: both sites restore the same.
    assert found.restored[LAST, column] == pytest.approx(found.restored[ALL, column], abs=1e-5)
    assert abs(found.restored[LAST, column] - found.corrupted) > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_the_size_of_batches_changes_nothing(kind, monkeypatch):
    model, found = sharp_model(kind), {}
    for size in (1, 60, 10**6):
        monkeypatch.setattr(tracing, "BATCH_TOKENS", size)
        found[size] = np.array([values_of(one) for one in traced(model, some_facts())])
    assert found[1] == pytest.approx(found[10**6], abs=1e-4)
    assert found[60] == pytest.approx(found[10**6], abs=1e-4)


def test_the_size_of_batches_is_bounded(monkeypatch):
    model, fact, rows = tiny_model(), some_facts()[0], []
    model.transformer.h[0].register_forward_pre_hook(
        lambda module, inputs, kwargs: rows.append(
            (inputs[0] if inputs else kwargs["hidden_states"]).shape[0]
        ),
        with_kwargs=True,
    )
    monkeypatch.setattr(tracing, "BATCH_TOKENS", 3 * SETTINGS.noise_draws * len(fact.tokens.ids))
    traced(model, [fact])
    assert rows == [1, 6, 6, 6]


# RWKV among them: transformers halves its weights in place on the first run in evaluation mode.
@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_the_model_is_left_as_it_was(kind):
    model = tiny_model(kind)
    before = parameters_of(model)
    traced(model, some_facts()[:1])
    assert all(torch.equal(value, before[name]) for name, value in model.named_parameters())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not [m for m in model.modules() if m._forward_hooks or m._forward_pre_hooks]


def test_no_hook_is_left_when_a_run_fails(monkeypatch):
    model, calls, run = tiny_model(), iter(range(9)), tracing._log_likelihoods

    def failing(*given):
        if next(calls) == 1:
            raise RuntimeError
        return run(*given)

    monkeypatch.setattr(tracing, "_log_likelihoods", failing)
    with pytest.raises(RuntimeError):
        traced(model, some_facts())
    assert not [m for m in model.modules() if m._forward_hooks or m._forward_pre_hooks]
