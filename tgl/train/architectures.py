"""Configurations of models made from scratch: one shape, several architectures."""

from __future__ import annotations

from transformers import GPT2Config, GPTNeoConfig, LlamaConfig, MambaConfig, PretrainedConfig

from tgl.config import ModelConfig
from tgl.gru import GruConfig


def architecture_config(
    settings: ModelConfig, vocab_size: int, block_size: int, end_token: int
) -> PretrainedConfig:
    """Return the configuration of `settings.architecture` at the configured shape: no dropout, tied embeddings.

    Widths inside a block follow each architecture's own custom: four times the hidden size for GPT-2 and GPT-Neo,
    8/3 times for Llama's gated MLP (rounded to 8), twice for Mamba's mixer. GPT-Neo alternates global and local
    attention, the latter over a quarter of the block.
    """
    hidden, layers, heads = settings.hidden_size, settings.layers, settings.heads
    shared = {
        "vocab_size": vocab_size,
        "bos_token_id": end_token,
        "eos_token_id": end_token,
        "pad_token_id": None,
        "tie_word_embeddings": True,
    }
    if settings.architecture == "gpt2":
        return GPT2Config(
            **shared,
            n_positions=block_size,
            n_embd=hidden,
            n_layer=layers,
            n_head=heads,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            activation_function="gelu_pytorch_tanh",  # GPT-2's GELU in one kernel
        )
    if settings.architecture == "gpt_neo":
        pairs, odd = divmod(layers, 2)
        return GPTNeoConfig(
            **shared,
            max_position_embeddings=block_size,
            hidden_size=hidden,
            num_layers=layers,
            num_heads=heads,
            attention_types=[[["global", "local"], pairs]] * (pairs > 0) + [[["global"], 1]] * odd,
            window_size=max(1, block_size // 4),
            resid_dropout=0.0,
            embed_dropout=0.0,
            attention_dropout=0.0,
        )
    if settings.architecture == "llama":
        return LlamaConfig(
            **shared,
            max_position_embeddings=block_size,
            hidden_size=hidden,
            intermediate_size=-(-8 * hidden // 24) * 8,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=heads,
        )
    if settings.architecture == "mamba":
        return MambaConfig(**shared, hidden_size=hidden, num_hidden_layers=layers, state_size=16, expand=2)
    return GruConfig(
        **{name: value for name, value in shared.items() if name != "pad_token_id"},
        hidden_size=hidden,
        num_hidden_layers=layers,
        max_position_embeddings=block_size,
    )
