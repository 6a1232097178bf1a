"""Load a model from a folder, and refuse the folder if a tensor is missing or would be lost.

transformers fills missing tensors with random numbers and drops tensors that the model has no place for; it only logs
both. This module first compares the configuration with the headers of the files and then reads the tensors.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from transformers import GenerationConfig, PreTrainedModel

from tgl.core.errors import TglError
from tgl.core.files import how_to_mend
from tgl.models.model_config import brief, build_shell, read_config
from tgl.models.model_files import (
    CONFIG,
    Header,
    check_finite,
    load_tensors,
    names_of,
    read_headers,
    read_model_json,
    weight_files,
)
from tgl.models.places import first_places

Say = Callable[[str], None]
# Prefixes of tensor names, and the wrapper that adds each.
_PREFIXES = {
    "_orig_mod.": "torch.compile",
    "module.": "DistributedDataParallel",
    "_forward_module.": "Fabric",
    "base_model.model.": "peft",
}
# Old files hold buffers that models compute today: causal masks [1, 1, n, n], values for masked scores, frequencies.
_MASK = re.compile(r"(attn|attention)\.bias$")
_COMPUTED = re.compile(r"(rotary_emb\.inv_freq|position_ids|(attn|attention)\.masked_bias)$")


def load_whole(folder: Path, name: str, say: Say, *, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """Load a causal language model from the safetensors of a folder.

    Args:
        folder: The folder.
        name: The user's name for the model, for messages.
        say: Called with a message about tensors that are not used.
        dtype: Type of the model's parameters.

    Raises:
        TglError: The configuration does not belong to a causal language model, is quantised or needs remote code; a
            tensor is missing, of another shape, not floating-point or not finite; or a tensor of the files belongs to
            a part of the model but would be lost.
    """
    shell, headers = inspect(folder, name)
    model, info = _filled(shell, headers, dtype)
    _check_loaded(folder, model, headers, info=info)
    extra = unused(folder, model, headers, unexpected=info["unexpected_keys"])
    report_unused([*extra, *ignored(model, first_places(model, headers)[1])], name, say)
    head = model.get_output_embeddings()
    if (
        head is not None
        and model.config.tie_word_embeddings
        and head.weight is not model.get_input_embeddings().weight
    ):
        say(
            f"{name}: its head differs from its embedding, although {CONFIG} ties them; both are kept unchanged"
        )
        model.config.tie_word_embeddings = False  # Models built from this configuration must not tie them.
    return named(model, folder, name, say=say)


def named(model: PreTrainedModel, folder: Path, name: str, *, say: Say) -> PreTrainedModel:
    """Give a loaded model its name and its settings for generation, and return it in evaluation mode."""
    if hasattr(model.config, "auto_map"):
        kind = model.config.model_type
        say(f"{name}: using '{kind}' of transformers, not the code that comes with the model")
        del model.config.auto_map  # A copy that is saved from here does not need that code.
    model.name_or_path = model.config.name_or_path = name
    if (folder / "generation_config.json").is_file() and model.can_generate():
        model.generation_config = _generation(folder)
    return model.eval()


def inspect(folder: Path, name: str) -> tuple[PreTrainedModel, dict[str, Header]]:
    """Return a folder's model on the device `meta`, and the headers of the tensors in its files.

    Raises:
        TglError: As `load_whole`, for the problems that show without reading the weights.
    """
    config = read_config(folder)
    headers = read_headers(weight_files(folder))
    shell = build_shell(folder, config, headers)
    shell.name_or_path = name
    _check_headers(folder, shell, headers)
    return shell, headers


def _check_headers(folder: Path, shell: PreTrainedModel, headers: Mapping[str, Header]) -> None:
    expected = shell.state_dict()
    for name, header in headers.items():
        own = _own_name(name, expected, shell.base_model_prefix)
        if header.dtype.startswith("F8"):
            raise TglError(
                f"{header.file}: '{name}' is of type {header.dtype}, expected floating-point numbers of 16 bits or "
                "more. Give weights that are not quantised."
            )
        # transformers converts some layouts, but the number of elements stays the same.
        if own and expected[own].numel() != torch.Size(header.shape).numel():
            raise _misshaped(folder, header, name, expected=tuple(expected[own].shape))
    _check_sources(shell, headers)
    asked = sum(parameter.numel() for parameter in shell.parameters())
    held = sum(torch.Size(header.shape).numel() for header in headers.values())
    if asked > 2 * held:  # Filling the missing tensors could need more memory than there is.
        raise TglError(
            f"{folder}: the weights hold {held:,} numbers, expected {asked:,} parameters as in {CONFIG}. "
            f"{how_to_mend(folder / CONFIG)}"
        )


def _check_sources(shell: PreTrainedModel, headers: Mapping[str, Header]) -> None:
    """Check the type and number of the tensors of each parameter, also those that transformers converts."""
    expected = shell.state_dict()
    for name, place in first_places(shell, headers)[0].items():
        sources = [headers[source.name] for source in place.sources]
        for source, header in zip(place.sources, sources, strict=True):
            if expected[name].is_floating_point() and not header.is_float:
                raise TglError(
                    f"{header.file}: '{source.name}' is of type {header.dtype}, expected floating-point numbers of 16 "
                    "bits or more. Give weights that are not quantised."
                )
        if place.converter is None and len(sources) > 1:
            raise TglError(
                f"{sources[0].file}: found {len(sources)} tensors for '{name}' of the model "
                f"({names_of([source.name for source in place.sources])}), expected one. Remove the others."
            )


def _own_name(name: str, expected: Collection[str], prefix: str) -> str | None:
    """Return the model's name for a tensor of a file. Files of a model without head lack `prefix`."""
    candidates = (name, f"{prefix}.{name}", name.removeprefix(f"{prefix}."))
    return next((candidate for candidate in candidates if candidate in expected), None)


def _misshaped(folder: Path, header: Header, name: str, *, expected: tuple[int, ...]) -> TglError:
    return TglError(
        f"{header.file}: '{name}' has shape {list(header.shape)}, expected {list(expected)} as in {folder / CONFIG}. "
        "One of the two files belongs to another model; replace it."
    )


def _filled(
    shell: PreTrainedModel, headers: Mapping[str, Header], dtype: torch.dtype
) -> tuple[PreTrainedModel, dict]:
    tensors: dict[str, torch.Tensor] = {}
    files = dict.fromkeys(header.file for header in headers.values())
    try:
        for file in files:
            tensors |= load_tensors(file)
        # Given the folder, transformers would also load an adapter that is in it. So the tensors are passed.
        return type(shell).from_pretrained(
            None,
            config=shell.config,
            state_dict=tensors,
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,  # `_check_loaded` reports these by name.
            output_loading_info=True,
        )
    except (SafetensorError, OSError, ValueError, RuntimeError, ImportError, TypeError, KeyError) as error:
        raise TglError(
            f"{', '.join(map(str, files))}: cannot be loaded as '{shell.config.model_type}' ({brief(error)}). "
            f"{how_to_mend(next(iter(files)))}"
        ) from None


def _check_loaded(
    folder: Path, model: PreTrainedModel, headers: Mapping[str, Header], *, info: Mapping
) -> None:
    where = next(iter(headers.values())).file if len({h.file for h in headers.values()}) == 1 else folder
    for name, found, expected in sorted(info["mismatched_keys"]):
        header = headers.get(name) or Header(where, "", tuple(found))
        raise _misshaped(folder, header, name, expected=tuple(expected))
    missing = sorted(info["missing_keys"])
    if missing:
        raise TglError(
            f"{where}: lacks {len(missing)} of the model's tensors ({names_of(missing)}); expected all tensors that "
            f"{CONFIG} asks for. {_why_missing(info['unexpected_keys'], where)}"
        )
    for name, tensor in model.state_dict().items():
        check_finite(tensor, name, headers[name].file if name in headers else where)


def _why_missing(unexpected: Iterable[str], where: Path) -> str:
    names = sorted(unexpected)
    for prefix, maker in _PREFIXES.items():
        if any(name.startswith(prefix) for name in names):
            return f"Names in the file begin with '{prefix}', which {maker} adds: save the inner model again."
    if names:
        return f"It holds {len(names)} tensors with other names ({names_of(names, 3)}): rename them."
    return how_to_mend(where)


def ignored(model: PreTrainedModel, names: Iterable[str]) -> list[str]:
    """Return the tensors that the type of model leaves out by design, such as blocks that predict further tokens."""
    patterns = [re.compile(pattern) for pattern in model._keys_to_ignore_on_load_unexpected or ()]
    own = model.state_dict()
    return sorted(
        name
        for name in names
        if any(pattern.search(name) for pattern in patterns)
        and _own_name(name, own, model.base_model_prefix) is None
        and not _COMPUTED.search(name)
        and not _MASK.search(name)
    )


def report_unused(tensors: list[str], name: str, say: Say) -> None:
    """Report the tensors of a model's files that are not used."""
    if tensors:
        say(f"{name}: not using {len(tensors)} tensors of its files that belong to no part of the model: "
            f"{names_of(tensors)}")  # fmt: skip


def unused(
    folder: Path, model: PreTrainedModel, headers: Mapping[str, Header], *, unexpected: Iterable[str]
) -> list[str]:
    """Return the tensors that belong to no part of the model; raise TglError if a part of it would lose a tensor."""
    unused = sorted(
        name for name in unexpected if not (name in headers and _is_computed(name, headers[name].shape))
    )
    modules = {name for name, _ in model.named_modules() if name}
    lost = [name for name in unused if _is_of(name, modules, model) or name.startswith(tuple(_PREFIXES))]
    if lost:
        file = headers[lost[0]].file if lost[0] in headers else folder
        raise TglError(
            f"{file}: holds {len(lost)} tensors that {folder / CONFIG} has no place for ({names_of(lost)}), but "
            "the model needs them. Give the configuration that belongs to the weights."
        )
    return unused


def _is_of(name: str, modules: Collection[str], model: PreTrainedModel) -> bool:
    """Return whether a tensor belongs to a module of the model, such as another block, a bias or a norm."""
    prefix = model.base_model_prefix
    inner = name.removeprefix(f"{prefix}.")
    first = inner.partition(".")[0]
    return f"{prefix}.{first}" in modules or (inner == name and first in modules)


def _is_computed(name: str, shape: tuple[int, ...]) -> bool:
    return bool(_COMPUTED.search(name)) or (len(shape) == 4 and bool(_MASK.search(name)))


def _generation(folder: Path) -> GenerationConfig:
    path = folder / "generation_config.json"
    read_model_json(path)
    try:
        return GenerationConfig.from_pretrained(folder)
    except Exception as error:  # Each key raises different exceptions.
        raise TglError(f"{path}: not usable ({brief(error)}). {how_to_mend(path)}") from None
