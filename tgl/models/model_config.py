"""Read configurations of models, and refuse those that do not belong to a causal language model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn
from transformers import (
    CONFIG_MAPPING,
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_MASKED_LM_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    PretrainedConfig,
    PreTrainedModel,
)

from tgl.core.errors import TglError, nearest
from tgl.core.files import how_to_mend
from tgl.models.architecture import ARCHITECTURES
from tgl.models.mode import measuring
from tgl.models.model_files import CONFIG, Header, numbers_in, read_model_json
from tgl.models.sublayers import has_layout

# Limit of blocks, heads or experts. A larger number is an error, and building such a model takes hours.
_MOST_UNITS = 10_000
_COUNTED = re.compile(r"(^|_)n(um)?_.*(layer|block|head|expert)")


def read_config(folder: Path) -> PretrainedConfig:
    """Return the configuration of a causal language model from its folder.

    Raises:
        TglError: As `weights.load_whole`.
    """
    path = folder / CONFIG
    found = read_model_json(path, CONFIG_MAPPING)
    kind = found.get("model_type")
    if kind in ARCHITECTURES and (register := ARCHITECTURES.get(kind).register):
        register()
    if not isinstance(kind, str) or kind not in CONFIG_MAPPING:
        hint = nearest(kind, CONFIG_MAPPING) if isinstance(kind, str) else ""
        raise TglError(
            f"{path}: model_type is {kind!r}{hint}, expected a type that transformers supports. Correct it."
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
    except Exception as error:  # Each architecture raises different exceptions for wrong values.
        raise TglError(
            f"{path}: not a valid configuration of '{kind}' ({brief(error)}). {how_to_mend(path)}"
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
            else "not a causal language model"
        )
        raise TglError(
            f"{path}: '{kind}' is {what}, expected a causal language model, which sees only the text to the left of "
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
                    f"{path}: found quantised weights ({key}: {method}), expected floating point for gradients. "
                    "Give the original checkpoint, or a de-quantised one. A model that transformers has loaded with "
                    "bitsandbytes can be given to tgl.profile as an object."
                )


def build_shell(
    folder: Path, config: PretrainedConfig, headers: Mapping[str, Header], *, buffers: bool = False
) -> PreTrainedModel:
    """Build the model of a configuration on the device `meta`, without memory for its weights.

    Args:
        folder: The model's folder, for error messages.
        config: The configuration.
        headers: The headers of the tensors in the folder, by name.
        buffers: Whether buffers get their values, on the CPU; only parameters are then on the device `meta`.

    Raises:
        TglError: The configuration asks for more blocks than there are tensors, or no model can be built from it.
    """
    path = folder / CONFIG
    blocks = getattr(config, "num_hidden_layers", 0)
    if isinstance(blocks, int) and blocks > len(headers):  # Each block has at least one tensor.
        raise TglError(
            f"{path}: asks for {blocks} blocks, but the files hold only {len(headers)} tensors. {how_to_mend(path)}"
        )
    try:
        with _parameters_on_meta() if buffers else torch.device("meta"):
            return AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    except TglError:
        raise
    except Exception as error:  # Wrong numbers can raise anything, such as ZeroDivisionError or TypeError.
        raise TglError(
            f"{path}: no model can be built from it ({brief(error)}). {how_to_mend(path)}"
        ) from None


@contextmanager
def _parameters_on_meta() -> Iterator[None]:
    """Move each parameter that a module registers in the block to the device `meta`."""
    register = nn.Module.register_parameter

    def registered(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        register(module, name, parameter)
        if parameter is not None and not parameter.is_meta:  # One that is tied already has its place there.
            module._parameters[name] = nn.Parameter(parameter.to("meta"), parameter.requires_grad)

    nn.Module.register_parameter = registered
    try:
        yield
    finally:
        nn.Module.register_parameter = register


def check_causal(model: PreTrainedModel, name: str) -> None:
    """Check that the text to the right of a token does not change its prediction. In XLNet, for example, it does.

    The check skips architectures that `tgl.models.sublayers` knows.

    Raises:
        TglError: The model is not causal, or does not predict tokens from tokens.
    """
    if has_layout(model):  # Known to be causal.
        return
    ids = torch.arange(8, device=model.device)[None] % model.get_input_embeddings().num_embeddings
    other = ids.clone()
    other[0, -1] = 0
    try:
        with measuring(model), torch.no_grad():
            first, second = (model(input_ids=tokens).logits[0, :-1].float() for tokens in (ids, other))
    except Exception as error:  # Models of other kinds need other inputs.
        raise TglError(
            f"model '{name}': does not predict tokens from tokens alone ({brief(error)}), expected a causal language "
            "model. Give a decoder, such as GPT-2 or Llama."
        ) from None
    if not torch.allclose(first, second, rtol=1e-3, atol=1e-4):
        raise TglError(
            f"model '{name}': '{model.config.model_type}' predicts a token from the text to its right, expected a "
            "causal language model. Give a decoder, such as GPT-2 or Llama."
        )


def brief(error: Exception) -> str:
    """Return the class and text of a library's error on one line, the text cut to 300 characters."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}"
