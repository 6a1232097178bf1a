"""A GRU in residual blocks (`tgl.models.gru`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tgl.models.architecture import Architecture, BlockLayout, Shape

if TYPE_CHECKING:
    from transformers import PretrainedConfig


def config(shape: Shape) -> PretrainedConfig:
    """Return the configuration of a shape."""
    from tgl.models.gru import GruConfig

    return GruConfig(
        **{name: value for name, value in shape.shared.items() if name != "pad_token_id"},
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        max_position_embeddings=shape.block_size,
    )


def register() -> None:
    """Register the GRU with transformers. The import does it."""
    import tgl.models.gru  # noqa: F401


LAYOUT = BlockLayout("blocks", "norm", {"mixer": ("norm", "gru")})
ARCHITECTURE = Architecture(config, LAYOUT, register=register)
