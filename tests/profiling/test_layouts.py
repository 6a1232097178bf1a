"""Each architecture whose blocks are known, also those that share a layout with a more closely tested one."""

import pytest
from transformers import AutoConfig, AutoModelForCausalLM

from tests.support.model_fixtures import ARCHITECTURES, BLOCK, VOCABULARY, some_examples
from tgl.models.layouts import LAYOUTS
from tgl.models.sublayers import sublayers
from tgl.profiling.coverage import cover
from tgl.profiling.norms import check_norms

SHARED = {
    "vocab_size": VOCABULARY, "hidden_size": 16, "num_hidden_layers": 2,
    "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0,
}  # fmt: skip
ATTENTION = {
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": BLOCK,
}
# Mamba returns its logits in float32 whatever the type of the model: float64 cannot be exact there.
STATE_SPACE = {
    "mamba2": {"state_size": 4, "expand": 2, "head_dim": 8, "num_heads": 4, "n_groups": 1, "chunk_size": 8},
    "falcon_mamba": {"state_size": 4, "intermediate_size": 32, "time_step_rank": 4},
}


@pytest.mark.parametrize("kind", sorted(set(LAYOUTS) - set(ARCHITECTURES)))
def test_norms_of_every_other_known_architecture_are_those_of_autograd(kind):
    config = AutoConfig.for_model(kind, **SHARED, **STATE_SPACE.get(kind, ATTENTION))
    model = AutoModelForCausalLM.from_config(config).double()
    units = sublayers(model)
    coverage = cover(model, units)
    assert sum(coverage.num_scalars.values()) == sum(p.numel() for p in model.parameters())
    assert bool(coverage.copied) == (kind in STATE_SPACE)
    assert not coverage.autograd
    limit = 1e-6 if kind in STATE_SPACE else 1e-9
    assert check_norms(model, units, some_examples(2), coverage=coverage) < limit
