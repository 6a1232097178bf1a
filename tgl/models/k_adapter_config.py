"""The configuration of a model with K-Adapter: the base model and the shape of its adapters."""

from __future__ import annotations

from dataclasses import field

from transformers import AutoConfig, PretrainedConfig

# Other code expects these attributes in the configuration of a causal model.
_OF_BASE = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "max_position_embeddings",
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
    "tie_word_embeddings",
)


class KAdapterModelConfig(PretrainedConfig):
    """The configuration of a base model and the shape of its adapters.

    Attributes:
        base: The base model's configuration with its model_type. Vocabulary, size, positions and special tokens are
            copied from it.
        blocks: Numbers of the blocks that have an adapter, ascending.
        layers: Transformer layers of an adapter.
        width: Width of these layers.
        heads: Attention heads of these layers.
    """

    model_type = "tgl_k_adapter"

    base: dict = field(default_factory=dict)
    blocks: list[int] = field(default_factory=list)
    layers: int = 2
    width: int = 32
    heads: int = 2
    # The adapters keep no keys and values, so each new token is computed from the whole text.
    use_cache: bool = False

    def __post_init__(self, **others: object) -> None:
        super().__post_init__(**others)
        if self.base:  # transformers also creates an empty configuration to find the defaults.
            base = self.base_config()
            for name in _OF_BASE:
                setattr(self, name, getattr(base, name, None))

    def base_config(self) -> PretrainedConfig:
        """Return the base model's configuration."""
        return AutoConfig.for_model(**self.base)
