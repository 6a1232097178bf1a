"""A whole model from a folder: every tensor is accounted for, or the folder is refused.

transformers fills a tensor that is missing with random numbers and drops one that it has no place for; it only logs
both. Here the configuration and the headers of the files are compared first, then the tensors are read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from transformers import GenerationConfig, PreTrainedModel

from tgl.errors import TglError
from tgl.files import how_to_mend
from tgl.model_files import (
    CONFIG,
    Header,
    load_tensors,
    names_of,
    read_headers,
    read_model_json,
    weight_files,
)
from tgl.train.model_config import brief, build_shell, read_config

Say = Callable[[str], None]
# Who puts what before every name.
_PREFIXES = {
    "_orig_mod.": "torch.compile",
    "module.": "DistributedDataParallel",
    "_forward_module.": "Fabric",
    "base_model.model.": "peft",
}
# Buffers of old files, which are computed now: causal masks [1, 1, n, n], what masked scores were set to, frequencies.
_MASK = re.compile(r"(attn|attention)\.bias$")
_COMPUTED = re.compile(r"(rotary_emb\.inv_freq|position_ids|(attn|attention)\.masked_bias)$")


def load_whole(folder: Path, name: str, say: Say) -> PreTrainedModel:
    """Load a causal LM in fp32 from the safetensors of a folder. `name`: what the user calls it, for messages.

    Raises TglError for a configuration that is none of a causal LM, is quantised or asks for remote code; for tensors
    that are missing, of another shape, not floating-point or not finite; and for tensors that are in the files and
    belong to a part that the model has, which would be lost. Other tensors that are not used are reported by `say`.
    """
    shell, headers = inspect(folder, name)
    model, info = _filled(shell, headers)
    _check_loaded(folder, model, headers, info)
    unused = _unused(folder, model, headers, info["unexpected_keys"])
    if unused:
        say(f"{name}: {len(unused)} tensors of its files belong to no part of the model and are not used: "
            f"{names_of(unused)}")  # fmt: skip
    head = model.get_output_embeddings()
    if (
        head is not None
        and model.config.tie_word_embeddings
        and head.weight is not model.get_input_embeddings().weight
    ):
        say(f"{name}: its head differs from its embedding, and {CONFIG} ties them; both are kept as they are")
        model.config.tie_word_embeddings = False  # for what is made from this configuration
    if hasattr(model.config, "auto_map"):
        kind = model.config.model_type
        say(f"{name}: the code that comes with the model is not run; '{kind}' of transformers is used")
        del model.config.auto_map  # what is saved from here needs no code of its own
    model.name_or_path = model.config.name_or_path = name
    if (folder / "generation_config.json").is_file() and model.can_generate():
        model.generation_config = _generation(folder)
    return model.eval()


def inspect(folder: Path, name: str) -> tuple[PreTrainedModel, dict[str, Header]]:
    """Return a folder's model without memory for its weights, and what its files say of their tensors.

    Raises TglError as `load_whole`, for all that shows without reading the weights.
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
        if header.dtype.startswith("F8") or (
            own and expected[own].is_floating_point() and not header.is_float
        ):
            raise TglError(
                f"{header.file}: '{name}' is of type {header.dtype}, expected floating-point numbers of 16 bits or "
                "more. Give weights that are not quantised."
            )
        # Layouts that transformers converts keep the number of elements.
        if own and expected[own].numel() != torch.Size(header.shape).numel():
            raise _misshaped(folder, header, name, tuple(expected[own].shape))
    asked = sum(parameter.numel() for parameter in shell.parameters())
    held = sum(torch.Size(header.shape).numel() for header in headers.values())
    if asked > 2 * held:  # refused here, where filling up what is missing would take all memory
        raise TglError(
            f"{folder}: {CONFIG} asks for {asked:,} parameters and the weights hold {held:,} numbers; expected all of "
            f"them. {how_to_mend(folder / CONFIG)}"
        )


def _own_name(name: str, expected: Collection[str], prefix: str) -> str | None:
    """Return the model's own name of a file's tensor; files of a bare model leave out `prefix`."""
    candidates = (name, f"{prefix}.{name}", name.removeprefix(f"{prefix}."))
    return next((candidate for candidate in candidates if candidate in expected), None)


def _misshaped(folder: Path, header: Header, name: str, expected: tuple[int, ...]) -> TglError:
    return TglError(
        f"{header.file}: '{name}' has shape {list(header.shape)}, expected {list(expected)} by {folder / CONFIG}. One "
        "of the two files belongs to another model."
    )


def _filled(shell: PreTrainedModel, headers: Mapping[str, Header]) -> tuple[PreTrainedModel, dict]:
    tensors: dict[str, torch.Tensor] = {}
    files = dict.fromkeys(header.file for header in headers.values())
    try:
        for file in files:
            tensors |= load_tensors(file)
        # From tensors, not from the folder: transformers would put an adapter of the same folder into the model.
        return type(shell).from_pretrained(
            None,
            config=shell.config,
            state_dict=tensors,
            dtype=torch.float32,
            use_safetensors=True,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,  # reported below, by name
            output_loading_info=True,
        )
    except (SafetensorError, OSError, ValueError, RuntimeError, ImportError, TypeError, KeyError) as error:
        raise TglError(
            f"{', '.join(map(str, files))}: cannot be loaded as '{shell.config.model_type}' ({brief(error)}). "
            f"{how_to_mend(next(iter(files)))}"
        ) from None


def _check_loaded(folder: Path, model: PreTrainedModel, headers: Mapping[str, Header], info: Mapping) -> None:
    where = next(iter(headers.values())).file if len({h.file for h in headers.values()}) == 1 else folder
    for name, found, expected in sorted(info["mismatched_keys"]):
        header = headers.get(name) or Header(where, "", tuple(found))
        raise _misshaped(folder, header, name, tuple(expected))
    missing = sorted(info["missing_keys"])
    if missing:
        raise TglError(
            f"{where}: lacks {len(missing)} of the model's tensors ({names_of(missing)}); expected every one that "
            f"{CONFIG} asks for. {_why_missing(info['unexpected_keys'], where)}"
        )
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            bad = int((~torch.isfinite(tensor)).sum())
            file = headers[name].file if name in headers else where
            raise TglError(
                f"{file}: '{name}' holds {bad:,} values that are not finite in fp32, expected none. Give a checkpoint "
                "from before the training went wrong."
            )


def _why_missing(unexpected: Iterable[str], where: Path) -> str:
    names = sorted(unexpected)
    for prefix, maker in _PREFIXES.items():
        if any(name.startswith(prefix) for name in names):
            return f"Names in the file begin with '{prefix}', which {maker} puts there: save the model inside again."
    if names:
        return f"It holds {len(names)} under other names ({names_of(names, 3)}): rename them."
    return how_to_mend(where)


def _unused(
    folder: Path, model: PreTrainedModel, headers: Mapping[str, Header], unexpected: Iterable[str]
) -> list[str]:
    """Return the tensors that belong to no part of the model; raise TglError where a part of it loses one."""
    unused = sorted(
        name for name in unexpected if not (name in headers and _is_computed(name, headers[name].shape))
    )
    modules = {name for name, _ in model.named_modules() if name}
    lost = [name for name in unused if _is_of(name, modules, model) or name.startswith(tuple(_PREFIXES))]
    if lost:
        file = headers[lost[0]].file if lost[0] in headers else folder
        raise TglError(
            f"{file}: holds {len(lost)} tensors that {folder / CONFIG} has no place for ({names_of(lost)}), and "
            "without them the model is another one. Give the configuration that belongs to the weights."
        )
    return unused


def _is_of(name: str, modules: Collection[str], model: PreTrainedModel) -> bool:
    """Tell whether a tensor would stand in a module that the model has: another block, a bias, a norm."""
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
    except Exception as error:  # each key is checked with exceptions of its own
        raise TglError(f"{path}: not usable ({brief(error)}). {how_to_mend(path)}") from None
