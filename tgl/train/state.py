"""The folder a run keeps its state in, undeclared to the workflow: one process at a time, and only its own state."""

from __future__ import annotations

import contextlib
import fcntl
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tgl.files import sha1_file, write_text

_IDENTITY = "identity.json"


@contextlib.contextmanager
def claimed_state(
    folder: Path, settings: Mapping, inputs: Mapping[str, str | Path], say: Callable[[str], None]
) -> Iterator[None]:
    """Hold the state folder for this process; empty it when it belongs to other settings or inputs.

    A process left over from a killed run may still hold it: then this one waits. What differs is said.
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
        marker = folder / _IDENTITY
        found = json.loads(marker.read_text()) if marker.is_file() else None
        if found is None or found != identity:
            if found is not None:
                different = sorted(key for key in identity | found if identity.get(key) != found.get(key))
                say(f"{folder}: the state there is of another run ({', '.join(different)}); starting afresh")
            remove_state(folder)
            folder.mkdir(parents=True)
            write_text(marker, json.dumps(identity, indent=1))
        yield


def remove_state(folder: Path) -> None:
    """Remove the folder. Without its identity, which goes first, what a kill leaves of it counts as nothing."""
    (folder / _IDENTITY).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
