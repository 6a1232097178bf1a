import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoConfig, AutoModelForCausalLM

from tests.support.model_fixtures import VOCABULARY, sharp_model, tiny_model, tiny_tokenizer
from tgl.models.checkpoint import load_model, random_twin, save_model
from tgl.models.gru import GruConfig, GruForCausalLM

IDS = torch.tensor([[5, 17, 200, 3, 41, 8]])


def test_a_saved_model_is_loaded_by_the_auto_classes_as_it_was(tmp_path):
    model = sharp_model("tgl_gru", seed=3)
    save_model(model, tiny_tokenizer(), tmp_path)
    assert isinstance(AutoConfig.from_pretrained(tmp_path), GruConfig)
    for loaded in (load_model(tmp_path), AutoModelForCausalLM.from_pretrained(tmp_path)):
        assert isinstance(loaded, GruForCausalLM)
        assert not loaded.training
        # To rounding: on some processors it depends on where in memory a tensor lies.
        torch.testing.assert_close(loaded(IDS).logits, model(IDS).logits, rtol=1e-4, atol=1e-4)
        found, expected = dict(loaded.named_parameters()), dict(model.named_parameters())
        assert set(found) == set(expected)
        assert all(torch.equal(found[name], expected[name]) for name in expected)
        assert loaded.config.max_position_embeddings == 32


def test_the_head_is_tied_to_the_embedding_also_after_loading(tmp_path):
    model = tiny_model("tgl_gru")
    save_model(model, tiny_tokenizer(), tmp_path)
    for tied in (model, load_model(tmp_path), random_twin(model.config, 5)):
        assert tied.get_output_embeddings().weight is tied.get_input_embeddings().weight
        assert "lm_head.weight" not in dict(tied.named_parameters())
        assert tied.get_output_embeddings().weight.shape == (VOCABULARY, 16)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(0, VOCABULARY - 1), min_size=2, max_size=12), st.data())
def test_a_later_token_changes_no_earlier_logits(ids, data):
    model = sharp_model("tgl_gru")
    place = data.draw(st.integers(1, len(ids) - 1))
    changed = [*ids[:place], (ids[place] + 1) % VOCABULARY, *ids[place + 1 :]]
    with torch.no_grad():
        before, after = (model(torch.tensor([tokens])).logits[0] for tokens in (ids, changed))
    assert torch.equal(before[:place], after[:place])
    assert not torch.allclose(before[place], after[place])


def test_an_earlier_token_changes_all_later_logits():
    model = sharp_model("tgl_gru")
    changed = IDS.clone()
    changed[0, 0] = 6
    with torch.no_grad():
        difference = (model(IDS).logits - model(changed).logits).abs().amax(-1)[0]
    assert (difference > 0).all()


def test_the_examples_of_a_batch_do_not_see_each_other():
    model, other = sharp_model("tgl_gru"), torch.tensor([[9, 9, 9, 9, 9, 9]])
    with torch.no_grad():
        together = model(torch.cat([IDS, other])).logits
        assert torch.allclose(together[:1], model(IDS).logits, atol=1e-6)
        assert torch.allclose(together[1:], model(other).logits, atol=1e-6)


def test_weights_are_drawn_anew_by_the_seed_and_recurrent_ones_are_orthogonal():
    one, same, other = (tiny_model("tgl_gru", seed).blocks[0].gru for seed in (0, 0, 1))
    assert torch.equal(one.weight_hh_l0, same.weight_hh_l0)
    assert not torch.equal(one.weight_hh_l0, other.weight_hh_l0)
    assert torch.allclose(one.weight_hh_l0.T @ one.weight_hh_l0, torch.eye(16), atol=1e-5)
    assert one.bias_ih_l0.abs().sum() == 0


def test_each_block_adds_to_the_residual_stream():
    model = tiny_model("tgl_gru")
    with torch.no_grad():
        for block in model.blocks:
            for parameter in block.gru.parameters():
                parameter.zero_()  # a GRU of zeros returns zeros
        expected = model.lm_head(model.norm(model.embeddings(IDS)))
        assert torch.allclose(model(IDS).logits, expected)


@pytest.mark.parametrize("layers", [1, 3])
def test_the_configuration_sets_the_shape(layers):
    model = AutoModelForCausalLM.from_config(
        GruConfig(vocab_size=50, hidden_size=8, num_hidden_layers=layers)
    )
    assert len(model.blocks) == layers
    assert model(torch.tensor([[1, 2, 3]])).logits.shape == (1, 3, 50)
