"""Models whose blocks stay on disk: the same numbers as in memory, one block at a time, and nothing missed."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from tests.models.loading.damage import change
from tests.support.twins import twin
from tgl.core.errors import TglError
from tgl.evaluate.spans import SpanTokens
from tgl.models.checkpoint import load_model, weights_hash
from tgl.models.load_streamed import load_streamed
from tgl.models.streamed import gradients_to, loaded, streamed
from tgl.models.sublayers import block_modules, sublayers
from tgl.profiling import squares
from tgl.profiling.coverage import cover
from tgl.profiling.norms import check_norms, gradient_norms

EXAMPLES = [SpanTokens(list(range(3, 3 + length)), length - 4) for length in (9, 12, 7)]
# A plain stack; tied head; experts that transformers stacks; blocks that share weights (Zamba2); copies of parameters;
# a rescaling evaluation mode (RWKV); two kinds of attention; query, key and value in one matrix.
KINDS = (
    "llama",
    "gpt2",
    "mixtral",
    "gpt_oss",
    "zamba2",
    "mamba",
    "rwkv",
    "gemma3_text",
    "qwen3_next",
    "falcon",
)


def both(folder, kind, **options):
    """Return a twin of a type in memory and on disk."""
    twin(kind).float().save_pretrained(folder, max_shard_size="100KB")
    said = []
    models = [load_model(folder, say=said.append, stream=stream, **options) for stream in (False, True)]
    assert said == []
    return models


def norms(model, **options):
    units = sublayers(model)
    return gradient_norms(model, units, EXAMPLES, coverage=cover(model, units), **options)


def is_on_disk(parameter):
    """Tell whether a parameter holds nothing but one NaN."""
    return parameter.untyped_storage().nbytes() <= 8 and bool(parameter.isnan().all())


@pytest.mark.parametrize("kind", KINDS)
def test_norms_are_those_of_the_model_in_memory(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(
        squares, "_PASS", 0
    )  # The hooks add up the gradients of the model in memory at any size.
    whole, on_disk = both(tmp_path, kind)
    assert weights_hash(whole) == weights_hash(on_disk)
    one, other = norms(whole), norms(on_disk)
    np.testing.assert_allclose(other.each, one.each, rtol=1e-6)
    np.testing.assert_allclose(other.of_mean, one.of_mean, rtol=1e-6)
    np.testing.assert_allclose(other.losses, one.losses, rtol=1e-6)
    units = sublayers(on_disk)
    assert check_norms(on_disk, units, EXAMPLES[:2], coverage=cover(on_disk, units)) < 1e-3
    assert all(map(is_on_disk, streamed(on_disk).places))


@pytest.mark.parametrize("kind", ["llama", "mixtral"])
def test_never_more_than_one_block_is_in_memory(kind, tmp_path):
    _, model = both(tmp_path, kind)
    blocks, places, seen = block_modules(model), streamed(model).places, []
    assert {p for block in blocks for p in block.parameters()} == set(places)

    def look(module, *_):
        held = [number for number, block in enumerate(blocks) if not all(map(is_on_disk, block.parameters()))]
        seen.append(held)
        assert held == [next(n for n, block in enumerate(blocks) if module in block.modules())]

    for block in blocks:
        next(m for m in block.modules() if isinstance(m, nn.Linear)).register_forward_hook(look)
    norms(model, mean=False)
    assert len(seen) > 2 * len(blocks)
    assert all(map(is_on_disk, places))


def test_each_block_is_read_twice_for_a_batch(tmp_path):
    _, model = both(tmp_path, "llama")
    units = sublayers(model)
    coverage = cover(model, units)
    before = dict(streamed(model).num_reads)
    gradient_norms(model, units, EXAMPLES, coverage=coverage, mean=False)
    assert {streamed(model).num_reads[p] - count for p, count in before.items()} == {2}


def test_an_error_in_a_block_leaves_nothing_in_memory(tmp_path):
    _, model = both(tmp_path, "llama")

    def fail(*_):
        raise RuntimeError("stopped")

    hook = block_modules(model)[1].register_forward_pre_hook(fail)
    inner = next(
        m for m in block_modules(model)[0].modules() if isinstance(m, nn.Linear)
    ).register_forward_hook(fail)
    with pytest.raises(RuntimeError, match=r"stopped"):
        norms(model)
    assert all(map(is_on_disk, streamed(model).places))
    hook.remove()
    inner.remove()
    assert np.isfinite(norms(model).each).all()


def test_gradients_are_handed_over_once_and_are_those_of_autograd(tmp_path):
    whole, model = both(tmp_path, "zamba2")
    ids, found = torch.tensor([EXAMPLES[0].ids]), {}

    def take(parameter, gradient):
        assert parameter not in found
        found[parameter] = gradient

    for network in (whole, model):
        network.requires_grad_(True)
    named = dict(model.named_parameters())
    with gradients_to(model, take):
        outside = torch.autograd.grad(
            model(ids, use_cache=False).logits.sum(), list(named.values()), allow_unused=True
        )
    whole(ids).logits.sum().backward()
    for (name, parameter), own in zip(named.items(), outside, strict=True):
        expected = whole.get_parameter(name).grad
        total = sum((g for g in (own, found.get(parameter)) if g is not None), torch.zeros(()))
        torch.testing.assert_close(total.expand_as(expected), expected, rtol=1e-4, atol=1e-5)
    assert all(parameter.grad is None for parameter in named.values())


def test_without_someone_to_take_them_gradients_are_where_autograd_puts_them(tmp_path):
    whole, model = both(tmp_path, "llama")
    ids = torch.tensor([EXAMPLES[0].ids])
    for network in (whole, model):
        network.requires_grad_(True)
        network(ids, use_cache=False).logits.sum().backward()
    with pytest.raises(TglError, match=r"expected none for gradients. Call it with use_cache=False"):
        model(ids)
    with torch.no_grad():
        torch.testing.assert_close(model(ids).logits, whole(ids).logits)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, whole.get_parameter(name).grad)


def test_parameters_can_be_held_in_memory(tmp_path):
    whole, model = both(tmp_path, "llama", dtype=torch.bfloat16)
    name, parameter = next((n, p) for n, p in model.named_parameters() if p in streamed(model).places)
    with loaded(model, [parameter]), loaded(model, [parameter]):
        assert torch.equal(parameter, whole.get_parameter(name))
        assert parameter.dtype == torch.bfloat16
    assert is_on_disk(parameter)


def test_a_model_on_disk_is_neither_saved_nor_trained(tmp_path):
    _, model = both(tmp_path / "model", "llama")
    with pytest.raises(TglError, match=r"its blocks are on disk, so it has no weights to save or copy"):
        model.save_pretrained(tmp_path / "saved")
    assert not list((tmp_path / "saved").glob("*.safetensors"))
    model.requires_grad_(True)
    model(torch.tensor([EXAMPLES[0].ids]), use_cache=False).logits.sum().backward()
    with pytest.raises(RuntimeError):
        torch.optim.AdamW(streamed(model).places).step()
    assert all(map(is_on_disk, streamed(model).places))


def test_what_does_not_fit_the_model_is_refused(folder):
    def without(found):
        return {name: tensor for name, tensor in found.items() if "layers.1.mlp.up_proj" not in name}

    with pytest.raises(TglError, match=r"lacks 1 of the model's tensors .*layers.1.mlp.up_proj.weight"):
        load_model(folder(tensors=without), stream=True)
    with pytest.raises(TglError, match=r"layers.1.mlp.up_proj.weight' has shape \[\d+, 8, 4\], expected"):
        load_model(folder(tensors=_reshaped), stream=True)
    path = folder(tensors=lambda found: found | {"model.layers.7.mlp.up_proj.weight": torch.ones(2)})
    with pytest.raises(TglError, match=r"holds 1 tensors that .* has no place for"):
        load_model(path, stream=True)


def _reshaped(found):
    name = next(name for name in found if "layers.1.mlp.up_proj.weight" in name)
    return found | {name: found[name].reshape(-1, 8, 4)}


def test_values_that_are_not_finite_are_found_when_they_are_read(folder):
    def spoiled(found):
        name = next(name for name in found if "layers.1.mlp.up_proj" in name)
        found[name].view(-1)[3] = torch.inf
        return found

    with pytest.raises(TglError, match=r"up_proj.weight' holds 1 values that are not finite"):
        load_model(folder(tensors=spoiled), stream=True)


def test_a_head_that_differs_from_the_embedding_it_is_tied_to_is_refused(folder):
    def with_head(found):
        return found | {"lm_head.weight": 2 * found["model.embed_tokens.weight"]}

    path = folder(tensors=with_head, tie_word_embeddings=True)
    with pytest.raises(TglError, match=r"differs from .* but config.json ties them"):
        load_model(path, stream=True)
    save_file(
        {k: v for k, v in load_file(path / "model.safetensors").items() if k != "lm_head.weight"},
        path / "model.safetensors",
    )
    model = load_model(path, stream=True)
    assert model.lm_head.weight is model.model.embed_tokens.weight


def test_blocks_that_share_values_otherwise_than_as_arguments_are_refused(tmp_path):
    with pytest.raises(
        TglError, match=r"Gemma3nTextDecoderLayer: uses values of another block .* without stream"
    ):
        both(tmp_path, "gemma3n_text")


def test_unused_tensors_are_reported(folder):
    said = []
    load_streamed(folder(tensors=lambda found: found | {"v_head.weight": torch.ones(1)}), "own", said.append)
    assert said == [
        "own: not using 1 tensors of its files that belong to no part of the model: 'v_head.weight'"
    ]


def test_an_adapter_is_refused(folder, tmp_path):
    path = folder()
    (path / "adapter_config.json").write_text("{}")
    change(path / "adapter_config.json", peft_type="LORA", base_model_name_or_path=str(path))
    with pytest.raises(TglError, match=r"adapter"):
        load_model(path, stream=True, merge_adapter=True)
