"""Cheap checks, before any long work, that model, tokenizer and text belong together."""

from __future__ import annotations

import numpy as np
from transformers import PretrainedConfig, PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from tgl.core.errors import TglError
from tgl.models.quantised import is_quantised
from tgl.models.tokenizer import num_ids


def num_positions(config: PretrainedConfig) -> int | None:
    """Return the number of positions of a configuration; None if it is unlimited.

    Bloom and Mamba have no such number, and XLNet has -1.
    """
    found = getattr(config, "max_position_embeddings", None)
    return found if isinstance(found, int) and found > 0 else None


def check_tokenizer(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Check that a tokenizer fits a model.

    Raises:
        TglError: The tokenizer gives no character offsets, or the model's embedding has no row for one of its ids.
    """
    if not tokenizer.is_fast:
        raise TglError(
            f"tokenizer '{tokenizer.name_or_path}': found a slow tokenizer, expected a fast one, which gives character "
            "offsets. Load it with AutoTokenizer."
        )
    rows, ids = model.get_input_embeddings().num_embeddings, num_ids(tokenizer)
    if ids > rows:
        raise TglError(
            f"model '{model.name_or_path}': its embedding has {rows} rows, and the ids of the tokenizer "
            f"'{tokenizer.name_or_path}' go up to {ids - 1}; expected a row for each. Give the model's own tokenizer "
            "(tokens.tokenizer in a configuration)."
        )


def check_block_size(model: PreTrainedModel, block_size: int) -> None:
    """Check that a model has a position for each token of a block.

    Raises:
        TglError: `block_size` (tokens) is larger than the model's number of positions.
    """
    positions = num_positions(model.config)
    if positions is not None and block_size > positions:
        raise TglError(
            f"model '{model.name_or_path}': has {positions} positions, and tokens.block_size is {block_size}; "
            "expected at most the number of positions. Set tokens.block_size lower."
        )


def check_ids(tokens: np.ndarray, tokenizer: PreTrainedTokenizerBase, what: str) -> None:
    """Check that the tokenizer has every id.

    Args:
        tokens: Ids [num_tokens].
        tokenizer: The tokenizer.
        what: What holds the tokens; the error message begins with it.

    Raises:
        TglError: The tokenizer lacks an id.
    """
    if len(tokens) and not 0 <= int(tokens.min()) <= int(tokens.max()) < num_ids(tokenizer):
        wrong = int(tokens.min()) if int(tokens.min()) < 0 else int(tokens.max())
        raise TglError(
            f"{what}: found token {wrong}, expected ids from 0 to {num_ids(tokenizer) - 1}. It was packed with another "
            "tokenizer: give the text itself, or pack it again."
        )


def check_object(model: PreTrainedModel) -> None:
    """Check that a model object has an output head, and floating-point weights with values in memory.

    Raises:
        TglError: The model lacks one of these.
    """
    if model.get_output_embeddings() is None:
        raise TglError(
            f"model: {type(model).__name__} has no output head over the vocabulary, expected a causal language "
            "model. Load it with AutoModelForCausalLM."
        )
    quantised = {
        parameter for module in model.modules() if is_quantised(module) for parameter in module.parameters()
    }
    for name, parameter in model.named_parameters():
        if parameter.is_meta:
            raise TglError(
                f"model: '{name}' is on the device 'meta' and has no values, expected weights in memory. Load the "
                "model without offloading, as tgl.load_model does."
            )
        if parameter not in quantised and (not parameter.is_floating_point() or parameter.element_size() < 2):
            raise TglError(
                f"model: '{name}' is of type {parameter.dtype}, expected floating-point numbers of 16 bits or more. "
                f"{_WITHOUT}"
            )
    for name, module in model.named_modules():
        if not is_quantised(module) and any(
            part in _QUANTISED for part in type(module).__module__.split(".")
        ):
            raise TglError(
                f"model: '{name}' is a quantised {type(module).__name__}, expected weights in floating point. "
                f"{_WITHOUT}"
            )
    if getattr(model, "is_quantized", False) and not quantised:
        raise TglError(f"model: found quantised weights, expected floating point. {_WITHOUT}")


_WITHOUT = "Load the model without quantisation, or with that of bitsandbytes."

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
