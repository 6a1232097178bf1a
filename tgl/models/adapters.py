"""Merge peft adapters into their base model, or put them inside it, and check that no tensor is lost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn
from transformers import PreTrainedModel

from tgl.core.errors import TglError
from tgl.core.files import how_to_mend
from tgl.models.model_files import ADAPTER_CONFIG, ADAPTER_WEIGHTS, names_of, read_headers, read_model_json

if TYPE_CHECKING:
    from peft import PeftModel


def check_adapter(folder: Path) -> None:
    """Check that a folder holds a LoRA adapter in safetensors. Reads only the file's header.

    Raises:
        TglError: The adapter is of another kind or in another format, or its tensors are not floating-point.
    """
    path, weights = folder / ADAPTER_CONFIG, folder / ADAPTER_WEIGHTS
    kind = read_model_json(path).get("peft_type")
    if kind != "LORA":
        raise TglError(
            f"{path}: peft_type is {kind!r}, expected LORA, which tgl can merge. Merge other adapters with peft."
        )
    if not weights.is_file():
        found = sorted(file.name for file in folder.iterdir() if file.name.startswith("adapter_model"))
        raise TglError(
            f"{weights}: no such file, found {names_of(found) or 'no weights'}. Save the adapter as safetensors."
        )
    for name, header in read_headers([weights]).items():
        if not header.is_float:
            raise TglError(
                f"{weights}: '{name}' is of type {header.dtype}, expected floating-point numbers. "
                "Save the adapter without quantisation."
            )


def merged(base: PreTrainedModel, folder: Path) -> PreTrainedModel:
    """Merge the LoRA adapter of a folder into the weights of `base`, in place, and return the model.

    Raises:
        TglError: As `adapted`.
    """
    wrapper = _wrapped(base, folder)
    _untie_adapted(wrapper)
    model = wrapper.merge_and_unload()
    _check_finite(model, folder)
    model.requires_grad_(True)  # peft froze the base model.
    return model.eval()


def adapted(base: PreTrainedModel, folder: Path) -> PreTrainedModel:
    """Return `base` with the LoRA adapter of a folder inside its modules, as layers of peft.

    Raises:
        TglError: The adapter lacks tensors, has tensors that its configuration does not ask for, does not fit the
            base model, or gives values that are not finite.
    """
    model = _wrapped(base, folder).get_base_model()
    _check_finite(model, folder)
    model.requires_grad_(True)  # peft froze the base model.
    return model.eval()


def _untie_adapted(wrapper: PeftModel) -> None:
    """Give the embedding and the head tensors of their own if they share one and the adapter changes one of them.

    peft adds the product of the adapter to the weight in place, which would change the other one too.
    """
    model = wrapper.get_base_model()
    ends = [
        layer for layer in (model.get_input_embeddings(), model.get_output_embeddings()) if layer is not None
    ]
    inner = [getattr(layer, "base_layer", layer) for layer in ends]
    if len(ends) == 2 and inner[0].weight is inner[1].weight and inner != ends:
        inner[1].weight = nn.Parameter(inner[1].weight.detach().clone())
        model.config.tie_word_embeddings = False


def _check_finite(model: PreTrainedModel, folder: Path) -> None:
    bad = [name for name, tensor in model.state_dict().items() if not torch.isfinite(tensor).all()]
    if bad:
        weights = folder / ADAPTER_WEIGHTS
        raise TglError(
            f"{weights}: with it, {names_of(bad)} hold values that are not finite. {how_to_mend(weights)}"
        )


def _wrapped(base: PreTrainedModel, folder: Path) -> PeftModel:
    """Return peft's wrapper around `base` with the adapter of a folder, every tensor of which has its place."""
    from peft import PeftModel, get_peft_model_state_dict  # The import takes a second.

    weights = folder / ADAPTER_WEIGHTS
    try:
        wrapper = PeftModel.from_pretrained(base, str(folder), use_safetensors=True)
        expected = get_peft_model_state_dict(wrapper, save_embedding_layers=False)
    except Exception as error:  # Each tuner raises different exceptions.
        text = " ".join(str(error).split())[:300]
        raise TglError(
            f"{folder}: the adapter does not fit its base model '{base.name_or_path}' ({type(error).__name__}: "
            f"{text}). Give the base model it was trained on."
        ) from None
    held = read_headers([weights])
    missing = sorted(set(expected) - set(held))
    if missing:
        raise TglError(
            f"{weights}: lacks {len(missing)} tensors that {ADAPTER_CONFIG} asks for ({names_of(missing)}). "
            f"{how_to_mend(weights)}"
        )
    extra = sorted(set(held) - set(expected) - set(wrapper.state_dict()))
    if extra:
        raise TglError(
            f"{weights}: holds {len(extra)} tensors that {ADAPTER_CONFIG} or the base model has no place for "
            f"({names_of(extra)}). Give the configuration and base model of this adapter."
        )
    return wrapper
