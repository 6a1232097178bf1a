"""K-Adapter (Wang et al. 2021, arXiv 2002.01808) for causal language models.

As in the paper, small transformers (adapters) run next to a few blocks of a frozen model. An adapter reads the hidden
states after its block, concatenated with the output of the previous adapter (zeros for the first). It consists of a
projection down, transformer layers of a small width, and a projection up, with a skip connection around all three.

This implementation differs from the paper in four points:

- The attention of the adapters is causal.
- The skip connection adds both halves of the input, because its two ends differ in width.
- The layers normalise their input, as GPT-2's layers do.
- The output of the last adapter passes through one more projection, which is zero at the start. The result is added
  to the hidden states before the model's final norm and output head. So a model with new adapters gives exactly the
  logits of the model without adapters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, GenerationMixin, PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import ModelOutput

from tgl.core.errors import TglError
from tgl.models.k_adapter_config import KAdapterModelConfig
from tgl.models.k_adapter_layers import Adapter, visible_of
from tgl.models.sublayers import blocks as blocks_of
from tgl.models.sublayers import final_norm


class KAdapterForCausalLM(PreTrainedModel, GenerationMixin):
    """A causal language model with adapters next to its blocks.

    Attributes:
        base: The model itself.
        adapters: The adapters, by ascending block.
        fusion: The projection from the last adapter to the hidden states before the final norm; zero at the start.

    Raises:
        TglError: The configuration's blocks or heads do not fit, or `tgl.models.sublayers` does not know the base
            model's blocks and final norm.
    """

    config_class = KAdapterModelConfig

    def __init__(self, config: KAdapterModelConfig, base: PreTrainedModel | None = None) -> None:
        super().__init__(config)
        if base is None:
            base = AutoModelForCausalLM.from_config(config.base_config(), trust_remote_code=False)
        else:
            # post_init below draws new weights for modules without this mark. The base model keeps its weights.
            for module in base.modules():
                module._is_hf_initialized = True
        self.base = base
        _check(config, len(blocks_of(base)))
        final_norm(base)  # Raises TglError for a model without a final norm before any training.
        self.adapters = nn.ModuleList(Adapter(config.hidden_size, config) for _ in config.blocks)
        self.fusion = nn.Linear(config.hidden_size, config.hidden_size)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if module is self.fusion:
            init.zeros_(module.weight)
        elif isinstance(module, nn.Linear):
            # The layers of an adapter keep the scale of their input for any width.
            init.normal_(module.weight, std=module.in_features**-0.5)

    def get_input_embeddings(self) -> nn.Module:
        """Return the base model's embedding."""
        return self.base.get_input_embeddings()

    def get_output_embeddings(self) -> nn.Module:
        """Return the base model's output head."""
        return self.base.get_output_embeddings()

    def train_adapters_alone(self) -> None:
        """Enable gradients for the adapters and the fusion projection, and disable them for the base model."""
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
        """Return the base model's output, with `logits` [batch, time, vocabulary] that include the adapters.

        Args:
            input_ids: Token ids [batch, time].
            attention_mask: [batch, time], 0 at padding. The adapters ignore padding, as the base model does.
            position_ids: Passed to the base model.
            past_key_values: Must be None.
            use_cache: Must not be true.
            others: Passed to the base model.

        Raises:
            TglError: The call asks to keep keys and values for the next token.
        """
        if use_cache or past_key_values is not None:
            raise TglError("K-Adapter: the adapters keep no keys and values. Generate with use_cache=False")
        if position_ids is not None:
            others["position_ids"] = position_ids
        visible = None if attention_mask is None else visible_of(attention_mask)
        with self._hooked(visible):
            return self.base(input_ids=input_ids, attention_mask=attention_mask, use_cache=False, **others)

    @contextmanager
    def _hooked(self, visible: torch.Tensor | None) -> Iterator[None]:
        """Hook the adapters into one forward pass of the base model, and remove the hooks afterwards.

        Only one thread at a time may use a base model, because the hooks of several passes would mix.
        """
        outputs: list[torch.Tensor] = []  # Outputs of the adapters so far.

        def hook_of(adapter: Adapter) -> Callable:
            def hook(block: nn.Module, inputs: tuple, output: torch.Tensor | tuple) -> None:
                hidden = output[0] if isinstance(output, tuple) else output
                outputs.append(adapter(hidden, outputs[-1] if outputs else torch.zeros_like(hidden), visible))

            return hook

        def fuse(norm: nn.Module, inputs: tuple) -> tuple:
            return (inputs[0] + self.fusion(outputs[-1]), *inputs[1:])

        with ExitStack() as stack:
            every = blocks_of(self.base)
            for number, adapter in zip(self.config.blocks, self.adapters, strict=True):
                stack.callback(every[number].register_forward_hook(hook_of(adapter)).remove)
            stack.callback(final_norm(self.base).register_forward_pre_hook(fuse).remove)
            yield


def with_adapters(
    base_model: PreTrainedModel, blocks: Sequence[int], layers: int, *, width: int, heads: int, seed: int
) -> KAdapterForCausalLM:
    """Return the frozen base model with new adapters.

    The base model is not copied. Only the adapters and the fusion projection get gradients. The global random state
    does not change.

    Args:
        base_model: The model to extend.
        blocks: Numbers of the blocks that get an adapter, ascending.
        layers: Transformer layers of an adapter.
        width: Width of these layers.
        heads: Attention heads of these layers.
        seed: Seed of the adapters' weights.

    Raises:
        TglError: As `KAdapterForCausalLM`.
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


# These keys describe how the base model was saved. They belong into the configuration of the whole model.
_NOT_OF_THE_SHAPE = ("architectures", "dtype", "transformers_version")


def spread(num_adapters: int, num_blocks: int) -> list[int]:
    """Return the numbers of evenly spread blocks, ascending; the last block is always one of them.

    Args:
        num_adapters: How many blocks to choose.
        num_blocks: Number of blocks of the model.

    Raises:
        TglError: Not 1 <= num_adapters <= num_blocks.
    """
    if not 1 <= num_adapters <= num_blocks:
        raise TglError(
            f"K-Adapter: found {num_adapters} adapters for {num_blocks} blocks, expected 1 to {num_blocks}. "
            "Set fewer adapters"
        )
    return [number * num_blocks // num_adapters - 1 for number in range(1, num_adapters + 1)]


def _check(config: KAdapterModelConfig, num_blocks: int) -> None:
    if not config.blocks or config.blocks != sorted(set(config.blocks) & set(range(num_blocks))):
        raise TglError(
            f"K-Adapter: blocks {config.blocks}: expected at least one number, ascending, each once, "
            f"from 0 to {num_blocks - 1}"
        )
    if config.width % config.heads:
        raise TglError(
            f"K-Adapter: width {config.width} cannot be divided into {config.heads} heads, expected a multiple. "
            "Change width or heads"
        )


AutoConfig.register("tgl_k_adapter", KAdapterModelConfig)
AutoModelForCausalLM.register(KAdapterModelConfig, KAdapterForCausalLM)
