"""Find the folder of a model or adapter, given or by a Hugging Face name."""

from __future__ import annotations

import re
from pathlib import Path

from transformers.utils.hub import cached_file

from tgl.core.errors import TglError
from tgl.models.model_files import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    CONFIG,
    INDEX,
    WEIGHTS,
    read_model_json,
    weight_map,
)

_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")
_EXPECTED = "expected a Hugging Face name or a folder with config.json and safetensors"


def local_folder(name: str | Path) -> Path:
    """Return the folder of a model or adapter: the given folder, or the local copy of a Hugging Face name.

    Files of a Hugging Face name are downloaded if they are not in the cache.

    Raises:
        TglError: `name` is neither a folder nor a Hugging Face name, or a file cannot be downloaded.
    """
    if is_folder(name):
        return Path(name)
    if not _HUB_NAME.fullmatch(str(name)):
        raise TglError(f"model '{name}': cannot be loaded (no such folder); {_EXPECTED}")
    try:
        adapter = _cached(name, ADAPTER_CONFIG)
        if adapter is not None:
            _cached(name, ADAPTER_WEIGHTS)
        config = _cached(name, CONFIG) if adapter is not None else Path(cached_file(str(name), CONFIG))
        if config is None:
            return adapter.parent
        _cached(name, "generation_config.json")
        if _cached(name, WEIGHTS) is None:
            index = _cached(name, INDEX)
            for shard in sorted(set(weight_map(index).values())) if index is not None else ():
                _cached(name, shard)
    except (OSError, ValueError) as error:
        raise TglError(f"model '{name}': cannot be loaded ({error}); {_EXPECTED}") from None
    return config.parent


def is_folder(name: str | Path) -> bool:
    """Return whether a folder has this name.

    Raises:
        TglError: A file has this name. A model or tokenizer is always a folder.
    """
    try:
        if Path(name).is_dir():
            return True
        is_file = Path(name).exists()
    except OSError as error:  # The name is too long.
        raise TglError(f"'{str(name)[:80]}': cannot be looked up ({error.strerror}); {_EXPECTED}") from None
    if is_file:
        raise TglError(f"'{name}': is a file; {_EXPECTED}. Give the folder of the file.")
    return False


def _cached(name: str | Path, file: str) -> Path | None:
    found = cached_file(str(name), file, _raise_exceptions_for_missing_entries=False)
    return None if found is None else Path(found)


def base_of_adapter(folder: Path) -> Path:
    """Return the folder of an adapter's base model.

    This is the adapter's own folder if it holds a model, otherwise the model that the adapter's configuration names. A
    relative path starts at the adapter's folder if there is a model, otherwise at the working directory.

    Raises:
        TglError: The base model is not named, cannot be found, or is an adapter itself.
    """
    # Trainers also save the base model's configuration next to an adapter.
    if (folder / CONFIG).is_file() and any((folder / file).is_file() for file in (WEIGHTS, INDEX)):
        return folder
    path = folder / ADAPTER_CONFIG
    base = read_model_json(path).get("base_model_name_or_path")
    if not isinstance(base, str) or not base:
        raise TglError(
            f"{path}: base_model_name_or_path is {base!r}, expected the folder or Hugging Face name of the base model. "
            "Add it there."
        )
    try:
        found = local_folder(local_base(folder) or base)
    except TglError as error:
        raise TglError(f"{path}: its base model cannot be found: {error}") from None
    if (found / ADAPTER_CONFIG).is_file():
        raise TglError(
            f"{path}: its base model '{base}' is an adapter itself, expected a whole model. Merge that adapter first."
        )
    return found


def local_base(folder: Path) -> Path | None:
    """Return the base model that an adapter's configuration names, if it is a folder on this machine, or None."""
    base = read_model_json(folder / ADAPTER_CONFIG).get("base_model_name_or_path")
    places = [folder / base, Path(base)] if isinstance(base, str) and base else []
    return next((place for place in places if (place / CONFIG).is_file()), None)
