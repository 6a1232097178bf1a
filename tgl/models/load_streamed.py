"""Load a model whose blocks stay in its safetensors files (`tgl.models.streamed`)."""

from __future__ import annotations

import contextlib
import ctypes
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch
from torch import nn
from transformers import PreTrainedModel

from tgl.core.errors import TglError
from tgl.models.model_config import build_shell
from tgl.models.model_files import check_finite, names_of
from tgl.models.places import Place, find_places
from tgl.models.streamed import Streamed, opened
from tgl.models.sublayers import block_modules
from tgl.models.weights import ignored, inspect, named, report_unused, unused

_M_MMAP_THRESHOLD = -3  # in malloc.h


def load_streamed(
    folder: Path,
    name: str,
    say: Callable[[str], None],
    *,
    dtype: torch.dtype = torch.float32,
    device: str = "cpu",
) -> PreTrainedModel:
    """Return a causal language model whose blocks stay on disk.

    Args:
        folder: The folder with the safetensors.
        name: The user's name for the model, for messages.
        say: Called with a message about tensors that are not used.
        dtype: Type of the model's parameters.
        device: Their device.

    Raises:
        TglError: As `tgl.models.weights.load_whole`; or a block gets values of another one otherwise than as
            arguments.
    """
    _give_memory_back()
    shell, headers = inspect(folder, name)
    model = build_shell(folder, shell.config, headers, buffers=True)
    blocks = block_modules(model)
    places, shapes, extra = find_places(model, headers)
    left_out = ignored(model, extra)
    extra = unused(folder, model, headers, unexpected=set(extra) - set(left_out))
    of_parameter = _of_parameters(folder, model, places, shapes=shapes)
    report_unused([*extra, *left_out], name, say)
    on_disk = _only_in_one(model, blocks)
    made: dict[nn.Parameter, nn.Parameter] = {}
    for parameter, place in of_parameter.items():
        if parameter in on_disk:
            value = torch.empty((), dtype=dtype, device=device).expand(parameter.shape)
        else:
            value = _value(place, model).to(device, dtype, copy=True)
        made[parameter] = nn.Parameter(value, parameter.requires_grad)
    for buffer, value in model.named_buffers():
        if buffer in places:
            value.copy_(_value(places[buffer], model))
    for module in model.modules():
        module._parameters.update({k: made[p] for k, p in module._parameters.items() if p is not None})
        module._buffers.update({k: b.to(device) for k, b in module._buffers.items() if b is not None})
    left = {made[parameter]: of_parameter[parameter] for parameter in on_disk}
    weights = Streamed(model, left, dtype, torch.device(device))
    weights.attach(blocks)
    model = named(model, folder, name, say=say)
    weights.check_arguments()
    return model


def _give_memory_back() -> None:
    """Let the allocator of glibc give each freed tensor back to the system.

    It else keeps freed pieces of up to 32 MiB, among others that are in use, and the process grows with each block.
    """
    with contextlib.suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, 1 << 20)


def _only_in_one(model: PreTrainedModel, blocks: list[nn.Module]) -> set[nn.Parameter]:
    """Return the parameters that only one block uses. Those that several share stay in memory."""
    homes: dict[nn.Module, nn.Module] = {m: block for block in blocks for m in block.modules()}
    users: dict[nn.Parameter, set[nn.Module | None]] = {}
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            users.setdefault(parameter, set()).add(homes.get(module))
    return {parameter for parameter, found in users.items() if len(found) == 1 and None not in found}


def _of_parameters(
    folder: Path,
    model: PreTrainedModel,
    places: Mapping[str, Place],
    *,
    shapes: Mapping[str, tuple[int, ...]],
) -> dict[nn.Parameter, Place]:
    """Return the place of each parameter.

    Raises:
        TglError: A parameter has none, or one of another shape; or two names of a tied parameter have other values.
    """
    found: dict[nn.Parameter, Place] = {}
    for name, parameter in model.state_dict(keep_vars=True).items():
        if name not in places:
            continue
        place = places[name]
        if shapes[name] != tuple(parameter.shape):
            raise TglError(
                f"{place.sources[0].file}: '{name}' has shape {list(shapes[name])}, expected {list(parameter.shape)} "
                f"as in {folder / 'config.json'}. One of the two files belongs to another model; replace it."
            )
        if not isinstance(parameter, nn.Parameter):
            continue
        if parameter in found and not torch.equal(_value(found[parameter], model), _value(place, model)):
            raise TglError(
                f"{place.sources[0].file}: '{name}' differs from '{found[parameter].name}', but config.json ties them; "
                "expected one tensor to read the model block by block. Set tie_word_embeddings to false there."
            )
        found.setdefault(parameter, place)
    missing = [name for name, parameter in model.named_parameters() if parameter not in found]
    computed = [re.compile(pattern) for pattern in model._keys_to_ignore_on_load_missing or ()]
    missing += [
        name
        for name, _ in saved_buffers(model)
        if name not in places and not any(pattern.search(name) for pattern in computed)
    ]
    if missing:
        raise TglError(
            f"{folder}: lacks {len(missing)} of the model's tensors ({names_of(missing)}); expected all tensors that "
            "config.json asks for. Fetch the model again."
        )
    return found


def saved_buffers(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the buffers that checkpoints of a model hold, with their names."""
    for prefix, module in model.named_modules():
        for name, buffer in module._buffers.items():
            if buffer is not None and name not in module._non_persistent_buffers_set:
                yield f"{prefix}.{name}".removeprefix("."), buffer


def _value(place: Place, model: PreTrainedModel) -> torch.Tensor:
    with opened() as tensor_of:
        tensor = place.made(tensor_of, model)
    check_finite(tensor, place.name, place.sources[0].file)
    return tensor
