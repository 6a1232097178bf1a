"""Shapes of a model that cannot work are refused; all others make a model."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.config.config_problems import problems
from tgl.config.check import load_config
from tgl.core.config_check import load_section
from tgl.core.errors import TglError
from tgl.models.settings import ModelConfig


@pytest.mark.parametrize(
    ("shape", "word"),
    [
        ({"architecture": "llama", "hidden_size": 15, "heads": 3}, "even size"),
        ({"architecture": "llama", "hidden_size": 10, "heads": 3}, "not a multiple"),
        ({"architecture": "gpt2", "hidden_size": 10, "heads": 3}, "not a multiple"),
        ({"architecture": "gpt_neo", "hidden_size": 4, "heads": 8}, "not a multiple"),
    ],
)
def test_heads_that_cannot_work_are_refused_in_the_whole_and_in_the_section(shape, word):
    (line,) = problems({"model": shape})
    assert line.startswith("  - model.hidden_size: ")
    assert word in line
    with pytest.raises(TglError, match=rf"- hidden_size: .*{word}"):
        load_section(ModelConfig, str(shape).replace("'", '"'))
    with pytest.raises(ValueError, match=word):
        ModelConfig(**shape)


@pytest.mark.parametrize("architecture", ["mamba", "tgl_gru"])
def test_models_without_attention_have_no_heads_to_fit(architecture):
    config = load_config({"model": {"architecture": architecture, "hidden_size": 15, "heads": 4}})
    assert config.model.num_sublayers == 6


@settings(deadline=None)
@given(st.sampled_from(["gpt2", "gpt_neo", "llama"]), st.integers(4, 40), st.integers(1, 8))
def test_every_accepted_shape_makes_a_model(architecture, hidden, heads):
    from tgl.models.architecture import architecture_config

    fits = hidden % heads == 0 and (architecture != "llama" or hidden // heads % 2 == 0)
    raw = {"architecture": architecture, "hidden_size": hidden, "heads": heads, "layers": 1}
    if not fits:
        assert problems({"model": raw})
        return
    config = load_config({"model": raw}).model
    found = architecture_config(config, 300, 16, end_token=0)
    assert found.hidden_size // found.num_attention_heads * heads == hidden
