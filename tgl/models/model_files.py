"""Check the files of a model before reading weights: config.json, the index, and the headers of safetensors files."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from tgl.core.errors import TglError
from tgl.core.files import how_to_mend
from tgl.core.json_text import read_json

CONFIG, ADAPTER_CONFIG = "config.json", "adapter_config.json"
WEIGHTS, INDEX, ADAPTER_WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "adapter_model.safetensors",
)
_FLOATS = {"F64", "F32", "F16", "BF16"}
# Formats that are never read: pickles run code, and the others belong to other libraries or are quantised.
_OTHER_WEIGHTS = {
    ".bin",
    ".pt",
    ".pth",
    ".ckpt",
    ".pkl",
    ".gguf",
    ".ggml",
    ".h5",
    ".msgpack",
    ".onnx",
    ".npz",
}


@dataclass(frozen=True)
class Header:
    """The header of one tensor in a safetensors file.

    Attributes:
        file: The file.
        dtype: The type as in the file, such as F32 or I8.
        shape: The shape of the tensor.
    """

    file: Path
    dtype: str
    shape: tuple[int, ...]

    @property
    def is_float(self) -> bool:
        """Whether the tensor holds floating-point numbers of at least 16 bits."""
        return self.dtype in _FLOATS


def refuse_pointer(path: Path) -> None:
    """Check that a file holds its content and not a git-lfs pointer.

    Raises:
        TglError: The file holds a git-lfs pointer, or cannot be read.
    """
    try:
        with open(path, "rb") as file:
            start = file.read(40)
    except OSError as error:
        raise TglError(f"{path}: cannot be read ({error.strerror}); expected a file of a model") from None
    if start.startswith(b"version https://git-lfs"):
        raise TglError(
            f"{path}: holds a git-lfs pointer, expected the file itself. Run `git lfs pull` in its folder."
        )


def read_model_json(path: Path, known: Collection[str] = ()) -> dict:
    """Read a JSON file of a model's folder.

    Args:
        path: The file.
        known: Model types that transformers implements. Their `auto_map` is ignored.

    Raises:
        TglError: The file holds a git-lfs pointer, or needs code that comes with the model. Such code is never run.
    """
    if path.is_file():
        refuse_pointer(path)
    found = read_json(path)
    kind = found.get("model_type")
    replaced = {"auto_map"} if isinstance(kind, str) and kind in known else set()
    own = next(_values_of("auto_map", {key: found[key] for key in found.keys() - replaced}), None)
    if own:
        raise TglError(
            f"{path}: names code of its own (auto_map: {names_of(map(str, own))}), but tgl never runs code that comes "
            "with a model. Give a model whose architecture is part of transformers."
        )
    return found


def weight_files(folder: Path) -> list[Path]:
    """Return the safetensors files with a model's weights: one file, or the shards that the index names.

    Raises:
        TglError: There are no weights, they have another format, the index names a missing file, or a shard lacks a
            tensor of the index.
    """
    whole, index = folder / WEIGHTS, folder / INDEX
    if whole.is_file():
        return [whole]
    if index.is_file():
        return _shards(index)
    others = sorted(file.name for file in folder.iterdir() if file.suffix in _OTHER_WEIGHTS)
    shards = sorted(file.name for file in folder.glob("*.safetensors"))
    if others and not shards:
        raise TglError(
            f"{folder}: found the weights {names_of(others)}, expected {WEIGHTS}. Load them with the library that "
            "wrote them, and save them with save_pretrained."
        )
    raise TglError(
        f"{folder}: no {WEIGHTS} and no {INDEX}, found {names_of(shards) if shards else 'no weights at all'}. Fetch "
        "the missing files."
    )


def weight_map(index: Path) -> dict[str, str]:
    """Return the file of each tensor, by name, that the index of a model names.

    Raises:
        TglError: The index is a git-lfs pointer or damaged, or names a file of another folder.
    """
    refuse_pointer(index)
    found = read_json(index).get("weight_map")
    if not isinstance(found, dict) or not found or not all(isinstance(name, str) for name in found.values()):
        raise TglError(
            f"{index}: 'weight_map' is invalid, expected a map from tensor to file. {how_to_mend(index)}"
        )
    strange = sorted({name for name in found.values() if Path(name).name != name or not name})
    if strange:
        raise TglError(
            f"{index}: names {names_of(strange)}, expected files of the same folder. {how_to_mend(index)}"
        )
    return found


def _shards(index: Path) -> list[Path]:
    places = weight_map(index)
    files = [index.with_name(name) for name in sorted(set(places.values()))]
    absent = [file.name for file in files if not file.is_file()]
    if absent:
        raise TglError(
            f"{index}: names {names_of(absent)}, which {'is' if len(absent) == 1 else 'are'} not in the folder; "
            f"expected all {len(files)} files. Fetch the missing files."
        )
    held: dict[str, str] = {}
    for file in files:
        for name in read_headers([file]):
            if name in held:
                raise TglError(
                    f"{file}: holds '{name}', which {held[name]} holds too; expected it once. {how_to_mend(file)}"
                )
            held[name] = file.name
    lost = sorted(name for name, file in places.items() if held.get(name) != file)
    if lost:
        raise TglError(
            f"{index.with_name(places[lost[0]])}: lacks {names_of(lost)}, expected as in {index.name}. "
            f"{how_to_mend(index)}"
        )
    return files


def read_headers(files: Iterable[Path]) -> dict[str, Header]:
    """Return the headers of the tensors in safetensors files, by name, without reading the tensors.

    Raises:
        TglError: A file is a git-lfs pointer, is truncated or otherwise damaged.
    """
    found = {}
    for path in files:
        refuse_pointer(path)
        try:
            with safe_open(path, "pt") as file:
                for name in file.keys():  # noqa: SIM118, the file is not a dictionary
                    part = file.get_slice(name)
                    found[name] = Header(path, part.get_dtype(), tuple(part.get_shape()))
        except (SafetensorError, OSError, ValueError) as error:
            raise TglError(
                f"{path}: not a whole safetensors file ({error}; {path.stat().st_size:,} bytes found). "
                f"{how_to_mend(path)}"
            ) from None
    return found


def load_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a safetensors file by name, on the CPU.

    Raises:
        TglError: The file is missing, or as `read_headers`.
    """
    if not path.is_file():
        raise TglError(f"{path}: no such file; expected tensors in safetensors. {how_to_mend(path)}")
    read_headers([path])
    return load_file(path)


def check_finite(tensor: torch.Tensor, name: str, file: Path) -> None:
    """Check that a tensor of a file holds only finite numbers.

    Raises:
        TglError: It does not.
    """
    if not tensor.is_floating_point() or not tensor.numel():
        return
    # Least and largest number, which NaN takes over, need no memory for a mask.
    if not all(bound.isfinite() for bound in torch.aminmax(tensor)):
        bad = int((~torch.isfinite(tensor)).sum())
        raise TglError(
            f"{file}: '{name}' holds {bad:,} values that are not finite in {str(tensor.dtype).removeprefix('torch.')}, "
            "expected none. Give an earlier checkpoint, from before the training diverged."
        )


def names_of(names: Iterable[str], most: int = 5) -> str:
    """Return the first `most` names in quotes, and the number of further names."""
    every = [f"'{name}'" for name in names]
    return ", ".join(every[:most]) + (f" and {len(every) - most} more" if len(every) > most else "")


def _values_of(key: str, config: dict) -> Iterator[Iterable]:
    """Yield every value of a key that is not empty, including those of inner sections."""
    for name, value in config.items():
        if name == key and value:
            yield value if isinstance(value, dict | list) else [value]
        elif isinstance(value, dict):
            yield from _values_of(key, value)


def numbers_in(config: dict, level: int = 0) -> Iterator[tuple[str, int]]:
    """Yield every integer of a configuration with its key, including those of inner sections."""
    for key, value in config.items():
        if isinstance(value, dict) and level < 4:
            yield from numbers_in(value, level + 1)
        elif isinstance(value, int) and not isinstance(value, bool):
            yield str(key), value
