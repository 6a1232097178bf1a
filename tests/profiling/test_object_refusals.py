"""Objects and arguments that cannot be measured are refused."""

import pytest
import torch
from torch import nn
from transformers import BertConfig, BertModel, XLNetConfig, XLNetLMHeadModel

from tests.profiling.profiled_objects import profiled
from tests.support.model_fixtures import VOCABULARY, some_probes, tiny_model
from tgl.core.errors import TglError


def test_a_model_made_in_inference_mode_is_refused():
    with torch.inference_mode():
        model = tiny_model()
    with pytest.raises(TglError, match=r"was created in torch\.inference_mode"):
        profiled(model)


def strange_objects():
    quantised = tiny_model()
    quantised.transformer.wte.weight = nn.Parameter(
        torch.zeros(VOCABULARY, 16, dtype=torch.uint8), requires_grad=False
    )
    return {
        "meta": (
            tiny_model().to("meta"),
            "'transformer.wte.weight' is on the device 'meta' and has no values",
        ),
        "uint8": (quantised, "'transformer.wte.weight' is of type torch.uint8, expected floating-point"),
        "module": (nn.Linear(2, 2), "model: found Linear, expected a folder"),
        "number": (3, "model: found int"),
        "None": (None, "model: found NoneType"),
        "class": (BertModel, "model: found type"),
    }


@pytest.mark.parametrize("case", ["meta", "uint8", "module", "number", "None", "class"])
def test_what_cannot_be_measured_is_refused(case):
    model, words = strange_objects()[case]
    with pytest.raises(TglError, match=words):
        profiled(model)


@pytest.mark.parametrize("probes", ["gone.jsonl", [{"text": 3}], some_probes()])
def test_an_object_that_sees_what_stands_to_the_right_is_refused_first(probes):
    config = XLNetConfig(vocab_size=VOCABULARY, d_model=16, n_layer=3, n_head=2, d_inner=32)
    with pytest.raises(TglError, match="'xlnet' predicts a token from the text to its right"):
        profiled(XLNetLMHeadModel(config), probes=probes, corpus="gone.txt")


def test_a_model_without_a_head_is_refused():
    config = BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
    )
    with pytest.raises(TglError, match="BertModel has no output head over the vocabulary"):
        profiled(BertModel(config))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"settings": {"examples": 4}}, "settings: found {'examples': 4}"),
        ({"tokenizer": "gpt2"}, "tokenizer: found 'gpt2'"),
        ({"period": 20200101}, "period: found 20200101, expected a text"),
        ({"seed": -1}, "seed: found -1, expected a whole number from 0 to"),
        ({"seed": 1.0}, r"seed: found 1\.0"),
        ({"seed": True}, "seed: found True"),
        ({"seed": None}, "seed: found None"),
    ],
)
def test_arguments_of_a_wrong_kind_are_refused(changes, words):
    with pytest.raises(TglError, match=words):
        profiled(tiny_model(), **changes)
