"""The folder a run keeps its state in, undeclared to the workflow: one process at a time, and only its own state."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tgl.errors import TglError
from tgl.files import sha1_file, write_text
from tgl.json_text import read_json

_IDENTITY = "identity.json"
# Tells a state folder, whose identity may be damaged, from any other folder, which is never removed.
_MARK = ".tgl-state"


@contextlib.contextmanager
def claimed_state(
    folder: Path, settings: Mapping, inputs: Mapping[str, str | Path], say: Callable[[str], None]
) -> Iterator[None]:
    """Hold the state folder for this process; empty it when it belongs to other settings or inputs, or is damaged.

    A process left over from a killed run may still hold it: then this one waits. What differs or is damaged is printed.
    Raises TglError for a folder that holds files and is no state folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock_path = folder.parent / f".{folder.name}.lock"
    with open(lock_path, "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{folder}: another process trains here, waiting until it ends")
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as error:
            say(f"{folder}: no lock on this file system ({error}); see to it that nothing else trains here")
        folder.mkdir(parents=True, exist_ok=True)
        identity = {**settings, **{name: sha1_file(path) for name, path in inputs.items()}}
        if reason := _not_ours(folder, identity):
            if any(folder.iterdir()):
                _check_state_folder(folder)
                say(f"{reason}; starting from the beginning")
            remove_state(folder)
            folder.mkdir(parents=True)
            (folder / _MARK).touch()
            write_text(folder / _IDENTITY, json.dumps(identity, indent=1))
        yield


def _not_ours(folder: Path, identity: Mapping) -> str | None:
    """Return why what the folder holds cannot be gone on from, or None."""
    marker = folder / _IDENTITY
    try:
        found = read_json(marker)
    except TglError:
        what = "damaged (not the JSON object that was saved)" if marker.exists() else "missing"
        return f"{marker}: {what}, so the state next to it cannot be recognised and is removed"
    if different := sorted(key for key in identity | found if identity.get(key) != found.get(key)):
        return f"{marker}: the state there is of another run ({', '.join(different)})"
    return None


def _check_state_folder(folder: Path) -> None:
    if not any((folder / name).exists() for name in (_MARK, _IDENTITY)):
        raise TglError(
            f"{folder}: holds files and is no folder of a training's state; expected an empty folder, or none yet. "
            "Name another folder for the state"
        )


def seal(folder: Path, marker: Path) -> None:
    """Record that the folder is complete: write the SHA-1 of each of its files to `marker`."""
    write_text(marker, json.dumps({"sha1": _digests(folder, marker)}, indent=1))


def damage(folder: Path, marker: Path) -> str | None:
    """Return what is wrong with a folder that `seal` recorded in `marker`; None where every file is as it was."""
    try:
        expected = read_json(marker).get("sha1")
    except TglError:
        return f"{marker}: {'not the JSON object that was saved' if marker.exists() else 'missing'}"
    found = _digests(folder, marker)
    if not isinstance(expected, dict):
        return f"{marker}: holds no checksums"
    wrong = sorted(name for name in expected | found if expected.get(name) != found.get(name))
    return f"{folder}: not as saved: {', '.join(wrong)}" if wrong else None


def _digests(folder: Path, marker: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): sha1_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != marker
    }


def remove_state(folder: Path) -> None:
    """Remove the folder at once: what a kill leaves of it lies under another name, which the next removal clears."""
    folder = Path(os.path.abspath(folder))
    gone = folder.with_name(f".{folder.name}.removed")
    shutil.rmtree(gone, ignore_errors=True)
    with contextlib.suppress(FileNotFoundError):
        os.rename(folder, gone)
    shutil.rmtree(gone, ignore_errors=True)
