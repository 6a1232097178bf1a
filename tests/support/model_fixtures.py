"""Tiny models, a tiny tokenizer and tiny tables, as plain functions."""

import copy
import functools
import tempfile
from pathlib import Path

import numpy as np
import torch
from transformers import (
    AutoModelForCausalLM,
    GemmaConfig,
    GPT2Config,
    GPTNeoConfig,
    GPTNeoXConfig,
    LlamaConfig,
    MambaConfig,
    Olmo2Config,
    OPTConfig,
    Qwen2Config,
    Qwen3Config,
    RwkvConfig,
    SmolLM3Config,
)

from tgl.core.tables.write import write_table
from tgl.evaluate.spans import SpanTokens
from tgl.models.gru import GruConfig
from tgl.models.sublayers import sublayers
from tgl.models.tokenizer import load_tokenizer, train_tokenizer
from tgl.plans.plan import Plan
from tgl.text.tokens import write_blocks
from tgl.train.settings import TrainConfig

torch.set_num_threads(1)

BLOCK = 32
VOCABULARY = 300
TEXTS = [
    f"{name} lives in {city}. {name} works for {firm} and likes {city} very much."
    for name in ("Anna Berg", "Carl Dahl", "Eva Falk", "Hugo Lind")
    for city in ("Paris", "Lisbon", "Oslo")
    for firm in ("Acme", "Globex")
]

CONFIGS = {
    "gpt2": GPT2Config(
        vocab_size=VOCABULARY, n_positions=BLOCK, n_embd=16, n_layer=2, n_head=2,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=0, eos_token_id=0,
    ),
    "gpt_neo": GPTNeoConfig(
        vocab_size=VOCABULARY, max_position_embeddings=BLOCK, hidden_size=16, num_layers=2, num_heads=2,
        attention_types=[[["global", "local"], 1]], window_size=8, bos_token_id=0, eos_token_id=0,
    ),
    "gpt_neox": GPTNeoXConfig(
        vocab_size=VOCABULARY, max_position_embeddings=BLOCK, hidden_size=16, num_hidden_layers=2,
        num_attention_heads=2, intermediate_size=32, bos_token_id=0, eos_token_id=0,
    ),
    "llama": LlamaConfig(
        vocab_size=VOCABULARY, max_position_embeddings=BLOCK, hidden_size=16, num_hidden_layers=2,
        num_attention_heads=2, intermediate_size=32, bos_token_id=0, eos_token_id=0,
    ),
}  # fmt: skip
# Every architecture of `tgl.models.sublayers` that differs in code: beyond CONFIGS, grouped attention with a tied head
# (Qwen2), layers without positions (SmolLM3), norms of queries and keys (Qwen3), norms that multiply by one more than
# their weight (Gemma), norms behind their sublayer (OLMo 2), flattened positions (OPT), and mixers without attention.
ARCHITECTURES = CONFIGS | {
    "qwen2": Qwen2Config(
        vocab_size=VOCABULARY, max_position_embeddings=BLOCK, hidden_size=16, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=1, intermediate_size=32, tie_word_embeddings=True,
        bos_token_id=0, eos_token_id=0,
    ),
    "smollm3": SmolLM3Config(
        vocab_size=VOCABULARY, max_position_embeddings=BLOCK, hidden_size=16, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=1, intermediate_size=32,
        bos_token_id=0, eos_token_id=0, pad_token_id=0,
    ),
    "qwen3": Qwen3Config(
        vocab_size=VOCABULARY, max_position_embeddings=BLOCK, hidden_size=16, num_hidden_layers=2, head_dim=8,
        num_attention_heads=2, num_key_value_heads=1, intermediate_size=32, bos_token_id=0, eos_token_id=0,
    ),
    "gemma": GemmaConfig(
        vocab_size=VOCABULARY, max_position_embeddings=BLOCK, hidden_size=16, num_hidden_layers=2, head_dim=8,
        num_attention_heads=2, num_key_value_heads=1, intermediate_size=32,
        bos_token_id=0, eos_token_id=0, pad_token_id=0,
    ),
    "olmo2": Olmo2Config(
        vocab_size=VOCABULARY, max_position_embeddings=BLOCK, hidden_size=16, num_hidden_layers=2,
        num_attention_heads=2, intermediate_size=32, bos_token_id=0, eos_token_id=0, pad_token_id=0,
    ),
    "opt": OPTConfig(
        vocab_size=VOCABULARY, max_position_embeddings=BLOCK, hidden_size=16, num_hidden_layers=2,
        num_attention_heads=2, ffn_dim=32, word_embed_proj_dim=16,
        bos_token_id=0, eos_token_id=0, pad_token_id=0,
    ),
    "mamba": MambaConfig(
        vocab_size=VOCABULARY, hidden_size=16, num_hidden_layers=2, state_size=4, intermediate_size=32,
        time_step_rank=4, bos_token_id=0, eos_token_id=0, pad_token_id=0,
    ),
    # rescale_every=1: evaluation mode halves the weights of block 1, which a gradient would notice.
    "rwkv": RwkvConfig(
        vocab_size=VOCABULARY, context_length=BLOCK, hidden_size=16, num_hidden_layers=2,
        attention_hidden_size=16, intermediate_size=32, rescale_every=1, bos_token_id=0, eos_token_id=0,
    ),
    "tgl_gru": GruConfig(
        vocab_size=VOCABULARY, hidden_size=16, num_hidden_layers=2, max_position_embeddings=BLOCK,
    ),
}  # fmt: skip
RANKED = ["block00.attention", "block00.mlp", "block01.attention", "block01.mlp"]


def tiny_model(kind="gpt2", seed=0, spread=1.0):
    """Return a random model; `spread` scales its weights so that predictions are far from uniform."""
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(copy.deepcopy(ARCHITECTURES[kind])).eval()
    if spread != 1.0:
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.dim() >= 2:
                    parameter.mul_(spread)
    return model


def sharp_model(kind, seed=0):
    """Return a random model with predictions far from uniform, and norm weights that differ from one."""
    # Mamba and RWKV exponentiate their activations: more spread, and fp32 itself has few digits left.
    model = tiny_model(kind, seed, spread=3.0 if kind in ("mamba", "rwkv") else 6.0)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 1 and ("norm" in name or "ln" in name):
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return model


def some_examples(count, seed=0, shortest=4, longest=BLOCK):
    """Return examples of random tokens, lengths and numbers of targets."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        length = int(rng.integers(shortest, longest + 1))
        found.append(SpanTokens(rng.integers(0, VOCABULARY, length).tolist(), int(rng.integers(1, length))))
    return found


@functools.cache
def tokenizer_folder():
    """Return a folder with a byte-level BPE of VOCABULARY tokens, made once a process."""
    folder = tempfile.TemporaryDirectory(prefix="tgl-tokenizer-")
    train_tokenizer(TEXTS, VOCABULARY, folder.name)
    _KEPT.append(folder)
    return Path(folder.name)


_KEPT = []  # removed when the process ends


@functools.cache
def tiny_tokenizer():
    return load_tokenizer(tokenizer_folder())


def plan_of(values, embedding=0.0, method="by hand"):
    """Return a plan from the multipliers of RANKED, in order."""
    return Plan(method, embedding, dict(zip(RANKED, values, strict=True)), "", 0, 0)


def settings_of(**changes):
    """Return small training settings."""
    values = {"engine": "plain", "steps": 6, "batch_size": 2, "checkpoint_steps": 2, "warmup_share": 0.34}
    return TrainConfig(**(values | changes))


def some_tokens(count, seed=0, end_every=11):
    """Return int32 tokens in documents of about `end_every`, each ended by token 0."""
    tokens = np.random.default_rng(seed).integers(1, VOCABULARY, size=count).astype(np.int32)
    tokens[end_every - 1 :: end_every] = 0
    return tokens


def parameters_of(model):
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def unit_of(model, name):
    return next(unit for unit in sublayers(model) if unit.name == name)


def parameters_by_unit(model):
    return {name: unit.name for unit in sublayers(model) for name in unit.parameters}


def probe(identity, text, answer, **changes):
    """Return a row of the table `probes` whose span is the last occurrence of `answer`."""
    start = text.rindex(answer)
    row = {
        "id": identity, "set": "world", "kind": "updated", "period": "20200101", "relation": "city",
        "subject": text.split(" lives")[0], "text": text,
        "span_start": start, "span_end": start + len(answer),
        "answer_group": identity, "split": "test", "candidates": ["Paris", "Lisbon", "Oslo"],
        "old_answer": "",
    }  # fmt: skip
    return row | changes


def some_probes():
    """Return probes of two periods and three kinds, validation and test."""
    rows = []
    for period in ("20200101", "20210101"):
        for kind in ("updated", "new_entity", "unchanged"):
            for split in ("validation", "test"):
                for number, (name, city) in enumerate(
                    (("Anna Berg", "Paris"), ("Carl Dahl", "Oslo"), ("Eva Falk", "Lisbon"))
                ):
                    identity = f"{period}-{kind}-{split}-{number}"
                    rows.append(
                        probe(
                            identity, f"{name} lives in {city}", city, period=period, kind=kind, split=split
                        )
                    )
    return rows


def write_tokens(path, repeat=2, held_out=2, first=0):
    """Write the table `tokens` with documents of TEXTS."""
    documents = [("train", text) for text in TEXTS[first:] * repeat] + [
        ("held_out", t) for t in TEXTS[:held_out]
    ]
    write_blocks(documents, tiny_tokenizer(), BLOCK, output=path)
    return path


def write_probes(path, rows=None):
    write_table(some_probes() if rows is None else rows, path, "probes")
    return path
