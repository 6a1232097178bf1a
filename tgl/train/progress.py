"""The saved state of a training run: weights, optimiser state and log in a folder that is replaced atomically."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from tgl.core.errors import TglError
from tgl.core.files import sha1_file
from tgl.core.json_text import read_json

_TENSORS, _PROGRESS = "state.safetensors", "progress.json"


@dataclass
class TrainingLog:
    """The log of a training run.

    Attributes:
        steps: One row per step.
        rates: The learning rate of each unit, at a few steps.
    """

    steps: list[dict] = field(default_factory=list)
    rates: dict[int, dict[str, float]] = field(default_factory=dict)


def save_progress(folder: Path, step: int, log: TrainingLog, *, tensors: Mapping[str, torch.Tensor]) -> None:
    """Replace the saved state. After a kill, the folder holds the old state or the new one, never a mixture.

    Args:
        folder: The folder of the state.
        step: Number of steps done.
        log: The log so far.
        tensors: The result of `Engine.state` after `step` steps.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        save_file({name: value.contiguous() for name, value in tensors.items()}, fresh / _TENSORS)
        record = {
            "step": step,
            "steps": log.steps,
            "rates": {str(at): rates for at, rates in log.rates.items()},
            "sha1": sha1_file(fresh / _TENSORS),
        }
        text = json.dumps(record | {"own_sha1": _digest(record)})
        (fresh / _PROGRESS).write_text(text, encoding="utf-8")
        for path in fresh.iterdir():
            _to_disk(path)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)  # This frees space on a full disk.
        raise
    old = _old(folder)
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    _to_disk(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def _digest(record: Mapping) -> str:
    return hashlib.sha1(json.dumps(record, sort_keys=True).encode()).hexdigest()


def _old(folder: Path) -> Path:
    """Return the path of the previous state while the new one replaces it."""
    return folder.with_name(f".{folder.name}.old")


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_progress(folder: Path, say: Callable[[str], None]) -> tuple[int, TrainingLog]:
    """Return (steps done, log) of the saved state; (0, an empty log) if there is none.

    A damaged state is logged with the file's name and removed. Training then restarts from step 0.

    Args:
        folder: The folder of the state.
        say: Called with log lines.
    """
    if not folder.is_dir() and _old(folder).is_dir():  # A kill came between the two renames.
        _old(folder).rename(folder)
    for left in folder.parent.glob(f".{folder.name}.*"):  # A killed save leaves these.
        _remove(left)
    if not folder.exists():
        return 0, TrainingLog()
    try:
        record = _checked(folder)
    except _Damaged as damage:
        say(f"{damage}; the saved state is damaged, so training restarts from step 0")
        _remove(folder)
        return 0, TrainingLog()
    rates = {int(step): found for step, found in record["rates"].items()}
    return record["step"], TrainingLog(record["steps"], rates)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


class _Damaged(Exception):
    pass


def _checked(folder: Path) -> dict:
    """Return the record of `save_progress`; raise _Damaged with the name of a damaged file."""
    path = folder / _PROGRESS
    try:
        record = read_json(path)
    except TglError:
        what = "is not the JSON object that was saved" if path.exists() else "is missing"
        raise _Damaged(f"{path} {what}") from None
    if record.pop("own_sha1", None) != _digest(record):
        raise _Damaged(f"{path} does not have the SHA-1 that it was saved with")
    path = folder / _TENSORS
    try:
        found = sha1_file(path)
    except OSError as error:
        raise _Damaged(f"{path} cannot be read ({error.strerror})") from None
    if found != record["sha1"]:
        raise _Damaged(f"{path} has the SHA-1 {found}, expected {record['sha1']}")
    return record


def read_tensors(folder: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of the saved state."""
    return load_file(folder / _TENSORS)
