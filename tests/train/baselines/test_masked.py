"""Baselines that train only parts of weights: neurons and their controls, FGGM, and MIGU's masks of gradients."""

import warnings

import numpy as np
import pytest
import torch

from tests.support.model_fixtures import RANKED, parameters_of, plan_of, settings_of, tiny_model, unit_of
from tests.support.twins import twin
from tests.train.baselines.periods import baseline_of, in_two_phases, period_of, trained
from tests.train.baselines.two_texts import two_texts
from tgl.core.errors import TglError
from tgl.models.linear import linear_maps, mlps
from tgl.models.settings import ModelConfig
from tgl.models.sublayers import ranked, sublayers
from tgl.plans.names import parse_plan
from tgl.plans.plan import Plan
from tgl.train.baselines.migu import magnitudes
from tgl.train.engines import make_engine

NEURONS = ("neurons", "random_neurons", "lowest_neurons")
FULL = plan_of([1.0] * 4)


def changed(model, before):
    """Return which entries differ, by name of the parameter."""
    return {name: p.detach() != before[name] for name, p in model.named_parameters()}


def moved_neurons(name, *, engine="plain", plan=FULL, **settings):
    """Return the masks of neurons whose weights moved, by sublayer, after checking that nothing else did."""
    period = two_texts(settings=settings_of(steps=4, engine=engine))
    period.plan = plan
    before = parameters_of(period.model)
    layers = mlps(period.model, sublayers(period.model))
    model, _, _ = trained(baseline_of(name, **{"sequences": 4, "share": 0.1} | settings), period)
    moved, found, allowed = changed(model, before), {}, {}
    for mlp in layers:
        neurons = moved[f"{mlp.down.name}.weight"].any(mlp.down.outputs)
        found[mlp.unit] = neurons
        allowed |= mlp.masks(neurons)
    for key, entries in moved.items():
        assert not (entries & ~allowed.get(key, torch.zeros_like(entries))).any(), key
    return found


def test_only_the_weights_of_chosen_neurons_move_and_controls_train_as_many_in_the_same_sublayers():
    found = {name: moved_neurons(name) for name in NEURONS}
    total = sum(int(mask.sum()) for mask in found["neurons"].values())
    assert total == round(0.1 * 128)
    for name in NEURONS[1:]:
        assert {unit: int(mask.sum()) for unit, mask in found[name].items()} == {
            unit: int(mask.sum()) for unit, mask in found["neurons"].items()
        }
        assert any(not torch.equal(found[name][unit], found["neurons"][unit]) for unit in found[name])
    overlap = [found["neurons"][unit] & found["lowest_neurons"][unit] for unit in found["neurons"]]
    assert not torch.cat(overlap).any()


@pytest.mark.parametrize("name", ["neurons", "fggm"])
def test_deepspeed_trains_the_same_entries(name):
    found = []
    for engine in ("plain", "deepspeed"):
        period = two_texts(settings=settings_of(steps=3, engine=engine))
        period.plan = FULL
        before = parameters_of(period.model)
        model, results, _ = trained(baseline_of(name, sequences=4, share=0.2), period)
        found.append((changed(model, before), [result.loss for result in results], parameters_of(model)))
    assert found[0][1] == pytest.approx(found[1][1], rel=1e-5)
    assert all(torch.equal(entries, found[1][0][key]) for key, entries in found[0][0].items())
    assert all(torch.allclose(value, found[1][2][key], atol=1e-5) for key, value in found[0][2].items())


def test_only_the_plan_s_mlps_are_ranked():
    found = moved_neurons("neurons", plan=plan_of([1.0, 0.0, 1.0, 1.0]))
    assert not found[RANKED[1]].any()
    assert found[RANKED[3]].sum() == round(0.1 * 64)


def test_neurons_that_new_text_uses_are_found():
    """A neuron that fires for the new text's tokens only is among the chosen ones."""
    period = two_texts()
    model = period.model
    mlp = mlps(model, sublayers(model))[1]
    period.plan = plan_of([0.0, 0.0, 0.0, 1.0])
    with torch.no_grad():
        # The embedding of each new token (below 100) gets a direction that neuron 3 reads.
        model.transformer.wte.weight[1:100, 0] += 4.0
        model.transformer.wte.weight[0, 0] -= 4.0
        model.transformer.wte.weight[100:, 0] -= 4.0
        mlp.before[0].module.weight[0] = 0.0
        mlp.before[0].module.weight[:, 3] = 0.0
        mlp.before[0].module.weight[0, 3] = 3.0
    baseline = baseline_of("neurons", sequences=8, share=0.05)
    chosen = baseline.masks(period)[f"{mlp.down.name}.weight"].any(1)
    assert chosen[3]
    assert (
        not baseline_of("lowest_neurons", sequences=8, share=0.05)
        .masks(period)[f"{mlp.down.name}.weight"]
        .any(1)[3]
    )


def test_a_plan_without_a_trained_mlp_is_refused_in_any_phase():
    with pytest.raises(TglError, match=r"no trained MLP in the plan 'by hand', expected one in every phase"):
        baseline_of("neurons").check(in_two_phases([1.0, 1, 0, 0], [1.0, 0, 0, 0]), 0.01)
    baseline_of("neurons").check(FULL, 0.01)


def test_an_architecture_without_mlps_and_a_trained_embedding_are_refused_before_anything_runs():
    def problems(architecture, embedding="frozen"):
        found = baseline_of("neurons").problems(
            parse_plan("full"), embedding=embedding, model=ModelConfig(architecture=architecture), rates=[0.1]
        )
        return list(found)

    assert problems("gpt2") == []
    assert "'mamba' has none" in problems("mamba")[0]
    assert "plan.embedding" in problems("gpt2", "trained")[0]


def test_phases_of_a_plan_train_their_own_neurons_without_a_warning():
    period = two_texts(settings=settings_of(steps=4))
    period.plan = in_two_phases([1.0, 1.0, 1.0, 0.0], [1.0, 0.0, 1.0, 1.0])
    before = parameters_of(period.model)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model, _, _ = trained(baseline_of("neurons", sequences=4, share=0.5), period)
    moved = {
        ".".join(name.split(".")[:3]) for name, entries in changed(model, before).items() if entries.any()
    }
    assert moved == {"transformer.h.0", "transformer.h.1"}


def test_a_phase_that_trains_no_chosen_neuron_is_refused():
    period = two_texts()
    period.plan = in_two_phases([0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0])
    prepared = baseline_of("neurons", sequences=2, share=0.001).prepare(period)
    phases = [phase for _, phase in period.plan.schedule(10)]
    with pytest.raises(TglError, match=r"a phase trains none of the chosen weights.*Raise the share"):
        [prepared.groups(phase) for phase in phases]


def test_a_changed_frozen_entry_is_reported():
    period = two_texts()
    baseline = baseline_of("neurons", sequences=2)
    prepared = baseline.prepare(period)
    name, mask = next((name, mask) for name, mask in prepared.masks.items() if name.endswith("weight"))
    with torch.no_grad():
        dict(period.model.named_parameters())[name][tuple((~mask).nonzero()[0])] += 1.0
    with pytest.raises(TglError, match=rf"{name}: 1 of \d+ frozen entries have changed"):
        baseline.finish(period, prepared)


def test_partly_trained_parameters_have_no_weight_decay_and_whole_ones_keep_theirs():
    period = two_texts()
    prepared = baseline_of("fggm", sequences=2, share=0.5).prepare(period)
    groups = prepared.groups(period.plan)
    decays = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    parameters = dict(period.model.named_parameters())
    assert all(decays[id(parameters[name])] == 0 for name in prepared.masks)
    everything = baseline_of("fggm", sequences=2, share=1.0).prepare(two_texts())
    assert everything.masks == {}
    assert {group["weight_decay"] for group in everything.groups(FULL)} == {0.0, period.settings.weight_decay}


def test_the_largest_share_trains_what_plain_training_trains():
    plain, masked = (
        parameters_of(trained(baseline, two_texts(settings=settings_of(steps=3)))[0])
        for baseline in (baseline_of("plain"), baseline_of("fggm", sequences=2, share=1.0))
    )
    assert all(torch.equal(value, masked[name]) for name, value in plain.items())


def test_fggm_trains_the_rows_with_the_least_information():
    from tgl.profiling.fisher import fisher_diagonal

    period = two_texts()
    period.plan = plan_of([0.0, 1.0, 0.0, 0.0])
    maps = linear_maps([unit_of(period.model, RANKED[1])])
    new = torch.from_numpy(period.new_stream().batch(0, 5, period.block_size))
    fisher = fisher_diagonal(period.model, [linear.module.weight for linear in maps], new, seed=period.seed)
    masks = baseline_of("fggm", sequences=5, share=0.25).masks(period)
    for linear, diagonal in zip(maps, fisher, strict=True):
        rows = masks[f"{linear.name}.weight"].any(1 - linear.outputs)
        mean = diagonal.mean(1 - linear.outputs)
        assert rows.sum() == round(0.25 * len(rows))
        assert mean[rows].max() <= mean[~rows].min()
    assert set(masks) == set(unit_of(period.model, RANKED[1]).parameters)


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_a_migu_step_updates_the_rows_with_the_largest_outputs(kind):
    seen, model = {}, tiny_model(kind, spread=2)
    period = two_texts(settings=settings_of(steps=1, weight_decay=0.0))
    period.model = model
    before = parameters_of(model)
    baseline = baseline_of("migu", share=0.3)
    prepared = baseline.prepare(period)
    maps = linear_maps(unit for unit in sublayers(model) if unit.name != "embedding")
    for linear in maps:
        linear.module.register_forward_hook(
            lambda _, __, output, name=linear.name: seen.__setitem__(name, magnitudes(output))
        )
    engine = make_engine(
        prepared.module, prepared.groups(period.plan), period.settings, engine=period.settings
    )
    engine.step(torch.from_numpy(period.new_stream().batch(0, 2, period.block_size)), 0, 1.0)
    for linear in maps:
        rows = (linear.module.weight.detach() != before[f"{linear.name}.weight"]).any(1 - linear.outputs)
        wanted = seen[linear.name].argsort(descending=True)[: max(1, round(0.3 * len(rows)))]
        assert set(rows.nonzero().flatten().tolist()) <= set(wanted.tolist())
        assert rows.sum() >= 1


def test_magnitudes_are_shares_of_a_token_averaged_over_tokens():
    output = torch.tensor([[[1.0, -3.0], [0.0, 0.0]], [[2.0, 2.0], [-4.0, 0.0]]])
    assert magnitudes(output).tolist() == pytest.approx([(0.25 + 0 + 0.5 + 1) / 4, (0.75 + 0 + 0.5 + 0) / 4])


def test_with_every_row_migu_is_plain_training_and_its_hooks_are_gone_afterwards():
    plain, masked = (
        trained(baseline, two_texts(settings=settings_of(steps=3)))[0]
        for baseline in (baseline_of("plain"), baseline_of("migu", share=1.0))
    )
    assert all(torch.equal(p, dict(masked.named_parameters())[name]) for name, p in plain.named_parameters())
    assert not any(module._forward_hooks for module in masked.modules())
    assert not any(p._backward_hooks for p in masked.parameters())


def test_no_two_periods_draw_the_same_random_neurons():
    first, second = (
        baseline_of("random_neurons", sequences=2).masks(
            period_of(FULL, seed=seed, new=np.arange(1, 200, dtype=np.int32))
        )
        for seed in (1, 2)
    )
    assert any(not torch.equal(mask, second[name]) for name, mask in first.items())


def test_names_set_the_share():
    from tgl.config.root import BaselinesConfig
    from tgl.train.methods import baseline_settings

    for name in (*NEURONS, "migu", "fggm"):
        assert baseline_settings(BaselinesConfig(), f"{name}.0.02").share == 0.02


@pytest.mark.parametrize("name", ["migu", "fggm"])
@pytest.mark.parametrize("kind", ["qwen3_moe", "mamba", "tgl_gru"])
def test_matrices_outside_linear_maps_are_refused_because_they_would_be_trained_whole(name, kind):
    model = twin(kind) if kind == "qwen3_moe" else tiny_model(kind)
    period = two_texts(model=model)
    period.plan = Plan("by hand", 0.0, {unit.name: 1.0 for unit in ranked(sublayers(model))}, "", 0, 0)
    with pytest.raises(TglError, match=rf"{name}: block00\.\w+: found the linear maps .* no other matrix"):
        trained(baseline_of(name), period)


def test_whole_frozen_parameters_of_trained_sublayers_are_compared_too():
    period = two_texts()
    period.plan = FULL
    baseline = baseline_of("neurons", sequences=4, share=0.1)
    prepared = baseline.prepare(period)
    name = next(key for key, mask in prepared.masks.items() if not mask.any())
    with torch.no_grad():
        period.model.get_parameter(name).add_(1.0)
    with pytest.raises(TglError, match="frozen entries have changed"):
        baseline.finish(period, prepared)
