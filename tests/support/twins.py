"""Tiny models with random weights of every type behind AutoModelForCausalLM, built from the installed transformers.

A twin has a type's own default configuration with small sizes. It keeps everything else: kinds of blocks, norms,
experts, multipliers.
"""

from __future__ import annotations

import contextlib
import io
import warnings

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

TYPES = sorted(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)

# Small values of the settings of size. A setting that a type does not have is ignored.
_SIZES = {
    4: (
        "num_hidden_layers n_layer n_layers num_layers decoder_layers encoder_layers num_blocks "
        "num_attention_heads n_head n_heads num_heads decoder_attention_heads encoder_attention_heads "
        "num_key_value_heads num_experts num_local_experts n_routed_experts moe_num_experts "
        "d_conv conv_kernel mamba_d_conv linear_conv_kernel_dim conv_kernel_size mamba_n_heads "
        "linear_num_value_heads state_size mamba_d_state ssm_state_size time_step_rank mamba_dt_rank "
        "mamba_num_heads num_attention_heads_per_layer"
    ),
    2: (
        "num_experts_per_tok moe_topk moe_k top_k num_experts_per_token n_group topk_group num_kv_shared_layers "
        "linear_num_key_heads index_n_heads mamba_n_groups n_groups first_k_dense_replace zero_expert_num"
    ),
    1: "n_shared_experts num_shared_experts num_codebooks",
    8: (
        "head_dim qk_rope_head_dim qk_nope_head_dim v_head_dim q_lora_rank kv_lora_rank rotary_dim mamba_d_head "
        "mamba_head_dim linear_key_head_dim linear_value_head_dim index_head_dim global_head_dim o_lora_rank "
        "hidden_size_per_layer_input swa_head_dim kv_channels attention_head_dim mamba_chunk_size chunk_size"
    ),
    16: "qk_head_dim moe_intermediate_size expert_ffn_hidden_size decoder_ffn_dim encoder_ffn_dim ffn_dim mixer_size",
    32: (
        "hidden_size d_model n_embd embedding_size dim word_embed_proj_dim intermediate_size ffn_hidden_size "
        "shared_expert_intermediate_size shared_intermediate_size n_inner d_inner moe_ffn_hidden_size "
        "attention_hidden_size lru_width dim_ff mlp_dim intermediate_size_mlp dense_intermediate_size"
    ),
    64: (
        "index_topk max_position_embeddings n_positions n_ctx block_size vocab_size vocab_size_per_layer_input "
        "attention_window sliding_window max_sequence_length max_seq_len original_max_position_embeddings"
    ),
}  # fmt: skip
SIZES = {name: size for size, names in _SIZES.items() for name in names.split()}


# What a type needs beyond small sizes: settings without a default, sizes under names of its own, causal masks.
_DECODER = {"is_decoder": True}
_SPECIAL = {
    **dict.fromkeys(
        "bert bert-generation big_bird camembert data2vec-text electra ernie megatron-bert rembert roberta "
        "roberta-prelayernorm roformer xlm-roberta xlm-roberta-xl".split(),
        _DECODER,
    ),
    "bailing_hybrid": {"num_expert_group": 1, "topk_group": 1, "linear_num_heads": 4, "linear_head_dim": 8},
    "bamba": {"mamba_n_heads": 8, "attn_layer_indices": [1, 3]},
    "big_bird": {**_DECODER, "attention_type": "original_full"},
    "deepseek_v2": {"num_experts_per_tok": 2},
    "dots1": {
        "n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16, "n_shared_experts": 1,
    },
    "falcon_h1": {"mamba_d_ssm": 32},
    "gpt_neo": {"attention_types": [[["global", "local"], 2]]},
    "granitemoehybrid": {"mamba_n_heads": 8},
    "hunyuan_v1_dense": {"head_dim": 8},
    "hunyuan_v1_moe": {"head_dim": 8},
    "lfm2_moe": {"layer_types": ["conv", "full_attention", "conv", "full_attention"]},
    "mamba2": {"num_heads": 8},
    "mimo_v2_flash": {"n_routed_experts": 4},
    "ministral": {"head_dim": 8},
    "nemotron": {"num_key_value_heads": 4},
    "reformer": {
        **_DECODER, "axial_pos_shape": [8, 8], "axial_pos_embds_dim": [16, 16], "attention_head_size": 8,
        "feed_forward_size": 16, "lsh_attn_chunk_length": 4, "local_attn_chunk_length": 4, "num_buckets": 2,
    },
    "roc_bert": {
        **_DECODER, "pronunciation_embed_dim": 8, "shape_embed_dim": 8, "shape_vocab_size": 64,
        "pronunciation_vocab_size": 64,
    },
    "xlm": {"causal": True, "emb_dim": 32},
    "xlnet": {"attn_type": "uni", "d_head": 8},
    "xlstm": {"embedding_dim": 32, "chunk_size": 4},
    "zamba": {
        "layers_block_type": ["linear_attention", "hybrid"] * 2, "attention_hidden_size": 64,
        "attention_head_dim": 16,
    },
    "zamba2": {
        "layers_block_type": ["linear_attention", "hybrid"] * 2, "hybrid_layer_ids": [1, 3], "mamba_headdim": 8,
        "attention_hidden_size": 64,
        "attention_head_dim": 16,
    },
    "xmod": {**_DECODER, "default_language": "en_XX"},
}  # fmt: skip


def twin(kind: str, seed: int = 0) -> PreTrainedModel:
    """Return a tiny model of a type in evaluation mode, in double precision.

    Raises:
        Exception: The type cannot be built this way.
    """
    config = tiny_config(kind)
    torch.manual_seed(seed)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        with torch.device("meta"):
            size = sum(p.numel() for p in AutoModelForCausalLM.from_config(config).parameters())
        if size > 5_000_000:
            raise ValueError(f"the twin has {size:,} parameters")
        # Grouped products of experts exist in single precision only.
        model = AutoModelForCausalLM.from_config(
            config, attn_implementation="eager", experts_implementation="eager"
        )
    return model.double().eval()


def tiny_config(kind: str) -> PreTrainedConfig:
    """Return a type's default configuration with small sizes."""
    config = AutoConfig.for_model(kind)
    return type(config).from_dict(_tiny(config) | _SPECIAL.get(kind, {}))


def _tiny(config: PreTrainedConfig) -> dict:
    settings = config.to_dict()
    depth = next((settings[name] for name in _DEPTH if isinstance(settings.get(name), int)), 0)
    layers = _layers(settings, depth)
    return {name: _small(config, name, value, depth, layers) for name, value in settings.items()}


_DEPTH = ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "decoder_layers")


def _layers(settings: dict, depth: int) -> list[int]:
    """Return the numbers of four layers that are kept, one of each kind first."""
    lists = [value for value in settings.values() if isinstance(value, list) and len(value) == depth]
    kinds = [str([value[n] for value in lists]) for n in range(depth)]
    firsts = sorted({kind: n for n, kind in reversed(list(enumerate(kinds)))}.values())[:4]
    return sorted(firsts + [n for n in range(depth) if n not in firsts][: 4 - len(firsts)])


def _small(config: PreTrainedConfig, name: str, value: object, depth: int, layers: list[int]) -> object:
    own = vars(config).get(name)
    if isinstance(own, PreTrainedConfig):
        return _tiny(own)
    if name == "per_layer_config" and value:
        values = {int(n): of_layer for n, of_layer in value.items()}
        return {
            new: {key: _small(config, key, of_layer, 0, []) for key, of_layer in values[old].items()}
            for new, old in enumerate(layers)
            if old in values
        }
    if isinstance(value, list) and depth and len(value) == depth:
        return [_small(config, name, value[n], 0, []) for n in layers]
    if not isinstance(value, int) or isinstance(value, bool):
        return value
    if name.endswith(("token_id", "token_index")):
        return min(value, 2)
    return min(value, SIZES[name]) if name in SIZES and value > 0 else value
