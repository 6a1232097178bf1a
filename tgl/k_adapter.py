"""K-Adapter (Wang et al. 2021, arXiv 2002.01808) for causal language models: small transformers beside a frozen one.

After the paper: an adapter stands beside each of a few blocks. It reads the hidden states behind that block,
concatenated with what the adapter before it gave (zeros for the first), and is a projection down, transformer layers
of a small width and a projection up, with a skip connection around all three. Ours are four things: the attention of
the adapters is causal; the skip connection, whose ends differ in width, adds both halves of the input; the layers
normalise their input, as GPT-2's do; and what the last adapter gives goes through one more projection, zero at the
start, and is added to the hidden states before the model's final norm and output head. So the model with new adapters
gives exactly the logits of the model without them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import field

import torch
from torch import nn
from torch.nn import functional
from transformers import AutoConfig, AutoModelForCausalLM, GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import ModelOutput

from tgl.errors import TglError
from tgl.sublayers import blocks as blocks_of
from tgl.sublayers import final_norm

# What the rest of the world asks a causal model's configuration for.
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
    """A base model's configuration and the shape of the adapters beside it.

    base: the base model's configuration, its model_type included; vocabulary, size, positions and special tokens are
    taken from it. blocks: numbers of the blocks that an adapter stands beside, ascending. layers, width, heads:
    transformer layers of an adapter, their width and number of attention heads.
    """

    model_type = "tgl_k_adapter"

    base: dict = field(default_factory=dict)
    blocks: list[int] = field(default_factory=list)
    layers: int = 2
    width: int = 32
    heads: int = 2
    # The adapters keep no keys and values: each new token is computed from the whole text.
    use_cache: bool = False

    def __post_init__(self, **others: object) -> None:
        super().__post_init__(**others)
        if self.base:  # transformers also makes an empty one, to know the defaults
            base = self.base_config()
            for name in _OF_BASE:
                setattr(self, name, getattr(base, name, None))

    def base_config(self) -> PretrainedConfig:
        """Return the base model's configuration."""
        return AutoConfig.for_model(**self.base)


class AdapterLayer(nn.Module):
    """One transformer layer of an adapter: causal attention and MLP, each behind a norm of its input."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.attention_output = nn.Linear(width, width)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, hidden: torch.Tensor, visible: torch.Tensor | None) -> torch.Tensor:
        """Map [batch, time, width] to the same shape.

        visible: what each position attends to, bool [batch, 1, time, time]; None for all that is not to its right.
        """
        batch, time, width = hidden.shape
        mixed = self.query_key_value(self.attention_norm(hidden))
        query, key, value = mixed.view(batch, time, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=visible, is_causal=visible is None
        )
        hidden = hidden + self.attention_output(seen.transpose(1, 2).reshape(batch, time, width))
        return hidden + self.mlp(self.mlp_norm(hidden))


class Adapter(nn.Module):
    """What stands beside one block: down, transformer layers, up, and the skip connection around them."""

    def __init__(self, hidden_size: int, config: KAdapterModelConfig) -> None:
        super().__init__()
        self.down = nn.Linear(2 * hidden_size, config.width)
        self.layers = nn.ModuleList(AdapterLayer(config.width, config.heads) for _ in range(config.layers))
        self.up = nn.Linear(config.width, hidden_size)

    def forward(
        self, hidden: torch.Tensor, previous: torch.Tensor, visible: torch.Tensor | None
    ) -> torch.Tensor:
        """Return [batch, time, hidden] from the hidden states behind the block and the previous adapter's output.

        Both are [batch, time, hidden]; visible: see `AdapterLayer`.
        """
        inner = self.down(torch.cat([hidden, previous], dim=-1))
        for layer in self.layers:
            inner = layer(inner, visible)
        return hidden + previous + self.up(inner)


class KAdapterForCausalLM(PreTrainedModel, GenerationMixin):
    """A causal language model with adapters beside its blocks.

    base: the model itself. adapters: by ascending block. fusion: the projection, zero at the start, through which the
    last adapter reaches the hidden states before the final norm. Raises TglError when the configuration's blocks or
    heads do not fit, and for a base whose blocks and final norm `tgl.sublayers` does not know.
    """

    config_class = KAdapterModelConfig

    def __init__(self, config: KAdapterModelConfig, base: PreTrainedModel | None = None) -> None:
        super().__init__(config)
        if base is None:
            base = AutoModelForCausalLM.from_config(config.base_config(), trust_remote_code=False)
        else:
            # post_init below draws what does not bear this mark; the base has its weights already
            for module in base.modules():
                module._is_hf_initialized = True
        self.base = base
        _check(config, len(blocks_of(base)))
        final_norm(base)  # refuses a model without one before anything is trained
        self.adapters = nn.ModuleList(Adapter(config.hidden_size, config) for _ in config.blocks)
        self.fusion = nn.Linear(config.hidden_size, config.hidden_size)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if module is self.fusion:
            init.zeros_(module.weight)
        elif isinstance(
            module, nn.Linear
        ):  # of an adapter: what passes through keeps its scale, however narrow
            init.normal_(module.weight, std=module.in_features**-0.5)

    def get_input_embeddings(self) -> nn.Module:
        """Return the base model's embedding."""
        return self.base.get_input_embeddings()

    def get_output_embeddings(self) -> nn.Module:
        """Return the base model's output head."""
        return self.base.get_output_embeddings()

    def train_adapters_alone(self) -> None:
        """Let gradients reach the adapters and the fusing projection, and nothing of the base model."""
        self.requires_grad_(True)
        self.base.requires_grad_(False)

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: object | None = None,
        use_cache: bool | None = None,
        **others: object,
    ) -> ModelOutput:
        """Return what the base model returns, with `logits` [batch, time, vocabulary] that the adapters had part in.

        input_ids: [batch, time]. attention_mask: [batch, time], 0 at padding, which the adapters attend to no more
        than the base does. All else goes to the base model as it is. Raises TglError when keys and values are to be
        kept for the next token.
        """
        if use_cache or past_key_values is not None:
            raise TglError("K-Adapter: its adapters keep no keys and values; generate with use_cache=False")
        if position_ids is not None:
            others["position_ids"] = position_ids
        visible = None if attention_mask is None else _visible(attention_mask)
        with self._hooked(visible):
            return self.base(input_ids=input_ids, attention_mask=attention_mask, use_cache=False, **others)

    @contextmanager
    def _hooked(self, visible: torch.Tensor | None) -> Iterator[None]:
        """Hook the adapters into one forward pass of the base model; afterwards, error or not, the hooks are gone.

        Several threads must not pass through one base model at once: they would meet each other's hooks.
        """
        given: list[torch.Tensor] = []  # by the adapters so far

        def beside(adapter: Adapter) -> Callable:
            def hook(block: nn.Module, inputs: tuple, output: torch.Tensor | tuple) -> None:
                hidden = output[0] if isinstance(output, tuple) else output
                given.append(adapter(hidden, given[-1] if given else torch.zeros_like(hidden), visible))

            return hook

        def fuse(norm: nn.Module, inputs: tuple) -> tuple:
            return (inputs[0] + self.fusion(given[-1]), *inputs[1:])

        with ExitStack() as stack:
            every = blocks_of(self.base)
            for number, adapter in zip(self.config.blocks, self.adapters, strict=True):
                stack.callback(every[number].register_forward_hook(beside(adapter)).remove)
            stack.callback(final_norm(self.base).register_forward_pre_hook(fuse).remove)
            yield


def with_adapters(
    base_model: PreTrainedModel, blocks: Sequence[int], layers: int, width: int, heads: int, seed: int
) -> KAdapterForCausalLM:
    """Return `base_model`, frozen, with new adapters drawn from `seed` beside the `blocks` (numbers, ascending).

    The base model is used as it is, not copied; only the adapters and the fusing projection take gradients. The
    global random state is left alone. Raises TglError where `KAdapterForCausalLM` does.
    """
    config = KAdapterModelConfig(
        base={k: v for k, v in base_model.config.to_diff_dict().items() if k not in _NOT_OF_THE_SHAPE},
        blocks=list(blocks),
        layers=layers,
        width=width,
        heads=heads,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = KAdapterForCausalLM(config, base_model)
    model.train(base_model.training)
    for new in (model.adapters, model.fusion):
        new.to(base_model.device, base_model.dtype)
    model.train_adapters_alone()
    return model


# Of a base model's configuration: how it was saved, which is the business of the whole model's.
_NOT_OF_THE_SHAPE = ("architectures", "dtype", "transformers_version")


def spread(num_adapters: int, num_blocks: int) -> list[int]:
    """Return the numbers of `num_adapters` blocks of `num_blocks`, evenly spread, ascending, the last one included.

    Raises TglError unless 1 <= num_adapters <= num_blocks.
    """
    if not 1 <= num_adapters <= num_blocks:
        raise TglError(
            f"K-Adapter: {num_adapters} adapters cannot stand beside {num_blocks} blocks, one each"
        )
    return [number * num_blocks // num_adapters - 1 for number in range(1, num_adapters + 1)]


def _visible(attention_mask: torch.Tensor) -> torch.Tensor:
    """Return bool [batch, 1, time, time]: true where a row's position attends to a column's.

    Padding attends to itself, because a softmax over nothing is not a number.
    """
    time = attention_mask.shape[1]
    square = torch.ones(time, time, dtype=torch.bool, device=attention_mask.device)
    own = torch.eye(time, dtype=torch.bool, device=attention_mask.device)
    return (square.tril() & attention_mask.bool()[:, None, None, :]) | own


def _check(config: KAdapterModelConfig, num_blocks: int) -> None:
    if not config.blocks or config.blocks != sorted(set(config.blocks) & set(range(num_blocks))):
        raise TglError(
            f"K-Adapter: blocks {config.blocks}: expected at least one number, ascending, each once, "
            f"from 0 to {num_blocks - 1}"
        )
    if config.width % config.heads:
        raise TglError(f"K-Adapter: width {config.width} cannot be parted into {config.heads} heads")


AutoConfig.register("tgl_k_adapter", KAdapterModelConfig)
AutoModelForCausalLM.register(KAdapterModelConfig, KAdapterForCausalLM)
