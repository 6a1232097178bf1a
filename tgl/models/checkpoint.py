"""Create, load and save models. A checkpoint is a folder with safetensors and configs for `from_pretrained`."""

from __future__ import annotations

import copy
import hashlib
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, PretrainedConfig, PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase
from transformers.utils import logging

from tgl.core.errors import TglError
from tgl.core.files import atomic_path, how_to_mend, publish, scratch_folder, sha256_file
from tgl.models.adapters import adapted, check_adapter, merged
from tgl.models.architecture import architecture_config
from tgl.models.folders import base_of_adapter, local_folder
from tgl.models.k_adapter import KAdapterForCausalLM  # noqa: F401, registers itself with the Auto classes
from tgl.models.load_streamed import load_streamed, saved_buffers
from tgl.models.mode import measuring
from tgl.models.model_config import brief, check_causal
from tgl.models.model_files import ADAPTER_CONFIG
from tgl.models.quiet import silence_deepspeed
from tgl.models.settings import ModelConfig
from tgl.models.streamed import loaded
from tgl.models.sublayers import Sublayer
from tgl.models.tokenizer import load_tokenizer, num_ids
from tgl.models.weights import inspect, load_whole

_CHECKSUM = "model.safetensors.sha256"

logging.disable_progress_bar()
logging.set_verbosity_error()
silence_deepspeed()


def make_model(
    settings: ModelConfig, tokenizer: PreTrainedTokenizerBase, block_size: int, *, seed: int
) -> PreTrainedModel:
    """Return a model of the configured architecture and shape with random weights.

    Args:
        settings: Architecture and shape.
        tokenizer: Gives the size of the vocabulary and the end-of-text token.
        block_size: Number of positions, in tokens.
        seed: Seed of the weights.

    Returns:
        The model, on the GPU if there is one.
    """
    torch.manual_seed(seed)
    config = architecture_config(settings, num_ids(tokenizer), block_size, end_token=tokenizer.eos_token_id)
    return _on_device(AutoModelForCausalLM.from_config(config))


def load_model(
    name: str | Path,
    *,
    merge_adapter: bool = False,
    keep_adapter: bool = False,
    say: Callable[[str], None] = print,
    dtype: torch.dtype = torch.float32,
    stream: bool = False,
) -> PreTrainedModel:
    """Load a causal language model from safetensors, without remote code.

    Args:
        name: Folder or Hugging Face name.
        merge_adapter: Whether `name` is the folder of a peft adapter to merge into its base model.
        keep_adapter: Whether `name` is such a folder whose adapter stays inside the model, as layers of peft.
        say: Called with a message about tensors that are not used.
        dtype: Type of the model's parameters.
        stream: Whether the blocks stay on disk, and are read when they run (`tgl.models.streamed`).

    Returns:
        The model, on the GPU if there is one.

    Raises:
        TglError: The model cannot be loaded completely (`tgl.models.weights.load_whole`), the folder holds an adapter
            and `merge_adapter` is false, or the weights do not match the checksum that `save_model` recorded.
    """
    folder = local_folder(name)
    has_adapter = (folder / ADAPTER_CONFIG).is_file()
    if merge_adapter and keep_adapter:
        raise TglError(
            f"{folder}: found merge_adapter and keep_adapter, expected one of the two. Remove one."
        )
    if not merge_adapter and not keep_adapter:
        _refuse_adapter(folder)
    elif not has_adapter:
        what, option = ("merge", "merge_adapter") if merge_adapter else ("keep", "keep_adapter")
        raise TglError(
            f"{folder}: found no {ADAPTER_CONFIG}, expected an adapter to {what}. Remove {option}."
        )
    if has_adapter:
        check_adapter(folder)
    if stream and has_adapter:
        raise TglError(
            f"{folder}: holds an adapter to merge, but stream reads the weights as they are on disk; expected a "
            "whole model. Merge and save it first, or load it without stream."
        )
    home = base_of_adapter(folder) if has_adapter else folder
    _check_weights(home)
    if stream:
        model = load_streamed(home, str(name), say, dtype=dtype, device=_device())
        check_causal(model, str(name))
        return model
    model = load_whole(home, str(name if home == folder else home), say, dtype=dtype)
    if has_adapter:
        model = (merged if merge_adapter else adapted)(model, folder)
        model.name_or_path = model.config.name_or_path = str(name)
    model = _on_device(model)
    check_causal(model, str(name))
    return model


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A model, its tokenizer, and the name or folder of both."""

    name: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase


def load_checkpoint(
    name: str | Path, *, merge_adapter: bool = False, say: Callable[[str], None] = print
) -> Checkpoint:
    """Load a model and its tokenizer. Arguments and errors are those of `load_model` and `load_tokenizer`."""
    tokenizer = load_tokenizer(name)
    return Checkpoint(str(name), load_model(name, merge_adapter=merge_adapter, say=say), tokenizer)


def inspect_model(name: str | Path, *, merge_adapter: bool = False) -> PreTrainedModel:
    """Return a model on the device `meta`, without reading its weights, for checks before long work.

    Args:
        name: Folder or Hugging Face name.
        merge_adapter: Whether to use the base model of an adapter's folder.

    Raises:
        TglError: As `load_model`, for the problems that show in the configuration and the headers of the files.
    """
    folder = local_folder(name)
    if merge_adapter and (folder / ADAPTER_CONFIG).is_file():
        folder = base_of_adapter(folder)
    else:
        _refuse_adapter(folder)
    return inspect(folder, str(name))[0]


def _refuse_adapter(folder: Path) -> None:
    path = folder / ADAPTER_CONFIG
    if path.is_file():
        raise TglError(
            f"{path}: the folder holds an adapter, expected a whole model. Merge it into its base model with "
            "--merge-adapter of profile, score and agree, model.merge_adapter in a configuration, or "
            "tgl.load_model(..., merge_adapter=True) in Python; `tgl profile --adapters` measures the adapter itself."
        )


def random_twin(config: PretrainedConfig, seed: int) -> PreTrainedModel:
    """Return a model with a given configuration and random weights.

    Args:
        config: The configuration.
        seed: Seed of the weights.

    Returns:
        The model in fp32, on the GPU if there is one.

    Raises:
        TglError: transformers does not have the architecture.
    """
    torch.manual_seed(seed)
    try:
        model = AutoModelForCausalLM.from_config(
            copy.deepcopy(config), dtype=torch.float32, trust_remote_code=False
        )
    except ValueError as error:  # The code of the architecture came with the weights.
        raise TglError(
            f"model type '{config.model_type}': cannot create a twin with random weights ({brief(error)}), expected an "
            "architecture of transformers. Measure it without a twin."
        ) from None
    return _on_device(model)


def _on_device(model: PreTrainedModel) -> PreTrainedModel:
    return model.to(_device())


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _check_weights(folder: Path) -> None:
    recorded = folder / _CHECKSUM
    if not recorded.is_file():  # Another program wrote the checkpoint.
        return
    expected = recorded.read_text(encoding="utf-8", errors="replace").split()[:1]
    weights = folder / "model.safetensors"
    found = sha256_file(weights) if weights.is_file() else "no file"
    if expected != [found]:
        raise TglError(
            f"{weights}: damaged or replaced: found SHA-256 {found}, expected {''.join(expected) or 'nothing'} "
            f"as in {recorded.name}. {how_to_mend(weights)}"
        )


def save_model(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write model and tokenizer to `folder`, each file atomically, the weights last.

    An evaluation rescales RWKV's weights in place. This function writes the weights as trained.
    """
    # The files are first written next to the target because $TMPDIR may be small or in memory.
    with scratch_folder(folder) as scratch, measuring(model):
        model.save_pretrained(scratch, max_shard_size="1TB")  # The workflow declares one file of weights.
        tokenizer.save_pretrained(scratch)
        # In the format of sha256sum.
        checksum = sha256_file(scratch / "model.safetensors")
        (scratch / _CHECKSUM).write_text(f"{checksum}  model.safetensors\n", encoding="utf-8")
        folder.mkdir(parents=True, exist_ok=True)
        for file in _weights_last(scratch):
            publish(file, folder / file.name)


def copy_model(source: Path, target: Path) -> None:
    """Copy a checkpoint's files, each atomically, the weights last."""
    for file in _weights_last(source):
        with atomic_path(target / file.name) as part:
            shutil.copyfile(file, part)


def _weights_last(folder: Path) -> list[Path]:
    return sorted(folder.iterdir(), key=lambda file: (file.suffix == ".safetensors", file.name))


def weights_hash(model: PreTrainedModel) -> str:
    """Return the SHA-256 of all weights and saved buffers, which detects that the model behind a name has changed."""
    digest = hashlib.sha256()

    def add(name: str, value: torch.Tensor) -> None:
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())

    with measuring(model):  # Restores RWKV's weights as trained.
        for name, parameter in model.named_parameters():
            with loaded(model, [parameter]):
                add(name, parameter)
        for name, buffer in saved_buffers(model):
            add(name, buffer)
    return digest.hexdigest()


def snapshot(units: Iterable[Sublayer]) -> dict[str, torch.Tensor]:
    """Return a copy of every parameter of the units, by name."""
    return {name: parameter.detach().clone() for unit in units for name, parameter in unit.parameters.items()}


def max_changes(units: Iterable[Sublayer], before: dict[str, torch.Tensor]) -> dict[str, float]:
    """Return the largest absolute change of any parameter since `before`, by unit."""
    return {
        unit.name: max(
            (parameter.detach() - before[name]).abs().max().item()
            for name, parameter in unit.parameters.items()
        )
        for unit in units
    }


def prove_frozen(frozen: Iterable[Sublayer], before: dict[str, torch.Tensor]) -> None:
    """Check that every parameter of the frozen units is bit-identical to `before`.

    Raises:
        TglError: A parameter has changed.
    """
    for unit in frozen:
        for name, parameter in unit.parameters.items():
            if not torch.equal(parameter.detach().cpu(), before[name].cpu()):
                raise TglError(
                    f"training: '{name}' of the frozen sublayer '{unit.name}' has changed, so no checkpoint was "
                    "written. This is a bug in tgl; please report it"
                )
