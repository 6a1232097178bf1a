"""Models: made, loaded, saved. A checkpoint is a folder that `from_pretrained` loads: safetensors and configs."""

from __future__ import annotations

import copy
import hashlib
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, PretrainedConfig, PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase
from transformers.utils import logging

from tgl.config import ModelConfig
from tgl.errors import TglError
from tgl.files import atomic_path, how_to_mend, publish, scratch_folder, sha256_file
from tgl.gru import GruForCausalLM  # noqa: F401, registers itself with the Auto classes
from tgl.k_adapter import KAdapterForCausalLM  # noqa: F401, likewise
from tgl.model_files import ADAPTER_CONFIG, base_of_adapter, local_folder
from tgl.profiling.mode import measuring
from tgl.sublayers import Sublayer
from tgl.text.tokens import num_ids
from tgl.train.adapters import check_adapter, merged
from tgl.train.architectures import architecture_config
from tgl.train.model_config import brief, check_causal
from tgl.train.quiet import silence_deepspeed
from tgl.train.weights import inspect, load_whole

_CHECKSUM = "model.safetensors.sha256"

logging.disable_progress_bar()
logging.set_verbosity_error()
silence_deepspeed()


def make_model(
    settings: ModelConfig, tokenizer: PreTrainedTokenizerBase, block_size: int, seed: int
) -> PreTrainedModel:
    """Return a model of the configured architecture and shape with random weights drawn from `seed`."""
    torch.manual_seed(seed)
    config = architecture_config(settings, num_ids(tokenizer), block_size, tokenizer.eos_token_id)
    return _on_device(AutoModelForCausalLM.from_config(config))


def load_model(
    name: str | Path, *, merge_adapter: bool = False, say: Callable[[str], None] = print
) -> PreTrainedModel:
    """Load a causal LM in fp32 from safetensors, by folder or Hugging Face name, without remote code.

    It is put on the GPU where there is one, as `make_model` and `random_twin` do. merge_adapter: take a folder that
    holds an adapter of peft, and merge it into its base model. say: told of tensors that are not used. Raises TglError
    for what cannot be loaded whole (`tgl.train.weights.load_whole`), for a folder with an adapter that is not to be
    merged, and where a folder's weights are not those that `save_model` noted the checksum of.
    """
    folder = local_folder(name)
    has_adapter = (folder / ADAPTER_CONFIG).is_file()
    if not merge_adapter:
        _refuse_adapter(folder)
    if merge_adapter and not has_adapter:
        raise TglError(
            f"{folder}: no {ADAPTER_CONFIG}, expected an adapter to merge. Leave out merge_adapter."
        )
    if has_adapter:
        check_adapter(folder)
    home = base_of_adapter(folder) if has_adapter else folder
    _check_weights(home)
    model = load_whole(home, str(name if home == folder else home), say)
    if has_adapter:
        model = merged(model, folder)
        model.name_or_path = model.config.name_or_path = str(name)
    model = _on_device(model)
    check_causal(model, str(name))
    return model


def inspect_model(name: str | Path, *, merge_adapter: bool = False) -> PreTrainedModel:
    """Return a model on the device `meta`, without reading its weights, to check what goes with it before long work.

    merge_adapter: take the base model of an adapter's folder. Raises TglError as `load_model` for all that shows in the
    configuration and the headers of the files.
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
            f"{path}: the folder holds an adapter, expected a whole model. Merge it into its base model: "
            "--merge-adapter of profile, score and agree, model.merge_adapter in a configuration, or "
            "tgl.load_model(..., merge_adapter=True) in Python."
        )


def random_twin(config: PretrainedConfig, seed: int) -> PreTrainedModel:
    """Return a model of a configuration with random weights drawn from `seed`."""
    torch.manual_seed(seed)
    try:
        model = AutoModelForCausalLM.from_config(
            copy.deepcopy(config), dtype=torch.float32, trust_remote_code=False
        )
    except ValueError as error:  # an architecture whose code came with its weights
        raise TglError(
            f"model type '{config.model_type}': no twin with random weights can be made ({brief(error)}), expected an "
            "architecture of transformers. Measure it without a twin."
        ) from None
    return _on_device(model)


def _on_device(model: PreTrainedModel) -> PreTrainedModel:
    return model.to("cuda" if torch.cuda.is_available() else "cpu")


def _check_weights(folder: Path) -> None:
    noted = folder / _CHECKSUM
    if not noted.is_file():  # of somebody else's making
        return
    expected = noted.read_text(encoding="utf-8", errors="replace").split()[:1]
    weights = folder / "model.safetensors"
    found = sha256_file(weights) if weights.is_file() else "no file"
    if expected != [found]:
        raise TglError(
            f"{weights}: damaged or replaced: {noted.name} next to it says SHA-256 {''.join(expected) or 'nothing'}, "
            f"found {found}. {how_to_mend(weights)}"
        )


def save_model(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write model and tokenizer to `folder`, each file whole or not at all, the weights last.

    RWKV's weights are written as they were trained, also after an evaluation, which rescales them in place.
    """
    # Staged next to the target: $TMPDIR may be small, or in memory.
    with scratch_folder(folder) as scratch, measuring(model):
        model.save_pretrained(scratch, max_shard_size="1TB")  # one file, which the workflow declares
        tokenizer.save_pretrained(scratch)
        # As sha256sum writes and checks it.
        checksum = sha256_file(scratch / "model.safetensors")
        (scratch / _CHECKSUM).write_text(f"{checksum}  model.safetensors\n", encoding="utf-8")
        folder.mkdir(parents=True, exist_ok=True)
        for file in _weights_last(scratch):
            publish(file, folder / file.name)


def copy_model(source: Path, target: Path) -> None:
    """Copy a checkpoint's files, each whole or not at all, the weights last."""
    for file in _weights_last(source):
        with atomic_path(target / file.name) as part:
            shutil.copyfile(file, part)


def _weights_last(folder: Path) -> list[Path]:
    return sorted(folder.iterdir(), key=lambda file: (file.suffix == ".safetensors", file.name))


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
