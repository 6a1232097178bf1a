"""Llama. The gated MLP is 8/3 times as wide as the model, rounded up to a multiple of 8."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tgl.models.architecture import Architecture, BlockLayout, Shape, heads_divide

if TYPE_CHECKING:
    from transformers import PretrainedConfig

    from tgl.models.settings import ModelConfig


def config(shape: Shape) -> PretrainedConfig:
    """Return the configuration of a shape."""
    from transformers import LlamaConfig

    return LlamaConfig(
        **shape.shared,
        max_position_embeddings=shape.block_size,
        hidden_size=shape.hidden,
        intermediate_size=-(-8 * shape.hidden // 24) * 8,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
    )


def problems(settings: ModelConfig) -> Iterator[str]:
    """Yield the problems that prevent building a shape."""
    yield from (found := list(heads_divide(settings)))
    size = settings.hidden_size // settings.heads
    if not found and size % 2:
        yield (
            f"hidden_size: {settings.hidden_size} with heads {settings.heads} gives heads of size {size}; expected an "
            "even size, because llama's rotary positions rotate pairs"
        )


LAYOUT = BlockLayout(
    "model.layers",
    "model.norm",
    {"attention": ("input_layernorm", "self_attn"), "mlp": ("post_attention_layernorm", "mlp")},
)
ARCHITECTURE = Architecture(config, LAYOUT, problems)
