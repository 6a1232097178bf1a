"""The state folder of a run. Only one process uses it at a time, and the workflow does not declare it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tgl.core.errors import TglError
from tgl.core.files import sha1_file, write_text
from tgl.core.json_text import read_json

_IDENTITY = "identity.json"
# This file marks a state folder, even if its identity is damaged. Other folders are never removed.
_MARK = ".tgl-state"


@contextlib.contextmanager
def claimed_state(
    folder: Path, settings: Mapping, inputs: Mapping[str, str | Path], *, say: Callable[[str], None]
) -> Iterator[None]:
    """Lock the state folder for this process, and empty it if it does not belong to this run or is damaged.

    If another process, such as one left over from a killed run, holds the folder, this process waits. Differences and
    damage are logged.

    Args:
        folder: The state folder.
        settings: Settings that determine the state.
        inputs: Files that determine the state, by name.
        say: Called with log lines.

    Raises:
        TglError: The folder holds files and is not a state folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock_path = folder.parent / f".{folder.name}.lock"
    with open(lock_path, "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{folder}: waiting for another process that trains here")
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as error:
            say(
                f"{folder}: cannot lock on this file system ({error}); make sure that no other process trains here"
            )
        folder.mkdir(parents=True, exist_ok=True)
        identity = {**settings, **{name: sha1_file(path) for name, path in inputs.items()}}
        if reason := _not_ours(folder, identity):
            if any(folder.iterdir()):
                _check_state_folder(folder)
                say(f"{reason}; starting from step 0")
            remove_state(folder)
            folder.mkdir(parents=True)
            (folder / _MARK).touch()
            write_text(folder / _IDENTITY, json.dumps(identity, indent=1))
        yield


def _not_ours(folder: Path, identity: Mapping) -> str | None:
    """Return why the run cannot resume from the folder, or None if it can."""
    marker = folder / _IDENTITY
    try:
        found = read_json(marker)
    except TglError:
        what = "damaged (not the JSON object that was saved)" if marker.exists() else "missing"
        return f"{marker}: {what}, so the state next to it cannot be identified and is removed"
    if different := sorted(key for key in identity | found if identity.get(key) != found.get(key)):
        return f"{marker}: the state belongs to another run ({', '.join(different)})"
    return None


def _check_state_folder(folder: Path) -> None:
    if not any((folder / name).exists() for name in (_MARK, _IDENTITY)):
        raise TglError(
            f"{folder}: holds files but is not a state folder, expected an empty or new folder. "
            "Name another folder for the state"
        )


def seal(folder: Path, marker: Path) -> None:
    """Mark a folder as complete: write the SHA-1 of each of its files to `marker`."""
    write_text(marker, json.dumps({"sha1": _digests(folder, marker)}, indent=1))


def damage(folder: Path, marker: Path) -> str | None:
    """Return the damage of a folder that `seal` recorded in `marker`; None if every file is unchanged."""
    try:
        expected = read_json(marker).get("sha1")
    except TglError:
        return f"{marker}: {'not the JSON object that was saved' if marker.exists() else 'missing'}"
    found = _digests(folder, marker)
    if not isinstance(expected, dict):
        return f"{marker}: holds no checksums"
    wrong = sorted(name for name in expected | found if expected.get(name) != found.get(name))
    return f"{folder}: does not match the checksums in {marker.name}: {', '.join(wrong)}" if wrong else None


def _digests(folder: Path, marker: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): sha1_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != marker
    }


def remove_state(folder: Path) -> None:
    """Remove the folder: rename it first, so that after a kill no partial folder keeps its name."""
    folder = Path(os.path.abspath(folder))
    gone = folder.with_name(f".{folder.name}.removed")
    shutil.rmtree(gone, ignore_errors=True)
    with contextlib.suppress(FileNotFoundError):
        os.rename(folder, gone)
    shutil.rmtree(gone, ignore_errors=True)
