"""Mamba. The state-space mixer is twice as wide as the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tgl.models.architecture import Architecture, BlockLayout, Shape

if TYPE_CHECKING:
    from transformers import PretrainedConfig


def config(shape: Shape) -> PretrainedConfig:
    """Return the configuration of a shape."""
    from transformers import MambaConfig

    return MambaConfig(
        **shape.shared, hidden_size=shape.hidden, num_hidden_layers=shape.layers, state_size=16, expand=2
    )


LAYOUT = BlockLayout("backbone.layers", "backbone.norm_f", {"mixer": ("norm", "mixer")})
ARCHITECTURE = Architecture(config, LAYOUT)
