import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.models.k_adapter.models import adapted
from tests.support.model_fixtures import tiny_model
from tgl.core.errors import TglError
from tgl.models.sublayers import block_modules
from tgl.profiling.estimate import Estimate, estimate

GIB = 2**30


def of(model, lengths, **changes):
    return estimate(model, lengths, **({"dtype": torch.float32, "stream": False, "twin": False} | changes))


@pytest.fixture(scope="module")
def shell():
    model = tiny_model("llama", seed=3)
    with torch.device("meta"):
        return type(model)(model.config)


def test_memory_is_that_of_weights_gradients_and_a_batch(shell):
    count = sum(p.numel() for p in shell.parameters())
    found = of(shell, [(10, 3)])
    assert found.weights == 4 * count
    assert found.gradients == 2 * 4 * count
    assert found.batch > 10 * 4
    assert found.total == found.weights + found.gradients + found.batch
    half = of(shell, [(10, 3)], dtype=torch.bfloat16)
    assert half.weights == 2 * count
    assert half.gradients == found.gradients  # Sums are in fp32.


def test_on_disk_only_two_blocks_count(shell):
    blocks = [sum(p.numel() for p in block.parameters()) for block in block_modules(shell)]
    count = sum(p.numel() for p in shell.parameters())
    found = of(shell, [(10, 3)], stream=True)
    assert found.weights == 4 * (count - sum(blocks) + 2 * max(blocks))
    assert found.gradients == 0


def test_weights_that_are_in_memory_do_not_count():
    assert of(tiny_model("llama", seed=3), [(10, 3)]).weights == 0


def test_time_grows_with_tokens_and_doubles_with_a_twin(shell, monkeypatch):
    monkeypatch.setattr("tgl.profiling.estimate.matrix_speed", lambda dtype, device: 1e9)
    one, many = of(shell, [(10, 3)]).seconds, of(shell, [(10, 3)] * 7).seconds
    assert many == pytest.approx(7 * one)
    assert of(shell, [(10, 3)], twin=True).seconds == pytest.approx(2 * one)
    assert of(shell, [(10, 3)], stream=True, twin=True).seconds == pytest.approx(one * 8 / 6)


def test_the_speed_of_this_machine_is_measured(shell):
    assert 0 < of(shell, [(10, 3)]).seconds < 60


@given(
    st.integers(0, 10**13), st.integers(0, 10**13), st.integers(0, 10**13), st.none() | st.integers(0, 10**13)
)
def test_weights_and_gradients_must_fit(weights, gradients, batch, available):
    found = Estimate(weights, gradients, batch, 3.0, available)
    if available is not None and weights + gradients > available:
        with pytest.raises(TglError, match=r"Read the blocks from disk with --stream, or use --dtype bf16"):
            found.check()
    else:
        found.check()


def test_the_line_says_what_needs_memory_and_how_long_it_takes():
    line = Estimate(2 * GIB, GIB, GIB // 2, 90, 8 * GIB).line()
    assert line == (
        "estimate: 3.50 GiB of memory (2.00 for weights, 1.00 for gradients, 0.50 for a batch), of 8.00 GiB "
        "available; about 90 s"
    )
    assert Estimate(0, 0, GIB, None, None).line() == "estimate: 1.00 GiB of memory (1.00 for a batch)"


def test_a_model_with_k_adapters_has_the_blocks_of_its_base():
    base = tiny_model("gpt2")
    model = adapted(base)
    assert block_modules(model) == block_modules(model.base)
    assert of(model, [(10, 3)]).batch > 0
