"""The adapters of K-Adapter, and what each position attends to."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from tgl.models.k_adapter_config import KAdapterModelConfig


class AdapterLayer(nn.Module):
    """One transformer layer of an adapter: causal attention and MLP, each after a norm of its input."""

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

        Args:
            hidden: Hidden states [batch, time, width].
            visible: What each position attends to, bool [batch, 1, time, time]. None: itself and all positions to its
                left.
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
    """The adapter of one block: projection down, transformer layers, projection up, and a skip connection."""

    def __init__(self, hidden_size: int, config: KAdapterModelConfig) -> None:
        super().__init__()
        self.down = nn.Linear(2 * hidden_size, config.width)
        self.layers = nn.ModuleList(AdapterLayer(config.width, config.heads) for _ in range(config.layers))
        self.up = nn.Linear(config.width, hidden_size)

    def forward(
        self, hidden: torch.Tensor, previous: torch.Tensor, visible: torch.Tensor | None
    ) -> torch.Tensor:
        """Return the adapter's output [batch, time, hidden].

        Args:
            hidden: Hidden states after the block [batch, time, hidden].
            previous: Output of the previous adapter [batch, time, hidden].
            visible: See `AdapterLayer`.
        """
        inner = self.down(torch.cat([hidden, previous], dim=-1))
        for layer in self.layers:
            inner = layer(inner, visible)
        return hidden + previous + self.up(inner)


def visible_of(attention_mask: torch.Tensor) -> torch.Tensor:
    """Return bool [batch, 1, time, time], true if the row's position attends to the column's position.

    Padding attends to itself, because a softmax over no positions is NaN.
    """
    time = attention_mask.shape[1]
    square = torch.ones(time, time, dtype=torch.bool, device=attention_mask.device)
    own = torch.eye(time, dtype=torch.bool, device=attention_mask.device)
    return (square.tril() & attention_mask.bool()[:, None, None, :]) | own
