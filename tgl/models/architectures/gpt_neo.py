"""GPT-Neo. Global and local attention alternate; local attention covers a quarter of the block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tgl.models.architecture import Architecture, BlockLayout, Shape, heads_divide

if TYPE_CHECKING:
    from transformers import PretrainedConfig


def config(shape: Shape) -> PretrainedConfig:
    """Return the configuration of a shape; the MLP is four times as wide as the model."""
    from transformers import GPTNeoConfig

    pairs, odd = divmod(shape.layers, 2)
    return GPTNeoConfig(
        **shape.shared,
        max_position_embeddings=shape.block_size,
        hidden_size=shape.hidden,
        num_layers=shape.layers,
        num_heads=shape.heads,
        attention_types=[[["global", "local"], pairs]] * (pairs > 0) + [[["global"], 1]] * odd,
        window_size=max(1, shape.block_size // 4),
        resid_dropout=0.0,
        embed_dropout=0.0,
        attention_dropout=0.0,
    )


LAYOUT = BlockLayout(
    "transformer.h", "transformer.ln_f", {"attention": ("ln_1", "attn"), "mlp": ("ln_2", "mlp")}
)
ARCHITECTURE = Architecture(config, LAYOUT, heads_divide)
