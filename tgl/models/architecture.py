"""Architectures: how to create a model from scratch, and where its sublayers are.

An architecture is a module of `tgl.models.architectures` with the attribute `ARCHITECTURE`, or an entry point
"tgl.architectures" of another package. Its name is the `model_type` of its configurations. The modules import
transformers inside their functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tgl.core.registry import Registry

if TYPE_CHECKING:
    from transformers import PretrainedConfig

    from tgl.models.settings import ModelConfig


@dataclass(frozen=True)
class BlockLayout:
    """Where the sublayers of a model are.

    Attributes:
        blocks: Path of the list of blocks.
        norm: Path of the norm after the blocks. "": the architecture does not support adapters.
        parts: The children of a block by sublayer. The last child of a sublayer adds to the residual stream.
        outside: Children of a block that belong to the unit `embedding`.
    """

    blocks: str
    norm: str
    parts: Mapping[str, tuple[str, ...]]
    outside: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shape:
    """The shape of a model from scratch.

    Attributes:
        hidden: Hidden size.
        layers: Number of blocks.
        heads: Attention heads of a block.
        vocab_size: Number of token ids.
        block_size: Number of positions, in tokens.
        end_token: Id of the end-of-text token.
    """

    hidden: int
    layers: int
    heads: int
    vocab_size: int
    block_size: int
    end_token: int

    @property
    def shared(self) -> dict[str, object]:
        """Return the settings that all configurations share: vocabulary, special tokens, tied embeddings."""
        return {
            "vocab_size": self.vocab_size,
            "bos_token_id": self.end_token,
            "eos_token_id": self.end_token,
            "pad_token_id": None,
            "tie_word_embeddings": True,
        }


def _no_problems(settings: ModelConfig) -> Iterator[str]:
    yield from ()


@dataclass(frozen=True)
class Architecture:
    """One architecture.

    Attributes:
        config: Returns the configuration of a model with a given shape, without dropout.
        layout: Where the sublayers are.
        problems: Yields the problems that prevent building a configured shape. Each begins with a key.
        register: Registers the classes with transformers' Auto classes. None for the architectures of transformers.
    """

    config: Callable[[Shape], PretrainedConfig]
    layout: BlockLayout
    problems: Callable[[ModelConfig], Iterator[str]] = field(default=_no_problems)
    register: Callable[[], None] | None = None

    @property
    def has_attention(self) -> bool:
        """Whether the blocks have a sublayer `attention`."""
        return "attention" in self.layout.parts


ARCHITECTURES = Registry(
    "architecture", "architectures", "tgl.models.architectures", "ARCHITECTURE", Architecture
)


def architecture_config(
    settings: ModelConfig, vocab_size: int, block_size: int, *, end_token: int
) -> PretrainedConfig:
    """Return the transformers configuration of a model from scratch, without dropout and with tied embeddings.

    Args:
        settings: Architecture and shape.
        vocab_size: Number of token ids.
        block_size: Number of positions, in tokens.
        end_token: Id of the end-of-text token.
    """
    architecture = ARCHITECTURES.get(settings.architecture)
    if architecture.register:
        architecture.register()
    shape = Shape(
        hidden=settings.hidden_size,
        layers=settings.layers,
        heads=settings.heads,
        vocab_size=vocab_size,
        block_size=block_size,
        end_token=end_token,
    )
    return architecture.config(shape)


def heads_divide(settings: ModelConfig) -> Iterator[str]:
    """Yield a problem if the hidden size is not a multiple of the number of heads."""
    if settings.hidden_size % settings.heads:
        yield f"hidden_size: {settings.hidden_size} is not a multiple of heads {settings.heads}; expected a multiple"
