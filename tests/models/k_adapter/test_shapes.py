import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, OPTConfig

from tests.models.k_adapter.models import adapted
from tests.support.model_fixtures import ARCHITECTURES, tiny_model
from tgl.core.errors import TglError
from tgl.models.k_adapter import spread


@given(st.integers(1, 40), st.integers(0, 40))
def test_adapters_are_spread_evenly_up_to_the_last_block(num_adapters, more):
    found = spread(num_adapters, num_adapters + more)
    steps = [after - before for before, after in zip([-1, *found], found, strict=False)]
    assert len(found) == num_adapters
    assert found[-1] == num_adapters + more - 1
    assert min(steps) >= 1
    assert max(steps) - min(steps) <= 1


def test_spreads_of_known_cases():
    assert spread(3, 12) == [3, 7, 11]
    assert spread(3, 6) == [1, 3, 5]
    assert spread(1, 6) == [5]
    assert spread(2, 2) == [0, 1]
    assert spread(2, 5) == [1, 4]


@pytest.mark.parametrize(("adapters", "blocks"), [(3, 2), (0, 2)])
def test_more_adapters_than_blocks_are_refused(adapters, blocks):
    with pytest.raises(TglError, match=f"found {adapters} adapters for {blocks} blocks"):
        spread(adapters, blocks)


@pytest.mark.parametrize("blocks", [[], [1, 0], [0, 0], [2], [-1, 1]])
def test_blocks_that_do_not_fit_are_refused(blocks):
    with pytest.raises(TglError, match=r"blocks \[.*\]: expected .* from 0 to 1"):
        adapted(tiny_model(), blocks=blocks)


def test_a_width_that_the_heads_do_not_part_is_refused():
    with pytest.raises(TglError, match="width 8 cannot be divided into 3 heads"):
        adapted(tiny_model(), heads=3)


def test_architectures_that_adapters_cannot_stand_beside_are_refused_by_what_was_found():
    with pytest.raises(TglError, match=r"'rwkv'.*rescaled in evaluation mode.*gpt2.*llama"):
        adapted(tiny_model("rwkv"))
    unknown = tiny_model("gpt2")
    unknown.config.model_type = "gpt_bigcode"
    with pytest.raises(TglError, match=r"'gpt_bigcode': K-Adapter does not know its blocks and norm"):
        adapted(unknown)
    with pytest.raises(TglError, match="'tgl_k_adapter': K-Adapter does not know its blocks"):
        adapted(adapted(tiny_model()))
    config = OPTConfig.from_dict(ARCHITECTURES["opt"].to_dict() | {"do_layer_norm_before": False})
    with pytest.raises(TglError, match=r"'opt'.*no norm at 'model\.decoder\.final_layer_norm'"):
        adapted(AutoModelForCausalLM.from_config(config))
