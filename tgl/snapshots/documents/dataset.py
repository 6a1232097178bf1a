"""Read the rows of a Hugging Face dataset: one of the hub, or a folder written by `save_to_disk`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tgl.core.errors import TglError

_KEY = "snapshots.documents"
# [CONFIGURATION][:SPLIT][@REVISION]
_PLACE = re.compile(r"(?P<name>[^:@]*)(?::(?P<split>[^:@]+))?(?:@(?P<revision>[^:@]+))?")


def is_saved_dataset(folder: Path) -> bool:
    """Return whether `save_to_disk` of datasets wrote a folder."""
    return (folder / "state.json").is_file() and (folder / "dataset_info.json").is_file()


def saved_rows(folder: Path) -> Iterator[dict]:
    """Yield the rows of a dataset that `save_to_disk` wrote. They are read from the disk one by one.

    Raises:
        TglError: The folder cannot be read.
    """
    from datasets import load_from_disk

    try:
        yield from load_from_disk(str(folder))
    except Exception as error:  # datasets and Arrow have exceptions of their own
        raise TglError(f"{folder}: cannot be read as a saved dataset ({_short(error)})") from None


def named_rows(dataset: str, place: str) -> tuple[Iterator[dict], dict[str, str]]:
    """Return the rows of a dataset, and where they are from.

    The rows of a dataset of the hub are streamed, so nothing is stored on this machine.

    Args:
        dataset: Its name on the hub, or a folder with its files.
        place: `[CONFIGURATION][:SPLIT][@REVISION]`; "" is the default configuration, the split `train` and the newest
            revision.

    Raises:
        TglError: There is no such dataset, configuration, split or revision.
    """
    from datasets import load_dataset

    match = _PLACE.fullmatch(place)
    if match is None:
        raise TglError(
            f"{_KEY}.collections: found '{place}', expected [CONFIGURATION][:SPLIT][@REVISION] of the dataset {dataset}"
        )
    split = match["split"] or "train"
    try:
        rows = load_dataset(
            dataset, match["name"] or None, split=split, revision=match["revision"], streaming=True
        )
    except Exception as error:  # missing, private or unreachable, each with its own exception
        raise TglError(f"{_KEY}.dataset: {dataset} '{place}' cannot be loaded ({_short(error)})") from None
    return _guarded(rows, dataset), {"source": "dataset", "dataset": dataset, "configuration": place}


def _guarded(rows: Iterator[dict], dataset: str) -> Iterator[dict]:
    try:
        yield from rows
    except Exception as error:
        raise TglError(f"{_KEY}.dataset: {dataset} cannot be read ({_short(error)})") from None


def _short(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"[:300]
