import numpy as np
import pytest
import torch

from tests.support.model_fixtures import ARCHITECTURES, RANKED, tiny_model
from tests.support.twins import twin
from tgl.models.matrices import model_units
from tgl.models.sublayers import ranked, sublayers
from tgl.plans import signal_to_noise as spectrum
from tgl.plans.signal_to_noise import _matrices, signal_to_noise, unit_ratios

SHAPES = [(64, 64), (32, 64), (32, 128), (96, 288), (256, 64)]
SPREAD = 0.02


def noise(shape, seed=0):
    return np.random.default_rng(seed).normal(0, SPREAD, shape)


def edge_of(shape):
    """Return the largest singular value that the Marchenko-Pastur law gives to noise of this shape and spread."""
    return SPREAD * (np.sqrt(shape[0]) + np.sqrt(shape[1]))


def structured(shape, strengths, seed=0):
    """Return noise whose largest singular values are replaced by `strengths` times the edge, and all of its values."""
    left, values, right = np.linalg.svd(noise(shape, seed), full_matrices=False)
    values[: len(strengths)] = np.array(strengths) * edge_of(shape)
    return left @ np.diag(values) @ right, values


@pytest.mark.parametrize("shape", SHAPES)
def test_structure_in_noise_has_a_higher_ratio_than_any_noise(shape):
    found, _ = structured(shape, [2.0] * 4)
    assert signal_to_noise(found) > max(signal_to_noise(noise(shape, seed)) for seed in range(10))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("strengths", [[3.0, 2.0, 2.0], [1.5] * 6])
def test_what_stands_above_noise_is_divided_by_the_rest_and_by_the_largest(shape, strengths):
    weight, values = structured(shape, strengths)
    signal, rest = values[: len(strengths)].sum(), values[len(strengths) :].sum()
    assert signal_to_noise(weight) == pytest.approx(signal / rest / max(values))


@pytest.mark.parametrize("shape", SHAPES)
def test_noise_of_any_shape_has_at_most_one_value_that_stands_out(shape):
    for seed in range(5):
        values = np.linalg.svd(noise(shape, seed), compute_uv=False)
        assert signal_to_noise(noise(shape, seed)) <= 1.0001 / values[1:].sum()


def test_nothing_stands_out_of_zeros():
    assert signal_to_noise(np.zeros((8, 16))) == 0


@pytest.mark.parametrize("shape", SHAPES)
def test_a_matrix_and_its_transpose_have_one_ratio(shape):
    weight, _ = structured(shape, [3.0, 2.0])
    assert signal_to_noise(weight.T) == pytest.approx(signal_to_noise(weight))


def test_half_precision_gives_the_ratio_of_its_values():
    weight = structured((32, 48), [3.0])[0].astype(np.float16)
    assert signal_to_noise(weight) == signal_to_noise(weight.astype(np.float64))


@pytest.mark.parametrize("unit", ["sublayer", "module"])
@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_a_unit_s_ratio_is_the_mean_of_its_matrices_weighted_by_their_entries(kind, unit, monkeypatch):
    monkeypatch.setattr(spectrum, "signal_to_noise", lambda weight: float(abs(weight).max()))
    model = tiny_model(kind)
    units = list(ranked(model_units(model, unit)))
    found = unit_ratios(model, [each.name for each in units])
    assert list(found) == [each.name for each in units]
    for each in units:
        matrices = [p.detach() for p in each.parameters.values() if p.dim() == 2]
        assert (len(matrices) > 1) == (unit == "sublayer")
        entries = sum(matrix.numel() for matrix in matrices)
        expected = sum(matrix.numel() * matrix.abs().max().item() for matrix in matrices) / entries
        assert found[each.name] == pytest.approx(expected)
    assert len(set(found.values())) == len(units)


@pytest.mark.parametrize("kind", sorted(ARCHITECTURES))
def test_every_architecture_s_sublayers_have_a_ratio(kind):
    model = tiny_model(kind)
    names = [unit.name for unit in ranked(sublayers(model))]
    found = unit_ratios(model, names)
    assert list(found) == names
    assert all(ratio >= 0 for ratio in found.values())


def test_ratios_of_a_model_in_half_precision_are_those_of_its_weights():
    model = tiny_model().to(torch.bfloat16)
    assert unit_ratios(model, RANKED) == unit_ratios(model.float(), RANKED)


def test_a_stack_of_experts_is_as_many_matrices_and_a_unit_without_any_has_no_ratio():
    model = twin("mixtral")
    unit = next(unit for unit in sublayers(model) if unit.name == "block00.mlp")
    stacks = [weight for weight in unit.parameters.values() if weight.dim() == 3]
    assert stacks
    matrices = [w.detach().numpy() for w in unit.parameters.values() if w.dim() == 2]
    matrices += [matrix.detach().numpy() for stack in stacks for matrix in stack]
    expected = np.average([signal_to_noise(m) for m in matrices], weights=[m.size for m in matrices])
    assert unit_ratios(model, ["block00.mlp"])["block00.mlp"] == pytest.approx(expected)
    assert list(_matrices([torch.ones(3), torch.ones(8, 1, 4)])) == []
