"""Model objects that are no whole causal language model are refused."""

import pytest
import torch
from torch.ao.quantization import quantize_dynamic
from transformers import AutoModelForCausalLM, GPT2Model

from tests.support.model_fixtures import ARCHITECTURES, some_probes, some_tokens, tiny_model, tiny_tokenizer
from tgl.core.errors import TglError
from tgl.models.fit import check_object
from tgl.profiling.profile import profile


def test_a_model_object_without_values_is_refused():
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(ARCHITECTURES["gpt2"])
    with pytest.raises(TglError, match=r"'transformer\.wte\.weight' is on the device 'meta'"):
        profile(model, tokenizer=tiny_tokenizer(), probes=some_probes(), corpus=some_tokens(200))


@pytest.mark.filterwarnings("ignore")
def test_a_quantised_model_object_is_refused():
    model = quantize_dynamic(tiny_model("llama"), {torch.nn.Linear})
    with pytest.raises(TglError, match=r"'model\.layers\.0\.self_attn\.q_proj' is a quantised Linear"):
        profile(model, tokenizer=tiny_tokenizer(), probes=some_probes(), corpus=some_tokens(200))


def test_weights_of_whole_numbers_are_refused():
    model = tiny_model("llama")
    weight = torch.nn.Parameter(torch.ones(32, 16, dtype=torch.int8), requires_grad=False)
    model.model.layers[1].mlp.up_proj.weight = weight
    with pytest.raises(TglError, match=r"'model\.layers\.1\.mlp\.up_proj\.weight' is of type torch\.int8"):
        check_object(model)


def test_a_model_object_without_head_is_refused():
    with pytest.raises(TglError, match="GPT2Model has no output head"):
        check_object(GPT2Model(ARCHITECTURES["gpt2"]))


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_whole_model_objects_pass(kind):
    check_object(tiny_model(kind))
    check_object(tiny_model(kind).to(torch.bfloat16))


def test_what_is_no_model_is_refused():
    with pytest.raises(TglError, match="found Linear, expected a folder, a Hugging Face name or a causal"):
        profile(
            torch.nn.Linear(2, 2), tokenizer=tiny_tokenizer(), probes=some_probes(), corpus=some_tokens(200)
        )
