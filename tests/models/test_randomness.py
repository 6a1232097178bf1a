import pytest
from transformers import GPT2Config, GPT2LMHeadModel

from tests.support.model_fixtures import tiny_model
from tests.support.twins import twin
from tgl.models.randomness import draws_random_numbers


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
    assert draws_random_numbers(GPT2LMHeadModel(config)) is expected


def test_a_model_from_scratch_has_none():
    assert not draws_random_numbers(tiny_model())


def test_the_noise_of_a_router_counts():
    model = twin("phimoe")
    assert model.config.router_jitter_noise > 0
    for name in ("attention_dropout", "hidden_dropout"):
        assert not getattr(model.config, name, 0.0)
    assert draws_random_numbers(model)
