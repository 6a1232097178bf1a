"""StarCoder2 from scratch: rotary positions, LayerNorm, an MLP four times as wide as the model."""

from tgl.models.architecture import Architecture, BlockLayout, Shape, heads_divide


def config(shape: Shape):
    """Return the configuration of a shape."""
    from transformers import Starcoder2Config

    return Starcoder2Config(
        **shape.shared,
        max_position_embeddings=shape.block_size,
        hidden_size=shape.hidden,
        intermediate_size=4 * shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
    )


PARTS = {"attention": ("input_layernorm", "self_attn"), "mlp": ("post_attention_layernorm", "mlp")}
ARCHITECTURE = Architecture(config, BlockLayout("model.layers", "model.norm", PARTS), heads_divide)
