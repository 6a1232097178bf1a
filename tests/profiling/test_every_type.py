"""Every type of causal language model in the installed transformers, as a tiny twin."""

import pytest
import transformers

from tests.support.every_type import PAGE, finite_and_nonzero, lines, outcome
from tests.support.twins import TYPES

pytestmark = pytest.mark.slow
# One of each kind of structure: experts, state space, linear attention, norms behind, parallel, shared blocks, towers.
KINDS = [
    "bamba", "bert", "cohere", "deepseek_v3", "falcon_h1", "gemma3", "gemma3n_text", "glm4", "gpt_oss", "jamba",
    "kimi_linear", "lfm2", "llama4_text", "mixtral", "nemotron_h", "olmo_hybrid", "phi", "qwen3_5", "qwen3_moe",
    "recurrent_gemma", "xlstm", "zamba2",
]  # fmt: skip


@pytest.fixture(autouse=True)
def quiet_transformers():
    before = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    yield
    transformers.logging.set_verbosity(before)


def test_nearly_all_types_are_profiled_and_most_in_batches():
    found = [outcome(kind) for kind in TYPES]
    built = [each for each in found if each.built]
    assert len(built) >= 165
    assert sum(each.profiled for each in built) >= 0.95 * len(built)
    assert sum(each.batched for each in built) >= 0.85 * len(built)


def test_the_page_of_architectures_states_what_was_found():
    assert PAGE.read_text() == "\n".join(lines()) + "\n"


@pytest.mark.parametrize("kind", KINDS)
def test_every_ranked_unit_of_a_kind_of_structure_has_a_gradient(kind):
    assert outcome(kind).profiled
    assert finite_and_nonzero(kind)
