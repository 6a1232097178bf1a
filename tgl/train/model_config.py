"""Configurations of models from outside: refused where they are not those of a causal language model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from transformers import (
    CONFIG_MAPPING,
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_MASKED_LM_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    PretrainedConfig,
    PreTrainedModel,
)

from tgl.errors import TglError, nearest
from tgl.files import how_to_mend
from tgl.model_files import CONFIG, Header, numbers_in, read_model_json
from tgl.sublayers import sublayers

_MOST_UNITS = 10_000  # blocks, heads or experts: more is a slip, and a model of so many is built for hours
_COUNTED = re.compile(r"(^|_)n(um)?_.*(layer|block|head|expert)")


def read_config(folder: Path) -> PretrainedConfig:
    """Return the configuration of a causal LM's folder. Raises TglError as `weights.load_whole`."""
    path = folder / CONFIG
    found = read_model_json(path, CONFIG_MAPPING)
    kind = found.get("model_type")
    if not isinstance(kind, str) or kind not in CONFIG_MAPPING:
        hint = nearest(kind, CONFIG_MAPPING) if isinstance(kind, str) else ""
        raise TglError(
            f"{path}: model_type is {kind!r}{hint}, expected a type that transformers knows. Correct it."
        )
    _refuse_quantised(path, found)
    absurd = [
        (key, number) for key, number in numbers_in(found) if _COUNTED.search(key) and number > _MOST_UNITS
    ]
    if absurd:
        raise TglError(
            f"{path}: {absurd[0][0]} is {absurd[0][1]:,}, expected at most {_MOST_UNITS:,}. Correct it."
        )
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # each architecture checks its values with exceptions of its own
        raise TglError(
            f"{path}: no configuration of '{kind}' ({brief(error)}). {how_to_mend(path)}"
        ) from None
    masked = getattr(config, "is_decoder", None) is False and type(config) in MODEL_FOR_MASKED_LM_MAPPING
    if (
        getattr(config, "is_encoder_decoder", False)
        or masked
        or type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING
    ):
        what = (
            "an encoder-decoder"
            if getattr(config, "is_encoder_decoder", False)
            else "no causal language model"
        )
        raise TglError(
            f"{path}: '{kind}' is {what}, expected a causal language model that sees only what stands to the left of "
            "a token. Give a decoder, such as GPT-2 or Llama."
        )
    return config


def _refuse_quantised(path: Path, config: Mapping) -> None:
    for section in (config, *(value for value in config.values() if isinstance(value, dict))):
        for key in ("quantization_config", "compression_config"):
            if section.get(key) is not None:
                found = section[key]
                method = found.get("quant_method", "unknown") if isinstance(found, dict) else found
                raise TglError(
                    f"{path}: the weights are quantised ({key}: {method}), and gradients need them in floating point. "
                    "Give the checkpoint it was made from, or one that was de-quantised."
                )


def build_shell(folder: Path, config: PretrainedConfig, headers: Mapping[str, Header]) -> PreTrainedModel:
    """Return the model without memory for its weights: what the configuration asks for."""
    path = folder / CONFIG
    blocks = getattr(config, "num_hidden_layers", 0)
    if isinstance(blocks, int) and blocks > len(headers):  # each block has a tensor at least
        raise TglError(
            f"{path}: asks for {blocks} blocks, and the files hold {len(headers)} tensors in all. {how_to_mend(path)}"
        )
    try:
        with torch.device("meta"):
            return AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    except TglError:
        raise
    except Exception as error:  # ZeroDivisionError, TypeError, ... : whatever the numbers lead to
        raise TglError(
            f"{path}: no model can be built from it ({brief(error)}). {how_to_mend(path)}"
        ) from None


def check_causal(model: PreTrainedModel, name: str) -> None:
    """Raise TglError unless what stands right of a token leaves its prediction alone, as in XLNet it does not.

    An architecture that `tgl.sublayers` knows is not tried.
    """
    try:
        sublayers(model)
    except TglError:
        pass
    else:
        return
    ids = torch.arange(8, device=model.device)[None] % model.get_input_embeddings().num_embeddings
    other = ids.clone()
    other[0, -1] = 0
    try:
        with torch.no_grad():
            first, second = (model(input_ids=tokens).logits[0, :-1].float() for tokens in (ids, other))
    except Exception as error:  # what is no plain language model wants other inputs
        raise TglError(
            f"model '{name}': does not predict tokens from tokens alone ({brief(error)}), expected a causal language "
            "model."
        ) from None
    if not torch.allclose(first, second, rtol=1e-3, atol=1e-4):
        raise TglError(
            f"model '{name}': '{model.config.model_type}' predicts a token from what stands to its right, expected a "
            "causal language model. Give a decoder, such as GPT-2 or Llama."
        )


def brief(error: Exception) -> str:
    """Return kind and first line of an error of a library, cut where it is long."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}"
