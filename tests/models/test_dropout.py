import pytest
from transformers import GPT2Config, GPT2LMHeadModel

from tests.support.model_fixtures import tiny_model
from tgl.models.dropout import has_dropout


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),  # 0.1 in three places
        ({"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}, False),
        ({"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.2}, True),
    ],
)
def test_dropout_is_found_in_the_configuration(changes, expected):
    config = GPT2Config(n_layer=1, n_head=1, n_embd=8, vocab_size=16, n_positions=8, **changes)
    assert has_dropout(GPT2LMHeadModel(config)) is expected


def test_a_model_from_scratch_has_none():
    assert not has_dropout(tiny_model())
