"""How far a training has come: its weights, optimiser state and log in a folder, replaced as a whole."""

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

from tgl.errors import TglError
from tgl.files import sha1_file
from tgl.json_text import read_json

_TENSORS, _PROGRESS = "state.safetensors", "progress.json"


@dataclass
class TrainingLog:
    """What a run leaves behind: a row a step, and each unit's learning rate at a few steps."""

    steps: list[dict] = field(default_factory=list)
    rates: dict[int, dict[str, float]] = field(default_factory=dict)


def save_progress(folder: Path, step: int, log: TrainingLog, tensors: Mapping[str, torch.Tensor]) -> None:
    """Replace the folder: a kill leaves the old one or the new one, never a mixture.

    tensors: what `Engine.state` returned after `step` steps.
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
        shutil.rmtree(fresh, ignore_errors=True)  # on a full disk above all
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
    """Return where the state before stands while the new one takes its place."""
    return folder.with_name(f".{folder.name}.old")


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_progress(folder: Path, say: Callable[[str], None]) -> tuple[int, TrainingLog]:
    """Return (steps done, log) of the saved state; (0, an empty log) where there is none.

    A damaged state is reported with the file's name, removed, and counts as none: its steps are done again.
    """
    if not folder.is_dir() and _old(folder).is_dir():  # killed between the two
        _old(folder).rename(folder)
    for left in folder.parent.glob(f".{folder.name}.*"):  # of saves that were killed
        _remove(left)
    if not folder.exists():
        return 0, TrainingLog()
    try:
        record = _checked(folder)
    except _Damaged as damage:
        say(f"{damage}; the saved state is damaged, its steps are done again from step 0")
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
    """Return what `save_progress` recorded; raise _Damaged naming the file that is not as it was written."""
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
        raise _Damaged(f"{path} has the SHA-1 {found}, saved was {record['sha1']}")
    return record


def read_tensors(folder: Path) -> dict[str, torch.Tensor]:
    """Return the tensors that `save_progress` was given."""
    return load_file(folder / _TENSORS)
