"""A GRU language model that transformers' Auto classes load, for comparing architectures.

It has pre-norm residual blocks, as a transformer has, with one mixer each: h = h + GRU(norm(h)).
"""

from __future__ import annotations

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput


class GruConfig(PretrainedConfig):
    """The shape of a GRU language model. `max_position_embeddings` limits the context in scoring."""

    model_type = "tgl_gru"

    vocab_size: int = 50257
    hidden_size: int = 256
    num_hidden_layers: int = 4
    max_position_embeddings: int = 1024
    bos_token_id: int | None = 0
    eos_token_id: int | None = 0
    tie_word_embeddings: bool = True


class GruBlock(nn.Module):
    """One residual block."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(size)
        self.gru = nn.GRU(size, size, batch_first=True)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Map [batch, time, hidden] to the same shape."""
        return hidden + self.gru(self.norm(hidden))[0]


class GruForCausalLM(PreTrainedModel):
    """A GRU language model: embedding, blocks, final norm and output head. The head is tied to the embedding."""

    config_class = GruConfig
    _tied_weights_keys = {"lm_head.weight": "embeddings.weight"}  # noqa: RUF012, as in transformers

    def __init__(self, config: GruConfig) -> None:
        super().__init__(config)
        size = config.hidden_size
        self.embeddings = nn.Embedding(config.vocab_size, size)
        self.blocks = nn.ModuleList(GruBlock(size) for _ in range(config.num_hidden_layers))
        self.norm = nn.LayerNorm(size)
        self.lm_head = nn.Linear(size, config.vocab_size, bias=False)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.GRU):
            for name, parameter in module.named_parameters():
                if name.startswith("weight"):
                    nn.init.orthogonal_(parameter)
                else:
                    nn.init.zeros_(parameter)
        else:
            super()._init_weights(module)

    def get_input_embeddings(self) -> nn.Module:
        """Return the embedding."""
        return self.embeddings

    def get_output_embeddings(self) -> nn.Module:
        """Return the output head."""
        return self.lm_head

    def forward(self, input_ids: torch.Tensor, **unused: object) -> CausalLMOutput:
        """Return logits [batch, time, vocabulary] of `input_ids` [batch, time]."""
        hidden = self.embeddings(input_ids)
        for block in self.blocks:
            hidden = block(hidden)
        return CausalLMOutput(logits=self.lm_head(self.norm(hidden)))


AutoConfig.register("tgl_gru", GruConfig)
AutoModelForCausalLM.register(GruConfig, GruForCausalLM)
