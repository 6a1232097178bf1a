"""Checks that model, tokenizer and text belong together; each is cheap and comes before any long work."""

from __future__ import annotations

import numpy as np
from transformers import PretrainedConfig, PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from tgl.errors import TglError
from tgl.text.tokens import num_ids


def num_positions(config: PretrainedConfig) -> int | None:
    """Return the number of positions a configuration allows; None where nothing bounds them.

    Bloom and Mamba have no such number, XLNet gives -1.
    """
    found = getattr(config, "max_position_embeddings", None)
    return found if isinstance(found, int) and found > 0 else None


def check_tokenizer(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Raise TglError for a tokenizer without character offsets, or with an id that the embedding has no row for."""
    if not tokenizer.is_fast:
        raise TglError(
            f"tokenizer '{tokenizer.name_or_path}': is a slow one, expected a fast one, which gives character offsets. "
            "Load it with AutoTokenizer."
        )
    rows, ids = model.get_input_embeddings().num_embeddings, num_ids(tokenizer)
    if ids > rows:
        raise TglError(
            f"model '{model.name_or_path}': its embedding has {rows} rows, and the ids of the tokenizer "
            f"'{tokenizer.name_or_path}' go up to {ids - 1}; expected a row for each. Give the model's own tokenizer "
            "(tokens.tokenizer in a configuration)."
        )


def check_block_size(model: PreTrainedModel, block_size: int) -> None:
    """Raise TglError where a block of `block_size` tokens is longer than the model's positions."""
    positions = num_positions(model.config)
    if positions is not None and block_size > positions:
        raise TglError(
            f"model '{model.name_or_path}': has {positions} positions, and tokens.block_size is {block_size}; "
            "expected at most as many. Set tokens.block_size lower."
        )


def check_ids(tokens: np.ndarray, tokenizer: PreTrainedTokenizerBase, what: str) -> None:
    """Raise TglError where tokens [num_tokens] hold an id that the tokenizer does not have."""
    if len(tokens) and not 0 <= int(tokens.min()) <= int(tokens.max()) < num_ids(tokenizer):
        wrong = int(tokens.min()) if int(tokens.min()) < 0 else int(tokens.max())
        raise TglError(
            f"{what}: holds token {wrong}, and the tokenizer's ids go from 0 to {num_ids(tokenizer) - 1}. It was "
            "packed with another tokenizer: give the text itself, or pack it again."
        )


def check_object(model: PreTrainedModel) -> None:
    """Raise TglError for a model object without output head, values in memory, or floating-point weights."""
    if model.get_output_embeddings() is None:
        raise TglError(
            f"model: a {type(model).__name__} has no output head over the vocabulary, expected a causal language "
            "model. Load it with AutoModelForCausalLM."
        )
    for name, parameter in model.named_parameters():
        if parameter.is_meta:
            raise TglError(
                f"model: '{name}' is on the device 'meta' and has no values, expected weights in memory. Load the "
                "model without offloading, as tgl.load_model does."
            )
        if not parameter.is_floating_point() or parameter.element_size() < 2:
            raise TglError(
                f"model: '{name}' is of type {parameter.dtype}, expected floating-point numbers of 16 bits or more. "
                "Load the model without quantisation."
            )
    for name, module in model.named_modules():
        if any(part in _QUANTISED for part in type(module).__module__.split(".")):
            raise TglError(
                f"model: '{name}' is a quantised {type(module).__name__}, expected weights in floating point. Load the "
                "model without quantisation."
            )
    if getattr(model, "is_quantized", False):
        raise TglError(
            "model: is quantised, expected weights in floating point. Load it without quantisation."
        )


# Parts of the names of modules that define quantised layers.
_QUANTISED = {
    "quantized",
    "bitsandbytes",
    "auto_gptq",
    "gptqmodel",
    "awq",
    "hqq",
    "quanto",
    "torchao",
    "compressed_tensors",
}
