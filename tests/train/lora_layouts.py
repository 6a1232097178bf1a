"""Models of every layout of attention that LoRA knows, and their queries, keys and values, as plain functions."""

import copy

import torch
from transformers import AutoModelForCausalLM, Phi3Config

from tests.support.model_fixtures import BLOCK, VOCABULARY, tiny_model

# Two query heads of eight over one key head: the fused matrix has 16 rows of query, 8 of key, 8 of value.
PHI3 = Phi3Config(
    vocab_size=VOCABULARY, max_position_embeddings=BLOCK, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
    num_key_value_heads=1, intermediate_size=32, bos_token_id=0, eos_token_id=0, pad_token_id=0,
)  # fmt: skip
KINDS = ["gpt2", "gpt_neo", "gpt_neox", "llama", "qwen2", "opt", "phi3"]
FUSED = {"gpt2": "c_attn", "gpt_neox": "query_key_value", "phi3": "qkv_proj"}


def model_of(kind, seed=0):
    if kind != "phi3":
        return tiny_model(kind, seed)
    torch.manual_seed(seed)
    return AutoModelForCausalLM.from_config(copy.deepcopy(PHI3)).eval()


def by_role(kind, name, matrix):
    """Return the rows of a projection's output [out, any], by role: q, k, v; nothing for another parameter."""
    if name.endswith((".q_proj", ".k_proj", ".v_proj")):
        return {name[-6]: matrix}
    if kind not in FUSED or not name.endswith(FUSED[kind]):
        return {}
    if kind == "gpt2":
        return dict(zip("qkv", matrix.reshape(3, 16, -1), strict=True))
    if kind == "gpt_neox":  # two heads of eight, each with query, key and value
        heads = matrix.reshape(2, 3, 8, -1)
        return {role: heads[:, number].reshape(16, -1) for number, role in enumerate("qkv")}
    return {"q": matrix[:16], "k": matrix[16:24], "v": matrix[24:]}


def weights_by_role(kind, parameters):
    """Return {(projection, role): weight [rows, in]} of a model's projections, and all other parameters by name."""
    found, rest = {}, {}
    for name, value in parameters.items():
        projection, _, leaf = name.rpartition(".")
        turned = value.T if kind == "gpt2" and value.dim() == 2 else value  # Conv1D holds [in, out]
        roles = by_role(kind, projection, turned) if leaf == "weight" else {}
        found |= {(projection, role): rows for role, rows in roles.items()}
        if not roles:
            rest[name] = value
    return found, rest


def rank_of(matrix):
    """Return how many singular values are more than the rounding of a sum in fp32."""
    values = torch.linalg.svdvals(matrix.double())
    return int((values > 1e-4 * values[0]).sum()) if values[0] > 1e-7 else 0


def projections(adapted):
    """Return (name, layer) of the projections with adapters."""
    return [(name, m) for name, m in adapted.base_model.model.named_modules() if hasattr(m, "lora_A")]
