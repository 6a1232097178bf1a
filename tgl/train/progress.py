"""How far a training has come: its weights, optimiser state and log in a folder, replaced as a whole."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from tgl.files import sha1_file

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
        progress = {
            "step": step,
            "steps": log.steps,
            "rates": log.rates,
            "sha1": sha1_file(fresh / _TENSORS),
        }
        (fresh / _PROGRESS).write_text(json.dumps(progress), encoding="utf-8")
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

    A state that is damaged is said, removed, and counts as none: its steps are done again.
    """
    if not folder.is_dir() and _old(folder).is_dir():  # killed between the two
        _old(folder).rename(folder)
    for left in folder.parent.glob(f".{folder.name}.*"):  # of saves that were killed
        shutil.rmtree(left)
    if not folder.is_dir():
        return 0, TrainingLog()
    try:
        progress = json.loads((folder / _PROGRESS).read_text(encoding="utf-8"))
        if sha1_file(folder / _TENSORS) != progress["sha1"]:
            raise ValueError(f"{_TENSORS} is not as it was written")
        rates = {int(step): found for step, found in progress["rates"].items()}
        return progress["step"], TrainingLog(progress["steps"], rates)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        say(f"{folder}: the saved state is damaged ({error}); these steps are done again")
        shutil.rmtree(folder)
        return 0, TrainingLog()


def read_tensors(folder: Path) -> dict[str, torch.Tensor]:
    """Return the tensors that `save_progress` was given."""
    return load_file(folder / _TENSORS)
