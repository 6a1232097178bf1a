"""GPT-2. The MLP is four times as wide as the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tgl.models.architecture import Architecture, BlockLayout, Shape, heads_divide

if TYPE_CHECKING:
    from transformers import PretrainedConfig


def config(shape: Shape) -> PretrainedConfig:
    """Return the configuration of a shape."""
    from transformers import GPT2Config

    return GPT2Config(
        **shape.shared,
        n_positions=shape.block_size,
        n_embd=shape.hidden,
        n_layer=shape.layers,
        n_head=shape.heads,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        activation_function="gelu_pytorch_tanh",  # This is GPT-2's GELU in one kernel.
    )


LAYOUT = BlockLayout(
    "transformer.h", "transformer.ln_f", {"attention": ("ln_1", "attn"), "mlp": ("ln_2", "mlp")}
)
ARCHITECTURE = Architecture(config, LAYOUT, heads_divide)
