"""The positions of the sublayers in transformers' architectures, by `model_type`."""

from __future__ import annotations

from tgl.models.architecture import BlockLayout
from tgl.models.architectures import gpt2, gpt_neo, llama, mamba, tgl_gru

_LLAMA, _MAMBA = llama.LAYOUT, mamba.LAYOUT

LAYOUTS: dict[str, BlockLayout] = {
    "gpt2": gpt2.LAYOUT,
    "gpt_neo": gpt_neo.LAYOUT,
    "gpt_neox": BlockLayout(
        "gpt_neox.layers",
        "gpt_neox.final_layer_norm",
        {**_LLAMA.parts, "attention": ("input_layernorm", "attention")},
    ),
    **dict.fromkeys(
        ("llama", "mistral", "gemma", "granite", "olmo", "phi3", "qwen2", "qwen3", "smollm3", "stablelm"),
        _LLAMA,
    ),
    "olmo2": BlockLayout(  # Its norms come after the module that they belong to.
        "model.layers",
        "model.norm",
        {
            "attention": ("self_attn", "post_attention_layernorm"),
            "mlp": ("mlp", "post_feedforward_layernorm"),
        },
    ),
    "opt": BlockLayout(
        "model.decoder.layers",
        "model.decoder.final_layer_norm",
        {"attention": ("self_attn_layer_norm", "self_attn"), "mlp": ("final_layer_norm", "fc1", "fc2")},
    ),
    **dict.fromkeys(("mamba", "mamba2", "falcon_mamba"), _MAMBA),
    "rwkv": BlockLayout(
        "rwkv.blocks",
        "",  # No adapters: in evaluation mode RWKV halves its residual stream between blocks.
        {"sequence_mixer": ("ln1", "attention"), "channel_mixer": ("ln2", "feed_forward")},
        outside=("pre_ln",),  # This norm acts on the embeddings.
    ),
    "tgl_gru": tgl_gru.LAYOUT,
}
