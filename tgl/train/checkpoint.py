"""Models: made, loaded, saved. A checkpoint is a folder that `from_pretrained` loads: safetensors and configs."""

from __future__ import annotations

import copy
import hashlib
import tempfile
from collections.abc import Iterable
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, PretrainedConfig, PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase
from transformers.utils import logging

from tgl.config import ModelConfig
from tgl.errors import TglError
from tgl.files import atomic_path, sha256_file
from tgl.gru import GruForCausalLM  # noqa: F401, registers itself with the Auto classes
from tgl.k_adapter import KAdapterForCausalLM  # noqa: F401, likewise
from tgl.profiling.mode import measuring
from tgl.sublayers import Sublayer
from tgl.train.architectures import architecture_config
from tgl.train.quiet import silence_deepspeed

_CHECKSUM = "model.safetensors.sha256"

logging.disable_progress_bar()
logging.set_verbosity_error()
silence_deepspeed()


def make_model(
    settings: ModelConfig, tokenizer: PreTrainedTokenizerBase, block_size: int, seed: int
) -> PreTrainedModel:
    """Return a model of the configured architecture and shape with random weights drawn from `seed`."""
    torch.manual_seed(seed)
    config = architecture_config(settings, len(tokenizer), block_size, tokenizer.eos_token_id)
    return _on_device(AutoModelForCausalLM.from_config(config))


def load_model(name: str | Path) -> PreTrainedModel:
    """Load a causal LM in fp32 from safetensors, by folder or Hugging Face name, without remote code.

    It is put on the GPU where there is one, as `make_model` and `random_twin` do. Raises TglError for what cannot be
    loaded, and where a folder's weights are not those that `save_model` noted the checksum of.
    """
    _check_weights(Path(name))
    try:
        model = AutoModelForCausalLM.from_pretrained(name, dtype=torch.float32, use_safetensors=True)
        return _on_device(model)
    except (OSError, ValueError) as error:
        raise TglError(
            f"model '{name}': cannot be loaded ({error}); expected a Hugging Face name or a folder with "
            "config.json and safetensors"
        ) from None


def random_twin(config: PretrainedConfig, seed: int) -> PreTrainedModel:
    """Return a model of a configuration with random weights drawn from `seed`."""
    torch.manual_seed(seed)
    return _on_device(AutoModelForCausalLM.from_config(copy.deepcopy(config), dtype=torch.float32))


def _on_device(model: PreTrainedModel) -> PreTrainedModel:
    return model.to("cuda" if torch.cuda.is_available() else "cpu")


def _check_weights(folder: Path) -> None:
    noted = folder / _CHECKSUM
    if not noted.is_file():  # of somebody else's making
        return
    expected = noted.read_text(encoding="utf-8").split()[:1]
    weights = folder / "model.safetensors"
    found = sha256_file(weights) if weights.is_file() else "no file"
    if expected != [found]:
        raise TglError(
            f"{weights}: damaged or replaced: {noted.name} beside it says SHA-256 {''.join(expected) or 'nothing'}, "
            f"found {found}; delete the folder and run the workflow again"
        )


def save_model(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write model and tokenizer to `folder`, each file whole or not at all, the weights last.

    RWKV's weights are written as they were trained, also after an evaluation, which rescales them in place.
    """
    with tempfile.TemporaryDirectory() as scratch, measuring(model):
        model.save_pretrained(scratch, max_shard_size="1TB")  # one file, which the workflow declares
        tokenizer.save_pretrained(scratch)
        # As sha256sum writes and checks it.
        checksum = sha256_file(Path(scratch) / "model.safetensors")
        (Path(scratch) / _CHECKSUM).write_text(f"{checksum}  model.safetensors\n", encoding="utf-8")
        copy_model(Path(scratch), folder)


def copy_model(source: Path, target: Path) -> None:
    """Copy a checkpoint's files, each whole or not at all, the weights last."""
    for file in sorted(source.iterdir(), key=lambda file: (file.suffix == ".safetensors", file.name)):
        with atomic_path(target / file.name) as part:
            part.write_bytes(file.read_bytes())


def weights_hash(model: PreTrainedModel) -> str:
    """Return the SHA-256 of all weights: a model may change behind its name."""
    digest = hashlib.sha256()
    with measuring(model):  # RWKV's weights as they were trained
        for name, parameter in model.named_parameters():
            digest.update(name.encode())
            digest.update(parameter.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def snapshot(units: Iterable[Sublayer]) -> dict[str, torch.Tensor]:
    """Return a copy of every parameter, by name."""
    return {name: parameter.detach().clone() for unit in units for name, parameter in unit.parameters.items()}


def max_changes(units: Iterable[Sublayer], before: dict[str, torch.Tensor]) -> dict[str, float]:
    """Return, by unit, the largest absolute change of any of its parameters since `before`."""
    return {
        unit.name: max(
            (parameter.detach() - before[name]).abs().max().item()
            for name, parameter in unit.parameters.items()
        )
        for unit in units
    }


def prove_frozen(frozen: Iterable[Sublayer], before: dict[str, torch.Tensor]) -> None:
    """Raise TglError unless every parameter of the frozen units is bit-identical to `before`."""
    for unit in frozen:
        for name, parameter in unit.parameters.items():
            if not torch.equal(parameter.detach().cpu(), before[name].cpu()):
                raise TglError(
                    f"training: '{name}' of the frozen sublayer '{unit.name}' has changed; "
                    "this is a fault of the training code, the checkpoint was not written"
                )
