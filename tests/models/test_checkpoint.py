from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.support.model_fixtures import (
    ARCHITECTURES,
    CONFIGS,
    RANKED,
    parameters_of,
    tiny_model,
    tiny_tokenizer,
)
from tgl.core.errors import TglError
from tgl.models.checkpoint import (
    copy_model,
    load_model,
    make_model,
    max_changes,
    prove_frozen,
    random_twin,
    save_model,
    snapshot,
    weights_hash,
)
from tgl.models.settings import ModelConfig
from tgl.models.sublayers import EMBEDDING, sublayers

SHAPE = ModelConfig(layers=2, hidden_size=16, heads=2)


def same(one, other):
    left, right = one.state_dict(), other.state_dict()
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def test_a_made_model_has_the_configured_shape_and_no_dropout():
    model = make_model(SHAPE, tiny_tokenizer(), 32, seed=0)
    config = model.config
    assert (config.n_layer, config.n_embd, config.n_head, config.n_positions) == (2, 16, 2, 32)
    assert config.vocab_size == len(tiny_tokenizer())
    tokens = torch.arange(20)[None]
    model.train()
    assert torch.equal(model(input_ids=tokens).logits, model(input_ids=tokens).logits)


def test_a_made_model_follows_its_seed_only():
    torch.manual_seed(99)
    one = make_model(SHAPE, tiny_tokenizer(), 32, seed=1)
    assert same(one, make_model(SHAPE, tiny_tokenizer(), 32, seed=1))
    assert not same(one, make_model(SHAPE, tiny_tokenizer(), 32, seed=2))


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_saved_checkpoint_is_loaded_by_from_pretrained_as_it_was(tmp_path, kind):
    model = tiny_model(kind, seed=3)
    save_model(model, tiny_tokenizer(), tmp_path / "model")
    assert same(model, AutoModelForCausalLM.from_pretrained(tmp_path / "model"))
    assert same(model, load_model(tmp_path / "model"))
    text = "Anna Berg lives in Paris"
    assert (
        AutoTokenizer.from_pretrained(tmp_path / "model")(text)["input_ids"]
        == (tiny_tokenizer()(text)["input_ids"])
    )
    assert not [
        file.name for file in (tmp_path / "model").iterdir() if file.suffix in (".part", ".bin", ".pt")
    ]


def test_a_reduced_precision_checkpoint_is_loaded_in_fp32(tmp_path):
    tiny_model().to(torch.bfloat16).save_pretrained(tmp_path)
    assert {parameter.dtype for parameter in load_model(tmp_path).parameters()} == {torch.float32}


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_a_random_twin_has_the_same_shape_and_other_weights_drawn_by_its_seed(kind):
    model = tiny_model(kind, seed=3)
    torch.manual_seed(99)
    twin = random_twin(model.config, 3_000)
    assert {n: p.shape for n, p in twin.named_parameters()} == {
        n: p.shape for n, p in model.named_parameters()
    }
    assert not same(twin, model)
    assert same(twin, random_twin(model.config, 3_000))
    assert not same(twin, random_twin(model.config, 3_001))


def test_a_random_twin_leaves_the_configuration_as_it_is_and_is_in_fp32():
    model = tiny_model().to(torch.bfloat16)
    model.config.dtype = torch.bfloat16
    before = model.config.to_dict()
    assert {parameter.dtype for parameter in random_twin(model.config, 1).parameters()} == {torch.float32}
    assert model.config.to_dict() == before


def test_the_hash_of_weights_follows_every_bit_and_name_and_nothing_else(tmp_path):
    model = tiny_model(seed=3)
    before = weights_hash(model)
    save_model(model, tiny_tokenizer(), tmp_path)
    assert weights_hash(load_model(tmp_path)) == before
    assert weights_hash(model.train()) == before
    for name, parameter in model.named_parameters():
        with torch.no_grad():
            kept = parameter.view(-1)[0].clone()
            parameter.view(-1)[0] = torch.nextafter(kept, kept + 1)
            assert weights_hash(model) != before, name
            parameter.view(-1)[0] = kept
    assert weights_hash(model) == before
    layers = [torch.nn.ModuleDict({name: torch.nn.Linear(1, 1)}) for name in ("a", "b")]
    layers[1]["b"].load_state_dict(layers[0]["a"].state_dict())
    assert weights_hash(layers[0]) != weights_hash(layers[1])  # the same numbers under other names


def test_a_model_that_cannot_be_loaded_is_refused_with_its_name(tmp_path):
    with pytest.raises(TglError, match="nowhere"):
        load_model(tmp_path / "nowhere")
    model = tiny_model()
    model.config.save_pretrained(tmp_path)
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")  # a pickle is never read
    with pytest.raises(TglError, match="safetensors"):
        load_model(tmp_path)


def test_changes_are_the_largest_of_each_unit():
    model = tiny_model()
    units = sublayers(model)
    before = snapshot(units)
    with torch.no_grad():
        model.transformer.h[0].mlp.c_fc.bias[3] += 0.5
        model.transformer.h[0].mlp.c_proj.bias[1] -= 0.75
    found = max_changes(units, before)
    assert found[RANKED[1]] == pytest.approx(0.75)
    assert {name for name, change in found.items() if change} == {RANKED[1]}


def test_a_snapshot_does_not_follow_the_model():
    model = tiny_model()
    before = snapshot(sublayers(model))
    kept = parameters_of(model)
    with torch.no_grad():
        model.transformer.wte.weight.add_(1)
    assert all(torch.equal(before[name], value) for name, value in kept.items())
    assert before.keys() == kept.keys()


def test_frozen_proof_passes_on_untouched_and_raises_on_the_smallest_change():
    model = tiny_model()
    units = {unit.name: unit for unit in sublayers(model)}
    before = snapshot(units.values())
    with torch.no_grad():
        model.transformer.h[0].attn.c_attn.weight.add_(1)  # trained, so no matter
    frozen = [units[RANKED[3]], units[EMBEDDING]]
    prove_frozen(frozen, before)
    with torch.no_grad():
        weight = model.transformer.wte.weight
        weight[7, 7] = torch.nextafter(weight[7, 7], torch.tensor(10.0))
    with pytest.raises(TglError, match=r"'transformer\.wte\.weight' of the frozen sublayer 'embedding'"):
        prove_frozen(frozen, before)


@pytest.mark.parametrize("damage", ["cut", "flipped", "gone"])
def test_damaged_weights_are_refused_by_name(tmp_path, damage):
    save_model(tiny_model(), tiny_tokenizer(), tmp_path / "model")
    path = tmp_path / "model" / "model.safetensors"
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[-5] ^= 1
    path.write_bytes(content[:-100] if damage == "cut" else content)
    if damage == "gone":
        path.unlink()
    with pytest.raises(TglError, match=r"model\.safetensors: damaged or replaced: .*Give an undamaged file"):
        load_model(tmp_path / "model")


def test_a_model_without_a_checksum_is_loaded(tmp_path):
    save_model(tiny_model(seed=4), tiny_tokenizer(), tmp_path / "model")
    (tmp_path / "model" / "model.safetensors.sha256").unlink()
    assert same(load_model(tmp_path / "model"), tiny_model(seed=4))


def test_weights_are_staged_next_to_their_target_and_never_in_the_temporary_folder(tmp_path, monkeypatch):
    tokenizer = tiny_tokenizer()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "full"))
    save_model(tiny_model(seed=4), tokenizer, tmp_path / "models" / "one")
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["one"]
    assert same(load_model(tmp_path / "models" / "one"), tiny_model(seed=4))


def test_a_save_that_fails_leaves_the_checkpoint_before_and_nothing_else(tmp_path, monkeypatch):
    save_model(tiny_model(seed=4), tiny_tokenizer(), tmp_path / "models" / "one")
    broken = tiny_model(seed=5)
    monkeypatch.setattr(
        broken, "save_pretrained", lambda *_, **__: (_ for _ in ()).throw(OSError("disk full"))
    )
    with pytest.raises(OSError, match="disk full"):
        save_model(broken, tiny_tokenizer(), tmp_path / "models" / "one")
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["one"]
    assert same(load_model(tmp_path / "models" / "one"), tiny_model(seed=4))


def test_a_checkpoint_is_copied_in_pieces(tmp_path, monkeypatch):
    save_model(tiny_model(seed=4), tiny_tokenizer(), tmp_path / "one")
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail(f"{path} is read whole"))
    copy_model(tmp_path / "one", tmp_path / "two")
    assert same(load_model(tmp_path / "two"), tiny_model(seed=4))
